use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::keys::cycle::{CycleReport, CycleRules};
use crate::keys::ring::KeyRing;
use crate::keys::testing::{Log, key_id, seed, tenant};
use crate::kmip::error::TransportError;
use crate::kmip::{KmsError, NoSuchKey};

/// A KMS that holds seed 7 for every tenant, save for those whose names say otherwise; it counts.
#[derive(Default)]
struct Fake {
    asked: Mutex<Vec<String>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    rests: AtomicUsize,
}

struct Shared(Arc<Fake>);

#[async_trait::async_trait]
impl Kms for Shared {
    async fn lookup(&self, tenant: &str) -> Result<Found, LookupError> {
        self.0.asked.lock().unwrap().push(tenant.to_owned());
        let under_way = self.0.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most_under_way.fetch_max(under_way, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
        match tenant {
            _ if tenant.starts_with("absent") => Err(NoSuchKey { tenant: tenant.to_owned() }.into()),
            _ if tenant.starts_with("silent") => {
                let source = io::ErrorKind::ConnectionRefused.into();
                Err(KmsError::Write(TransportError::Io { peer: "kms".to_owned(), source }).into())
            }
            _ if tenant.starts_with("mixed") => Err(KmsError::Mismatch { what: "name" }.into()),
            _ => Ok(Found { seed: seed(7), lifecycle: Lifecycle::Active }),
        }
    }

    async fn rest(&self) {
        self.0.rests.fetch_add(1, Ordering::SeqCst);
    }
}

fn kms() -> (Arc<Fake>, KmsKeys) {
    let fake = Arc::new(Fake::default());
    (Arc::clone(&fake), KmsKeys::new(Shared(fake)))
}

fn private(id: &str) -> PrivateTenant {
    PrivateTenant { id: tenant(id), fragment_id: None }
}

async fn refreshed(keys: &KmsKeys, last: KeyRing, names: &[&str]) -> (Arc<KeyRing>, CycleReport) {
    let tenants: Vec<PrivateTenant> = names.iter().map(|name| private(name)).collect();
    let last = Arc::new(last);
    let rules = CycleRules { retired_keys_max: 8, revoke_missing: false, ..CycleRules::default() };
    let mut cycle = Cycle::new(Arc::clone(&last), "test", rules, 1000);
    keys.refresh(&mut cycle, &tenants, &Fragments::default()).await;
    cycle.finish(last).await
}

#[tokio::test]
async fn a_cycle_gives_each_tenant_its_keys_or_says_why_not() {
    let log = Log::capture();
    let (fake, keys) = kms();
    let (ring, report) = refreshed(&keys, KeyRing::empty(), &["a", "absent", "b", "silent"]).await;
    assert_eq!((report.fresh, report.without), (2, 2));
    assert_eq!(ring.tenant(&tenant("b")).unwrap().primary().key_id(), key_id(7));
    assert!(ring.tenant(&tenant("absent")).is_none() && ring.tenant(&tenant("silent")).is_none());
    assert_eq!(log.count("failed to get key for tenant absent error=key not found for private tenantID absent"), 1);
    let silent = "cannot get keys from the kms: error writing kms request: the connection to kms failed";
    assert_eq!(log.count(&format!("failed to get key for tenant silent error={silent}")), 1);
    assert_eq!(fake.rests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_tenant_keeps_its_last_good_keys_while_the_kms_does_not_answer() {
    let (_, keys) = kms();
    let name = "silent";
    let known = KeySet::single(seed(3)).derive(&tenant(name), &Fragments::default()).unwrap();
    let last = KeyRing::empty().with_tenant(&tenant(name), known, SourceKind::Kms, 1);
    let (ring, report) = refreshed(&keys, last, &[name]).await;
    assert_eq!(report.last_good, 1);
    assert_eq!(ring.tenant(&tenant(name)).unwrap().primary().key_id(), key_id(3));
}

#[tokio::test]
async fn a_kms_that_is_out_is_asked_a_few_times_only() {
    let (fake, keys) = kms();
    let names: Vec<String> = (0..1000).map(|number| format!("silent-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (_, report) = refreshed(&keys, KeyRing::empty(), &names).await;
    assert_eq!(report.without, 1000);
    let asked = fake.asked.lock().unwrap().len();
    assert!((UNANSWERED_MAX..=UNANSWERED_MAX + PARALLEL_LOOKUPS_MAX).contains(&asked), "{asked}");
}

#[tokio::test]
async fn an_answer_between_unanswered_lookups_keeps_the_cycle_going() {
    let (fake, keys) = kms();
    let names: Vec<String> = (0..UNANSWERED_MAX * 3)
        .map(|number| if number % UNANSWERED_MAX == 0 { format!("a-{number}") } else { format!("silent-{number}") })
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    refreshed(&keys, KeyRing::empty(), &names).await;
    assert_eq!(fake.asked.lock().unwrap().len(), names.len());
}

#[tokio::test]
async fn lookups_of_a_cycle_run_side_by_side_within_their_bound() {
    let (fake, keys) = kms();
    let names: Vec<String> = (0..50).map(|number| format!("a-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    refreshed(&keys, KeyRing::empty(), &names).await;
    assert_eq!(fake.most_under_way.load(Ordering::SeqCst), PARALLEL_LOOKUPS_MAX);
}

#[tokio::test]
async fn one_lookup_tells_no_such_key_from_no_answer() {
    let (_, keys) = kms();
    let fragments = Fragments::default();
    let (found, source) = keys.look_up(&private("a"), &fragments).await.unwrap();
    assert_eq!((found.primary().key_id(), source), (key_id(7), SourceKind::Kms));
    assert!(keys.look_up(&private("absent"), &fragments).await.unwrap_err().is_definite());
    assert!(!keys.look_up(&private("silent"), &fragments).await.unwrap_err().is_definite());
}

#[tokio::test]
async fn a_wrong_key_offered_is_logged_as_an_error() {
    let log = Log::capture();
    let (_, keys) = kms();
    keys.look_up(&private("mixed"), &Fragments::default()).await.unwrap_err();
    assert_eq!(log.count("ERROR"), 1);
    assert_eq!(log.count("the kms offered a wrong key for tenant mixed"), 1);
}

#[tokio::test]
async fn a_seed_of_the_kms_is_joined_with_the_customers_fragment() {
    let (_, keys) = kms();
    let private = PrivateTenant { id: tenant("a"), fragment_id: Some("cf-1".to_owned()) };
    let error = keys.look_up(&private, &Fragments::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "customer fragment `cf-1` is not on this gateway");
}

#[tokio::test]
async fn after_a_reload_the_other_kms_is_asked() {
    let (first, keys) = kms();
    let (second, _) = kms();
    keys.replace(Shared(Arc::clone(&second)));
    keys.look_up(&private("a"), &Fragments::default()).await.unwrap();
    assert!(first.asked.lock().unwrap().is_empty());
    assert_eq!(*second.asked.lock().unwrap(), ["a"]);
}
