//! Files that are missing, cut or emptied: an error, never a short success.

use std::fs::OpenOptions;
use std::path::PathBuf;

use futures::StreamExt;

use super::audit::files;
use super::{body, get, object, put_request, store_with_bucket};
use crate::backend::contract::{Bucket, assert_refused, pattern};
use crate::backend::local::LocalStore;
use crate::backend::{Backend, BackendError, BucketName, GetRequest, ReadConditions, StoredRange};

/// The only file of a store.
fn file_of(store: &LocalStore) -> PathBuf {
    let folder = store.receiver.files.blobs_folder();
    let found = files(folder);
    assert_eq!(found.len(), 1);
    let blob = super::super::ids::BlobId::of_file(*found.first_key_value().unwrap().0);
    super::super::files::path_of(folder, blob)
}

fn cut(path: &PathBuf, bytes: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

#[tokio::test]
async fn a_missing_file_is_damage() {
    let root = tempfile::tempdir().unwrap();
    let store = store_with_bucket(root.path()).await;
    store.put(put_request("k"), body(pattern(1, 100_000))).await.unwrap();
    std::fs::remove_file(file_of(&store)).unwrap();
    assert_refused!(get(&store, "k", None).await, BackendError::Damaged(_));
}

#[tokio::test]
async fn a_cut_file_is_damage_wherever_it_is_cut() {
    let root = tempfile::tempdir().unwrap();
    let store = store_with_bucket(root.path()).await;
    store.put(put_request("k"), body(pattern(1, 1_000_000))).await.unwrap();
    for bytes in [999_999, 500_000, 1, 0] {
        cut(&file_of(&store), bytes);
        assert_refused!(get(&store, "k", None).await, BackendError::Damaged(_));
    }
}

#[tokio::test]
async fn a_range_before_the_cut_is_still_read() {
    let root = tempfile::tempdir().unwrap();
    let store = store_with_bucket(root.path()).await;
    store.put(put_request("k"), body(pattern(1, 1_000_000))).await.unwrap();
    cut(&file_of(&store), 500_000);
    let range = |last| Some(StoredRange::Bounded { first: 1_000, last });
    assert!(get(&store, "k", range(499_999)).await.unwrap() == pattern(1, 1_000_000)[1_000..500_000]);
    assert_refused!(get(&store, "k", range(500_000)).await, BackendError::Damaged(_));
}

#[tokio::test]
async fn a_file_cut_under_its_reader_ends_the_stream_in_an_error() {
    let root = tempfile::tempdir().unwrap();
    let store = store_with_bucket(root.path()).await;
    store.put(put_request("k"), body(pattern(1, 4_000_000))).await.unwrap();
    let request = GetRequest { object: object("k"), range: None, conditions: ReadConditions::default() };
    let fetched = store.get(request).await.unwrap();
    cut(&file_of(&store), 2_000_000);
    let chunks: Vec<_> = fetched.stream.collect().await;
    let (last, before) = chunks.split_last().unwrap();
    assert!(before.iter().all(Result::is_ok));
    let error = last.as_ref().unwrap_err().downcast_ref::<BackendError>().unwrap();
    assert!(matches!(error, BackendError::Damaged(_)), "{error:?}");
}

#[tokio::test]
async fn a_missing_part_ends_the_stream_in_an_error() {
    let root = tempfile::tempdir().unwrap();
    let store = store_with_bucket(root.path()).await;
    let bucket = Bucket { backend: store.as_ref(), name: BucketName::new("b") };
    let upload = bucket.begin("k").await;
    let first = bucket.part(&upload, 1, &pattern(1, 300_000)).await;
    let second_file = {
        let before = files(store.receiver.files.blobs_folder());
        let second = bucket.part(&upload, 2, &pattern(2, 300_000)).await;
        let after = files(store.receiver.files.blobs_folder());
        bucket.complete(&upload, vec![first, second]).await.unwrap();
        *after.keys().find(|number| !before.contains_key(number)).unwrap()
    };
    let blob = super::super::ids::BlobId::of_file(second_file);
    std::fs::remove_file(super::super::files::path_of(store.receiver.files.blobs_folder(), blob)).unwrap();
    let request = GetRequest { object: object("k"), range: None, conditions: ReadConditions::default() };
    let chunks: Vec<_> = store.get(request).await.unwrap().stream.collect().await;
    assert!(chunks.first().unwrap().is_ok());
    assert!(chunks.last().unwrap().is_err());
    assert!(get(&store, "k", Some(StoredRange::From { first: 300_000 })).await.is_err());
}
