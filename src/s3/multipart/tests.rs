//! Uploads over the embedded store, verb by verb.

use s3s::S3;
use s3s::dto::{
    AbortMultipartUploadInput, ChecksumAlgorithm, ChecksumType, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CompletedMultipartUpload, CompletedPart, CreateMultipartUploadInput, ETag,
    ListMultipartUploadsInput, ListPartsInput, ListPartsOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Response, S3Result};

use super::staging;
use crate::backend::{BucketName, UploadId, UploadRef};
use crate::s3::gateway::Gateway;
use crate::s3::testing::{
    BUCKET, Harness, MIB, OTHER_BUCKET, STAGING, TENANT, blob, code, pattern, request, request_of,
};
use crate::seal::store_upload_id;

mod attempts;
mod checks;
mod checksum;
mod copies;
mod listing;
mod old;
mod records;
mod sweeping;

const KEY: &str = "a/key";

/// An open upload of [`KEY`] and what was uploaded so far.
struct Uploading<'a> {
    gateway: &'a Gateway,
    id: String,
    parts: Vec<CompletedPart>,
}

impl<'a> Uploading<'a> {
    async fn begin(gateway: &'a Gateway) -> Self {
        Self::begin_with(gateway, CreateMultipartUploadInput::default()).await
    }

    async fn begin_with(gateway: &'a Gateway, input: CreateMultipartUploadInput) -> Self {
        let input = CreateMultipartUploadInput { bucket: BUCKET.to_owned(), key: KEY.to_owned(), ..input };
        let created = gateway.create_multipart_upload(request(input)).await.unwrap().output;
        Self { gateway, id: created.upload_id.unwrap(), parts: Vec::new() }
    }

    fn part_input(&self, number: i32, plain: &[u8]) -> UploadPartInput {
        UploadPartInput {
            bucket: BUCKET.to_owned(),
            key: KEY.to_owned(),
            upload_id: self.id.clone(),
            part_number: number,
            content_length: i64::try_from(plain.len()).ok(),
            body: Some(blob(plain)),
            ..UploadPartInput::default()
        }
    }

    async fn part(&mut self, number: i32, plain: &[u8]) -> UploadPartOutput {
        let input = self.part_input(number, plain);
        let output = self.gateway.upload_part(request(input)).await.unwrap().output;
        self.name(number, output.e_tag.clone().unwrap());
        output
    }

    /// Completes with this part, in place of an earlier one of the number.
    fn name(&mut self, number: i32, etag: ETag) {
        self.parts.retain(|part| part.part_number != Some(number));
        self.parts.push(CompletedPart { part_number: Some(number), e_tag: Some(etag), ..CompletedPart::default() });
        self.parts.sort_by_key(|part| part.part_number);
    }

    fn complete_input(&self) -> CompleteMultipartUploadInput {
        CompleteMultipartUploadInput {
            bucket: BUCKET.to_owned(),
            key: KEY.to_owned(),
            upload_id: self.id.clone(),
            multipart_upload: Some(CompletedMultipartUpload { parts: Some(self.parts.clone()) }),
            ..CompleteMultipartUploadInput::default()
        }
    }

    async fn complete(&self) -> S3Result<CompleteMultipartUploadOutput> {
        self.complete_with(self.complete_input()).await
    }

    async fn complete_with(&self, input: CompleteMultipartUploadInput) -> S3Result<CompleteMultipartUploadOutput> {
        self.gateway.complete_multipart_upload(request(input)).await.map(|response| response.output)
    }

    async fn abort(&self) -> S3Result<()> {
        let input = AbortMultipartUploadInput {
            bucket: BUCKET.to_owned(),
            key: KEY.to_owned(),
            upload_id: self.id.clone(),
            ..AbortMultipartUploadInput::default()
        };
        self.gateway.abort_multipart_upload(request(input)).await.map(drop)
    }

    /// The store's id.
    fn store_id(&self) -> &str {
        store_upload_id(&self.id).unwrap()
    }

