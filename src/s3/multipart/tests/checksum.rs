//! Checksums of parts and of the whole.

use s3s::dto::{ChecksumMode, HeadObjectInput};

use super::*;
use crate::s3::checksum::Algorithm;

async fn uploaded<'a>(harness: &'a Harness, create: CreateMultipartUploadInput, parts: &[&[u8]]) -> Uploading<'a> {
    let mut upload = Uploading::begin_with(&harness.gateway, create).await;
    for (plain, number) in parts.iter().zip(1..) {
        let value = Algorithm::Crc32.digest(plain);
        let input = UploadPartInput { checksum_crc32: Some(value.clone()), ..upload.part_input(number, plain) };
        let output = harness.gateway.upload_part(request(input)).await.unwrap().output;
        assert_eq!(output.checksum_crc32.as_ref(), Some(&value));
        upload.name(number, output.e_tag.unwrap());
        upload.parts.last_mut().unwrap().checksum_crc32 = Some(value);
    }
    upload
}

async fn head_checksum(harness: &Harness) -> (Option<String>, Option<String>) {
    let input = HeadObjectInput {
        bucket: BUCKET.to_owned(),
        key: KEY.to_owned(),
        checksum_mode: Some(ChecksumMode::from_static(ChecksumMode::ENABLED)),
        ..HeadObjectInput::default()
    };
    let head = harness.gateway.head_object(request(input)).await.unwrap().output;
    (head.checksum_crc32, head.checksum_type.map(|kind| kind.as_str().to_owned()))
}

#[tokio::test]
async fn a_composite_is_returned_and_kept() {
    let harness = Harness::new().await;
    let first = pattern(1, 5 * MIB);
    let upload = uploaded(&harness, with_checksum("CRC32", None), &[&first, b"end"]).await;
    let completed = upload.complete().await.unwrap();
    let value = completed.checksum_crc32.unwrap();
    assert!(value.ends_with("-2"));
    assert_eq!(head_checksum(&harness).await, (Some(value.clone()), Some("COMPOSITE".to_owned())));
    // a Complete that is repeated tells it too
    assert_eq!(upload.complete().await.unwrap().checksum_crc32, Some(value));
}

#[tokio::test]
async fn a_full_object_checksum_needs_nothing_from_the_client_at_the_end() {
    let harness = Harness::new().await;
    let first = pattern(1, 5 * MIB);
    let create = with_checksum("CRC32", Some("FULL_OBJECT"));
    let mut upload = uploaded(&harness, create, &[&first, b"end"]).await;
    for part in &mut upload.parts {
        part.checksum_crc32 = None;
    }
    let whole = Algorithm::Crc32.digest(&[first.as_slice(), b"end"].concat());
    assert_eq!(upload.complete().await.unwrap().checksum_crc32, Some(whole.clone()));
    assert_eq!(head_checksum(&harness).await, (Some(whole), Some("FULL_OBJECT".to_owned())));
}

#[tokio::test]
async fn a_whole_that_is_declared_otherwise_is_refused_and_nothing_is_made() {
    let harness = Harness::new().await;
    let upload = uploaded(&harness, with_checksum("CRC32", Some("FULL_OBJECT")), &[b"only"]).await;
    let input = CompleteMultipartUploadInput {
        checksum_crc32: Some(Algorithm::Crc32.digest(b"other")),
        ..upload.complete_input()
    };
    assert_eq!(code(upload.complete_with(input).await), "BadDigest");
    assert_eq!(code(harness.get(BUCKET, KEY, None).await), "NoSuchKey");
}

#[tokio::test]
async fn a_part_that_is_not_what_was_declared_is_not_kept() {
    let harness = Harness::new().await;
    let upload = Uploading::begin(&harness.gateway).await;
    for plain in [b"small".to_vec(), pattern(1, 5 * MIB)] {
        let value = Some(Algorithm::Crc32.digest(b"other"));
        let input = UploadPartInput { checksum_crc32: value, ..upload.part_input(1, &plain) };
        assert_eq!(code(harness.gateway.upload_part(request(input)).await), "BadDigest");
        let md5 = Some("AAAAAAAAAAAAAAAAAAAAAA==".to_owned());
        let input = UploadPartInput { content_md5: md5, ..upload.part_input(1, &plain) };
        assert_eq!(code(harness.gateway.upload_part(request(input)).await), "BadDigest");
    }
    assert_eq!(upload.list(None, None).await.unwrap().parts.unwrap_or_default().len(), 0);
}

#[tokio::test]
async fn a_part_of_another_algorithm_than_its_upload_is_refused() {
    let harness = Harness::new().await;
    let upload = Uploading::begin_with(&harness.gateway, with_checksum("SHA256", None)).await;
    let value = Some(Algorithm::Crc32.digest(b"plain"));
    let input = UploadPartInput { checksum_crc32: value, ..upload.part_input(1, b"plain") };
    assert_eq!(code(harness.gateway.upload_part(request(input)).await), "InvalidRequest");
}

#[tokio::test]
async fn the_checksum_of_a_part_is_that_of_its_last_upload() {
    let harness = Harness::new().await;
    let mut upload = uploaded(&harness, with_checksum("CRC32", None), &[b"first"]).await;
    let earlier = upload.parts.clone();
    let value = Algorithm::Crc32.digest(b"second");
    let input = UploadPartInput { checksum_crc32: Some(value.clone()), ..upload.part_input(1, b"second") };
    let etag = harness.gateway.upload_part(request(input)).await.unwrap().output.e_tag.unwrap();
    let listed = upload.list(None, None).await.unwrap();
    assert_eq!(listed.parts.unwrap()[0].checksum_crc32.as_ref(), Some(&value));
    assert_eq!(listed.checksum_type.unwrap().as_str(), "COMPOSITE");

    upload.name(1, etag);
    upload.parts[0].checksum_crc32.clone_from(&earlier[0].checksum_crc32);
    assert_eq!(code(upload.complete().await), "InvalidPart");
    upload.parts[0].checksum_crc32 = Some(value);
    upload.complete().await.unwrap();
}
