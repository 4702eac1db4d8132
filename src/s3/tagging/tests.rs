use s3s::S3 as _;
use s3s::dto::{Tag, Tagging};

use super::*;
use crate::s3::testing::{BUCKET, Harness, code, request};

fn tags(pairs: &[(&str, &str)]) -> Vec<Tag> {
    pairs.iter().map(|(key, value)| Tag { key: Some((*key).to_owned()), value: Some((*value).to_owned()) }).collect()
}

fn put(key: &str, tag_set: Vec<Tag>) -> PutObjectTaggingInput {
    PutObjectTaggingInput {
        bucket: BUCKET.to_owned(),
        key: key.to_owned(),
        tagging: Tagging { tag_set },
        checksum_algorithm: None,
        content_md5: None,
        expected_bucket_owner: None,
        request_payer: None,
        version_id: None,
    }
}

async fn get(harness: &Harness, key: &str) -> S3Result<Vec<Tag>> {
    let input =
        GetObjectTaggingInput { bucket: BUCKET.to_owned(), key: key.to_owned(), ..GetObjectTaggingInput::default() };
    Ok(harness.gateway.get_object_tagging(request(input)).await?.output.tag_set)
}

#[tokio::test]
async fn tags_of_an_object_are_put_replaced_and_deleted() {
    let harness = Harness::new().await;
    harness.put("key", b"plain").await;
    assert_eq!(get(&harness, "key").await.unwrap(), []);
    for set in [tags(&[("a", "1"), ("b", "2")]), tags(&[("c", "")])] {
        harness.gateway.put_object_tagging(request(put("key", set.clone()))).await.unwrap();
        assert_eq!(get(&harness, "key").await.unwrap(), set);
    }
    let delete = DeleteObjectTaggingInput {
        bucket: BUCKET.to_owned(),
        key: "key".to_owned(),
        ..DeleteObjectTaggingInput::default()
    };
    harness.gateway.delete_object_tagging(request(delete)).await.unwrap();
    assert_eq!(get(&harness, "key").await.unwrap(), []);
    assert_eq!(harness.get(BUCKET, "key", None).await.unwrap(), b"plain");
}

#[tokio::test]
async fn tags_of_an_absent_object_are_no_such_key() {
    let harness = Harness::new().await;
    assert_eq!(code(get(&harness, "absent").await), "NoSuchKey");
    let refused = harness.gateway.put_object_tagging(request(put("absent", tags(&[("a", "1")])))).await;
    assert_eq!(code(refused), "NoSuchKey");
}

#[tokio::test]
async fn tag_sets_beyond_the_limits_are_refused_and_change_nothing() {
    let harness = Harness::new().await;
    harness.put("key", b"plain").await;
    let names: Vec<String> = (0..11).map(|n| n.to_string()).collect();
    let eleven = tags(&names.iter().map(|name| (name.as_str(), "")).collect::<Vec<_>>());
    let long = "x".repeat(257);
    for (set, wanted) in [
        (eleven, "InvalidTag"),
        (tags(&[("a", "1"), ("a", "2")]), "InvalidTag"),
        (tags(&[(&long[..129], "")]), "InvalidTag"),
        (tags(&[("a", &long)]), "InvalidTag"),
        (tags(&[("", "a")]), "InvalidTag"),
    ] {
        assert_eq!(code(harness.gateway.put_object_tagging(request(put("key", set))).await), wanted);
    }
    assert_eq!(get(&harness, "key").await.unwrap(), []);
}

#[tokio::test]
async fn tags_of_a_bucket_are_put_and_deleted() {
    let harness = Harness::new().await;
    let get = || GetBucketTaggingInput { bucket: BUCKET.to_owned(), expected_bucket_owner: None };
    assert_eq!(code(harness.gateway.get_bucket_tagging(request(get())).await), "NoSuchTagSet");
    let set = tags(&[("a", "1")]);
    let put = PutBucketTaggingInput {
        bucket: BUCKET.to_owned(),
        tagging: Tagging { tag_set: set.clone() },
        checksum_algorithm: None,
        content_md5: None,
        expected_bucket_owner: None,
    };
    harness.gateway.put_bucket_tagging(request(put)).await.unwrap();
    assert_eq!(harness.gateway.get_bucket_tagging(request(get())).await.unwrap().output.tag_set, set);
    let delete = DeleteBucketTaggingInput { bucket: BUCKET.to_owned(), expected_bucket_owner: None };
    harness.gateway.delete_bucket_tagging(request(delete)).await.unwrap();
    assert_eq!(code(harness.gateway.get_bucket_tagging(request(get())).await), "NoSuchTagSet");
}
