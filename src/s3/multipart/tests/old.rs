//! What version 0.1 left at the store: its objects open, and its uploads are ended cleanly. `testdata/upgrade` was made by the
//! program of that version.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::TryStreamExt as _;
use s3s::dto::GetObjectInput;
use serde_json::Value;

use super::*;
use crate::backend::{CompleteUpload, CreateUpload, Metadata, PartRef, PutRequest, Tags, WriteConditions};
use crate::keys::ring::TenantKeys;
use crate::s3::multipart::held;
use crate::s3::multipart::sweep::{GRACE, OLD_MAX, Sweeper, Swept, WithoutRecord};
use crate::seal::{ClusterKey, ClusterKeys, Seed, TenantKey};

const OLD_BUCKET: &str = "bkt";

/// A gateway over a store that has what version 0.1 left there.
struct Old {
    harness: Harness,
    gateway: Gateway,
    made: Value,
    /// the open upload
    at: UploadRef,
}

fn bytes(hex: &Value) -> bytes::Bytes {
    let hex = hex.as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn metadata(made: &Value) -> Metadata {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let user: BTreeMap<_, _> =
        made["metadata"].as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect();
    Metadata { user, ..Metadata::default() }
}

impl Old {
    async fn new() -> Self {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/upgrade/version-0.1.json");
        let made: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let harness = Harness::new().await;
        let seed = Seed::from_base64(made["seed"].as_str().unwrap()).unwrap();
        let keys = TenantKeys::new(Arc::new(TenantKey::from_seed(&seed)), []);
        let gateway = harness.replica_with(keys, ClusterKeys::one(ClusterKey::generate().unwrap()));
        let bucket = BucketName::new(OLD_BUCKET);
        harness.store.create_bucket(&bucket).await.unwrap();
        let upload_id = begun(&harness, "open", Metadata::default()).await.upload_id;
        let at = UploadRef { bucket, key: "open".to_owned(), upload_id };
        let old = Self { harness, gateway, made, at };
        old.lay_out().await;
        old
    }

    /// The store of this test gave its own id to the upload; all else is as it was made.
    async fn lay_out(&self) {
        let single = &self.made["objects"]["single"];
        self.put(OLD_BUCKET, "single", metadata(single), bytes(&single["body"])).await;
        let done = &self.made["objects"]["done"];
        let upload = begun(&self.harness, "done", metadata(done)).await;
        let part = PartRef { upload: upload.clone(), number: 1 };
        let etag = self.harness.store.put_part(&part, held(bytes(&done["body"]))).await.unwrap();
        let complete = CompleteUpload { upload, parts: vec![(1, etag)], conditions: WriteConditions::default() };
        self.harness.store.complete_upload(complete).await.unwrap();
        for (name, made) in self.made["staging"].as_object().unwrap() {
            let (_, rest) = name.split_once('/').unwrap();
            let mut body = bytes(&made["body"]);
            if rest == "record" {
                let mut record: Value = serde_json::from_slice(&body).unwrap();
                assert_eq!(record["upload_id"], self.made["upload_id"]);
                record["upload_id"] = self.at.upload_id.as_str().into();
                record["bucket"] = OLD_BUCKET.into();
                body = record.to_string().into();
            }
            self.put(STAGING, &format!("{}/{rest}", staging::id(&self.at)), Metadata::default(), body).await;
        }
    }

    async fn put(&self, bucket: &str, key: &str, metadata: Metadata, body: bytes::Bytes) {
        let request = PutRequest {
            bucket: BucketName::new(bucket),
            key: key.to_owned(),
            metadata,
            tags: Tags::default(),
            conditions: WriteConditions::default(),
        };
        self.harness.store.put(request, held(body)).await.unwrap();
    }

    async fn get(&self, key: &str) -> Vec<u8> {
        let input = GetObjectInput { bucket: OLD_BUCKET.to_owned(), key: key.to_owned(), ..GetObjectInput::default() };
        let body = self.gateway.get_object(request_of("alice", input)).await.unwrap().output.body.unwrap();
        body.try_collect::<Vec<bytes::Bytes>>().await.unwrap().concat()
    }

    async fn listed(&self) -> Vec<String> {
        let input = ListMultipartUploadsInput { bucket: OLD_BUCKET.to_owned(), ..ListMultipartUploadsInput::default() };
        let listed = self.gateway.list_multipart_uploads(request_of("alice", input)).await.unwrap().output;
        listed.uploads.unwrap_or_default().into_iter().filter_map(|upload| upload.upload_id).collect()
    }

    async fn abort(&self, id: &str) -> String {
        let input = AbortMultipartUploadInput {
            bucket: OLD_BUCKET.to_owned(),
            key: "open".to_owned(),
            upload_id: id.to_owned(),
            ..AbortMultipartUploadInput::default()
        };
        code(self.gateway.abort_multipart_upload(request_of("alice", input)).await)
    }

    async fn swept(&self, later: Duration) -> Swept {
        let sweeper = Sweeper {
            backend: Arc::clone(&self.harness.store),
            staging: BucketName::new(STAGING),
            upload_max_age: OLD_MAX * 30,
            is_tenants: Arc::new(|_| true),
        };
        let (now, mut swept, mut without) = (SystemTime::now() + later, Swept::default(), WithoutRecord::default());
        sweeper.staging(now, &mut swept).await.unwrap();
        for _ in 0..2 {
            sweeper.buckets(now, &mut without, &mut swept).await.unwrap();
        }
        swept
    }
}

async fn begun(harness: &Harness, key: &str, metadata: Metadata) -> UploadRef {
    let bucket = BucketName::new(OLD_BUCKET);
    let create = CreateUpload { bucket: bucket.clone(), key: key.to_owned(), metadata, tags: Tags::default() };
    UploadRef { bucket, key: key.to_owned(), upload_id: harness.store.create_upload(create).await.unwrap() }
}

#[tokio::test]
async fn its_objects_open() {
    let old = Old::new().await;
    assert_eq!(old.get("single").await, b"a single object of 0.1");
    assert_eq!(old.get("done").await, b"an object in parts of 0.1");
}

#[tokio::test]
async fn its_uploads_take_no_parts_and_can_be_aborted_by_either_id() {
    for is_shown in [true, false] {
        let old = Old::new().await;
        let store_id = old.at.upload_id.as_str().to_owned();
        let shown = format!("{store_id}.x");
        assert_eq!(old.listed().await, [shown.as_str()]);
        for id in [&store_id, &shown] {
            let input = UploadPartInput {
                bucket: OLD_BUCKET.to_owned(),
                key: "open".to_owned(),
                upload_id: id.clone(),
                part_number: 1,
                content_length: Some(5),
                body: Some(blob(b"small")),
                ..UploadPartInput::default()
            };
            assert_eq!(code(old.gateway.upload_part(request_of("alice", input)).await), "NoSuchUpload");
        }
        assert_eq!(old.abort(if is_shown { &shown } else { &store_id }).await, "");
        assert_eq!(old.listed().await, Vec::<String>::new());
        assert_eq!(old.harness.stored_keys(STAGING).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn its_uploads_are_ended_by_the_sweeper_once_they_are_a_day_old() {
    let old = Old::new().await;
    let staged = old.harness.stored_keys(STAGING).await.len() as u64;
    assert_eq!(staged, 3);
    assert_eq!(old.swept(GRACE * 2).await, Swept::default());
    let later = OLD_MAX + Duration::from_secs(1);
    assert_eq!(old.swept(later).await, Swept { deleted: staged, aborted: 1, failed: 0 });
    assert_eq!(old.listed().await, Vec::<String>::new());
    assert_eq!(old.get("done").await, b"an object in parts of 0.1");
}

/// Its sweeper deletes what it finds under an id whose record it can read and whose upload is over, or that has none.
#[tokio::test]
async fn its_sweeper_cannot_read_a_record_of_today_and_so_leaves_it() {
    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "it is read as that version read it")]
    struct Record {
        bucket: String,
        key: String,
        upload_id: String,
        sealed: Option<Value>,
    }
    let harness = Harness::new().await;
    let upload = Uploading::begin(&harness.gateway).await;
    let record = harness.stored(STAGING, &upload.record_key()).await;
    assert!(serde_json::from_slice::<Record>(&record).is_err());
}
