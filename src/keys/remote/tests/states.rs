use std::time::SystemTime;

use super::*;
use crate::keys::ring::usage::{KeyUse, Unusable};
use crate::keys::ring::{KeyRing, KeyState};

/// The key that seals for the tenant, as a request is given it.
fn seals(setup: &Setup, id: &str) -> Result<KeyId, Unusable> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    setup.keys.snapshot().sealing(&tenant(id), now).map(TenantKey::key_id)
}

fn opens(setup: &Setup, id: &str, number: u8) -> bool {
    setup.keys.snapshot().opening(&tenant(id), key_id(number)).is_ok()
}

fn is_in(setup: &Setup, id: &str, lifecycle: Lifecycle) {
    setup.kms.states.lock().unwrap().insert(id.to_owned(), lifecycle);
}

fn in_state(number: u8, state: KeyState) -> Result<KeyId, Unusable> {
    Err(Unusable::State { key: key_id(number), state })
}

fn rules(usage: KeyUse) -> CycleRules {
    CycleRules { retired_keys_max: 4, revoke_missing: false, usage }
}

const STATES: [(Lifecycle, KeyState); 3] = [
    (Lifecycle::Deactivated, KeyState::Deactivated),
    (Lifecycle::Compromised, KeyState::Compromised),
    (Lifecycle::NotActive, KeyState::Unknown),
];

#[tokio::test]
async fn a_key_that_the_kms_revokes_seals_no_more_and_still_opens_also_if_it_is_not_given_out() {
    for withholds in [false, true] {
        for (lifecycle, state) in STATES {
            let setup = setup();
            setup.has_in_kms("p", 1);
            setup.coordinator.tell(private("p"));
            setup.refresher.cycle().await;
            assert_eq!(seals(&setup, "p"), Ok(key_id(1)));
            *setup.kms.withholds.lock().unwrap() = withholds;
            is_in(&setup, "p", lifecycle);
            let log = Log::capture();
            for _ in 0..3 {
                setup.refresher.cycle().await;
            }
            assert_eq!(seals(&setup, "p"), in_state(1, state), "{withholds}");
            assert!(opens(&setup, "p", 1));
            assert_eq!(setup.status("p").state, state);
            assert_eq!(log.count("seals nothing"), 1, "{:?}", log.lines());
            is_in(&setup, "p", Lifecycle::Active);
            setup.refresher.cycle().await;
            assert_eq!(seals(&setup, "p"), Ok(key_id(1)));
            assert_eq!(setup.keys.counts().surprises(), 0);
        }
    }
}

#[tokio::test]
async fn a_state_stays_while_the_kms_does_not_answer_and_over_a_change_of_the_key() {
    let setup = setup();
    setup.has_in_kms("p", 1);
    setup.coordinator.tell(private("p"));
    is_in(&setup, "p", Lifecycle::Compromised);
    setup.refresher.cycle().await;
    *setup.kms.is_down.lock().unwrap() = true;
    setup.refresher.cycle().await;
    assert_eq!(seals(&setup, "p"), in_state(1, KeyState::Compromised));
    *setup.kms.is_down.lock().unwrap() = false;
    setup.has_in_kms("p", 2);
    is_in(&setup, "p", Lifecycle::Active);
    setup.refresher.cycle().await;
    assert_eq!(seals(&setup, "p"), Ok(key_id(2)));
    let ring = setup.keys.snapshot();
    assert_eq!(ring.opening(&tenant("p"), key_id(1)).unwrap().1, KeyState::Compromised);
    assert!(ring.check_seals(&tenant("p"), key_id(1), SystemTime::now()).is_err());
}

