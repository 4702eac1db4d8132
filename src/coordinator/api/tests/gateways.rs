use super::*;

async fn report(api: &Api, path: &str, status: Value) -> Told {
    api.by("gateway").send(Method::POST, &format!("/v1/gateways/{path}/status"), &[], status.to_string()).await
}

#[tokio::test]
async fn gateways_are_shown_with_how_far_they_got() {
    let api = Api::new().await;
    for id in ["t1", "t2"] {
        api.create(id, &public()).await.done();
    }
    let failing = json!([{"tenant": "t2", "reason": "key not found"}]);
    let behind = json!({"epoch": api.epoch(), "revision": 1, "config_digest": "d1", "failing": failing});
    assert_eq!(report(&api, "eu/pod-0", behind).await.status, StatusCode::NO_CONTENT);
    report(&api, "eu/pod-1", json!({"epoch": api.epoch(), "revision": 2, "config_digest": "d2"})).await.done();
    report(&api, "us/pod-0", json!({"epoch": "other", "revision": 9, "config_digest": "d1"})).await.done();
    let told = api.by("reader").get("/v1/gateways").await.done();
    assert_eq!((&told["revision"], &told["drifting_clusters"]), (&json!(2), &json!(["eu"])));
    let seen: Vec<_> =
        told["items"].as_array().unwrap().iter().map(|item| (item["pod"].clone(), item["behind"].clone())).collect();
    assert_eq!(seen, [(json!("pod-0"), json!(1)), (json!("pod-1"), json!(0)), (json!("pod-0"), json!(null))]);
    assert_eq!(told["items"][0]["status"]["failing"], failing);
}

#[tokio::test]
async fn a_gateway_with_other_keys_of_the_cluster_is_seen() {
    let api = Api::new().await;
    for (path, keys) in [("eu/pod-0", "k1"), ("eu/pod-1", "k2"), ("us/pod-0", "k1"), ("us/pod-1", "k1")] {
        report(&api, path, json!({"config_digest": "d", "cluster_keys": keys})).await.done();
    }
    // one that tells nothing of them, as older ones do, is none that differs
    report(&api, "us/pod-2", json!({"config_digest": "d"})).await.done();
    let told = api.get("/v1/gateways").await.done();
    assert_eq!(told["drifting_clusters"], json!(["eu"]));
    assert_eq!(told["items"][1]["status"]["cluster_keys"], "k2");
}

#[tokio::test]
async fn a_new_heartbeat_replaces_the_old_one() {
    let api = Api::new().await;
    for digest in ["d1", "d2"] {
        report(&api, "eu/pod-0", json!({"config_digest": digest})).await.done();
    }
    let told = api.get("/v1/gateways").await.done();
    assert_eq!((told["items"].as_array().unwrap().len(), &told["drifting_clusters"]), (1, &json!([])));
}

#[tokio::test]
async fn a_heartbeat_is_no_change_of_a_tenant() {
    let api = Api::new().await;
    let told = report(&api, "eu/pod-0", json!({})).await;
    assert_eq!(told.header("sealgate-revision"), "0");
}

#[tokio::test]
async fn a_heartbeat_has_limits() {
    let api = Api::new().await;
    let many = vec![json!({"tenant": "t", "reason": "r"}); 101];
    let long = "v".repeat(513);
    for status in [json!({"failing": many}), json!({"version": long}), json!({"cluster_keys": long})] {
        report(&api, "eu/pod-0", status).await.refused(400, "invalid_request");
    }
    report(&api, "eu/pod%20one", json!({})).await.refused(400, "invalid_request");
}
