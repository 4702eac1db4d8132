use std::time::Duration;

use super::*;
use crate::keys::Keys;
use crate::keys::cycle::CycleRules;
use crate::keys::fragment::Fragments;
use crate::keys::refresh::{Refresher, SystemClock};
use crate::keys::ring::KeyState;
use crate::keys::ring::usage::KeyUse;
use crate::keys::seeds::VersionedSeed;
use crate::keys::settings::LocalKeys;
use crate::keys::testing::{Log, key_id, seed, tenant};
use crate::seal::KeyId;

fn single(number: u8) -> KeySettings {
    KeySettings::SingleKey { seeds: KeySet::single(seed(number)) }
}

fn local(tenants: Vec<(&str, KeySet)>, default_key: Option<&str>) -> KeySettings {
    KeySettings::LocalMultiKeys(LocalKeys {
        period: Duration::from_secs(1),
        tenants: tenants.into_iter().map(|(id, seeds)| (tenant(id), seeds)).collect(),
        default_key: default_key.map(tenant),
        retired_keys_max: 4,
        fragments: Fragments::default(),
        usage: KeyUse::default(),
    })
}

fn with_fragment(number: u8) -> KeySet {
    KeySet::new(
        Some("cf-1".into()),
        vec![VersionedSeed { version: 1, seed: seed(number), primary: true, state: KeyState::Active }],
    )
    .unwrap()
}

/// Keys of these settings after one cycle, and what makes the next.
async fn started(settings: KeySettings) -> (Arc<ConfiguredKeys>, Arc<Keys>, Refresher) {
    let source = Arc::new(ConfiguredKeys::new(settings, None).unwrap());
    let keys = Arc::new(Keys::of(Arc::clone(&source) as _, Arc::new(SystemClock)));
    let rules = CycleRules { retired_keys_max: 4, revoke_missing: false, ..CycleRules::default() };
    let refresher = Refresher::new(Arc::clone(&keys), Arc::new(SystemClock), rules, Duration::from_secs(1));
    refresher.cycle().await;
    (source, keys, refresher)
}

async fn ids(keys: &Keys, id: &str) -> Vec<KeyId> {
    let ring = keys.serving(&tenant(id)).await.unwrap();
    ring.tenant(&tenant(id)).unwrap().key_ids().collect()
}

#[tokio::test]
async fn a_single_key_serves_everyone_and_its_successor_opens_what_it_sealed() {
    let (source, keys, refresher) = started(single(1)).await;
    assert_eq!(ids(&keys, "anyone").await, [key_id(1)]);
    source.replace(single(2)).unwrap();
    assert_eq!(refresher.cycle().await.surprises, 1);
    assert_eq!(ids(&keys, "anyone").await, [key_id(2), key_id(1)]);
}

#[tokio::test]
async fn the_seed_of_the_first_start_serves_everyone() {
    let dir = tempfile::tempdir().unwrap();
    let generated = crate::keys::first_start::first_start(dir.path()).unwrap();
    assert_eq!(ConfiguredKeys::new(KeySettings::Generated, None).unwrap_err(), NothingGenerated);
    let source = ConfiguredKeys::new(KeySettings::Generated, Some(&generated)).unwrap();
    let keys = Arc::new(Keys::of(Arc::new(source), Arc::new(SystemClock)));
    let rules = CycleRules { retired_keys_max: 4, revoke_missing: false, ..CycleRules::default() };
    Refresher::new(Arc::clone(&keys), Arc::new(SystemClock), rules, Duration::from_secs(1)).cycle().await;
    assert_eq!(ids(&keys, "anyone").await, [crate::seal::TenantKey::from_seed(&generated.seed).key_id()]);
}

#[tokio::test]
async fn each_tenant_has_its_key_and_strangers_the_default_one() {
    let tenants = vec![("a", KeySet::single(seed(1))), ("b", KeySet::single(seed(2)))];
    let (_, keys, _) = started(local(tenants, Some("b"))).await;
    assert_eq!(ids(&keys, "a").await, [key_id(1)]);
    assert_eq!(ids(&keys, "stranger").await, [key_id(2)]);
}

#[tokio::test]
async fn a_tenant_that_leaves_the_file_keeps_its_key() {
    let (source, keys, refresher) = started(local(vec![("a", KeySet::single(seed(1)))], None)).await;
    source.replace(local(vec![("b", KeySet::single(seed(2)))], None)).unwrap();
    refresher.cycle().await;
    assert_eq!(ids(&keys, "a").await, [key_id(1)]);
    assert_eq!(ids(&keys, "b").await, [key_id(2)]);
}

#[tokio::test]
async fn a_tenant_whose_fragment_is_missing_is_not_served_by_the_default_key() {
    let log = Log::capture();
    let tenants = vec![("a", with_fragment(1)), ("house", KeySet::single(seed(2)))];
    let (_, keys, _) = started(local(tenants, Some("house"))).await;
    let error = keys.serving(&tenant("a")).await.unwrap_err();
    assert_eq!(error.to_string(), "customer fragment `cf-1` is not on this gateway");
    assert_eq!(log.count("periodical update: failed to get key for tenant a error=customer fragment `cf-1`"), 1);
}

#[tokio::test]
async fn another_mode_needs_a_restart_and_changes_nothing() {
    let (source, keys, refresher) = started(single(1)).await;
    let error = source.replace(local(vec![("a", KeySet::single(seed(2)))], None)).unwrap_err();
    assert_eq!(error.to_string(), "crypto.mode changed; it counts after a restart");
    refresher.cycle().await;
    assert_eq!(ids(&keys, "a").await, [key_id(1)]);
}