#[tokio::test]
async fn a_pre_active_key_neither_seals_nor_opens_unless_it_may_open() {
    for pre_active_opens in [false, true] {
        let setup = setup_with(|settings| settings.rules = rules(KeyUse { pre_active_opens, seal_age_max: None }));
        setup.has_in_kms("p", 1);
        setup.coordinator.tell(private("p"));
        is_in(&setup, "p", Lifecycle::PreActive);
        setup.refresher.cycle().await;
        assert_eq!(seals(&setup, "p"), in_state(1, KeyState::PreActive));
        assert_eq!(opens(&setup, "p", 1), pre_active_opens);
    }
}

#[tokio::test]
async fn a_pre_active_key_that_a_request_asks_for_works_as_soon_as_it_is_activated() {
    let setup = setup();
    setup.refresher.cycle().await;
    setup.has_in_kms("p", 1);
    is_in(&setup, "p", Lifecycle::PreActive);
    setup.coordinator.tell(private("p"));
    let error = setup.keys.serving(&tenant("p")).await.unwrap_err();
    assert_eq!(error.state(), Some(KeyState::PreActive));
    assert!(!setup.keys.snapshot().has_own(&tenant("p")));
}

#[tokio::test]
async fn a_private_tenant_whose_key_is_revoked_is_not_served_by_the_default_key() {
    let setup = setup_with(|settings| settings.default_key = Some(tenant("d")));
    setup.coordinator.tell(public("d", 9));
    setup.refresher.cycle().await;
    // told of by nobody yet, so that a request has to ask
    setup.coordinator.tell(private("p"));
    let error = setup.keys.serving(&tenant("p")).await.unwrap_err();
    assert_eq!(error.to_string(), "key not found for private tenantID p");
    assert!(setup.keys.serving(&tenant("nobody")).await.is_ok());
}

#[tokio::test]
async fn the_coordinators_states_of_versions_count() {
    let setup = setup();
    let mut told = public("a", 1);
    told["keys"] = json!([
        {"version": 3, "seed": base64(3), "primary": true, "state": "compromised"},
        {"version": 2, "seed": base64(2), "state": "pre-active"},
        {"version": 1, "seed": base64(1)},
    ]);
    setup.coordinator.tell(told.clone());
    setup.refresher.cycle().await;
    // no other version takes the place of the primary one
    assert_eq!(seals(&setup, "a"), in_state(3, KeyState::Compromised));
    assert_eq!([1, 2, 3].map(|number| opens(&setup, "a", number)), [true, false, true]);
    told["keys"][0]["state"] = "a word of tomorrow".into();
    setup.coordinator.tell(told);
    setup.refresher.cycle().await;
    assert_eq!(seals(&setup, "a"), in_state(3, KeyState::Unknown));
}

#[tokio::test]
async fn a_gateway_that_is_cut_off_for_too_long_stops_sealing_and_goes_on_opening() {
    let usage = KeyUse { pre_active_opens: false, seal_age_max: Some(7200) };
    let setup = setup_with(|settings| (settings.rules, settings.default_key) = (rules(usage), Some(tenant("a"))));
    setup.has_in_kms("p", 2);
    setup.coordinator.tell(public("a", 1));
    setup.coordinator.tell(private("p"));
    setup.refresher.cycle().await;
    let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1000 + seconds);
    let seals = |ring: &KeyRing, id: &str, seconds| ring.sealing(&tenant(id), at(seconds)).is_ok();
    let ring = setup.keys.snapshot();
    for id in ["a", "p", "served by the default key"] {
        let id = &id.replace(' ', "-");
        assert!(seals(&ring, id, 7200) && !seals(&ring, id, 7201), "{id}");
    }
    assert!(opens(&setup, "a", 1) && opens(&setup, "p", 2));
    assert!(ring.check_seals(&tenant("a"), key_id(1), at(7201)).is_err());
    // an hour later only the KMS can be asked
    setup.coordinator.script().is_down = true;
    setup.clock.ring(Duration::from_hours(1));
    setup.refresher.cycle().await;
    let ring = setup.keys.snapshot();
    assert_eq!((seals(&ring, "a", 7201), seals(&ring, "p", 7201)), (false, true));
}
