//! Open uploads: found by the client's id, opened with the keys of one request, and what this replica remembers of them.
//!
//! What is remembered is kept under a digest of the client's id, which commits to the record: another record under a name or
//! an id that the store gives a second time is never taken for it. No secret is kept: each request opens the envelope with
//! its own snapshot of the keys, so a key that was taken away seals nothing more.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use s3s::{S3Error, S3Result, s3_error};

use super::checksums::UploadChecksum;
use super::note::Note;
use super::record::{NoRecord, Record, SealedRecord, UploadName};
use super::staging::{Staging, upload_digest};
use crate::backend::{BackendError, StoredETag, UploadId, UploadRef};
use crate::s3::scope::{Name, Scope};
use crate::s3::{customer_key, errors};
use crate::seal::{
    ClusterKeys, CustomerKeyCheck, Envelope, Kind, ObjectSecret, RecordError, StreamHeader, record_upload_id,
    store_upload_id,
};
use crate::telemetry::tally;

/// An open upload, opened with the keys of one request.
pub(crate) struct OpenUpload {
    pub(crate) at: UploadRef,
    pub(crate) envelope: Envelope,
    /// of everything but parts that a customer's key belongs to
    pub(crate) secret: ObjectSecret,
    customer_key: Option<CustomerKeyCheck>,
    pub(crate) checksum: Option<UploadChecksum>,
    pub(crate) staging: Staging,
    /// a digest of bucket, key and the client's id
    pub(super) digest: String,
    owner: UploadName,
    /// the client's
    upload_id: String,
    cluster_keys: Arc<ClusterKeys>,
}

impl OpenUpload {
    /// The secret of its parts, if the upload was begun with a customer's key: `name` must give that one again.
    pub(crate) fn joined_secret(&self, name: &Name) -> S3Result<Option<ObjectSecret>> {
        customer_key::part_secret(name, &self.secret, self.customer_key)
    }

    /// The tenant's key as the answer to Complete shows it, hex; none where the parts came with a customer's key.
    pub(super) fn shown_key_id(&self) -> Option<String> {
        self.customer_key.is_none().then(|| self.envelope.key_id().to_string())
    }

    /// Keeps what is known of a part that was just stored.
    pub(crate) async fn write_note(&self, number: u32, note: &Note) -> S3Result<()> {
        let name = self.owner.of_note(&self.upload_id, number);
        let text = note.seal(&self.cluster_keys, &name)?;
        self.staging.write_note(number, &text).await.map_err(errors::backend)
    }

    /// What is known of parts with numbers above `after` and up to `last`, ascending; several notes of a part that came
    /// more than once. What is no note of this upload counts as absent.
    pub(super) async fn notes(&self, after: u32, last: u32) -> Result<Vec<(u32, Note)>, BackendError> {
        let mut notes = Vec::new();
        for (number, text) in self.staging.note_texts(after, last).await? {
            let name = self.owner.of_note(&self.upload_id, number);
            notes.extend(Note::open(&self.cluster_keys, &name, &text)?.map(|note| (number, note)));
        }
        Ok(notes)
    }
}

/// What this replica remembers of open uploads: the records, what lists show of them, and the stream headers of parts that
/// it sealed, which go into the completion record.
#[derive(Clone)]
pub(crate) struct Uploads {
    /// by the digest of the client's id
    records: Cache<String, Arc<Record>>,
    /// the client's ids, by the id in the staging bucket; for a while, because a store may give its own id twice
    shown: Cache<String, Arc<str>>,
    /// by the digest of the client's id
    stream_headers: Cache<(String, u32), (StoredETag, StreamHeader)>,
}

impl Default for Uploads {
    fn default() -> Self {
        Self {
            records: Cache::new(CACHED_MAX),
            shown: Cache::builder().max_capacity(CACHED_MAX).time_to_live(SHOWN_FOR).build(),
            stream_headers: Cache::new(STREAM_HEADERS_MAX),
        }
    }
}

