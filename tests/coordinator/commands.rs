//! The administrator's commands against a running Coordinator.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::service::{Service, Start, done, is_refused, token};

/// What a command printed, if it succeeded.
#[track_caller]
fn says(service: &Service, arguments: &[&str]) -> String {
    let output = service.command(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn json(service: &Service, arguments: &[&str]) -> Value {
    serde_json::from_str(&says(service, &[arguments, &["--json"]].concat())).unwrap()
}

/// What a command complained of, if it failed.
#[track_caller]
fn complains(service: &Service, arguments: &[&str]) -> String {
    let output = service.command(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_tenant_lives_its_life() {
    let service = Service::start(Start::on_sqlite());
    let made = json(&service, &["tenant", "create", "t1", "--bucket-prefix", "acme-"]);
    assert!(made["keys"][0]["seed"].as_str().unwrap().len() >= 44, "a generated seed is shown once");
    let rotated = says(&service, &["tenant", "rotate", "t1"]);
    assert!(rotated.contains("key version 2: seals and opens, seed ") && rotated.contains("key version 1: opens\n"));
    assert!(says(&service, &["tenant", "suspend", "t1"]).contains("t1: suspended, public, bucket prefix `acme-`"));
    assert!(says(&service, &["tenant", "resume", "t1"]).contains("t1: active"));
    let shown = says(&service, &["tenant", "show", "t1"]);
    assert!(!shown.contains("seed"), "{shown}");
    assert!(complains(&service, &["tenant", "delete", "t1", "--confirm", "t2"]).contains("another tenant"));
    says(&service, &["tenant", "delete", "t1", "--confirm", "t1"]);
    assert!(complains(&service, &["tenant", "show", "t1"]).contains("tenant_not_found"));
    is_refused(&service.get("/v1/tenants/t1"), 404, "tenant_not_found");
}

#[test]
fn private_tenants_and_brought_seeds_are_as_told() {
    let service = Service::start(Start::on_sqlite());
    let private = json(&service, &["tenant", "create", "--zero-knowledge", "--fragment-id", "cf-1"]);
    assert_eq!((&private["keys"], &private["fragment_id"]), (&json!([]), &json!("cf-1")));
    assert_eq!(private["id"].as_str().unwrap().len(), 36, "an id is made up");
    let seed = says(&service, &["keygen"]);
    fs::write(service.path("seed"), &seed).unwrap();
    let made = json(&service, &["tenant", "create", "t1", "--seed-file", "seed"]);
    assert_eq!(made["keys"][0].get("seed"), None);
    assert_eq!(done(service.get("/v1/tenants/t1"))["keys"][0]["seed"], seed.trim());
}

#[test]
fn an_access_key_is_made_shown_once_and_deleted() {
    let service = Service::start(Start::on_sqlite());
    says(&service, &["tenant", "create", "t1"]);
    let made = says(&service, &["access-key", "create", "t1", "--expires-at", "2040-01-01T00:00:00Z"]);
    let (id, secret) = made.trim().split_once('\n').unwrap();
    let id = id.strip_prefix("AWS_ACCESS_KEY_ID=").unwrap();
    let secret = secret.strip_prefix("AWS_SECRET_ACCESS_KEY=").unwrap();
    assert_eq!(done(service.get("/v1/tenants/t1"))["access_keys"][0]["secret"], secret);
    let listed = says(&service, &["access-key", "list", "t1"]);
    assert_eq!(listed, format!("{id}, until 2040-01-01T00:00:00Z\n"));
    says(&service, &["access-key", "delete", "t1", id]);
    assert_eq!(json(&service, &["access-key", "list", "t1"]), json!([]));
}

#[test]
fn a_list_goes_over_all_pages_and_shows_no_secret_to_anybody() {
    let service = Service::start(Start::on_sqlite());
    for at in 0..12 {
        done(service.create(&format!("t{at:02}"), &json!({})));
    }
    let mut command = service.command(&["tenant", "list", "--json"]);
    let output = command.env("SEALGATE_COORDINATOR_TOKEN", &service.gateway).output().unwrap();
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 12);
    assert!(!listed.to_string().contains("\"seed\""));
    assert_eq!(says(&service, &["tenant", "list"]).lines().count(), 12);
}

#[test]
fn who_may_not_is_told_which_scope_is_missing() {
    let service = Service::start(Start::on_sqlite());
    let mut command = service.command(&["tenant", "create", "t1"]);
    let output = command.env("SEALGATE_COORDINATOR_TOKEN", &service.gateway).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("tenants:write") && !said.contains(&service.gateway), "{said}");
}

#[test]
fn a_token_does_not_leave_this_machine_in_clear() {
    let service = Service::start(Start::on_sqlite());
    let said = complains(&service, &["tenant", "list", "--url", "http://192.0.2.1:8002"]);
    assert!(said.contains("https://"), "{said}");
}

#[test]
fn a_new_token_works_without_a_restart_and_a_broken_file_changes_nothing() {
    let service = Service::start(Start::on_sqlite());
    let fresh = token(&service.path("."), "later", &["tenants:read"]);
    let works = |token: &str| service.call("GET", "/v1/tenants", token, &[], "").status == 200;
    until(|| {
        service.signal("HUP");
        works(&fresh)
    });
    fs::write(service.path("access.json"), "{").unwrap();
    until(|| {
        service.signal("HUP");
        service.log().contains("the files in force stay as they were")
    });
    assert!(works(&fresh) && works(&service.admin));
    fs::write(service.path("access.json"), "{}").unwrap();
    until(|| {
        service.signal("HUP");
        !works(&fresh)
    });
}

/// Asks again until it is so; the time is for the slowest machine.
#[track_caller]
fn until(mut is_so: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !is_so() {
        assert!(started.elapsed().as_secs() < 60, "it never came to be");
    }
}

#[test]
fn a_file_that_a_secret_is_printed_to_is_its_owners_alone() {
    let service = Service::start(Start::on_sqlite());
    let mode = |name: &str| fs::metadata(service.path(name)).unwrap().permissions().mode() & 0o777;
    let print = |name: &str, arguments: &[&str]| {
        let file = fs::File::create(service.path(name)).unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o644)).unwrap();
        let output = service.command(arguments).stdout(file).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        mode(name)
    };
    assert_eq!(print("created", &["tenant", "create", "t1"]), 0o600);
    assert_eq!(print("rotated", &["tenant", "rotate", "t1"]), 0o600);
    assert_eq!(print("key", &["access-key", "create", "t1"]), 0o600);
    assert_eq!(print("listed", &["tenant", "list"]), 0o644, "it shows no secret");
    assert_eq!(print("shown", &["tenant", "show", "t1"]), 0o644, "this token sees no secret");
}
