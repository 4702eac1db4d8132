//! The upload record: what every replica must know of an open upload to seal a part for it.
//!
//! Written once at Create, read on the first part that a replica sees, then cached. The cache holds what lies on the
//! backend anyway, no secret: each request opens the envelope with its own snapshot of the keys, so a key that was
//! taken away seals nothing more.

use std::sync::Arc;

use moka::future::Cache;
use s3s::{S3Error, S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::checksums::UploadChecksum;
use super::staging::Staging;
use crate::backend::{BackendError, BucketName, StoredETag, UploadId, UploadRef};
use crate::s3::scope::{Name, Scope};
use crate::s3::{customer_key, errors};
use crate::seal::{CustomerKeyCheck, Envelope, Kind, ObjectSecret, StreamHeader, open_attributes, seal_attributes};
use crate::telemetry::tally;

/// As stored: JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// bucket on the backend
    bucket: String,
    key: String,
    upload_id: String,
    /// none for an upload that copies an object: no client sends parts for it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<Sealed>,
}

/// The metadata value of the envelope, and what was asked for at Create, sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sealed {
    envelope: String,
    attributes: String,
}

/// What was asked for at Create.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct UploadAttributes {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) checksum: Option<UploadChecksum>,
    /// the check of the customer's key that parts are sealed with, as in the object's metadata
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) customer_key: Option<String>,
}

impl Record {
    /// The record of a client's upload.
    pub(super) fn of_upload(
        upload: &UploadRef,
        envelope: &Envelope,
        secret: &ObjectSecret,
        attributes: &UploadAttributes,
    ) -> S3Result<Self> {
        let json = serde_json::to_vec(attributes).map_err(|_| s3_error!(InternalError))?;
        let attributes = seal_attributes(secret, &json).map_err(|error| errors::seal(&error))?;
        let sealed = Some(Sealed { envelope: envelope.to_metadata(), attributes });
        Ok(Self { sealed, ..Self::of_copy(upload) })
    }

    /// The record of an upload that copies an object.
    pub(crate) fn of_copy(upload: &UploadRef) -> Self {
        Self {
            bucket: upload.bucket.as_str().to_owned(),
            key: upload.key.clone(),
            upload_id: upload.upload_id.as_str().to_owned(),
            sealed: None,
        }
    }

    /// As stored.
    pub(crate) fn to_bytes(&self) -> S3Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|_| s3_error!(InternalError))
    }

    /// From what is stored.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, BackendError> {
        serde_json::from_slice(bytes).map_err(|_| BackendError::Damaged("an upload record".to_owned()))
    }

    /// The upload it speaks of.
    pub(super) fn upload(&self) -> UploadRef {
        UploadRef {
            bucket: BucketName::new(self.bucket.as_str()),
            key: self.key.clone(),
            upload_id: UploadId::new(self.upload_id.as_str()),
        }
    }

    /// Whether no client sends parts for it.
    pub(super) fn is_of_copy(&self) -> bool {
        self.sealed.is_none()
    }
}

/// An open upload, opened with the keys of one request.
pub(crate) struct OpenUpload {
    pub(crate) at: UploadRef,
    pub(crate) envelope: Envelope,
    /// of everything but parts that a customer's key belongs to
    pub(crate) secret: ObjectSecret,
    customer_key: Option<CustomerKeyCheck>,
    pub(crate) checksum: Option<UploadChecksum>,
    pub(crate) staging: Staging,
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
}

/// What this replica remembers of open uploads, by their id in the staging bucket: the records, and the stream headers of
/// parts that it sealed, which go into the completion record.
#[derive(Clone)]
pub(crate) struct Uploads {
    records: Cache<String, Arc<Record>>,
    stream_headers: Cache<(String, u32), (StoredETag, StreamHeader)>,
}

impl Default for Uploads {
    fn default() -> Self {
        Self { records: Cache::new(CACHED_MAX), stream_headers: Cache::new(STREAM_HEADERS_MAX) }
    }
}

impl Uploads {
    /// Keeps the record of an upload that was just begun here.
    pub(super) async fn keep(&self, staging: &Staging, record: Record) {
        self.records.insert(staging.id().to_owned(), Arc::new(record)).await;
    }

