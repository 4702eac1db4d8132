//! `sealgate doctor`: what it finds, and its exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::gateway::{SEED, folder, program};

/// The states of the checks by name, and whether all is well.
fn examine(config: &Value, arguments: &[&str], secret_mode: u32) -> (bool, Value) {
    let folder = folder(config);
    let secret = folder.path().join("secret.json");
    fs::set_permissions(&secret, fs::Permissions::from_mode(secret_mode)).unwrap();
    let arguments = [&["doctor", "--json"], arguments].concat();
    let output = program(folder.path(), &arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains(SEED), "{text}");
    (output.status.success(), serde_json::from_str(&text).unwrap())
}

fn state(findings: &Value, name: &str) -> String {
    let found = findings.as_array().unwrap().iter().find(|finding| finding["name"] == name);
    found.map_or("absent", |finding| finding["state"].as_str().unwrap()).to_owned()
}

#[test]
fn a_good_configuration_passes_and_an_open_secret_file_does_not() {
    let (is_well, findings) = examine(&json!({}), &[], 0o600);
    assert!(is_well, "{findings}");
    for name in ["configuration", "secret file", "backend", "clock"] {
        assert_eq!(state(&findings, name), "ok", "{findings}");
    }
    let (is_well, findings) = examine(&json!({}), &[], 0o644);
    assert_eq!((is_well, state(&findings, "secret file").as_str()), (false, "fail"));
}

#[test]
fn production_asks_for_more() {
    let (is_well, findings) = examine(&json!({"audit": {"sink": "stdout"}}), &["--production"], 0o600);
    assert!(!is_well);
    assert_eq!(state(&findings, "production: TLS"), "fail");
    assert_eq!(state(&findings, "production: backend"), "fail");
    assert_eq!(state(&findings, "production: audit"), "ok");
    assert_eq!(state(&findings, "production: keys"), "ok");
}

#[test]
fn what_is_wrong_is_told() {
    let s3 = json!({"backend": {"type": "s3", "endpoint": "http://127.0.0.1:1", "path": null, "region": "us-east-1"}});
    let (is_well, findings) = examine(&s3, &[], 0o600);
    assert!(!is_well, "{findings}");
    assert_eq!(state(&findings, "backend"), "fail", "{findings}");
    let (is_well, findings) = examine(&json!({"listen": {"s3": "nowhere"}}), &[], 0o600);
    assert_eq!((is_well, state(&findings, "configuration").as_str()), (false, "fail"));
}
