use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::keys::Keys;
use crate::keys::coordinator::CoordinatorSettings;
use crate::keys::cycle::CycleRules;
use crate::keys::fragment::Fragments;
use crate::keys::kmip::Kms;
use crate::keys::refresh::Refresher;
use crate::keys::refresh::SystemClock;
use crate::keys::ring::TenantStatus;
use crate::keys::seeds::KeySet;
use crate::keys::testing::{HandClock, Log, key_id, seed, tenant};
use crate::kmip::error::Refusal;
use crate::kmip::{Found, KmsError, Lifecycle, LookupError, NoSuchKey, Operation, PrivateKeyPem, TlsConfig};
use crate::seal::{KeyId, TenantKey};

mod beating;
mod damaged;
mod fragments;
mod restarts;
mod states;
mod waits;

#[path = "../../../tests/support/coordinator.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod coordinator;
use coordinator::ScriptedCoordinator;

/// A KMS that says what it is told to, and notes what it was asked.
#[derive(Clone, Default)]
struct ScriptedKms {
    seeds: Arc<Mutex<BTreeMap<String, u8>>>,
    asked: Arc<Mutex<Vec<String>>>,
    is_down: Arc<Mutex<bool>>,
    /// tenants whose key is not active
    states: Arc<Mutex<BTreeMap<String, Lifecycle>>>,
    /// whether keys that are not active are not given out
    withholds: Arc<Mutex<bool>>,
}

#[async_trait::async_trait]
impl Kms for ScriptedKms {
    async fn lookup(&self, tenant: &str) -> Result<Found, LookupError> {
        self.asked.lock().unwrap().push(tenant.to_owned());
        if *self.is_down.lock().unwrap() {
            return Err(KmsError::Mismatch { what: "name" }.into());
        }
        let number = self.seeds.lock().unwrap().get(tenant).copied();
        let lifecycle = self.states.lock().unwrap().get(tenant).copied().unwrap_or(Lifecycle::Active);
        if lifecycle != Lifecycle::Active && *self.withholds.lock().unwrap() {
            return Err(withheld(lifecycle));
        }
        let found = number.map(|number| Found { seed: seed(number), lifecycle });
        found.ok_or_else(|| NoSuchKey { tenant: tenant.to_owned() }.into())
    }

    async fn rest(&self) {}
}

/// What a KMS says that does not give out a key in this state.
fn withheld(lifecycle: Lifecycle) -> LookupError {
    let refusal = Refusal::new(Operation::Get, 1, Some(0x43), "");
    LookupError::Withheld { lifecycle, refusal }
}

struct Setup {
    coordinator: ScriptedCoordinator,
    kms: ScriptedKms,
    access_keys: Arc<LiveAccessKeys>,
    source: Arc<RemoteKeys>,
    keys: Arc<Keys>,
    refresher: Arc<Refresher>,
    clock: Arc<HandClock>,
    #[allow(dead_code, reason = "the clock wants a listener")]
    sleeps: tokio::sync::mpsc::UnboundedReceiver<Duration>,
}

fn settings(coordinator: &ScriptedCoordinator) -> RemoteSettings {
    RemoteSettings {
        period: Duration::from_hours(1),
        rules: CycleRules { retired_keys_max: 4, revoke_missing: false, ..CycleRules::default() },
        default_key: None,
        tenants: HashMap::new(),
        fragments: Fragments::default(),
        coordinator: CoordinatorSettings {
            url: coordinator.url(),
            token_file: None,
            ca_file: None,
            cert_file: None,
            key_file: None,
        },
        snapshot: None,
        kms: kmip::Config {
            addresses: "127.0.0.1:1".parse().unwrap(),
            timeout: Duration::from_secs(1),
            verify_name: true,
            tls: TlsConfig {
                key: PrivateKeyPem::new(String::new()),
                cert: String::new(),
                ca: None,
                server_name: None,
                cipher_suites: Vec::new(),
                insecure_skip_verify: false,
            },
        },
    }
}

fn setup_with(change: impl FnOnce(&mut RemoteSettings)) -> Setup {
    let coordinator = ScriptedCoordinator::start();
    let mut settings = settings(&coordinator);
    change(&mut settings);
    setup_over(coordinator, ScriptedKms::default(), settings)
}

