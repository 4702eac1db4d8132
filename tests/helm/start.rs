//! The program, started with exactly the files that the chart mounts into its pod.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::install::PYTHON_BIN;

#[test]
fn the_rendered_files_are_a_configuration_of_the_program() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    super::check("render_for_a_start", &[folder.path().to_str().unwrap()]);
    for name in ["single", "many"] {
        let (config, secret) = (file(folder.path(), name, "application"), file(folder.path(), name, "secret"));
        let files = ["--config", &config, "--secret", &secret];
        let program = || {
            let mut program = Command::new(env!("CARGO_BIN_EXE_sealgate"));
            program.env_clear();
            program
        };
        let checked = program().args(["config", "check"]).args(files).output().unwrap();
        let shown = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "{name}: {}", String::from_utf8_lossy(&checked.stderr));
        assert!(shown.contains("/var/lib/sealgate") && !shown.contains("warning"), "{shown}");
        assert!(!shown.contains("helm-test-secret") && !shown.contains("MDEyMzQ1"), "{shown}");
        let mut serving = program()
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"])
            .arg(folder.path().join(name))
            .args(files)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(serving.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let tested = there_and_back(folder.path(), &line);
        serving.kill().unwrap();
        serving.wait().unwrap();
        assert!(line.starts_with("sealgate serves S3 on http://127.0.0.1:"), "{name}: {line}");
        assert!(tested.status.success(), "{name}: {}", String::from_utf8_lossy(&tested.stderr));
    }
}

/// Runs the script of `helm test` against the gateway that printed this line.
fn there_and_back(folder: &Path, line: &str) -> Output {
    let endpoint = line.split(' ').find(|word| word.starts_with("http")).unwrap_or_default().trim_end_matches(',');
    let script = fs::read_to_string(folder.join("there-and-back.sh")).unwrap();
    let mut sh = Command::new("sh");
    sh.args(["-euc", &script]).env_clear().env("HOME", folder).env("NO_PROXY", "*");
    sh.env("PATH", format!("{}:/usr/bin:/bin", PYTHON_BIN.display())).env("AWS_ENDPOINT_URL", endpoint);
    sh.env("AWS_ACCESS_KEY_ID", "AKIDHELM").env("AWS_SECRET_ACCESS_KEY", "helm-test-secret");
    sh.env("AWS_DEFAULT_REGION", "us-east-1").output().unwrap()
}

fn file(folder: &Path, name: &str, kind: &str) -> String {
    folder.join(format!("{name}-{kind}.json")).to_str().unwrap().to_owned()
}
