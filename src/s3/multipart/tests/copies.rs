//! Copies of multipart objects, and parts that are copies.

use s3s::dto::{CopyObjectInput, CopySource, ETagCondition, HeadObjectInput, UploadPartCopyInput};

use super::*;
use crate::s3::testing::OTHER_BUCKET;

fn source(bucket: &str, key: &str) -> CopySource {
    CopySource::Bucket { bucket: bucket.into(), key: key.into(), version_id: None }
}

async fn copied(harness: &Harness, key: &str) -> String {
    let input = CopyObjectInput::builder()
        .bucket(OTHER_BUCKET.to_owned())
        .key(key.to_owned())
        .copy_source(source(BUCKET, KEY))
        .build()
        .unwrap();
    let output = harness.gateway.copy_object(request(input)).await.unwrap().output;
    output.copy_object_result.unwrap().e_tag.unwrap().value().to_owned()
}

fn part_copy(upload: &Uploading<'_>, number: i32, from: &str, range: Option<&str>) -> UploadPartCopyInput {
    UploadPartCopyInput::builder()
        .bucket(BUCKET.to_owned())
        .key(KEY.to_owned())
        .upload_id(upload.id.clone())
        .part_number(number)
        .copy_source(source(BUCKET, from))
        .copy_source_range(range.map(str::to_owned))
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_copy_has_the_same_parts_and_reads_alike() {
    let harness = Harness::new().await;
    for last in [pattern(2, 700), pattern(2, 5 * MIB)] {
        let mut upload = Uploading::begin(&harness.gateway).await;
        let first = pattern(1, 5 * MIB + 17);
        upload.part(3, &first).await;
        upload.part(4, &last).await;
        let completed = upload.complete().await.unwrap();
        let copy = copied(&harness, "copy").await;
        assert_eq!(copy.rsplit_once('-').unwrap().1, etag(&completed).rsplit_once('-').unwrap().1);
        let whole = [first, last].concat();
        assert_eq!(harness.get(OTHER_BUCKET, "copy", None).await.unwrap(), whole);
        let range = harness.get(OTHER_BUCKET, "copy", Some("bytes=5242880-5242999")).await.unwrap();
        assert_eq!(range, whole[5_242_880..=5_242_999]);
        assert_eq!(harness.stored_keys(STAGING).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_copy_of_one_small_part_and_a_copy_of_the_copy_read_alike() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    upload.part(1, b"small").await;
    upload.complete().await.unwrap();
    copied(&harness, "copy").await;
    let input = CopyObjectInput::builder()
        .bucket(BUCKET.to_owned())
        .key("again".to_owned())
        .copy_source(source(OTHER_BUCKET, "copy"))
        .build()
        .unwrap();
    harness.gateway.copy_object(request(input)).await.unwrap();
    assert_eq!(harness.get(BUCKET, "again", None).await.unwrap(), b"small");
}

#[tokio::test]
async fn a_copy_that_fails_leaves_no_upload() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    upload.part(1, b"small").await;
    upload.complete().await.unwrap();
    let input = CopyObjectInput::builder()
        .bucket(BUCKET.to_owned())
        .key("copy".to_owned())
        .copy_source(source(BUCKET, KEY))
        .if_match(Some(ETagCondition::Any))
        .build()
        .unwrap();
    assert!(harness.gateway.copy_object(request(input)).await.is_err());
    let input = ListMultipartUploadsInput { bucket: BUCKET.to_owned(), ..ListMultipartUploadsInput::default() };
    let listed = harness.gateway.list_multipart_uploads(request(input)).await.unwrap().output;
    assert_eq!(listed.uploads.unwrap_or_default().len(), 0);
    assert_eq!(harness.stored_keys(STAGING).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_part_can_be_an_object_or_a_range_of_one() {
    let harness = Harness::new().await;
    let single = pattern(1, 6 * MIB);
    harness.put("single", &single).await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    let inputs = [part_copy(&upload, 1, "single", None), part_copy(&upload, 2, "single", Some("bytes=70000-70099"))];
    for (input, number) in inputs.into_iter().zip(1..) {
        let output = harness.gateway.upload_part_copy(request(input)).await.unwrap().output;
        upload.name(number, output.copy_part_result.unwrap().e_tag.unwrap());
    }
    upload.complete().await.unwrap();
    let whole = [single.as_slice(), &single[70_000..=70_099]].concat();
    assert_eq!(harness.get(BUCKET, KEY, None).await.unwrap(), whole);

    // and of a multipart object, across its parts, onto itself
    let mut upload = Uploading::begin(&harness.gateway).await;
    let input = part_copy(&upload, 1, KEY, Some("bytes=6291450-6291460"));
    let output = harness.gateway.upload_part_copy(request(input)).await.unwrap().output;
    upload.name(1, output.copy_part_result.unwrap().e_tag.unwrap());
    upload.complete().await.unwrap();
    assert_eq!(harness.get(BUCKET, KEY, None).await.unwrap(), whole[6_291_450..=6_291_460]);
}

#[tokio::test]
async fn a_part_copy_minds_its_range_and_its_conditions() {
    let harness = Harness::new().await;
    harness.put("single", b"0123456789").await;
    let upload = Uploading::begin(&harness.gateway).await;
    let copy = |input| harness.gateway.upload_part_copy(request(input));
    assert_eq!(code(copy(part_copy(&upload, 1, "single", Some("bytes=0-10"))).await), "InvalidArgument");
    assert_eq!(code(copy(part_copy(&upload, 1, "single", Some("bytes=0-"))).await), "InvalidArgument");
    assert_eq!(code(copy(part_copy(&upload, 1, "absent", None)).await), "NoSuchKey");
    let input = HeadObjectInput { bucket: BUCKET.to_owned(), key: "single".to_owned(), ..HeadObjectInput::default() };
    let etag = harness.gateway.head_object(request(input)).await.unwrap().output.e_tag.unwrap();
    let mut input = part_copy(&upload, 1, "single", None);
    input.copy_source_if_none_match = Some(ETagCondition::ETag(etag.clone()));
    assert_eq!(code(copy(input).await), "PreconditionFailed");
    let mut input = part_copy(&upload, 1, "single", None);
    input.copy_source_if_match = Some(ETagCondition::ETag(etag));
    copy(input).await.unwrap();
}
