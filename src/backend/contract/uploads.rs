//! Multipart uploads.

use std::collections::BTreeMap;

use super::conditions::{if_absent, if_match};
use super::{Bucket, Feature, Subject, assert_refused, body, body_of, pattern};
use crate::backend::{
    BackendError, CompleteUpload, CreateUpload, ListUploadsRequest, Metadata, PartRef, PartSource, ReadConditions,
    StoredETag, StoredRange, UploadId, UploadRef,
};

/// A part that may stand before others.
fn part_bytes(subject: &Subject, seed: u8) -> Vec<u8> {
    pattern(seed, subject.least_part_bytes.max(30_000) + usize::from(seed))
}

pub(crate) async fn parts_in_any_order_become_an_object(subject: &Subject) {
    let bucket = subject.bucket().await;
    let upload = bucket.begin("k").await;
    let bodies = [part_bytes(subject, 1), part_bytes(subject, 2), pattern(3, 17)];
    let third = bucket.part(&upload, 900, &bodies[2]).await;
    let first = bucket.part(&upload, 3, &bodies[0]).await;
    let second = bucket.part(&upload, 40, &bodies[1]).await;
    let written = bucket.complete(&upload, vec![first, second, third]).await.unwrap();
    assert_eq!(written.etag.stored_parts(), Some(3));
    assert!(bucket.get("k").await.unwrap() == bodies.concat());
    let page = bucket.list(bucket.list_request()).await;
    assert_eq!((&page.objects[0].etag, page.objects[0].stored_bytes), (&written.etag, bodies.concat().len() as u64));
}

pub(crate) async fn the_last_upload_of_a_part_counts(subject: &Subject) {
    let bucket = subject.bucket().await;
    let upload = bucket.begin("k").await;
    let old = bucket.part(&upload, 1, &pattern(1, 20_000)).await;
    let new = bucket.part(&upload, 1, &pattern(2, 10_000)).await;
    if old.1 != new.1 {
        assert_refused!(bucket.complete(&upload, vec![old]).await, BackendError::InvalidPart { number: 0 | 1 });
    }
    bucket.complete(&upload, vec![new]).await.unwrap();
    assert!(bucket.get("k").await.unwrap() == pattern(2, 10_000));
}

pub(crate) async fn parts_not_named_are_dropped(subject: &Subject) {
    let bucket = subject.bucket().await;
    let upload = bucket.begin("k").await;
    let first = bucket.part(&upload, 1, &part_bytes(subject, 1)).await;
    bucket.part(&upload, 2, &part_bytes(subject, 2)).await;
    let third = bucket.part(&upload, 3, b"end").await;
    bucket.complete(&upload, vec![first, third]).await.unwrap();
    assert!(bucket.get("k").await.unwrap() == [part_bytes(subject, 1), b"end".to_vec()].concat());
}

pub(crate) async fn a_wrong_part_is_refused(subject: &Subject) {
    let bucket = subject.bucket().await;
    let upload = bucket.begin("k").await;
    let part = bucket.part(&upload, 1, b"bytes").await;
    let other = StoredETag::new("0123456789abcdef0123456789abcdef");
    assert_refused!(bucket.complete(&upload, vec![(1, other)]).await, BackendError::InvalidPart { number: 0 | 1 });
    assert_refused!(
        bucket.complete(&upload, vec![(2, part.1.clone())]).await,
        BackendError::InvalidPart { number: 0 | 2 }
    );
    assert_refused!(bucket.head("k").await, BackendError::NoSuchKey { .. });
    bucket.complete(&upload, vec![part]).await.unwrap();
}

pub(crate) async fn parts_must_ascend(subject: &Subject) {
    let bucket = subject.bucket().await;
    let upload = bucket.begin("k").await;
    let first = bucket.part(&upload, 1, &part_bytes(subject, 1)).await;
    let second = bucket.part(&upload, 2, b"end").await;
    for parts in [vec![second.clone(), first.clone()], vec![first.clone(), first.clone()]] {
        assert_refused!(bucket.complete(&upload, parts).await, BackendError::InvalidPartOrder);
    }
    bucket.complete(&upload, vec![first, second]).await.unwrap();
}

