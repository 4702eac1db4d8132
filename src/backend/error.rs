//! Why a backend refuses or fails: causes, not S3 codes; `s3::errors` maps them.

use std::time::SystemTime;

use super::{BodyError, StoredETag, VersionId};

/// A cause. The first group is the caller's doing, the second the store's.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// no bucket of that name
    #[error("no such bucket")]
    NoSuchBucket,
    /// a bucket of that name is there
    #[error("the bucket exists")]
    BucketAlreadyExists,
    /// the bucket holds objects, versions or uploads
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// what the bucket already is forbids it: Object Lock needs versions
    #[error("the state of the bucket forbids it")]
    BucketState,
    /// no current object of that name; `delete_marker` is the marker that hides it
    #[error("no such key")]
    NoSuchKey {
        /// the version of the delete marker, if there is one
        delete_marker: Option<VersionId>,
    },
    /// no such version of the object
    #[error("no such version")]
    NoSuchVersion,
    /// the version asked for is a delete marker
    #[error("the version is a delete marker")]
    IsDeleteMarker {
        /// the marker
        version_id: VersionId,
        /// when it was made
        last_modified: SystemTime,
    },
    /// no open upload of that id under that name
    #[error("no such upload")]
    NoSuchUpload,
    /// a part to complete is absent or has another entity tag
    #[error("part {number} is absent or has another entity tag")]
    InvalidPart {
        /// the part; 0 if the store does not say which
        number: u32,
    },
    /// parts to complete do not ascend
    #[error("part numbers do not ascend")]
    InvalidPartOrder,
    /// a part other than the last is under the store's least size
    #[error("a part other than the last is too small")]
    EntityTooSmall,
    /// the bucket has no tags
    #[error("no tag set")]
    NoSuchTagSet,
    /// a condition of the request does not hold
    #[error("a condition does not hold")]
    PreconditionFailed,
    /// someone else is changing the same thing; trying again helps
    #[error("another change of the same object is under way")]
    Conflict,
    /// the store does not let the gateway do this
    #[error("the store denies access")]
    Denied,
    /// the object is what the reader has
    #[error("not modified")]
    NotModified {
        /// its entity tag
        etag: StoredETag,
        /// when it was written
        last_modified: SystemTime,
    },
    /// no byte of the range exists
    #[error("range outside of the {stored_bytes} stored bytes")]
    RangeNotSatisfiable {
        /// the stored length
        stored_bytes: u64,
    },
    /// the store refuses the request, with an error code of S3's or its own and an HTTP status of 400 to 499
    #[error("the store refuses it: {status} {code}")]
    Refused {
        /// letters and digits, at most 64
        code: String,
        /// the status
        status: http::StatusCode,
    },
    /// an argument the store cannot take
    #[error("invalid argument: {0}")]
    InvalidArgument(String),
    /// the store cannot do this at all
    #[error("not implemented: {0}")]
    NotImplemented(&'static str),
    /// the body stream ended in this error, or at another length
    #[error("the body failed")]
    Body(#[source] BodyError),

    /// what is stored is missing, short or unreadable
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// the store failed; the change did not happen, trying again may help
    #[error("the store failed")]
    Unavailable(#[source] BodyError),
}
