//! Secrets are in answers to those who may see them, and nowhere else.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::postgres;
use crate::service::{Service, Start, done, kek, program};

const ACCESS_SECRET: &str = "wJalrXUtnFEMI-K7MDENG-of-the-tests";

/// A tenant of which every secret is known, brought along and generated ones; and all of them, in every form.
fn tenant_with_secrets(service: &Service) -> Vec<Vec<u8>> {
    let brought = STANDARD.encode([0xA5; 48]);
    let spec = json!({"key_seed": brought, "access_keys": [{"id": "AKIA1", "secret": ACCESS_SECRET}]});
    done(service.create("t1", &spec));
    let rotated = done(service.change("POST", "/v1/tenants/t1/keys:rotate", &json!({})));
    let key = done(service.change("POST", "/v1/tenants/t1/access-keys", &json!({})));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let seeds = [brought, text(&rotated["keys"][0]["seed"])];
    let secrets = [ACCESS_SECRET.to_owned(), text(&key["secret"]), service.admin.clone(), service.gateway.clone()];
    let all = done(service.get("/v1/tenants/t1")).to_string();
    assert!(seeds.iter().chain(&secrets[..2]).all(|secret| all.contains(secret)), "the gateway sees them: {all}");
    let decoded = seeds.iter().map(|seed| STANDARD.decode(seed).unwrap());
    let hex = |seed: &[u8]| seed.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let forms = decoded.flat_map(|seed| [hex(&seed).into_bytes(), seed]);
    let texts = seeds.iter().chain(&secrets).map(|text| text.clone().into_bytes());
    forms.chain(texts).chain([kek(7).into_bytes(), vec![7; 32]]).collect()
}

/// How many files of a folder hold one of these.
#[track_caller]
fn assert_in_no_file(folder: &Path, secrets: &[Vec<u8>], read_at_least: usize) {
    let mut folders = vec![folder.to_owned()];
    let mut bytes = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(content) = fs::read(&path) {
                bytes += content.len();
                for secret in secrets {
                    let is_there = content.windows(secret.len()).any(|window| window == secret.as_slice());
                    assert!(!is_there, "{} holds {}", path.display(), String::from_utf8_lossy(secret));
                }
            }
        }
    }
    assert!(bytes >= read_at_least, "only {bytes} bytes were searched");
}

#[test]
fn neither_database_nor_log_holds_a_secret() {
    let mut service = Service::start(Start::on_sqlite());
    let secrets = tenant_with_secrets(&service);
    assert!(service.path("tenants.db-wal").exists(), "the log of the database is searched too");
    let folder = service.path(".");
    assert_in_no_file(&folder, &secrets, 50_000);
    assert!(service.stop().success());
    assert_in_no_file(&folder, &secrets, 50_000);
    assert!(service.log().contains("an access key was created"), "the log says what was done");
}

#[test]
fn neither_postgres_nor_log_holds_a_secret() {
    let mut service = Service::start(Start::on_postgres());
    let secrets = tenant_with_secrets(&service);
    assert_in_no_file(&service.path("."), &secrets, 500);
    let text = postgres::text(&service.start.database, "SELECT document FROM tenants WHERE document IS NOT NULL");
    assert!(text.contains("sealed"), "{text}");
    assert!(service.stop().success());
    postgres::execute(&service.start.database, "CHECKPOINT");
    let texts: Vec<_> = secrets.iter().map(|secret| String::from_utf8_lossy(secret).into_owned()).collect();
    assert!(texts.iter().all(|secret| !text.contains(secret)));
}

#[test]
fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let service = Service::start(Start::on_sqlite());
    done(service.create("t1", &json!({})));
    for name in ["tenants.db", "tenants.db-wal", "tenants.db-shm", "tenants.db.lock", "access.json"] {
        let mode = fs::metadata(service.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
}

#[test]
fn after_rewrapping_the_old_key_encryption_key_is_not_needed() {
    let mut service = Service::start(Start::on_sqlite());
    done(service.create("t1", &json!({"access_keys": [{"id": "AKIA1", "secret": ACCESS_SECRET}]})));
    let before = done(service.get("/v1/tenants/t1"));
    assert!(service.stop().success());
    fs::write(service.path("old.kek"), kek(7)).unwrap();
    service.start = Start { kek: kek(8), ..Start::on_sqlite() }.with(&["--old-kek-file", "old.kek"]);
    service.restart();
    assert_eq!(done(service.get("/v1/tenants/t1")), before, "both keys open");
    assert!(service.stop().success());
    let rewrap = ["coordinator", "rewrap", "--database", "tenants.db", "--old-kek-file", "old.kek"];
    let mut command = program();
    let output = command.args(rewrap).env("SEALGATE_COORDINATOR_KEK", kek(8)).current_dir(service.path(".")).output();
    let output = output.unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("1 tenants"), "{output:?}");
    service.start = Start { kek: kek(8), ..Start::on_sqlite() };
    service.restart();
    assert_eq!(done(service.get("/v1/tenants/t1")), before, "nothing changed but the sealing");
}
