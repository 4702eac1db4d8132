//! Versions and delete markers.

use super::{Bucket, Feature, Subject, assert_refused, pattern};
use crate::backend::{
    BackendError, GetRequest, ListVersionsRequest, ListedVersion, ReadConditions, StoredRange, VersionId, Versioning,
};

fn request(bucket: &Bucket<'_>) -> ListVersionsRequest {
    ListVersionsRequest {
        bucket: bucket.name.clone(),
        prefix: String::new(),
        delimiter: None,
        key_marker: None,
        version_id_marker: None,
        max: 1000,
    }
}

async fn versions(bucket: &Bucket<'_>) -> Vec<ListedVersion> {
    bucket.backend.list_versions(request(bucket)).await.unwrap().versions
}

/// Key, version, `*` for the latest, `!` for a marker.
fn line(version: &ListedVersion) -> String {
    let latest = if version.is_latest { "*" } else { "" };
    let marker = if version.object.is_none() { "!" } else { "" };
    format!("{} {}{latest}{marker}", version.key, version.version_id)
}

pub(crate) async fn each_write_makes_a_version(subject: &Subject) {
    if !subject.has(Feature::Versioning) {
        return;
    }
    let bucket = subject.versioned_bucket().await;
    let bodies = [pattern(1, 100), pattern(2, 100_000), Vec::new()];
    let mut ids = Vec::new();
    for bytes in &bodies {
        ids.push(bucket.put("k", bytes).await.version_id.unwrap());
    }
    assert!(bucket.get("k").await.unwrap() == bodies[2]);
    for (id, bytes) in ids.iter().zip(&bodies) {
        assert!(bucket.get_object(bucket.version("k", id)).await.unwrap() == *bytes);
    }
    assert_eq!(bucket.head("k").await.unwrap().version_id, ids.pop());
}

pub(crate) async fn a_delete_lays_a_marker(subject: &Subject) {
    if !subject.has(Feature::Versioning) {
        return;
    }
    let bucket = subject.versioned_bucket().await;
    let id = bucket.put("k", b"bytes").await.version_id.unwrap();
    let deleted = bucket.delete("k").await;
    assert!(deleted.delete_marker);
    match bucket.get("k").await {
        Err(BackendError::NoSuchKey { delete_marker }) => assert_eq!(delete_marker, deleted.version_id),
        other => panic!("{other:?}"),
    }
    assert!(bucket.keys().await.is_empty());
    assert_eq!(bucket.get_object(bucket.version("k", &id)).await.unwrap(), b"bytes");
}

pub(crate) async fn deleting_the_marker_brings_the_object_back(subject: &Subject) {
    if !subject.has(Feature::Versioning) {
        return;
    }
    let bucket = subject.versioned_bucket().await;
    bucket.put("k", &pattern(1, 100_000)).await;
    let marker = bucket.delete("k").await.version_id.unwrap();
    let deleted = bucket.delete_version("k", &marker).await;
    assert_eq!((deleted.delete_marker, deleted.version_id), (true, Some(marker)));
    assert!(bucket.get("k").await.unwrap() == pattern(1, 100_000));
    assert_eq!(bucket.keys().await, ["k"]);
}

pub(crate) async fn deleting_the_newest_uncovers_the_next(subject: &Subject) {
    if !subject.has(Feature::Versioning) {
        return;
    }
    let bucket = subject.versioned_bucket().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(bucket.put("k", &pattern(n, 20_000)).await.version_id.unwrap());
    }
    bucket.delete_version("k", &ids[1]).await;
    assert!(bucket.get("k").await.unwrap() == pattern(2, 20_000));
    bucket.delete_version("k", &ids[2]).await;
    assert!(bucket.get("k").await.unwrap() == pattern(0, 20_000));
    bucket.delete_version("k", &ids[0]).await;
    assert_refused!(bucket.get("k").await, BackendError::NoSuchKey { delete_marker: None });
    assert!(versions(&bucket).await.is_empty());
}

