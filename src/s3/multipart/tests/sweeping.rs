//! The sweeper of the staging bucket.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::*;
use crate::backend::{CreateUpload, Metadata, Tags};
use crate::s3::multipart::sweep::{GRACE, OLD_MAX, OWN_MAX, Sweeper, Swept, WITHOUT_RECORD_MAX, WithoutRecord};

const MAX_AGE: Duration = Duration::from_hours(30 * 24);
const SECOND: Duration = Duration::from_secs(1);

fn sweeper(harness: &Harness) -> Sweeper {
    Sweeper {
        backend: Arc::clone(&harness.store),
        staging: BucketName::new(STAGING),
        upload_max_age: MAX_AGE,
        is_tenants: Arc::new(|bucket| bucket.as_str() == BUCKET),
    }
}

/// What a sweep does that finds uploads without a record for the second time.
pub(super) async fn swept(harness: &Harness, later: Duration) -> Swept {
    let (now, mut swept, mut without) = (SystemTime::now() + later, Swept::default(), WithoutRecord::default());
    sweeper(harness).staging(now, &mut swept).await.unwrap();
    for _ in 0..2 {
        sweeper(harness).buckets(now, &mut without, &mut swept).await.unwrap();
    }
    swept
}

async fn begin_at_the_store(harness: &Harness, bucket: &str) -> UploadRef {
    let create = CreateUpload {
        bucket: BucketName::new(bucket),
        key: KEY.to_owned(),
        metadata: Metadata::default(),
        tags: Tags::default(),
    };
    let upload_id = harness.store.create_upload(create).await.unwrap();
    UploadRef { bucket: BucketName::new(bucket), key: KEY.to_owned(), upload_id }
}

#[tokio::test]
async fn what_belongs_to_an_open_upload_stays() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    upload.part(1, b"small").await;
    assert_eq!(swept(&harness, GRACE * 100).await, Swept::default());
    upload.complete().await.unwrap();
    assert_eq!(harness.get(BUCKET, KEY, None).await.unwrap(), b"small");
}

