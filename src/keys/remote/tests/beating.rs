use super::*;

fn teller() -> Teller {
    let config_digest = Box::new(|| "digest".to_owned());
    let cluster_keys: Option<Digest> = Some(Box::new(|| "keys".to_owned()));
    Teller { cluster: "east".into(), pod: "pod-1".into(), version: "1.2.3", config_digest, cluster_keys }
}

/// Waits for a heartbeat of this revision.
async fn heard(setup: &Setup, revision: u64) -> (String, Value) {
    let waiting = async {
        loop {
            if let Some(told) = setup.coordinator.script().statuses.last()
                && told.1["revision"] == revision
            {
                return told.clone();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("a heartbeat")
}

#[tokio::test]
async fn a_gateway_tells_how_far_it_is_what_fails_and_again_when_that_changes() {
    let setup = setup();
    setup.coordinator.tell(public("a", 1));
    setup.coordinator.tell(private("p"));
    setup.refresher.cycle().await;
    let (source, keys) = (Arc::clone(&setup.source), Arc::clone(&setup.keys));
    let telling = tokio::spawn(async move { source.tell_of(&teller(), &keys).await });
    let (who, status) = heard(&setup, 2).await;
    assert_eq!(who, "east/pod-1");
    let failing = json!([{"tenant": "p", "reason": "key not found for private tenantID p"}]);
    let expected = json!({
        "epoch": "first", "revision": 2, "config_digest": "digest", "cluster_keys": "keys", "version": "1.2.3", "failing": failing,
    });
    assert_eq!(status, expected);
    setup.has_in_kms("p", 2);
    setup.coordinator.tell(public("b", 1));
    setup.refresher.cycle().await;
    let (_, status) = heard(&setup, 3).await;
    assert_eq!(
        status,
        json!({"epoch": "first", "revision": 3, "config_digest": "digest", "cluster_keys": "keys", "version": "1.2.3"})
    );
    telling.abort();
}

#[tokio::test]
async fn before_its_first_list_a_gateway_tells_of_no_epoch_and_a_refusal_is_warned_of_once() {
    let setup = setup();
    let log = Log::capture();
    setup.coordinator.script().is_down = true;
    let source = Arc::clone(&setup.source);
    let (teller, keys) = (Teller { cluster_keys: None, ..teller() }, Arc::clone(&setup.keys));
    let telling = async {
        tokio::select! {
            () = source.tell_of(&teller, &keys) => {}
            () = async {
                while setup.coordinator.script().asked.len() < 2 {
                    source.changed_status.notify_one();
                    tokio::task::yield_now().await;
                }
                setup.coordinator.script().is_down = false;
                source.changed_status.notify_one();
                let (_, status) = heard(&setup, 0).await;
                assert_eq!(status, json!({"revision": 0, "config_digest": "digest", "version": "1.2.3"}));
            } => {}
        }
    };
    telling.await;
    assert_eq!(log.count("does not take this gateway's heartbeat"), 1);
}
