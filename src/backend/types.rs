//! The nouns of the [`Backend`](super::Backend) trait. Times are system time, lengths and offsets are stored bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use bytes::Bytes;
use futures::Stream;

/// Any error that a body stream ends with; the writer finds it again in [`BackendError::Body`](super::BackendError).
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// Sealed bytes on their way.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;
/// Tags of an object or bucket, in the order given.
pub type Tags = Vec<(String, String)>;

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_newtype! {
    /// The name of a bucket of the backend, after the tenant's prefix was added. Checked by whoever maps it.
    BucketName
}
text_newtype! {
    /// The version of an object; `null` for one written while its bucket was not versioned.
    VersionId
}
text_newtype! {
    /// The backend's name of an open multipart upload.
    UploadId
}
text_newtype! {
    /// An entity tag as stored, without quotes: 32 hex digits, or `<hex>-<parts>` for a multipart object.
    StoredETag
}

impl StoredETag {
    /// The number after the dash: how many stored parts the object was completed from.
    #[must_use]
    pub fn stored_parts(&self) -> Option<u32> {
        self.0.rsplit_once('-').and_then(|(_, n)| n.parse().ok())
    }
}

/// A sealed body and its exact length.
pub struct SealedBody {
    /// How many bytes the stream gives; any other number is an error and nothing is stored.
    pub bytes: u64,
    /// The bytes; an error ends the write and nothing is stored.
    pub stream: ByteStream,
    /// User metadata that is set by the time the stream has ended. Only for a body that is not
    /// [too long for it](super::Backend::late_metadata_bytes_max).
    pub late_metadata: Option<Arc<OnceLock<BTreeMap<String, String>>>>,
}

/// What the writer of an object says of it, kept as given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `Content-Type`
    pub content_type: Option<String>,
    /// `Cache-Control`
    pub cache_control: Option<String>,
    /// `Content-Disposition`
    pub content_disposition: Option<String>,
    /// `Content-Encoding`
    pub content_encoding: Option<String>,
    /// `Content-Language`
    pub content_language: Option<String>,
    /// `Expires`
    pub expires: Option<String>,
    /// `x-amz-website-redirect-location`
    pub website_redirect_location: Option<String>,
    /// `x-amz-storage-class`; none is `STANDARD`
    pub storage_class: Option<String>,
    /// `x-amz-meta-*`: lower-case names without that prefix
    pub user: BTreeMap<String, String>,
    /// Object Lock of this version; the local store keeps none
    pub lock: Lock,
}

/// What a bucket has from the start; the local store gives it none of this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewBucket {
    /// versioning and Object Lock
    pub object_lock: bool,
}

/// Object Lock of a version, in S3's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// `x-amz-object-lock-mode`
    pub mode: Option<String>,
    /// `x-amz-object-lock-retain-until-date`
    pub retain_until: Option<String>,
    /// `x-amz-object-lock-legal-hold`
    pub legal_hold: Option<String>,
}

/// What a delete makes of a version that is retained in governance mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Governance {
    /// it is refused
    #[default]
    Holds,
    /// it is deleted, if the store lets the gateway do so
    Bypassed,
}

/// Which object: a name and, if one is meant, a version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectRef {
    /// the bucket
    pub bucket: BucketName,
    /// the key
    pub key: String,
    /// the version; the current one if none
    pub version_id: Option<VersionId>,
}

/// What is known of a stored object.
#[derive(Clone, Debug)]
pub struct ObjectInfo {
    /// the stored entity tag
    pub etag: StoredETag,
    /// the stored length, bytes
    pub stored_bytes: u64,
    /// when it was written
    pub last_modified: SystemTime,
    /// its version, in a bucket that has or had versioning
    pub version_id: Option<VersionId>,
    /// what its writer said of it
    pub metadata: Metadata,
    /// how many tags it has
    pub tag_count: u32,
}

/// `If-Match` and `If-None-Match`: `*`, or one entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ETagMatch {
    /// `*`: any object at all
    Any,
    /// an object with this entity tag
    Is(StoredETag),
}

impl ETagMatch {
    /// Whether an object with this entity tag, or none, matches.
    #[must_use]
    pub fn matches(&self, etag: Option<&StoredETag>) -> bool {
        match (self, etag) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::Is(wanted), Some(etag)) => wanted == etag,
        }
    }
}

