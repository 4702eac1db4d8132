//! Objects: bodies, metadata, keys, ranges, failures.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::future::join_all;

use super::{Bucket, Feature, Subject, assert_refused, body, body_of, pattern};
use crate::backend::{
    BackendError, DeleteItem, Governance, Metadata, ObjectRef, PutRequest, ReadConditions, SealedBody, StoredRange,
};

pub(crate) async fn bodies_of_all_sizes_are_read_back(subject: &Subject) {
    let bucket = subject.bucket().await;
    for length in [0, 1, 100, 8191, 8192, 8193, 65_536, 262_143, 262_144, 262_145, 1_000_003, 6_000_000] {
        let bytes = pattern(7, length);
        let written = bucket.put("k", &bytes).await;
        assert!(bucket.get("k").await.unwrap() == bytes, "{length} bytes");
        let info = bucket.head("k").await.unwrap();
        assert_eq!((info.stored_bytes, info.etag), (length as u64, written.etag));
    }
}

pub(crate) async fn an_entity_tag_has_32_hex_digits(subject: &Subject) {
    let bucket = subject.bucket().await;
    for bytes in [pattern(1, 10), pattern(2, 100_000)] {
        let etag = bucket.put("k", &bytes).await.etag;
        let is_hex = etag.as_str().bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        assert!(etag.as_str().len() == 32 && is_hex, "{etag}");
        assert_eq!(bucket.list(bucket.list_request()).await.objects[0].etag, etag);
    }
}

fn metadata(mark: &str) -> Metadata {
    let text = |name: &str| Some(format!("{name}/{mark}"));
    Metadata {
        content_type: text("type"),
        cache_control: text("cache"),
        content_disposition: text("disposition"),
        content_encoding: text("encoding"),
        content_language: text("language"),
        expires: Some("Wed, 21 Oct 2065 07:28:00 GMT".to_owned()),
        website_redirect_location: None,
        storage_class: None,
        user: BTreeMap::from([("one".to_owned(), mark.to_owned()), ("two-three".to_owned(), "x y".to_owned())]),
        ..Metadata::default()
    }
}

pub(crate) async fn metadata_and_tags_are_kept(subject: &Subject) {
    let bucket = subject.bucket().await;
    let tags = if subject.has(Feature::Tags) { vec![("tag".to_owned(), "value".to_owned())] } else { vec![] };
    let request = PutRequest { metadata: metadata("a"), tags: tags.clone(), ..bucket.put_request("k") };
    bucket.backend.put(request, body(b"bytes")).await.unwrap();
    let info = bucket.head("k").await.unwrap();
    assert_eq!(info.metadata, metadata("a"));
    if subject.has(Feature::Tags) {
        assert_eq!(info.tag_count, 1);
        assert_eq!(bucket.backend.tags(&bucket.object("k")).await.unwrap().0, tags);
    }
}

pub(crate) async fn overwriting_replaces_everything(subject: &Subject) {
    let bucket = subject.bucket().await;
    let tags = if subject.has(Feature::Tags) { vec![("tag".to_owned(), "value".to_owned())] } else { vec![] };
    let request = PutRequest { metadata: metadata("a"), tags, ..bucket.put_request("k") };
    let old = bucket.backend.put(request, body(&pattern(1, 100_000))).await.unwrap();
    let new = bucket.put("k", b"new").await;
    assert_ne!(old.etag, new.etag);
    let info = bucket.head("k").await.unwrap();
    assert_eq!((info.metadata.user, info.metadata.cache_control, info.tag_count), (BTreeMap::new(), None, 0));
    assert_eq!(bucket.get("k").await.unwrap(), b"new");
}

pub(crate) async fn unusual_keys_are_all_distinct(subject: &Subject) {
    let bucket = subject.bucket().await;
    let long = "k".repeat(1024);
    let wide = "é".repeat(512);
    let keys = [
        "a", "a/", "a//", "a//b", "a/b", "/a", "//", "a/../b", "a/./b", ".hidden", "A", "a b", "a+b", "a%20b", "a?b#c",
        "a&b=c", "ä/ö", "日本", "😀", "\u{e000}", "a\\b", "a'b\"c", "a*", "~", "a\u{301}", "á", " a", "a ", &long,
        &wide,
    ];
    for key in keys {
        bucket.put(key, key.as_bytes()).await;
    }
    for key in keys {
        assert_eq!(bucket.get(key).await.unwrap(), key.as_bytes(), "{key:?}");
    }
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    assert_eq!(bucket.keys().await, sorted);
}

