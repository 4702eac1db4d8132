use super::*;
use crate::keys::access::{AccessKeys, LiveAccessKeys, ToldList};

fn tenant(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

fn prefix(text: &str) -> BucketPrefix {
    BucketPrefix::new(text).unwrap()
}

fn key(owner: &str, starts: &str, id: &str) -> AccessKey {
    AccessKey::new(tenant(owner), prefix(starts), id, SecretText::new(format!("secret of {id}")))
}

fn list(tenants: &[(&str, &str, &[&str])]) -> ToldList {
    let mut list = ToldList::default();
    for (id, starts, keys) in tenants {
        let keys: Vec<_> = keys.iter().map(|name| key(id, starts, name)).collect();
        list.tenant(&tenant(id), &prefix(starts), &keys);
    }
    list
}

#[test]
fn each_of_many_keys_is_found_with_its_tenant_prefix_and_secret() {
    let mut list = ToldList::default();
    for number in 0..5_000 {
        let (id, starts) = (format!("t{number}"), format!("p{number}x"));
        list.tenant(&tenant(&id), &prefix(&starts), &[key(&id, &starts, &format!("AK{number}"))]);
    }
    let told = list.finish();
    for number in 0..5_000 {
        let found = told.find(&format!("AK{number}")).unwrap();
        assert_eq!(found.principal.tenant.as_str(), format!("t{number}"));
        assert_eq!(found.principal.bucket_prefix.as_str(), format!("p{number}x"));
        assert_eq!(found.secret.expose(), format!("secret of AK{number}"));
    }
    assert!(told.find("AK5000").is_none() && told.find("").is_none());
}

#[test]
fn conditions_stay_with_their_key() {
    let mut list = ToldList::default();
    let shut = AccessKey { disabled: true, expires_at: Some(SystemTime::UNIX_EPOCH), ..key("a", "a-", "AK1") };
    list.tenant(&tenant("a"), &prefix("a-"), &[shut, key("a", "a-", "AK2")]);
    let told = list.finish();
    let shut = told.find("AK1").unwrap();
    assert_eq!((shut.disabled, shut.expires_at), (true, Some(SystemTime::UNIX_EPOCH)));
    assert!(!told.find("AK2").unwrap().disabled);
}

#[test]
fn of_two_prefixes_of_which_one_begins_the_other_the_shorter_ones_tenant_is_refused() {
    let told = list(&[("a", "x-", &["A"]), ("b", "x-y-", &["B"]), ("c", "x-z-", &["C"]), ("d", "", &["D"])]).finish();
    assert!(told.find("A").is_none() && told.find("D").is_none());
    assert!(told.find("B").is_some() && told.find("C").is_some());
}

#[test]
fn of_two_equal_prefixes_the_later_tenant_is_refused() {
    let told = list(&[("a", "x-", &["A"]), ("b", "x-", &["B"])]).finish();
    assert!(told.find("A").is_some() && told.find("B").is_none());
}

#[test]
fn a_tenant_without_access_keys_stands_in_nobodys_way() {
    let told = list(&[("a", "", &[]), ("b", "", &[]), ("c", "x-", &["C"])]).finish();
    assert!(told.find("C").is_some());
}

#[test]
fn changes_replace_what_the_table_says_of_a_tenant() {
    let mut told = list(&[("a", "a-", &["A1", "A2"]), ("b", "b-", &["B"])]).finish();
    told.set(&tenant("a"), &prefix("a-"), vec![key("a", "a-", "A2"), key("a", "a-", "A3")]);
    assert!(told.find("A1").is_none() && told.find("A2").is_some() && told.find("A3").is_some());
    told.remove(&tenant("a"));
    assert!(told.find("A2").is_none() && told.find("A3").is_none() && told.find("B").is_some());
}

#[test]
fn many_changes_are_folded_and_nothing_is_lost() {
    let mut told = list(&[("a", "a-", &["A"])]).finish();
    for number in 0..3_000 {
        let (id, starts) = (format!("t{number}"), format!("p{number}x"));
        told.set(&tenant(&id), &prefix(&starts), vec![key(&id, &starts, &format!("AK{number}"))]);
        if number % 3 == 0 {
            told.remove(&tenant(&id));
        }
    }
    let found = (0..3_000).filter(|number| told.find(&format!("AK{number}")).is_some()).count();
    assert_eq!((found, told.find("A").is_some()), (2_000, true));
}

#[test]
fn a_late_tenant_that_would_share_buckets_or_an_id_is_refused() {
    let mut told = list(&[("a", "a-", &["A"])]).finish();
    told.set(&tenant("b"), &prefix("a-b-"), vec![key("b", "a-b-", "B")]);
    told.set(&tenant("c"), &prefix("c-"), vec![key("c", "c-", "A"), key("c", "c-", "C")]);
    assert!(told.find("B").is_none());
    assert_eq!(told.find("A").unwrap().principal.tenant.as_str(), "a");
    assert_eq!(told.find("C").unwrap().principal.tenant.as_str(), "c");
}

#[test]
fn configured_keys_come_first_and_their_buckets_are_nobody_elses() {
    let live = LiveAccessKeys::new(AccessKeys::new([key("s", "s-", "S"), key("t", "t-", "T")]).unwrap());
    live.tell(list(&[("x", "x-", &["S", "X"]), ("y", "s-y-", &["Y"]), ("t", "t-", &["T2"])]).finish());
    let keys = live.snapshot();
    assert_eq!(keys.find("S").unwrap().principal.tenant.as_str(), "s");
    assert!(keys.find("X").is_some() && keys.find("T2").is_some());
    assert!(keys.find("Y").is_none());
    live.replace(AccessKeys::default());
    assert!(live.snapshot().find("T").is_none() && live.snapshot().find("Y").is_some());
}
