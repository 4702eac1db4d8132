use serde_json::{from_value, json, to_value};

use super::*;

const SEED: &str = "c2VlZCBvZiBhdCBsZWFzdCAzMiBieXRlcywgZm9yIHRlc3Rz";

#[test]
fn the_minimal_tenant_is_understood() {
    let tenant: Tenant = from_value(json!({"id": "t1", "zero_knowledge": false, "key_seed": SEED})).unwrap();
    let (id, prefix) = tenant.check().unwrap();
    assert_eq!((id.as_str(), prefix.as_str(), tenant.status), ("t1", "", TenantStatus::Active));
    assert_eq!(tenant.key_seed.unwrap().expose(), SEED);
}

#[test]
fn a_tenant_survives_the_wire_with_its_secrets() {
    let wire = json!({
        "id": "t1", "revision": 42, "status": "suspended", "zero_knowledge": false, "fragment_id": "cf-1",
        "keys": [{"version": 2, "seed": SEED, "primary": true, "created_at": "2030-01-01T00:00:00Z"}],
        "access_keys": [{"id": "AKIA1", "secret": "secret-of-1", "allowed_cidrs": ["192.0.2.0/24"], "disabled": false}],
        "bucket_prefix": "t1-",
    });
    let tenant: Tenant = from_value(wire.clone()).unwrap();
    assert_eq!(to_value(&tenant).unwrap(), wire);
}

#[test]
fn no_secret_shows_in_debug() {
    let tenant: Tenant = from_value(json!({
        "id": "t1", "zero_knowledge": false, "keys": [{"version": 1, "seed": SEED, "primary": true}],
        "access_keys": [{"id": "AKIA1", "secret": "secret-of-1"}],
    }))
    .unwrap();
    let shown = format!("{tenant:?}");
    assert!(!shown.contains(SEED) && !shown.contains("secret-of-1"), "{shown}");
}

#[test]
fn a_private_tenant_with_a_seed_is_refused_alone() {
    let page: TenantPage = from_value(json!({"epoch": "e", "revision": 2, "items": [
        {"id": "good", "zero_knowledge": true},
        {"id": "bad", "zero_knowledge": true, "key_seed": SEED},
        {"id": "", "zero_knowledge": false},
    ]}))
    .unwrap();
    let checked: Vec<_> = page.items.iter().map(|tenant| tenant.check().err()).collect();
    assert_eq!(checked, [None, Some(TenantError::PrivateWithSeed), Some(TenantError::Id(TenantIdError::Empty))]);
}

#[test]
fn answers_of_a_newer_coordinator_are_understood_and_requests_are_strict() {
    let tenant: Tenant =
        from_value(json!({"id": "t1", "zero_knowledge": true, "status": "frozen", "novelty": 1})).unwrap();
    assert_eq!(tenant.status, TenantStatus::Unknown);
    assert!(from_value::<TenantSpec>(json!({"zero_knowledge": true, "novelty": 1})).is_err());
    assert!(from_value::<AccessKeySpec>(json!({"novelty": 1})).is_err());
}

#[test]
fn a_tombstone_holds_id_and_revision_alone() {
    let wire = to_value(Tenant::tombstone("t1".into(), 7)).unwrap();
    assert_eq!((&wire["id"], &wire["revision"], &wire["status"]), (&json!("t1"), &json!(7), &json!("deleted")));
    assert_eq!((&wire["keys"], &wire["access_keys"]), (&json!([]), &json!([])));
}