pub(crate) async fn a_marker_cannot_be_read(subject: &Subject) {
    if !subject.has(Feature::Versioning) {
        return;
    }
    let bucket = subject.versioned_bucket().await;
    let marker = bucket.delete("k").await.version_id.unwrap();
    match bucket.get_object(bucket.version("k", &marker)).await {
        Err(BackendError::IsDeleteMarker { version_id, .. }) => assert_eq!(version_id, marker),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn an_absent_version_is_refused(subject: &Subject) {
    if !subject.has(Feature::Versioning) {
        return;
    }
    let bucket = subject.versioned_bucket().await;
    bucket.put("k", b"bytes").await;
    let gone = bucket.put("k", b"more").await.version_id.unwrap();
    bucket.delete_version("k", &gone).await;
    assert_refused!(bucket.get_object(bucket.version("k", &gone)).await, BackendError::NoSuchVersion);
    assert_refused!(bucket.get_object(bucket.version("other", &gone)).await, BackendError::NoSuchVersion);
    bucket.delete_version("k", &gone).await;
    assert_eq!(bucket.get("k").await.unwrap(), b"bytes");
}

pub(crate) async fn the_null_version_outlives_switching_on(subject: &Subject) {
    if !subject.has(Feature::Versioning) {
        return;
    }
    let bucket = subject.bucket().await;
    assert_eq!(bucket.put("k", b"first").await.version_id, None);
    bucket.set_versioning(Versioning::Enabled).await;
    bucket.put("k", b"second").await;
    let null = VersionId::new("null");
    assert_eq!(bucket.get("k").await.unwrap(), b"second");
    assert_eq!(bucket.get_object(bucket.version("k", &null)).await.unwrap(), b"first");
    bucket.delete_version("k", &null).await;
    assert_refused!(bucket.get_object(bucket.version("k", &null)).await, BackendError::NoSuchVersion);
    assert_eq!(versions(&bucket).await.len(), 1);
}

pub(crate) async fn suspended_writes_replace_the_null_version(subject: &Subject) {
    if !subject.has(Feature::Versioning) {
        return;
    }
    let bucket = subject.bucket().await;
    bucket.put("k", &pattern(1, 20_000)).await;
    bucket.set_versioning(Versioning::Enabled).await;
    let id = bucket.put("k", b"enabled").await.version_id.unwrap();
    bucket.set_versioning(Versioning::Suspended).await;
    for n in 2..5 {
        bucket.put("k", &pattern(n, 20_000)).await;
    }
    let lines: Vec<_> = versions(&bucket).await.iter().map(line).collect();
    assert_eq!(lines, ["k null*".to_owned(), format!("k {id}")]);
    assert!(bucket.get("k").await.unwrap() == pattern(4, 20_000));
    assert_eq!(bucket.get_object(bucket.version("k", &id)).await.unwrap(), b"enabled");
}

pub(crate) async fn a_suspended_delete_replaces_the_null_version(subject: &Subject) {
    if !subject.has(Feature::Versioning) {
        return;
    }
    let bucket = subject.versioned_bucket().await;
    let id = bucket.put("k", b"enabled").await.version_id.unwrap();
    bucket.set_versioning(Versioning::Suspended).await;
    bucket.put("k", b"null").await;
    assert!(bucket.delete("k").await.delete_marker);
    assert!(bucket.delete("k").await.delete_marker);
    let lines: Vec<_> = versions(&bucket).await.iter().map(line).collect();
    assert_eq!(lines, ["k null*!".to_owned(), format!("k {id}")]);
    bucket.delete_version("k", &VersionId::new("null")).await;
    assert_eq!(bucket.get("k").await.unwrap(), b"enabled");
}

/// Keys `a`, `b`, `c`, each written three times; `b` is deleted, of `a` the newest version is gone.
async fn history(subject: &Subject) -> Bucket<'_> {
    let bucket = subject.bucket().await;
    for key in ["a", "b", "c"] {
        bucket.put(key, b"null").await;
    }
    bucket.set_versioning(Versioning::Enabled).await;
    for n in 0..3 {
        for key in ["a", "b", "c"] {
            let id = bucket.put(key, &[n; 10]).await.version_id.unwrap();
            if (key, n) == ("a", 2) {
                bucket.delete_version(key, &id).await;
            }
        }
    }
    bucket.delete("b").await;
    bucket
}

pub(crate) async fn versions_are_listed_newest_first(subject: &Subject) {
    if !subject.has(Feature::Versioning) {
        return;
    }
    let bucket = history(subject).await;
    let listed = versions(&bucket).await;
    let keys: String = listed.iter().map(|version| version.key.as_str()).collect();
    assert_eq!(keys, "aaabbbbbcccc");
    let latest: Vec<_> = (0..listed.len()).filter(|at| listed[*at].is_latest).collect();
    assert_eq!(latest, [0, 3, 8]);
    let markers: Vec<_> = (0..listed.len()).filter(|at| listed[*at].object.is_none()).collect();
    assert_eq!(markers, [3]);
    let nulls: Vec<_> = (0..listed.len()).filter(|at| listed[*at].version_id.as_str() == "null").collect();
    assert_eq!(nulls, [2, 7, 11]);
    for version in listed.iter().filter(|version| version.object.is_some()) {
        let info = bucket
            .backend
            .head(&bucket.version(&version.key, &version.version_id), &ReadConditions::default())
            .await
            .unwrap();
        assert_eq!(Some(info.etag), version.object.as_ref().map(|object| object.etag.clone()));
    }
}

pub(crate) async fn pages_of_versions_join_to_the_whole(subject: &Subject) {
    if !subject.has(Feature::Versioning) {
        return;
    }
    let bucket = history(subject).await;
    let whole: Vec<_> = versions(&bucket).await.iter().map(line).collect();
    for max in 1..=5 {
        let mut request = ListVersionsRequest { max, ..request(&bucket) };
        let mut lines = Vec::new();
        loop {
            let page = bucket.backend.list_versions(request.clone()).await.unwrap();
            lines.extend(page.versions.iter().map(line));
            let Some((key, version)) = page.next else { break };
            (request.key_marker, request.version_id_marker) = (Some(key), version);
        }
        assert_eq!(lines, whole, "by {max}");
    }
}

pub(crate) async fn a_bucket_is_emptied_page_by_page(subject: &Subject) {
    if !subject.has(Feature::Versioning) {
        return;
    }
    let bucket = history(subject).await;
    let mut request = ListVersionsRequest { max: 2, ..request(&bucket) };
    loop {
        let page = bucket.backend.list_versions(request.clone()).await.unwrap();
        for version in &page.versions {
            bucket.delete_version(&version.key, &version.version_id).await;
        }
        let Some((key, version)) = page.next else { break };
        (request.key_marker, request.version_id_marker) = (Some(key), version);
    }
    bucket.backend.delete_bucket(&bucket.name).await.unwrap();
}

pub(crate) async fn versions_under_a_prefix_are_rolled_up(subject: &Subject) {
    if !subject.has(Feature::Versioning) {
        return;
    }
    let bucket = subject.versioned_bucket().await;
    for key in ["a/1", "a/2", "b", "c/1", "c/1"] {
        bucket.put(key, b"x").await;
    }
    bucket.delete("c/2").await;
    let rolled = ListVersionsRequest { delimiter: Some("/".to_owned()), ..request(&bucket) };
    let page = bucket.backend.list_versions(rolled.clone()).await.unwrap();
    assert_eq!(page.common_prefixes, ["a/", "c/"]);
    assert_eq!(page.versions.iter().map(|version| version.key.as_str()).collect::<Vec<_>>(), ["b"]);
    let first = bucket.backend.list_versions(ListVersionsRequest { max: 1, ..rolled.clone() }).await.unwrap();
    let (key, version) = first.next.unwrap();
    let behind = ListVersionsRequest { key_marker: Some(key), version_id_marker: version, ..rolled };
    let rest = bucket.backend.list_versions(behind).await.unwrap();
    assert_eq!((rest.common_prefixes, rest.versions.len()), (vec!["c/".to_owned()], 1));
}

pub(crate) async fn tags_belong_to_a_version(subject: &Subject) {
    if !subject.has(Feature::Versioning) || !subject.has(Feature::Tags) {
        return;
    }
    let bucket = subject.versioned_bucket().await;
    let old = bucket.put("k", b"old").await.version_id.unwrap();
    let new = bucket.put("k", b"new").await.version_id.unwrap();
    let tags = vec![("a".to_owned(), "1".to_owned())];
    bucket.backend.set_tags(&bucket.version("k", &old), tags.clone()).await.unwrap();
    assert_eq!(bucket.backend.tags(&bucket.version("k", &old)).await.unwrap().0, tags);
    assert_eq!(bucket.backend.tags(&bucket.object("k")).await.unwrap(), (Vec::new(), Some(new)));
}

pub(crate) async fn the_current_listing_shows_no_hidden_version(subject: &Subject) {
    if !subject.has(Feature::Versioning) {
        return;
    }
    let bucket = history(subject).await;
    assert_eq!(bucket.keys().await, ["a", "c"]);
}

pub(crate) async fn a_version_is_read_by_range(subject: &Subject) {
    if !subject.has(Feature::Versioning) {
        return;
    }
    let bucket = subject.versioned_bucket().await;
    let id = bucket.put("k", &pattern(1, 100_000)).await.version_id.unwrap();
    bucket.put("k", b"new").await;
    let range = Some(StoredRange::Bounded { first: 50_000, last: 50_009 });
    let conditions = ReadConditions::default();
    let fetched = bucket.backend.get(GetRequest { object: bucket.version("k", &id), range, conditions }).await.unwrap();
    assert_eq!((fetched.first, fetched.info.stored_bytes), (50_000, 100_000));
    assert!(super::collect(fetched.stream).await.unwrap() == pattern(1, 100_000)[50_000..50_010]);
}
