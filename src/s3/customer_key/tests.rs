use bytes::Bytes;
use futures::TryStreamExt as _;
use s3s::S3 as _;
use s3s::S3Response;
use s3s::dto::{
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedMultipartUpload, CompletedPart,
    CopyObjectInput, CopyObjectOutput, CopySource, CreateMultipartUploadInput, ETag, GetObjectAttributesInput,
    GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, MetadataDirective, ObjectAttributes,
    PutObjectInput, PutObjectOutput, Range, UploadPartCopyInput, UploadPartInput, UploadPartOutput,
};

use super::*;
use crate::s3::testing::{BUCKET, Harness, OTHER_BUCKET, blob, code, pattern, request};

mod changed;

/// Base64 of a key and of its MD5.
type Key = (&'static str, &'static str);

const ONE: Key = ("pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=", "DWygnHRtgiJ77HCm+1rvHw==");
const OTHER: Key = ("6b+WOZ1T3cqZMxgThRcXAQBrS5mXKdDUphvpxptl9/4=", "arxBvwY2V4SiOne6yppVPQ==");

/// The three fields of any input.
macro_rules! with_key {
    ($input:expr, $key:expr) => {{
        let mut input = $input;
        if let Some((key, md5)) = $key {
            input.sse_customer_algorithm = Some("AES256".to_owned());
            input.sse_customer_key = Some(key.to_owned());
            input.sse_customer_key_md5 = Some(md5.to_owned());
        }
        input
    }};
}

macro_rules! with_source_key {
    ($input:expr, $key:expr) => {{
        let mut input = $input;
        if let Some((key, md5)) = $key {
            input.copy_source_sse_customer_algorithm = Some("AES256".to_owned());
            input.copy_source_sse_customer_key = Some(key.to_owned());
            input.copy_source_sse_customer_key_md5 = Some(md5.to_owned());
        }
        input
    }};
}

/// A gateway that takes customers' keys.
struct Open {
    harness: Harness,
    gateway: Gateway,
}

impl Open {
    async fn new() -> Self {
        let harness = Harness::new().await;
        let gateway = harness.replica().allowing_sse_c(true);
        Self { harness, gateway }
    }

    async fn put(&self, key: &str, plain: &[u8], customer: Option<Key>) -> S3Result<PutObjectOutput> {
        let input = with_key!(put_input(key, plain), customer);
        self.gateway.put_object(request(input)).await.map(|response| response.output)
    }

    async fn get(&self, key: &str, range: Option<&str>, customer: Option<Key>) -> S3Result<Vec<u8>> {
        self.get_in(&self.gateway, (BUCKET, key), range, customer).await.map(|(_, plain)| plain)
    }

    async fn get_in(
        &self,
        gateway: &Gateway,
        (bucket, key): (&str, &str),
        range: Option<&str>,
        customer: Option<Key>,
    ) -> S3Result<(GetObjectOutput, Vec<u8>)> {
        let input = GetObjectInput {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            range: range.map(|range| Range::parse(range).unwrap()),
            ..GetObjectInput::default()
        };
        let mut output = gateway.get_object(request(with_key!(input, customer))).await?.output;
        let body = output.body.take().unwrap();
        let pieces: Vec<Bytes> = body.try_collect().await.map_err(errors::body)?;
        Ok((output, pieces.concat()))
    }

    async fn head(&self, key: &str, customer: Option<Key>) -> S3Result<HeadObjectOutput> {
        let input = HeadObjectInput { bucket: BUCKET.to_owned(), key: key.to_owned(), ..HeadObjectInput::default() };
        self.gateway.head_object(request(with_key!(input, customer))).await.map(|response| response.output)
    }

    async fn copy(
        &self,
        (from, with): (&str, Option<Key>),
        (bucket, to): (&str, &str),
        customer: Option<Key>,
    ) -> S3Result<CopyObjectOutput> {
        let copy = CopyObjectInput::builder()
            .bucket(bucket.to_owned())
            .key(to.to_owned())
            .copy_source(source(from))
            .build()
            .unwrap();
        let copy = with_source_key!(with_key!(copy, customer), with);
        self.gateway.copy_object(request(copy)).await.map(|response| response.output)
    }

