//! The nouns of multipart uploads. Lengths and offsets are stored bytes.

use std::time::SystemTime;

use super::types::{BucketName, Metadata, ObjectRef, ReadConditions, StoredETag, Tags, UploadId, WriteConditions};

/// What to upload in parts.
#[derive(Clone, Debug)]
pub struct CreateUpload {
    /// the bucket
    pub bucket: BucketName,
    /// the key
    pub key: String,
    /// what the writer says of it
    pub metadata: Metadata,
    /// its tags
    pub tags: Tags,
}

/// An open upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRef {
    /// the bucket
    pub bucket: BucketName,
    /// the key
    pub key: String,
    /// the upload
    pub upload_id: UploadId,
}

/// A part of an open upload.
#[derive(Clone, Debug)]
pub struct PartRef {
    /// the upload
    pub upload: UploadRef,
    /// 1 to 10,000
    pub number: u32,
}

/// Where a copied part comes from.
#[derive(Clone, Debug)]
pub struct PartSource {
    /// the object
    pub object: ObjectRef,
    /// which of its stored bytes: first and last, both included; all if none
    pub range: Option<(u64, u64)>,
    /// on which conditions; every failure is `PreconditionFailed`
    pub conditions: ReadConditions,
}

/// A part was copied.
#[derive(Clone, Debug)]
pub struct CopiedPart {
    /// its entity tag
    pub etag: StoredETag,
    /// when it was written
    pub last_modified: SystemTime,
}

/// What to complete.
#[derive(Clone, Debug)]
pub struct CompleteUpload {
    /// the upload
    pub upload: UploadRef,
    /// number and entity tag of each part, ascending
    pub parts: Vec<(u32, StoredETag)>,
    /// on which conditions
    pub conditions: WriteConditions,
}

/// A stored part of an open upload.
#[derive(Clone, Debug)]
pub struct PartInfo {
    /// 1 to 10,000
    pub number: u32,
    /// its entity tag
    pub etag: StoredETag,
    /// its stored length
    pub stored_bytes: u64,
    /// when it was written
    pub last_modified: SystemTime,
}

/// One page of parts.
#[derive(Clone, Debug, Default)]
pub struct PartsPage {
    /// ascending by number
    pub parts: Vec<PartInfo>,
    /// whether there are more
    pub truncated: bool,
}

/// Which open uploads to list.
#[derive(Clone, Debug)]
pub struct ListUploadsRequest {
    /// the bucket
    pub bucket: BucketName,
    /// only keys that start with this
    pub prefix: String,
    /// keys that share the text up to this, after the prefix, are rolled up
    pub delimiter: Option<String>,
    /// start after this key, or within it if an upload is given too
    pub key_marker: Option<String>,
    /// start after this upload of `key_marker`
    pub upload_id_marker: Option<UploadId>,
    /// at most so many
    pub max: u32,
}

/// A listed upload.
#[derive(Clone, Debug)]
pub struct ListedUpload {
    /// the key
    pub key: String,
    /// the upload
    pub upload_id: UploadId,
    /// when it began
    pub initiated: SystemTime,
    /// its storage class; none is `STANDARD`
    pub storage_class: Option<String>,
}

/// One page of uploads.
#[derive(Clone, Debug, Default)]
pub struct UploadsPage {
    /// uploads, in order
    pub uploads: Vec<ListedUpload>,
    /// common prefixes, in order
    pub common_prefixes: Vec<String>,
    /// given if there is more: markers for the next page
    pub next: Option<(String, UploadId)>,
}
