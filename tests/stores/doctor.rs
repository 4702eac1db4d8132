//! `sealgate doctor` over a real store: it tells what the gateway finds out at its start.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::over::{STORE, backend, own_prefix};
use super::support::Gateway;

#[test]
fn doctor_tells_what_the_store_has_and_what_it_lacks() {
    let prefix = own_prefix();
    let section = backend(STORE.endpoint(), &prefix);
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "crypto": {"key_seed": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
        "tenants": [{"id": "default", "access_keys": [{"id": "AKIADOCTOR", "secret": "a secret for tests"}]}],
        "backend": section,
        "cluster": {"keys": ["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]},
    });
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_sealgate"))
        .args(["doctor", "--json", "--config", "config.json"])
        .env_clear()
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let findings: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let of = |state: &str| {
        let found = findings.as_array().unwrap().iter().find(|one| one["name"] == "features" && one["state"] == state);
        found.map_or(String::new(), |one| one["detail"].as_str().unwrap().to_owned())
    };
    let gateway = Gateway::configured(&section, &prefix);
    for (name, lack) in [
        ("conditional_puts", "conditions of PutObject"),
        ("part_counts", "counts of parts"),
        ("part_copies", "copies of parts"),
        ("settings", "settings of buckets"),
        ("versioning", "versioning"),
        ("object_lock", "object lock"),
        ("trailer_checksums", "checksums behind bodies"),
    ] {
        let lacks = super::over::lacks(&gateway, lack);
        assert_eq!((of("ok").contains(name), of("warn").contains(name)), (!lacks, lacks), "{name}: {findings}");
    }
}