    async fn create(&self, key: &str, customer: Option<Key>) -> S3Result<String> {
        let input = CreateMultipartUploadInput {
            bucket: BUCKET.to_owned(),
            key: key.to_owned(),
            ..CreateMultipartUploadInput::default()
        };
        let response = self.gateway.create_multipart_upload(request(with_key!(input, customer))).await?;
        assert_eq!(response.output.sse_customer_key_md5.as_deref(), customer.map(|(_, md5)| md5));
        Ok(response.output.upload_id.unwrap())
    }

    async fn part(
        &self,
        (key, upload_id): (&str, &str),
        number: i32,
        plain: &[u8],
        customer: Option<Key>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let input = UploadPartInput {
            bucket: BUCKET.to_owned(),
            key: key.to_owned(),
            upload_id: upload_id.to_owned(),
            part_number: number,
            content_length: i64::try_from(plain.len()).ok(),
            body: Some(blob(plain)),
            ..UploadPartInput::default()
        };
        self.gateway.upload_part(request(with_key!(input, customer))).await
    }

    async fn complete(
        &self,
        (key, upload_id): (&str, &str),
        parts: &[ETag],
        customer: Option<Key>,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let parts = parts.iter().zip(1..).map(|(etag, number)| CompletedPart {
            e_tag: Some(etag.clone()),
            part_number: Some(number),
            ..CompletedPart::default()
        });
        let input = CompleteMultipartUploadInput {
            bucket: BUCKET.to_owned(),
            key: key.to_owned(),
            upload_id: upload_id.to_owned(),
            multipart_upload: Some(CompletedMultipartUpload { parts: Some(parts.collect()) }),
            ..CompleteMultipartUploadInput::default()
        };
        let input = with_key!(input, customer);
        self.gateway.complete_multipart_upload(request(input)).await.map(|response| response.output)
    }

    /// An object in parts, written with a key; Complete comes without it.
    async fn put_in_parts(&self, key: &str, parts: &[Vec<u8>], customer: Key) {
        let upload_id = self.create(key, Some(customer)).await.unwrap();
        let mut etags = Vec::new();
        for (plain, number) in parts.iter().zip(1..) {
            let part = self.part((key, &upload_id), number, plain, Some(customer)).await.unwrap().output;
            assert_eq!(part.sse_customer_key_md5.as_deref(), Some(customer.1));
            etags.push(part.e_tag.unwrap());
        }
        self.complete((key, &upload_id), &etags, None).await.unwrap();
    }
}

fn put_input(key: &str, plain: &[u8]) -> PutObjectInput {
    PutObjectInput {
        bucket: BUCKET.to_owned(),
        key: key.to_owned(),
        content_length: i64::try_from(plain.len()).ok(),
        body: Some(blob(plain)),
        ..PutObjectInput::default()
    }
}

fn source(key: &str) -> CopySource {
    CopySource::Bucket { bucket: BUCKET.into(), key: key.into(), version_id: None }
}

const MIB: usize = 1 << 20;

#[test]
fn a_key_comes_whole_or_not_at_all() {
    let given = |algorithm, key, md5| GivenKey::new(algorithm, key, md5);
    let (key, md5) = (Some(ONE.0), Some(ONE.1));
    assert!(given(None, None, None).unwrap().is_none());
    assert_eq!(given(Some("AES256"), key, md5).unwrap().unwrap().md5(), ONE.1);
    for (algorithm, key, md5) in [
        (None, key, md5),
        (None, key, None),
        (None, None, md5),
        (Some("AES256"), None, md5),
        (Some("AES256"), key, None),
        (Some("AES256"), key, Some(OTHER.1)),
        (Some("AES256"), Some("c2hvcnQ="), Some("7nB/wcJbSTYLiP9yNRmPIA==")),
        (Some("AES256"), Some("?"), md5),
    ] {
        assert_eq!(code(given(algorithm, key, md5)), "InvalidArgument", "{algorithm:?} {key:?} {md5:?}");
    }
    for algorithm in ["AES128", "aes256", ""] {
        assert_eq!(code(given(Some(algorithm), key, md5)), "InvalidEncryptionAlgorithmError");
    }
    let shown = format!("{:?}", given(Some("AES256"), key, md5).unwrap().unwrap());
    assert!(!shown.contains(&ONE.0[..8]), "{shown}");
}

