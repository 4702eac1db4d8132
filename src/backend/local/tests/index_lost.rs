//! An index that is missing, empty, or an older copy: no body is lost, and nobody is told that all is well.

use std::fs;
use std::path::Path;

use super::audit::{audit, files};
use super::{body, get, put_request, store_with_bucket};
use crate::backend::Backend as _;
use crate::backend::contract::pattern;
use crate::backend::local::ids::{self, BlobId};
use crate::backend::local::{LocalStore, OpenError};

/// Bodies that the folder holds, wherever they are.
fn bodies(root: &Path) -> usize {
    let folders = fs::read_dir(root).unwrap().map(|entry| entry.unwrap());
    let holds_bodies = |name: &str| name.starts_with("blobs");
    let there = folders.filter(|entry| holds_bodies(entry.file_name().to_str().unwrap()));
    there.map(|entry| files(&entry.path()).len()).sum()
}

/// Opens the store and waits for the sweep.
fn opened(root: &Path) -> Result<LocalStore, OpenError> {
    let mut store = LocalStore::open(root)?;
    store.threads.pop().unwrap().join().unwrap();
    Ok(store)
}

/// A store that held so many bodies, closed again.
async fn filled(root: &Path, keys: std::ops::Range<u8>) {
    let store = store_with_bucket_or_open(root).await;
    for key in keys {
        store.put(put_request(&format!("k{key}")), body(pattern(key, 100_000))).await.unwrap();
    }
}

async fn store_with_bucket_or_open(root: &Path) -> std::sync::Arc<LocalStore> {
    if root.join("index").exists() { std::sync::Arc::new(opened(root).unwrap()) } else { store_with_bucket(root).await }
}

#[tokio::test]
async fn bodies_without_an_index_keep_the_store_closed_however_often_it_is_tried() {
    for is_empty in [false, true] {
        let root = tempfile::tempdir().unwrap();
        filled(root.path(), 0..10).await;
        fs::remove_file(root.path().join("index")).unwrap();
        if is_empty {
            fs::write(root.path().join("index"), b"").unwrap();
        }
        for _ in 0..3 {
            let refusal = opened(root.path()).err().unwrap();
            assert!(matches!(refusal, OpenError::WithoutIndex(_)), "{refusal}");
            assert!(refusal.to_string().contains("--new-store"), "{refusal}");
        }
        assert_eq!(bodies(root.path()), 10);
    }
}

#[tokio::test]
async fn an_older_copy_of_the_index_keeps_the_store_closed_however_often_it_is_tried() {
    let root = tempfile::tempdir().unwrap();
    filled(root.path(), 0..10).await;
    let copy = fs::read(root.path().join("index")).unwrap();
    filled(root.path(), 10..20).await;
    fs::write(root.path().join("index"), copy).unwrap();
    for _ in 0..3 {
        let refusal = opened(root.path()).err().unwrap();
        assert!(matches!(refusal, OpenError::OldIndex(_)), "{refusal}");
    }
    assert_eq!(bodies(root.path()), 20);
}

#[tokio::test]
async fn a_new_store_begins_beside_what_is_moved_aside() {
    let root = tempfile::tempdir().unwrap();
    filled(root.path(), 0..10).await;
    fs::remove_file(root.path().join("index")).unwrap();
    LocalStore::set_aside(root.path()).unwrap();
    filled(root.path(), 0..1).await;
    assert_eq!(bodies(root.path()), 11);
    assert_eq!(files(&root.path().join("blobs")).len(), 1);
}

#[tokio::test]
async fn a_store_that_is_well_is_not_moved_aside() {
    let root = tempfile::tempdir().unwrap();
    filled(root.path(), 0..3).await;
    LocalStore::set_aside(root.path()).unwrap();
    let store = opened(root.path()).unwrap();
    assert!(get(&store, "k2", None).await.unwrap() == pattern(2, 100_000));
}

#[tokio::test]
async fn leftovers_are_moved_aside_at_the_next_start() {
    let root = tempfile::tempdir().unwrap();
    filled(root.path(), 0..1).await;
    let unknown = BlobId::of_file(ids::first_of_epoch(1) + 700_000);
    let place = crate::backend::local::files::path_of(&root.path().join("blobs"), unknown);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(&place, b"placed, never committed").unwrap();
    fs::write(root.path().join("tmp/0000010000000009"), b"half").unwrap();
    let store = opened(root.path()).unwrap();
    audit(&store, root.path());
    assert!(get(&store, "k0", None).await.unwrap() == pattern(0, 100_000));
    let aside = fs::read_dir(root.path().join("unknown")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::read(aside.join(place.file_name().unwrap())).unwrap(), b"placed, never committed");
}

#[tokio::test]
async fn what_was_moved_aside_is_removed_after_thirty_days() {
    let root = tempfile::tempdir().unwrap();
    filled(root.path(), 0..1).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let (old, young) = (now - 31 * 24 * 3600, now - 29 * 24 * 3600);
    for found in [old, young] {
        fs::create_dir_all(root.path().join(format!("unknown/{found}"))).unwrap();
    }
    drop(opened(root.path()).unwrap());
    assert!(!root.path().join(format!("unknown/{old}")).exists());
    assert!(root.path().join(format!("unknown/{young}")).exists());
}
