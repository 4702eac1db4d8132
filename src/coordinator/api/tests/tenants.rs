use super::*;

#[tokio::test]
async fn the_minimal_tenant_is_made_and_read_by_who_may_see_keys() {
    let api = Api::new().await;
    let made = api.create("t1", &json!({"id": "t1", "zero_knowledge": false, "key_seed": seed(1)})).await;
    assert_eq!((made.status, made.header("sealgate-revision")), (StatusCode::CREATED, "1"));
    let read = api.by("gateway").get("/v1/tenants/t1").await.done();
    assert_eq!(
        read["keys"],
        json!([{"version": 1, "seed": seed(1), "primary": true, "created_at": read["keys"][0]["created_at"]}])
    );
    assert_eq!((&read["revision"], &read["status"]), (&json!(1), &json!("active")));
}

#[tokio::test]
async fn without_the_scope_for_keys_no_secret_is_told() {
    let api = Api::new().await;
    let spec = json!({"key_seed": seed(1), "access_keys": [{"id": "AKIA1", "secret": "a-secret-of-the-test"}]});
    let texts = [
        api.create("t1", &spec).await.text,
        api.get("/v1/tenants/t1").await.text,
        api.by("reader").get("/v1/tenants").await.text,
        api.get(&format!("/v1/tenants?since=0&epoch={}", api.epoch())).await.text,
    ];
    for text in texts {
        assert!(text.contains("AKIA1") && !text.contains(&seed(1)) && !text.contains("a-secret-of-the-test"), "{text}");
    }
    let seen = api.by("gateway").get("/v1/tenants").await.text;
    assert!(seen.contains(&seed(1)) && seen.contains("a-secret-of-the-test"));
}

#[tokio::test]
async fn a_generated_seed_is_told_once() {
    let api = Api::new().await;
    let made = api.create("t1", &json!({})).await.done();
    let seed = made["keys"][0]["seed"].as_str().unwrap().to_owned();
    assert!(api.get("/v1/tenants/t1").await.done()["keys"][0].get("seed").is_none());
    assert_eq!(api.by("gateway").get("/v1/tenants/t1").await.done()["keys"][0]["seed"], seed);
}

#[tokio::test]
async fn rotation_adds_a_primary_version_and_keeps_the_old_one() {
    let api = Api::new().await;
    api.create("t1", &public()).await.done();
    let rotated = api.change(Method::POST, "/v1/tenants/t1/keys:rotate", &json!({"seed": seed(2)})).await.done();
    assert!(rotated["keys"][0].get("seed").is_none(), "a seed that the caller brought is not told again");
    let keys = api.by("gateway").get("/v1/tenants/t1").await.done()["keys"].clone();
    let told: Vec<_> = keys
        .as_array()
        .unwrap()
        .iter()
        .map(|k| (k["version"].clone(), k["seed"].clone(), k["primary"].clone()))
        .collect();
    assert_eq!(told, [(json!(2), json!(seed(2)), json!(true)), (json!(1), json!(seed(1)), json!(false))]);
}

#[tokio::test]
async fn a_private_tenant_has_no_seed_here() {
    let api = Api::new().await;
    api.create("t1", &json!({"zero_knowledge": true, "key_seed": seed(1)})).await.refused(409, "private_tenant");
    let made = api.create("t1", &json!({"zero_knowledge": true})).await.done();
    assert_eq!(made["keys"], json!([]));
    api.change(Method::POST, "/v1/tenants/t1/keys:rotate", &json!({})).await.refused(409, "private_tenant");
}

#[tokio::test]
async fn a_change_needs_to_say_what_it_changes() {
    let api = Api::new().await;
    for (method, path) in [
        (Method::PUT, "/v1/tenants/t1"),
        (Method::PATCH, "/v1/tenants/t1"),
        (Method::DELETE, "/v1/tenants/t1"),
        (Method::POST, "/v1/tenants/t1/keys:rotate"),
        (Method::POST, "/v1/tenants/t1/access-keys"),
        (Method::DELETE, "/v1/tenants/t1/access-keys/a"),
    ] {
        api.send(method, path, &[], "{}".into()).await.refused(428, "precondition_required");
    }
}