#[tokio::test]
async fn keys_of_customers_are_blocked_unless_they_are_allowed() {
    let harness = Harness::new().await;
    let put = with_key!(put_input("key", b"plain"), Some(ONE));
    assert_eq!(code(harness.gateway.put_object(request(put)).await), "AccessDenied");
    let create = CreateMultipartUploadInput {
        bucket: BUCKET.to_owned(),
        key: "key".to_owned(),
        ..CreateMultipartUploadInput::default()
    };
    let create = with_key!(create, Some(ONE));
    assert_eq!(code(harness.gateway.create_multipart_upload(request(create)).await), "AccessDenied");
    assert!(harness.stored_keys(BUCKET).await.is_empty());

    // what was written while they were allowed is still read, and not copied on
    let open = Open { gateway: harness.replica().allowing_sse_c(true), harness };
    open.put("key", b"plain", Some(ONE)).await.unwrap();
    let closed = open.harness.replica();
    let (_, plain) = open.get_in(&closed, (BUCKET, "key"), None, Some(ONE)).await.unwrap();
    assert_eq!(plain, b"plain");
    let open = Open { gateway: closed, harness: open.harness };
    assert_eq!(code(open.copy(("key", Some(ONE)), (BUCKET, "copy"), Some(ONE)).await), "AccessDenied");
    open.copy(("key", Some(ONE)), (BUCKET, "copy"), None).await.unwrap();
    assert_eq!(open.get("copy", None, None).await.unwrap(), b"plain");
}

#[tokio::test]
async fn an_object_with_a_customers_key_is_read_with_it_alone() {
    let open = Open::new().await;
    let plain = pattern(1, 300_000);
    let put = open.put("key", &plain, Some(ONE)).await.unwrap();
    assert_eq!(put.sse_customer_algorithm.as_deref(), Some("AES256"));
    assert_eq!(put.sse_customer_key_md5.as_deref(), Some(ONE.1));
    assert!(put.server_side_encryption.is_none() && put.ssekms_key_id.is_none());
    assert!(!open.harness.stores(&plain[1_000..1_064]), "no plaintext");

    let (shown, whole) = open.get_in(&open.gateway, (BUCKET, "key"), None, Some(ONE)).await.unwrap();
    assert!(whole == plain);
    assert_eq!(shown.sse_customer_key_md5.as_deref(), Some(ONE.1));
    assert!(shown.server_side_encryption.is_none() && shown.metadata.is_none());
    assert!(open.get("key", Some("bytes=70000-200000"), Some(ONE)).await.unwrap() == plain[70_000..=200_000]);
    let head = open.head("key", Some(ONE)).await.unwrap();
    assert_eq!((head.content_length, head.sse_customer_key_md5.as_deref()), (Some(300_000), Some(ONE.1)));

    for (customer, refusal) in [(None, "InvalidRequest"), (Some(OTHER), "AccessDenied")] {
        assert_eq!(code(open.get("key", None, customer).await), refusal);
        assert_eq!(code(open.get("key", Some("bytes=0-9"), customer).await), refusal);
        assert_eq!(code(open.head("key", customer).await), refusal);
        assert_eq!(code(open.copy(("key", customer), (BUCKET, "copy"), None).await), refusal);
        let attributes = GetObjectAttributesInput::builder()
            .bucket(BUCKET.to_owned())
            .key("key".to_owned())
            .object_attributes(vec![ObjectAttributes::from_static(ObjectAttributes::OBJECT_SIZE)])
            .build()
            .unwrap();
        let attributes = with_key!(attributes, customer);
        assert_eq!(code(open.gateway.get_object_attributes(request(attributes)).await), refusal);
    }
}

#[tokio::test]
async fn a_key_for_an_object_that_has_none_is_a_mistake() {
    let open = Open::new().await;
    open.put("key", b"plain", None).await.unwrap();
    assert_eq!(code(open.get("key", None, Some(ONE)).await), "InvalidRequest");
    assert_eq!(code(open.head("key", Some(ONE)).await), "InvalidRequest");
    let both = PutObjectInput {
        server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
        ..with_key!(put_input("key", b"plain"), Some(ONE))
    };
    assert_eq!(code(open.gateway.put_object(request(both)).await), "InvalidArgument");
}

