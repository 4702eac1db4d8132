//! Listings of current objects.

use std::time::{Duration, SystemTime};

use futures::stream::{self, StreamExt};

use super::{Bucket, Subject};
use crate::backend::{ListPage, ListRequest, ListStart};

async fn filled<'a>(subject: &'a Subject, keys: &[&str]) -> Bucket<'a> {
    let bucket = subject.bucket().await;
    for key in keys {
        bucket.put(key, b"x").await;
    }
    bucket
}

fn keys(page: &ListPage) -> Vec<&str> {
    page.objects.iter().map(|object| object.key.as_str()).collect()
}

/// All entries of a listing, in pages of `max`, with common prefixes marked.
pub(super) async fn by_token(bucket: &Bucket<'_>, request: &ListRequest, max: u32) -> Vec<String> {
    let mut request = ListRequest { max, ..request.clone() };
    let mut entries = Vec::new();
    loop {
        let page = bucket.list(request.clone()).await;
        assert!(page.objects.len() + page.common_prefixes.len() <= max as usize);
        entries.extend(merged(&page));
        let Some(token) = page.next_token else { return entries };
        assert!(page.next_marker.is_some() && !page.objects.is_empty() | !page.common_prefixes.is_empty());
        request.start = ListStart::Token(token);
    }
}

async fn by_marker(bucket: &Bucket<'_>, request: &ListRequest, max: u32) -> Vec<String> {
    let mut request = ListRequest { max, ..request.clone() };
    let mut entries = Vec::new();
    loop {
        let page = bucket.list(request.clone()).await;
        entries.extend(merged(&page));
        let Some(marker) = page.next_marker else { return entries };
        request.start = ListStart::AfterEntry(marker);
    }
}

fn merged(page: &ListPage) -> Vec<String> {
    assert!(page.objects.is_sorted_by(|one, next| one.key < next.key));
    assert!(page.common_prefixes.is_sorted_by(|one, next| one < next));
    let mut entries: Vec<_> = page.objects.iter().map(|object| object.key.clone()).collect();
    entries.extend(page.common_prefixes.iter().map(|prefix| format!("{prefix}*")));
    entries.sort_by(|one, next| one.trim_end_matches('*').cmp(next.trim_end_matches('*')));
    entries
}

pub(crate) async fn keys_come_in_order_of_utf8(subject: &Subject) {
    let bucket = filled(subject, &["b", "a", "\u{e000}", "😀", "é", "a/b", "a-b", "B", "aa", "\u{d7ff}"]).await;
    let expected = ["B", "a", "a-b", "a/b", "aa", "b", "é", "\u{d7ff}", "\u{e000}", "😀"];
    assert_eq!(bucket.keys().await, expected);
}

pub(crate) async fn a_prefix_selects(subject: &Subject) {
    let bucket = filled(subject, &["a", "ab", "ab/c", "abc", "ac", "b"]).await;
    let page = bucket.list(ListRequest { prefix: "ab".to_owned(), ..bucket.list_request() }).await;
    assert_eq!(keys(&page), ["ab", "ab/c", "abc"]);
    let page = bucket.list(ListRequest { prefix: "zz".to_owned(), ..bucket.list_request() }).await;
    assert!(page.objects.is_empty() && page.next_token.is_none());
}

const TREE: &[&str] = &["a", "a/", "a/1", "a/2/x", "a/2/y", "a/3", "b", "c/1", "c/2", "c//3", "d", "é/1", "é/2", "~"];

pub(crate) async fn a_delimiter_rolls_up(subject: &Subject) {
    let bucket = filled(subject, TREE).await;
    let rolled = ListRequest { delimiter: Some("/".to_owned()), ..bucket.list_request() };
    let page = bucket.list(rolled.clone()).await;
    assert_eq!(keys(&page), ["a", "b", "d", "~"]);
    assert_eq!(page.common_prefixes, ["a/", "c/", "é/"]);
    let page = bucket.list(ListRequest { prefix: "a/".to_owned(), ..rolled.clone() }).await;
    assert_eq!(keys(&page), ["a/", "a/1", "a/3"]);
    assert_eq!(page.common_prefixes, ["a/2/"]);
    let page = bucket.list(ListRequest { prefix: "c/".to_owned(), ..rolled }).await;
    assert_eq!((keys(&page), page.common_prefixes.clone()), (vec!["c/1", "c/2"], vec!["c//".to_owned()]));
}

