//! What only this store promises: its files, its crashes, its limits. Every case of the contract ends in an audit.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use futures::{FutureExt, StreamExt, TryStreamExt};
use tempfile::TempDir;

use self::audit::{audit, files};
use super::*;
use crate::backend::contract::{Bucket, Subject, assert_refused, pattern};
use crate::backend::{ListStart, Metadata, StoredRange, WriteConditions};

mod audit;
mod crash;
mod damage;
mod index_lost;
mod parts;

fn body(bytes: Vec<u8>) -> SealedBody {
    let length = bytes.len() as u64;
    let stream = futures::stream::iter([Ok(bytes::Bytes::from(bytes))]);
    SealedBody { bytes: length, stream: Box::pin(stream), late_metadata: None }
}

fn object(key: &str) -> ObjectRef {
    ObjectRef { bucket: BucketName::new("b"), key: key.to_owned(), version_id: None }
}

fn put_request(key: &str) -> PutRequest {
    PutRequest {
        bucket: BucketName::new("b"),
        key: key.to_owned(),
        metadata: Metadata::default(),
        tags: Vec::new(),
        conditions: WriteConditions::default(),
    }
}

async fn get(store: &LocalStore, key: &str, range: Option<StoredRange>) -> Result<Vec<u8>> {
    let conditions = ReadConditions::default();
    let fetched = store.get(GetRequest { object: object(key), range, conditions }).await?;
    let chunks: Vec<_> = fetched.stream.try_collect().await.map_err(BackendError::Body)?;
    Ok(chunks.concat())
}

async fn store_with_bucket(root: &Path) -> Arc<LocalStore> {
    let store = LocalStore::open(root).unwrap();
    store.create_bucket(&BucketName::new("b")).await.unwrap();
    Arc::new(store)
}

/// Looks a store over when its test is done.
struct Audited(TempDir);

impl Drop for Audited {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let mut store = LocalStore::open(self.0.path()).unwrap();
            store.threads.pop().unwrap().join().unwrap();
            audit(&store, self.0.path());
        }
    }
}

async fn subject() -> Subject {
    let root = Audited(tempfile::tempdir().unwrap());
    let store = LocalStore::open(root.0.path()).unwrap();
    Subject::new(Arc::new(store), root)
}

mod contract {
    use super::subject;

    crate::backend::contract::contract!(subject);
}

#[tokio::test]
async fn what_was_put_is_read_after_reopening() {
    let root = tempfile::tempdir().unwrap();
    let (small, large) = (pattern(1, 100), pattern(2, 3_000_000));
    let store = store_with_bucket(root.path()).await;
    store.put(put_request("small"), body(small.clone())).await.unwrap();
    store.put(put_request("large"), body(large.clone())).await.unwrap();
    drop(store);
    let store = LocalStore::open(root.path()).unwrap();
    assert!(get(&store, "small", None).await.unwrap() == small);
    assert!(get(&store, "large", None).await.unwrap() == large);
    let list = ListRequest {
        bucket: BucketName::new("b"),
        prefix: String::new(),
        delimiter: None,
        start: ListStart::Beginning,
        max: 10,
    };
    assert_eq!(store.list(list).await.unwrap().objects.len(), 2);
}

#[tokio::test]
async fn a_file_is_removed_after_its_last_reader() {
    let root = tempfile::tempdir().unwrap();
    let store = store_with_bucket(root.path()).await;
    store.put(put_request("k"), body(pattern(1, 1_000_000))).await.unwrap();
    let request = GetRequest { object: object("k"), range: None, conditions: ReadConditions::default() };
    let reading = store.get(request).await.unwrap();
    store.put(put_request("k"), body(pattern(2, 900_000))).await.unwrap();
    store.receiver.files.reaper().settle();
    assert_eq!(files(&root.path().join("blobs")).len(), 2);
    let chunks: Vec<_> = reading.stream.try_collect().await.unwrap();
    assert!(chunks.concat() == pattern(1, 1_000_000));
    audit(&store, root.path());
}