#[tokio::test]
async fn parts_come_with_the_key_of_their_upload() {
    let open = Open::new().await;
    let parts = [pattern(1, 5 * MIB), pattern(2, 5 * MIB), pattern(3, 70_000)];
    open.put_in_parts("key", &parts, ONE).await;
    let plain = parts.concat();
    assert!(!open.harness.stores(&plain[1_000..1_064]), "no plaintext");
    assert!(open.get("key", None, Some(ONE)).await.unwrap() == plain);
    let (first, last) = (5 * MIB - 10, 5 * MIB + 10);
    let range = format!("bytes={first}-{last}");
    // with its table known here, and not known there
    assert!(open.get("key", Some(&range), Some(ONE)).await.unwrap() == plain[first..=last]);
    let (_, there) = open.get_in(&open.harness.replica(), (BUCKET, "key"), Some(&range), Some(ONE)).await.unwrap();
    assert!(there == plain[first..=last]);
    for (customer, refusal) in [(None, "InvalidRequest"), (Some(OTHER), "AccessDenied")] {
        assert_eq!(code(open.get("key", None, customer).await), refusal);
        assert_eq!(code(open.get("key", Some(&range), customer).await), refusal);
        assert_eq!(code(open.head("key", customer).await), refusal);
    }
}

#[tokio::test]
async fn a_part_with_another_key_than_its_upload_is_refused() {
    let open = Open::new().await;
    let upload_id = open.create("key", Some(ONE)).await.unwrap();
    let upload = ("key", upload_id.as_str());
    for customer in [None, Some(OTHER)] {
        assert_eq!(code(open.part(upload, 1, b"plain", customer).await), "InvalidRequest");
    }
    let part = open.part(upload, 1, b"plain", Some(ONE)).await.unwrap().output.e_tag.unwrap();
    assert_eq!(code(open.complete(upload, std::slice::from_ref(&part), Some(OTHER)).await), "InvalidRequest");
    let completed = open.complete(upload, std::slice::from_ref(&part), Some(ONE)).await.unwrap();
    // an answer that was lost can be had again, with the key and without
    for customer in [None, Some(ONE)] {
        let again = open.complete(upload, std::slice::from_ref(&part), customer).await.unwrap();
        assert_eq!(again.e_tag, completed.e_tag);
        for answer in [&again, &completed] {
            assert!(answer.server_side_encryption.is_none() && answer.ssekms_key_id.is_none());
        }
    }
    assert_eq!(open.get("key", None, Some(ONE)).await.unwrap(), b"plain");

    let upload_id = open.create("plain", None).await.unwrap();
    assert_eq!(code(open.part(("plain", &upload_id), 1, b"plain", Some(ONE)).await), "InvalidRequest");
    let part = open.part(("plain", &upload_id), 1, b"plain", None).await.unwrap().output.e_tag.unwrap();
    let completed = open.complete(("plain", &upload_id), &[part], None).await.unwrap();
    assert_eq!(completed.server_side_encryption.unwrap().as_str(), "aws:kms");
    assert!(completed.ssekms_key_id.is_some());
}

#[tokio::test]
async fn a_copy_with_the_same_key_stays_where_it_is_and_one_with_another_is_sealed_anew() {
    let open = Open::new().await;
    let plain = pattern(1, 200_000);
    open.put("one", &plain, Some(ONE)).await.unwrap();
    open.put("none", &plain, None).await.unwrap();
    for (from, with) in [("one", Some(ONE)), ("none", None)] {
        for customer in [None, Some(ONE), Some(OTHER)] {
            let copied = open.copy((from, with), (OTHER_BUCKET, "copy"), customer).await.unwrap();
            assert_eq!(copied.sse_customer_key_md5.as_deref(), customer.map(|(_, md5)| md5));
            assert_eq!(copied.server_side_encryption.is_some(), customer.is_none());
            let result = copied.copy_object_result.unwrap();
            assert!(result.checksum_crc64nvme.is_some(), "the checksum goes with it");
            let at = (OTHER_BUCKET, "copy");
            assert!(open.get_in(&open.gateway, at, None, customer).await.unwrap().1 == plain);
            for wrong in [None, Some(ONE), Some(OTHER)].into_iter().filter(|wrong| *wrong != customer) {
                assert!(open.get_in(&open.gateway, at, None, wrong).await.is_err());
            }
        }
    }
    assert!(!open.harness.stores(&plain[1_000..1_064]), "no plaintext");
    let wrong = open.copy(("one", Some(OTHER)), (OTHER_BUCKET, "other"), None).await;
    assert_eq!(code(wrong), "AccessDenied");
    assert_eq!(open.harness.stored_keys(OTHER_BUCKET).await, ["copy"]);
}

