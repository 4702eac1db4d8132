use super::*;
use crate::keys::fragment::Fragment;

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