/// A gateway that has just started.
fn setup_over(coordinator: ScriptedCoordinator, kms: ScriptedKms, settings: RemoteSettings) -> Setup {
    let rules = settings.rules;
    let access_keys = Arc::new(LiveAccessKeys::new(crate::keys::access::AccessKeys::default()));
    let client = Client::new(&settings.coordinator).unwrap();
    let source =
        RemoteKeys::with(settings, client, KmsKeys::new(kms.clone()), Arc::clone(&access_keys), Arc::new(SystemClock));
    let source = Arc::new(source);
    let (clock, sleeps) = HandClock::new();
    let keys = Keys::of(Arc::clone(&source) as _, Arc::clone(&clock) as _);
    let keys = match source.restore() {
        Some(ring) => Arc::new(keys.beginning_with(ring)),
        None => Arc::new(keys),
    };
    let period = Duration::from_hours(1);
    let refresher = Arc::new(Refresher::new(Arc::clone(&keys), Arc::clone(&clock) as _, rules, period));
    Setup { coordinator, kms, access_keys, source, keys, refresher, clock, sleeps }
}

fn setup() -> Setup {
    setup_with(|_| {})
}

fn base64(number: u8) -> String {
    seed(number).to_base64().to_string()
}

fn public(id: &str, number: u8) -> Value {
    json!({
        "id": id, "zero_knowledge": false, "bucket_prefix": format!("{id}-"),
        "keys": [{"version": 1, "seed": base64(number), "primary": true}],
        "access_keys": [{"id": format!("AK{id}"), "secret": "secret of it"}],
    })
}

fn private(id: &str) -> Value {
    json!({
        "id": id, "zero_knowledge": true, "bucket_prefix": format!("{id}-"),
        "access_keys": [{"id": format!("AK{id}"), "secret": "secret of it"}],
    })
}

impl Setup {
    fn sealing(&self, id: &str) -> Option<KeyId> {
        self.keys.snapshot().tenant(&tenant(id)).map(|keys| keys.primary().key_id())
    }

    fn status(&self, id: &str) -> TenantStatus {
        self.keys.snapshot().status(&tenant(id)).unwrap()
    }

    fn may_sign(&self, id: &str) -> bool {
        self.access_keys.snapshot().find(&format!("AK{id}")).is_some_and(|key| !key.disabled)
    }

    fn has_in_kms(&self, id: &str, number: u8) {
        self.kms.seeds.lock().unwrap().insert(id.to_owned(), number);
    }

    /// Refreshes until something holds.
    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let refresher = Arc::clone(&self.refresher);
        let running = tokio::spawn(async move { refresher.run().await });
        let waiting = async {
            while !holds(self) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), waiting).await.expect(what);
        running.abort();
    }
}

