//! What a Complete refuses, and that a refusal costs nothing.

use s3s::dto::{ETagCondition, IfNoneMatch};

use super::*;

#[tokio::test]
async fn a_complete_without_parts_is_malformed() {
    let harness = Harness::new().await;
    let upload = Uploading::begin(&harness.gateway).await;
    assert_eq!(code(upload.complete().await), "MalformedXML");
    let input = CompleteMultipartUploadInput { multipart_upload: None, ..upload.complete_input() };
    assert_eq!(code(upload.complete_with(input).await), "MalformedXML");
}

#[tokio::test]
async fn parts_must_ascend_and_be_there() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    upload.part(1, &pattern(1, 5 * MIB)).await;
    upload.part(2, b"small").await;
    let good = upload.parts.clone();
    upload.parts.reverse();
    assert_eq!(code(upload.complete().await), "InvalidPartOrder");
    upload.parts.clone_from(&good);
    upload.parts[1].part_number = Some(3);
    assert_eq!(code(upload.complete().await), "InvalidPart");
    upload.parts.clone_from(&good);
    upload.parts[0].e_tag = Some(ETag::Strong("00000000000000000000000000000000-0".to_owned()));
    assert_eq!(code(upload.complete().await), "InvalidPart");
    upload.parts.clone_from(&good);
    upload.complete().await.unwrap();
}

#[tokio::test]
async fn a_part_under_5_mib_is_too_small_unless_it_is_last() {
    let harness = Harness::new().await;
    for bytes in [10, 5 * MIB - 1] {
        let mut upload = Uploading::begin(&harness.gateway).await;
        upload.part(1, &pattern(1, bytes)).await;
        upload.part(2, b"end").await;
        assert_eq!(code(upload.complete().await), "EntityTooSmall");
        upload.abort().await.unwrap();
    }
}

#[tokio::test]
async fn the_size_that_the_client_expects_must_be_that_of_the_parts() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    upload.part(1, b"12345").await;
    let input = CompleteMultipartUploadInput { mpu_object_size: Some(6), ..upload.complete_input() };
    assert_eq!(code(upload.complete_with(input).await), "InvalidRequest");
    let input = CompleteMultipartUploadInput { mpu_object_size: Some(5), ..upload.complete_input() };
    upload.complete_with(input).await.unwrap();
}

#[tokio::test]
async fn a_complete_that_fails_at_the_backend_costs_no_part() {
    let harness = Harness::new().await;
    harness.put(KEY, b"in the way").await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    let (first, second, third) = (pattern(1, 5 * MIB), pattern(2, 5 * MIB), pattern(3, 5 * MIB));
    upload.part(1, &first).await;
    upload.part(2, &second).await;
    upload.part(3, &third).await;
    let all = upload.parts.clone();
    for named in [2, 3] {
        // with two of three, the number of the completion part must not be that of the third
        upload.parts.truncate(named);
        let input = CompleteMultipartUploadInput {
            if_none_match: Some(IfNoneMatch::from(ETagCondition::Any)),
            ..upload.complete_input()
        };
        assert_eq!(code(upload.complete_with(input).await), "PreconditionFailed");
        upload.parts.clone_from(&all);
    }
    let listed = upload.list(None, None).await.unwrap().parts.unwrap();
    assert_eq!(listed.iter().map(|part| part.size.unwrap()).collect::<Vec<_>>(), [5 << 20; 3]);
    upload.complete().await.unwrap();
    assert_eq!(harness.get(BUCKET, KEY, None).await.unwrap(), [first, second, third].concat());
}

#[tokio::test]
async fn a_complete_of_a_small_last_part_that_fails_can_be_repeated() {
    let harness = Harness::new().await;
    harness.put(KEY, b"in the way").await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    upload.part(1, b"small").await;
    let input = CompleteMultipartUploadInput {
        if_none_match: Some(IfNoneMatch::from(ETagCondition::Any)),
        ..upload.complete_input()
    };
    assert_eq!(code(upload.complete_with(input).await), "PreconditionFailed");
    assert_eq!(upload.list(None, None).await.unwrap().parts.unwrap().len(), 1);
    upload.complete().await.unwrap();
    assert_eq!(harness.get(BUCKET, KEY, None).await.unwrap(), b"small");
}

#[tokio::test]
async fn a_part_needs_a_length_and_a_number_that_exists() {
    let harness = Harness::new().await;
    let upload = Uploading::begin(&harness.gateway).await;
    let input = UploadPartInput { content_length: None, ..upload.part_input(1, b"plain") };
    assert_eq!(code(harness.gateway.upload_part(request(input)).await), "MissingContentLength");
    for number in [0, 10_000] {
        let input = upload.part_input(number, b"plain");
        assert_eq!(code(harness.gateway.upload_part(request(input)).await), "InvalidArgument");
    }
}

#[tokio::test]
async fn a_body_shorter_than_announced_leaves_no_part() {
    let harness = Harness::new().await;
    let upload = Uploading::begin(&harness.gateway).await;
    for announced in [6, 5 << 20] {
        let input = UploadPartInput { content_length: Some(announced), ..upload.part_input(1, b"plain") };
        assert_eq!(code(harness.gateway.upload_part(request(input)).await), "IncompleteBody");
    }
    assert_eq!(upload.list(None, None).await.unwrap().parts.unwrap_or_default().len(), 0);
}
