use s3s::S3 as _;
use s3s::dto::{GetObjectInput, HeadObjectInput, PutObjectInput};

use super::*;
use crate::s3::testing::{BUCKET, Harness, blob, code, request};

fn put() -> PutObjectInput {
    PutObjectInput {
        bucket: BUCKET.to_owned(),
        key: "key".to_owned(),
        content_length: Some(5),
        body: Some(blob(b"plain")),
        ..PutObjectInput::default()
    }
}

#[test]
fn tags_of_a_header_are_kept_in_order_of_their_keys() {
    let tags = header_tags(Some("foo=bar&bar")).unwrap();
    assert_eq!(tags, [("bar".to_owned(), String::new()), ("foo".to_owned(), "bar".to_owned())]);
}

#[tokio::test]
async fn a_read_that_names_an_encryption_is_refused() {
    let harness = Harness::new().await;
    harness.put("key", b"plain").await;
    let get = GetObjectInput { bucket: BUCKET.to_owned(), key: "key".to_owned(), ..GetObjectInput::default() };
    let mut get = request(get);
    get.headers.insert("x-amz-server-side-encryption", http::HeaderValue::from_static("aws:kms"));
    assert_eq!(code(harness.gateway.get_object(get).await), "InvalidArgument");
    let head = HeadObjectInput { bucket: BUCKET.to_owned(), key: "key".to_owned(), ..HeadObjectInput::default() };
    let mut head = request(head);
    head.headers.insert("x-amz-server-side-encryption-aws-kms-key-id", http::HeaderValue::from_static("a"));
    assert_eq!(code(harness.gateway.head_object(head).await), "InvalidArgument");
}

#[tokio::test]
async fn an_empty_content_md5_is_refused() {
    let harness = Harness::new().await;
    let mut put = request(put());
    put.headers.insert("content-md5", http::HeaderValue::from_static(""));
    assert_eq!(code(harness.gateway.put_object(put).await), "InvalidDigest");
    assert_eq!(harness.stored_keys(BUCKET).await, Vec::<String>::new());
}
