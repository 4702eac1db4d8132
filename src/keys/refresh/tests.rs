use super::*;
use crate::keys::testing::{HandClock, Log, Says, Scripted, key_id, tenant};
use crate::seal::KeyId;

/// Keys of a scripted source, refreshed by hand.
struct Setup {
    source: Arc<Scripted>,
    keys: Arc<Keys>,
    refresher: Arc<Refresher>,
    clock: Arc<HandClock>,
    sleeps: tokio::sync::mpsc::UnboundedReceiver<Duration>,
}

fn setup_with(says: &[(&str, Says)], revoke_missing: bool) -> Setup {
    let source = Arc::new(Scripted::new(says));
    let (clock, sleeps) = HandClock::new();
    let keys = Arc::new(Keys::of(Arc::clone(&source) as _, Arc::clone(&clock) as _));
    let rules = CycleRules { retired_keys_max: 4, revoke_missing, ..CycleRules::default() };
    let period = Duration::from_secs(100);
    let refresher = Arc::new(Refresher::new(Arc::clone(&keys), Arc::clone(&clock) as _, rules, period));
    Setup { source, keys, refresher, clock, sleeps }
}

fn setup(says: &[(&str, Says)]) -> Setup {
    setup_with(says, false)
}

impl Setup {
    fn sealing(&self, id: &str) -> Option<KeyId> {
        self.keys.snapshot().tenant(&tenant(id)).map(|keys| keys.primary().key_id())
    }
}

#[tokio::test]
async fn a_cycle_puts_the_sources_keys_in_force() {
    let setup = setup(&[("a", Says::Seed(1)), ("b", Says::Seed(2))]);
    let report = setup.refresher.cycle().await;
    assert_eq!((setup.sealing("a"), setup.sealing("b")), (Some(key_id(1)), Some(key_id(2))));
    assert_eq!((report.fresh, report.without, report.is_complete, report.began_at), (2, 0, true, 1000));
    assert_eq!(*setup.keys.last_cycle().unwrap(), report);
}

#[tokio::test]
async fn a_tenant_keeps_its_last_good_key_while_the_source_is_silent_or_denies_it() {
    for says in [Says::Silence, Says::Missing] {
        let setup = setup(&[("a", Says::Seed(1))]);
        setup.refresher.cycle().await;
        setup.source.say("a", says);
        let report = setup.refresher.cycle().await;
        assert_eq!(setup.sealing("a"), Some(key_id(1)));
        assert_eq!((report.fresh, report.last_good, report.without), (0, 1, 0));
    }
}

#[tokio::test]
async fn the_age_of_a_last_good_key_is_that_of_its_last_confirmation() {
    let setup = setup(&[("a", Says::Seed(1)), ("b", Says::Seed(2))]);
    setup.refresher.cycle().await;
    setup.source.say("a", Says::Silence);
    setup.clock.ring(Duration::from_mins(1));
    setup.refresher.cycle().await;
    let mut ages: Vec<_> = setup.keys.snapshot().statuses().map(|s| (s.tenant.to_string(), s.fresh_at)).collect();
    ages.sort();
    assert_eq!(ages, [("a".to_owned(), 1000), ("b".to_owned(), 1060)]);
}

#[tokio::test]
async fn all_keys_stay_while_the_source_is_down() {
    let setup = setup(&[("a", Says::Seed(1))]);
    setup.refresher.cycle().await;
    *setup.source.is_down.lock().unwrap() = true;
    let log = Log::capture();
    let report = setup.refresher.cycle().await;
    assert_eq!(setup.sealing("a"), Some(key_id(1)));
    assert!(!report.is_complete);
    assert_eq!(log.count("cannot get keys from the script: connection refused"), 1);
}

#[tokio::test]
async fn a_definite_answer_revokes_only_where_that_is_configured() {
    let setup = setup_with(&[("a", Says::Seed(1)), ("b", Says::Seed(2))], true);
    setup.refresher.cycle().await;
    setup.source.say("a", Says::Missing);
    setup.source.say("b", Says::Silence);
    let report = setup.refresher.cycle().await;
    assert_eq!((setup.sealing("a"), setup.sealing("b")), (None, Some(key_id(2))));
    assert_eq!((report.revoked, report.last_good), (1, 1));
}

