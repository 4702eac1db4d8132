//! Secrets that a command prints into a file, and plaintext that it writes: for their owner alone.

use std::fs::{self, File, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder, and a file in it as a shell makes it for `>`.
fn printed() -> (TempDir, File) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = File::create(folder.path().join("out")).unwrap();
    file.set_permissions(Permissions::from_mode(0o644)).unwrap();
    (folder, file)
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

fn run(folder: &Path, arguments: &[&str], out: impl Into<Stdio>) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_sealgate"));
    program.args(arguments).env_clear().current_dir(folder).stdin(Stdio::null()).stdout(out);
    program.output().unwrap()
}

#[test]
fn a_file_that_a_secret_is_printed_to_is_its_owners_alone() {
    for arguments in [
        &["keygen"][..],
        &["keygen", "--json"],
        &["fragment", "generate", "--name", "finance"],
        &["fragment", "generate", "--name", "finance", "--json"],
        &["coordinator", "token", "--name", "gateway", "--scope", "tenants:read", "--access", "access.json"],
    ] {
        let (folder, file) = printed();
        let output = run(folder.path(), arguments, file);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && told.contains("others could read"), "{arguments:?}: {told}");
        assert_eq!(mode(&folder.path().join("out")), 0o600, "{arguments:?}");
        assert!(fs::metadata(folder.path().join("out")).unwrap().len() > 40, "{arguments:?}");
    }
}

#[test]
fn what_is_closed_already_or_no_file_is_left_as_it_is() {
    let (folder, file) = printed();
    file.set_permissions(Permissions::from_mode(0o400)).unwrap();
    let output = run(folder.path(), &["keygen"], file);
    assert!(output.status.success() && output.stderr.is_empty());
    assert_eq!(mode(&folder.path().join("out")), 0o400);
    let piped = run(folder.path(), &["keygen"], Stdio::piped());
    assert!(piped.status.success() && piped.stderr.is_empty() && piped.stdout.len() == 45);
}

#[test]
fn what_is_no_secret_changes_no_mode() {
    let (folder, file) = printed();
    assert!(run(folder.path(), &["config", "schema"], file).status.success());
    assert_eq!(mode(&folder.path().join("out")), 0o644);
}

#[test]
fn the_first_start_prints_its_access_key_into_a_closed_file_too() {
    let (folder, file) = printed();
    let mut serving = Command::new(env!("CARGO_BIN_EXE_sealgate"))
        .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .env_clear()
        .current_dir(folder.path())
        .stdout(file)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let out = folder.path().join("out");
    let mut lines = BufReader::new(serving.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("others could read")), "it says so");
    while !fs::read_to_string(&out).unwrap().contains("AWS_SECRET_ACCESS_KEY=") {
        assert!(serving.try_wait().unwrap().is_none(), "it ended");
    }
    assert_eq!(mode(&out), 0o600);
    serving.kill().unwrap();
    serving.wait().unwrap();
}