/// Conditions of a read (RFC 9110 section 13; precedence as in S3).
#[derive(Clone, Debug, Default)]
pub struct ReadConditions {
    /// else [`PreconditionFailed`](super::BackendError::PreconditionFailed)
    pub if_match: Option<ETagMatch>,
    /// else [`NotModified`](super::BackendError::NotModified)
    pub if_none_match: Option<ETagMatch>,
    /// else `NotModified`; ignored beside `if_none_match`
    pub if_modified_since: Option<SystemTime>,
    /// else `PreconditionFailed`; ignored beside `if_match`
    pub if_unmodified_since: Option<SystemTime>,
}

/// Conditions of a write on the current object of that name.
#[derive(Clone, Debug, Default)]
pub struct WriteConditions {
    /// the object must be there and match: absent is `NoSuchKey`, another is `PreconditionFailed`
    pub if_match: Option<ETagMatch>,
    /// no such object may be there: else `PreconditionFailed`
    pub if_none_match: Option<ETagMatch>,
}

/// A range of stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredRange {
    /// from `first` to `last`, both included; cut at the end of the object
    Bounded {
        /// offset of the first byte
        first: u64,
        /// offset of the last byte
        last: u64,
    },
    /// from `first` to the end
    From {
        /// offset of the first byte
        first: u64,
    },
    /// the last `bytes` bytes, or all of a shorter object
    Suffix {
        /// how many
        bytes: u64,
    },
}

/// What to read.
#[derive(Clone, Debug)]
pub struct GetRequest {
    /// which object
    pub object: ObjectRef,
    /// which bytes; all if none
    pub range: Option<StoredRange>,
    /// on which conditions
    pub conditions: ReadConditions,
}

/// An object, or a range of it, on its way.
pub struct Fetched {
    /// the whole object's description
    pub info: ObjectInfo,
    /// offset of the first byte that the stream gives
    pub first: u64,
    /// how many bytes the stream gives, unless it ends in an error
    pub bytes: u64,
    /// the bytes; a missing or short file ends it in an error
    pub stream: ByteStream,
}

/// What to store.
#[derive(Clone, Debug)]
pub struct PutRequest {
    /// the bucket
    pub bucket: BucketName,
    /// the key
    pub key: String,
    /// what the writer says of it
    pub metadata: Metadata,
    /// its tags
    pub tags: Tags,
    /// on which conditions
    pub conditions: WriteConditions,
}

/// An object was stored.
#[derive(Clone, Debug)]
pub struct Written {
    /// its entity tag
    pub etag: StoredETag,
    /// its version, in a versioned bucket
    pub version_id: Option<VersionId>,
}

/// An object was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// whether a delete marker was made, or was what got deleted
    pub delete_marker: bool,
    /// the version made or deleted
    pub version_id: Option<VersionId>,
}

/// One of many objects to delete.
#[derive(Clone, Debug)]
pub struct DeleteItem {
    /// the key
    pub key: String,
    /// the version; the current one if none
    pub version_id: Option<VersionId>,
    /// only if it has this entity tag
    pub if_match: Option<ETagMatch>,
}

/// What becomes of tags in a copy.
#[derive(Clone, Debug)]
pub enum CopyTags {
    /// the source's
    Keep,
    /// these
    Replace(Tags),
}

/// What to copy.
#[derive(Clone, Debug)]
pub struct CopyRequest {
    /// from
    pub source: ObjectRef,
    /// on which conditions of the source; every failure is `PreconditionFailed`
    pub source_conditions: ReadConditions,
    /// to: the bucket
    pub bucket: BucketName,
    /// to: the key
    pub key: String,
    /// the new object's metadata, in place of the source's
    pub metadata: Metadata,
    /// the new object's tags
    pub tags: CopyTags,
    /// on which conditions of the target
    pub conditions: WriteConditions,
}

/// An object was copied.
#[derive(Clone, Debug)]
pub struct Copied {
    /// the new object's entity tag
    pub etag: StoredETag,
    /// when it was written
    pub last_modified: SystemTime,
    /// its version, in a versioned bucket
    pub version_id: Option<VersionId>,
}

/// A bucket.
#[derive(Clone, Debug)]
pub struct BucketInfo {
    /// its name
    pub name: BucketName,
    /// when it was made
    pub created: SystemTime,
}

/// Versioning of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versioning {
    /// never switched on
    Unversioned,
    /// every write makes a version
    Enabled,
    /// writes replace the null version
    Suspended,
}
