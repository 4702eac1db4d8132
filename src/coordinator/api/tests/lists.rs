use super::*;

#[tokio::test]
async fn a_list_has_one_revision_though_tenants_change_meanwhile() {
    let api = Api::new().await;
    for id in ["a", "b", "c", "d", "e"] {
        api.create(id, &public()).await.done();
    }
    let first = api.get("/v1/tenants?limit=2").await.done();
    api.change(Method::DELETE, "/v1/tenants/a", &json!({})).await.done();
    api.create("f", &public()).await.done();
    let (mut page, mut seen) = (first, Vec::new());
    loop {
        assert_eq!(page["revision"], 5);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        page = api.get(&format!("/v1/tenants?limit=2&cursor={cursor}")).await.done();
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e", "f"]);
    let since = api.get(&format!("/v1/tenants?since=5&epoch={}", api.epoch())).await.done();
    let changed: Vec<_> = since["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(changed, ["a", "f"]);
}

#[tokio::test]
async fn lines_say_the_same_as_a_page() {
    let api = Api::new().await;
    for id in ["a", "b", "c"] {
        api.create(id, &public()).await.done();
    }
    let path = "/v1/tenants?limit=2";
    let page = api.by("gateway").get(path).await.done();
    let lines = api.send(Method::GET, path, &[("accept", "application/x-ndjson")], String::new()).await;
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    let lines: Vec<Value> = lines.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[1..], *page["items"].as_array().unwrap());
    let head =
        json!({"epoch": page["epoch"], "revision": 3, "count": 2, "next_cursor": page["next_cursor"], "more": false});
    assert_eq!(lines[0], head);
}

#[tokio::test]
async fn a_cursor_that_was_not_given_out_is_refused() {
    let api = Api::new().await;
    for cursor in ["", "x", "%20", "MS4yLjM"] {
        let told = api.get(&format!("/v1/tenants?cursor={cursor}")).await;
        assert!([400, 410].contains(&told.status.as_u16()), "{cursor}: {}", told.text);
    }
}

#[tokio::test]
async fn parameters_that_make_no_sense_are_refused() {
    let api = Api::new().await;
    for query in [
        "limit=0",
        "limit=10001",
        "limit=x",
        "since=1",
        "epoch=e",
        "wait=1s",
        "since=1&epoch=e&cursor=x",
        "since=-1&epoch=e",
        "since=1&epoch=e&wait=1",
        "page=2",
        "limit=1&limit=2",
    ] {
        api.get(&format!("/v1/tenants?{query}")).await.refused(400, "invalid_request");
    }
}
