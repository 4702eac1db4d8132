use s3s::S3 as _;
use s3s::dto::{BucketLocationConstraint, CreateBucketConfiguration, GetBucketTaggingInput, ObjectOwnership, Tag};

use super::*;
use crate::s3::testing::{BUCKET, Harness, OTHER_BUCKET, STAGING, code, request};
use crate::tenant::{BucketPrefix, Principal, TenantId};

fn create(bucket: &str) -> CreateBucketInput {
    CreateBucketInput { bucket: bucket.to_owned(), ..CreateBucketInput::default() }
}

fn delete(bucket: &str) -> DeleteBucketInput {
    DeleteBucketInput { bucket: bucket.to_owned(), ..DeleteBucketInput::default() }
}

/// A request of a tenant with a prefix.
fn prefixed<T>(prefix: &str, input: T) -> S3Request<T> {
    let mut request = request(input);
    request.extensions.insert(Principal {
        tenant: TenantId::new("other").unwrap(),
        access_key_id: "key".into(),
        bucket_prefix: BucketPrefix::new(prefix).unwrap(),
    });
    request
}

fn names(output: &ListBucketsOutput) -> Vec<&str> {
    output.buckets.iter().flatten().map(|bucket| bucket.name.as_deref().unwrap()).collect()
}

async fn listed(harness: &Harness, input: ListBucketsInput) -> ListBucketsOutput {
    harness.gateway.list_buckets(request(input)).await.unwrap().output
}

#[tokio::test]
async fn a_bucket_is_made_found_and_deleted() {
    let harness = Harness::new().await;
    let made = harness.gateway.create_bucket(request(create("new-bucket"))).await.unwrap().output;
    assert_eq!(made.location.as_deref(), Some("/new-bucket"));
    let head = || HeadBucketInput { bucket: "new-bucket".to_owned(), expected_bucket_owner: None };
    let found = harness.gateway.head_bucket(request(head())).await.unwrap().output;
    assert_eq!(found.bucket_region.as_deref(), Some("us-east-1"));
    harness.gateway.delete_bucket(request(delete("new-bucket"))).await.unwrap();
    assert_eq!(code(harness.gateway.head_bucket(request(head())).await), "NoSuchBucket");
}

#[tokio::test]
async fn ones_own_bucket_cannot_be_made_again() {
    let harness = Harness::new().await;
    assert_eq!(code(harness.gateway.create_bucket(request(create(BUCKET))).await), "BucketAlreadyOwnedByYou");
}

#[tokio::test]
async fn a_name_that_s3_would_not_take_is_refused() {
    let harness = Harness::new().await;
    for name in ["ab", "Upper-case", "under_score", ".hidden", "192.168.5.4", "a..b"] {
        assert_eq!(code(harness.gateway.create_bucket(request(create(name))).await), "InvalidBucketName", "{name}");
    }
}

#[tokio::test]
async fn what_the_gateway_cannot_keep_is_refused_and_nothing_is_made() {
    let harness = Harness::new().await;
    let public = CreateBucketInput { acl: Some(BucketCannedACL::from_static("public-read")), ..create("new-bucket") };
    let granted = CreateBucketInput { grant_read: Some("id=1".to_owned()), ..create("new-bucket") };
    let owned = ObjectOwnership::from_static(ObjectOwnership::OBJECT_WRITER);
    let owned = CreateBucketInput { object_ownership: Some(owned), ..create("new-bucket") };
    let locked = CreateBucketInput { object_lock_enabled_for_bucket: Some(true), ..create("new-bucket") };
    for (input, wanted) in [
        (public, "AccessControlListNotSupported"),
        (granted, "AccessControlListNotSupported"),
        (owned, "NotImplemented"),
        (locked, "NotImplemented"),
    ] {
        assert_eq!(code(harness.gateway.create_bucket(request(input)).await), wanted);
    }
    assert_eq!(names(&listed(&harness, ListBucketsInput::default()).await), [BUCKET, OTHER_BUCKET]);
}

#[tokio::test]
async fn a_location_is_taken_and_us_east_1_is_shown() {
    let harness = Harness::new().await;
    let configuration = CreateBucketConfiguration {
        location_constraint: Some(BucketLocationConstraint::from_static("eu-west-1")),
        ..CreateBucketConfiguration::default()
    };
    let input = CreateBucketInput { create_bucket_configuration: Some(configuration), ..create("new-bucket") };
    harness.gateway.create_bucket(request(input)).await.unwrap();
    let location = GetBucketLocationInput { bucket: "new-bucket".to_owned(), expected_bucket_owner: None };
    let output = harness.gateway.get_bucket_location(request(location)).await.unwrap().output;
    assert_eq!(output.location_constraint, None);
}

