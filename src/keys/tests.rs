use super::*;
use crate::keys::cycle::CycleRules;
use crate::keys::testing::{Log, Says, Scripted, key_id, tenant};

fn keys(source: Scripted) -> (Arc<Scripted>, Arc<Keys>) {
    let source = Arc::new(source);
    (Arc::clone(&source), Arc::new(Keys::of(source, Arc::new(SystemClock))))
}

fn sealing(ring: &KeyRing, id: &str) -> crate::seal::KeyId {
    ring.tenant(&tenant(id)).unwrap().primary().key_id()
}

#[tokio::test]
async fn a_tenant_never_seen_is_looked_up_and_then_known() {
    let (source, keys) = keys(Scripted::new(&[("a", Says::Seed(1))]));
    for _ in 0..3 {
        assert_eq!(sealing(&keys.serving(&tenant("a")).await.unwrap(), "a"), key_id(1));
    }
    assert_eq!(source.lookups(), 1);
    assert!(keys.snapshot().has_own(&tenant("a")));
}

#[tokio::test]
async fn requests_that_wait_for_one_tenant_make_one_look_up() {
    let script = Scripted { permits: tokio::sync::Semaphore::new(0), ..Scripted::new(&[("a", Says::Seed(1))]) };
    let (source, keys) = keys(script);
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let keys = Arc::clone(&keys);
        waiting.spawn(async move { keys.serving(&tenant("a")).await.is_ok() });
    }
    while source.lookups() == 0 {
        tokio::task::yield_now().await;
    }
    source.permits.add_permits(50);
    assert!(waiting.join_all().await.into_iter().all(|is_served| is_served));
    assert_eq!(source.lookups(), 1);
}

#[tokio::test]
async fn that_there_is_no_key_is_remembered_for_a_moment() {
    for (says, message) in
        [(Says::Missing, "key not found for private tenantID a"), (Says::Silence, "cannot get keys from the script")]
    {
        let (source, keys) = keys(Scripted::new(&[("a", says)]));
        let log = Log::capture();
        for _ in 0..5 {
            assert_eq!(keys.serving(&tenant("a")).await.unwrap_err().to_string(), message);
        }
        assert_eq!(source.lookups(), 1);
        assert_eq!(log.count("failed to get key for tenant a"), 1);
    }
}

#[tokio::test]
async fn a_cycle_ends_what_was_remembered_of_a_missing_key() {
    let (source, keys) = keys(Scripted::new(&[("a", Says::Missing)]));
    assert!(keys.serving(&tenant("a")).await.is_err());
    source.say("a", Says::Seed(1));
    let rules = CycleRules { retired_keys_max: 4, revoke_missing: false, ..CycleRules::default() };
    let refresher = refresh::Refresher::new(Arc::clone(&keys), Arc::new(SystemClock), rules, Duration::from_secs(1));
    refresher.cycle().await;
    assert_eq!(sealing(&keys.serving(&tenant("a")).await.unwrap(), "a"), key_id(1));
}

/// Keys with a default key, of a source that knows no tenant by itself.
async fn with_default_key(source: Scripted) -> (Arc<Scripted>, Arc<Keys>) {
    let (source, keys) = keys(source);
    let mut cycle = Cycle::new(
        keys.snapshot(),
        "script",
        CycleRules { retired_keys_max: 4, revoke_missing: false, ..CycleRules::default() },
        0,
    );
    cycle.default_key(tenant("house"));
    let seeds = seeds::KeySet::single(testing::seed(9));
    cycle.found(&tenant("house"), &seeds, &fragment::Fragments::default(), SourceKind::File);
    keys.install(cycle).await;
    (source, keys)
}

#[tokio::test]
async fn a_ring_that_was_replaced_is_freed_but_not_by_the_last_request_that_has_it() {
    let (_, keys) = with_default_key(Scripted::new(&[])).await;
    let request = keys.snapshot();
    let ring = Arc::downgrade(&request);
    let rules = CycleRules { retired_keys_max: 4, revoke_missing: false, ..CycleRules::default() };
    keys.install(Cycle::new(keys.snapshot(), "script", rules, 1)).await;
    assert!(!Arc::ptr_eq(&keys.snapshot(), &request));
    drop(request);
    assert!(ring.upgrade().is_some());
    let freed = async {
        while ring.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), freed).await.unwrap();
}

#[tokio::test]
async fn the_default_key_serves_a_stranger_only_after_the_source_denied_a_key() {
    let (source, keys) = with_default_key(Scripted::new(&[("own", Says::Seed(1)), ("out", Says::Silence)])).await;
    assert_eq!(sealing(&keys.serving(&tenant("own")).await.unwrap(), "own"), key_id(1));
    assert!(keys.serving(&tenant("out")).await.is_err());
    assert_eq!(sealing(&keys.serving(&tenant("guest")).await.unwrap(), "guest"), key_id(9));
    assert_eq!(source.lookups(), 3);
}

#[tokio::test]
async fn a_source_that_tells_of_everyone_is_not_asked_for_strangers() {
    let script = Scripted { is_complete: true, ..Scripted::new(&[]) };
    let (source, keys) = with_default_key(script).await;
    assert_eq!(sealing(&keys.serving(&tenant("guest")).await.unwrap(), "guest"), key_id(9));
    assert_eq!(source.lookups(), 0);
}

#[tokio::test]
async fn keys_that_never_change_serve_what_they_hold() {
    let seeds = seeds::KeySet::single(testing::seed(1));
    let ring = KeyRing::one_key(seeds.derive(&tenant("x"), &fragment::Fragments::default()).unwrap());
    assert_eq!(sealing(&Keys::new(ring).serving(&tenant("anyone")).await.unwrap(), "anyone"), key_id(1));
    assert!(Keys::new(KeyRing::empty()).serving(&tenant("anyone")).await.is_err());
}
