//! The short-lived objects of open uploads, in the staging bucket.
//!
//! | key | what |
//! |---|---|
//! | `<id>/record` | the upload record |
//! | `<id>/part/<number>` | a sealed part stored under 5 MiB, which may turn out to be the last |
//! | `<id>/note/<number>/<text>` | an empty object whose name is what is known of a part, see [`note`](super::note) |
//!
//! `<id>` is a digest of bucket, key and the store's upload id, 32 hex digits; numbers have five digits, so that they list
//! in order. Other records have no slash in their names and begin with `~`. What is here was sealed like everything else
//! and is trusted no more than the rest of the backend. Beside a record stands in clear which upload it is of, so that the
//! sweeper can ask for it, and when that began: the store knows that anyway.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};

use super::record::SealedRecord;
use crate::backend::{
    Backend, BackendError, BucketName, DeleteItem, ETagMatch, Fetched, GetRequest, Governance, ListedObject, Metadata,
    ObjectRef, PutRequest, ReadConditions, SealedBody, StoredETag, Tags, UploadId, UploadRef, Walk, WriteConditions,
};

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

    /// Stores the record of this upload.
    pub(crate) async fn write_record(&self, upload: &UploadRef, record: &SealedRecord) -> Result<(), BackendError> {
        let subject = Subject { upload: upload.clone(), is_clients: record.is_clients, begun: SystemTime::now() };
        let metadata = Metadata { user: subject.metadata_entries(), ..Metadata::default() };
        self.put(self.record_key(), metadata, held(Bytes::copy_from_slice(&record.bytes))).await.map(drop)
    }

    /// What lies in the place of the upload record; none if the upload is over or was never begun here.
    pub(super) async fn read_record(&self) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(self.read_record_for_sweep().await?.map(|(bytes, _)| bytes))
    }

    /// The same, and which upload it says to be of.
    pub(super) async fn read_record_for_sweep(&self) -> Result<Option<(Vec<u8>, Option<Subject>)>, BackendError> {
        match self.get(self.record_key(), ReadConditions::default()).await {
            // what is that long is no record, and need not be read
            Ok(fetched) if fetched.bytes > RECORD_BYTES_MAX => Ok(Some((Vec::new(), None))),
            Ok(fetched) => {
                let subject = fetched.info.metadata.user.get(SUBJECT).and_then(|text| Subject::from_metadata(text));
                let subject = subject.filter(|subject| id(&subject.upload) == self.id);
                Ok(Some((read_all(fetched, RECORD_BYTES_MAX).await?, subject)))
            }
            Err(BackendError::NoSuchKey { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether anything lies in the place of the upload record.
    pub(super) async fn has_record(&self) -> Result<bool, BackendError> {
        match self.backend.head(&self.object(self.record_key()), &ReadConditions::default()).await {
            Ok(_) => Ok(true),
            Err(BackendError::NoSuchKey { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Stores a part that may turn out to be the last.
    pub(crate) async fn put_part(&self, number: u32, body: SealedBody) -> Result<StoredETag, BackendError> {
        self.put(self.part_key(number), Metadata::default(), body).await
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

    /// Keeps a note of a part, as text.
    pub(super) async fn write_note(&self, number: u32, text: &str) -> Result<(), BackendError> {
        let key = format!("{}/note/{number:05}/{text}", self.id);
        self.put(key, Metadata::default(), held(Bytes::new())).await.map(drop)
    }

    /// The notes of parts with numbers above `after` and up to `last`, ascending by number.
    pub(super) async fn note_texts(&self, after: u32, last: u32) -> Result<Vec<(u32, String)>, BackendError> {
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
                notes.push((number, text.to_owned()));
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

    async fn put(&self, key: String, metadata: Metadata, body: SealedBody) -> Result<StoredETag, BackendError> {
        let request = PutRequest {
            bucket: self.bucket.clone(),
            key,
            metadata,
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

/// Which upload a record is of, in clear beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) upload: UploadRef,
    /// whether a client sends parts for it
    pub(super) is_clients: bool,
    /// when it began, by the clock of its gateway
    pub(super) begun: SystemTime,
}

impl Subject {
    /// Nothing if it would not fit beside a record; the sweeper then goes by the record's age.
    pub(super) fn metadata_entries(&self) -> BTreeMap<String, String> {
        self.to_metadata().map(|text| (SUBJECT.to_owned(), text)).into_iter().collect()
    }

    fn to_metadata(&self) -> Option<String> {
        let UploadRef { bucket, key, upload_id } = &self.upload;
        let begun = self.begun.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let fields = (bucket.as_str(), key.as_str(), upload_id.as_str(), self.is_clients, begun);
        let text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&fields).ok()?);
        (text.len() <= SUBJECT_BYTES_MAX).then_some(text)
    }

    fn from_metadata(text: &str) -> Option<Self> {
        let json = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (bucket, key, upload_id, is_clients, begun): (String, String, String, bool, u64) =
            serde_json::from_slice(&json).ok()?;
        let upload = UploadRef { bucket: BucketName::new(bucket), key, upload_id: UploadId::new(upload_id) };
        let begun = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(begun))?;
        Some(Self { upload, is_clients, begun })
    }
}

/// The id of an upload here.
pub(super) fn id(upload: &UploadRef) -> String {
    upload_digest(&upload.bucket, &upload.key, upload.upload_id.as_str())
}

/// A digest of bucket, key and an upload id, the store's or the client's: 32 hex digits.
pub(super) fn upload_digest(bucket: &BucketName, key: &str, upload_id: &str) -> String {
    format!("{:032x}", u128::from_be_bytes(digest([bucket.as_str(), key, upload_id])))
}

pub(super) fn digest<const N: usize>(fields: [&str; N]) -> [u8; DIGEST_BYTES] {
    let mut digest = Sha256::new();
    for field in fields {
        digest.update((field.len() as u64).to_be_bytes());
        digest.update(field);
    }
    digest.finalize().first_chunk().copied().unwrap_or_default()
}

/// The name of the record under its upload's id.
pub(super) const RECORD: &str = "record";
pub(super) const DIGEST_BYTES: usize = 16;
/// The metadata that says which upload a record is of.
const SUBJECT: &str = "sealgate-upload";
/// What a record may have beside it: AWS takes 2 KiB of metadata.
const SUBJECT_BYTES_MAX: usize = 1_900;
/// There are 9,999 parts at most; a page may be shorter than it could be.
const PARTS_PAGES_MAX: u32 = 32;
/// A part that is sent again leaves another note.
const NOTES_PAGES_MAX: u32 = 128;
/// What is left then is the sweeper's.
const CLEARED_PAGES_MAX: u32 = 256;
/// The longest record, with its 60 bytes around the fields.
const RECORD_BYTES_MAX: u64 = 64 * 1024 + 60;
/// A part that is staged is stored in less.
const STAGED_BYTES_MAX: u64 = 5 << 20;
