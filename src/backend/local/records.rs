//! The rows of the index as values, and their bytes.
//!
//! What a listing needs stands first in an object's row, so that it decodes no more than that.
//! Times are milliseconds since 1970, as precise as S3 shows them.

use std::time::{Duration, SystemTime};

use super::codec::{Decoder, Encoder, damaged};
use super::ids::{BlobId, Name};
use crate::backend::{ListedObject, Lock, Metadata, ObjectInfo, Result, StoredETag, Tags, VersionId, Versioning};

/// Milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Millis(pub(super) u64);

impl Millis {
    pub(super) fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn time(self) -> SystemTime {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(self.0)).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// A bucket.
#[derive(Clone, Debug)]
pub(super) struct BucketRecord {
    /// never given to another bucket, not even to one of the same name
    pub(super) id: u64,
    pub(super) created: Millis,
    pub(super) versioning: Versioning,
    pub(super) tags: Option<Tags>,
}

impl BucketRecord {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut row = Encoder::default();
        row.number(self.id).number(self.created.0).byte(match self.versioning {
            Versioning::Unversioned => 0,
            Versioning::Enabled => 1,
            Versioning::Suspended => 2,
        });
        match &self.tags {
            None => row.byte(0),
            Some(tags) => row.byte(1).pairs(tags.iter().map(|(k, v)| (k, v))),
        };
        row.finish()
    }

    pub(super) fn decode(row: &[u8]) -> Result<Self> {
        let mut row = Decoder::new(row);
        Ok(Self {
            id: row.number()?,
            created: Millis(row.number()?),
            versioning: match row.byte()? {
                0 => Versioning::Unversioned,
                1 => Versioning::Enabled,
                2 => Versioning::Suspended,
                _ => return Err(damaged()),
            },
            tags: if row.byte()? == 0 { None } else { Some(row.pairs()?) },
        })
    }

    /// What clients are told of a version: nothing in a bucket that never had versions.
    pub(super) fn shown(&self, version: Version) -> Option<VersionId> {
        (self.versioning != Versioning::Unversioned).then(|| version.id())
    }
}

/// Where the bytes of an object or part are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Empty,
    /// the whole of one blob
    Blob(BlobId),
    /// a list of extents, by its number
    List(u64),
}

impl Body {
    fn encode(self, row: &mut Encoder) {
        match self {
            Self::Empty => row.byte(0),
            Self::Blob(id) => row.byte(1).fixed(&id.number().to_be_bytes()),
            Self::List(id) => row.byte(2).fixed(&id.to_be_bytes()),
        };
    }

    fn decode(row: &mut Decoder<'_>) -> Result<Self> {
        match row.byte()? {
            0 => Ok(Self::Empty),
            1 => Ok(Self::Blob(BlobId::from_stored(u64::from_be_bytes(row.fixed()?)))),
            2 => Ok(Self::List(u64::from_be_bytes(row.fixed()?))),
            _ => Err(damaged()),
        }
    }
}

/// An entity tag: 16 bytes and how many parts the object was completed from, 0 for one written at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ETag {
    pub(super) digest: [u8; 16],
    pub(super) parts: u32,
}

impl ETag {
    pub(super) fn stored(self) -> StoredETag {
        let digest = u128::from_be_bytes(self.digest);
        match self.parts {
            0 => StoredETag::new(format!("{digest:032x}")),
            parts => StoredETag::new(format!("{digest:032x}-{parts}")),
        }
    }

    fn encode(self, row: &mut Encoder) {
        row.fixed(&self.digest).number(self.parts.into());
    }

    fn decode(row: &mut Decoder<'_>) -> Result<Self> {
        Ok(Self { digest: row.fixed()?, parts: row.small()? })
    }
}

/// Which version a row is: one with a name of its own, or the null version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// the place of the write among all writes; the newest version of a key has the greatest
    pub(super) seq: u64,
    /// none for the null version
    pub(super) random: Option<u64>,
}

