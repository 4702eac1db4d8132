//! The short-lived objects of open uploads, in the staging bucket.
//!
//! | key | what |
//! |---|---|
//! | `<id>/record` | the upload record |
//! | `<id>/part/<number>` | a sealed part stored under 5 MiB, which may turn out to be the last |
//! | `<id>/note/<number>/<text>` | an empty object whose name is what is known of a part, sealed, see [`Note`] |
//!
//! `<id>` is a digest of bucket, key and upload id, 32 hex digits; numbers have five digits, so that they list in order.
//! What is here was sealed like everything else and is trusted no more than the rest of the backend.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use s3s::S3Result;
use s3s::dto::ChecksumAlgorithm;
use sha2::{Digest as _, Sha256};

use crate::backend::{
    Backend, BackendError, BucketName, DeleteItem, ETagMatch, Fetched, GetRequest, Governance, ListedObject, Metadata,
    ObjectRef, PutRequest, ReadConditions, SealedBody, StoredETag, Tags, UploadRef, Walk, WriteConditions,
};
use crate::s3::checksum::{Algorithm, Kept};
use crate::s3::errors;
use crate::seal::{ObjectSecret, StreamHash, StreamHeader, open_attributes, seal_attributes};

/// What one open upload has in the staging bucket.
#[derive(Clone)]
pub(crate) struct Staging {
    backend: Arc<dyn Backend>,
    bucket: BucketName,
    id: String,
}

impl Staging {
    /// That of one upload.
    pub(crate) fn of(backend: Arc<dyn Backend>, bucket: BucketName, upload: &UploadRef) -> Self {
        Self::with_id(backend, bucket, id(upload))
    }

    /// That of the upload with this id here.
    pub(super) fn with_id(backend: Arc<dyn Backend>, bucket: BucketName, id: String) -> Self {
        Self { backend, bucket, id }
    }

    /// The upload's id here.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Stores the upload record.
    pub(crate) async fn write_record(&self, record: Vec<u8>) -> Result<(), BackendError> {
        self.put(self.record_key(), held(record.into())).await.map(drop)
    }