impl Uploads {
    /// Keeps the record of an upload that was just begun here.
    pub(super) async fn keep(&self, at: &UploadRef, staging: &Staging, sealed: SealedRecord) {
        let digest = upload_digest(&at.bucket, &at.key, &sealed.upload_id);
        self.shown.insert(staging.id().to_owned(), sealed.upload_id.into()).await;
        self.records.insert(digest, Arc::new(sealed.record)).await;
    }

    /// Remembers the stream header of a part that was just stored.
    pub(crate) async fn keep_header(&self, upload: &OpenUpload, number: u32, etag: &StoredETag, header: StreamHeader) {
        self.stream_headers.insert((upload.digest.clone(), number), (etag.clone(), header)).await;
    }

    /// The stream header of a part, if this replica stored it.
    pub(super) async fn header(&self, upload: &OpenUpload, number: u32, etag: &StoredETag) -> Option<StreamHeader> {
        let (kept, header) = self.stream_headers.get(&(upload.digest.clone(), number)).await?;
        (kept == *etag).then_some(header)
    }

    /// Forgets an upload that is over.
    pub(crate) async fn forget(&self, upload: &OpenUpload) {
        self.records.invalidate(&upload.digest).await;
        self.shown.invalidate(upload.staging.id()).await;
    }

    /// Forgets an upload that was aborted. `upload_id` is what the client gave.
    pub(super) async fn forget_aborted(&self, at: &UploadRef, staging: &Staging, upload_id: &str) {
        self.records.invalidate(&upload_digest(&at.bucket, &at.key, upload_id)).await;
        self.shown.invalidate(staging.id()).await;
    }

    /// Opens an upload to add to it or to complete it, for which its key must still seal (F-27).
    pub(crate) async fn open_to_write(&self, scope: &Scope<'_>, name: &Name, upload_id: &str) -> S3Result<OpenUpload> {
        let upload = self.open(scope, name, upload_id).await?;
        scope.check_seals(&upload.envelope)?;
        Ok(upload)
    }

