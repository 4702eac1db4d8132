//! The upload record: what every replica must know of an open upload to seal a part for it.
//!
//! It is a record of the gateways' own, under a key of the cluster, and the upload id that the client sees commits to it: a
//! store that gives another one, be it of an earlier upload of the same name, is answered as if there were none (F-26).
//! It is written once, at Create, and read on the first part that a replica sees; [`uploads`](super::uploads) keeps it.

use std::time::{Duration, SystemTime};

use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::checksums::UploadChecksum;
use crate::backend::{UploadId, UploadRef};
use crate::s3::scope::{Name, Scope};
use crate::seal::{
    ClusterKeyId, ClusterKeys, Envelope, RecordError, RecordKind, RecordName, is_upload_id_of, record_key_id,
    record_upload_id,
};

/// The fields, sealed as JSON. One that is not known here is of a later version and never passed over (R-3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    v: u8,
    store_id: String,
    tenant: String,
    /// as the client says it
    bucket: String,
    key: String,
    /// seconds since 1970
    created: u64,
    /// the metadata value; none for an upload of the gateway's own, to which no client sends parts
    #[serde(default, skip_serializing_if = "Option::is_none")]
    envelope: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<UploadChecksum>,
    /// the check of the customer's key that parts are sealed with, as in the object's metadata
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer_key: Option<String>,
}

/// What a client asked for at Create.
pub(super) struct Asked<'a> {
    pub(super) envelope: &'a Envelope,
    pub(super) checksum: Option<UploadChecksum>,
    /// as in the object's metadata
    pub(super) customer_key: Option<String>,
}

/// Whose upload it is: what records of it are named after. Bucket and key are as the client says them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UploadName {
    tenant: String,
    bucket: String,
    key: String,
}

impl UploadName {
    pub(super) fn new(scope: &Scope<'_>, name: &Name) -> Self {
        let tenant = scope.principal.tenant.as_str().to_owned();
        Self { tenant, bucket: name.bucket.clone(), key: name.key.clone() }
    }

    fn of_record(&self, store_id: &UploadId) -> RecordName {
        RecordName::new(RecordKind::Upload, &self.tenant, &[&self.bucket, &self.key, store_id.as_str()])
    }

    /// Of a note. It names the client's upload id, which commits to the record: the store may give its own id twice.
    pub(super) fn of_note(&self, upload_id: &str, number: u32) -> RecordName {
        let number = number.to_string();
        RecordName::new(RecordKind::Note, &self.tenant, &[&self.bucket, &self.key, upload_id, &number])
    }
}

/// A record as it is sealed, with the upload id that its client sees.
pub(crate) struct SealedRecord {
    pub(crate) bytes: Vec<u8>,
    /// whether a client sends parts for it
    pub(crate) is_clients: bool,
    pub(super) upload_id: String,
    pub(super) record: Record,
}

impl SealedRecord {
    /// The record of a client's upload.
    pub(super) fn of_client(scope: &Scope<'_>, name: &Name, at: &UploadRef, asked: &Asked<'_>) -> S3Result<Self> {
        let envelope = Some(asked.envelope.to_metadata());
        let (checksum, customer_key) = (asked.checksum, asked.customer_key.clone());
        Self::of(scope, name, at, |fields| Fields { envelope, checksum, customer_key, ..fields })
    }

    /// The record of an upload of the gateway's own: of a copy, or of a body in parts.
    pub(crate) fn of_gateway(scope: &Scope<'_>, name: &Name, at: &UploadRef) -> S3Result<Self> {
        Self::of(scope, name, at, |fields| fields)
    }

    fn of(scope: &Scope<'_>, name: &Name, at: &UploadRef, with: impl FnOnce(Fields) -> Fields) -> S3Result<Self> {
        let store_id = at.upload_id.as_str();
        if store_id.is_empty() || store_id.len() > STORE_ID_BYTES_MAX {
            tracing::error!(bytes = store_id.len(), "the store's upload id has no usable length");
            return Err(s3_error!(InternalError));
        }
        let (owner, now) = (UploadName::new(scope, name), SystemTime::now());
        let fields = with(Fields {
            v: VERSION,
            store_id: store_id.to_owned(),
            tenant: owner.tenant.clone(),
            bucket: owner.bucket.clone(),
            key: owner.key.clone(),
            created: now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs(),
            envelope: None,
            checksum: None,
            customer_key: None,
        });
        let json = serde_json::to_vec(&fields).map_err(|_| s3_error!(InternalError))?;
        let keys = scope.gateway.cluster_keys.snapshot();
        let sealed = keys.seal_record(&owner.of_record(&at.upload_id), &json, now);
        let bytes = sealed.map_err(|error| {
            tracing::error!(%error, "an upload record cannot be sealed");
            s3_error!(InternalError)
        })?;
        let key_id = record_key_id(&bytes).ok_or_else(|| s3_error!(InternalError))?;
        let upload_id = record_upload_id(store_id, &bytes).ok_or_else(|| s3_error!(InternalError))?;
        let is_clients = fields.envelope.is_some();
        Ok(Self { bytes, is_clients, upload_id, record: Record { fields, key_id } })
    }
}

/// A record that was opened.
#[derive(Clone, Debug)]
pub(super) struct Record {
    fields: Fields,
    key_id: ClusterKeyId,
}