    /// The upload record; none if the upload is over or was never begun here.
    pub(crate) async fn read_record(&self) -> Result<Option<Vec<u8>>, BackendError> {
        match self.get(self.record_key(), ReadConditions::default()).await {
            Ok(fetched) => read_all(fetched, RECORD_BYTES_MAX).await.map(Some),
            Err(BackendError::NoSuchKey { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores a part that may turn out to be the last.
    pub(crate) async fn put_part(&self, number: u32, body: SealedBody) -> Result<StoredETag, BackendError> {
        self.put(self.part_key(number), body).await
    }

    /// Removes such a part.
    pub(crate) async fn remove_part(&self, number: u32) -> Result<(), BackendError> {
        self.backend.delete(&self.object(self.part_key(number)), None, Governance::Holds).await.map(drop)
    }

    /// Such a part as it was stored, under 5 MiB, if it still has this entity tag.
    pub(crate) async fn part(&self, number: u32, etag: &StoredETag) -> Result<Vec<u8>, BackendError> {
        let conditions = ReadConditions { if_match: Some(ETagMatch::Is(etag.clone())), ..ReadConditions::default() };
        read_all(self.get(self.part_key(number), conditions).await?, STAGED_BYTES_MAX).await
    }

    /// The staged parts with numbers above `after`, ascending; about `enough` of them, or all if there are fewer.
    pub(crate) async fn parts_after(
        &self,
        after: u32,
        enough: usize,
    ) -> Result<Vec<(u32, ListedObject)>, BackendError> {
        let prefix = format!("{}/part/", self.id);
        let mut walk = self.walk(&prefix, Some(format!("{prefix}{after:05}")), PARTS_PAGES_MAX);
        let mut parts = Vec::new();
        while parts.len() < enough
            && let Some(objects) = walk.next().await?
        {
            let numbered = |object: ListedObject| Some((object.key.strip_prefix(&prefix)?.parse().ok()?, object));
            parts.extend(objects.into_iter().filter_map(numbered));
        }
        Ok(parts)
    }

    /// Keeps the checksum of a part.
    pub(crate) async fn write_note(&self, secret: &ObjectSecret, note: &Note) -> S3Result<()> {
        let key = format!("{}/note/{:05}/{}", self.id, note.number, note.seal(secret)?);
        self.put(key, held(Bytes::new())).await.map(drop).map_err(errors::backend)
    }

    /// The checksums of parts with numbers above `after` and up to `last`, ascending; several of a part that came more
    /// than once.
    pub(crate) async fn notes(&self, secret: &ObjectSecret, after: u32, last: u32) -> Result<Vec<Note>, BackendError> {
        let prefix = format!("{}/note/", self.id);
        // "~" sorts behind every character of a note
        let mut walk = self.walk(&prefix, Some(format!("{prefix}{after:05}/~")), NOTES_PAGES_MAX);
        let mut notes = Vec::new();
        while let Some(objects) = walk.next().await? {
            for object in objects {
                let Some((number, text)) = object.key.strip_prefix(&prefix).and_then(|rest| rest.split_once('/'))
                else {
                    continue;
                };
                let Ok(number) = number.parse::<u32>() else { continue };
                if number > last {
                    return Ok(notes);
                }
                notes.extend(Note::open(secret, text).filter(|note| note.number == number));
            }
        }
        Ok(notes)
    }

    /// Removes everything.
    pub(crate) async fn clear(&self) -> Result<(), BackendError> {
        let mut walk = self.walk(&format!("{}/", self.id), None, CLEARED_PAGES_MAX);
        while let Some(objects) = walk.next().await? {
            if objects.is_empty() {
                continue;
            }
            let keys = objects.into_iter().map(|object| object.key);
            delete(self.backend.as_ref(), &self.bucket, keys).await?;
        }
        Ok(())
    }

    fn record_key(&self) -> String {
        format!("{}/{RECORD}", self.id)
    }

    fn part_key(&self, number: u32) -> String {
        format!("{}/part/{number:05}", self.id)
    }

    fn object(&self, key: String) -> ObjectRef {
        ObjectRef { bucket: self.bucket.clone(), key, version_id: None }
    }

    async fn put(&self, key: String, body: SealedBody) -> Result<StoredETag, BackendError> {
        let request = PutRequest {
            bucket: self.bucket.clone(),
            key,
            metadata: Metadata::default(),
            tags: Tags::default(),
            conditions: WriteConditions::default(),
        };
        Ok(self.backend.put(request, body).await?.etag)
    }

    async fn get(&self, key: String, conditions: ReadConditions) -> Result<Fetched, BackendError> {
        self.backend.get(GetRequest { object: self.object(key), range: None, conditions }).await
    }

    fn walk(&self, prefix: &str, after: Option<String>, pages_max: u32) -> Walk<'_> {
        Walk::new(self.backend.as_ref(), &self.bucket, prefix, after, pages_max)
    }
}

/// The verified checksum of one stored part. The gateway keeps no state of its own, and parts have no metadata; so it is
/// the name of an empty object, sealed under the upload's secret, and a list gives those of 1,000 parts at once. A part
/// may be stored again: a note belongs to the one with its entity tag.
///
/// Sealed: `u32 number || SHA-256(entity tag)[0..16] || algorithm ":" base64 value [ || u8 0 || stream header ]`. The stream
/// header of the part is left out where it would make the text longer than the 255 characters that some stores allow
/// between two slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    number: u32,
    etag_digest: [u8; ID_BYTES],
    algorithm: Algorithm,
    value: String,
    stream_header: Option<StreamHeader>,
}

impl Note {
    /// The note of a part that was just stored.
    pub(crate) fn new(number: u32, etag: &StoredETag, checksum: &Kept, stream_header: StreamHeader) -> Self {
        Self {
            number,
            etag_digest: digest([etag.as_str()]),
            algorithm: checksum.algorithm,
            value: checksum.value.clone(),
            stream_header: Some(stream_header),
        }
    }

    fn seal(&self, secret: &ObjectSecret) -> S3Result<String> {
        let mut fields = self.number.to_be_bytes().to_vec();
        fields.extend_from_slice(&self.etag_digest);
        fields.extend_from_slice(format!("{}:{}", self.algorithm.name(), self.value).as_bytes());
        if let Some(header) = self.stream_header
            && fields.len() + HEADER_FIELD_BYTES <= NOTE_BYTES_MAX
        {
            fields.push(0);
            fields.extend_from_slice(header.as_bytes());
        }
        seal_attributes(secret, &fields).map_err(|error| errors::seal(&error))
    }

    /// None for a text that was not sealed here: it counts as absent.
    fn open(secret: &ObjectSecret, text: &str) -> Option<Self> {
        let fields = open_attributes(secret, text).ok()?;
        let (number, rest) = fields.split_first_chunk()?;
        let (etag_digest, rest) = rest.split_first_chunk()?;
        let (rest, stream_header) = match rest.split_last_chunk::<HEADER_FIELD_BYTES>() {
            Some((rest, [0, header @ ..])) => (rest, StreamHeader::parse(header).ok()),
            Some(_) | None => (rest, None),
        };
        let (algorithm, value) = std::str::from_utf8(rest).ok()?.split_once(':')?;
        let algorithm = Algorithm::parse(&ChecksumAlgorithm::from(algorithm.to_owned())).ok()?;
        Some(Self {
            number: u32::from_be_bytes(*number),
            etag_digest: *etag_digest,
            algorithm,
            value: value.to_owned(),
            stream_header,
        })
    }
}

/// The checksum of a stored part, from the notes of its upload: of the attempt with this stream, where that is known.
pub(super) fn checksum_of(notes: &[Note], number: u32, etag: &StoredETag, stream: Option<StreamHash>) -> Option<Kept> {
    let is_other = |note: &&Note| {
        let noted = note.stream_header.map(|header| header.hash());
        stream.is_some() && noted.is_some() && stream != noted
    };
    let note = notes_of(notes, number, etag).find(|note| !is_other(note))?;
    Some(Kept { algorithm: note.algorithm, value: note.value.clone(), composite: false })
}

/// The stream headers of a stored part, from the notes of its upload: several if a store told one entity tag of several
/// attempts.
pub(super) fn stream_headers_of(notes: &[Note], number: u32, etag: &StoredETag) -> impl Iterator<Item = StreamHeader> {
    notes_of(notes, number, etag).filter_map(|note| note.stream_header)
}

/// The notes of a stored part among those of its upload, which ascend by number.
fn notes_of<'a>(notes: &'a [Note], number: u32, etag: &StoredETag) -> impl Iterator<Item = &'a Note> {
    let from = notes.partition_point(|note| note.number < number);
    let etag_digest = digest([etag.as_str()]);
    let same = notes.get(from..).unwrap_or_default().iter().take_while(move |note| note.number == number);
    same.filter(move |note| note.etag_digest == etag_digest)
}

