//! The seam to storage: [`Backend`] moves sealed bytes and nothing else.
//!
//! Everything here speaks of *stored* things: stored lengths, stored `ETags`, stored names. A backend never sees a
//! plaintext byte, a key, or a name that the gateway has not mapped. Lengths and offsets are bytes.
//!
//! [`local`] keeps everything in a folder of this machine, [`s3`] in any S3-compatible store. `contract` is what every implementation is tested against.

pub mod calls;
#[cfg(test)]
pub(crate) mod contract;
mod error;
mod forward;
mod lists;
pub mod local;
pub mod s3;
mod types;
mod uploads;
mod walk;

pub use error::BackendError;
pub use forward::{Setting, SettingChange, SettingOf, SettingRequest};
pub use lists::*;
pub use types::*;
pub use uploads::*;
pub use walk::{PAGE_OBJECTS_MAX, Walk};

/// The result of every backend call.
pub type Result<T> = std::result::Result<T, BackendError>;

/// A store of sealed objects with S3's semantics.
///
/// Every write is atomic: a reader sees the old object or the new one, whole. A write that is refused, or whose body
/// stream ends in an error or at another length than announced, changes nothing. When a call returns `Ok` the change
/// is durable.
#[async_trait::async_trait]
pub trait Backend: Send + Sync + 'static {
    /// How long a stored body may be so that its [`SealedBody::late_metadata`] is honoured: metadata that is known only
    /// once the body has ended.
    fn late_metadata_bytes_max(&self) -> u64;

    /// Creates a bucket. [`BackendError::BucketAlreadyExists`] if it is there.
    async fn create_bucket(&self, bucket: &BucketName) -> Result<()>;
    /// As [`Backend::create_bucket`], for one that has more from the start; [`BackendError::NotImplemented`] if the store
    /// does not have it.
    async fn create_bucket_with(&self, bucket: &BucketName, wanted: &NewBucket) -> Result<()>;
    /// Deletes an empty bucket; [`BackendError::BucketNotEmpty`] while it holds a version or marker. Open uploads end
    /// with it where the store follows S3's general purpose buckets, as the local one does; other stores may refuse.
    async fn delete_bucket(&self, bucket: &BucketName) -> Result<()>;
    /// What is known of a bucket.
    async fn head_bucket(&self, bucket: &BucketName) -> Result<BucketInfo>;
    /// All buckets whose names start with `prefix`, in order of name.
    async fn list_buckets(&self, prefix: &str) -> Result<Vec<BucketInfo>>;
    /// The versioning state of a bucket.
    async fn versioning(&self, bucket: &BucketName) -> Result<Versioning>;
    /// Sets the versioning state; a bucket never goes back to [`Versioning::Unversioned`].
    async fn set_versioning(&self, bucket: &BucketName, state: Versioning) -> Result<()>;
    /// The tags of a bucket; [`BackendError::NoSuchTagSet`] if it has none.
    async fn bucket_tags(&self, bucket: &BucketName) -> Result<Tags>;
    /// Replaces the tags of a bucket; `None` removes them.
    async fn set_bucket_tags(&self, bucket: &BucketName, tags: Option<Tags>) -> Result<()>;

    /// Stores an object.
    async fn put(&self, request: PutRequest, body: SealedBody) -> Result<Written>;
    /// Reads an object or a range of it.
    async fn get(&self, request: GetRequest) -> Result<Fetched>;
    /// What [`Backend::get`] would say of the object, without its body.
    async fn head(&self, object: &ObjectRef, conditions: &ReadConditions) -> Result<ObjectInfo>;
    /// Deletes an object, or lays a delete marker over it, as the bucket's versioning says.
    async fn delete(&self, object: &ObjectRef, if_match: Option<ETagMatch>, governance: Governance) -> Result<Deleted>;
    /// Deletes many objects of one bucket; one answer each, in order.
    async fn delete_many(
        &self,
        bucket: &BucketName,
        objects: Vec<DeleteItem>,
        governance: Governance,
    ) -> Result<Vec<Result<Deleted>>>;
    /// Copies a stored body under a new name and new metadata; the body does not travel. The copy's entity tag is its
    /// own and has no part count, not even that of a completed upload.
    async fn copy(&self, request: CopyRequest) -> Result<Copied>;
    /// The tags of an object version (empty if it has none), and its version id.
    async fn tags(&self, object: &ObjectRef) -> Result<(Tags, Option<VersionId>)>;
    /// Replaces the tags of an object version; an empty set removes them. Answers with its version id.
    async fn set_tags(&self, object: &ObjectRef, tags: Tags) -> Result<Option<VersionId>>;

    /// One page of current objects, in UTF-8 order of keys.
    async fn list(&self, request: ListRequest) -> Result<ListPage>;
    /// One page of versions and delete markers: by key, newest first within a key.
    async fn list_versions(&self, request: ListVersionsRequest) -> Result<VersionsPage>;

    /// Begins a multipart upload.
    async fn create_upload(&self, request: CreateUpload) -> Result<UploadId>;
    /// Stores a part; a part of the same number is replaced.
    async fn put_part(&self, part: &PartRef, body: SealedBody) -> Result<StoredETag>;
    /// Stores a part that is a range of a stored object; the bytes do not travel.
    async fn copy_part(&self, part: &PartRef, source: PartSource) -> Result<CopiedPart>;
    /// Makes an object of the named parts, ascending by number; other parts are dropped.
    async fn complete_upload(&self, request: CompleteUpload) -> Result<Written>;
    /// Ends an upload and drops its parts.
    async fn abort_upload(&self, upload: &UploadRef) -> Result<()>;
    /// One page of the parts of an open upload with numbers above `after`, ascending; at most `max`.
    async fn list_parts(&self, upload: &UploadRef, after: u32, max: u32) -> Result<PartsPage>;
    /// One page of open uploads, by key and then by time of creation.
    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage>;

    /// Finds out what the store lacks, with objects of its own in the bucket `scratch`, so that nothing is promised that it
    /// does not hold to.
    async fn learn(&self, scratch: &BucketName) -> Result<()>;
    /// What may be there or lacking, each by its name, as far as it is known; nothing where all is there.
    fn features(&self) -> Vec<(&'static str, bool)>;

    /// Whether this is another program, which reads names in its own way and has settings of its own
    /// ([`Backend::setting`]).
    fn forwards(&self) -> bool;
    /// Reads or changes a setting that the store keeps and acts on; the document, empty where none was asked for.
    async fn setting(&self, request: SettingRequest) -> Result<bytes::Bytes>;
}