#[tokio::test]
async fn of_two_changes_on_one_state_the_second_is_refused() {
    let api = Api::new().await;
    let tag = api.create("t1", &public()).await.header("etag").to_owned();
    let suspend = json!({"status": "suspended"}).to_string();
    let path = "/v1/tenants/t1";
    let first = api.send(Method::PATCH, path, &[("if-match", &tag)], suspend.clone()).await;
    assert_eq!(first.done()["status"], "suspended");
    assert_ne!(first.header("etag"), tag);
    api.send(Method::PATCH, path, &[("if-match", &tag)], suspend.clone()).await.refused(412, "precondition_failed");
    api.send(Method::DELETE, path, &[("if-match", &tag)], suspend.clone()).await.refused(412, "precondition_failed");
    let of_another_epoch = "\"0123456789abcdef0123456789abcdef.2\"";
    let other = api.send(Method::DELETE, path, &[("if-match", of_another_epoch)], String::new()).await;
    other.refused(412, "precondition_failed");
    api.create("t1", &public()).await.refused(412, "precondition_failed");
}

#[tokio::test]
async fn who_knows_a_tenant_already_is_told_so() {
    let api = Api::new().await;
    let tag = api.create("t1", &public()).await.header("etag").to_owned();
    let again = api.send(Method::GET, "/v1/tenants/t1", &[("if-none-match", &tag)], String::new()).await;
    assert_eq!((again.status, again.text.as_str(), again.header("etag")), (StatusCode::NOT_MODIFIED, "", tag.as_str()));
    api.change(Method::PATCH, "/v1/tenants/t1", &json!({"status": "suspended"})).await.done();
    let changed = api.send(Method::GET, "/v1/tenants/t1", &[("if-none-match", &tag)], String::new()).await;
    assert_eq!(changed.done()["status"], "suspended");
}

#[tokio::test]
async fn what_sealed_objects_depend_on_cannot_be_changed() {
    let api = Api::new().await;
    let made = api.create("t1", &public()).await.done();
    for spec in [
        json!({"zero_knowledge": true}),
        json!({"zero_knowledge": false, "fragment_id": "cf-1"}),
        json!({"zero_knowledge": false, "bucket_prefix": "other-"}),
    ] {
        api.change(Method::PUT, "/v1/tenants/t1", &spec).await.refused(409, "unchangeable");
    }
    api.change(Method::PUT, "/v1/tenants/t1", &public()).await.refused(409, "keys_stay");
    let same = json!({"zero_knowledge": false, "bucket_prefix": made["bucket_prefix"], "status": "suspended"});
    assert_eq!(api.change(Method::PUT, "/v1/tenants/t1", &same).await.done()["status"], "suspended");
}

#[tokio::test]
async fn buckets_of_two_tenants_cannot_meet() {
    let api = Api::new().await;
    let with = |prefix: &str| json!({"key_seed": seed(1), "bucket_prefix": prefix});
    api.create("t1", &with("acme-")).await.done();
    for prefix in ["acme-", "acme-eu-", "acme", "a", ""] {
        let detail = api.create("t2", &with(prefix)).await.refused(409, "bucket_prefix_taken");
        assert!(detail.contains("t1"), "{detail}");
    }
    api.create("t2", &with("acmf-")).await.done();
    api.create("t3", &json!({"key_seed": seed(1)})).await.done();
    api.change(Method::DELETE, "/v1/tenants/t1", &json!({})).await.done();
    api.create("t4", &with("acme-eu-")).await.done();
}

#[tokio::test]
async fn a_deleted_tenant_is_gone_with_its_seeds() {
    let api = Api::new().await;
    api.create("t1", &public()).await.done();
    let gone = api.change(Method::DELETE, "/v1/tenants/t1", &json!({})).await;
    assert_eq!((gone.status, gone.header("sealgate-revision")), (StatusCode::NO_CONTENT, "2"));
    let read = api.by("gateway").get("/v1/tenants/t1").await;
    read.refused(404, "tenant_not_found");
    assert_eq!(read.header("sealgate-revision"), "2");
    api.by("admin").change(Method::DELETE, "/v1/tenants/t1", &json!({})).await.refused(404, "tenant_not_found");
}