/// A body that is at hand.
pub(crate) fn held(bytes: Bytes) -> SealedBody {
    SealedBody {
        bytes: bytes.len() as u64,
        stream: Box::pin(futures::stream::once(std::future::ready(Ok(bytes)))),
        late_metadata: None,
    }
}

/// Deletes objects of the staging bucket; the first failure, if any, after all were tried.
pub(super) async fn delete(
    backend: &dyn Backend,
    bucket: &BucketName,
    keys: impl Iterator<Item = String>,
) -> Result<(), BackendError> {
    let items = keys.map(|key| DeleteItem { key, version_id: None, if_match: None }).collect();
    backend.delete_many(bucket, items, Governance::Holds).await?.into_iter().try_for_each(|deleted| deleted.map(drop))
}

async fn read_all(fetched: Fetched, bytes_max: u64) -> Result<Vec<u8>, BackendError> {
    let Fetched { bytes, mut stream, .. } = fetched;
    if bytes > bytes_max {
        return Err(BackendError::Damaged("a staged object is too long".to_owned()));
    }
    let mut held = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    while let Some(piece) = stream.next().await {
        held.extend_from_slice(&piece.map_err(BackendError::Unavailable)?);
    }
    Ok(held)
}

fn id(upload: &UploadRef) -> String {
    let digest = digest([upload.bucket.as_str(), &upload.key, upload.upload_id.as_str()]);
    format!("{:032x}", u128::from_be_bytes(digest))
}

fn digest<const N: usize>(fields: [&str; N]) -> [u8; ID_BYTES] {
    let mut digest = Sha256::new();
    for field in fields {
        digest.update((field.len() as u64).to_be_bytes());
        digest.update(field);
    }
    digest.finalize().first_chunk().copied().unwrap_or_default()
}

/// The name of the record under its upload's id.
pub(super) const RECORD: &str = "record";
const ID_BYTES: usize = 16;
/// What makes 255 characters once it is sealed.
const NOTE_BYTES_MAX: usize = 135;
const HEADER_FIELD_BYTES: usize = 1 + StreamHeader::BYTES;
/// There are 9,999 parts at most; a page may be shorter than it could be.
const PARTS_PAGES_MAX: u32 = 32;
/// A part that is sent again leaves another note.
const NOTES_PAGES_MAX: u32 = 128;
/// What is left then is the sweeper's.
const CLEARED_PAGES_MAX: u32 = 256;
const RECORD_BYTES_MAX: u64 = 64 * 1024;
/// A part that is staged is stored in less.
const STAGED_BYTES_MAX: u64 = 5 << 20;
