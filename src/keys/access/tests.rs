use std::time::Duration;

use super::*;

fn key(id: &str) -> AccessKey {
    let secret = SecretText::new("the secret of the key".into());
    AccessKey::new(TenantId::default_tenant(), BucketPrefix::empty(), id, secret)
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn a_key_is_found_by_its_id_with_its_tenant() {
    let keys = AccessKeys::new([key("AKIA1"), key("AKIA2")]).unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys.find("AKIA2").unwrap().principal.tenant.as_str(), "default");
    assert!(keys.find("akia2").is_none());
}

#[test]
fn two_keys_of_one_id_are_refused_by_name() {
    let error = AccessKeys::new([key("AKIA1"), key("AKIA1")]).unwrap_err();
    assert_eq!(error.to_string(), "access key id `AKIA1` is given twice");
}

#[test]
fn the_gateways_own_keys_let_nobody_in() {
    let mut keys = AccessKeys::default();
    keys.reserve(["OWN"]);
    let live = LiveAccessKeys::new(keys);
    let mut told = ToldAccessKeys::default();
    told.set(&TenantId::default_tenant(), &BucketPrefix::empty(), vec![key("OWN"), key("AKIA1")]);
    live.tell(told);
    live.replace(AccessKeys::new([key("AKIA2")]).unwrap());
    for (id, is_found) in [("OWN", false), ("AKIA1", true), ("AKIA2", true)] {
        assert_eq!(live.snapshot().find(id).is_some(), is_found, "{id}");
    }
}

#[test]
fn a_key_without_conditions_admits_anyone_at_any_time() {
    assert_eq!(key("k").admits(at(0), None), Ok(()));
}

#[test]
fn a_key_is_valid_from_its_first_moment_to_before_its_last() {
    let key = AccessKey { not_before: Some(at(10)), expires_at: Some(at(20)), ..key("k") };
    assert_eq!(key.admits(at(9), None), Err(AccessRefusal::NotYetValid));
    assert_eq!(key.admits(at(10), None), Ok(()));
    assert_eq!(key.admits(at(19), None), Ok(()));
    assert_eq!(key.admits(at(20), None), Err(AccessRefusal::Expired));
}

#[test]
fn a_disabled_key_is_refused() {
    assert_eq!(AccessKey { disabled: true, ..key("k") }.admits(at(0), None), Err(AccessRefusal::Disabled));
}

#[test]
fn a_key_bound_to_addresses_is_refused_elsewhere_and_where_the_address_is_unknown() {
    let key = AccessKey { allowed_cidrs: vec!["192.0.2.0/24".parse().unwrap()], ..key("k") };
    assert_eq!(key.admits(at(0), Some("192.0.2.9".parse().unwrap())), Ok(()));
    assert_eq!(key.admits(at(0), Some("198.51.100.9".parse().unwrap())), Err(AccessRefusal::Address));
    assert_eq!(key.admits(at(0), None), Err(AccessRefusal::Address));
}

#[test]
fn debug_output_names_ids_and_no_secret() {
    let text = format!("{:?} {:?}", AccessKeys::new([key("AKIA1")]).unwrap(), key("AKIA2"));
    assert!(text.contains("AKIA1") && text.contains("AKIA2"));
    assert!(!text.contains("the secret"));
}

#[test]
fn a_snapshot_keeps_the_keys_that_a_reload_takes_away() {
    let live = LiveAccessKeys::new(AccessKeys::new([key("old")]).unwrap());
    let before = live.snapshot();
    live.replace(AccessKeys::new([key("new")]).unwrap());
    assert!(before.find("old").is_some());
    assert!(live.snapshot().find("old").is_none());
}

#[test]
fn a_tenant_that_could_reach_the_staging_bucket_is_not_served() {
    let mut keys = AccessKeys::default();
    keys.reserve_bucket(BucketName::new("own-staging"));
    let live = LiveAccessKeys::new(keys);
    let mut told = ToldAccessKeys::default();
    for (prefix, id) in [("own-", "AKIA1"), ("other-", "AKIA2")] {
        let (tenant, prefix) = (TenantId::new(id).unwrap(), BucketPrefix::new(prefix).unwrap());
        let key = AccessKey::new(tenant.clone(), prefix.clone(), id, SecretText::new("the secret of the key".into()));
        told.set(&tenant, &prefix, vec![key]);
    }
    live.tell(told);
    live.replace(AccessKeys::default());
    assert!(live.snapshot().find("AKIA1").is_none());
    assert!(live.snapshot().find("AKIA2").is_some());
}

#[test]
fn a_bucket_is_a_tenants_if_it_begins_with_the_prefix_of_one() {
    let of = |prefix: &str, id: &str| {
        let (tenant, prefix) = (TenantId::new(id).unwrap(), BucketPrefix::new(prefix).unwrap());
        AccessKey::new(tenant, prefix, id, SecretText::new("the secret of the key".into()))
    };
    let live = LiveAccessKeys::new(AccessKeys::new([of("acme-", "A")]).unwrap());
    let mut list = ToldList::default();
    for prefix in ["b-", "bb-", "d-"] {
        let key = of(prefix, prefix);
        list.tenant(&key.principal.tenant, &key.principal.bucket_prefix, std::slice::from_ref(&key));
    }
    let mut told = list.finish();
    told.set(&TenantId::new("late").unwrap(), &BucketPrefix::new("late-").unwrap(), vec![of("late-", "L")]);
    live.tell(told);
    let keys = live.snapshot();
    for bucket in ["acme-x", "b-x", "bb-x", "d-", "late-x"] {
        assert!(keys.owns(&BucketName::new(bucket)), "{bucket}");
    }
    for bucket in ["acm", "acme", "a-x", "bbb-x", "c-x", "e", "lat-x", "0"] {
        assert!(!keys.owns(&BucketName::new(bucket)), "{bucket}");
    }
    assert!(AccessKeys::new([key("k")]).unwrap().owns(&BucketName::new("any")));
}
