use super::*;

const KEYS: &str = "/v1/tenants/t1/access-keys";

#[tokio::test]
async fn an_access_key_is_made_with_its_secret_told_once() {
    let api = Api::new().await;
    api.create("t1", &public()).await.done();
    let made = api.change(Method::POST, KEYS, &json!({"allowed_cidrs": ["192.0.2.0/24"]})).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let key = made.done();
    assert!(key["secret"].as_str().unwrap().len() >= 40);
    let told = api.get("/v1/tenants/t1").await.done()["access_keys"].clone();
    assert_eq!((&told[0]["id"], told[0].get("secret")), (&key["id"], None));
    let seen = api.by("gateway").get("/v1/tenants/t1").await.done()["access_keys"].clone();
    assert_eq!((&seen[0]["secret"], &seen[0]["allowed_cidrs"]), (&key["secret"], &json!(["192.0.2.0/24"])));
}

#[tokio::test]
async fn an_access_key_id_belongs_to_one_tenant() {
    let api = Api::new().await;
    for id in ["t1", "t2"] {
        api.create(id, &public()).await.done();
    }
    let key = json!({"id": "AKIA1"});
    api.change(Method::POST, KEYS, &key).await.done();
    for tenant in ["t1", "t2"] {
        let path = format!("/v1/tenants/{tenant}/access-keys");
        api.change(Method::POST, &path, &key).await.refused(409, "access_key_taken");
    }
    api.change(Method::DELETE, &format!("{KEYS}/AKIA1"), &json!({})).await.done();
    api.change(Method::POST, "/v1/tenants/t2/access-keys", &key).await.done();
}

#[tokio::test]
async fn deleting_an_access_key_is_a_change_of_its_tenant() {
    let api = Api::new().await;
    api.create("t1", &public()).await.done();
    api.change(Method::POST, KEYS, &json!({"id": "AKIA1"})).await.done();
    api.change(Method::DELETE, &format!("{KEYS}/AKIA2"), &json!({})).await.refused(404, "access_key_not_found");
    let gone = api.change(Method::DELETE, &format!("{KEYS}/AKIA1"), &json!({})).await;
    assert_eq!((gone.status, gone.header("sealgate-revision")), (StatusCode::NO_CONTENT, "3"));
    assert_eq!(api.get("/v1/tenants/t1").await.done()["access_keys"], json!([]));
}

#[tokio::test]
async fn an_access_key_that_makes_no_sense_is_refused() {
    let api = Api::new().await;
    api.create("t1", &public()).await.done();
    for (spec, field) in [
        (json!({"id": "a/b"}), "access_keys.id"),
        (json!({"secret": "short"}), "access_keys.secret"),
        (json!({"expires_at": "tomorrow"}), "access_keys.expires_at"),
        (json!({"allowed_cidrs": ["192.0.2.1/24"]}), "access_keys.allowed_cidrs"),
    ] {
        let detail = api.change(Method::POST, KEYS, &spec).await.refused(400, "invalid_request");
        assert!(detail.contains(field), "{detail}");
    }
}
