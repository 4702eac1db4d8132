use s3s::S3 as _;
use s3s::dto::{CommonPrefix, EncodingType};

use super::*;
use crate::backend;
use crate::s3::testing::{BUCKET, Harness, code, request};

async fn holding(keys: &[&str]) -> Harness {
    let harness = Harness::new().await;
    for key in keys {
        harness.put(key, key.as_bytes()).await;
    }
    harness
}

fn first_version() -> ListObjectsInput {
    ListObjectsInput { bucket: BUCKET.to_owned(), ..ListObjectsInput::default() }
}

fn second_version() -> ListObjectsV2Input {
    ListObjectsV2Input { bucket: BUCKET.to_owned(), ..ListObjectsV2Input::default() }
}

async fn listed(harness: &Harness, input: ListObjectsV2Input) -> ListObjectsV2Output {
    harness.gateway.list_objects_v2(request(input)).await.unwrap().output
}

fn keys(contents: Option<&Vec<Object>>) -> Vec<&str> {
    contents.into_iter().flatten().map(|object| object.key.as_deref().unwrap()).collect()
}

fn prefixes(common: Option<&Vec<CommonPrefix>>) -> Vec<&str> {
    common.into_iter().flatten().map(|common| common.prefix.as_deref().unwrap()).collect()
}

#[tokio::test]
async fn a_listing_shows_plain_sizes_and_the_tags_that_writes_showed() {
    let harness = Harness::new().await;
    harness.put("key", &vec![7; 100_000]).await;
    let output = listed(&harness, second_version()).await;
    let object = &output.contents.as_ref().unwrap()[0];
    assert_eq!(object.size, Some(100_000));
    assert!(object.e_tag.as_ref().unwrap().value().ends_with("-0"));
    assert_eq!(object.storage_class.as_ref().unwrap().as_str(), "STANDARD");
    assert_eq!(object.owner, None);
    assert_eq!((output.key_count, output.is_truncated, output.max_keys), (Some(1), Some(false), Some(1_000)));
}

#[tokio::test]
async fn an_unsealed_object_is_listed_with_its_stored_size() {
    let harness = Harness::new().await;
    let bytes = futures::stream::once(async { Ok(bytes::Bytes::from_static(b"plain")) });
    let body = backend::SealedBody { bytes: 5, stream: Box::pin(bytes), late_metadata: None };
    let put = backend::PutRequest {
        bucket: backend::BucketName::new(BUCKET),
        key: "unsealed".to_owned(),
        metadata: backend::Metadata::default(),
        tags: Vec::new(),
        conditions: backend::WriteConditions::default(),
    };
    harness.store.put(put, body).await.unwrap();
    let output = listed(&harness, second_version()).await;
    assert_eq!(output.contents.unwrap()[0].size, Some(5));
}

#[tokio::test]
async fn pages_follow_each_other_by_token_without_gap_or_repeat() {
    let harness = holding(&["a/1", "a/2", "b", "c/1", "d"]).await;
    let (mut token, mut seen) = (None, Vec::new());
    loop {
        let input = ListObjectsV2Input {
            delimiter: Some("/".to_owned()),
            max_keys: Some(1),
            continuation_token: token.clone(),
            ..second_version()
        };
        let output = listed(&harness, input).await;
        assert_eq!(output.continuation_token, token);
        seen.extend(keys(output.contents.as_ref()).into_iter().map(str::to_owned));
        seen.extend(prefixes(output.common_prefixes.as_ref()).into_iter().map(str::to_owned));
        token = output.next_continuation_token;
        if output.is_truncated != Some(true) {
            break;
        }
    }
    assert_eq!(seen, ["a/", "b", "c/", "d"]);
    assert_eq!(token, None);
}

#[tokio::test]
async fn a_token_wins_over_start_after_and_both_are_echoed() {
    let harness = holding(&["a", "b", "c"]).await;
    let first = listed(&harness, ListObjectsV2Input { max_keys: Some(1), ..second_version() }).await;
    let input = ListObjectsV2Input {
        continuation_token: first.next_continuation_token.clone(),
        start_after: Some("b".to_owned()),
        ..second_version()
    };
    let output = listed(&harness, input).await;
    assert_eq!(keys(output.contents.as_ref()), ["b", "c"]);
    assert_eq!(output.continuation_token, first.next_continuation_token);
    assert_eq!(output.start_after.as_deref(), Some("b"));
}

