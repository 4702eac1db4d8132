//! The embedded store: bodies as files, everything else in an ordered ACID index, one folder for both.
//!
//! - **Writes.** A body goes to a file of its own, flushed and renamed (or into the index, if it is small); then one
//!   transaction of the index makes the object visible and settles its conditions. Transactions are written by one
//!   thread in groups, so parallel writers share a flush; a call answers after its group is durable.
//! - **Reads.** A lookup sees the index at one moment. Files that are being read stay until they are read, though
//!   their objects be overwritten. What is missing or short is an error, never empty content.
//! - **Copies**, copied parts and completed uploads share bytes: a body lists extents of files, files count their uses.
//! - **Entity tags** are 128 random bits, so each write has its own; sealed bytes are never equal twice anyway.
//!   A completed upload's is a digest of its parts' tags and `-<number of parts>`. A copy's has no number.
//! - **Crashes.** What was answered is durable. What was not is whole or absent; its files are moved aside at the next
//!   start.
//!
//! When the disk of the index fails or is full, writes are refused until the store is opened again.
//!
//! Lengths and offsets are bytes; times are kept in milliseconds. Memory: at most 256 KiB a reader, twice that a
//! writer, and 256 MiB for pages of the index. Semantics follow the S3 API reference, except that the time of a
//! completed upload is that of its completion.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use redb::Database;

use self::files::BlobFiles;
use self::ids::IdSource;
use self::objects::check_key;
use self::pins::Pins;
use self::receive::Receiver;
use self::tables::{Snapshot, Tables, View};
use self::writer::Queue;
use super::{
    Backend, BackendError, BucketInfo, BucketName, CompleteUpload, Copied, CopiedPart, CopyRequest, CreateUpload,
    DeleteItem, Deleted, ETagMatch, Fetched, GetRequest, Governance, ListPage, ListRequest, ListUploadsRequest,
    ListVersionsRequest, NewBucket, ObjectInfo, ObjectRef, PartRef, PartSource, PartsPage, PutRequest, ReadConditions,
    Result, SealedBody, SettingRequest, StoredETag, Tags, UploadId, UploadRef, UploadsPage, VersionId, Versioning,
    VersionsPage, Written,
};

mod bodies;
mod buckets;
mod codec;
mod conditions;
mod fetch;
mod files;
mod ids;
mod list;
mod list_uploads;
mod list_versions;
mod lookup;
mod objects;
mod pins;
mod receive;
mod records;
mod recover;
mod rollup;
mod send;
mod store;
mod tables;
mod uploads;
mod versions;
mod writer;

pub use receive::WrongLength;
pub use recover::OpenError;

/// A store in a folder of this machine.
pub struct LocalStore {
    index: Arc<Database>,
    /// none only while the store closes
    queue: Option<Queue>,
    receiver: Receiver,
    pins: Arc<Pins>,
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    _lock: std::fs::File,
}

impl LocalStore {
    /// Opens the store in this folder, which is created (mode 0700) if it is not there. Blocks on the disk; after a
    /// crash the index is checked first, which reads it whole (some seconds a gigabyte).
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(root: &Path) -> std::result::Result<Self, OpenError> {
        let lock = recover::lock(root)?;
        let io = |source| OpenError::Io { path: root.to_owned(), source };
        let (index, epoch) = recover::open_index(root)?;
        let index = Arc::new(index);
        let files = Arc::new(BlobFiles::under(root).map_err(io)?);
        recover::empty_temporary_folder(&files)?;
        let pins = Arc::new(Pins::new(files.reaper()));
        let ids = Arc::new(IdSource::new(epoch));
        let stop = Arc::new(AtomicBool::new(false));
        let (queue, writing) = writer::start(writer::Writer {
            index: Arc::clone(&index),
            files: Arc::clone(&files),
            pins: Arc::clone(&pins),
            ids: Arc::clone(&ids),
        })
        .map_err(io)?;
        let sweep = recover::Sweep {
            index: Arc::clone(&index),
            files: Arc::clone(&files),
            pins: Arc::clone(&pins),
            epoch,
            stop: Arc::clone(&stop),
        };
        let sweeping = std::thread::Builder::new().name("blob-sweeper".to_owned()).spawn(move || sweep.run());
        let threads = vec![writing, sweeping.map_err(io)?];
        let receiver = Receiver { files, ids };
        Ok(Self { index, queue: Some(queue), receiver, pins, threads, stop, _lock: lock })
    }