pub(crate) async fn an_aborted_upload_is_gone(subject: &Subject) {
    let bucket = subject.bucket().await;
    let upload = bucket.begin("k").await;
    let part = bucket.part(&upload, 1, b"bytes").await;
    bucket.backend.abort_upload(&upload).await.unwrap();
    let number = PartRef { upload: upload.clone(), number: 2 };
    assert_refused!(bucket.backend.put_part(&number, body(b"x")).await, BackendError::NoSuchUpload);
    assert_refused!(bucket.complete(&upload, vec![part]).await, BackendError::NoSuchUpload);
    assert_refused!(bucket.backend.list_parts(&upload, 0, 10).await, BackendError::NoSuchUpload);
    assert!(list(&bucket, 100).await.is_empty());
    assert_refused!(bucket.head("k").await, BackendError::NoSuchKey { .. });
}

pub(crate) async fn an_upload_is_completed_once(subject: &Subject) {
    let bucket = subject.bucket().await;
    let upload = bucket.begin("k").await;
    let part = bucket.part(&upload, 1, b"bytes").await;
    let written = bucket.complete(&upload, vec![part.clone()]).await.unwrap();
    // a store may remember that it did this
    match bucket.complete(&upload, vec![part]).await {
        Ok(again) => assert_eq!(again.etag, written.etag),
        Err(error) => assert!(matches!(error, BackendError::NoSuchUpload), "{error:?}"),
    }
    assert_eq!(bucket.get("k").await.unwrap(), b"bytes");
}

pub(crate) async fn an_upload_is_no_object_before_it_is_complete(subject: &Subject) {
    let bucket = subject.bucket().await;
    let upload = bucket.begin("k").await;
    bucket.part(&upload, 1, b"bytes").await;
    assert_refused!(bucket.get("k").await, BackendError::NoSuchKey { delete_marker: None });
    assert!(bucket.keys().await.is_empty());
    bucket.backend.abort_upload(&upload).await.unwrap();
}

pub(crate) async fn an_upload_keeps_metadata_and_tags(subject: &Subject) {
    let bucket = subject.bucket().await;
    let user = BTreeMap::from([("one".to_owned(), "1".to_owned())]);
    let metadata = Metadata { content_type: Some("text/x".to_owned()), user, ..Metadata::default() };
    let tags = if subject.has(Feature::Tags) { vec![("tag".to_owned(), "value".to_owned())] } else { vec![] };
    let request = CreateUpload {
        bucket: bucket.name.clone(),
        key: "k".to_owned(),
        metadata: metadata.clone(),
        tags: tags.clone(),
    };
    let upload_id = bucket.backend.create_upload(request).await.unwrap();
    let upload = UploadRef { bucket: bucket.name.clone(), key: "k".to_owned(), upload_id };
    let part = bucket.part(&upload, 1, b"bytes").await;
    bucket.complete(&upload, vec![part]).await.unwrap();
    let info = bucket.head("k").await.unwrap();
    assert_eq!((info.metadata.user, info.metadata.content_type), (metadata.user, metadata.content_type));
    if subject.has(Feature::Tags) {
        assert_eq!(bucket.backend.tags(&bucket.object("k")).await.unwrap().0, tags);
    }
}

pub(crate) async fn parts_are_listed_in_pages(subject: &Subject) {
    let bucket = subject.bucket().await;
    let upload = bucket.begin("k").await;
    let mut expected = Vec::new();
    for number in [9_999, 2, 5, 7, 1] {
        let length = usize::try_from(number).unwrap();
        let (_, etag) = bucket.part(&upload, number, &pattern(1, length)).await;
        expected.push((number, u64::from(number), etag));
    }
    expected.sort_by_key(|part| part.0);
    for max in [1, 2, 5, 6] {
        let (mut parts, mut after) = (Vec::new(), 0);
        loop {
            let page = bucket.backend.list_parts(&upload, after, max).await.unwrap();
            after = page.parts.last().map_or(after, |part| part.number);
            parts.extend(page.parts.into_iter().map(|part| (part.number, part.stored_bytes, part.etag)));
            if !page.truncated {
                break;
            }
        }
        assert_eq!(parts, expected, "by {max}");
    }
    bucket.backend.abort_upload(&upload).await.unwrap();
}

