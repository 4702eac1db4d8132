//! The program, started with exactly the files that the chart mounts into its pod.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

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
        serving.kill().unwrap();
        serving.wait().unwrap();
        assert!(line.starts_with("sealgate serves S3 on http://127.0.0.1:"), "{name}: {line}");
    }
}

fn file(folder: &Path, name: &str, kind: &str) -> String {
    folder.join(format!("{name}-{kind}.json")).to_str().unwrap().to_owned()
}