    /// Moves aside what lies in this folder, where [`OpenError::WithoutIndex`] or [`OpenError::OldIndex`] says that it
    /// does not belong together; else does nothing. Nothing is removed.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn set_aside(root: &Path) -> std::result::Result<(), OpenError> {
        match Self::open(root) {
            Err(OpenError::WithoutIndex(_) | OpenError::OldIndex(_)) => recover::set_aside(root),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Changes the index.
    async fn write<T, F>(&self, file: Option<files::NewFile>, change: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Tables<'_>) -> Result<T> + Send + 'static,
    {
        let closed = || BackendError::Unavailable("the store is closed".into());
        self.queue.as_ref().ok_or_else(closed)?.run(file, change).await
    }

    /// Reads the index.
    async fn read<T: Send + 'static>(&self, look: impl FnOnce(&Snapshot) -> Result<T> + Send + 'static) -> Result<T> {
        let index = Arc::clone(&self.index);
        blocking(move || look(&Snapshot::of(&index)?)).await
    }
}

impl Drop for LocalStore {
    /// Waits for the writes that were begun, so that the index closes cleanly and the folder is free afterwards.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.queue.take());
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store had panicked");
            }
        }
    }
}

#[async_trait::async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backend for LocalStore {
    fn late_metadata_bytes_max(&self) -> u64 {
        u64::MAX
    }

    async fn create_bucket(&self, bucket: &BucketName) -> Result<()> {
        let bucket = bucket.clone();
        self.write(None, move |tables| tables.create_bucket(&bucket)).await
    }

    async fn create_bucket_with(&self, bucket: &BucketName, wanted: &NewBucket) -> Result<()> {
        if *wanted != NewBucket::default() {
            return Err(BackendError::NotImplemented("Object Lock and grants"));
        }
        self.create_bucket(bucket).await
    }

    async fn delete_bucket(&self, bucket: &BucketName) -> Result<()> {
        let bucket = bucket.clone();
        self.write(None, move |tables| tables.delete_bucket(&bucket)).await
    }

    async fn head_bucket(&self, bucket: &BucketName) -> Result<BucketInfo> {
        let bucket = bucket.clone();
        self.read(move |snapshot| Ok(buckets::info(bucket.as_str(), &snapshot.bucket(&bucket)?))).await
    }

    async fn list_buckets(&self, prefix: &str) -> Result<Vec<BucketInfo>> {
        let prefix = prefix.to_owned();
        self.read(move |snapshot| buckets::list(snapshot, &prefix)).await
    }

    async fn versioning(&self, bucket: &BucketName) -> Result<Versioning> {
        let bucket = bucket.clone();
        self.read(move |snapshot| Ok(snapshot.bucket(&bucket)?.versioning)).await
    }

    async fn set_versioning(&self, bucket: &BucketName, state: Versioning) -> Result<()> {
        let bucket = bucket.clone();
        self.write(None, move |tables| tables.set_versioning(&bucket, state)).await
    }

    async fn bucket_tags(&self, bucket: &BucketName) -> Result<Tags> {
        let bucket = bucket.clone();
        self.read(move |snapshot| snapshot.bucket(&bucket)?.tags.ok_or(BackendError::NoSuchTagSet)).await
    }

    async fn set_bucket_tags(&self, bucket: &BucketName, tags: Option<Tags>) -> Result<()> {
        let bucket = bucket.clone();
        self.write(None, move |tables| tables.set_bucket_tags(&bucket, tags.as_ref())).await
    }

    async fn put(&self, request: PutRequest, body: SealedBody) -> Result<Written> {
        self.put_object(request, body).await
    }

    async fn get(&self, request: GetRequest) -> Result<Fetched> {
        let (index, pins) = (Arc::clone(&self.index), Arc::clone(&self.pins));
        let files = Arc::clone(&self.receiver.files);
        blocking(move || fetch::open(&index, &pins, &files, &request)).await.map(fetch::Opened::fetched)
    }

    async fn head(&self, object: &ObjectRef, conditions: &ReadConditions) -> Result<ObjectInfo> {
        let (object, conditions) = (object.clone(), conditions.clone());
        self.read(move |snapshot| {
            let (bucket, record) = lookup::object(snapshot, &object)?;
            conditions::check_read(&conditions, &record)?;
            Ok(record.info(&bucket))
        })
        .await
    }

    async fn delete(&self, object: &ObjectRef, if_match: Option<ETagMatch>, _: Governance) -> Result<Deleted> {
        let object = object.clone();
        self.write(None, move |tables| tables.delete(&object, if_match.as_ref())).await
    }

    async fn delete_many(
        &self,
        bucket: &BucketName,
        objects: Vec<DeleteItem>,
        _: Governance,
    ) -> Result<Vec<Result<Deleted>>> {
        self.head_bucket(bucket).await?;
        // each on its own, so that one that fails does not undo the others; they share a group all the same
        let deletes = objects.into_iter().map(|item| {
            let object = ObjectRef { bucket: bucket.clone(), key: item.key, version_id: item.version_id };
            self.write(None, move |tables| tables.delete(&object, item.if_match.as_ref()))
        });
        Ok(futures::future::join_all(deletes).await)
    }

    async fn copy(&self, request: CopyRequest) -> Result<Copied> {
        check_key(&request.key)?;
        self.write(None, move |tables| tables.copy(&request)).await
    }

    async fn tags(&self, object: &ObjectRef) -> Result<(Tags, Option<VersionId>)> {
        let object = object.clone();
        self.read(move |snapshot| {
            let (bucket, record) = lookup::object(snapshot, &object)?;
            let version = bucket.shown(record.version);
            Ok((record.tags, version))
        })
        .await
    }

    async fn set_tags(&self, object: &ObjectRef, tags: Tags) -> Result<Option<VersionId>> {
        let object = object.clone();
        self.write(None, move |tables| tables.set_tags(&object, &tags)).await
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        self.read(move |snapshot| list::page(snapshot, &request)).await
    }

    async fn list_versions(&self, request: ListVersionsRequest) -> Result<VersionsPage> {
        self.read(move |snapshot| list_versions::page(snapshot, &request)).await
    }

    async fn create_upload(&self, request: CreateUpload) -> Result<UploadId> {
        check_key(&request.key)?;
        self.write(None, move |tables| tables.create_upload(&request)).await
    }

    async fn put_part(&self, part: &PartRef, body: SealedBody) -> Result<StoredETag> {
        self.take_part(part, body).await
    }

    async fn copy_part(&self, part: &PartRef, source: PartSource) -> Result<CopiedPart> {
        uploads::check_number(part.number)?;
        let part = part.clone();
        self.write(None, move |tables| tables.copy_part(&part, &source)).await
    }

    async fn complete_upload(&self, request: CompleteUpload) -> Result<Written> {
        self.write(None, move |tables| tables.complete_upload(&request)).await
    }

    async fn abort_upload(&self, upload: &UploadRef) -> Result<()> {
        let upload = upload.clone();
        self.write(None, move |tables| tables.abort_upload(&upload)).await
    }

    async fn list_parts(&self, upload: &UploadRef, after: u32, max: u32) -> Result<PartsPage> {
        let upload = upload.clone();
        self.read(move |snapshot| uploads::list_parts(snapshot, &upload, after, max)).await
    }

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        self.read(move |snapshot| list_uploads::page(snapshot, &request)).await
    }

    async fn learn(&self, _: &BucketName) -> Result<()> {
        Ok(())
    }

    fn features(&self) -> Vec<(&'static str, bool)> {
        Vec::new()
    }

    fn forwards(&self) -> bool {
        false
    }
    async fn setting(&self, _: SettingRequest) -> Result<bytes::Bytes> {
        Err(BackendError::NotImplemented("settings of its own"))
    }
}

/// Runs work that waits for the disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|e| BackendError::Unavailable(Box::new(e)))?
}

#[cfg(test)]
mod tests;
