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

fn redirecting(location: &str) -> S3Result<Metadata> {
    checked(Metadata { website_redirect_location: Some(location.to_owned()), ..Metadata::default() })
}

#[test]
fn a_redirect_leads_to_an_object_or_a_site() {
    for location in ["/other", "/", "http://a.example/", "https://a.example/b?c", "//a.example"] {
        assert_eq!(redirecting(location).unwrap().website_redirect_location.as_deref(), Some(location));
    }
    let long = format!("/{}", "a".repeat(2048));
    for location in [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " javascript:x",
        "data:text/html,x",
        "other",
        "",
        "ftp://a",
        "http:",
        &long,
    ] {
        let error = redirecting(location).unwrap_err();
        let said = (error.code().as_str().to_owned(), error.status_code().unwrap().as_u16());
        assert_eq!(said, ("InvalidRedirectLocation".to_owned(), 400), "{location:.30}");
    }
}

#[test]
fn names_of_our_own_are_refused_in_any_case() {
    for name in ["sealgate", "SEALGATE-stream", "Sealgate-customer-key", "sealgatex"] {
        let user = BTreeMap::from([(name.to_owned(), "x".to_owned())]);
        assert_eq!(code(checked(Metadata { user, ..Metadata::default() })), "InvalidArgument", "{name}");
    }
}