#[tokio::test]
async fn an_empty_token_is_none_and_a_made_up_one_is_refused() {
    let harness = holding(&["a"]).await;
    let with = |token: &str| ListObjectsV2Input { continuation_token: Some(token.to_owned()), ..second_version() };
    assert_eq!(keys(listed(&harness, with("")).await.contents.as_ref()), ["a"]);
    for made_up in ["not base64!", "bm90IG9mIHRoaXMgc3RvcmU"] {
        let refused = harness.gateway.list_objects_v2(request(with(made_up))).await;
        assert_eq!(code(refused), "InvalidArgument");
    }
}

#[tokio::test]
async fn the_first_version_gives_a_next_marker_with_a_delimiter_only() {
    let harness = holding(&["a/1", "b"]).await;
    let with = |delimiter: Option<&str>, marker: &str| ListObjectsInput {
        delimiter: delimiter.map(str::to_owned),
        max_keys: Some(1),
        marker: Some(marker.to_owned()),
        ..first_version()
    };
    let list = async |input| harness.gateway.list_objects(request(input)).await.unwrap().output;
    let rolled = list(with(Some("/"), "")).await;
    assert_eq!((rolled.next_marker.as_deref(), rolled.is_truncated), (Some("a/"), Some(true)));
    let after = list(with(Some("/"), "a/")).await;
    assert_eq!((keys(after.contents.as_ref()), after.is_truncated), (vec!["b"], Some(false)));
    let flat = list(with(None, "")).await;
    assert_eq!((keys(flat.contents.as_ref()), flat.next_marker, flat.is_truncated), (vec!["a/1"], None, Some(true)));
}

#[tokio::test]
async fn owners_are_named_by_the_first_version_and_on_demand_by_the_second() {
    let harness = holding(&["a"]).await;
    let first = harness.gateway.list_objects(request(first_version())).await.unwrap().output;
    assert_eq!(first.contents.unwrap()[0].owner.as_ref().unwrap().id.as_deref(), Some("tenant"));
    let second = listed(&harness, ListObjectsV2Input { fetch_owner: Some(true), ..second_version() }).await;
    assert_eq!(second.contents.unwrap()[0].owner.as_ref().unwrap().id.as_deref(), Some("tenant"));
}

#[tokio::test]
async fn a_page_of_no_keys_is_whole_but_still_needs_the_bucket() {
    let harness = holding(&["a"]).await;
    let none = ListObjectsV2Input { max_keys: Some(0), ..second_version() };
    let output = listed(&harness, none.clone()).await;
    assert_eq!((output.key_count, output.is_truncated, output.max_keys), (Some(0), Some(false), Some(0)));
    let elsewhere = ListObjectsV2Input { bucket: "absent".to_owned(), ..none };
    assert_eq!(code(harness.gateway.list_objects_v2(request(elsewhere)).await), "NoSuchBucket");
}

#[tokio::test]
async fn url_encoding_covers_keys_prefixes_delimiter_and_start_after() {
    let harness = holding(&["a b/x y", "a b/x+y|z"]).await;
    let input = ListObjectsV2Input {
        prefix: Some("a b/".to_owned()),
        delimiter: Some("|".to_owned()),
        start_after: Some("a b".to_owned()),
        encoding_type: Some(EncodingType::from_static(EncodingType::URL)),
        ..second_version()
    };
    let output = listed(&harness, input).await;
    assert_eq!(keys(output.contents.as_ref()), ["a%20b/x%20y"]);
    assert_eq!(prefixes(output.common_prefixes.as_ref()), ["a%20b/x%2By%7C"]);
    assert_eq!(output.prefix.as_deref(), Some("a%20b/"));
    assert_eq!(output.delimiter.as_deref(), Some("%7C"));
    assert_eq!(output.start_after.as_deref(), Some("a%20b"));
    assert_eq!(output.encoding_type.unwrap().as_str(), "url");
}

#[tokio::test]
async fn an_empty_delimiter_is_none_and_an_absent_prefix_is_shown_empty() {
    let harness = holding(&["a/b"]).await;
    let output = listed(&harness, ListObjectsV2Input { delimiter: Some(String::new()), ..second_version() }).await;
    assert_eq!((output.delimiter, output.prefix.as_deref()), (None, Some("")));
    assert_eq!(keys(output.contents.as_ref()), ["a/b"]);
}