    fn at(&self) -> UploadRef {
        let upload_id = UploadId::new(self.store_id());
        UploadRef { bucket: BucketName::new(BUCKET), key: KEY.to_owned(), upload_id }
    }

    /// The name of its record.
    fn record_key(&self) -> String {
        format!("{}/record", staging::id(&self.at()))
    }

    async fn list(&self, after: Option<i32>, max: Option<i32>) -> S3Result<ListPartsOutput> {
        let input = ListPartsInput {
            bucket: BUCKET.to_owned(),
            key: KEY.to_owned(),
            upload_id: self.id.clone(),
            part_number_marker: after,
            max_parts: max,
            ..ListPartsInput::default()
        };
        self.gateway.list_parts(request(input)).await.map(|response| response.output)
    }
}

fn etag(output: &CompleteMultipartUploadOutput) -> &str {
    output.e_tag.as_ref().unwrap().value()
}

#[tokio::test]
async fn parts_that_came_out_of_order_read_as_one() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    let (one, two, three) = (pattern(1, 5 * MIB), pattern(2, 6 * MIB + 1), pattern(3, 1000));
    upload.part(30, &three).await;
    upload.part(2, &two).await;
    upload.part(1, &one).await;
    let completed = upload.complete().await.unwrap();
    assert!(etag(&completed).ends_with("-3"));
    let whole = [one, two, three].concat();
    assert_eq!(harness.get(BUCKET, KEY, None).await.unwrap(), whole);
    let range = harness.get(BUCKET, KEY, Some("bytes=5242870-11534350")).await.unwrap();
    assert_eq!(range, whole[5_242_870..=11_534_350]);
    assert_eq!(harness.stored_keys(STAGING).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_last_part_of_5_mib_is_followed_by_a_completion_part() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    let (one, two) = (pattern(1, 5 * MIB), pattern(2, 5 * MIB));
    upload.part(1, &one).await;
    upload.part(9_999, &two).await;
    let completed = upload.complete().await.unwrap();
    assert!(etag(&completed).ends_with("-3"));
    assert_eq!(harness.get(BUCKET, KEY, None).await.unwrap(), [one, two].concat());
}

#[tokio::test]
async fn an_upload_of_one_small_part_is_one_stored_part() {
    let harness = Harness::new().await;
    for plain in [b"".as_slice(), b"small"] {
        let mut upload = Uploading::begin(&harness.gateway).await;
        upload.part(1, plain).await;
        let completed = upload.complete().await.unwrap();
        assert!(etag(&completed).ends_with("-1"));
        assert_eq!(harness.get(BUCKET, KEY, None).await.unwrap(), plain);
    }
}

#[tokio::test]
async fn a_part_uploaded_again_counts_as_it_came_last() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    let first = pattern(1, 5 * MIB);
    upload.part(1, &first).await;
    upload.part(2, b"small").await;
    upload.part(2, &pattern(2, 5 * MIB)).await;
    upload.part(2, b"smaller").await;
    upload.complete().await.unwrap();
    assert_eq!(harness.get(BUCKET, KEY, None).await.unwrap(), [first.as_slice(), b"smaller"].concat());
}

#[tokio::test]
async fn a_small_part_uploaded_again_in_5_mib_may_stand_anywhere() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    let first = pattern(1, 5 * MIB);
    upload.part(1, b"small").await;
    upload.part(1, &first).await;
    upload.part(2, b"end").await;
    upload.complete().await.unwrap();
    assert_eq!(harness.get(BUCKET, KEY, None).await.unwrap(), [first.as_slice(), b"end"].concat());
}

#[tokio::test]
async fn parts_that_are_not_named_are_dropped() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    let first = pattern(1, 5 * MIB);
    upload.part(1, &first).await;
    upload.part(2, &pattern(2, 5 * MIB)).await;
    upload.part(3, b"small").await;
    upload.parts.truncate(1);
    upload.complete().await.unwrap();
    assert_eq!(harness.get(BUCKET, KEY, None).await.unwrap(), first);
}

