//! What both databases must do alike, asked of the stores themselves.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sealgate::coordinator::kek::Keks;
use sealgate::coordinator::store::{Expected, Heartbeat, PostgresStore, Row, SqliteStore, Store, StoreError, Write};
use sealgate::tenant::{BucketPrefix, TenantId};

use crate::{postgres, service};

/// Tombstones that the stores of these tests keep.
const TOMBSTONES_MAX: u32 = 4;

/// One test for each promise and store. A promise is given a way to open its database, which it may do repeatedly.
macro_rules! promises {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[test]
            fn $name() {
                let folder = super::service::folder();
                let file = folder.path().join("tenants.db");
                super::run(async || super::$name(async || super::sqlite(&file)).await);
            })*
        }
        mod on_postgres {
            $(#[test]
            fn $name() {
                let url = super::postgres::database();
                super::run(async || super::$name(async || super::connect(&url).await).await);
            })*
        }
    };
}

promises! {
    a_new_database_is_empty_and_has_an_epoch
    every_change_has_the_next_revision
    a_list_is_in_order_of_id_and_has_no_tombstones
    changes_are_in_order_of_revision_and_have_tombstones
    a_change_that_expects_something_else_changes_nothing
    a_deleted_tenant_can_be_made_again
    beyond_the_floor_changes_are_gone
    prefixes_of_two_tenants_do_not_overlap
    an_access_key_belongs_to_one_tenant
    a_failed_change_leaves_no_trace
    who_watches_is_told_of_every_change
    changes_made_at_once_are_all_seen_in_order
    resealing_is_no_change
    every_row_has_a_tag_and_retagging_is_no_change
    the_check_of_keys_is_kept
    a_new_epoch_is_another_one
    heartbeats_are_kept_one_for_each_gateway
    what_was_written_is_there_when_opened_again
}

fn run(test: impl AsyncFnOnce()) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test());
}

fn sqlite(file: &Path) -> Arc<dyn Store> {
    Arc::new(opened(file))
}

/// A process that another test starts at this moment has a copy of the lock until its program begins.
fn opened(file: &Path) -> SqliteStore {
    let asked = Instant::now();
    loop {
        match SqliteStore::open(file, TOMBSTONES_MAX) {
            Err(StoreError::InUse { .. }) if asked.elapsed() < Duration::from_secs(10) => std::thread::yield_now(),
            outcome => return outcome.unwrap(),
        }
    }
}

async fn connect(url: &str) -> Arc<dyn Store> {
    Arc::new(PostgresStore::connect(url, None, TOMBSTONES_MAX).await.unwrap())
}

async fn a_new_database_is_empty_and_has_an_epoch(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    let state = store.refresh().await.unwrap();
    assert_eq!((state.epoch.len(), state.revision, state.floor), (32, 0, 0));
    assert_eq!(*store.watch().borrow(), state);
    assert!(store.list(None, 10).await.unwrap().is_empty());
    assert!(store.changes(0, 10).await.unwrap().is_empty());
    assert_eq!(store.tenant(&id("t1")).await.unwrap(), None);
}

async fn every_change_has_the_next_revision(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    assert_eq!(store.write(new("t1")).await.unwrap(), 1);
    assert_eq!(store.write(Write { expected: Expected::Revision(1), ..new("t1") }).await.unwrap(), 2);
    assert_eq!(store.write(gone("t1", 2)).await.unwrap(), 3);
    assert_eq!(store.refresh().await.unwrap().revision, 3);
}

async fn a_list_is_in_order_of_id_and_has_no_tombstones(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    for name in ["b", "B", "a-1", "a_1", "a1", "gone"] {
        store.write(new(name)).await.unwrap();
    }
    store.write(gone("gone", 6)).await.unwrap();
    let first = store.list(None, 3).await.unwrap();
    let rest = store.list(Some(&first[2].id), 9).await.unwrap();
    assert_eq!(ids(&first).into_iter().chain(ids(&rest)).collect::<Vec<_>>(), ["B", "a-1", "a1", "a_1", "b"]);
}

async fn changes_are_in_order_of_revision_and_have_tombstones(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    for name in ["c", "b", "a"] {
        store.write(new(name)).await.unwrap();
    }
    store.write(gone("b", 2)).await.unwrap();
    let changes = store.changes(1, 10).await.unwrap();
    let told: Vec<_> = changes.iter().map(|row| (row.id.as_str(), row.revision, row.document.is_some())).collect();
    assert_eq!(told, [("a", 3, true), ("b", 4, false)]);
    assert_eq!(ids(&store.changes(0, 1).await.unwrap()), ["c"]);
}

async fn a_change_that_expects_something_else_changes_nothing(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    store.write(new("t1")).await.unwrap();
    let before = store.refresh().await.unwrap();
    for (write, current) in [
        (new("t1"), Some(1)),
        (Write { expected: Expected::Revision(2), ..new("t1") }, Some(1)),
        (gone("t1", 0), Some(1)),
        (gone("t2", 1), None),
    ] {
        let refused = store.write(write).await;
        assert!(matches!(refused, Err(StoreError::Conflict { current: told }) if told == current), "{refused:?}");
    }
    assert_eq!(store.refresh().await.unwrap(), before);
}

