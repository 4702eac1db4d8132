use super::build::{RingBuilder, Surprise};
use super::*;
use crate::seal::Seed;

fn key(number: u32) -> Arc<TenantKey> {
    let mut seed = [7u8; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    Arc::new(TenantKey::from_seed(&Seed::from_bytes(&seed).unwrap()))
}

fn keys(number: u32) -> TenantKeys {
    TenantKeys::new(key(number), [])
}

fn id(text: &str) -> TenantId {
    TenantId::new(text).unwrap()
}

/// A ring of these tenants, each with the key of its number, over the last ring.
fn refreshed(last: &Arc<KeyRing>, tenants: &[(&str, u32)]) -> (Arc<KeyRing>, Vec<Surprise>) {
    let mut builder = RingBuilder::new(Arc::clone(last), 4);
    for (tenant, number) in tenants {
        builder.found(&id(tenant), keys(*number), SourceKind::File, 100);
    }
    let built = builder.finish(last);
    (Arc::new(built.ring), built.surprises)
}

fn ring(tenants: &[(&str, u32)]) -> Arc<KeyRing> {
    refreshed(&empty(), tenants).0
}

fn empty() -> Arc<KeyRing> {
    Arc::new(KeyRing::empty())
}

fn sealing(ring: &KeyRing, tenant: &str) -> Option<KeyId> {
    ring.tenant(&id(tenant)).map(|keys| keys.primary().key_id())
}

const UUID: &str = "67f1adf3-08e5-4eea-94e3-e611f263c87b";

#[test]
fn a_tenant_gets_its_own_keys_and_nobody_elses() {
    let ring = ring(&[(UUID, 1), ("default", 2), ("67F1ADF3-08E5-4EEA-94E3-E611F263C87B", 3)]);
    assert_eq!(sealing(&ring, UUID), Some(key(1).key_id()));
    assert_eq!(sealing(&ring, "default"), Some(key(2).key_id()));
    assert_eq!(sealing(&ring, "67F1ADF3-08E5-4EEA-94E3-E611F263C87B"), Some(key(3).key_id()));
    assert_eq!(sealing(&ring, "67f1adf3-08e5-4eea-94e3-e611f263c87c"), None);
    assert_eq!(ring.len(), 3);
}

#[test]
fn an_empty_ring_has_no_keys() {
    assert_eq!(sealing(&KeyRing::empty(), UUID), None);
    assert!(KeyRing::empty().is_empty());
}

#[test]
fn in_a_ring_of_one_key_every_tenant_has_it() {
    let ring = KeyRing::one_key(keys(5));
    assert_eq!(sealing(&ring, "anyone"), Some(key(5).key_id()));
    assert_eq!(sealing(&ring, UUID), Some(key(5).key_id()));
}

#[test]
fn every_key_opens_and_only_one_seals() {
    let keys = TenantKeys::new(key(1), [key(2), key(1), key(2), key(3)]);
    assert_eq!(keys.primary().key_id(), key(1).key_id());
    assert_eq!(keys.key_ids().count(), 3);
    for number in 1..=3 {
        assert_eq!(keys.find(key(number).key_id()).unwrap().key_id(), key(number).key_id());
    }
    assert!(keys.find(key(4).key_id()).is_none());
}

#[test]
fn ids_come_back_from_the_ring_as_they_were_spelled() {
    let mut told: Vec<_> = ring(&[(UUID, 1), ("default", 2), ("a", 3)]).statuses().collect();
    told.sort_by(|a, b| a.tenant.cmp(&b.tenant));
    let ids: Vec<_> = told.iter().map(|status| status.tenant.as_str()).collect();
    assert_eq!(ids, [UUID, "a", "default"]);
    assert_eq!((told[0].sealing, told[0].fresh_at, told[0].source), (key(1).key_id(), 100, SourceKind::File));
}

#[test]
fn thousands_of_tenants_are_each_found() {
    let names: Vec<String> = (0..5000u32)
        .map(|n| if n % 2 == 0 { format!("{n:08x}-0000-4000-8000-000000000000") } else { format!("tenant-{n}") })
        .collect();
    let shared = [keys(0), keys(1), keys(2)];
    let mut builder = RingBuilder::new(empty(), 4);
    for (name, n) in names.iter().zip(0usize..) {
        builder.found(&id(name), shared[n % 3].clone(), SourceKind::File, 0);
    }
    let ring = builder.finish(&empty()).ring;
    for (name, n) in names.iter().zip(0u32..) {
        assert_eq!(sealing(&ring, name), Some(key(n % 3).key_id()), "{name}");
    }
    assert_eq!(sealing(&ring, "tenant-5000"), None);
}

#[test]
fn a_tenant_that_no_source_mentions_keeps_its_last_good_keys() {
    let last = ring(&[("a", 1), ("b", 2)]);
    let (next, surprises) = refreshed(&last, &[("b", 2)]);
    assert_eq!(sealing(&next, "a"), Some(key(1).key_id()));
    assert_eq!(sealing(&next, "b"), Some(key(2).key_id()));
    assert!(surprises.is_empty());
    assert_eq!(next.len(), 2);
}

#[test]
fn a_changed_seed_seals_anew_while_the_old_key_still_opens() {
    let (next, surprises) = refreshed(&ring(&[("a", 1)]), &[("a", 2)]);
    let keys = next.tenant(&id("a")).unwrap();
    assert_eq!(keys.primary().key_id(), key(2).key_id());
    assert!(keys.find(key(1).key_id()).is_some());
    assert_eq!(surprises, [Surprise { tenant: Some(id("a")), before: key(1).key_id(), now: key(2).key_id() }]);
}

#[test]
fn an_announced_rotation_is_no_surprise() {
    let last = ring(&[("a", 1)]);
    let mut builder = RingBuilder::new(Arc::clone(&last), 4);
    builder.found(&id("a"), TenantKeys::new(key(2), [key(1)]), SourceKind::File, 0);
    let built = builder.finish(&last);
    assert_eq!(built.ring.tenant(&id("a")).unwrap().key_ids().count(), 2);
    assert!(built.surprises.is_empty() && built.surprises_count == 0);
}

#[test]
fn of_the_keys_that_no_source_names_the_newest_few_are_kept() {
    let mut last = ring(&[("a", 0)]);
    for number in 1..10 {
        last = refreshed(&last, &[("a", number)]).0;
    }
    let ids: Vec<_> = last.tenant(&id("a")).unwrap().key_ids().collect();
    let expected: Vec<_> = [9, 8, 7, 6, 5].map(|number| key(number).key_id()).to_vec();
    assert_eq!(ids, expected);
}

#[test]
fn a_forgotten_tenant_is_gone() {
    let last = ring(&[("a", 1), ("b", 2)]);
    let mut builder = RingBuilder::new(Arc::clone(&last), 4);
    builder.forget(&id("a"));
    let next = builder.finish(&last).ring;
    assert_eq!(sealing(&next, "a"), None);
    assert_eq!(sealing(&next, "b"), Some(key(2).key_id()));
}

#[test]
fn the_default_key_serves_tenants_without_one_but_no_private_tenant() {
    let mut builder = RingBuilder::new(empty(), 4);
    builder.default_key(id("house"));
    builder.found(&id("house"), keys(1), SourceKind::File, 0);
    builder.withhold(&id("private"));
    let ring = builder.finish(&empty()).ring;
    assert_eq!(sealing(&ring, "guest"), Some(key(1).key_id()));
    assert_eq!(sealing(&ring, "private"), None);
}

#[test]
fn the_one_key_of_all_keeps_opening_after_its_seed_changed() {
    let last = Arc::new(KeyRing::one_key(keys(1)));
    let mut builder = RingBuilder::new(Arc::clone(&last), 4);
    builder.found_for_all(keys(2));
    let built = builder.finish(&last);
    let keys = built.ring.tenant(&id("anyone")).unwrap();
    assert_eq!(keys.primary().key_id(), key(2).key_id());
    assert!(keys.find(key(1).key_id()).is_some());
    assert_eq!(built.surprises[0].tenant, None);
}

#[test]
fn a_tenant_that_joined_while_the_ring_was_built_stays() {
    let last = ring(&[("a", 1)]);
    let live = last.with_tenant(&id("late"), keys(2), SourceKind::Kms, 7);
    let mut builder = RingBuilder::new(last, 4);
    builder.found(&id("a"), keys(1), SourceKind::File, 0);
    assert_eq!(sealing(&builder.finish(&live).ring, "late"), Some(key(2).key_id()));
}

#[test]
fn an_incomplete_refresh_keeps_private_tenants_from_the_default_key() {
    let mut builder = RingBuilder::new(empty(), 4);
    builder.default_key(id("house"));
    builder.found(&id("house"), keys(1), SourceKind::File, 0);
    builder.withhold(&id("private"));
    let last = Arc::new(builder.finish(&empty()).ring);
    let mut builder = RingBuilder::new(Arc::clone(&last), 4);
    builder.incomplete();
    let next = builder.finish(&last).ring;
    assert_eq!(sealing(&next, "private"), None);
    assert_eq!(sealing(&next, "guest"), Some(key(1).key_id()));
}

#[test]
fn of_two_entries_for_one_tenant_the_first_stays() {
    let ring = ring(&[("a", 1), ("b", 2), ("a", 3)]);
    assert_eq!(sealing(&ring, "a"), Some(key(1).key_id()));
    assert_eq!(sealing(&ring, "b"), Some(key(2).key_id()));
    assert_eq!(ring.statuses().count(), 2);
}

#[test]
fn a_tenant_can_join_a_ring_and_its_snapshot_stays_as_it_was() {
    let before = ring(&[("a", 1)]);
    let after = before.with_tenant(&id("b"), keys(2), SourceKind::Kms, 7);
    assert_eq!(sealing(&before, "b"), None);
    assert_eq!(sealing(&after, "a"), Some(key(1).key_id()));
    assert_eq!(sealing(&after, "b"), Some(key(2).key_id()));
    assert_eq!(after.len(), 2);
}

#[test]
fn late_tenants_survive_being_folded_and_a_refresh() {
    let shared = keys(1);
    let mut late = (*ring(&[("a", 9)])).clone();
    for number in 0..LATE_MAX + 10 {
        late = late.with_tenant(&id(&format!("t{number}")), shared.clone(), SourceKind::Kms, 7);
    }
    let late = Arc::new(late);
    let (next, _) = refreshed(&late, &[("a", 9)]);
    for ring in [&late, &next] {
        assert_eq!(ring.len(), LATE_MAX + 11);
        assert_eq!(sealing(ring, "t0"), Some(key(1).key_id()));
        assert_eq!(sealing(ring, &format!("t{}", LATE_MAX + 9)), Some(key(1).key_id()));
        assert_eq!(sealing(ring, "a"), Some(key(9).key_id()));
    }
}

#[test]
fn a_tenant_of_the_base_can_be_given_other_keys() {
    let after = ring(&[("a", 1), ("b", 2)]).with_tenant(&id("a"), keys(3), SourceKind::Kms, 7);
    assert_eq!(sealing(&after, "a"), Some(key(3).key_id()));
    assert_eq!((after.len(), after.statuses().count()), (2, 2));
}

#[test]
fn debug_output_holds_ids_only() {
    let text = format!("{:?} {:?}", KeyRing::one_key(keys(1)), keys(1));
    assert!(text.contains(&key(1).key_id().to_string()));
}

#[test]
fn a_slot_is_forty_bytes() {
    assert_eq!(index::SLOT_BYTES, 40);
    assert!(size_of::<TenantKey>() <= 72);
}

/// Resident memory of this process, bytes.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// What this thread has computed so far, nanoseconds; unlike the time of day it does not grow while others compute.
fn thread_nanos() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Run alone: `cargo test --lib a_million_tenants -- --ignored --nocapture`.
#[test]
#[ignore = "takes a minute, and measures the whole process"]
fn a_million_tenants_take_at_most_150_bytes_each() {
    const TENANTS: u32 = 1_000_000;
    let uuid = |n: u32| id(&format!("{n:08x}-5eed-4000-8000-{:012x}", u64::from(n) * 2_654_435_761 % (1 << 48)));
    let before = resident_bytes();
    let mut builder = RingBuilder::new(empty(), 8);
    for n in 0..TENANTS {
        builder.found(&uuid(n), keys(n), SourceKind::Coordinator, n);
    }
    let ring = Arc::new(builder.finish(&KeyRing::empty()).ring);
    let bytes = (resident_bytes() - before) / TENANTS as usize;
    let asked: Vec<TenantId> = (0..TENANTS).step_by(10).map(|n| uuid(n.wrapping_mul(7919) % TENANTS)).collect();
    let began = thread_nanos();
    let found = asked.iter().filter(|tenant| ring.tenant(tenant).is_some()).count();
    let nanos = (thread_nanos() - began) / asked.len() as u64;
    let began = thread_nanos();
    let mut builder = RingBuilder::new(Arc::clone(&ring), 8);
    for n in 0..TENANTS {
        let tenant = uuid(n);
        let keys = ring.tenant(&tenant).unwrap().clone();
        builder.found(&tenant, keys, SourceKind::Coordinator, n);
    }
    let next = builder.finish(&ring).ring;
    eprintln!(
        "{bytes} bytes a tenant, {nanos} ns a lookup, {} ms for the next ring",
        (thread_nanos() - began) / 1_000_000
    );
    assert_eq!((ring.len(), next.len(), found), (TENANTS as usize, TENANTS as usize, asked.len()));
    assert!(bytes <= 150, "{bytes} bytes");
}

#[test]
fn uploads_go_on_under_versions_that_a_source_names_and_under_no_other() {
    let goes_on = |keys: &TenantKeys| [1, 2, 3].map(|number| keys.is_named(key(number).key_id()));
    let keys = TenantKeys::new(key(1), [key(2)]).keeping([key(3), key(2)]).with_fragment(Some("cf"));
    assert_eq!(goes_on(&keys), [true, true, false]);
    assert!([1, 2, 3].iter().all(|number| keys.find(key(*number).key_id()).is_some()));

    let told = |last: &Arc<KeyRing>, keys: TenantKeys| {
        let mut builder = RingBuilder::new(Arc::clone(last), 4);
        builder.found(&id("a"), keys, SourceKind::File, 100);
        Arc::new(builder.finish(last).ring)
    };
    let now = |ring: &KeyRing| goes_on(ring.tenant(&id("a")).unwrap());
    let ring = told(&empty(), keys_of_two());
    assert_eq!(now(&ring), [true, true, false]);
    // a version that no source names any more stays for opening alone
    let ring = told(&ring, self::keys(1));
    assert_eq!(now(&ring), [true, false, false]);
    // and seals again what it began once it is named again
    let ring = told(&ring, keys_of_two());
    assert_eq!(now(&ring), [true, true, false]);
    // a seed that changed without a version
    let ring = told(&ring, self::keys(3));
    assert_eq!(now(&ring), [false, false, true]);
}

fn keys_of_two() -> TenantKeys {
    TenantKeys::new(key(1), [key(2)])
}
