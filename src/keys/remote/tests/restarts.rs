use super::*;
use crate::keys::snapshot::SnapshotSettings;

/// A gateway whose keys are kept in this folder, over this Coordinator.
fn started(folder: &tempfile::TempDir, coordinator: ScriptedCoordinator, kms: ScriptedKms) -> Setup {
    let mut settings = settings(&coordinator);
    settings.snapshot = Some(SnapshotSettings {
        file: folder.path().join("keys"),
        key: seed(200),
        age_max: Duration::from_hours(1),
        cluster: "one".into(),
    });
    setup_over(coordinator, kms, settings)
}

/// One public and one private tenant, told and kept.
async fn first_run(folder: &tempfile::TempDir) -> Setup {
    let setup = started(folder, ScriptedCoordinator::start(), ScriptedKms::default());
    setup.has_in_kms("p", 2);
    setup.coordinator.tell(public("a", 1));
    setup.coordinator.tell(public("b", 3));
    setup.coordinator.tell(private("p"));
    assert!(setup.refresher.cycle().await.is_complete);
    setup
}

#[tokio::test]
async fn a_restart_while_nobody_can_be_asked_serves_with_what_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let Setup { coordinator, kms, .. } = first_run(&folder).await;
    coordinator.script().is_down = true;
    *kms.is_down.lock().unwrap() = true;
    let setup = started(&folder, coordinator, kms);
    assert_eq!((setup.sealing("a"), setup.sealing("p")), (Some(key_id(1)), Some(key_id(2))));
    assert!(setup.may_sign("a") && setup.may_sign("p"));
    assert_eq!(setup.status("a").source, SourceKind::Snapshot);
    let report = setup.refresher.cycle().await;
    assert_eq!((report.is_complete, report.last_good), (false, 1));
    assert_eq!((setup.sealing("a"), setup.sealing("p")), (Some(key_id(1)), Some(key_id(2))));
    let error = setup.keys.serving(&tenant("x")).await.unwrap_err();
    assert!(!error.is_definite(), "{error}");
}

#[tokio::test]
async fn when_the_coordinator_is_back_its_list_counts_and_what_it_does_not_name_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let Setup { coordinator, kms, .. } = first_run(&folder).await;
    coordinator.script().tenants.remove("b");
    *kms.is_down.lock().unwrap() = true;
    let setup = started(&folder, coordinator, kms);
    assert!(setup.sealing("b").is_some());
    assert!(setup.refresher.cycle().await.is_complete);
    assert!(setup.sealing("b").is_none() && !setup.may_sign("b"));
    // the private one is named, though the KMS does not answer
    assert_eq!(setup.sealing("p"), Some(key_id(2)));
    assert_eq!(setup.status("a").source, SourceKind::Coordinator);
}

#[tokio::test]
async fn a_coordinator_that_went_back_over_a_restart_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let Setup { coordinator, kms, .. } = first_run(&folder).await;
    coordinator.go_back(1);
    let setup = started(&folder, coordinator, kms);
    let log = Log::capture();
    assert!(!setup.refresher.cycle().await.is_complete);
    assert_eq!(log.count("the coordinator went back: revision 1 of an epoch that was at 3"), 1);
    assert_eq!(setup.sealing("b"), Some(key_id(3)));
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_used_or_written_is_told_and_serving_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let Setup { coordinator, kms, .. } = first_run(&folder).await;
    let file = folder.path().join("keys");
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let log = Log::capture();
    let setup = started(&folder, coordinator, kms);
    assert_eq!(log.count("the key snapshot is not used"), 1);
    assert!(setup.keys.snapshot().is_empty() && !setup.may_sign("a"));
    std::fs::remove_dir_all(folder.path()).unwrap();
    assert!(setup.refresher.cycle().await.is_complete);
    assert_eq!(log.count("the key snapshot is not written"), 1, "{:?}", log.lines());
    assert_eq!(setup.sealing("a"), Some(key_id(1)));
}