async fn a_deleted_tenant_can_be_made_again(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    store.write(new("t1")).await.unwrap();
    store.write(gone("t1", 1)).await.unwrap();
    assert_eq!(store.tenant(&id("t1")).await.unwrap(), None);
    let refused = store.write(gone("t1", 2)).await;
    assert!(matches!(refused, Err(StoreError::Conflict { current: None })), "{refused:?}");
    assert_eq!(store.write(new("t1")).await.unwrap(), 3);
    assert_eq!(ids(&store.changes(0, 10).await.unwrap()), ["t1"]);
}

async fn beyond_the_floor_changes_are_gone(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    store.write(new("stays")).await.unwrap();
    for at in 0..=u64::from(TOMBSTONES_MAX) {
        store.write(new(&format!("t{at}"))).await.unwrap();
        store.write(gone(&format!("t{at}"), 2 * at + 2)).await.unwrap();
    }
    // five tombstones, at 3, 5, 7, 9 and 11: the older half goes, two are kept
    let floor = store.refresh().await.unwrap().floor;
    assert_eq!(floor, 7);
    assert!(matches!(store.changes(floor - 1, 10).await, Err(StoreError::Gone)));
    let kept: Vec<_> = store.changes(floor, 10).await.unwrap().iter().map(|row| row.revision).collect();
    assert_eq!(kept, [9, 11]);
    assert_eq!(ids(&store.list(None, 10).await.unwrap()), ["stays"]);
}

async fn prefixes_of_two_tenants_do_not_overlap(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    let with = |name: &str, text: &str| Write { bucket_prefix: prefix(text), ..new(name) };
    store.write(with("t1", "acme-")).await.unwrap();
    for text in ["acme-", "acme-eu", "acme", "a", ""] {
        let refused = store.write(with("t2", text)).await;
        assert!(matches!(&refused, Err(StoreError::PrefixTaken { other }) if other == "t1"), "{text}: {refused:?}");
    }
    for (name, text) in [("t2", "acme."), ("t3", "acmf"), ("t4", "b")] {
        store.write(with(name, text)).await.unwrap();
    }
    store.write(gone("t1", 1)).await.unwrap();
    store.write(with("t5", "acme-eu")).await.unwrap();
}

async fn an_access_key_belongs_to_one_tenant(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    let with = |name: &str, keys: &[&str], expected| Write {
        access_key_ids: keys.iter().map(|&key| key.to_owned()).collect(),
        expected,
        ..new(name)
    };
    store.write(with("t1", &["k1", "k2"], Expected::Absent)).await.unwrap();
    let refused = store.write(with("t2", &["k3", "k2"], Expected::Absent)).await;
    assert!(matches!(&refused, Err(StoreError::AccessKeyTaken { id }) if id == "k2"), "{refused:?}");
    store.write(with("t1", &["k1"], Expected::Revision(1))).await.unwrap();
    store.write(with("t2", &["k3", "k2"], Expected::Absent)).await.unwrap();
    store.write(gone("t1", 2)).await.unwrap();
    store.write(with("t3", &["k1"], Expected::Absent)).await.unwrap();
}

async fn a_failed_change_leaves_no_trace(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    let taken = |name: &str| Write { access_key_ids: vec!["k1".into()], ..new(name) };
    store.write(taken("t1")).await.unwrap();
    store.write(taken("t2")).await.unwrap_err();
    assert_eq!(ids(&store.changes(0, 10).await.unwrap()), ["t1"]);
    assert_eq!(store.write(new("t3")).await.unwrap(), 2, "no revision is lost");
}

async fn who_watches_is_told_of_every_change(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    let mut watch = store.watch();
    watch.mark_unchanged();
    store.write(new("t1")).await.unwrap();
    let told = tokio::time::timeout(PATIENCE, watch.wait_for(|state| state.revision == 1)).await;
    told.expect("the change is told of").unwrap();
}

async fn changes_made_at_once_are_all_seen_in_order(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for at in 0..10 {
                    store.write(new(&format!("t{writer}-{at}"))).await.unwrap();
                }
            })
        })
        .collect();
    // a poller that never asks for what it has seen must see everything
    let (mut since, mut seen) = (0, Vec::new());
    let mut watch = store.watch();
    while seen.len() < 40 {
        tokio::time::timeout(PATIENCE, watch.wait_for(|state| state.revision > since)).await.unwrap().unwrap();
        let rows = store.changes(since, 3).await.unwrap();
        assert!(rows.iter().all(|row| row.revision > since));
        seen.extend(rows.iter().map(|row| row.revision));
        since = *seen.last().unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(seen, (1..=40).collect::<Vec<_>>());
}

