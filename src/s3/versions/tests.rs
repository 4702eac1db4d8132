use s3s::S3 as _;
use s3s::dto::{DeleteObjectInput, EncodingType};

use super::*;
use crate::s3::testing::{BUCKET, Harness, code, request};

fn configuration(status: Option<&str>) -> PutBucketVersioningInput {
    PutBucketVersioningInput {
        bucket: BUCKET.to_owned(),
        checksum_algorithm: None,
        content_md5: None,
        expected_bucket_owner: None,
        mfa: None,
        versioning_configuration: VersioningConfiguration {
            status: status.map(|status| BucketVersioningStatus::from(status.to_owned())),
            ..VersioningConfiguration::default()
        },
    }
}

async fn versioned() -> Harness {
    let harness = Harness::new().await;
    harness.gateway.put_bucket_versioning(request(configuration(Some("Enabled")))).await.unwrap();
    harness
}

async fn status(harness: &Harness) -> Option<String> {
    let input = GetBucketVersioningInput { bucket: BUCKET.to_owned(), expected_bucket_owner: None };
    let output = harness.gateway.get_bucket_versioning(request(input)).await.unwrap().output;
    output.status.map(|status| status.as_str().to_owned())
}

fn all() -> ListObjectVersionsInput {
    ListObjectVersionsInput { bucket: BUCKET.to_owned(), ..ListObjectVersionsInput::default() }
}

async fn listed(harness: &Harness, input: ListObjectVersionsInput) -> ListObjectVersionsOutput {
    harness.gateway.list_object_versions(request(input)).await.unwrap().output
}

async fn delete(harness: &Harness, key: &str) {
    let input = DeleteObjectInput { bucket: BUCKET.to_owned(), key: key.to_owned(), ..DeleteObjectInput::default() };
    harness.gateway.delete_object(request(input)).await.unwrap();
}

#[tokio::test]
async fn versioning_is_off_on_and_suspended_in_turn() {
    let harness = Harness::new().await;
    assert_eq!(status(&harness).await, None);
    for state in ["Enabled", "Suspended", "Enabled"] {
        harness.gateway.put_bucket_versioning(request(configuration(Some(state)))).await.unwrap();
        assert_eq!(status(&harness).await.as_deref(), Some(state));
    }
}

#[tokio::test]
async fn an_unknown_or_absent_status_is_refused() {
    let harness = Harness::new().await;
    let put = async |input| code(harness.gateway.put_bucket_versioning(request(input)).await);
    assert_eq!(put(configuration(Some("enabled"))).await, "MalformedXML");
    assert_eq!(put(configuration(None)).await, "IllegalVersioningConfigurationException");
    assert_eq!(status(&harness).await, None);
}

#[tokio::test]
async fn mfa_delete_is_refused_and_its_absence_is_not() {
    let harness = Harness::new().await;
    let with = |mfa: &'static str| {
        let mut input = configuration(Some("Enabled"));
        input.versioning_configuration.mfa_delete = Some(MFADelete::from_static(mfa));
        input
    };
    let refused = harness.gateway.put_bucket_versioning(request(with(MFADelete::ENABLED))).await;
    assert_eq!(code(refused), "NotImplemented");
    harness.gateway.put_bucket_versioning(request(with(MFADelete::DISABLED))).await.unwrap();
}

#[tokio::test]
async fn versions_and_markers_are_listed_with_plain_sizes_and_one_latest() {
    let harness = versioned().await;
    harness.put("key", b"one").await;
    harness.put("key", b"three").await;
    delete(&harness, "key").await;
    let output = listed(&harness, all()).await;
    let versions = output.versions.unwrap();
    let sizes: Vec<_> = versions.iter().map(|version| (version.size, version.is_latest)).collect();
    assert_eq!(sizes, [(Some(5), Some(false)), (Some(3), Some(false))]);
    let markers = output.delete_markers.unwrap();
    assert_eq!(markers.iter().map(|marker| marker.is_latest).collect::<Vec<_>>(), [Some(true)]);
    assert_ne!(versions[0].version_id, versions[1].version_id);
}

#[tokio::test]
async fn pages_of_versions_follow_each_other_within_a_key() {
    let harness = versioned().await;
    for (key, plain) in [("a", "1"), ("a", "2"), ("a", "3"), ("b", "4")] {
        harness.put(key, plain.as_bytes()).await;
    }
    let whole = listed(&harness, all()).await;
    let ids = |output: &ListObjectVersionsOutput| -> Vec<String> {
        output.versions.iter().flatten().map(|version| version.version_id.clone().unwrap()).collect()
    };
    let (mut seen, mut input) = (Vec::new(), ListObjectVersionsInput { max_keys: Some(1), ..all() });
    loop {
        let page = listed(&harness, input.clone()).await;
        seen.extend(ids(&page));
        if page.is_truncated != Some(true) {
            break;
        }
        (input.key_marker, input.version_id_marker) = (page.next_key_marker, page.next_version_id_marker);
    }
    assert_eq!(seen, ids(&whole));
    assert_eq!(seen.len(), 4);
}

#[tokio::test]
async fn a_version_marker_needs_a_key_marker() {
    let harness = Harness::new().await;
    let input = ListObjectVersionsInput { version_id_marker: Some("null".to_owned()), ..all() };
    assert_eq!(code(harness.gateway.list_object_versions(request(input)).await), "InvalidArgument");
}

#[tokio::test]
async fn an_object_of_an_unversioned_bucket_is_the_version_null() {
    let harness = Harness::new().await;
    harness.put("a b", b"x").await;
    let url = Some(EncodingType::from_static(EncodingType::URL));
    let output = listed(&harness, ListObjectVersionsInput { encoding_type: url, ..all() }).await;
    let version = &output.versions.as_ref().unwrap()[0];
    assert_eq!(version.version_id.as_deref(), Some("null"));
    assert_eq!(version.key.as_deref(), Some("a%20b"));
}

#[tokio::test]
async fn a_write_names_the_version_it_made_unless_versioning_is_suspended() {
    let harness = Harness::new().await;
    for (state, named) in [("Enabled", true), ("Suspended", false)] {
        harness.gateway.put_bucket_versioning(request(configuration(Some(state)))).await.unwrap();
        let put = s3s::dto::PutObjectInput {
            bucket: BUCKET.to_owned(),
            key: "key".to_owned(),
            content_length: Some(5),
            body: Some(crate::s3::testing::blob(b"plain")),
            ..s3s::dto::PutObjectInput::default()
        };
        let put = harness.gateway.put_object(request(put)).await.unwrap().output;
        assert_eq!(put.version_id.is_some(), named, "{state}");
        let copy = s3s::dto::CopyObjectInput::builder()
            .bucket(BUCKET.to_owned())
            .key("copy".to_owned())
            .copy_source(s3s::dto::CopySource::parse(&format!("{BUCKET}/key")).unwrap())
            .build()
            .unwrap();
        let copy = harness.gateway.copy_object(request(copy)).await.unwrap().output;
        assert_eq!(copy.version_id.is_some(), named, "{state}");
    }
    let versions = listed(&harness, all()).await.versions.unwrap();
    assert_eq!(versions.iter().filter(|version| version.version_id.as_deref() == Some("null")).count(), 2);
}
