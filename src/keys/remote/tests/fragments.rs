use super::*;
use crate::keys::fragment::Fragment;
use crate::keys::ring::KeyState;
use crate::keys::seeds::VersionedSeed;
use crate::keys::snapshot::SnapshotSettings;

fn of(setup: &Setup, fragments: &[&Fragment]) -> RemoteSettings {
    let mut settings = settings(&setup.coordinator);
    for fragment in fragments {
        settings.fragments.join(Fragments::parse("test", &fragment.to_file()).unwrap()).unwrap();
    }
    settings
}

fn with_fragment(id: &str, number: u8, fragment: &Fragment) -> Value {
    let mut tenant = public(id, number);
    tenant["fragment_id"] = fragment.id().into();
    tenant
}

/// How often the list, and single tenants, were asked for.
fn asked(setup: &Setup) -> (usize, usize) {
    let script = setup.coordinator.script();
    let count = |of: &dyn Fn(&str) -> bool| script.asked.iter().filter(|asked| of(asked)).count();
    let list = count(&|asked| asked.starts_with("/v1/tenants?") && !asked.contains("since"));
    (list, count(&|asked| asked.starts_with("/v1/tenants/")))
}

#[tokio::test]
async fn without_its_fragment_a_tenant_has_no_key_and_with_it_another_one() {
    let setup = setup_with(|settings| settings.default_key = Some(tenant("d")));
    let fragment = Fragment::generate("n", "d").unwrap();
    let mut with_fragment = public("a", 1);
    with_fragment["fragment_id"] = fragment.id().into();
    setup.coordinator.tell(with_fragment);
    setup.coordinator.tell(public("d", 9));
    setup.refresher.cycle().await;
    assert_eq!(setup.sealing("a"), None);
    let text = setup.keys.serving(&tenant("a")).await.unwrap_err().to_string();
    assert_eq!(text, format!("customer fragment `{}` is not on this gateway", fragment.id()));
    let fragments = Fragments::parse("test", &fragment.to_file()).unwrap();
    let mut now = settings(&setup.coordinator);
    (now.default_key, now.fragments) = (Some(tenant("d")), fragments);
    setup.source.replace(now).unwrap();
    setup.refresher.cycle().await;
    assert!(setup.sealing("a").is_some_and(|id| id != key_id(1)));
    assert_eq!(setup.status("a").fragment.as_deref(), Some(fragment.id()));
}

#[tokio::test]
async fn a_fragment_that_comes_while_serving_counts_without_the_whole_list() {
    let setup = setup();
    let (ours, other) = (Fragment::generate("n", "d").unwrap(), Fragment::generate("n", "d").unwrap());
    setup.coordinator.tell(with_fragment("a", 1, &ours));
    setup.coordinator.tell(with_fragment("b", 2, &other));
    setup.coordinator.tell(public("c", 3));
    let mut joined = private("p");
    joined["fragment_id"] = ours.id().into();
    setup.coordinator.tell(joined);
    setup.has_in_kms("p", 4);
    assert_eq!(setup.refresher.cycle().await.without, 3);
    setup.source.replace(of(&setup, &[&ours])).unwrap();
    setup.refresher.cycle().await;
    for (id, has_key) in [("a", true), ("b", false), ("c", true), ("p", true)] {
        assert_eq!(setup.sealing(id).is_some(), has_key, "{id}");
    }
    assert_eq!(setup.status("p").fragment.as_deref(), Some(ours.id()));
    assert_eq!(asked(&setup), (1, 1));
    // once is enough
    setup.refresher.cycle().await;
    assert_eq!(asked(&setup), (1, 1));
}

#[tokio::test]
async fn a_tenant_that_came_as_a_change_is_asked_for_too_and_again_after_a_failure() {
    let setup = setup();
    let fragment = Fragment::generate("n", "d").unwrap();
    setup.refresher.cycle().await;
    setup.coordinator.tell(with_fragment("a", 1, &fragment));
    setup.refresher.cycle().await;
    setup.source.replace(of(&setup, &[&fragment])).unwrap();
    setup.coordinator.script().is_down = true;
    setup.refresher.cycle().await;
    assert_eq!(setup.sealing("a"), None);
    setup.coordinator.script().is_down = false;
    setup.refresher.cycle().await;
    assert!(setup.sealing("a").is_some());
    assert_eq!(asked(&setup).0, 1);
}

fn bound(id: &str, fragment: &Fragment) -> Value {
    let mut tenant = private(id);
    tenant["fragment_id"] = fragment.id().into();
    tenant
}

/// The Secret's seed of this number for the tenant, as text or as versions.
fn in_the_secret(settings: &mut RemoteSettings, id: &str, number: u8, named: Option<&Fragment>) {
    let seed = VersionedSeed { version: 1, seed: seed(number), primary: true, state: KeyState::Active };
    let set = KeySet::new(named.map(|fragment| fragment.id().to_owned()), vec![seed]).unwrap();
    settings.tenants.insert(tenant(id), set);
}

fn joined(id: &str, number: u8, fragment: &Fragment) -> KeyId {
    TenantKey::from_seed(&seed(number).with_fragment(fragment.expose(), fragment.id(), id)).key_id()
}

fn generated() -> Fragment {
    Fragment::generate("n", "d").unwrap()
}

