//! Any S3-compatible store: a thin client that signs, streams, and takes what comes back for no more than it is.
//!
//! - **Writes.** A body of at most 1 MiB is held, so that it can be sent again; one of 5 MiB if metadata comes behind it. A
//!   longer one streams, and its request is opened only once its first bytes are there. The last bytes go only after the
//!   body has ended well, so nothing that fails is ever committed by the store.
//! - **Reads.** An answer must say how long it is, hold the range that was asked for, and be as long as it says.
//! - **Waiting.** Nothing limits a whole transfer; what stands still ends ([`Timeouts`]).
//! - **Asking first.** With [`S3Settings::expect_continue`] a body that streams waits for the store to want it: what the head
//!   alone gets refused is refused before a byte of the body left. With [`S3Settings::trailer_checksum`] its checksum comes
//!   behind it.
//! - **Trying again.** See [`S3Settings::attempts_max`]: only what did no harm, never a body that began to stream.
//! - **Signing.** Signature version 4 with every header; bodies that stream are not part of it. Credentials come from the
//!   configuration or the ambient AWS chain, for a tenant's buckets from the tenant.
//!
//! One call of the [`Backend`] is one request, except that a bucket is asked for before it is created. What a store
//! lacks or does in its own way stands in `tests/stores/COMPATIBILITY.md`; what would mislead a client is found out at the
//! start ([`Features`]) and refused.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Response};
use s3s::crypto::{Checksum as _, Md5};

use self::answer::{About, AnswerError, Waiting};
use self::call::Call;
use self::client::Client;
use self::connections::AnswerBody;
use self::features::FeatureSet;
use self::outgoing::Outgoing;
use self::xml::Document;
use super::calls::CallObserver;
use super::{
    Backend, BucketInfo, BucketName, CompleteUpload, Copied, CopiedPart, CopyRequest, CreateUpload, DeleteItem,
    Deleted, ETagMatch, Fetched, GetRequest, Governance, ListPage, ListRequest, ListUploadsRequest,
    ListVersionsRequest, NewBucket, ObjectInfo, ObjectRef, PartRef, PartSource, PartsPage, PutRequest, ReadConditions,
    Result, SealedBody, SettingRequest, StoredETag, Tags, UploadId, UploadRef, UploadsPage, VersionId, Versioning,
    VersionsPage, Written,
};

mod answer;
mod buckets;
mod call;
mod chunked;
mod client;
mod clock;
mod connections;
mod connector;
mod copies;
mod credentials;
mod features;
mod forwarded;
mod gate;
mod headers;
mod lists;
mod objects;
mod operation;
mod outgoing;
mod settings;
mod tags;
mod uploads;
mod xml;

pub use connector::ConnectorError;
pub use features::{Features, KnownFeatures};
pub use settings::{ATTEMPTS_MAX, CredentialsFrom, Endpoint, Pool, S3Settings, TenantCredentials, Timeouts};

/// An S3-compatible store.
pub struct S3Store {
    client: Client,
    features: FeatureSet,
}

impl S3Store {
    /// Prepares to use a store; no request is made yet.
    ///
    /// # Errors
    /// [`ConnectorError`] if its certificate could not be checked.
    pub async fn new(settings: S3Settings) -> std::result::Result<Self, ConnectorError> {
        Self::observed(settings, None).await
    }

    /// As [`S3Store::new`]; `observer` is told of every call.
    ///
    /// # Errors
    /// As [`S3Store::new`].
    pub async fn observed(
        settings: S3Settings,
        observer: Option<Arc<dyn CallObserver>>,
    ) -> std::result::Result<Self, ConnectorError> {
        let features = FeatureSet::new(settings.features);
        Ok(Self { client: Client::new(settings, observer).await?, features })
    }

    /// Makes a call; everything but success is an error.
    async fn ok(&self, call: &Call, body: &Outgoing, about: About) -> Result<Response<AnswerBody>> {
        let response = self.client.send(call, body).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(answer::error(response, self.waiting(call), about).await)
    }

    /// As [`Self::ok`], for a body that must have been taken whole.
    async fn uploaded(&self, call: &Call, body: &Outgoing, about: About) -> Result<Response<AnswerBody>> {
        let response = self.ok(call, body, about).await?;
        if body.is_sent() { Ok(response) } else { Err(answer::unavailable(AnswerError::Early)) }
    }

    /// Makes a call that is answered in XML.
    async fn xml(&self, call: &Call, body: &Outgoing, about: About) -> Result<Document> {
        answer::xml(self.ok(call, body, about).await?, self.waiting(call), about).await
    }

    /// How long to wait for an answer that is held. One that comes while an object is moved begins early and ends late.
    fn waiting(&self, call: &Call) -> Waiting {
        let Timeouts { first_byte, copy, idle, .. } = self.client.settings.timeouts;
        if call.is_long {
            Waiting { idle: copy, whole: copy }
        } else {
            Waiting { idle, whole: first_byte.saturating_add(idle) }
        }
    }

    fn idle(&self) -> Duration {
        self.client.settings.timeouts.idle
    }
}

fn object_call(method: Method, object: &ObjectRef) -> Call {
    let call = Call::object(method, &object.bucket, &object.key);
    call.maybe_query("versionId", object.version_id.as_ref().map(VersionId::as_str))
}

fn upload_call(method: Method, upload: &UploadRef) -> Call {
    Call::object(method, &upload.bucket, &upload.key).query("uploadId", upload.upload_id.as_str())
}