fn list_request(bucket: &Bucket<'_>) -> ListUploadsRequest {
    ListUploadsRequest {
        bucket: bucket.name.clone(),
        prefix: String::new(),
        delimiter: None,
        key_marker: None,
        upload_id_marker: None,
        max: 1000,
    }
}

async fn list(bucket: &Bucket<'_>, max: u32) -> Vec<(String, UploadId)> {
    let mut request = ListUploadsRequest { max, ..list_request(bucket) };
    let mut uploads = Vec::new();
    loop {
        let page = bucket.backend.list_uploads(request.clone()).await.unwrap();
        uploads.extend(page.uploads.into_iter().map(|upload| (upload.key, upload.upload_id)));
        let Some((key, upload)) = page.next else { return uploads };
        (request.key_marker, request.upload_id_marker) = (Some(key), Some(upload));
    }
}

pub(crate) async fn uploads_are_listed_in_pages(subject: &Subject) {
    let bucket = subject.bucket().await;
    let mut open = Vec::new();
    for key in ["b", "a", "b", "c", "b"] {
        open.push(bucket.begin(key).await);
    }
    let mut expected: Vec<_> = open.iter().map(|upload| (upload.key.clone(), upload.upload_id.clone())).collect();
    expected.sort();
    for max in [1, 2, 5, 10] {
        let mut listed = list(&bucket, max).await;
        assert!(listed.is_sorted_by_key(|upload| upload.0.clone()));
        listed.sort();
        assert_eq!(listed, expected, "by {max}");
    }
    for upload in open {
        bucket.backend.abort_upload(&upload).await.unwrap();
    }
}

pub(crate) async fn uploads_under_a_prefix_are_rolled_up(subject: &Subject) {
    let bucket = subject.bucket().await;
    let mut open = Vec::new();
    for key in ["a/1", "a/2", "b", "c/1"] {
        open.push(bucket.begin(key).await);
    }
    let rolled = ListUploadsRequest { delimiter: Some("/".to_owned()), ..list_request(&bucket) };
    let page = bucket.backend.list_uploads(rolled).await.unwrap();
    assert_eq!((page.common_prefixes, page.uploads.len()), (vec!["a/".to_owned(), "c/".to_owned()], 1));
    let under = ListUploadsRequest { prefix: "a/".to_owned(), ..list_request(&bucket) };
    assert_eq!(bucket.backend.list_uploads(under).await.unwrap().uploads.len(), 2);
    for upload in open {
        bucket.backend.abort_upload(&upload).await.unwrap();
    }
}

fn source(bucket: &Bucket<'_>, key: &str, range: Option<(u64, u64)>) -> PartSource {
    PartSource { object: bucket.object(key), range, conditions: ReadConditions::default() }
}

pub(crate) async fn a_part_is_copied_from_a_range(subject: &Subject) {
    let bucket = subject.bucket().await;
    let bytes = pattern(1, subject.least_part_bytes + 50_000);
    let end = bytes.len() as u64;
    bucket.put("from", &bytes).await;
    let upload = bucket.begin("k").await;
    let mut parts = Vec::new();
    for (number, range) in [(1, Some((100, end - 1))), (2, None), (3, Some((10, 19)))] {
        let part = PartRef { upload: upload.clone(), number };
        let copied = bucket.backend.copy_part(&part, source(&bucket, "from", range)).await.unwrap();
        parts.push((number, copied.etag));
    }
    let part = PartRef { upload: upload.clone(), number: 4 };
    let beyond = bucket.backend.copy_part(&part, source(&bucket, "from", Some((0, end)))).await;
    assert!(beyond.is_err());
    bucket.complete(&upload, parts).await.unwrap();
    assert!(bucket.get("k").await.unwrap() == [&bytes[100..], &bytes, &bytes[10..20]].concat());
}