#[tokio::test]
async fn a_store_is_open_once() {
    let root = tempfile::tempdir().unwrap();
    let store = store_with_bucket(root.path()).await;
    let refusal = LocalStore::open(root.path()).err().unwrap();
    assert!(matches!(refusal, OpenError::InUse(_)));
    assert!(refusal.to_string().contains(root.path().to_str().unwrap()));
    drop(store);
    LocalStore::open(root.path()).unwrap();
}

#[test]
fn a_format_of_the_future_is_refused_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    drop(LocalStore::open(root.path()).unwrap());
    let set = |format: u64| {
        let index = Database::open(root.path().join("index")).unwrap();
        let txn = index.begin_write().unwrap();
        let before = txn.open_table(tables::META).unwrap().insert("format", format).unwrap().map(|row| row.value());
        txn.commit().unwrap();
        before
    };
    set(2);
    assert!(matches!(LocalStore::open(root.path()), Err(OpenError::Format { found: 2, .. })));
    assert_eq!(set(1), Some(2));
    LocalStore::open(root.path()).unwrap();
}

#[tokio::test]
async fn files_and_folders_are_private() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("new/store");
    let store = store_with_bucket(&folder).await;
    store.put(put_request("k"), body(pattern(1, 100_000))).await.unwrap();
    let mut left = vec![folder];
    while let Some(path) = left.pop() {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}

#[tokio::test]
async fn an_upload_that_is_dropped_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let store = store_with_bucket(root.path()).await;
    let (gone, stalled) = futures::channel::oneshot::channel::<()>();
    let pieces = futures::stream::iter([Ok(bytes::Bytes::from(vec![1; 600_000]))]);
    let end = stalled.map(|_| Err("never".into())).into_stream();
    let sealed = SealedBody { bytes: 1_000_000, stream: Box::pin(pieces.chain(end)), late_metadata: None };
    {
        let mut put = std::pin::pin!(store.put(put_request("k"), sealed));
        while std::fs::read_dir(root.path().join("tmp")).unwrap().next().is_none() {
            assert!(put.as_mut().now_or_never().is_none());
            tokio::task::yield_now().await;
        }
    }
    drop(gone);
    assert_refused!(get(&store, "k", None).await, BackendError::NoSuchKey { .. });
    audit(&store, root.path());
}

#[tokio::test]
async fn an_object_of_a_thousand_extents_is_read_and_released() {
    let root = tempfile::tempdir().unwrap();
    let store = store_with_bucket(root.path()).await;
    let bucket = Bucket { backend: store.as_ref(), name: BucketName::new("b") };
    let bytes = pattern(1, 300_000);
    bucket.put("from", &bytes).await;
    bucket.put("small", &bytes[..100]).await;
    let upload = bucket.begin("k").await;
    let (mut parts, mut whole) = (Vec::new(), Vec::new());
    for number in 1..=1000_u32 {
        let first = number as usize * 200;
        let (key, range) = if number % 3 == 0 { ("small", 5..95) } else { ("from", first..first + 500) };
        whole.extend_from_slice(&bytes[range.clone()]);
        let range = Some((range.start as u64, range.end as u64 - 1));
        let source = PartSource { object: object(key), range, conditions: ReadConditions::default() };
        let part = PartRef { upload: upload.clone(), number };
        parts.push((number, store.copy_part(&part, source).await.unwrap().etag));
    }
    bucket.complete(&upload, parts).await.unwrap();
    bucket.delete("from").await;
    bucket.copy("k", "copy").await.unwrap();
    assert!(bucket.get("k").await.unwrap() == whole);
    audit(&store, root.path());
    for key in ["k", "copy", "small"] {
        bucket.delete(key).await;
    }
    audit(&store, root.path());
    assert!(files(&root.path().join("blobs")).is_empty());
}
