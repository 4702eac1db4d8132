use super::*;
use crate::coordinator::openapi;

#[tokio::test]
async fn nobody_gets_in_without_a_token_that_is_known() {
    let api = Api::new().await;
    let truncated = format!("Bearer {}", &api.token("admin")[..20]);
    let basic = format!("Basic {}", api.token("admin"));
    for headers in [
        vec![],
        vec![("authorization", "Bearer x")],
        vec![("authorization", truncated.as_str())],
        vec![("authorization", basic.as_str())],
    ] {
        let told = api.send_bare(Method::GET, "/v1/tenants", &headers, String::new()).await;
        told.refused(401, "unauthenticated");
        assert_eq!(told.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn each_scope_allows_its_calls_alone() {
    let api = Api::new().await;
    api.create("t1", &public()).await.done();
    for who in ["reader", "gateway"] {
        api.by(who).create("t2", &public()).await.refused(403, "scope_missing");
        let detail = api.change(Method::DELETE, "/v1/tenants/t1", &json!({})).await.refused(403, "scope_missing");
        assert!(detail.contains("tenants:write"));
    }
    let status = "/v1/gateways/eu/pod/status";
    api.by("admin").send(Method::POST, status, &[], "{}".into()).await.refused(403, "scope_missing");
    api.by("gateway").send(Method::POST, status, &[], "{}".into()).await.done();
}

#[tokio::test]
async fn a_certificate_is_as_good_as_a_token_but_not_better_than_a_wrong_one() {
    let api = Api::new().await;
    let request = |token: Option<&str>| {
        let mut request = http::Request::get("/v1/tenants");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer { identities: ["uri:spiffe://gw".to_owned()].into() });
        request
    };
    api.send_request(request(None)).await.done();
    api.send_request(request(Some("wrong"))).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn every_answer_is_not_to_be_stored_and_every_error_a_problem() {
    let api = Api::new().await;
    let told = [
        api.get("/v1/tenants").await,
        api.get("/v1/tenants/none").await,
        api.get("/nowhere").await,
        api.send(Method::POST, "/v1/tenants", &[], String::new()).await,
        api.send_bare(Method::GET, "/health/live", &[], String::new()).await,
    ];
    assert!(told.iter().all(|told| told.header("cache-control") == "no-store"));
    told[1].refused(404, "tenant_not_found");
    told[2].refused(404, "no_such_call");
    told[3].refused(405, "method_not_allowed");
}

#[tokio::test]
async fn a_body_with_a_mistake_is_refused_without_being_quoted() {
    let api = Api::new().await;
    for body in [
        r#"{"key_seed": ["hush-hush"]}"#,
        r#"{"keys": "hush-hush"}"#,
        r#"{"zero_knowledge": "hush-hush"}"#,
        r#"{"key_seed": "hush-hush"}"#,
        r#"{"keys": [{"version": 1, "seed": "hush-hush"}]}"#,
        r#"{"zero_knowledge": false} hush-hush"#,
    ] {
        let told = api.send(Method::PUT, "/v1/tenants/t1", &[("if-none-match", "*")], body.into()).await;
        let detail = told.refused(400, "invalid_request");
        assert!(!detail.contains("hush"), "{detail}");
    }
    let detail = api.create("t1", &json!({"key_seeds": 1})).await.refused(400, "invalid_request");
    assert!(detail.contains("unknown field `key_seeds`"), "{detail}");
}

#[tokio::test]
async fn tenants_that_make_no_sense_are_refused() {
    let api = Api::new().await;
    let key = |version: u32, primary: bool| json!({"version": version, "seed": seed(1), "primary": primary});
    for spec in [
        json!({"id": "t2", "key_seed": seed(1)}),
        json!({"key_seed": STANDARD.encode([1; 31])}),
        json!({"keys": [key(1, true), key(1, false)]}),
        json!({"keys": [key(1, false), key(2, false)]}),
        json!({"keys": [key(1, true), key(2, true)]}),
        json!({"keys": [key(0, true)]}),
        json!({"keys": [key(1, true)], "key_seed": seed(1)}),
        json!({"status": "deleted"}),
        json!({"status": "frozen"}),
        json!({"fragment_id": ""}),
        json!({"bucket_prefix": "Not A Prefix"}),
    ] {
        api.create("t1", &spec).await.refused(400, "invalid_request");
    }
    api.create("no%20id", &public()).await.refused(400, "invalid_request");
    assert_eq!(api.get("/v1/tenants").await.done()["revision"], 0, "nothing was changed");
}

#[tokio::test]
async fn a_body_has_a_limit() {
    let api = Api::new().await;
    let long = json!({"fragment_id": "f".repeat(BODY_BYTES_MAX)});
    api.create("t1", &long).await.refused(413, "body_too_large");
}

#[tokio::test]
async fn every_call_of_the_document_is_served() {
    let api = Api::new().await;
    let document: Value = serde_json::from_str(openapi::PUBLISHED).unwrap();
    assert_eq!(api.get("/v1/openapi.json").await.done(), document);
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 9);
    for (path, methods) in paths {
        for (method, call) in methods.as_object().unwrap() {
            let path = path.replace("{id}", "t1").replace("{key}", "k").replace("{cluster}", "c").replace("{pod}", "p");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let told = api.send_bare(method.clone(), &path, &[], String::new()).await;
            // served: who is unknown is turned away where a scope is needed, and nowhere else
            let expected = if call.get("x-scope").is_some() { 401 } else { 200 };
            assert_eq!(told.status.as_u16(), expected, "{method} {path}: {}", told.text);
        }
    }
}

#[test]
fn only_health_and_the_description_are_for_everybody() {
    let open: Vec<_> = routes().into_iter().filter(|route| route.scope.is_none()).map(|route| route.path).collect();
    assert_eq!(open, ["/v1/openapi.json", "/health/live", "/health/ready"]);
}