impl Version {
    pub(super) fn id(self) -> VersionId {
        self.random.map_or_else(|| VersionId::new("null"), |random| Name { seq: self.seq, random }.version_id())
    }

    fn encode(self, row: &mut Encoder) {
        row.fixed(&self.seq.to_be_bytes());
        match self.random {
            None => row.byte(0),
            Some(random) => row.byte(1).fixed(&random.to_be_bytes()),
        };
    }

    fn decode(row: &mut Decoder<'_>) -> Result<Self> {
        let seq = u64::from_be_bytes(row.fixed()?);
        let random = if row.byte()? == 0 { None } else { Some(u64::from_be_bytes(row.fixed()?)) };
        Ok(Self { seq, random })
    }
}

/// What a listing shows of an object; the head of its row.
#[derive(Clone, Debug)]
pub(super) struct ObjectHead {
    pub(super) version: Version,
    pub(super) etag: ETag,
    pub(super) bytes: u64,
    pub(super) modified: Millis,
    pub(super) body: Body,
    pub(super) storage_class: Option<String>,
}

impl ObjectHead {
    /// Reads the head of a row that is an object's.
    pub(super) fn decode(row: &[u8]) -> Result<Self> {
        let mut row = Decoder::new(row);
        if row.byte()? != OBJECT {
            return Err(damaged());
        }
        Self::decode_after_kind(&mut row)
    }

    fn decode_after_kind(row: &mut Decoder<'_>) -> Result<Self> {
        Ok(Self {
            version: Version::decode(row)?,
            etag: ETag::decode(row)?,
            bytes: row.number()?,
            modified: Millis(row.number()?),
            body: Body::decode(row)?,
            storage_class: row.optional()?,
        })
    }

    pub(super) fn listed(self, key: String) -> ListedObject {
        ListedObject {
            key,
            etag: self.etag.stored(),
            stored_bytes: self.bytes,
            last_modified: self.modified.time(),
            storage_class: self.storage_class,
        }
    }
}

/// An object version.
#[derive(Clone, Debug)]
pub(super) struct ObjectRecord {
    pub(super) version: Version,
    pub(super) etag: ETag,
    pub(super) bytes: u64,
    pub(super) modified: Millis,
    pub(super) body: Body,
    pub(super) metadata: Metadata,
    pub(super) tags: Tags,
}

impl ObjectRecord {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut row = Encoder::default();
        row.byte(OBJECT);
        self.version.encode(&mut row);
        self.etag.encode(&mut row);
        row.number(self.bytes).number(self.modified.0);
        self.body.encode(&mut row);
        encode_metadata(&self.metadata, &mut row);
        row.pairs(self.tags.iter().map(|(k, v)| (k, v)));
        row.finish()
    }

    /// Reads a row that is an object's.
    pub(super) fn decode(row: &[u8]) -> Result<Self> {
        match VersionRecord::decode(row)? {
            VersionRecord::Object(object) => Ok(object),
            VersionRecord::Marker(_) => Err(damaged()),
        }
    }

    pub(super) fn info(&self, bucket: &BucketRecord) -> ObjectInfo {
        ObjectInfo {
            etag: self.etag.stored(),
            stored_bytes: self.bytes,
            last_modified: self.modified.time(),
            version_id: bucket.shown(self.version),
            metadata: self.metadata.clone(),
            tag_count: u32::try_from(self.tags.len()).unwrap_or(u32::MAX),
        }
    }
}

/// A delete marker.
#[derive(Clone, Copy, Debug)]
pub(super) struct MarkerRecord {
    pub(super) version: Version,
    pub(super) modified: Millis,
}

/// A version: an object or a delete marker.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "held one at a time; a box would cost each write an allocation")]
pub(super) enum VersionRecord {
    Object(ObjectRecord),
    Marker(MarkerRecord),
}

impl VersionRecord {
    pub(super) fn version(&self) -> Version {
        match self {
            Self::Object(object) => object.version,
            Self::Marker(marker) => marker.version,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Object(object) => object.encode(),
            Self::Marker(marker) => {
                let mut row = Encoder::default();
                row.byte(MARKER);
                marker.version.encode(&mut row);
                row.number(marker.modified.0);
                row.finish()
            }
        }
    }

