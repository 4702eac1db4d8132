//! The tables of the index, for one write transaction ([`Tables`]) and for one reading of a moment ([`Snapshot`]).
//!
//! | table    | key                        | value                                              |
//! |----------|----------------------------|----------------------------------------------------|
//! | meta     | name                       | format version, epoch                              |
//! | buckets  | name                       | [`BucketRecord`]                                   |
//! | current  | bucket, key                | [`ObjectRecord`]: the newest version, if an object |
//! | versions | bucket, key, inverted seq  | every other version and every delete marker        |
//! | nulls    | bucket, key                | seq of the null version among `versions`           |
//! | files    | blob                       | how many bodies use it, its bytes                  |
//! | rows     | blob                       | how many bodies use it, the bytes themselves       |
//! | lists    | list                       | extents of a body: see [`super::bodies`]           |
//! | uploads  | bucket, key, seq           | [`UploadRecord`]                                   |
//! | parts    | seq of the upload, number  | `PartRecord`                                       |
//!
//! A listing of current objects walks `current` alone: versions hidden under keys cost it nothing. Keys compare as
//! bytes of UTF-8, which is S3's order. The newest version of a key stands first, for its seq is inverted.

use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition};
use redb::{TableError, WriteTransaction};

use super::bodies;
use super::ids::{BlobId, IdSource};
use super::records::{BucketRecord, ObjectRecord, UploadRecord, VersionRecord};
use crate::backend::{BackendError, BucketName, Result, UploadRef};

pub(super) type Bytes = &'static [u8];
pub(super) type KeyOfBucket = (u64, &'static str);
pub(super) type KeyAndSeq = (u64, &'static str, u64);

pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const BUCKETS: TableDefinition<'_, &str, Bytes> = TableDefinition::new("buckets");
const CURRENT: TableDefinition<'_, KeyOfBucket, Bytes> = TableDefinition::new("current");
const VERSIONS: TableDefinition<'_, KeyAndSeq, Bytes> = TableDefinition::new("versions");
const NULLS: TableDefinition<'_, KeyOfBucket, u64> = TableDefinition::new("nulls");
const FILES: TableDefinition<'_, u64, (u64, u64)> = TableDefinition::new("files");
const ROWS: TableDefinition<'_, u64, (u64, Bytes)> = TableDefinition::new("rows");
const LISTS: TableDefinition<'_, u64, Bytes> = TableDefinition::new("lists");
const UPLOADS: TableDefinition<'_, KeyAndSeq, Bytes> = TableDefinition::new("uploads");
const PARTS: TableDefinition<'_, (u64, u32), Bytes> = TableDefinition::new("parts");

/// The tables, open for a write transaction.
pub(super) struct Tables<'t> {
    pub(super) buckets: Table<'t, &'static str, Bytes>,
    pub(super) current: Table<'t, KeyOfBucket, Bytes>,
    pub(super) versions: Table<'t, KeyAndSeq, Bytes>,
    pub(super) nulls: Table<'t, KeyOfBucket, u64>,
    pub(super) files: Table<'t, u64, (u64, u64)>,
    pub(super) rows: Table<'t, u64, (u64, Bytes)>,
    pub(super) lists: Table<'t, u64, Bytes>,
    pub(super) uploads: Table<'t, KeyAndSeq, Bytes>,
    pub(super) parts: Table<'t, (u64, u32), Bytes>,
    pub(super) ids: &'t IdSource,
    /// files that no body uses once this transaction is committed
    pub(super) retired: Vec<BlobId>,
}

impl<'t> Tables<'t> {
    /// Opens all tables, creating those that are not there.
    pub(super) fn open(txn: &'t WriteTransaction, ids: &'t IdSource) -> Result<Self> {
        Ok(Self {
            buckets: txn.open_table(BUCKETS)?,
            current: txn.open_table(CURRENT)?,
            versions: txn.open_table(VERSIONS)?,
            nulls: txn.open_table(NULLS)?,
            files: txn.open_table(FILES)?,
            rows: txn.open_table(ROWS)?,
            lists: txn.open_table(LISTS)?,
            uploads: txn.open_table(UPLOADS)?,
            parts: txn.open_table(PARTS)?,
            ids,
            retired: Vec::new(),
        })
    }
}

/// The index at one moment.
pub(super) struct Snapshot(ReadTransaction);

impl Snapshot {
    pub(super) fn of(index: &Database) -> Result<Self> {
        Ok(Self(index.begin_read()?))
    }
}

/// Gives tables by name; those of a [`View`] from both kinds of transaction alike.
macro_rules! tables_by_name {
    (viewed { $($viewed:tt)* } others { $($other:tt)* }) => {
        tables_by_name!(snapshot $($viewed)*);
        tables_by_name!(writer $($viewed)*);
        tables_by_name!(snapshot $($other)*);
    };
    (snapshot $($name:ident: $key:ty => $value:ty = $table:ident,)*) => {
        impl Snapshot {
            $(pub(super) fn $name(&self) -> std::result::Result<ReadOnlyTable<$key, $value>, TableError> {
                self.0.open_table($table)
            })*
        }
    };
    (writer $($name:ident: $key:ty => $value:ty = $table:ident,)*) => {
        impl<'t> Tables<'t> {
            $(#[allow(clippy::unnecessary_wraps, reason = "the other kind of transaction can fail here")]
            fn $name(&self) -> Result<&Table<'t, $key, $value>> {
                Ok(&self.$name)
            })*
        }
    };
}