#[tokio::test]
async fn a_fragment_of_the_coordinator_is_joined_to_a_seed_of_the_secret_in_cycles_and_for_requests() {
    for named in [false, true] {
        let fragment = generated();
        let setup = setup();
        let mut settings = of(&setup, &[&fragment]);
        in_the_secret(&mut settings, "p", 1, named.then_some(&fragment));
        setup.source.replace(settings).unwrap();
        setup.refresher.cycle().await;
        setup.coordinator.tell(bound("p", &fragment));
        let ring = setup.keys.serving(&tenant("p")).await.unwrap();
        assert_eq!(ring.tenant(&tenant("p")).unwrap().primary().key_id(), joined("p", 1, &fragment));
        setup.refresher.cycle().await;
        assert_eq!(setup.sealing("p"), Some(joined("p", 1, &fragment)));
        assert_eq!(setup.status("p").fragment.as_deref(), Some(fragment.id()));
        assert_eq!(setup.keys.counts().surprises(), 0);
    }
}

#[tokio::test]
async fn a_gateway_without_the_fragment_has_no_key_though_the_secret_has_the_seed() {
    let fragment = generated();
    let setup = setup_with(|settings| {
        settings.default_key = Some(tenant("d"));
        in_the_secret(settings, "p", 1, None);
    });
    setup.coordinator.tell(public("d", 9));
    setup.coordinator.tell(bound("p", &fragment));
    setup.refresher.cycle().await;
    assert_eq!(setup.sealing("p"), None);
    let text = setup.keys.serving(&tenant("p")).await.unwrap_err().to_string();
    assert_eq!(text, format!("customer fragment `{}` is not on this gateway", fragment.id()));
}

#[tokio::test]
async fn a_secret_that_names_another_fragment_than_the_coordinator_is_refused() {
    let (ours, other) = (generated(), generated());
    let setup = setup();
    let mut settings = of(&setup, &[&ours, &other]);
    in_the_secret(&mut settings, "p", 1, Some(&other));
    setup.source.replace(settings).unwrap();
    setup.coordinator.tell(bound("p", &ours));
    let log = Log::capture();
    setup.refresher.cycle().await;
    assert_eq!(setup.sealing("p"), None);
    let text = setup.keys.serving(&tenant("p")).await.unwrap_err().to_string();
    assert!(text.contains("they must be the same") && text.contains(ours.id()), "{text}");
    assert!(log.count("failed to get key for tenant p") >= 1);
}

#[tokio::test]
async fn a_fragment_that_the_secret_alone_names_counts() {
    let fragment = generated();
    let setup = setup();
    let mut settings = of(&setup, &[&fragment]);
    in_the_secret(&mut settings, "p", 1, Some(&fragment));
    setup.source.replace(settings).unwrap();
    setup.coordinator.tell(private("p"));
    setup.refresher.cycle().await;
    assert_eq!(setup.sealing("p"), Some(joined("p", 1, &fragment)));
}

#[tokio::test]
async fn keys_without_a_fragment_that_is_bound_later_are_not_used_any_more() {
    let fragment = generated();
    let setup = setup_with(|settings| in_the_secret(settings, "s", 1, None));
    setup.has_in_kms("k", 2);
    for id in ["s", "k"] {
        setup.coordinator.tell(private(id));
    }
    setup.coordinator.tell(public("a", 3));
    setup.refresher.cycle().await;
    assert_eq!(["s", "k", "a"].map(|id| setup.sealing(id).is_some()), [true; 3]);
    // the KMS cannot be asked just now
    *setup.kms.is_down.lock().unwrap() = true;
    for id in ["s", "k"] {
        setup.coordinator.tell(bound(id, &fragment));
    }
    setup.coordinator.tell(with_fragment("a", 3, &fragment));
    setup.refresher.cycle().await;
    assert_eq!(["s", "k", "a"].map(|id| setup.sealing(id).is_some()), [false; 3]);
    assert!(setup.keys.serving(&tenant("k")).await.is_err());
    // with the fragment all are there again, and the Coordinator need not be asked for private ones
    *setup.kms.is_down.lock().unwrap() = false;
    let mut settings = of(&setup, &[&fragment]);
    in_the_secret(&mut settings, "s", 1, None);
    setup.source.replace(settings).unwrap();
    setup.refresher.cycle().await;
    for (id, number) in [("s", 1), ("k", 2), ("a", 3)] {
        assert_eq!(setup.sealing(id), Some(joined(id, number, &fragment)), "{id}");
    }
}

#[tokio::test]
async fn keys_that_lack_their_fragment_do_not_come_back_with_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let fragment = generated();
    let kept = |settings: &mut RemoteSettings| {
        settings.snapshot = Some(SnapshotSettings {
            file: folder.path().join("keys"),
            key: seed(200),
            age_max: Duration::from_hours(1),
            cluster: "one".into(),
        });
    };
    let setup = setup_with(kept);
    setup.has_in_kms("p", 1);
    setup.coordinator.tell(private("p"));
    setup.refresher.cycle().await;
    let unbound = setup.keys.snapshot();
    setup.coordinator.tell(bound("p", &fragment));
    setup.refresher.cycle().await;
    // as if the gateway had not noticed
    setup.source.keeping().not_before = None;
    setup.source.keep(&unbound).await;
    let Setup { coordinator, kms, .. } = setup;
    let mut settings = settings(&coordinator);
    kept(&mut settings);
    let setup = setup_over(coordinator, kms, settings);
    assert_eq!(setup.sealing("p"), None);
}