    /// Opens an upload: `NoSuchUpload` if there is no record to which the client's id commits.
    pub(crate) async fn open(&self, scope: &Scope<'_>, name: &Name, upload_id: &str) -> S3Result<OpenUpload> {
        let store_id = store_upload_id(upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let (at, staging) = located(scope, name, store_id);
        let (owner, digest) = (UploadName::new(scope, name), upload_digest(&at.bucket, &at.key, upload_id));
        let cluster_keys = scope.gateway.cluster_keys.snapshot();
        tally::looked_up(tally::Cache::Uploads, self.records.contains_key(&digest), self.records.entry_count());
        let load = load(&cluster_keys, &owner, &staging, &at.upload_id, Some(upload_id));
        let loaded = self.records.try_get_with(digest.clone(), load).await;
        let record = loaded.map_err(|error| match Arc::try_unwrap(error) {
            Ok(error) => error.into(),
            // another request of this replica asked for it at the same time and has the cause
            Err(shared) => match &*shared {
                NotLoaded::Backend(_) => s3_error!(ServiceUnavailable),
                NotLoaded::Absent | NotLoaded::NoRecord(_) => NotLoaded::Absent.into(),
            },
        })?;
        let envelope = record.envelope().filter(|_| record.counts(&cluster_keys, scope.gateway.upload_max_age));
        let Some(envelope) = envelope else {
            self.records.invalidate(&digest).await;
            return Err(s3_error!(NoSuchUpload));
        };
        let unsealable = |error| errors::unsealable(&name.bucket, &name.key, &error);
        let envelope = Envelope::from_metadata(envelope).map_err(unsealable)?;
        if envelope.kind() != Kind::Multipart {
            return Err(errors::unsealable(&name.bucket, &name.key, &errors::Misfit::RecordOfAnotherKind));
        }
        let opened = scope.open_envelope(name, envelope)?;
        let check = record.customer_key().map(CustomerKeyCheck::from_metadata).transpose().map_err(unsealable)?;
        Ok(OpenUpload {
            at,
            envelope: opened.envelope,
            secret: opened.secret,
            customer_key: check,
            checksum: record.checksum(),
            staging,
            digest,
            owner,
            upload_id: upload_id.to_owned(),
            cluster_keys,
        })
    }

    /// The id under which a list shows an upload: the client's, if its record opens and names it, else one that Abort alone
    /// takes.
    pub(super) async fn shown_id(&self, scope: &Scope<'_>, name: &Name, store_id: &UploadId) -> S3Result<Arc<str>> {
        let (_, staging) = located(scope, name, store_id.as_str());
        if let Some(shown) = self.shown.get(staging.id()).await {
            return Ok(shown);
        }
        let owner = UploadName::new(scope, name);
        let keys = scope.gateway.cluster_keys.snapshot();
        let bytes = staging.read_record().await.map_err(errors::backend)?;
        let is_named = |bytes: &Vec<u8>| Record::open(&keys, &owner, store_id, None, bytes).is_ok();
        let upload_id = bytes.filter(is_named).and_then(|bytes| record_upload_id(store_id.as_str(), &bytes));
        let Some(upload_id) = upload_id else { return Ok(without_record(store_id).into()) };
        let shown: Arc<str> = upload_id.into();
        self.shown.insert(staging.id().to_owned(), Arc::clone(&shown)).await;
        Ok(shown)
    }
}

/// How a list shows an upload without a usable record.
pub(super) fn without_record(store_id: &UploadId) -> String {
    format!("{}.x", store_id.as_str())
}

/// Where an upload and its staged things lie.
pub(super) fn located(scope: &Scope<'_>, name: &Name, store_id: &str) -> (UploadRef, Staging) {
    let at = UploadRef { bucket: name.stored.clone(), key: name.key.clone(), upload_id: UploadId::new(store_id) };
    let staging = staging(scope, &at);
    (at, staging)
}

/// What an upload has in the staging bucket.
pub(crate) fn staging(scope: &Scope<'_>, upload: &UploadRef) -> Staging {
    Staging::of(Arc::clone(&scope.gateway.backend), scope.gateway.staging.clone(), upload)
}

enum NotLoaded {
    Absent,
    NoRecord(NoRecord),
    Backend(BackendError),
}

impl From<NotLoaded> for S3Error {
    fn from(why: NotLoaded) -> Self {
        match why {
            NotLoaded::Absent | NotLoaded::NoRecord(NoRecord::Another | NoRecord::NotOpened(_)) => {
                s3_error!(NoSuchUpload)
            }
            NotLoaded::NoRecord(NoRecord::Unreadable) => s3_error!(InternalError),
            NotLoaded::Backend(error) => errors::backend(error),
        }
    }
}

async fn load(
    keys: &ClusterKeys,
    owner: &UploadName,
    staging: &Staging,
    store_id: &UploadId,
    upload_id: Option<&str>,
) -> Result<Arc<Record>, NotLoaded> {
    let bytes = staging.read_record().await.map_err(NotLoaded::Backend)?.ok_or(NotLoaded::Absent)?;
    match Record::open(keys, owner, store_id, upload_id, &bytes) {
        Ok(record) => Ok(Arc::new(record)),
        Err(error) => {
            // a client that gives a wrong id is no matter for a warning
            match error {
                NoRecord::Another => tracing::debug!(upload = staging.id(), %error, "no record of this upload"),
                NoRecord::NotOpened(RecordError::UnknownKey { .. }) | NoRecord::Unreadable => {
                    tracing::error!(upload = staging.id(), %error, "the record of an upload cannot be used");
                }
                NoRecord::NotOpened(_) => {
                    tracing::warn!(upload = staging.id(), %error, "the record of an upload cannot be used");
                }
            }
            Err(NotLoaded::NoRecord(error))
        }
    }
}

/// Records, at most about 2.5 KiB each.
const CACHED_MAX: u64 = 10_000;
/// Stream headers of parts, some 200 bytes each.
const STREAM_HEADERS_MAX: u64 = 20_000;
/// How long a list may show what it showed before.
const SHOWN_FOR: Duration = Duration::from_mins(5);
