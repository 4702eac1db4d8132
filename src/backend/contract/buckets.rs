//! Buckets.

use super::{Feature, Subject, assert_refused, body};
use crate::backend::{BackendError, BucketName, Governance, Versioning};

pub(crate) async fn a_bucket_is_created_told_of_and_deleted(subject: &Subject) {
    let bucket = subject.bucket().await;
    assert_eq!(bucket.backend.head_bucket(&bucket.name).await.unwrap().name, bucket.name);
    bucket.backend.delete_bucket(&bucket.name).await.unwrap();
    assert_refused!(bucket.backend.head_bucket(&bucket.name).await, BackendError::NoSuchBucket);
}

pub(crate) async fn a_bucket_is_not_created_twice(subject: &Subject) {
    let bucket = subject.bucket().await;
    bucket.put("kept", b"bytes").await;
    assert_refused!(bucket.backend.create_bucket(&bucket.name).await, BackendError::BucketAlreadyExists);
    assert_eq!(bucket.get("kept").await.unwrap(), b"bytes");
}

pub(crate) async fn a_bucket_with_an_object_is_not_deleted(subject: &Subject) {
    let bucket = subject.bucket().await;
    bucket.put("k", b"bytes").await;
    assert_refused!(bucket.backend.delete_bucket(&bucket.name).await, BackendError::BucketNotEmpty);
    assert_eq!(bucket.get("k").await.unwrap(), b"bytes");
    bucket.delete("k").await;
    bucket.backend.delete_bucket(&bucket.name).await.unwrap();
}

pub(crate) async fn a_bucket_with_a_delete_marker_is_not_deleted(subject: &Subject) {
    if !subject.has(Feature::Versioning) {
        return;
    }
    let bucket = subject.versioned_bucket().await;
    let marker = bucket.delete("k").await.version_id.unwrap();
    assert_refused!(bucket.backend.delete_bucket(&bucket.name).await, BackendError::BucketNotEmpty);
    bucket.delete_version("k", &marker).await;
    bucket.backend.delete_bucket(&bucket.name).await.unwrap();
}

pub(crate) async fn an_absent_bucket_is_named_as_the_cause(subject: &Subject) {
    let bucket = subject.bucket().await;
    bucket.backend.delete_bucket(&bucket.name).await.unwrap();
    assert_refused!(bucket.backend.put(bucket.put_request("k"), body(b"x")).await, BackendError::NoSuchBucket);
    assert_refused!(bucket.get("k").await, BackendError::NoSuchBucket);
    assert_refused!(bucket.backend.list(bucket.list_request()).await, BackendError::NoSuchBucket);
    assert_refused!(
        bucket.backend.delete(&bucket.object("k"), None, Governance::Holds).await,
        BackendError::NoSuchBucket
    );
    assert_refused!(bucket.backend.delete_bucket(&bucket.name).await, BackendError::NoSuchBucket);
}

pub(crate) async fn buckets_are_listed_by_prefix_in_order(subject: &Subject) {
    let first = subject.bucket().await.name;
    for suffix in ["-b", "-a", "-a-c"] {
        subject.backend.create_bucket(&BucketName::new(format!("{first}{suffix}"))).await.unwrap();
    }
    let listed = subject.backend.list_buckets(&format!("{first}-")).await.unwrap();
    let names: Vec<_> = listed.iter().map(|bucket| bucket.name.as_str().trim_start_matches(first.as_str())).collect();
    assert_eq!(names, ["-a", "-a-c", "-b"]);
}

pub(crate) async fn bucket_tags_are_kept_replaced_and_removed(subject: &Subject) {
    if !subject.has(Feature::BucketTags) {
        return;
    }
    let bucket = subject.bucket().await;
    assert_refused!(bucket.backend.bucket_tags(&bucket.name).await, BackendError::NoSuchTagSet);
    for value in ["one", "two"] {
        let tags = vec![("tag".to_owned(), value.to_owned())];
        bucket.backend.set_bucket_tags(&bucket.name, Some(tags.clone())).await.unwrap();
        assert_eq!(bucket.backend.bucket_tags(&bucket.name).await.unwrap(), tags);
    }
    bucket.backend.set_bucket_tags(&bucket.name, None).await.unwrap();
    assert_refused!(bucket.backend.bucket_tags(&bucket.name).await, BackendError::NoSuchTagSet);
}

pub(crate) async fn versioning_is_never_undone(subject: &Subject) {
    if !subject.has(Feature::Versioning) {
        return;
    }
    let bucket = subject.bucket().await;
    assert_eq!(bucket.backend.versioning(&bucket.name).await.unwrap(), Versioning::Unversioned);
    for state in [Versioning::Enabled, Versioning::Suspended, Versioning::Enabled] {
        bucket.set_versioning(state).await;
        assert_eq!(bucket.backend.versioning(&bucket.name).await.unwrap(), state);
    }
    assert!(bucket.backend.set_versioning(&bucket.name, Versioning::Unversioned).await.is_err());
}