fn part_call(part: &PartRef) -> Call {
    let PartRef { upload, number } = part;
    Call::object(Method::PUT, &upload.bucket, &upload.key)
        .query("partNumber", &number.to_string())
        .query("uploadId", upload.upload_id.as_str())
}

/// Adds `Content-MD5`, which S3 wants for some documents.
fn with_md5(call: Call, body: &Outgoing) -> Result<Call> {
    match body {
        Outgoing::Held(pieces) if !pieces.is_empty() => {
            let mut md5 = Md5::new();
            for piece in pieces {
                md5.update(piece);
            }
            call.header("content-md5", &STANDARD.encode(md5.finalize()))
        }
        Outgoing::Held(_) | Outgoing::Stream(_) => Ok(call),
    }
}

fn xml_body(document: String) -> Outgoing {
    Outgoing::of(document)
}

/// A body of up to so many stored bytes is held: 1 MiB of plaintext, sealed.
const HELD_BYTES_MAX: u64 = (1 << 20) + (8 << 10);
/// And up to so many if metadata is to come behind it: beyond lies what may be a part of an upload, 5 MiB.
const LATE_BYTES_MAX: u64 = (5 << 20) + (8 << 10);

#[async_trait]
impl Backend for S3Store {
    fn late_metadata_bytes_max(&self) -> u64 {
        LATE_BYTES_MAX
    }

    async fn create_bucket(&self, bucket: &BucketName) -> Result<()> {
        self.bucket_created(bucket, &NewBucket::default()).await
    }
    async fn create_bucket_with(&self, bucket: &BucketName, wanted: &NewBucket) -> Result<()> {
        self.bucket_created(bucket, wanted).await
    }
    async fn delete_bucket(&self, bucket: &BucketName) -> Result<()> {
        self.bucket_deleted(bucket).await
    }
    async fn head_bucket(&self, bucket: &BucketName) -> Result<BucketInfo> {
        self.bucket_head(bucket).await
    }
    async fn list_buckets(&self, prefix: &str) -> Result<Vec<BucketInfo>> {
        self.buckets_listed(prefix).await
    }
    async fn versioning(&self, bucket: &BucketName) -> Result<Versioning> {
        self.bucket_versioning(bucket).await
    }
    async fn set_versioning(&self, bucket: &BucketName, state: Versioning) -> Result<()> {
        self.bucket_versioning_set(bucket, state).await
    }
    async fn bucket_tags(&self, bucket: &BucketName) -> Result<Tags> {
        self.bucket_tag_set(bucket).await
    }
    async fn set_bucket_tags(&self, bucket: &BucketName, tags: Option<Tags>) -> Result<()> {
        self.bucket_tag_set_replaced(bucket, tags).await
    }

    async fn put(&self, request: PutRequest, body: SealedBody) -> Result<Written> {
        self.object_put(request, body).await
    }
    async fn get(&self, request: GetRequest) -> Result<Fetched> {
        self.object_get(request).await
    }
    async fn head(&self, object: &ObjectRef, conditions: &ReadConditions) -> Result<ObjectInfo> {
        self.object_head(object, conditions).await
    }
    async fn delete(&self, object: &ObjectRef, if_match: Option<ETagMatch>, governance: Governance) -> Result<Deleted> {
        self.object_deleted(object, if_match, governance).await
    }
    async fn delete_many(
        &self,
        bucket: &BucketName,
        objects: Vec<DeleteItem>,
        governance: Governance,
    ) -> Result<Vec<Result<Deleted>>> {
        self.objects_deleted(bucket, objects, governance).await
    }
    async fn copy(&self, request: CopyRequest) -> Result<Copied> {
        self.object_copied(request).await
    }
    async fn tags(&self, object: &ObjectRef) -> Result<(Tags, Option<VersionId>)> {
        self.object_tags(object).await
    }
    async fn set_tags(&self, object: &ObjectRef, tags: Tags) -> Result<Option<VersionId>> {
        self.object_tags_set(object, &tags).await
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        self.objects_listed(request).await
    }
    async fn list_versions(&self, request: ListVersionsRequest) -> Result<VersionsPage> {
        self.versions_listed(request).await
    }

    async fn create_upload(&self, request: CreateUpload) -> Result<UploadId> {
        self.upload_created(request).await
    }
    async fn put_part(&self, part: &PartRef, body: SealedBody) -> Result<StoredETag> {
        self.part_put(part, body).await
    }
    async fn copy_part(&self, part: &PartRef, source: PartSource) -> Result<CopiedPart> {
        self.part_copied(part, source).await
    }
    async fn complete_upload(&self, request: CompleteUpload) -> Result<Written> {
        self.upload_completed(request).await
    }
    async fn abort_upload(&self, upload: &UploadRef) -> Result<()> {
        self.upload_aborted(upload).await
    }
    async fn list_parts(&self, upload: &UploadRef, after: u32, max: u32) -> Result<PartsPage> {
        self.parts_listed(upload, after, max).await
    }
    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        self.uploads_listed(request).await
    }

    async fn learn(&self, scratch: &BucketName) -> Result<()> {
        self.features_found(scratch).await
    }

    fn features(&self) -> Vec<(&'static str, bool)> {
        self.features.features().named()
    }

    fn forwards(&self) -> bool {
        true
    }
    async fn setting(&self, request: SettingRequest) -> Result<bytes::Bytes> {
        self.setting_of(request).await
    }
}

#[cfg(test)]
mod tests;