impl Record {
    /// Opens what the store gives as the record of this upload. `upload_id` is the client's; none: any will do.
    pub(super) fn open(
        keys: &ClusterKeys,
        owner: &UploadName,
        store_id: &UploadId,
        upload_id: Option<&str>,
        bytes: &[u8],
    ) -> Result<Self, NoRecord> {
        if upload_id.is_some_and(|id| !is_upload_id_of(id, store_id.as_str(), bytes)) {
            return Err(NoRecord::Another);
        }
        let json = keys.open_record(&owner.of_record(store_id), bytes, SystemTime::now())?;
        let fields: Fields = serde_json::from_slice(&json).map_err(|_| NoRecord::Unreadable)?;
        if fields.v != VERSION {
            return Err(NoRecord::Unreadable);
        }
        let is_named = [&fields.tenant, &fields.bucket, &fields.key] == [&owner.tenant, &owner.bucket, &owner.key];
        if !is_named || fields.store_id != store_id.as_str() {
            return Err(NoRecord::Another);
        }
        Ok(Self { fields, key_id: record_key_id(bytes).ok_or(NoRecord::Another)? })
    }

    /// Whether it still counts: its key is in the cluster's list, and the upload has not run out.
    pub(super) fn counts(&self, keys: &ClusterKeys, age_max: Duration) -> bool {
        let now = SystemTime::now();
        let created = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.fields.created));
        let is_over = created.is_none_or(|created| now.duration_since(created).is_ok_and(|age| age >= age_max));
        keys.opens(self.key_id, now) && !is_over
    }

    /// The metadata value of the envelope; none if no client sends parts.
    pub(super) fn envelope(&self) -> Option<&str> {
        self.fields.envelope.as_deref()
    }

    pub(super) fn checksum(&self) -> Option<UploadChecksum> {
        self.fields.checksum
    }

    pub(super) fn customer_key(&self) -> Option<&str> {
        self.fields.customer_key.as_deref()
    }
}

/// Why the bytes are not the record of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoRecord {
    /// another record, or none at all
    #[error("it is not the one that the upload id commits to")]
    Another,
    /// it does not open
    #[error(transparent)]
    NotOpened(#[from] RecordError),
    /// authentic, but of a version that is not known here
    #[error("it is of a version that is not known here")]
    Unreadable,
}

const VERSION: u8 = 1;
/// The longest upload id of a store that is taken. AWS's have some 130 characters.
const STORE_ID_BYTES_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::ClusterKey;

    fn owner() -> UploadName {
        UploadName { tenant: "tenant".to_owned(), bucket: "bucket".to_owned(), key: "key".to_owned() }
    }

    /// Opens a record with these fields, which was sealed for the upload `id` of [`owner`].
    fn opened(json: &str) -> Result<Record, NoRecord> {
        let keys = ClusterKeys::one(ClusterKey::generate().unwrap());
        let (owner, id) = (owner(), UploadId::new("id"));
        let bytes = keys.seal_record(&owner.of_record(&id), json.as_bytes(), SystemTime::now()).unwrap();
        Record::open(&keys, &owner, &id, None, &bytes)
    }

    const FIELDS: &str = r#""store_id":"id","tenant":"tenant","bucket":"bucket","key":"key","created":7"#;

    #[test]
    fn authentic_fields_that_cannot_be_read_are_an_error_and_no_default() {
        assert!(opened(&format!(r#"{{"v":1,{FIELDS}}}"#)).is_ok());
        let wrong = [
            String::new(),
            "{}".to_owned(),
            format!(r#"{{"v":2,{FIELDS}}}"#),
            format!(r#"{{"v":1,{FIELDS},"later":1}}"#),
            format!(r#"{{"v":1,{FIELDS},"checksum":{{"algorithm":"ROT13","composite":false}}}}"#),
            format!(r#"{{"v":1,{FIELDS},"checksum":7}}"#),
            format!(r#"{{"v":1,{FIELDS}}} "#).replace("created\":7", "created\":-7"),
        ];
        for json in wrong {
            assert_eq!(opened(&json).unwrap_err(), NoRecord::Unreadable, "{json}");
        }
    }

    #[test]
    fn fields_that_name_another_upload_than_the_record_are_refused() {
        for (is, other) in [
            ("\"id\"", "\"di\""),
            ("tenant\":\"tenant", "tenant\":\"a"),
            ("bucket\":\"bucket", "bucket\":\"a"),
            ("key\":\"key", "key\":\"a"),
        ] {
            let json = format!(r#"{{"v":1,{FIELDS}}}"#).replace(is, other);
            assert_eq!(opened(&json).unwrap_err(), NoRecord::Another, "{json}");
        }
    }

    #[test]
    fn a_record_counts_for_as_long_as_its_upload_may_live() {
        let keys = ClusterKeys::one(ClusterKey::generate().unwrap());
        let (owner, id) = (owner(), UploadId::new("id"));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let created = |at: u64| {
            let json = format!(r#"{{"v":1,{FIELDS}}}"#).replace("\"created\":7", &format!("\"created\":{at}"));
            let bytes = keys.seal_record(&owner.of_record(&id), json.as_bytes(), SystemTime::now()).unwrap();
            Record::open(&keys, &owner, &id, None, &bytes).unwrap()
        };
        let hour = Duration::from_hours(1);
        assert!(created(now).counts(&keys, hour));
        assert!(created(now - 3_000).counts(&keys, hour));
        assert!(!created(now - 3_600).counts(&keys, hour));
        // the clock of the gateway that made it goes ahead
        assert!(created(now + 60).counts(&keys, hour));
        assert!(!created(u64::MAX).counts(&keys, hour));
        // a key that was taken out of the list
        let others = ClusterKeys::one(ClusterKey::generate().unwrap());
        assert!(!created(now).counts(&others, hour));
    }
}
