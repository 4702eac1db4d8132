use super::*;

/// The ids and statuses of a page of changes.
fn ids(page: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    page["items"].as_array().unwrap().iter().map(|item| (text(&item["id"]), text(&item["status"]))).collect()
}

fn since(api: &Api, revision: u64, more: &str) -> String {
    format!("/v1/tenants?since={revision}&epoch={}{more}", api.epoch())
}

#[tokio::test]
async fn changes_come_in_order_with_deletions() {
    let api = Api::new().await;
    for id in ["b", "a", "c"] {
        api.create(id, &public()).await.done();
    }
    api.change(Method::DELETE, "/v1/tenants/a", &json!({})).await.done();
    api.change(Method::PATCH, "/v1/tenants/b", &json!({"status": "suspended"})).await.done();
    let page = api.get(&since(&api, 1, "")).await.done();
    let expected = [("c", "active"), ("a", "deleted"), ("b", "suspended")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!((ids(&page), &page["revision"], &page["more"]), (expected.to_vec(), &json!(5), &json!(false)));
}

#[tokio::test]
async fn many_changes_come_in_parts() {
    let api = Api::new().await;
    for at in 0..5 {
        api.create(&format!("t{at}"), &public()).await.done();
    }
    let (mut revision, mut seen) = (0, Vec::new());
    loop {
        let page = api.get(&since(&api, revision, "&limit=2")).await.done();
        seen.extend(ids(&page));
        revision = page["revision"].as_u64().unwrap();
        if page["more"] == false {
            break;
        }
    }
    assert_eq!((seen.len(), revision), (5, 5));
}

#[tokio::test]
async fn who_is_up_to_date_is_told_so_when_the_time_is_over() {
    let api = Api::new().await;
    api.create("t1", &public()).await.done();
    for wait in ["", "&wait=20ms"] {
        let told = api.get(&since(&api, 1, wait)).await;
        assert_eq!(
            (told.status, told.text.as_str(), told.header("sealgate-revision")),
            (StatusCode::NOT_MODIFIED, "", "1")
        );
    }
}

#[tokio::test]
async fn a_waiting_poll_is_woken_by_a_change() {
    let api = Api::new().await;
    api.create("t1", &public()).await.done();
    let path = since(&api, 1, "&wait=5m");
    let (told, made) = tokio::join!(api.get(&path), async {
        // the poll is waiting by then: it was asked first
        tokio::task::yield_now().await;
        api.create("t2", &public()).await.done()
    });
    assert_eq!((ids(&told.done()), &made["revision"]), (vec![("t2".into(), "active".into())], &json!(2)));
}

#[tokio::test]
async fn a_waiting_poll_ends_with_the_program() {
    let api = Api::new().await;
    let path = since(&api, 0, "&wait=5m");
    let (told, ()) = tokio::join!(api.get(&path), async {
        tokio::task::yield_now().await;
        api.stop.send_replace(true);
    });
    assert_eq!(told.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn of_another_epoch_or_the_future_nothing_is_known() {
    let api = Api::new().await;
    api.create("t1", &public()).await.done();
    api.get("/v1/tenants?since=1&epoch=other").await.refused(410, "revision_gone");
    api.get(&since(&api, 2, "&wait=5m")).await.refused(410, "revision_gone");
}

#[tokio::test]
async fn below_the_floor_a_gateway_must_list_again() {
    let api = Api::keeping(4).await;
    for at in 0..6 {
        api.create(&format!("t{at}"), &public()).await.done();
        api.change(Method::DELETE, &format!("/v1/tenants/t{at}"), &json!({})).await.done();
    }
    api.get(&since(&api, 1, "")).await.refused(410, "revision_gone");
    let list = api.get("/v1/tenants").await.done();
    assert_eq!((&list["revision"], &list["items"]), (&json!(12), &json!([])));
    assert_eq!(api.get(&since(&api, 12, "")).await.status, StatusCode::NOT_MODIFIED);
    let kept = api.get(&since(&api, 10, "")).await.done();
    assert_eq!(ids(&kept), [("t5".to_owned(), "deleted".to_owned())]);
}

#[tokio::test]
async fn a_poll_that_finds_nothing_asks_the_database_nothing() {
    let api = Api::new().await;
    for count in [10, 200] {
        for at in 0..count {
            api.create(&format!("of-{count}-{at}"), &json!({"zero_knowledge": true})).await.done();
        }
        let revision = api.app.tenants.store().watch().borrow().revision;
        let before = api.statements();
        for wait in ["", "&wait=1ms"] {
            assert_eq!(api.get(&since(&api, revision, wait)).await.status, StatusCode::NOT_MODIFIED);
        }
        assert_eq!(api.statements() - before, 0, "at {count} tenants");
    }
}

#[tokio::test]
async fn a_change_costs_as_much_with_many_tenants_as_with_few() {
    let api = Api::new().await;
    let mut costs = Vec::new();
    for count in [10, 200] {
        for at in 0..count {
            api.create(&format!("of-{count}-{at}"), &json!({"zero_knowledge": true})).await.done();
        }
        let revision = api.app.tenants.store().watch().borrow().revision;
        let before = api.statements();
        api.get(&since(&api, revision - 1, "")).await.done();
        costs.push(api.statements() - before);
    }
    assert_eq!(costs[0], costs[1]);
}