pub(crate) async fn a_copied_part_outlives_its_source(subject: &Subject) {
    let bucket = subject.bucket().await;
    let bytes = pattern(1, subject.least_part_bytes + 50_000);
    bucket.put("from", &bytes).await;
    let upload = bucket.begin("middle").await;
    let part = PartRef { upload: upload.clone(), number: 1 };
    let copied = bucket.backend.copy_part(&part, source(&bucket, "from", Some((1, 40_000)))).await.unwrap();
    bucket.delete("from").await;
    bucket.complete(&upload, vec![(1, copied.etag)]).await.unwrap();
    let upload = bucket.begin("last").await;
    let part = PartRef { upload: upload.clone(), number: 1 };
    let copied = bucket.backend.copy_part(&part, source(&bucket, "middle", Some((5, 30_000)))).await.unwrap();
    bucket.complete(&upload, vec![(1, copied.etag)]).await.unwrap();
    assert!(bucket.get("middle").await.unwrap() == bytes[1..=40_000]);
    bucket.delete("middle").await;
    assert!(bucket.get("last").await.unwrap() == bytes[6..=30_001]);
}

pub(crate) async fn a_completed_upload_holds_to_conditions(subject: &Subject) {
    if !subject.has(Feature::ConditionalWrites) {
        return;
    }
    let bucket = subject.bucket().await;
    let old = bucket.put("k", b"old").await.etag;
    let upload = bucket.begin("k").await;
    let parts = vec![bucket.part(&upload, 1, b"new").await];
    let request = |conditions| CompleteUpload { upload: upload.clone(), parts: parts.clone(), conditions };
    assert_refused!(bucket.backend.complete_upload(request(if_absent())).await, BackendError::PreconditionFailed);
    assert_eq!(bucket.get("k").await.unwrap(), b"old");
    bucket.backend.complete_upload(request(if_match(&old))).await.unwrap();
    assert_eq!(bucket.get("k").await.unwrap(), b"new");
}

pub(crate) async fn an_upload_replaces_an_object(subject: &Subject) {
    let bucket = subject.bucket().await;
    bucket.put("k", &pattern(1, 100_000)).await;
    let upload = bucket.begin("k").await;
    let part = bucket.part(&upload, 1, b"new").await;
    assert!(bucket.get("k").await.unwrap() == pattern(1, 100_000));
    bucket.complete(&upload, vec![part]).await.unwrap();
    assert_eq!(bucket.get("k").await.unwrap(), b"new");
    bucket.delete("k").await;
    assert_refused!(bucket.get("k").await, BackendError::NoSuchKey { .. });
}

pub(crate) async fn a_failed_part_keeps_the_old_one(subject: &Subject) {
    let bucket = subject.bucket().await;
    let upload = bucket.begin("k").await;
    let part = bucket.part(&upload, 1, b"bytes").await;
    let number = PartRef { upload: upload.clone(), number: 1 };
    let broken = body_of(100_000, vec![Ok(vec![1; 50_000].into()), Err("the sender is gone".into())]);
    assert_refused!(bucket.backend.put_part(&number, broken).await, BackendError::Body(_));
    bucket.complete(&upload, vec![part]).await.unwrap();
    assert_eq!(bucket.get("k").await.unwrap(), b"bytes");
}

pub(crate) async fn ranges_cross_parts(subject: &Subject) {
    let bucket = subject.bucket().await;
    let upload = bucket.begin("k").await;
    let bodies = [part_bytes(subject, 1), part_bytes(subject, 2), part_bytes(subject, 3), pattern(4, 11)];
    let mut parts = Vec::new();
    for (number, bytes) in (1..).zip(&bodies) {
        parts.push(bucket.part(&upload, number, bytes).await);
    }
    bucket.complete(&upload, parts).await.unwrap();
    let whole = bodies.concat();
    let (one, two) = (bodies[0].len(), bodies[0].len() + bodies[1].len());
    for (first, end) in [(0, one), (one - 1, one + 1), (one, two), (one - 5, two + 5), (two, whole.len()), (7, 8)] {
        let range = StoredRange::Bounded { first: first as u64, last: end as u64 - 1 };
        let (offset, got) = bucket.get_range("k", range).await.unwrap();
        assert!(offset == first as u64 && got == whole[first..end], "{first}..{end}");
    }
}
