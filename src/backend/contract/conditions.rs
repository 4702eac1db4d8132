//! Conditional reads, writes and deletes.

use std::time::{Duration, SystemTime};

use futures::future::join_all;

use super::{Bucket, Feature, Subject, assert_refused};
use crate::backend::{
    BackendError, ETagMatch, GetRequest, Governance, ObjectInfo, ReadConditions, Result, StoredETag, WriteConditions,
};

fn other() -> StoredETag {
    StoredETag::new("0123456789abcdef0123456789abcdef")
}

pub(super) fn if_match(etag: &StoredETag) -> WriteConditions {
    WriteConditions { if_match: Some(ETagMatch::Is(etag.clone())), if_none_match: None }
}

pub(super) fn if_absent() -> WriteConditions {
    WriteConditions { if_match: None, if_none_match: Some(ETagMatch::Any) }
}

/// The answer of HEAD, which GET must share.
async fn read(bucket: &Bucket<'_>, conditions: ReadConditions) -> Result<ObjectInfo> {
    let head = bucket.backend.head(&bucket.object("k"), &conditions).await;
    let get = bucket.backend.get(GetRequest { object: bucket.object("k"), range: None, conditions }).await;
    match (&head, &get) {
        (Ok(head), Ok(get)) => assert_eq!(head.etag, get.info.etag),
        (Err(head), Err(get)) => assert_eq!(std::mem::discriminant(head), std::mem::discriminant(get)),
        _ => panic!("HEAD and GET differ: {head:?}"),
    }
    head
}

pub(crate) async fn a_read_holds_to_if_match(subject: &Subject) {
    let bucket = subject.bucket().await;
    let etag = bucket.put("k", b"bytes").await.etag;
    let condition = |wanted| ReadConditions { if_match: Some(wanted), ..ReadConditions::default() };
    read(&bucket, condition(ETagMatch::Is(etag))).await.unwrap();
    assert_refused!(read(&bucket, condition(ETagMatch::Is(other()))).await, BackendError::PreconditionFailed);
}

pub(crate) async fn a_read_holds_to_if_none_match(subject: &Subject) {
    let bucket = subject.bucket().await;
    let etag = bucket.put("k", b"bytes").await.etag;
    let condition = |known| ReadConditions { if_none_match: Some(ETagMatch::Is(known)), ..ReadConditions::default() };
    read(&bucket, condition(other())).await.unwrap();
    match read(&bucket, condition(etag.clone())).await {
        Err(BackendError::NotModified { etag: told, .. }) => assert_eq!(told, etag),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn a_read_holds_to_times(subject: &Subject) {
    let bucket = subject.bucket().await;
    bucket.put("k", b"bytes").await;
    let written = bucket.head("k").await.unwrap().last_modified;
    // as it stands in a header, in whole seconds
    let seconds = written.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let earlier = written - Duration::from_mins(1);
    let modified = |since| ReadConditions { if_modified_since: Some(since), ..ReadConditions::default() };
    let unmodified = |since| ReadConditions { if_unmodified_since: Some(since), ..ReadConditions::default() };
    read(&bucket, modified(earlier)).await.unwrap();
    assert_refused!(read(&bucket, modified(written)).await, BackendError::NotModified { .. });
    read(&bucket, unmodified(written)).await.unwrap();
    assert_refused!(read(&bucket, unmodified(earlier)).await, BackendError::PreconditionFailed);
}

pub(crate) async fn entity_tags_beat_times(subject: &Subject) {
    let bucket = subject.bucket().await;
    let etag = bucket.put("k", b"bytes").await.etag;
    let now = bucket.head("k").await.unwrap().last_modified;
    let earlier = now - Duration::from_mins(1);
    let matching = ReadConditions {
        if_match: Some(ETagMatch::Is(etag.clone())),
        if_unmodified_since: Some(earlier),
        ..ReadConditions::default()
    };
    read(&bucket, matching).await.unwrap();
    let known = ReadConditions {
        if_none_match: Some(ETagMatch::Is(etag)),
        if_modified_since: Some(earlier),
        ..ReadConditions::default()
    };
    assert_refused!(read(&bucket, known).await, BackendError::NotModified { .. });
}

pub(crate) async fn only_one_of_many_creations_wins(subject: &Subject) {
    if !subject.has(Feature::ConditionalWrites) {
        return;
    }
    let bucket = subject.bucket().await;
    let puts = join_all((0..16).map(|n| {
        let bucket = &bucket;
        async move { (n, bucket.put_if("k", &vec![n; 20_000], if_absent()).await) }
    }))
    .await;
    let winners: Vec<_> = puts.iter().filter(|(_, put)| put.is_ok()).collect();
    assert_eq!(winners.len(), 1);
    assert!(bucket.get("k").await.unwrap() == vec![winners[0].0; 20_000]);
    for (_, put) in puts.iter().filter(|(_, put)| put.is_err()) {
        assert!(matches!(put, Err(BackendError::PreconditionFailed)), "{put:?}");
    }
}

pub(crate) async fn an_overwrite_holds_to_if_match(subject: &Subject) {
    if !subject.has(Feature::ConditionalWrites) {
        return;
    }
    let bucket = subject.bucket().await;
    let old = bucket.put("k", b"old").await.etag;
    assert_refused!(bucket.put_if("k", b"x", if_match(&other())).await, BackendError::PreconditionFailed);
    assert_refused!(bucket.put_if("k", b"x", if_absent()).await, BackendError::PreconditionFailed);
    assert_eq!(bucket.get("k").await.unwrap(), b"old");
    bucket.put_if("k", b"new", if_match(&old)).await.unwrap();
    assert_eq!(bucket.get("k").await.unwrap(), b"new");
}

pub(crate) async fn if_match_needs_an_object(subject: &Subject) {
    if !subject.has(Feature::ConditionalWrites) {
        return;
    }
    let bucket = subject.bucket().await;
    for bytes in [10, 100_000] {
        let put = bucket.put_if("k", &vec![1; bytes], if_match(&other())).await;
        assert_refused!(put, BackendError::NoSuchKey { .. });
    }
    bucket.put_if("k", b"bytes", if_absent()).await.unwrap();
}

pub(crate) async fn only_one_of_many_changes_wins(subject: &Subject) {
    if !subject.has(Feature::ConditionalWrites) {
        return;
    }
    let bucket = subject.bucket().await;
    let old = bucket.put("k", b"old").await.etag;
    let puts = join_all((0..16).map(|n| {
        let (bucket, condition) = (&bucket, if_match(&old));
        async move { bucket.put_if("k", &[n], condition).await }
    }))
    .await;
    assert_eq!(puts.iter().filter(|put| put.is_ok()).count(), 1);
}

pub(crate) async fn a_delete_holds_to_if_match(subject: &Subject) {
    if !subject.has(Feature::ConditionalDeletes) {
        return;
    }
    let bucket = subject.bucket().await;
    let etag = bucket.put("k", b"bytes").await.etag;
    let refused = bucket.backend.delete(&bucket.object("k"), Some(ETagMatch::Is(other())), Governance::Holds).await;
    assert_refused!(refused, BackendError::PreconditionFailed);
    assert_eq!(bucket.get("k").await.unwrap(), b"bytes");
    bucket.backend.delete(&bucket.object("k"), Some(ETagMatch::Is(etag)), Governance::Holds).await.unwrap();
    assert_refused!(bucket.head("k").await, BackendError::NoSuchKey { .. });
}
