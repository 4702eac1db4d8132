//! What the configuration says of the states of keys.

use super::*;
use crate::keys::ring::KeyState;
use crate::keys::ring::usage::KeyUse;

fn local(more: &Value) -> Value {
    let mut crypto = json!({"mode": "local-multi-keys", "update_period": "1h", "tenant_keys": {"a": SEED}});
    crypto.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "crypto": crypto })
}

fn remote(more: &Value) -> Value {
    let mut crypto = json!({"mode": "remote-multi-keys", "update_period": "1h", "kms_config": kms()});
    crypto.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"crypto": crypto, "coordinator": {"url": "https://coordinator.example.com"}})
}

fn usage(config: &Value) -> KeyUse {
    loaded(config, &Value::Null).config.keys.rules().usage
}

fn versions(state: &str) -> Value {
    json!({"tenant_keys": {"a": {"keys": [{"version": 1, "seed": SEED, "state": state}]}}})
}

#[test]
fn a_version_of_a_seed_has_a_state() {
    for (text, state) in [
        ("active", KeyState::Active),
        ("pre-active", KeyState::PreActive),
        ("deactivated", KeyState::Deactivated),
        ("compromised", KeyState::Compromised),
    ] {
        let loaded = loaded(&local(&versions(text)), &Value::Null);
        let ring = loaded.config.keys.first_ring(None, std::time::SystemTime::now()).ring;
        assert_eq!(ring.status(&TenantId::new("a").unwrap()).unwrap().state, state);
    }
    for wrong in ["Active", "unknown", "destroyed", ""] {
        let told = refused(&local(&versions(wrong)));
        assert!(
            told.ends_with("key version 1: state must be active, pre-active, deactivated or compromised"),
            "{told}"
        );
    }
}

#[test]
fn pre_active_keys_open_if_the_configuration_says_so() {
    for of in [local, remote] {
        assert!(!usage(&of(&json!({}))).pre_active_opens);
        assert!(!usage(&of(&json!({"pre_active": "refuse"}))).pre_active_opens);
        assert!(usage(&of(&json!({"pre_active": "open"}))).pre_active_opens);
        assert_eq!(refused(&of(&json!({"pre_active": "seal"}))), "`crypto.pre_active`: must be refuse or open");
    }
    let single = json!({"crypto": {"key_seed": SEED, "pre_active": "open"}});
    assert_eq!(refused(&single), "`crypto.pre_active` does not apply in single-key");
}

#[test]
fn the_age_at_which_sealing_stops_is_twice_the_period_or_more_and_none_by_itself() {
    assert_eq!(usage(&remote(&json!({}))).seal_age_max, None);
    assert_eq!(usage(&remote(&json!({"seal_max_age": "2h"}))).seal_age_max, Some(7200));
    let short = "`crypto.seal_max_age`: must be at least twice crypto.update_period";
    assert_eq!(refused(&remote(&json!({"seal_max_age": "119m"}))), short);
    let other = "`crypto.seal_max_age` does not apply in local-multi-keys";
    assert_eq!(refused(&local(&json!({"seal_max_age": "2h"}))), other);
}
