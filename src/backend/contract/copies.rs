//! Copies.

use std::collections::BTreeMap;

use super::conditions::{if_absent, if_match};
use super::{Feature, Subject, assert_refused, body, pattern};
use crate::backend::{
    BackendError, CopyRequest, CopyTags, ETagMatch, Metadata, PutRequest, ReadConditions, StoredETag,
};

fn metadata(mark: &str) -> Metadata {
    let user = BTreeMap::from([("mark".to_owned(), mark.to_owned())]);
    Metadata { content_type: Some(format!("text/{mark}")), user, ..Metadata::default() }
}

pub(crate) async fn a_copy_has_the_bytes_and_its_own_metadata(subject: &Subject) {
    let bucket = subject.bucket().await;
    for length in [100, 700_000] {
        let bytes = pattern(1, length);
        let request = PutRequest { metadata: metadata("old"), ..bucket.put_request("from") };
        bucket.backend.put(request, body(&bytes)).await.unwrap();
        let request = CopyRequest { metadata: metadata("new"), ..bucket.copy_request(bucket.object("from"), "to") };
        let copied = bucket.backend.copy(request).await.unwrap();
        assert!(bucket.get("to").await.unwrap() == bytes);
        let info = bucket.head("to").await.unwrap();
        assert_eq!((info.etag, info.metadata.user), (copied.etag, metadata("new").user));
        assert_eq!(info.metadata.content_type, metadata("new").content_type);
        assert_eq!(bucket.head("from").await.unwrap().metadata.user, metadata("old").user);
    }
}

pub(crate) async fn a_copy_outlives_its_source(subject: &Subject) {
    let bucket = subject.bucket().await;
    for length in [100, 700_000] {
        let bytes = pattern(2, length);
        bucket.put("from", &bytes).await;
        bucket.copy("from", "to").await.unwrap();
        bucket.copy("to", "third").await.unwrap();
        bucket.put("from", b"other").await;
        bucket.delete("to").await;
        assert!(bucket.get("third").await.unwrap() == bytes);
    }
}

pub(crate) async fn a_copy_crosses_buckets(subject: &Subject) {
    let (one, two) = (subject.bucket().await, subject.bucket().await);
    let bytes = pattern(3, 50_000);
    one.put("k", &bytes).await;
    two.backend.copy(two.copy_request(one.object("k"), "k")).await.unwrap();
    one.delete("k").await;
    assert!(two.get("k").await.unwrap() == bytes);
}

pub(crate) async fn an_object_is_copied_onto_itself(subject: &Subject) {
    let bucket = subject.bucket().await;
    for length in [100, 700_000] {
        let bytes = pattern(4, length);
        bucket.put("k", &bytes).await;
        for mark in ["one", "two"] {
            let request = CopyRequest { metadata: metadata(mark), ..bucket.copy_request(bucket.object("k"), "k") };
            bucket.backend.copy(request).await.unwrap();
            assert!(bucket.get("k").await.unwrap() == bytes);
            assert_eq!(bucket.head("k").await.unwrap().metadata.user, metadata(mark).user);
        }
    }
}

pub(crate) async fn tags_are_copied_or_replaced(subject: &Subject) {
    if !subject.has(Feature::Tags) {
        return;
    }
    let bucket = subject.bucket().await;
    let (old, new) = (vec![("a".to_owned(), "1".to_owned())], vec![("b".to_owned(), "2".to_owned())]);
    bucket.backend.put(PutRequest { tags: old.clone(), ..bucket.put_request("k") }, body(b"x")).await.unwrap();
    for (tags, expected) in [(CopyTags::Keep, old), (CopyTags::Replace(new.clone()), new)] {
        let request = CopyRequest { tags, ..bucket.copy_request(bucket.object("k"), "to") };
        bucket.backend.copy(request).await.unwrap();
        assert_eq!(bucket.backend.tags(&bucket.object("to")).await.unwrap().0, expected);
    }
}

pub(crate) async fn an_absent_source_is_refused(subject: &Subject) {
    let bucket = subject.bucket().await;
    bucket.put("to", b"kept").await;
    assert_refused!(bucket.copy("absent", "to").await, BackendError::NoSuchKey { .. });
    assert_eq!(bucket.get("to").await.unwrap(), b"kept");
}

pub(crate) async fn a_copy_holds_to_conditions_of_the_source(subject: &Subject) {
    let bucket = subject.bucket().await;
    let etag = bucket.put("from", b"bytes").await.etag;
    let none = ReadConditions::default();
    let other = StoredETag::new("0123456789abcdef0123456789abcdef");
    let request = |source_conditions| {
        let request = bucket.copy_request(bucket.object("from"), "to");
        bucket.backend.copy(CopyRequest { source_conditions, ..request })
    };
    let is_other = ReadConditions { if_match: Some(ETagMatch::Is(other)), ..none.clone() };
    assert_refused!(request(is_other).await, BackendError::PreconditionFailed);
    let is_not = ReadConditions { if_none_match: Some(ETagMatch::Is(etag.clone())), ..none.clone() };
    assert_refused!(request(is_not).await, BackendError::PreconditionFailed);
    assert_refused!(bucket.head("to").await, BackendError::NoSuchKey { .. });
    request(ReadConditions { if_match: Some(ETagMatch::Is(etag)), ..none }).await.unwrap();
    assert_eq!(bucket.get("to").await.unwrap(), b"bytes");
}

pub(crate) async fn a_copy_holds_to_conditions_of_the_target(subject: &Subject) {
    if !subject.has(Feature::ConditionalWrites) {
        return;
    }
    let bucket = subject.bucket().await;
    bucket.put("from", b"new").await;
    let old = bucket.put("to", b"old").await.etag;
    let request = |conditions| {
        let request = bucket.copy_request(bucket.object("from"), "to");
        bucket.backend.copy(CopyRequest { conditions, ..request })
    };
    assert_refused!(request(if_absent()).await, BackendError::PreconditionFailed);
    assert_eq!(bucket.get("to").await.unwrap(), b"old");
    request(if_match(&old)).await.unwrap();
    assert_eq!(bucket.get("to").await.unwrap(), b"new");
}

pub(crate) async fn an_older_version_is_copied(subject: &Subject) {
    if !subject.has(Feature::Versioning) {
        return;
    }
    let bucket = subject.versioned_bucket().await;
    let old = bucket.put("k", &pattern(5, 100_000)).await.version_id.unwrap();
    bucket.put("k", b"new").await;
    bucket.backend.copy(bucket.copy_request(bucket.version("k", &old), "k")).await.unwrap();
    assert!(bucket.get("k").await.unwrap() == pattern(5, 100_000));
    bucket.delete_version("k", &old).await;
    assert!(bucket.get("k").await.unwrap() == pattern(5, 100_000));
}

pub(crate) async fn an_empty_object_is_copied(subject: &Subject) {
    let bucket = subject.bucket().await;
    bucket.put("k", b"").await;
    bucket.copy("k", "to").await.unwrap();
    bucket.delete("k").await;
    assert_eq!(bucket.get("to").await.unwrap(), b"");
}
