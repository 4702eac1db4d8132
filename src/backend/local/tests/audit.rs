//! Recounts a store: every count of use, every file, every row that names another.

use std::collections::BTreeMap;
use std::path::Path;

use redb::{ReadableDatabase, ReadableTable, TableDefinition};

use crate::backend::local::LocalStore;
use crate::backend::local::bodies::List;
use crate::backend::local::files::number_in;
use crate::backend::local::records::{Body, PartRecord, VersionRecord};
use crate::backend::local::tables::Snapshot;

#[derive(Default)]
struct Counts {
    blobs: BTreeMap<u64, u64>,
    lists: BTreeMap<u64, u64>,
}

impl Counts {
    fn body(&mut self, body: Body) {
        match body {
            Body::Empty => {}
            Body::Blob(blob) => *self.blobs.entry(blob.number()).or_default() += 1,
            Body::List(list) => *self.lists.entry(list).or_default() += 1,
        }
    }
}

/// Fails if a count is wrong, a file is missing, too short, or nobody's. Waits for removals first.
pub(super) fn audit(store: &LocalStore, root: &Path) {
    store.receiver.files.reaper().settle();
    let snapshot = Snapshot::of(&store.index).unwrap();
    let mut counts = Counts::default();
    let current = snapshot.current().unwrap();
    let versions = snapshot.versions().unwrap();
    let rows = current.iter().unwrap().map(|row| row.unwrap().1);
    for row in rows.chain(versions.iter().unwrap().map(|row| row.unwrap().1)) {
        if let VersionRecord::Object(object) = VersionRecord::decode(row.value()).unwrap() {
            counts.body(object.body);
        }
    }
    for row in snapshot.parts().unwrap().iter().unwrap() {
        counts.body(PartRecord::decode(row.unwrap().1.value()).unwrap().body);
    }
    for row in snapshot.lists().unwrap().iter().unwrap() {
        let (list, row) = row.unwrap();
        let uses = u64::from_be_bytes(*row.value().first_chunk().unwrap());
        assert_eq!(counts.lists.remove(&list.value()), Some(uses), "list {:x}", list.value());
        for blob in List::of_row(row.value()).unwrap().blobs() {
            *counts.blobs.entry(blob.number()).or_default() += 1;
        }
    }
    assert!(counts.lists.is_empty(), "lists are missing");
    for row in snapshot.rows().unwrap().iter().unwrap() {
        let (blob, row) = row.unwrap();
        assert_eq!(counts.blobs.remove(&blob.value()), Some(row.value().0), "row {:x}", blob.value());
    }
    let mut files = files(&root.join("blobs"));
    for row in snapshot.files().unwrap().iter().unwrap() {
        let (blob, row) = row.unwrap();
        let (uses, bytes) = row.value();
        assert_eq!(counts.blobs.remove(&blob.value()), Some(uses), "file {:x}", blob.value());
        assert_eq!(files.remove(&blob.value()), Some(bytes), "file {:x}", blob.value());
    }
    assert!(counts.blobs.is_empty(), "blobs are missing");
    assert!(files.is_empty(), "files that nobody uses");
    assert!(std::fs::read_dir(root.join("tmp")).unwrap().next().is_none(), "temporary files");
}

/// Number and length of the files under a folder, at any depth.
pub(super) fn files(folder: &Path) -> BTreeMap<u64, u64> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            let number = number_in(entry.file_name().to_str().unwrap()).unwrap();
            found.insert(number, entry.metadata().unwrap().len());
        }
    }
    found
}

#[test]
fn the_index_file_is_redb_with_the_format_row() {
    let root = tempfile::tempdir().unwrap();
    drop(LocalStore::open(root.path()).unwrap());
    let index = redb::Database::open(root.path().join("index")).unwrap();
    let meta: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
    let row = index.begin_read().unwrap().open_table(meta).unwrap().get("format").unwrap();
    assert_eq!(row.unwrap().value(), 1);
}
