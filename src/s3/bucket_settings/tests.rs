use s3s::S3 as _;

use super::*;
use crate::s3::testing::{BUCKET, Harness, code, request};

fn encryption(algorithm: &'static str, key: Option<&str>) -> PutBucketEncryptionInput {
    let default = ServerSideEncryptionByDefault {
        kms_master_key_id: key.map(str::to_owned),
        sse_algorithm: ServerSideEncryption::from_static(algorithm),
    };
    let rule = ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(default),
        blocked_encryption_types: None,
        bucket_key_enabled: None,
    };
    PutBucketEncryptionInput {
        bucket: BUCKET.to_owned(),
        checksum_algorithm: None,
        content_md5: None,
        expected_bucket_owner: None,
        server_side_encryption_configuration: ServerSideEncryptionConfiguration { rules: vec![rule] },
    }
}

/// What is blocked besides.
fn blocking(kind: &'static str) -> PutBucketEncryptionInput {
    let mut input = encryption("aws:kms", None);
    let kinds = Some(vec![EncryptionType::from_static(kind)]);
    input.server_side_encryption_configuration.rules[0].blocked_encryption_types =
        Some(BlockedEncryptionTypes { encryption_type: kinds });
    input
}

#[tokio::test]
async fn every_bucket_says_that_it_encrypts() {
    let harness = Harness::new().await;
    for bucket in [BUCKET, "absent"] {
        let input = GetBucketEncryptionInput { bucket: bucket.to_owned(), expected_bucket_owner: None };
        let answer = harness.gateway.get_bucket_encryption(request(input)).await;
        let Ok(answer) = answer else {
            assert_eq!((bucket, code(answer).as_str()), ("absent", "NoSuchBucket"));
            continue;
        };
        let [rule] = &*answer.output.server_side_encryption_configuration.unwrap().rules else { panic!("one rule") };
        let default = rule.apply_server_side_encryption_by_default.as_ref().unwrap();
        assert_eq!(default.sse_algorithm.as_str(), "aws:kms");
        assert_eq!(blocked(rule), ["SSE-C"]);
    }
}

fn blocked(rule: &ServerSideEncryptionRule) -> Vec<&str> {
    let blocked = rule.blocked_encryption_types.as_ref().unwrap().encryption_type.as_ref().unwrap();
    blocked.iter().map(EncryptionType::as_str).collect()
}

#[tokio::test]
async fn what_is_said_of_sse_c_is_what_the_operator_decided() {
    let gateway = Harness::new().await.replica().allowing_sse_c(true);
    let input = GetBucketEncryptionInput { bucket: BUCKET.to_owned(), expected_bucket_owner: None };
    let answer = gateway.get_bucket_encryption(request(input)).await.unwrap().output;
    assert_eq!(blocked(&answer.server_side_encryption_configuration.unwrap().rules[0]), ["NONE"]);
    for (input, outcome) in [(blocking("NONE"), ""), (blocking("SSE-C"), "NotImplemented")] {
        assert_eq!(code(gateway.put_bucket_encryption(request(input)).await), outcome);
    }
}

#[tokio::test]
async fn a_default_encryption_is_taken_if_it_makes_sense() {
    let harness = Harness::new().await;
    for (input, outcome) in [
        (encryption("AES256", None), ""),
        (encryption("aws:kms", Some("a-key")), ""),
        (encryption("AES256", Some("a-key")), "InvalidArgument"),
        (encryption("rot13", None), "InvalidArgument"),
        (blocking("SSE-C"), ""),
        (blocking("NONE"), "NotImplemented"),
    ] {
        assert_eq!(code(harness.gateway.put_bucket_encryption(request(input)).await), outcome);
    }
}

#[tokio::test]
async fn what_a_bucket_never_has_is_not_found_in_the_words_of_s3_and_may_be_deleted() {
    let harness = Harness::new().await;
    macro_rules! absent {
        ($($get:ident($input:ident) = $code:literal;)*) => {
            $(let input = $input { bucket: BUCKET.to_owned(), expected_bucket_owner: None };
            assert_eq!(code(harness.gateway.$get(request(input)).await), $code);)*
        };
    }
    absent! {
        get_bucket_policy(GetBucketPolicyInput) = "NoSuchBucketPolicy";
        get_bucket_cors(GetBucketCorsInput) = "NoSuchCORSConfiguration";
        get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput) = "NoSuchLifecycleConfiguration";
        get_bucket_website(GetBucketWebsiteInput) = "NoSuchWebsiteConfiguration";
        get_bucket_replication(GetBucketReplicationInput) = "ReplicationConfigurationNotFoundError";
        get_object_lock_configuration(GetObjectLockConfigurationInput) = "ObjectLockConfigurationNotFoundError";
        delete_bucket_policy(DeleteBucketPolicyInput) = "";
        delete_bucket_cors(DeleteBucketCorsInput) = "";
        delete_bucket_lifecycle(DeleteBucketLifecycleInput) = "";
        delete_bucket_website(DeleteBucketWebsiteInput) = "";
        delete_bucket_replication(DeleteBucketReplicationInput) = "";
        delete_bucket_encryption(DeleteBucketEncryptionInput) = "";
        get_bucket_logging(GetBucketLoggingInput) = "";
        get_bucket_notification_configuration(GetBucketNotificationConfigurationInput) = "";
        get_bucket_request_payment(GetBucketRequestPaymentInput) = "";
        get_bucket_policy_status(GetBucketPolicyStatusInput) = "";
    }
}

#[tokio::test]
async fn a_bucket_is_its_owners_alone() {
    let harness = Harness::new().await;
    let input = GetPublicAccessBlockInput { bucket: BUCKET.to_owned(), expected_bucket_owner: None };
    let answer = harness.gateway.get_public_access_block(request(input)).await.unwrap().output;
    assert_eq!(answer.public_access_block_configuration.unwrap().block_public_acls, Some(true));
    let input = GetBucketOwnershipControlsInput { bucket: BUCKET.to_owned(), expected_bucket_owner: None };
    let answer = harness.gateway.get_bucket_ownership_controls(request(input)).await.unwrap().output;
    assert_eq!(answer.ownership_controls.unwrap().rules[0].object_ownership.as_str(), "BucketOwnerEnforced");
    let other = GetBucketPolicyStatusInput {
        bucket: BUCKET.to_owned(),
        expected_bucket_owner: Some("somebody-else".to_owned()),
    };
    assert_eq!(code(harness.gateway.get_bucket_policy_status(request(other)).await), "AccessDenied");
}