fn broken(pieces: usize) -> SealedBody {
    let whole = (0..pieces).map(|_| Ok(Bytes::from(vec![9; 50_000])));
    body_of(10_000_000, whole.chain([Err("the sender is gone".into())]).collect())
}

pub(crate) async fn a_body_that_fails_leaves_the_old_object(subject: &Subject) {
    let bucket = subject.bucket().await;
    let old = pattern(1, 100_000);
    let written = bucket.put("k", &old).await;
    for pieces in [0, 1, 20] {
        assert_refused!(bucket.backend.put(bucket.put_request("k"), broken(pieces)).await, BackendError::Body(_));
        assert_eq!(bucket.head("k").await.unwrap().etag, written.etag);
    }
    assert!(bucket.get("k").await.unwrap() == old);
}

pub(crate) async fn a_body_that_fails_leaves_no_object(subject: &Subject) {
    let bucket = subject.bucket().await;
    assert_refused!(bucket.backend.put(bucket.put_request("k"), broken(3)).await, BackendError::Body(_));
    assert_refused!(bucket.get("k").await, BackendError::NoSuchKey { delete_marker: None });
    assert!(bucket.keys().await.is_empty());
}

pub(crate) async fn a_body_of_another_length_is_refused(subject: &Subject) {
    let bucket = subject.bucket().await;
    for announced in [0, 99, 101, 9_999, 1_000_000] {
        for given in [100, 10_000, 500_000] {
            let pieces = vec![Ok(Bytes::from(vec![1; given / 2])), Ok(Bytes::from(vec![2; given / 2]))];
            let put = bucket.backend.put(bucket.put_request("k"), body_of(announced, pieces)).await;
            assert_refused!(put, BackendError::Body(_));
        }
    }
    assert!(bucket.keys().await.is_empty());
}

#[derive(Debug, thiserror::Error)]
#[error("cause number {0}")]
struct Cause(u32);

pub(crate) async fn the_error_of_a_body_is_found_again(subject: &Subject) {
    let bucket = subject.bucket().await;
    for announced in [10, 1_000_000] {
        let pieces = vec![Ok(Bytes::from_static(b"x")), Err(Cause(17).into())];
        match bucket.backend.put(bucket.put_request("k"), body_of(announced, pieces)).await {
            Err(BackendError::Body(error)) => assert_eq!(error.downcast_ref::<Cause>().unwrap().0, 17),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) async fn an_absent_key_is_refused(subject: &Subject) {
    let bucket = subject.bucket().await;
    bucket.put("kk", b"bytes").await;
    assert_refused!(bucket.get("k").await, BackendError::NoSuchKey { delete_marker: None });
    assert_refused!(bucket.head("k").await, BackendError::NoSuchKey { delete_marker: None });
    assert_refused!(bucket.head("kkk").await, BackendError::NoSuchKey { delete_marker: None });
}

pub(crate) async fn deleting_an_absent_key_succeeds(subject: &Subject) {
    let bucket = subject.bucket().await;
    bucket.put("k", b"bytes").await;
    assert!(!bucket.delete("k").await.delete_marker);
    assert!(!bucket.delete("k").await.delete_marker);
    assert_refused!(bucket.head("k").await, BackendError::NoSuchKey { delete_marker: None });
}

pub(crate) async fn many_deletes_are_answered_in_order(subject: &Subject) {
    let bucket = subject.bucket().await;
    let keys: Vec<_> = (0..50).map(|n| format!("k{n:02}")).collect();
    for key in &keys {
        bucket.put(key, b"x").await;
    }
    let item = |key: &String| DeleteItem { key: key.clone(), version_id: None, if_match: None };
    let items = keys.iter().step_by(2).chain([&"absent".to_owned()]).map(item).collect();
    let answers = bucket.backend.delete_many(&bucket.name, items, Governance::Holds).await.unwrap();
    assert_eq!(answers.len(), 26);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(bucket.keys().await, keys.iter().skip(1).step_by(2).cloned().collect::<Vec<_>>());
}

pub(crate) async fn parallel_overwrites_leave_one_of_them_whole(subject: &Subject) {
    let bucket = subject.bucket().await;
    let bodies: Vec<_> = (0..16).map(|n| pattern(n, 300_000)).collect();
    join_all(bodies.iter().map(|bytes| bucket.put("k", bytes))).await;
    let left = bucket.get("k").await.unwrap();
    assert_eq!(bodies.iter().filter(|bytes| **bytes == left).count(), 1);
}

pub(crate) async fn metadata_known_late_is_kept(subject: &Subject) {
    assert!(subject.backend.late_metadata_bytes_max() >= 100_000);
    let bucket = subject.bucket().await;
    for bytes in [pattern(1, 10), pattern(2, 100_000)] {
        let late = Arc::new(OnceLock::new());
        let setter = Arc::clone(&late);
        let end = futures::stream::poll_fn(move |_| {
            setter.set(BTreeMap::from([("late".to_owned(), "yes".to_owned())])).unwrap();
            std::task::Poll::Ready(None)
        });
        let stream = futures::StreamExt::chain(body(&bytes).stream, end);
        let sealed = SealedBody { bytes: bytes.len() as u64, stream: Box::pin(stream), late_metadata: Some(late) };
        bucket.backend.put(PutRequest { metadata: metadata("a"), ..bucket.put_request("k") }, sealed).await.unwrap();
        let user = bucket.head("k").await.unwrap().metadata.user;
        assert_eq!((user["late"].as_str(), user["one"].as_str()), ("yes", "a"));
    }
}

pub(crate) async fn tags_are_replaced_and_removed(subject: &Subject) {
    if !subject.has(Feature::Tags) {
        return;
    }
    let bucket = subject.bucket().await;
    let written = bucket.put("k", b"bytes").await;
    let object = bucket.object("k");
    for tags in [vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())], vec![]] {
        bucket.backend.set_tags(&object, tags.clone()).await.unwrap();
        assert_eq!(bucket.backend.tags(&object).await.unwrap().0, tags);
        assert_eq!(bucket.head("k").await.unwrap().tag_count as usize, tags.len());
    }
    assert_eq!(bucket.head("k").await.unwrap().etag, written.etag);
    assert_refused!(bucket.backend.tags(&bucket.object("absent")).await, BackendError::NoSuchKey { .. });
}