#[tokio::test]
async fn a_seed_that_changed_unannounced_is_warned_of_with_both_key_ids() {
    let setup = setup(&[("a", Says::Seed(1))]);
    setup.refresher.cycle().await;
    setup.source.say("a", Says::Seed(2));
    let log = Log::capture();
    let report = setup.refresher.cycle().await;
    assert_eq!(report.surprises, 1);
    let line = log.lines().into_iter().find(|line| line.contains("the seed changed")).unwrap();
    assert!(line.contains(&key_id(1).to_string()) && line.contains(&key_id(2).to_string()), "{line}");
    let ring = setup.keys.snapshot();
    assert!(ring.tenant(&tenant("a")).unwrap().find(key_id(1)).is_some());
}

#[tokio::test]
async fn failures_are_named_for_ten_tenants_and_then_summed_up() {
    let names: Vec<String> = (10..35).map(|number| format!("t{number}")).collect();
    let says: Vec<_> = names.iter().map(|name| (name.as_str(), Says::Silence)).collect();
    let setup = setup(&says);
    let log = Log::capture();
    let report = setup.refresher.cycle().await;
    assert_eq!(report.without, 25);
    assert_eq!(log.count("periodical update: failed to get key for tenant t1"), 10);
    assert_eq!(log.count("periodical update: failed to get keys for 25 tenants in all"), 1);
    assert_eq!(log.lines().len(), 11);
}

#[tokio::test]
async fn an_unchanged_key_is_not_derived_again() {
    let setup = setup(&[("a", Says::Seed(1))]);
    setup.refresher.cycle().await;
    let before = setup.keys.snapshot();
    setup.refresher.cycle().await;
    let after = setup.keys.snapshot();
    let key = |ring: &crate::keys::ring::KeyRing| -> *const crate::seal::TenantKey {
        ring.tenant(&tenant("a")).unwrap().primary()
    };
    assert!(!Arc::ptr_eq(&before, &after));
    assert_eq!(key(&before), key(&after));
}

#[tokio::test]
async fn a_request_keeps_its_snapshot_over_a_refresh() {
    let setup = setup(&[("a", Says::Seed(1))]);
    setup.refresher.cycle().await;
    let snapshot = setup.keys.snapshot();
    setup.source.say("a", Says::Seed(2));
    setup.refresher.cycle().await;
    assert_eq!(snapshot.tenant(&tenant("a")).unwrap().primary().key_id(), key_id(1));
    assert_eq!(setup.sealing("a"), Some(key_id(2)));
}

#[tokio::test]
async fn the_loop_refreshes_once_per_period_and_says_that_it_began() {
    let mut setup = setup(&[("a", Says::Seed(1))]);
    let log = Log::capture();
    let refresher = Arc::clone(&setup.refresher);
    let running = tokio::spawn(async move { refresher.run().await });
    let first = setup.sleeps.recv().await.unwrap();
    assert_eq!(log.count("INFO sealgate::keys::refresh: Starting Keys Client update routine"), 1);
    assert_eq!(setup.sealing("a"), None);
    setup.clock.ring(first);
    let second = setup.sleeps.recv().await.unwrap();
    assert_eq!(setup.sealing("a"), Some(key_id(1)));
    for wait in [first, second] {
        assert!((90..=110).contains(&wait.as_secs()), "{wait:?}");
    }
    running.abort();
}

#[tokio::test]
async fn the_loop_can_be_woken() {
    let mut setup = setup(&[("a", Says::Seed(1))]);
    let refresher = Arc::clone(&setup.refresher);
    let running = tokio::spawn(async move { refresher.run().await });
    setup.sleeps.recv().await.unwrap();
    setup.refresher.wake();
    setup.sleeps.recv().await.unwrap();
    assert_eq!(setup.sealing("a"), Some(key_id(1)));
    running.abort();
}