#[tokio::test]
async fn public_tenants_come_with_seed_access_key_and_prefix_and_the_kms_is_never_asked() {
    for (speaks_lines, page_tenants) in [(true, 1), (false, 100)] {
        let setup = setup();
        for number in 1..=5 {
            setup.coordinator.tell(public(&format!("t{number}"), number));
        }
        setup.coordinator.script().speaks_lines = speaks_lines;
        setup.coordinator.script().page_tenants = page_tenants;
        let report = setup.refresher.cycle().await;
        assert_eq!((report.fresh, report.is_complete, report.without), (5, true, 0));
        assert_eq!(setup.sealing("t4"), Some(key_id(4)));
        assert_eq!(setup.status("t4").source, SourceKind::Coordinator);
        let key = setup.access_keys.snapshot().find("AKt4").unwrap();
        assert_eq!((key.principal.tenant.as_str(), key.principal.bucket_prefix.as_str()), ("t4", "t4-"));
        assert_eq!(setup.source.position(), Some(Position { epoch: "first".into(), revision: 5 }));
        assert!(setup.kms.asked.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_minimal_tenant_is_understood() {
    let setup = setup();
    setup.coordinator.tell(json!({"id": "t", "zero_knowledge": false, "key_seed": base64(3)}));
    setup.refresher.cycle().await;
    assert_eq!(setup.sealing("t"), Some(key_id(3)));
}

#[tokio::test]
async fn private_tenants_have_the_secrets_key_first_and_else_the_kmss() {
    let set = || HashMap::from([(tenant("a"), KeySet::single(seed(7)))]);
    let setup = setup_with(|settings| settings.tenants = set());
    for (id, number) in [("a", 1), ("b", 2)] {
        setup.has_in_kms(id, number);
        setup.coordinator.tell(private(id));
    }
    setup.refresher.cycle().await;
    assert_eq!((setup.sealing("a"), setup.status("a").source), (Some(key_id(7)), SourceKind::File));
    assert_eq!((setup.sealing("b"), setup.status("b").source), (Some(key_id(2)), SourceKind::Kms));
    assert_eq!(*setup.kms.asked.lock().unwrap(), ["b"]);
}

#[tokio::test]
async fn a_private_tenant_with_an_inline_seed_is_refused_and_not_served_by_the_default_key() {
    let setup = setup_with(|settings| settings.default_key = Some(tenant("d")));
    let mut wrong = private("p");
    wrong["key_seed"] = base64(1).into();
    setup.coordinator.tell(wrong);
    setup.coordinator.tell(public("d", 9));
    let log = Log::capture();
    let report = setup.refresher.cycle().await;
    assert_eq!((report.fresh, report.without), (1, 1));
    assert!(setup.sealing("p").is_none() && !setup.may_sign("p"));
    assert_eq!(log.count("a private tenant (zero_knowledge) must not have an inline seed"), 1);
}

#[tokio::test]
async fn one_tenant_that_makes_no_sense_does_not_take_the_others_with_it() {
    let setup = setup();
    for tenant in [
        public("good", 1),
        json!({"id": "worse", "zero_knowledge": "perhaps"}),
        json!({"id": "bad/id", "zero_knowledge": true}),
        json!({"id": "short", "zero_knowledge": false, "key_seed": "c2hvcnQ="}),
        json!({"id": "keyless", "zero_knowledge": false}),
    ] {
        setup.coordinator.tell(tenant);
    }
    let log = Log::capture();
    let report = setup.refresher.cycle().await;
    assert_eq!((report.fresh, report.without), (1, 2));
    assert_eq!(log.count("failed to get key for tenant short"), 1);
    assert_eq!(log.count("makes no sense"), 2);
    assert!(!log.lines().concat().contains("c2hvcnQ"));
}

#[tokio::test]
async fn changes_are_followed_as_they_come() {
    let setup = setup();
    setup.coordinator.tell(public("a", 1));
    setup.refresher.cycle().await;
    setup.coordinator.tell(public("b", 2));
    setup.has_in_kms("p", 3);
    setup.coordinator.tell(private("p"));
    setup.until("new tenants", |setup| setup.sealing("b").is_some() && setup.sealing("p").is_some()).await;
    assert!(setup.may_sign("b") && setup.may_sign("p"));
    setup.coordinator.delete("a");
    let mut suspended = public("b", 2);
    suspended["status"] = "suspended".into();
    setup.coordinator.tell(suspended);
    setup.until("a deletion", |setup| setup.sealing("a").is_none() && !setup.may_sign("b")).await;
    assert!(!setup.may_sign("a") && setup.sealing("b").is_some());
    let lists = setup.coordinator.script().asked.iter().filter(|asked| !asked.contains("since")).count();
    assert_eq!(lists, 1);
}

#[tokio::test]
async fn a_rotated_key_seals_and_the_old_one_still_opens() {
    let setup = setup();
    setup.coordinator.tell(public("a", 1));
    setup.refresher.cycle().await;
    let mut rotated = public("a", 1);
    rotated["keys"] = json!([
        {"version": 2, "seed": base64(2), "primary": true}, {"version": 1, "seed": base64(1), "primary": false},
    ]);
    setup.coordinator.tell(rotated);
    setup.refresher.cycle().await;
    let ring = setup.keys.snapshot();
    let keys = ring.tenant(&tenant("a")).unwrap();
    assert_eq!(keys.key_ids().collect::<Vec<_>>(), [key_id(2), key_id(1)]);
    assert_eq!(setup.keys.counts().surprises(), 0);
}

#[tokio::test]
async fn after_gone_the_list_is_read_again() {
    let setup = setup();
    setup.coordinator.tell(public("a", 1));
    setup.refresher.cycle().await;
    setup.coordinator.tell(public("b", 2));
    setup.coordinator.script().floor = 2;
    let report = setup.refresher.cycle().await;
    assert_eq!((report.is_complete, report.fresh), (true, 2));
    setup.coordinator.script().epoch = "second".into();
    setup.coordinator.tell(public("c", 3));
    setup.until("the list of another epoch", |setup| setup.sealing("c").is_some()).await;
    assert_eq!(setup.source.position().unwrap().epoch, "second");
}

#[tokio::test]
async fn an_older_revision_of_the_same_epoch_is_not_followed() {
    let setup = setup();
    setup.coordinator.tell(public("a", 1));
    setup.coordinator.tell(public("a", 2));
    setup.refresher.cycle().await;
    setup.coordinator.go_back(1);
    setup.coordinator.tell(public("b", 1));
    setup.coordinator.go_back(1);
    let log = Log::capture();
    let report = setup.refresher.cycle().await;
    assert!(!report.is_complete);
    assert_eq!(setup.sealing("a"), Some(key_id(2)));
    assert_eq!(log.count("the coordinator went back: revision 1 of an epoch that was at 2"), 1);
}

#[tokio::test]
async fn while_the_coordinator_is_down_all_keys_stay_and_the_kms_is_still_asked() {
    let setup = setup();
    setup.has_in_kms("p", 1);
    setup.coordinator.tell(public("a", 1));
    setup.coordinator.tell(private("p"));
    setup.refresher.cycle().await;
    setup.coordinator.script().is_down = true;
    setup.has_in_kms("p", 2);
    setup.clock.ring(Duration::from_hours(1));
    let report = setup.refresher.cycle().await;
    assert!(!report.is_complete);
    assert_eq!((setup.sealing("a"), setup.sealing("p")), (Some(key_id(1)), Some(key_id(2))));
    assert!(!setup.status("a").is_fresh && setup.status("p").is_fresh);
    setup.coordinator.script().is_down = false;
    setup.refresher.cycle().await;
    assert!(setup.status("a").is_fresh);
}

#[tokio::test]
async fn a_gateway_that_starts_before_the_coordinator_finds_it_without_waiting_a_period() {
    let setup = setup();
    setup.coordinator.tell(public("a", 1));
    setup.coordinator.script().is_down = true;
    assert!(!setup.refresher.cycle().await.is_complete);
    setup.coordinator.script().is_down = false;
    setup.until("the first list", |setup| setup.sealing("a").is_some()).await;
}

#[tokio::test]
async fn a_tenant_nobody_told_of_is_asked_for_by_its_id() {
    let setup = setup();
    setup.refresher.cycle().await;
    for id in ["a", "p"] {
        setup.has_in_kms(id, 5);
    }
    setup.coordinator.tell(public("a", 1));
    setup.coordinator.tell(private("p"));
    for (id, number) in [("a", 1), ("p", 5)] {
        let ring = setup.keys.serving(&tenant(id)).await.unwrap();
        assert_eq!(ring.tenant(&tenant(id)).unwrap().primary().key_id(), key_id(number));
    }
    let error = setup.keys.serving(&tenant("x")).await.unwrap_err();
    assert_eq!(error.to_string(), "key not found for tenantID x");
    assert_eq!(*setup.kms.asked.lock().unwrap(), ["p"]);
}

#[tokio::test]
async fn a_private_tenant_without_any_key_is_named_in_the_documented_words() {
    let setup = setup();
    setup.coordinator.tell(private("p"));
    let log = Log::capture();
    setup.refresher.cycle().await;
    let line = "periodical update: failed to get key for tenant p error=key not found for private tenantID p";
    assert_eq!(log.count(line), 1, "{:?}", log.lines());
    let error = setup.keys.serving(&tenant("p")).await.unwrap_err();
    assert_eq!(error.to_string(), "key not found for private tenantID p");
}

#[tokio::test]
async fn the_token_is_read_from_its_file_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let setup = setup_with(|settings| settings.coordinator.token_file = Some(file.clone()));
    setup.coordinator.tell(public("a", 1));
    for token in ["one", "two"] {
        setup.coordinator.script().token = Some(token.into());
        let log = Log::capture();
        assert!(!setup.refresher.cycle().await.is_complete);
        assert!(!log.lines().concat().contains(token));
        std::fs::write(&file, format!("{token}\n")).unwrap();
        assert!(setup.refresher.cycle().await.is_complete);
    }
}

#[tokio::test]
async fn what_the_kms_cannot_say_keeps_the_key_and_what_it_denies_revokes_it_if_configured() {
    let revoking = setup_with(|settings| settings.rules.revoke_missing = true);
    let keeping = setup();
    for setup in [&revoking, &keeping] {
        setup.has_in_kms("p", 1);
        setup.coordinator.tell(private("p"));
        setup.refresher.cycle().await;
        *setup.kms.is_down.lock().unwrap() = true;
        setup.refresher.cycle().await;
        assert_eq!(setup.sealing("p"), Some(key_id(1)));
        *setup.kms.is_down.lock().unwrap() = false;
        setup.kms.seeds.lock().unwrap().clear();
        setup.refresher.cycle().await;
    }
    assert_eq!((revoking.sealing("p"), keeping.sealing("p")), (None, Some(key_id(1))));
}
