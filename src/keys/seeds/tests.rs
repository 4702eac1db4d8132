use super::*;
use crate::seal::KeyId;

fn seed(number: u8) -> Seed {
    Seed::from_bytes(&[number; 32]).unwrap()
}

fn version(version: u32, primary: bool) -> VersionedSeed {
    VersionedSeed { version, seed: seed(u8::try_from(version).unwrap()), primary, state: KeyState::Active }
}

fn id(number: u8) -> KeyId {
    TenantKey::from_seed(&seed(number)).key_id()
}

fn tenant() -> TenantId {
    TenantId::new("67f1adf3-08e5-4eea-94e3-e611f263c87b").unwrap()
}

fn derived(set: &KeySet) -> Vec<KeyId> {
    set.derive(&tenant(), &Fragments::default()).unwrap().key_ids().collect()
}

#[test]
fn the_primary_version_seals_and_the_others_open_newest_first() {
    let set = KeySet::new(None, vec![version(1, false), version(3, false), version(2, true)]).unwrap();
    assert_eq!(derived(&set), [id(2), id(3), id(1)]);
}

#[test]
fn a_single_version_seals_without_being_called_primary() {
    assert_eq!(derived(&KeySet::new(None, vec![version(4, false)]).unwrap()), [id(4)]);
    assert_eq!(derived(&KeySet::single(seed(4))), [id(4)]);
}

#[test]
fn sets_without_exactly_one_sealing_key_are_refused() {
    let refused = |seeds| KeySet::new(None, seeds).unwrap_err();
    assert_eq!(refused(vec![]), KeySetError::Empty);
    assert_eq!(refused(vec![version(1, false), version(2, false)]), KeySetError::NoPrimary);
    assert_eq!(refused(vec![version(1, true), version(2, true)]), KeySetError::TwoPrimaries);
    assert_eq!(refused(vec![version(1, true), version(1, false)]), KeySetError::RepeatedVersion { version: 1 });
}

fn fragments(id: &str) -> Fragments {
    let text =
        format!(r#"{{"customer_fragments":[{{"id":"{id}","value":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}}]}}"#);
    Fragments::parse("test", &text).unwrap()
}

#[test]
fn a_set_with_a_fragment_derives_what_the_seed_and_the_fragment_make_together() {
    let set = KeySet::new(Some("cf-1".into()), vec![version(1, true)]).unwrap();
    let keys = set.derive(&tenant(), &fragments("cf-1")).unwrap();
    let bytes: Vec<u8> = (0..32).collect();
    let joined = seed(1).with_fragment(&bytes, "cf-1", tenant().as_str());
    assert_eq!(keys.primary().key_id(), TenantKey::from_seed(&joined).key_id());
    assert_ne!(keys.primary().key_id(), id(1));
}

#[test]
fn without_its_fragment_a_set_gives_no_keys_and_says_which_is_missing() {
    let set = KeySet::new(Some("cf-1".into()), vec![version(1, true)]).unwrap();
    let error = set.derive(&tenant(), &fragments("cf-2")).unwrap_err();
    assert_eq!(error.to_string(), "customer fragment `cf-1` is not on this gateway");
}

#[test]
fn a_set_without_a_fragment_is_untouched_by_those_that_are_there() {
    let keys = KeySet::single(seed(1)).derive(&tenant(), &fragments("cf-1")).unwrap();
    assert_eq!(keys.primary().key_id(), id(1));
}

#[test]
fn versions_have_the_states_that_they_are_given_and_none_takes_the_place_of_the_primary_one() {
    let stated = |number, primary, state| VersionedSeed { state, ..version(number, primary) };
    let set = KeySet::new(None, vec![stated(1, false, KeyState::Active), stated(2, true, KeyState::Deactivated)]);
    let keys = set.unwrap().derive(&tenant(), &Fragments::default()).unwrap();
    assert_eq!(keys.primary().key_id(), id(2));
    let found = [id(1), id(2), id(3)].map(|id| keys.state(id));
    assert_eq!(found, [KeyState::Active, KeyState::Deactivated, KeyState::Active]);
}

#[test]
fn a_fragment_is_named_by_one_source_or_the_same_by_both() {
    let set = |named: Option<&str>| KeySet::new(named.map(str::to_owned), vec![version(1, true)]).unwrap();
    assert_eq!(set(None).fragment_with(None), Ok(None));
    assert_eq!(set(None).fragment_with(Some("cf-1")), Ok(Some("cf-1")));
    assert_eq!(set(Some("cf-1")).fragment_with(None), Ok(Some("cf-1")));
    assert_eq!(set(Some("cf-1")).fragment_with(Some("cf-1")), Ok(Some("cf-1")));
    let named = set(Some("cf-2"));
    let error = named.fragment_with(Some("cf-1")).unwrap_err();
    assert_eq!((error.named.as_str(), error.bound.as_str()), ("cf-2", "cf-1"));
}
