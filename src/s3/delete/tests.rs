use s3s::S3 as _;
use s3s::dto::{ETag, ETagCondition, HeadObjectInput};

use super::*;
use crate::backend::{BucketName, Versioning};
use crate::s3::testing::{BUCKET, Harness, code, request};

fn one(key: &str, version_id: Option<&str>) -> DeleteObjectInput {
    DeleteObjectInput {
        bucket: BUCKET.to_owned(),
        key: key.to_owned(),
        version_id: version_id.map(str::to_owned),
        ..DeleteObjectInput::default()
    }
}

fn object(key: &str) -> ObjectIdentifier {
    ObjectIdentifier { key: key.to_owned(), ..ObjectIdentifier::default() }
}

fn many(objects: Vec<ObjectIdentifier>) -> DeleteObjectsInput {
    DeleteObjectsInput {
        bucket: BUCKET.to_owned(),
        delete: Delete { objects, quiet: None },
        bypass_governance_retention: None,
        checksum_algorithm: None,
        expected_bucket_owner: None,
        mfa: None,
        request_payer: None,
    }
}

async fn deleted(harness: &Harness, input: DeleteObjectsInput) -> (Vec<DeletedObject>, Vec<Error>) {
    let output = harness.gateway.delete_objects(request(input)).await.unwrap().output;
    (output.deleted.unwrap(), output.errors.unwrap())
}

async fn versioned() -> Harness {
    let harness = Harness::new().await;
    harness.store.set_versioning(&BucketName::new(BUCKET), Versioning::Enabled).await.unwrap();
    harness
}

#[tokio::test]
async fn a_deleted_object_is_gone_and_may_be_deleted_again() {
    let harness = Harness::new().await;
    harness.put("key", b"plain").await;
    for _ in 0..2 {
        let output = harness.gateway.delete_object(request(one("key", None))).await.unwrap().output;
        assert_eq!((output.delete_marker, output.version_id), (None, None));
    }
    assert_eq!(code(harness.get(BUCKET, "key", None).await), "NoSuchKey");
}

#[tokio::test]
async fn a_delete_marker_is_laid_over_a_version_and_taken_away() {
    let harness = versioned().await;
    harness.put("key", b"plain").await;
    let laid = harness.gateway.delete_object(request(one("key", None))).await.unwrap().output;
    assert_eq!(laid.delete_marker, Some(true));
    assert_eq!(code(harness.get(BUCKET, "key", None).await), "NoSuchKey");
    let marker = laid.version_id.unwrap();
    let taken = harness.gateway.delete_object(request(one("key", Some(&marker)))).await.unwrap().output;
    assert_eq!((taken.delete_marker, taken.version_id), (Some(true), Some(marker)));
    assert_eq!(harness.get(BUCKET, "key", None).await.unwrap(), b"plain");
}

#[tokio::test]
async fn an_empty_version_id_is_not_taken_for_none() {
    let harness = Harness::new().await;
    harness.put("key", b"plain").await;
    assert_eq!(code(harness.gateway.delete_object(request(one("key", Some("")))).await), "InvalidArgument");
    let (deleted, errors) =
        deleted(&harness, many(vec![ObjectIdentifier { version_id: Some(String::new()), ..object("key") }])).await;
    assert_eq!((deleted.len(), errors[0].code.as_deref()), (0, Some("InvalidArgument")));
    assert_eq!(harness.get(BUCKET, "key", None).await.unwrap(), b"plain");
}

#[tokio::test]
async fn if_match_is_held_against_the_tag_that_clients_see() {
    let harness = Harness::new().await;
    harness.put("key", b"plain").await;
    let head = HeadObjectInput { bucket: BUCKET.to_owned(), key: "key".to_owned(), ..HeadObjectInput::default() };
    let tag = harness.gateway.head_object(request(head)).await.unwrap().output.e_tag.unwrap();
    let with = |tag: ETag| DeleteObjectInput { if_match: Some(ETagCondition::ETag(tag)), ..one("key", None) };
    let other = ETag::Strong("00000000000000000000000000000000-0".to_owned());
    assert_eq!(code(harness.gateway.delete_object(request(with(other))).await), "PreconditionFailed");
    harness.gateway.delete_object(request(with(tag))).await.unwrap();
    assert_eq!(code(harness.get(BUCKET, "key", None).await), "NoSuchKey");
}

#[tokio::test]
async fn many_objects_are_deleted_with_an_answer_for_each() {
    let harness = Harness::new().await;
    harness.put("a", b"plain").await;
    harness.put("b", b"plain").await;
    let wrong_tag = Some(ETag::Strong("00000000000000000000000000000000-0".to_owned()));
    let objects = vec![object("a"), object("absent"), ObjectIdentifier { e_tag: wrong_tag, ..object("b") }];
    let (deleted, errors) = deleted(&harness, many(objects)).await;
    assert_eq!(deleted.iter().map(|one| one.key.as_deref().unwrap()).collect::<Vec<_>>(), ["a", "absent"]);
    assert_eq!(errors.len(), 1);
    assert_eq!((errors[0].key.as_deref(), errors[0].code.as_deref()), (Some("b"), Some("PreconditionFailed")));
    assert!(errors[0].message.is_some());
    assert_eq!(harness.get(BUCKET, "b", None).await.unwrap(), b"plain");
}

#[tokio::test]
async fn a_quiet_request_hears_of_errors_only() {
    let harness = Harness::new().await;
    harness.put("a", b"plain").await;
    let mut input = many(vec![object("a"), object(&"x".repeat(1_025))]);
    input.delete.quiet = Some(true);
    let (deleted, errors) = deleted(&harness, input).await;
    assert_eq!((deleted.len(), errors[0].code.as_deref()), (0, Some("KeyTooLongError")));
    assert_eq!(code(harness.get(BUCKET, "a", None).await), "NoSuchKey");
}

#[tokio::test]
async fn markers_that_many_deletes_lay_are_told() {
    let harness = versioned().await;
    harness.put("a", b"plain").await;
    let (laid, _) = deleted(&harness, many(vec![object("a")])).await;
    let marker = laid[0].delete_marker_version_id.clone();
    assert_eq!((laid[0].delete_marker, &laid[0].version_id, marker.is_some()), (Some(true), &None, true));
    let (taken, _) =
        deleted(&harness, many(vec![ObjectIdentifier { version_id: marker.clone(), ..object("a") }])).await;
    assert_eq!((taken[0].delete_marker, &taken[0].version_id), (Some(true), &marker));
    assert_eq!(taken[0].delete_marker_version_id, marker);
}

#[tokio::test]
async fn none_or_more_than_a_thousand_objects_are_malformed() {
    let harness = Harness::new().await;
    harness.put("key", b"plain").await;
    for count in [0, 1_001] {
        let objects = vec![object("key"); count];
        assert_eq!(code(harness.gateway.delete_objects(request(many(objects))).await), "MalformedXML");
    }
    assert_eq!(harness.get(BUCKET, "key", None).await.unwrap(), b"plain");
}