async fn check_range(bucket: &Bucket<'_>, bytes: &[u8], range: StoredRange, first: usize, end: usize) {
    let (offset, got) = bucket.get_range("k", range).await.unwrap();
    assert_eq!(offset, first as u64, "{range:?}");
    assert!(got == bytes[first..end], "{range:?} of {} bytes", bytes.len());
}

pub(crate) async fn ranges_are_cut_as_s3_does(subject: &Subject) {
    let bucket = subject.bucket().await;
    for length in [1_000, 700_000] {
        let bytes = pattern(3, length);
        let end = length as u64;
        bucket.put("k", &bytes).await;
        let bounded = |first, last| StoredRange::Bounded { first, last };
        check_range(&bucket, &bytes, bounded(0, 0), 0, 1).await;
        check_range(&bucket, &bytes, bounded(10, 599), 10, 600).await;
        check_range(&bucket, &bytes, bounded(0, end - 1), 0, length).await;
        check_range(&bucket, &bytes, bounded(end - 1, end - 1), length - 1, length).await;
        check_range(&bucket, &bytes, bounded(1, end), 1, length).await;
        check_range(&bucket, &bytes, bounded(5, u64::MAX), 5, length).await;
        check_range(&bucket, &bytes, StoredRange::From { first: 0 }, 0, length).await;
        check_range(&bucket, &bytes, StoredRange::From { first: end - 1 }, length - 1, length).await;
        check_range(&bucket, &bytes, StoredRange::Suffix { bytes: 1 }, length - 1, length).await;
        check_range(&bucket, &bytes, StoredRange::Suffix { bytes: end }, 0, length).await;
        check_range(&bucket, &bytes, StoredRange::Suffix { bytes: end + 5 }, 0, length).await;
    }
}

pub(crate) async fn ranges_outside_are_refused(subject: &Subject) {
    let bucket = subject.bucket().await;
    bucket.put("k", &pattern(1, 1_000)).await;
    bucket.put("empty", b"").await;
    let outside = [
        ("k", StoredRange::Bounded { first: 1_000, last: 1_000 }, 1_000),
        ("k", StoredRange::Bounded { first: 5_000, last: 6_000 }, 1_000),
        ("k", StoredRange::From { first: 1_000 }, 1_000),
        ("k", StoredRange::Suffix { bytes: 0 }, 1_000),
        ("empty", StoredRange::Bounded { first: 0, last: 0 }, 0),
        ("empty", StoredRange::From { first: 0 }, 0),
    ];
    for (key, range, length) in outside {
        match bucket.get_range(key, range).await {
            Err(BackendError::RangeNotSatisfiable { stored_bytes }) => assert_eq!(stored_bytes, length, "{range:?}"),
            other => panic!("{range:?}: {other:?}"),
        }
    }
    let nothing = ObjectRef { key: "absent".to_owned(), ..bucket.object("k") };
    assert_refused!(
        bucket.backend.head(&nothing, &ReadConditions::default()).await,
        BackendError::NoSuchKey { delete_marker: None }
    );
}