#[tokio::test]
async fn a_new_bucket_has_the_tags_it_was_made_with() {
    let harness = Harness::new().await;
    let tags = vec![Tag { key: Some("a".to_owned()), value: Some("b".to_owned()) }];
    let configuration = CreateBucketConfiguration { tags: Some(tags.clone()), ..CreateBucketConfiguration::default() };
    let input = CreateBucketInput { create_bucket_configuration: Some(configuration), ..create("new-bucket") };
    harness.gateway.create_bucket(request(input)).await.unwrap();
    let get = GetBucketTaggingInput { bucket: "new-bucket".to_owned(), expected_bucket_owner: None };
    assert_eq!(harness.gateway.get_bucket_tagging(request(get)).await.unwrap().output.tag_set, tags);
}

#[tokio::test]
async fn a_bucket_with_an_object_is_not_deleted() {
    let harness = Harness::new().await;
    harness.put("key", b"plain").await;
    assert_eq!(code(harness.gateway.delete_bucket(request(delete(BUCKET))).await), "BucketNotEmpty");
    assert_eq!(harness.get(BUCKET, "key", None).await.unwrap(), b"plain");
}

#[tokio::test]
async fn an_open_upload_goes_with_its_empty_bucket() {
    let harness = Harness::new().await;
    let upload = crate::backend::CreateUpload {
        bucket: StoredName::new(BUCKET),
        key: "key".to_owned(),
        metadata: crate::backend::Metadata::default(),
        tags: Tags::new(),
    };
    harness.store.create_upload(upload).await.unwrap();
    harness.gateway.delete_bucket(request(delete(BUCKET))).await.unwrap();
    assert_eq!(names(&listed(&harness, ListBucketsInput::default()).await), [OTHER_BUCKET]);
}

#[tokio::test]
async fn an_open_upload_of_a_bucket_with_objects_stays() {
    let harness = Harness::new().await;
    harness.put("key", b"plain").await;
    let upload = crate::backend::CreateUpload {
        bucket: StoredName::new(BUCKET),
        key: "key".to_owned(),
        metadata: crate::backend::Metadata::default(),
        tags: Tags::new(),
    };
    let upload_id = harness.store.create_upload(upload).await.unwrap();
    assert_eq!(code(harness.gateway.delete_bucket(request(delete(BUCKET))).await), "BucketNotEmpty");
    let upload = UploadRef { bucket: StoredName::new(BUCKET), key: "key".to_owned(), upload_id };
    harness.store.abort_upload(&upload).await.unwrap();
}

#[tokio::test]
async fn a_tenant_sees_its_own_buckets_under_its_own_names() {
    let harness = Harness::new().await;
    harness.gateway.create_bucket(prefixed("t1-", create("mine"))).await.unwrap();
    let output = harness.gateway.list_buckets(prefixed("t1-", ListBucketsInput::default())).await.unwrap().output;
    assert_eq!(names(&output), ["mine"]);
    assert_eq!(output.owner.unwrap().id.as_deref(), Some("other"));
    let theirs = HeadBucketInput { bucket: BUCKET.to_owned(), expected_bucket_owner: None };
    assert_eq!(code(harness.gateway.head_bucket(prefixed("t1-", theirs)).await), "NoSuchBucket");
}

#[tokio::test]
async fn the_staging_bucket_is_never_listed() {
    let harness = Harness::new().await;
    let output = listed(&harness, ListBucketsInput::default()).await;
    assert_eq!(names(&output), [BUCKET, OTHER_BUCKET]);
    assert!(harness.store.head_bucket(&StoredName::new(STAGING)).await.is_ok());
}

#[tokio::test]
async fn buckets_come_in_pages_and_by_prefix() {
    let harness = Harness::new().await;
    let first = listed(&harness, ListBucketsInput { max_buckets: Some(1), ..ListBucketsInput::default() }).await;
    assert_eq!(names(&first), [BUCKET]);
    let rest = ListBucketsInput { continuation_token: first.continuation_token, ..ListBucketsInput::default() };
    let rest = listed(&harness, rest).await;
    assert_eq!((names(&rest), &rest.continuation_token), (vec![OTHER_BUCKET], &None));
    let other = ListBucketsInput { prefix: Some("other".to_owned()), ..ListBucketsInput::default() };
    assert_eq!(names(&listed(&harness, other).await), [OTHER_BUCKET]);
    let none = ListBucketsInput { max_buckets: Some(0), ..ListBucketsInput::default() };
    assert_eq!(code(harness.gateway.list_buckets(request(none)).await), "InvalidArgument");
}
