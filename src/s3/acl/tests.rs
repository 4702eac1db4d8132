use s3s::S3 as _;
use s3s::dto::{CopyObjectInput, CopySource, CreateMultipartUploadInput, Owner, PutObjectInput};

use super::*;
use crate::s3::testing::{BUCKET, Harness, TENANT, blob, code, request};

fn of_object(key: &str) -> GetObjectAclInput {
    GetObjectAclInput { bucket: BUCKET.to_owned(), key: key.to_owned(), ..GetObjectAclInput::default() }
}

fn onto_object(key: &str) -> PutObjectAclInput {
    PutObjectAclInput { bucket: BUCKET.to_owned(), key: key.to_owned(), ..PutObjectAclInput::default() }
}

fn onto_bucket() -> PutBucketAclInput {
    PutBucketAclInput { bucket: BUCKET.to_owned(), ..PutBucketAclInput::default() }
}

#[tokio::test]
async fn the_owner_alone_has_full_control_of_buckets_and_objects() {
    let harness = Harness::new().await;
    harness.put("key", b"plain").await;
    let bucket = GetBucketAclInput { bucket: BUCKET.to_owned(), ..GetBucketAclInput::default() };
    let bucket = harness.gateway.get_bucket_acl(request(bucket)).await.unwrap().output;
    let object = harness.gateway.get_object_acl(request(of_object("key"))).await.unwrap().output;
    assert_eq!((&bucket.owner, &bucket.grants), (&object.owner, &object.grants));
    assert_eq!(object.owner.unwrap().id.as_deref(), Some(TENANT));
    let [grant] = &*object.grants.unwrap() else { panic!("one grant") };
    assert_eq!(grant.grantee.as_ref().unwrap().id.as_deref(), Some(TENANT));
    assert_eq!(grant.permission.as_ref().unwrap().as_str(), "FULL_CONTROL");
}

#[tokio::test]
async fn the_acl_of_what_is_not_there_is_not_there() {
    let harness = Harness::new().await;
    assert_eq!(code(harness.gateway.get_object_acl(request(of_object("absent"))).await), "NoSuchKey");
    let put = PutObjectAclInput { acl: Some(ObjectCannedACL::from_static("private")), ..onto_object("absent") };
    assert_eq!(code(harness.gateway.put_object_acl(request(put)).await), "NoSuchKey");
    let bucket = GetBucketAclInput { bucket: "absent".to_owned(), ..GetBucketAclInput::default() };
    assert_eq!(code(harness.gateway.get_bucket_acl(request(bucket)).await), "NoSuchBucket");
}

#[tokio::test]
async fn an_acl_that_says_what_is_so_is_taken_and_one_that_opens_something_is_refused() {
    let harness = Harness::new().await;
    harness.put("key", b"plain").await;
    for (canned, outcome) in [("private", ""), ("public-read", "AccessControlListNotSupported")] {
        let object = PutObjectAclInput { acl: Some(ObjectCannedACL::from_static(canned)), ..onto_object("key") };
        assert_eq!(code(harness.gateway.put_object_acl(request(object)).await), outcome);
        let bucket = PutBucketAclInput { acl: Some(BucketCannedACL::from_static(canned)), ..onto_bucket() };
        assert_eq!(code(harness.gateway.put_bucket_acl(request(bucket)).await), outcome);
    }
    let granting = PutBucketAclInput { grant_read: Some("id=other".to_owned()), ..onto_bucket() };
    assert_eq!(code(harness.gateway.put_bucket_acl(request(granting)).await), "AccessControlListNotSupported");
    assert_eq!(code(harness.gateway.put_bucket_acl(request(onto_bucket())).await), "MissingSecurityHeader");
}

/// With these fields that a new object may ask for, over the embedded store.
async fn put(harness: &Harness, canned: Option<&'static str>, grant: Option<&str>) -> String {
    let put = PutObjectInput {
        bucket: BUCKET.to_owned(),
        key: "new".to_owned(),
        content_length: Some(5),
        body: Some(blob(b"plain")),
        acl: canned.map(ObjectCannedACL::from_static),
        grant_read: grant.map(str::to_owned),
        ..PutObjectInput::default()
    };
    code(harness.gateway.put_object(request(put)).await)
}

#[tokio::test]
async fn a_new_object_that_grants_others_something_is_refused_where_no_grant_is_kept() {
    let harness = Harness::new().await;
    for (canned, grant) in [(Some("public-read"), None), (Some("zzz"), None), (None, Some("id=other"))] {
        assert_eq!(put(&harness, canned, grant).await, "AccessControlListNotSupported");
    }
    assert_eq!(put(&harness, Some("private"), Some("id=other")).await, "InvalidRequest");
    let create = CreateMultipartUploadInput {
        bucket: BUCKET.to_owned(),
        key: "new".to_owned(),
        grant_write_acp: Some("id=other".to_owned()),
        ..CreateMultipartUploadInput::default()
    };
    let created = harness.gateway.create_multipart_upload(request(create)).await;
    assert_eq!(code(created), "AccessControlListNotSupported");
    assert!(harness.stored_keys(BUCKET).await.is_empty());
    for canned in ["private", "bucket-owner-full-control"] {
        assert_eq!(put(&harness, Some(canned), None).await, "");
    }
    let copy = CopyObjectInput::builder()
        .bucket(BUCKET.to_owned())
        .key("copy".to_owned())
        .copy_source(CopySource::Bucket { bucket: BUCKET.into(), key: "new".into(), version_id: None })
        .acl(Some(ObjectCannedACL::from_static("public-read")))
        .build()
        .unwrap();
    assert_eq!(code(harness.gateway.copy_object(request(copy)).await), "AccessControlListNotSupported");
    assert_eq!(harness.stored_keys(BUCKET).await, ["new"]);
}

#[tokio::test]
async fn a_policy_is_taken_if_it_grants_the_owner_full_control_and_no_more() {
    let harness = Harness::new().await;
    let tenant = TenantId::new(TENANT).unwrap();
    let stranger = TenantId::new("stranger").unwrap();
    let only_read = Grant { permission: Some(Permission::from_static("READ")), ..full_control(&tenant) };
    for (grants, outcome) in [
        (vec![full_control(&tenant)], ""),
        (vec![], "AccessControlListNotSupported"),
        (vec![only_read], "AccessControlListNotSupported"),
        (vec![full_control(&tenant), full_control(&stranger)], "AccessControlListNotSupported"),
    ] {
        let owner = Some(Owner { id: Some(TENANT.to_owned()), display_name: None });
        let policy = AccessControlPolicy { grants: Some(grants), owner };
        let put = PutBucketAclInput { access_control_policy: Some(policy), ..onto_bucket() };
        assert_eq!(code(harness.gateway.put_bucket_acl(request(put)).await), outcome);
    }
}