#[tokio::test]
async fn any_replica_can_take_any_step() {
    let harness = Harness::new().await;
    let replica = harness.replica();
    let (first, second) = (pattern(1, 5 * MIB), pattern(2, 100));
    let mut upload = Uploading::begin(&harness.gateway).await;
    upload.part(1, &first).await;
    upload.gateway = &replica;
    upload.part(2, &second).await;
    let third = harness.replica();
    upload.gateway = &third;
    upload.complete().await.unwrap();
    assert_eq!(harness.get(BUCKET, KEY, None).await.unwrap(), [first, second].concat());
}

#[tokio::test]
async fn nothing_plain_reaches_the_backend() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    let (first, second) = (pattern(1, 5 * MIB), pattern(2, 3000));
    upload.part(1, &first).await;
    upload.part(2, &second).await;
    assert!(!harness.stores(&second[..16]) && !harness.stores(&first[..16]));
    upload.complete().await.unwrap();
    assert!(!harness.stores(&second[..16]) && !harness.stores(&first[..16]));
    // the search itself finds what is there
    assert!(harness.stores(b"SGP1"));
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    upload.part(1, &pattern(1, 5 * MIB)).await;
    upload.part(2, b"small").await;
    upload.abort().await.unwrap();
    assert_eq!(harness.stored_keys(STAGING).await, Vec::<String>::new());
    let input = ListMultipartUploadsInput { bucket: BUCKET.to_owned(), ..ListMultipartUploadsInput::default() };
    let listed = harness.gateway.list_multipart_uploads(request(input)).await.unwrap().output;
    assert_eq!(listed.uploads.unwrap_or_default().len(), 0);
    assert_eq!(code(upload.abort().await), "NoSuchUpload");
    assert_eq!(code(upload.complete().await), "NoSuchUpload");
    assert_eq!(code(upload.list(None, None).await), "NoSuchUpload");
}

#[tokio::test]
async fn a_part_of_an_upload_that_another_replica_ended_is_refused_and_leaves_nothing() {
    let harness = Harness::new().await;
    let replica = harness.replica();
    let mut upload = Uploading::begin(&harness.gateway).await;
    upload.gateway = &replica;
    upload.abort().await.unwrap();
    for plain in [b"small".to_vec(), pattern(1, 5 * MIB)] {
        let input = upload.part_input(1, &plain);
        assert_eq!(code(harness.gateway.upload_part(request(input)).await), "NoSuchUpload");
    }
    assert_eq!(harness.stored_keys(STAGING).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_repeated_complete_is_answered_again() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    upload.part(1, b"only").await;
    let first = upload.complete().await.unwrap();
    let again = upload.complete().await.unwrap();
    assert_eq!(etag(&first), etag(&again));
    let replica = harness.replica();
    upload.gateway = &replica;
    assert_eq!(etag(&upload.complete().await.unwrap()), etag(&first));
    harness.put(KEY, b"overwritten").await;
    assert_eq!(code(upload.complete().await), "NoSuchUpload");
}

#[tokio::test]
async fn another_tenant_has_no_part_in_an_upload() {
    let harness = Harness::new().await;
    let upload = Uploading::begin(&harness.gateway).await;
    let input = upload.part_input(1, b"theirs");
    let refused: S3Result<S3Response<UploadPartOutput>> =
        harness.gateway.upload_part(request_of("another", input)).await;
    assert!(refused.is_err());
    assert_eq!(upload.list(None, None).await.unwrap().parts.unwrap_or_default().len(), 0);
}

fn with_checksum(algorithm: &'static str, kind: Option<&'static str>) -> CreateMultipartUploadInput {
    CreateMultipartUploadInput {
        checksum_algorithm: Some(ChecksumAlgorithm::from_static(algorithm)),
        checksum_type: kind.map(ChecksumType::from_static),
        ..CreateMultipartUploadInput::default()
    }
}
