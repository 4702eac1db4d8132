//! The sweeper of the staging bucket.

use std::time::{Duration, SystemTime};

use super::*;
use crate::backend::{BucketName, CreateUpload, Metadata, Tags, UploadId, UploadRef};
use crate::s3::multipart::sweep::{COPY_MAX, GRACE, Swept, sweep_staging};
use crate::s3::multipart::{Record, Staging};

async fn swept(harness: &Harness, later: Duration) -> Swept {
    let now = SystemTime::now() + later;
    sweep_staging(&harness.store, &BucketName::new(STAGING), now).await.unwrap()
}

/// Ends an upload as a lifecycle rule of the backend would.
async fn end_behind_the_gateway(harness: &Harness, upload: &Uploading<'_>) {
    let at = UploadRef {
        bucket: BucketName::new(BUCKET),
        key: KEY.to_owned(),
        upload_id: UploadId::new(upload.id.as_str()),
    };
    harness.store.abort_upload(&at).await.unwrap();
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
    end_behind_the_gateway(&harness, &upload).await;
    assert_eq!(swept(&harness, GRACE / 2).await, Swept::default());
    assert_eq!(harness.stored_keys(STAGING).await.len(), 3);
    assert_eq!(swept(&harness, GRACE + Duration::from_secs(1)).await, Swept { deleted: 3, ..Swept::default() });
    assert_eq!(harness.stored_keys(STAGING).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_copy_that_lost_its_gateway_is_aborted_after_a_week() {
    let harness = Harness::new().await;
    let create = CreateUpload {
        bucket: BucketName::new(BUCKET),
        key: KEY.to_owned(),
        metadata: Metadata::default(),
        tags: Tags::default(),
    };
    let upload_id = harness.store.create_upload(create).await.unwrap();
    let at = UploadRef { bucket: BucketName::new(BUCKET), key: KEY.to_owned(), upload_id };
    let staging = Staging::of(std::sync::Arc::clone(&harness.store), BucketName::new(STAGING), &at);
    staging.write_record(Record::of_copy(&at).to_bytes().unwrap()).await.unwrap();

    assert_eq!(swept(&harness, COPY_MAX / 2).await, Swept::default());
    let later = COPY_MAX + Duration::from_secs(1);
    assert_eq!(swept(&harness, later).await, Swept { deleted: 1, aborted: 1, failed: 0 });
    assert!(harness.store.list_parts(&at, 0, 1).await.is_err());
}
