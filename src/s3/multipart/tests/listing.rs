//! What lists show of uploads and parts.

use s3s::dto::ListMultipartUploadsOutput;

use super::*;

fn numbers(output: &ListPartsOutput) -> Vec<i32> {
    output.parts.iter().flatten().filter_map(|part| part.part_number).collect()
}

#[tokio::test]
async fn parts_are_listed_with_plain_sizes_wherever_they_wait() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    upload.part(1, &pattern(1, 5 * MIB)).await;
    upload.part(2, b"small").await;
    upload.part(7, &pattern(7, 6 * MIB)).await;
    let listed = upload.list(None, None).await.unwrap();
    let sizes: Vec<_> = listed.parts.iter().flatten().filter_map(|part| part.size).collect();
    assert_eq!((numbers(&listed), sizes), (vec![1, 2, 7], vec![5 << 20, 5, 6 << 20]));
    let etags: Vec<_> = listed.parts.iter().flatten().map(|part| part.e_tag.clone()).collect();
    let returned: Vec<_> = upload.parts.iter().map(|part| part.e_tag.clone()).collect();
    assert_eq!(etags, returned);
    assert_eq!(listed.is_truncated, Some(false));
}

#[tokio::test]
async fn pages_of_parts_meet_without_gap_or_overlap() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    for number in [1, 2, 3, 5, 8, 9] {
        let bytes = if number % 2 == 0 { 5 * MIB } else { 10 };
        upload.part(number, &pattern(1, bytes)).await;
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = upload.list(after, Some(2)).await.unwrap();
        assert!(numbers(&page).len() <= 2);
        seen.extend(numbers(&page));
        if page.is_truncated != Some(true) {
            break;
        }
        assert_eq!(page.next_part_number_marker, seen.last().copied());
        after = page.next_part_number_marker;
    }
    assert_eq!(seen, [1, 2, 3, 5, 8, 9]);
}

#[tokio::test]
async fn a_page_of_no_parts_ends_the_list() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    upload.part(1, b"small").await;
    let page = upload.list(None, Some(0)).await.unwrap();
    assert_eq!(numbers(&page), Vec::<i32>::new());
    assert_eq!(code(upload.list(Some(-1), None).await), "InvalidArgument");
    assert_eq!(code(upload.list(None, Some(-1)).await), "InvalidArgument");
}

#[tokio::test]
async fn open_uploads_are_listed_with_their_tenant_as_owner() {
    let harness = Harness::new().await;
    let upload = Uploading::begin(&harness.gateway).await;
    let list = |prefix: &str| ListMultipartUploadsInput {
        bucket: BUCKET.to_owned(),
        prefix: Some(prefix.to_owned()),
        delimiter: Some("/".to_owned()),
        ..ListMultipartUploadsInput::default()
    };
    let listed = harness.gateway.list_multipart_uploads(request(list("a/"))).await.unwrap().output;
    let uploads = listed.uploads.unwrap();
    assert_eq!(uploads[0].upload_id.as_ref(), Some(&upload.id));
    assert_eq!(uploads[0].owner.as_ref().unwrap().id.as_deref(), Some("tenant"));
    let rolled = harness.gateway.list_multipart_uploads(request(list(""))).await.unwrap().output;
    assert_eq!(rolled.common_prefixes.unwrap()[0].prefix.as_deref(), Some("a/"));
}

async fn listed(gateway: &Gateway, marker: Option<(&str, &str)>, max: i32) -> ListMultipartUploadsOutput {
    let input = ListMultipartUploadsInput {
        bucket: BUCKET.to_owned(),
        key_marker: marker.map(|(key, _)| key.to_owned()),
        upload_id_marker: marker.map(|(_, id)| id.to_owned()),
        max_uploads: Some(max),
        ..ListMultipartUploadsInput::default()
    };
    gateway.list_multipart_uploads(request(input)).await.unwrap().output
}

fn ids(output: &ListMultipartUploadsOutput) -> Vec<String> {
    output.uploads.iter().flatten().filter_map(|upload| upload.upload_id.clone()).collect()
}

#[tokio::test]
async fn a_replica_lists_the_ids_that_clients_were_given_and_pages_of_them_meet() {
    let harness = Harness::new().await;
    let mut begun = Vec::new();
    for _ in 0..5 {
        begun.push(Uploading::begin(&harness.gateway).await.id);
    }
    begun.sort();
    let replica = harness.replica();
    let mut seen = Vec::new();
    let mut page = listed(&replica, None, 2).await;
    loop {
        seen.extend(ids(&page));
        if page.is_truncated != Some(true) {
            break;
        }
        let (key, id) = (page.next_key_marker.unwrap(), page.next_upload_id_marker.unwrap());
        assert_eq!(seen.last(), Some(&id));
        page = listed(&replica, Some((&key, &id)), 2).await;
    }
    seen.sort();
    assert_eq!(seen, begun);
}

#[tokio::test]
async fn an_upload_without_its_record_is_shown_under_an_id_that_abort_alone_takes() {
    let harness = Harness::new().await;
    let (first, second) = (Uploading::begin(&harness.gateway).await, Uploading::begin(&harness.gateway).await);
    let another = harness.stored(STAGING, &first.record_key()).await;
    harness.store_raw(STAGING, &second.record_key(), &another).await;
    let replica = harness.replica();
    let shown = ids(&listed(&replica, None, 10).await);
    let without = format!("{}.x", second.store_id());
    assert!(shown.contains(&first.id) && shown.contains(&without) && shown.len() == 2, "{shown:?}");

    let mut refused = Uploading { gateway: &replica, id: without, parts: second.parts.clone() };
    for gateway in [&replica, &harness.gateway] {
        refused.gateway = gateway;
        let part = gateway.upload_part(request(refused.part_input(1, b"small"))).await;
        assert_eq!(code(part), "NoSuchUpload");
        assert_eq!(code(refused.list(None, None).await), "NoSuchUpload");
    }
    refused.abort().await.unwrap();
    assert_eq!(ids(&listed(&replica, None, 10).await), [first.id]);
}