tables_by_name! {
    viewed {
        buckets: &'static str => Bytes = BUCKETS,
        current: KeyOfBucket => Bytes = CURRENT,
        versions: KeyAndSeq => Bytes = VERSIONS,
        nulls: KeyOfBucket => u64 = NULLS,
        rows: u64 => (u64, Bytes) = ROWS,
        lists: u64 => Bytes = LISTS,
        uploads: KeyAndSeq => Bytes = UPLOADS,
    }
    others {
        files: u64 => (u64, u64) = FILES,
        parts: (u64, u32) => Bytes = PARTS,
    }
}

/// Lookups that a snapshot and a write transaction both answer.
pub(super) trait View {
    /// A bucket, or `NoSuchBucket`.
    fn bucket(&self, name: &BucketName) -> Result<BucketRecord>;
    /// The current object of a key.
    fn current_object(&self, bucket: u64, key: &str) -> Result<Option<ObjectRecord>>;
    /// A version that is not the current object.
    fn older_version(&self, bucket: u64, key: &str, seq: u64) -> Result<Option<VersionRecord>>;
    /// The newest of those.
    fn newest_older_version(&self, bucket: u64, key: &str) -> Result<Option<VersionRecord>>;
    /// The null version among those.
    fn older_null(&self, bucket: u64, key: &str) -> Result<Option<VersionRecord>>;
    /// The extents of `bytes` bytes from `first` of a list.
    fn extents(&self, list: u64, first: u64, bytes: u64) -> Result<Vec<bodies::Extent>>;
    /// The bytes of a blob that is kept in the index.
    fn row_bytes(&self, blob: BlobId) -> Result<Option<bytes::Bytes>>;
    /// The id of the bucket and the open upload, or `NoSuchUpload`.
    fn upload(&self, upload: &UploadRef) -> Result<(BucketRecord, UploadRecord)>;
}

macro_rules! impl_view {
    ($kind:ty) => {
        impl View for $kind {
            fn bucket(&self, name: &BucketName) -> Result<BucketRecord> {
                let table = self.buckets()?;
                let row = table.get(name.as_str())?.ok_or(BackendError::NoSuchBucket)?;
                BucketRecord::decode(row.value())
            }

            fn current_object(&self, bucket: u64, key: &str) -> Result<Option<ObjectRecord>> {
                let table = self.current()?;
                table.get((bucket, key))?.map(|row| ObjectRecord::decode(row.value())).transpose()
            }

            fn older_version(&self, bucket: u64, key: &str, seq: u64) -> Result<Option<VersionRecord>> {
                let table = self.versions()?;
                table.get((bucket, key, !seq))?.map(|row| VersionRecord::decode(row.value())).transpose()
            }

            fn newest_older_version(&self, bucket: u64, key: &str) -> Result<Option<VersionRecord>> {
                let table = self.versions()?;
                let mut rows = table.range((bucket, key, 0)..=(bucket, key, u64::MAX))?;
                rows.next().transpose()?.map(|(_, row)| VersionRecord::decode(row.value())).transpose()
            }

            fn older_null(&self, bucket: u64, key: &str) -> Result<Option<VersionRecord>> {
                let table = self.nulls()?;
                let seq = table.get((bucket, key))?.map(|row| row.value());
                seq.map_or(Ok(None), |seq| self.older_version(bucket, key, seq))
            }

            fn extents(&self, list: u64, first: u64, bytes: u64) -> Result<Vec<bodies::Extent>> {
                let table = self.lists()?;
                let row = table.get(list)?;
                let row = row.ok_or_else(|| BackendError::Damaged(format!("list {list:x} of extents is missing")))?;
                bodies::List::of_row(row.value())?.cut(first, bytes)
            }

            fn row_bytes(&self, blob: BlobId) -> Result<Option<bytes::Bytes>> {
                let table = self.rows()?;
                Ok(table.get(blob.number())?.map(|row| bytes::Bytes::copy_from_slice(row.value().1)))
            }

            fn upload(&self, upload: &UploadRef) -> Result<(BucketRecord, UploadRecord)> {
                let bucket = self.bucket(&upload.bucket)?;
                let name = super::ids::Name::parse(upload.upload_id.as_str()).ok_or(BackendError::NoSuchUpload)?;
                let table = self.uploads()?;
                let row = table.get((bucket.id, upload.key.as_str(), name.seq))?.ok_or(BackendError::NoSuchUpload)?;
                let record = UploadRecord::decode(row.value())?;
                if record.name == name { Ok((bucket, record)) } else { Err(BackendError::NoSuchUpload) }
            }
        }
    };
}

impl_view!(Snapshot);
impl_view!(Tables<'_>);

macro_rules! from_index_error {
    ($($error:ty),*) => {
        $(impl From<$error> for BackendError {
            fn from(error: $error) -> Self {
                from_index(error.into())
            }
        })*
    };
}

from_index_error!(redb::StorageError, TableError, redb::TransactionError, redb::CommitError);

fn from_index(error: redb::Error) -> BackendError {
    if let redb::Error::Corrupted(what) = error {
        return BackendError::Damaged(format!("the index: {what}"));
    }
    BackendError::Unavailable(Box::new(error))
}
