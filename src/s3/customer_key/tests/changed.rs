//! What a store might do to the metadata that tells of a customer's key: it gets no plaintext, and no copy that nobody opens.

use super::*;
use crate::backend::{BucketName, CopyRequest, CopyTags, ObjectRef, ReadConditions, WriteConditions};
use crate::s3::metadata::STREAM;

/// Changes the metadata of a stored object as a store can, its body left as it is.
async fn changed(open: &Open, key: &str, change: impl FnOnce(&mut Metadata)) {
    let bucket = BucketName::new(BUCKET);
    let object = ObjectRef { bucket: bucket.clone(), key: key.to_owned(), version_id: None };
    let mut metadata = open.harness.store.head(&object, &ReadConditions::default()).await.unwrap().metadata;
    change(&mut metadata);
    let onto_itself = CopyRequest {
        source: object,
        source_conditions: ReadConditions::default(),
        bucket,
        key: key.to_owned(),
        metadata,
        tags: CopyTags::Keep,
        conditions: WriteConditions::default(),
    };
    open.harness.store.copy(onto_itself).await.unwrap();
}

async fn without_check(open: &Open, key: &str) {
    changed(open, key, |metadata| drop(metadata.user.remove(CUSTOMER_KEY).unwrap())).await;
}

async fn with_check(open: &Open, key: &str, check: &str) {
    changed(open, key, |metadata| drop(metadata.user.insert(CUSTOMER_KEY.to_owned(), check.to_owned()))).await;
}

#[tokio::test]
async fn the_body_does_not_open_without_the_key_whatever_the_backend_says() {
    let open = Open::new().await;
    open.put("key", &pattern(1, 1_000), Some(ONE)).await.unwrap();
    without_check(&open, "key").await;
    assert_eq!(code(open.get("key", None, None).await), "InternalError");
    assert_eq!(code(open.get("key", Some("bytes=0-9"), None).await), "InternalError");
    assert_eq!(code(open.get("key", None, Some(ONE)).await), "InvalidRequest");
    assert_eq!(code(open.head("key", Some(ONE)).await), "InvalidRequest");

    // the check of another key for this very object lets that key no further
    with_check(&open, "key", OF_ANOTHER).await;
    assert_eq!(code(open.get("key", None, Some(ONE)).await), "AccessDenied");
    with_check(&open, "key", "?").await;
    assert_eq!(code(open.get("key", None, Some(ONE)).await), "InternalError");
}

#[tokio::test]
async fn an_object_whose_check_was_taken_away_is_not_copied() {
    let open = Open::new().await;
    for bytes in [0, 1, 65_480, 65_481, 300_000] {
        open.put("key", &pattern(1, bytes), Some(ONE)).await.unwrap();
        without_check(&open, "key").await;
        for bucket in [BUCKET, OTHER_BUCKET] {
            assert_eq!(code(open.copy(("key", None), (bucket, "copy"), None).await), "InternalError", "{bytes}");
        }
        assert_eq!(code(open.copy(("key", None), (BUCKET, "copy"), Some(ONE)).await), "InternalError", "{bytes}");
        assert_eq!(code(open.copy(("key", Some(ONE)), (BUCKET, "copy"), Some(ONE)).await), "InvalidRequest");
        assert_eq!(code(open.get("copy", None, None).await), "NoSuchKey", "{bytes}");
    }
}

#[tokio::test]
async fn a_part_is_not_copied_from_an_object_whose_check_was_taken_away() {
    let open = Open::new().await;
    open.put("key", &pattern(1, 300_000), Some(ONE)).await.unwrap();
    without_check(&open, "key").await;
    let upload_id = open.create("target", None).await.unwrap();
    for range in [None, Some("bytes=0-9".to_owned()), Some("bytes=200000-200009".to_owned())] {
        let input = UploadPartCopyInput::builder()
            .bucket(BUCKET.to_owned())
            .key("target".to_owned())
            .copy_source(source("key"))
            .copy_source_range(range)
            .part_number(1)
            .upload_id(upload_id.clone())
            .build()
            .unwrap();
        assert_eq!(code(open.gateway.upload_part_copy(request(input)).await), "InternalError");
    }
}

#[tokio::test]
async fn an_object_with_the_check_of_another_is_neither_read_nor_copied() {
    let open = Open::new().await;
    open.put("plain", &pattern(1, 1_000), None).await.unwrap();
    with_check(&open, "plain", OF_ANOTHER).await;
    open.put("key", &pattern(1, 1_000), Some(ONE)).await.unwrap();
    with_check(&open, "key", OF_ANOTHER).await;
    for from in ["plain", "key"] {
        for (with, wanted) in [(None, "InvalidRequest"), (Some(ONE), "AccessDenied")] {
            assert_eq!(code(open.get(from, None, with).await), wanted, "{from}");
            assert_eq!(code(open.copy((from, with), (BUCKET, "copy"), with).await), wanted, "{from}");
        }
    }
    assert_eq!(code(open.get("copy", None, None).await), "NoSuchKey");
}

#[tokio::test]
async fn a_copy_takes_no_stream_header_along_that_is_not_the_bodys() {
    let open = Open::new().await;
    for bytes in [1, 300_000] {
        open.put("one", &pattern(1, bytes), None).await.unwrap();
        open.put("two", &pattern(2, bytes), None).await.unwrap();
        let bucket = BucketName::new(BUCKET);
        let other = ObjectRef { bucket, key: "two".to_owned(), version_id: None };
        let others = open.harness.store.head(&other, &ReadConditions::default()).await.unwrap().metadata;
        let header = others.user[STREAM].clone();
        changed(&open, "one", |metadata| drop(metadata.user.insert(STREAM.to_owned(), header))).await;
        assert_eq!(code(open.copy(("one", None), (BUCKET, "copy"), None).await), "InternalError");
        assert_eq!(code(open.get("copy", None, None).await), "NoSuchKey");

        changed(&open, "one", |metadata| drop(metadata.user.remove(STREAM).unwrap())).await;
        open.copy(("one", None), (BUCKET, "copied"), None).await.unwrap();
        assert_eq!(open.get("copied", Some("bytes=0-0"), None).await.unwrap(), pattern(1, bytes)[..1]);
    }
}

/// Well-formed, and of no key that anybody has.
const OF_ANOTHER: &str = "AAAAAAAAAAAAAAAAAAAAAA";
