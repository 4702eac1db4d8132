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
        get_bucket_policy_status(GetBucketPolicyStatusInput) = "NoSuchBucketPolicy";
        get_bucket_cors(GetBucketCorsInput) = "NoSuchCORSConfiguration";
        get_bucket_abac(GetBucketAbacInput) = "";
        get_bucket_metadata_configuration(GetBucketMetadataConfigurationInput) = "MetadataConfigurationNotFound";
        get_bucket_metadata_table_configuration(GetBucketMetadataTableConfigurationInput) = "MetadataConfigurationNotFound";
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

#[tokio::test]
async fn configurations_by_id_are_never_there_and_their_lists_are_empty() {
    let harness = Harness::new().await;
    macro_rules! none {
        ($($get:ident($input:ident), $list:ident($list_input:ident);)*) => {
            $(let input = $input { bucket: BUCKET.to_owned(), expected_bucket_owner: None, id: "a".to_owned() };
            assert_eq!(code(harness.gateway.$get(request(input)).await), "NoSuchConfiguration");
            let input =
                $list_input { bucket: BUCKET.to_owned(), continuation_token: None, expected_bucket_owner: None };
            let listed = harness.gateway.$list(request(input)).await.unwrap().output;
            assert_eq!(listed.is_truncated, Some(false));)*
        };
    }
    none! {
        get_bucket_analytics_configuration(GetBucketAnalyticsConfigurationInput),
            list_bucket_analytics_configurations(ListBucketAnalyticsConfigurationsInput);
        get_bucket_intelligent_tiering_configuration(GetBucketIntelligentTieringConfigurationInput),
            list_bucket_intelligent_tiering_configurations(ListBucketIntelligentTieringConfigurationsInput);
        get_bucket_inventory_configuration(GetBucketInventoryConfigurationInput),
            list_bucket_inventory_configurations(ListBucketInventoryConfigurationsInput);
        get_bucket_metrics_configuration(GetBucketMetricsConfigurationInput),
            list_bucket_metrics_configurations(ListBucketMetricsConfigurationsInput);
    }
}

#[tokio::test]
async fn a_setting_that_says_what_is_so_anyway_is_taken_and_every_other_is_refused() {
    let harness = Harness::new().await;
    let open = PublicAccessBlockConfiguration { block_public_acls: Some(false), ..all_is_blocked() };
    let part = PublicAccessBlockConfiguration { block_public_acls: Some(true), ..Default::default() };
    for (block, outcome) in [(all_is_blocked(), ""), (open, "NotImplemented"), (part, "NotImplemented")] {
        let input = PutPublicAccessBlockInput::builder()
            .bucket(BUCKET.to_owned())
            .public_access_block_configuration(block)
            .build()
            .unwrap();
        assert_eq!(code(harness.gateway.put_public_access_block(request(input)).await), outcome);
    }
    for (ownership, outcome) in
        [("BucketOwnerEnforced", ""), ("ObjectWriter", "NotImplemented"), ("x", "NotImplemented")]
    {
        let object_ownership = ObjectOwnership::from_static(ownership);
        let controls = OwnershipControls { rules: vec![OwnershipControlsRule { object_ownership }] };
        let input = PutBucketOwnershipControlsInput::builder()
            .bucket(BUCKET.to_owned())
            .ownership_controls(controls)
            .build()
            .unwrap();
        assert_eq!(code(harness.gateway.put_bucket_ownership_controls(request(input)).await), outcome);
    }
    let logging = s3s::dto::LoggingEnabled {
        target_bucket: "b".to_owned(),
        target_grants: None,
        target_object_key_format: None,
        target_prefix: String::new(),
    };
    for (logging_enabled, outcome) in [(None, ""), (Some(logging), "NotImplemented")] {
        let input = PutBucketLoggingInput::builder()
            .bucket(BUCKET.to_owned())
            .bucket_logging_status(s3s::dto::BucketLoggingStatus { logging_enabled })
            .build()
            .unwrap();
        assert_eq!(code(harness.gateway.put_bucket_logging(request(input)).await), outcome);
    }
    let bridge = NotificationConfiguration {
        event_bridge_configuration: Some(s3s::dto::EventBridgeConfiguration {}),
        ..NotificationConfiguration::default()
    };
    for (notification, outcome) in [(NotificationConfiguration::default(), ""), (bridge, "NotImplemented")] {
        let input = PutBucketNotificationConfigurationInput::builder()
            .bucket(BUCKET.to_owned())
            .notification_configuration(notification)
            .build()
            .unwrap();
        assert_eq!(code(harness.gateway.put_bucket_notification_configuration(request(input)).await), outcome);
    }
}

#[tokio::test]
async fn no_object_is_locked_where_no_bucket_can_be() {
    let harness = Harness::new().await;
    harness.put("key", b"plain").await;
    let retention = GetObjectRetentionInput::builder().bucket(BUCKET.to_owned()).key("key".to_owned()).build().unwrap();
    assert_eq!(code(harness.gateway.get_object_retention(request(retention)).await), "InvalidRequest");
    let hold = GetObjectLegalHoldInput::builder().bucket(BUCKET.to_owned()).key("key".to_owned()).build().unwrap();
    assert_eq!(code(harness.gateway.get_object_legal_hold(request(hold)).await), "InvalidRequest");
}
