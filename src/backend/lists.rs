//! The nouns of listing objects and versions. Lengths are stored bytes.

use std::time::SystemTime;

use super::types::{BucketName, StoredETag, VersionId};

/// Where a listing starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListStart {
    /// with the first key
    Beginning,
    /// with the first key after this one (`start-after` of version 2)
    AfterKey(String),
    /// after this entry (`marker` of version 1): if it is a common prefix, after all keys under it
    AfterEntry(String),
    /// where an earlier page ended: its [`ListPage::next_token`]
    Token(String),
}

/// What to list.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// the bucket
    pub bucket: BucketName,
    /// only keys that start with this
    pub prefix: String,
    /// keys that share the text up to this, after the prefix, are rolled up
    pub delimiter: Option<String>,
    /// where to start
    pub start: ListStart,
    /// at most so many keys and common prefixes, together
    pub max: u32,
}

/// A listed object.
#[derive(Clone, Debug)]
pub struct ListedObject {
    /// the key
    pub key: String,
    /// its entity tag
    pub etag: StoredETag,
    /// its stored length
    pub stored_bytes: u64,
    /// when it was written
    pub last_modified: SystemTime,
    /// its storage class; none is `STANDARD`
    pub storage_class: Option<String>,
}

/// One page of objects.
#[derive(Clone, Debug, Default)]
pub struct ListPage {
    /// objects, in order of key
    pub objects: Vec<ListedObject>,
    /// common prefixes, in order
    pub common_prefixes: Vec<String>,
    /// given if there is more: an opaque [`ListStart::Token`]
    pub next_token: Option<String>,
    /// given if there is more: the last entry of this page, for [`ListStart::AfterEntry`]
    pub next_marker: Option<String>,
}

/// Which versions to list.
#[derive(Clone, Debug)]
pub struct ListVersionsRequest {
    /// the bucket
    pub bucket: BucketName,
    /// only keys that start with this
    pub prefix: String,
    /// keys that share the text up to this, after the prefix, are rolled up
    pub delimiter: Option<String>,
    /// start after this key (or common prefix), or within it if a version is given too
    pub key_marker: Option<String>,
    /// start after this version of `key_marker`
    pub version_id_marker: Option<VersionId>,
    /// at most so many entries and common prefixes, together
    pub max: u32,
}

/// A listed version or delete marker.
#[derive(Clone, Debug)]
pub struct ListedVersion {
    /// the key
    pub key: String,
    /// the version; `null` for one written without versioning
    pub version_id: VersionId,
    /// whether it is the current one
    pub is_latest: bool,
    /// when it was written
    pub last_modified: SystemTime,
    /// the object; none for a delete marker
    pub object: Option<ListedObject>,
}

/// One page of versions.
#[derive(Clone, Debug, Default)]
pub struct VersionsPage {
    /// versions and delete markers, in order
    pub versions: Vec<ListedVersion>,
    /// common prefixes, in order
    pub common_prefixes: Vec<String>,
    /// given if there is more: markers for the next page
    pub next: Option<(String, Option<VersionId>)>,
}