/// How a key is changed.
#[tokio::test]
async fn an_object_is_copied_onto_itself_with_another_key() {
    let open = Open::new().await;
    let put = PutObjectInput {
        metadata: Some([("colour".to_owned(), "red".to_owned())].into()),
        tagging: Some("a=b".to_owned()),
        ..with_key!(put_input("key", b"plain"), Some(ONE))
    };
    open.gateway.put_object(request(put)).await.unwrap();
    open.copy(("key", Some(ONE)), (BUCKET, "key"), Some(OTHER)).await.unwrap();
    assert_eq!(code(open.get("key", None, Some(ONE)).await), "AccessDenied");
    let (shown, plain) = open.get_in(&open.gateway, (BUCKET, "key"), None, Some(OTHER)).await.unwrap();
    assert_eq!(plain, b"plain");
    assert_eq!(shown.metadata.unwrap()["colour"], "red");
    assert_eq!(shown.tag_count, Some(1));
    open.copy(("key", Some(OTHER)), (BUCKET, "key"), None).await.unwrap();
    assert_eq!(open.get("key", None, None).await.unwrap(), b"plain");
}

#[tokio::test]
async fn an_object_in_parts_is_copied_with_its_key_or_to_another() {
    let open = Open::new().await;
    let parts = [pattern(1, 5 * MIB), pattern(2, 1_000)];
    open.put_in_parts("key", &parts, ONE).await;
    let plain = parts.concat();
    for customer in [Some(ONE), Some(OTHER), None] {
        let copy = open.copy(("key", Some(ONE)), (BUCKET, "copy"), customer).await.unwrap();
        let etag = copy.copy_object_result.unwrap().e_tag.unwrap();
        assert_eq!(etag.value().ends_with("-2"), customer == Some(ONE), "{etag:?}");
        assert!(open.get("copy", None, customer).await.unwrap() == plain);
        assert!(
            open.get("copy", Some("bytes=5242870-5242889"), customer).await.unwrap() == plain[5_242_870..5_242_890]
        );
    }
    let replaced = CopyObjectInput::builder()
        .bucket(BUCKET.to_owned())
        .key("copy".to_owned())
        .copy_source(source("key"))
        .metadata_directive(Some(MetadataDirective::from_static(MetadataDirective::REPLACE)))
        .build()
        .unwrap();
    let replaced = with_source_key!(with_key!(replaced, Some(ONE)), Some(ONE));
    open.gateway.copy_object(request(replaced)).await.unwrap();
    assert!(open.get("copy", None, Some(ONE)).await.unwrap() == plain);
}

#[tokio::test]
async fn a_part_is_copied_from_one_key_to_another() {
    let open = Open::new().await;
    let plain = pattern(1, 200_000);
    open.put("source", &plain, Some(OTHER)).await.unwrap();
    let upload_id = open.create("key", Some(ONE)).await.unwrap();
    let copy = |of: Option<Key>, with: Option<Key>| {
        let copy = UploadPartCopyInput::builder()
            .bucket(BUCKET.to_owned())
            .key("key".to_owned())
            .upload_id(upload_id.clone())
            .part_number(1)
            .copy_source(source("source"))
            .copy_source_range(Some("bytes=1000-150999".to_owned()))
            .build()
            .unwrap();
        open.gateway.upload_part_copy(request(with_source_key!(with_key!(copy, with), of)))
    };
    for (of, with, refusal) in [
        (None, Some(ONE), "InvalidRequest"),
        (Some(ONE), Some(ONE), "AccessDenied"),
        (Some(OTHER), None, "InvalidRequest"),
        (Some(OTHER), Some(OTHER), "InvalidRequest"),
    ] {
        assert_eq!(code(copy(of, with).await), refusal, "{of:?} {with:?}");
    }
    let copied = copy(Some(OTHER), Some(ONE)).await.unwrap().output;
    assert_eq!(copied.sse_customer_key_md5.as_deref(), Some(ONE.1));
    let part = copied.copy_part_result.unwrap().e_tag.unwrap();
    open.complete(("key", &upload_id), &[part], Some(ONE)).await.unwrap();
    assert!(open.get("key", None, Some(ONE)).await.unwrap() == plain[1_000..151_000]);
}
