use super::*;
use crate::keys::fragment::Fragment;

fn damaged(id: &str) -> Value {
    json!({"id": id, "zero_knowledge": false, "status": "damaged"})
}

#[tokio::test]
async fn a_tenant_whose_record_is_damaged_goes_on_as_it_was_after_changes_and_lists() {
    let fragment = Fragment::generate("n", "d").unwrap();
    let setup = setup_with(|settings| {
        settings.default_key = Some(tenant("d"));
        settings.fragments = Fragments::parse("test", &fragment.to_file()).unwrap();
    });
    let mut bound = private("p");
    bound["fragment_id"] = fragment.id().into();
    setup.has_in_kms("p", 2);
    for told in [public("a", 1), public("b", 3), public("d", 9), bound] {
        setup.coordinator.tell(told);
    }
    setup.refresher.cycle().await;
    let before = ["a", "b", "p"].map(|id| setup.sealing(id));
    assert_eq!(setup.source.damaged(), 0);
    for id in ["a", "p"] {
        setup.coordinator.tell(damaged(id));
    }
    setup.refresher.cycle().await;
    for floor in [0, 100] {
        // the second time the list is read anew
        setup.coordinator.script().floor = floor;
        setup.refresher.cycle().await;
        assert_eq!(["a", "b", "p"].map(|id| setup.sealing(id)), before);
        assert!(["a", "b", "p"].iter().all(|id| setup.may_sign(id)));
        assert_eq!(setup.source.damaged(), 2);
    }
    setup.coordinator.script().floor = 0;
    setup.coordinator.tell(public("a", 1));
    setup.refresher.cycle().await;
    assert_eq!(setup.source.damaged(), 1);
}

#[tokio::test]
async fn a_damaged_tenant_that_was_never_known_is_served_by_nobody() {
    let setup = setup_with(|settings| settings.default_key = Some(tenant("d")));
    setup.coordinator.tell(public("d", 9));
    setup.coordinator.tell(damaged("a"));
    setup.refresher.cycle().await;
    assert!(setup.sealing("a").is_none() && !setup.may_sign("a"));
    assert!(!setup.keys.serving(&tenant("a")).await.unwrap_err().is_definite());
}