    pub(super) fn decode(row: &[u8]) -> Result<Self> {
        let mut row = Decoder::new(row);
        match row.byte()? {
            OBJECT => {
                let head = ObjectHead::decode_after_kind(&mut row)?;
                Ok(Self::Object(ObjectRecord {
                    version: head.version,
                    etag: head.etag,
                    bytes: head.bytes,
                    modified: head.modified,
                    body: head.body,
                    metadata: decode_metadata(head.storage_class, &mut row)?,
                    tags: row.pairs()?,
                }))
            }
            MARKER => {
                Ok(Self::Marker(MarkerRecord { version: Version::decode(&mut row)?, modified: Millis(row.number()?) }))
            }
            _ => Err(damaged()),
        }
    }
}

/// An open multipart upload.
#[derive(Clone, Debug)]
pub(super) struct UploadRecord {
    pub(super) name: Name,
    pub(super) created: Millis,
    pub(super) metadata: Metadata,
    pub(super) tags: Tags,
}

impl UploadRecord {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut row = Encoder::default();
        row.fixed(&self.name.seq.to_be_bytes()).fixed(&self.name.random.to_be_bytes()).number(self.created.0);
        encode_metadata(&self.metadata, &mut row);
        row.pairs(self.tags.iter().map(|(k, v)| (k, v)));
        row.finish()
    }

    pub(super) fn decode(row: &[u8]) -> Result<Self> {
        let mut row = Decoder::new(row);
        let name = Name { seq: u64::from_be_bytes(row.fixed()?), random: u64::from_be_bytes(row.fixed()?) };
        let created = Millis(row.number()?);
        let storage_class = row.optional()?;
        Ok(Self { name, created, metadata: decode_metadata(storage_class, &mut row)?, tags: row.pairs()? })
    }
}

/// A part of an open upload.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartRecord {
    pub(super) etag: ETag,
    pub(super) bytes: u64,
    pub(super) modified: Millis,
    pub(super) body: Body,
}

impl PartRecord {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut row = Encoder::default();
        self.etag.encode(&mut row);
        row.number(self.bytes).number(self.modified.0);
        self.body.encode(&mut row);
        row.finish()
    }

    pub(super) fn decode(row: &[u8]) -> Result<Self> {
        let mut row = Decoder::new(row);
        Ok(Self {
            etag: ETag::decode(&mut row)?,
            bytes: row.number()?,
            modified: Millis(row.number()?),
            body: Body::decode(&mut row)?,
        })
    }
}

/// Whether a row of a version is a delete marker's.
pub(super) fn is_marker(row: &[u8]) -> bool {
    row.first() == Some(&MARKER)
}

/// The storage class stands first: it ends the [`ObjectHead`].
fn encode_metadata(metadata: &Metadata, row: &mut Encoder) {
    row.optional(metadata.storage_class.as_deref())
        .optional(metadata.content_type.as_deref())
        .optional(metadata.cache_control.as_deref())
        .optional(metadata.content_disposition.as_deref())
        .optional(metadata.content_encoding.as_deref())
        .optional(metadata.content_language.as_deref())
        .optional(metadata.expires.as_deref())
        .optional(metadata.website_redirect_location.as_deref())
        .pairs(metadata.user.iter());
}

fn decode_metadata(storage_class: Option<String>, row: &mut Decoder<'_>) -> Result<Metadata> {
    Ok(Metadata {
        storage_class,
        content_type: row.optional()?,
        cache_control: row.optional()?,
        content_disposition: row.optional()?,
        content_encoding: row.optional()?,
        content_language: row.optional()?,
        expires: row.optional()?,
        website_redirect_location: row.optional()?,
        user: row.map()?,
        lock: Lock::default(),
    })
}

const OBJECT: u8 = 0;
const MARKER: u8 = 1;