    /// Remembers the stream header of a part that was just stored.
    pub(crate) async fn keep_header(&self, staging: &Staging, number: u32, etag: &StoredETag, header: StreamHeader) {
        self.stream_headers.insert((staging.id().to_owned(), number), (etag.clone(), header)).await;
    }

    /// The stream header of a part, if this replica stored it.
    pub(super) async fn header(&self, staging: &Staging, number: u32, etag: &StoredETag) -> Option<StreamHeader> {
        let (kept, header) = self.stream_headers.get(&(staging.id().to_owned(), number)).await?;
        (kept == *etag).then_some(header)
    }

    /// Forgets an upload that is over.
    pub(crate) async fn forget(&self, staging: &Staging) {
        self.records.invalidate(staging.id()).await;
    }

    /// Opens an upload: `NoSuchUpload` if there is no record of it.
    pub(crate) async fn open(&self, scope: &Scope<'_>, name: &Name, upload_id: &str) -> S3Result<OpenUpload> {
        let (at, staging) = located(scope, name, upload_id);
        tally::looked_up(tally::Cache::Uploads, self.records.contains_key(staging.id()), self.records.entry_count());
        let loaded = self.records.try_get_with(staging.id().to_owned(), load(&staging)).await;
        let record = loaded.map_err(|error| match Arc::try_unwrap(error) {
            Ok(error) => error.into(),
            // another request of this replica asked for it at the same time and has the cause
            Err(shared) => match *shared {
                NotLoaded::Absent => s3_error!(NoSuchUpload),
                NotLoaded::Backend(_) => s3_error!(ServiceUnavailable),
            },
        })?;
        let sealed = record.sealed.as_ref().filter(|_| record.upload() == at).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let unsealable = |error| errors::unsealable(&name.bucket, &name.key, &error);
        let envelope = Envelope::from_metadata(&sealed.envelope).map_err(unsealable)?;
        if envelope.kind() != Kind::Multipart {
            return Err(errors::unsealable(&name.bucket, &name.key, &errors::Misfit::RecordOfAnotherKind));
        }
        let opened = scope.open_envelope(name, envelope)?;
        let json = open_attributes(&opened.secret, &sealed.attributes).map_err(unsealable)?;
        let attributes: UploadAttributes = serde_json::from_slice(&json).unwrap_or_default();
        let check = attributes.customer_key.as_deref().map(CustomerKeyCheck::from_metadata);
        Ok(OpenUpload {
            at,
            envelope: opened.envelope,
            secret: opened.secret,
            customer_key: check.transpose().map_err(unsealable)?,
            checksum: attributes.checksum,
            staging,
        })
    }
}

/// Where an upload and its staged things lie.
pub(super) fn located(scope: &Scope<'_>, name: &Name, upload_id: &str) -> (UploadRef, Staging) {
    let at = UploadRef { bucket: name.stored.clone(), key: name.key.clone(), upload_id: UploadId::new(upload_id) };
    let staging = staging(scope, &at);
    (at, staging)
}

/// What an upload has in the staging bucket.
pub(crate) fn staging(scope: &Scope<'_>, upload: &UploadRef) -> Staging {
    Staging::of(Arc::clone(&scope.gateway.backend), scope.gateway.staging.clone(), upload)
}

enum NotLoaded {
    Absent,
    Backend(BackendError),
}

impl From<NotLoaded> for S3Error {
    fn from(why: NotLoaded) -> Self {
        match why {
            NotLoaded::Absent => s3_error!(NoSuchUpload),
            NotLoaded::Backend(error) => errors::backend(error),
        }
    }
}

async fn load(staging: &Staging) -> Result<Arc<Record>, NotLoaded> {
    let bytes = staging.read_record().await.map_err(NotLoaded::Backend)?.ok_or(NotLoaded::Absent)?;
    Record::from_bytes(&bytes).map(Arc::new).map_err(NotLoaded::Backend)
}

/// Records, at most about 1.5 KiB each.
const CACHED_MAX: u64 = 10_000;
/// Stream headers of parts, some 200 bytes each.
const STREAM_HEADERS_MAX: u64 = 20_000;