async fn resealing_is_no_change(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    store.write(new("t1")).await.unwrap();
    assert!(store.reseal(&id("t1"), 1, r#"{"again":1}"#, "a tag").await.unwrap());
    assert!(!store.reseal(&id("t1"), 2, "{}", "a tag").await.unwrap());
    let row = store.tenant(&id("t1")).await.unwrap().unwrap();
    assert_eq!((row.revision, row.document.as_deref()), (1, Some(r#"{"again":1}"#)));
    assert_eq!(store.refresh().await.unwrap().revision, 1);
}

async fn every_row_has_a_tag_and_retagging_is_no_change(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    assert!(store.refresh().await.unwrap().is_tagged);
    for name in ["t1", "t2"] {
        store.write(new(name)).await.unwrap();
    }
    store.write(gone("t2", 2)).await.unwrap();
    let rows = store.all(None, 9).await.unwrap();
    assert_eq!(
        rows.iter().map(|row| (row.id.as_str(), row.document.is_some())).collect::<Vec<_>>(),
        [("t1", true), ("t2", false)]
    );
    assert!(rows.iter().all(|row| row.tag.is_some()) && rows[0].tag != rows[1].tag);
    assert_eq!(store.all(Some("t1"), 9).await.unwrap(), rows[1..]);
    assert!(store.retag("t2", 3, "another").await.unwrap());
    assert!(!store.retag("t2", 2, "another").await.unwrap());
    assert_eq!(store.all(Some("t1"), 9).await.unwrap()[0].tag.as_deref(), Some("another"));
    assert_eq!(store.refresh().await.unwrap().revision, 3);
}

async fn the_check_of_keys_is_kept(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    assert_eq!(store.kek_check("one").await.unwrap(), "one");
    assert_eq!(store.kek_check("two").await.unwrap(), "one");
    store.renew_kek_check("three").await.unwrap();
    assert_eq!(store.kek_check("two").await.unwrap(), "three");
}

async fn a_new_epoch_is_another_one(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    store.write(new("t1")).await.unwrap();
    let before = store.refresh().await.unwrap();
    let after = store.renew_epoch().await.unwrap();
    assert_ne!(after.epoch, before.epoch);
    assert_eq!((after.revision, after.floor), (before.revision, before.floor));
    assert_eq!(*store.watch().borrow(), after);
}

async fn heartbeats_are_kept_one_for_each_gateway(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000 + seconds);
    let beat = |cluster: &str, pod: &str, seconds: u64, status: &str| Heartbeat {
        cluster: cluster.into(),
        pod: pod.into(),
        seen_at: at(seconds),
        status: status.into(),
    };
    for heartbeat in [beat("b", "1", 0, "{}"), beat("a", "2", 1, "{}"), beat("a", "2", 2, "{\"new\":1}")] {
        store.report(heartbeat).await.unwrap();
    }
    let expected = [beat("a", "2", 2, "{\"new\":1}"), beat("b", "1", 0, "{}")];
    assert_eq!(store.gateways(at(0)).await.unwrap(), expected);
    assert_eq!(store.gateways(at(1)).await.unwrap(), expected[..1]);
    store.report(beat("a", "3", 8 * 24 * 3600, "{}")).await.unwrap();
    let left: Vec<_> = store.gateways(at(0)).await.unwrap().into_iter().map(|beat| beat.pod).collect();
    assert_eq!(left, ["3"], "who was silent for a week is forgotten");
}

async fn what_was_written_is_there_when_opened_again(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    store.write(new("t1")).await.unwrap();
    store.write(new("t2")).await.unwrap();
    store.write(gone("t1", 1)).await.unwrap();
    let (state, rows) = (store.refresh().await.unwrap(), store.changes(0, 10).await.unwrap());
    drop(store);
    let again = open().await;
    assert_eq!((again.refresh().await.unwrap(), again.changes(0, 10).await.unwrap()), (state, rows));
}

#[test]
fn one_file_is_open_once() {
    let folder = service::folder();
    let file = folder.path().join("tenants.db");
    let first = SqliteStore::open(&file, TOMBSTONES_MAX).unwrap();
    assert!(matches!(SqliteStore::open(&file, TOMBSTONES_MAX), Err(StoreError::InUse { .. })));
    drop(first);
    opened(&file);
}

fn id(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

fn prefix(text: &str) -> BucketPrefix {
    BucketPrefix::new(text).unwrap()
}

/// A tenant that is not there yet, with a prefix that overlaps with no other one's.
fn new(name: &str) -> Write {
    let own: String = name.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    Write {
        id: id(name),
        expected: Expected::Absent,
        document: Some("{}".into()),
        bucket_prefix: prefix(&format!("{own}-")),
        access_key_ids: Vec::new(),
        keks: Arc::new(Keks::from_base64(&service::kek(7), []).unwrap()),
    }
}

fn gone(name: &str, revision: u64) -> Write {
    Write { expected: Expected::Revision(revision), document: None, ..new(name) }
}

fn ids(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.id.as_str()).collect()
}

/// Long enough for the slowest machine.
const PATIENCE: Duration = Duration::from_mins(1);
