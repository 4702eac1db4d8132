//! `sealgate doctor`: what it finds, and its exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::gateway::{Gateway, SEED, folder, program};

/// The states of the checks by name, and whether all is well.
fn examine(config: &Value, arguments: &[&str], secret_mode: u32) -> (bool, Value) {
    let folder = folder(config);
    let secret = folder.path().join("secret.json");
    fs::set_permissions(&secret, fs::Permissions::from_mode(secret_mode)).unwrap();
    let (is_well, findings) = examined(folder.path(), arguments);
    assert!(!findings.to_string().contains(SEED), "{findings}");
    (is_well, findings)
}

/// Whether all is well with the gateway of a folder, and the findings.
pub(crate) fn examined(folder: &Path, arguments: &[&str]) -> (bool, Value) {
    let arguments = [&["doctor", "--json"], arguments].concat();
    let output = program(folder, &arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), serde_json::from_str(&text).expect(&text))
}

/// How the first check of this name came out.
pub(crate) fn state(findings: &Value, name: &str) -> String {
    states(findings, name).into_iter().next().unwrap_or_else(|| "absent".to_owned())
}

/// How all checks of this name came out.
pub(crate) fn states(findings: &Value, name: &str) -> Vec<String> {
    let found = findings.as_array().unwrap().iter().filter(|finding| finding["name"] == name);
    found.map(|finding| finding["state"].as_str().unwrap().to_owned()).collect()
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
    assert_eq!(state(&findings, "production: cluster"), "warn");
    let (_, findings) = examine(&json!({"cluster": {"name": "north"}}), &["--production"], 0o600);
    assert_eq!(state(&findings, "production: cluster"), "ok");
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

#[test]
fn a_store_that_is_in_use_is_left_alone_and_one_that_is_there_is_tried() {
    let mut gateway = Gateway::start(&json!({}));
    let (is_well, findings) = examined(gateway.folder(), &[]);
    assert!(is_well && findings.to_string().contains("is held by a running gateway"), "{findings}");
    gateway.signal("TERM");
    gateway.ended();
    let (is_well, findings) = examined(gateway.folder(), &[]);
    assert!(is_well && findings.to_string().contains("a sealed object went into the local store"), "{findings}");
    let (is_well, findings) = examined(gateway.folder(), &["--read-only"]);
    assert!(is_well && findings.to_string().contains("nothing was written"), "{findings}");
}

#[test]
fn doctor_leaves_no_trace_of_a_store_that_is_not_there_yet() {
    let folder = folder(&json!({}));
    let names = || {
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    examined(folder.path(), &[]);
    assert_eq!(names(), before);
}

#[test]
fn certificates_and_key_files_are_looked_at() {
    let pki = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/kmip/pki");
    let tls = json!({"cert": pki.join("server.crt"), "key": pki.join("client-p256.pkcs8.key")});
    let (is_well, findings) = examine(&json!({"listen": {"tls": tls}}), &[], 0o600);
    assert_eq!((is_well, state(&findings, "certificate").as_str()), (false, "fail"), "{findings}");
    assert_eq!(state(&findings, "key file"), "fail", "others can read it: {findings}");
}