pub(crate) async fn a_delimiter_of_many_characters_rolls_up(subject: &Subject) {
    let bucket = filled(subject, &["a--b", "a--c", "a-b", "ab--", "b"]).await;
    let page = bucket.list(ListRequest { delimiter: Some("--".to_owned()), ..bucket.list_request() }).await;
    assert_eq!(keys(&page), ["a-b", "b"]);
    assert_eq!(page.common_prefixes, ["a--", "ab--"]);
}

pub(crate) async fn pages_by_token_join_to_the_whole(subject: &Subject) {
    let bucket = filled(subject, TREE).await;
    for (prefix, delimiter) in [("", None), ("", Some("/")), ("a", Some("/")), ("a/", Some("/")), ("c", Some("2"))] {
        let request =
            ListRequest { prefix: prefix.to_owned(), delimiter: delimiter.map(str::to_owned), ..bucket.list_request() };
        let whole = merged(&bucket.list(request.clone()).await);
        assert!(!whole.is_empty());
        for max in 1..=4 {
            assert_eq!(by_token(&bucket, &request, max).await, whole, "{prefix:?} {delimiter:?} by {max}");
        }
    }
}

pub(crate) async fn pages_by_marker_join_to_the_whole(subject: &Subject) {
    let bucket = filled(subject, TREE).await;
    for delimiter in [None, Some("/".to_owned())] {
        let request = ListRequest { delimiter, ..bucket.list_request() };
        let whole = merged(&bucket.list(request.clone()).await);
        for max in 1..=3 {
            assert_eq!(by_marker(&bucket, &request, max).await, whole);
        }
    }
}

pub(crate) async fn a_page_of_none_is_empty_and_last(subject: &Subject) {
    let bucket = filled(subject, &["a", "b"]).await;
    let page = bucket.list(ListRequest { max: 0, ..bucket.list_request() }).await;
    assert!(page.objects.is_empty() && page.next_token.is_none());
}

pub(crate) async fn a_page_starts_after_a_key(subject: &Subject) {
    let bucket = filled(subject, TREE).await;
    for (start, expected) in [("", "a"), ("a", "a/"), ("a/2", "a/2/x"), ("a/3", "b"), ("bb", "c//3"), ("d", "~")] {
        let page =
            bucket.list(ListRequest { start: ListStart::AfterKey(start.to_owned()), ..bucket.list_request() }).await;
        assert_eq!(page.objects[0].key, expected, "after {start:?}");
    }
    let page = bucket
        .list(ListRequest {
            prefix: "c/".to_owned(),
            start: ListStart::AfterKey("a".to_owned()),
            ..bucket.list_request()
        })
        .await;
    assert_eq!(keys(&page), ["c//3", "c/1", "c/2"]);
}

pub(crate) async fn an_entry_tells_what_is_stored(subject: &Subject) {
    let bucket = subject.bucket().await;
    let written = bucket.put("k", &[1; 12_345]).await;
    let page = bucket.list(bucket.list_request()).await;
    let entry = &page.objects[0];
    assert_eq!((&entry.etag, entry.stored_bytes), (&written.etag, 12_345));
    let age = SystemTime::now().duration_since(entry.last_modified).unwrap_or_default();
    assert!(age < Duration::from_mins(10));
}

pub(crate) async fn many_keys_are_paged_in_order(subject: &Subject) {
    let bucket = subject.bucket().await;
    let key = |n: usize| format!("{}/{:05}", ["x", "y", "z/z"][n % 3], n);
    let mut expected: Vec<_> = (0..subject.many_keys).map(key).collect();
    stream::iter(&expected).for_each_concurrent(64, |key| async { drop(bucket.put(key, b"").await) }).await;
    expected.sort();
    assert_eq!(by_token(&bucket, &bucket.list_request(), 1000).await, expected);
    let request = ListRequest { delimiter: Some("/".to_owned()), ..bucket.list_request() };
    assert_eq!(by_token(&bucket, &request, 1000).await, ["x/*", "y/*", "z/*"]);
    let request = ListRequest { prefix: "z/".to_owned(), ..request };
    assert_eq!(by_token(&bucket, &request, 1000).await, ["z/z/*"]);
}
