use std::time::Duration;

use serde_json::json;

use super::*;

fn access(file: &serde_json::Value) -> Access {
    Access::parse(file.to_string().as_bytes()).unwrap()
}

fn refused(file: &serde_json::Value) -> String {
    Access::parse(file.to_string().as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_token_is_known_by_its_hash_and_has_its_scopes() {
    let (token, entry) = new_token("eu", &[Scope::TenantsRead]).unwrap();
    let access = access(&json!({"tokens": [entry]}));
    let caller = access.by_token(&token, SystemTime::now()).unwrap();
    assert_eq!(caller.name, "eu");
    assert!(caller.may(Scope::TenantsRead) && !caller.may(Scope::TenantsKeys));
    assert!(access.by_token(&token[1..], SystemTime::now()).is_none());
    assert!(access.by_token("", SystemTime::now()).is_none());
}

#[test]
fn a_token_ends_at_its_time() {
    let (token, mut entry) = new_token("eu", &[Scope::TenantsRead]).unwrap();
    entry["expires_at"] = "2030-01-01T00:00:00Z".into();
    let access = access(&json!({"tokens": [entry]}));
    let end = SystemTime::from(OffsetDateTime::parse("2030-01-01T00:00:00Z", &Rfc3339).unwrap());
    assert!(access.by_token(&token, end - Duration::from_secs(1)).is_some());
    assert!(access.by_token(&token, end).is_none());
}

#[test]
fn the_entry_does_not_hold_the_token() {
    let (token, entry) = new_token("eu", &[Scope::TenantsRead]).unwrap();
    assert!(!entry.to_string().contains(&token[4..]));
}

#[test]
fn tokens_are_added_to_the_file_one_after_another() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.json");
    let made = ["a", "b"].map(|name| new_token(name, &[Scope::StatusWrite]).unwrap());
    for (_, entry) in &made {
        add_to_file(&file, entry).unwrap();
    }
    let access = Access::parse(&std::fs::read(&file).unwrap()).unwrap();
    let names = made.map(|(token, _)| access.by_token(&token, SystemTime::now()).unwrap().name.clone());
    assert_eq!(names, ["a", "b"]);
    let rights = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(rights & 0o777, 0o600);
}

#[test]
fn a_file_with_a_mistake_is_refused() {
    let hash = "0".repeat(64);
    let mistakes = [
        (json!({"token": []}), "line 1"),
        (json!({"tokens": [{"name": "a", "sha256": "00", "scopes": []}]}), "64 hex"),
        (json!({"tokens": [{"name": "a", "sha256": hash, "scopes": ["all"]}]}), "line 1"),
        (json!({"tokens": [{"name": "a", "sha256": hash, "scopes": [], "expires_at": "soon"}]}), "expires_at"),
        (json!({"tokens": vec![json!({"name": "a", "sha256": hash, "scopes": []}); 2]}), "twice"),
        (json!({"certificates": [{"name": "a", "identity": "gateway", "scopes": []}]}), "identity"),
        (json!({"certificates": [{"name": "a", "identity": "cn:", "scopes": []}]}), "identity"),
    ];
    for (file, expected) in mistakes {
        let told = refused(&file);
        assert!(told.contains(expected), "{file}: {told}");
    }
}

#[test]
fn a_certificate_is_known_by_any_of_its_names() {
    let file = json!({"certificates": [{"name": "us", "identity": "uri:spiffe://x/gw", "scopes": ["tenants:read"]}]});
    let access = access(&file);
    let identities = ["cn:gw", "uri:spiffe://x/gw"].map(str::to_owned);
    assert_eq!(access.by_identities(&identities).unwrap().name, "us");
    assert!(access.by_identities(&identities[..1]).is_none());
    assert!(access.by_identities(&[]).is_none());
}

#[test]
fn what_is_no_certificate_has_no_identity() {
    assert!(identities(b"").is_empty());
    assert!(identities(b"not a certificate").is_empty());
}
