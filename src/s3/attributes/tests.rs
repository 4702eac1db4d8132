use s3s::{S3 as _, S3ErrorCode};

use super::*;
use crate::s3::testing::{BUCKET, Harness, code, request};

fn names(names: &[&'static str]) -> Vec<ObjectAttributes> {
    names.iter().map(|name| ObjectAttributes::from_static(name)).collect()
}

fn attributes(key: &str, wanted: &[&'static str]) -> GetObjectAttributesInput {
    GetObjectAttributesInput {
        bucket: BUCKET.to_owned(),
        key: key.to_owned(),
        object_attributes: names(wanted),
        expected_bucket_owner: None,
        max_parts: None,
        part_number_marker: None,
        request_payer: None,
        sse_customer_algorithm: None,
        sse_customer_key: None,
        sse_customer_key_md5: None,
        version_id: None,
    }
}

#[tokio::test]
async fn a_single_object_has_plain_size_tag_class_checksum_and_no_parts() {
    let harness = Harness::new().await;
    harness.put("key", b"plain").await;
    let all = attributes("key", &["ETag", "ObjectSize", "StorageClass", "Checksum", "ObjectParts"]);
    let output = harness.gateway.get_object_attributes(request(all)).await.unwrap().output;
    assert_eq!(output.object_size, Some(5));
    assert!(output.e_tag.unwrap().value().ends_with("-0"));
    assert_eq!(output.storage_class.unwrap().as_str(), "STANDARD");
    assert_eq!(output.checksum.unwrap().checksum_type.unwrap().as_str(), "FULL_OBJECT");
    assert_eq!(output.object_parts, None);
}

#[tokio::test]
async fn what_was_not_asked_for_is_not_told() {
    let harness = Harness::new().await;
    harness.put("key", b"plain").await;
    let input = attributes("key", &["ObjectSize"]);
    let output = harness.gateway.get_object_attributes(request(input)).await.unwrap().output;
    assert_eq!(output.object_size, Some(5));
    assert_eq!((output.e_tag, output.checksum, output.storage_class), (None, None, None));
}

#[tokio::test]
async fn an_absent_object_has_no_attributes() {
    let harness = Harness::new().await;
    let input = attributes("absent", &["ETag"]);
    assert_eq!(code(harness.gateway.get_object_attributes(request(input)).await), "NoSuchKey");
}

#[test]
fn the_attributes_named_are_wanted_and_no_others() {
    let wanted = Wanted::new(&names(&["ETag", " ObjectSize"])).unwrap();
    assert_eq!(wanted, Wanted { etag: true, size: true, ..Wanted::default() });
}

#[test]
fn an_unknown_attribute_or_none_at_all_is_refused() {
    assert_eq!(Wanted::new(&names(&["Etag"])).unwrap_err().code(), &S3ErrorCode::InvalidArgument);
    assert_eq!(Wanted::new(&[]).unwrap_err().code(), &S3ErrorCode::InvalidRequest);
}

#[test]
fn a_page_of_parts_has_a_thousand_at_most() {
    assert_eq!(PartsPage::new(None, None).unwrap(), PartsPage { max: 1_000, after: 0 });
    assert_eq!(PartsPage::new(Some(5_000), Some(7)).unwrap(), PartsPage { max: 1_000, after: 7 });
    assert_eq!(PartsPage::new(Some(-1), None).unwrap_err().code(), &S3ErrorCode::InvalidArgument);
    assert_eq!(PartsPage::new(None, Some(-1)).unwrap_err().code(), &S3ErrorCode::InvalidArgument);
}