#[tokio::test]
async fn what_belongs_to_no_upload_goes_once_it_is_an_hour_old() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin_with(&harness.gateway, with_checksum("CRC32", Some("FULL_OBJECT"))).await;
    upload.part(1, b"small").await;
    // as a lifecycle rule of the backend would
    harness.store.abort_upload(&upload.at()).await.unwrap();
    assert_eq!(swept(&harness, GRACE / 2).await, Swept::default());
    assert_eq!(harness.stored_keys(STAGING).await.len(), 3);
    assert_eq!(swept(&harness, GRACE + SECOND).await, Swept { deleted: 3, ..Swept::default() });
    assert_eq!(harness.stored_keys(STAGING).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_upload_is_ended_at_the_age_that_uploads_may_have() {
    let harness = Harness::new().await;
    let upload = Uploading::begin(&harness.gateway).await;
    assert_eq!(swept(&harness, MAX_AGE / 2).await, Swept::default());
    assert_eq!(swept(&harness, MAX_AGE + SECOND).await, Swept { deleted: 1, aborted: 1, failed: 0 });
    assert!(harness.store.list_parts(&upload.at(), 0, 1).await.is_err());
}

#[tokio::test]
async fn an_upload_of_the_gateways_own_that_lost_its_gateway_is_ended_after_a_week() {
    let harness = Harness::new().await;
    let at = begin_at_the_store(&harness, BUCKET).await;
    let subject = staging::Subject { upload: at.clone(), is_clients: false, begun: SystemTime::now() };
    harness.store_subject(&format!("{}/record", staging::id(&at)), &subject).await;
    assert_eq!(swept(&harness, OWN_MAX / 2).await, Swept::default());
    assert_eq!(swept(&harness, OWN_MAX + SECOND).await, Swept { deleted: 1, aborted: 1, failed: 0 });
    assert!(harness.store.list_parts(&at, 0, 1).await.is_err());
}

#[tokio::test]
async fn an_upload_of_a_tenants_bucket_without_a_record_is_ended_after_a_day() {
    let harness = Harness::new().await;
    let (lost, others) = (begin_at_the_store(&harness, BUCKET).await, begin_at_the_store(&harness, OTHER_BUCKET).await);
    let with_record = Uploading::begin(&harness.gateway).await;
    assert_eq!(swept(&harness, WITHOUT_RECORD_MAX / 2).await, Swept::default());
    let later = WITHOUT_RECORD_MAX + SECOND;
    assert_eq!(swept(&harness, later).await, Swept { aborted: 1, ..Swept::default() });
    assert!(harness.store.list_parts(&lost, 0, 1).await.is_err());
    assert!(harness.store.list_parts(&others, 0, 1).await.is_ok());
    assert!(harness.store.list_parts(&with_record.at(), 0, 1).await.is_ok());
}

#[tokio::test]
async fn records_of_other_things_stay_whatever_their_age() {
    let harness = Harness::new().await;
    let names = ["~settings~AAAA", "~lease~sweep~00000000000000000001", "~odd/record", "plain"];
    for name in names {
        harness.store_raw(STAGING, name, b"SGR1").await;
    }
    assert_eq!(swept(&harness, MAX_AGE * 2).await, Swept::default());
    let mut kept = harness.stored_keys(STAGING).await;
    kept.sort();
    let mut wanted = names.map(str::to_owned);
    wanted.sort();
    assert_eq!(kept, wanted);
}

#[tokio::test]
async fn what_is_in_the_place_of_a_record_ends_no_upload_but_its_own() {
    let harness = Harness::new().await;
    let upload = Uploading::begin(&harness.gateway).await;
    let (id, old) = ("0".repeat(32), "f".repeat(32));
    let subject = staging::Subject { upload: upload.at(), is_clients: false, begun: SystemTime::now() };
    harness.store_subject(&format!("{id}/record"), &subject).await;
    let json = format!(r#"{{"bucket":"{BUCKET}","key":"{KEY}","upload_id":"{}"}}"#, upload.store_id());
    harness.store_raw(STAGING, &format!("{old}/record"), json.as_bytes()).await;
    assert_eq!(swept(&harness, OLD_MAX + OWN_MAX).await, Swept { failed: 2, ..Swept::default() });
    assert!(harness.store.list_parts(&upload.at(), 0, 1).await.is_ok());
    // in the end it goes all the same
    let swept = swept(&harness, MAX_AGE + SECOND).await;
    assert_eq!(swept, Swept { deleted: 3, aborted: 1, failed: 0 });
}

/// A store whose dates are years behind makes uploads look old that have just begun.
#[tokio::test]
async fn the_dates_of_a_store_alone_end_no_upload_that_has_just_begun() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    let subject = staging::Subject { upload: upload.at(), is_clients: true, begun: SystemTime::now() + MAX_AGE };
    let record = harness.stored(STAGING, &upload.record_key()).await;
    harness.store_beside(&upload.record_key(), &record, &subject).await;
    upload.part(1, b"small").await;
    assert_eq!(swept(&harness, MAX_AGE + SECOND).await, Swept::default());
    upload.complete().await.unwrap();
    assert_eq!(harness.get(BUCKET, KEY, None).await.unwrap(), b"small");
}

/// Create may be between the upload and its record.
#[tokio::test]
async fn an_upload_without_a_record_is_not_ended_by_the_sweep_that_first_finds_it() {
    let harness = Harness::new().await;
    let at = begin_at_the_store(&harness, BUCKET).await;
    let (now, mut swept, mut without) =
        (SystemTime::now() + WITHOUT_RECORD_MAX * 2, Swept::default(), WithoutRecord::default());
    sweeper(&harness).buckets(now, &mut without, &mut swept).await.unwrap();
    assert!(harness.store.list_parts(&at, 0, 1).await.is_ok());
    assert_eq!(swept, Swept::default());
    sweeper(&harness).buckets(now, &mut without, &mut swept).await.unwrap();
    assert_eq!(swept, Swept { aborted: 1, ..Swept::default() });
}

impl Harness {
    /// What the store has beside a record.
    pub(super) async fn store_subject(&self, key: &str, subject: &staging::Subject) {
        self.store_beside(key, b"SGR1", subject).await;
    }

    async fn store_beside(&self, key: &str, record: &[u8], subject: &staging::Subject) {
        let request = crate::backend::PutRequest {
            bucket: BucketName::new(STAGING),
            key: key.to_owned(),
            metadata: Metadata { user: subject.metadata_entries(), ..Metadata::default() },
            tags: Tags::default(),
            conditions: crate::backend::WriteConditions::default(),
        };
        self.store.put(request, staging::held(bytes::Bytes::copy_from_slice(record))).await.unwrap();
    }
}
