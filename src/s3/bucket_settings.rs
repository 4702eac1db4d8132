//! What a bucket here always or never has, told as S3 tells it: clients and tools ask before they work.
//!
//! Every bucket encrypts with the tenant's key, is its owner's alone, and has no policy, CORS, lifecycle, website,
//! replication, logging, notification or object lock configuration. Asking says so; taking away what is not there
//! succeeds; setting one is refused, but for one that says what is so anyway. No store is asked for any of them or told:
//! it would serve, copy or log sealed bytes, and some would name buckets of other tenants. What a store does keep goes
//! another way ([`forward`](super::forward)).

use s3s::dto::{
    AbacStatus, BlockedEncryptionTypes, BucketAbacStatus, DeleteBucketCorsInput, DeleteBucketCorsOutput,
    DeleteBucketEncryptionInput, DeleteBucketEncryptionOutput, DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput,
    DeleteBucketPolicyInput, DeleteBucketPolicyOutput, DeleteBucketReplicationInput, DeleteBucketReplicationOutput,
    DeleteBucketWebsiteInput, DeleteBucketWebsiteOutput, EncryptionType, GetBucketAbacInput, GetBucketAbacOutput,
    GetBucketAccelerateConfigurationInput, GetBucketAccelerateConfigurationOutput,
    GetBucketAnalyticsConfigurationInput, GetBucketAnalyticsConfigurationOutput, GetBucketCorsInput,
    GetBucketCorsOutput, GetBucketEncryptionInput, GetBucketEncryptionOutput,
    GetBucketIntelligentTieringConfigurationInput, GetBucketIntelligentTieringConfigurationOutput,
    GetBucketInventoryConfigurationInput, GetBucketInventoryConfigurationOutput, GetBucketLifecycleConfigurationInput,
    GetBucketLifecycleConfigurationOutput, GetBucketLoggingInput, GetBucketLoggingOutput,
    GetBucketMetadataConfigurationInput, GetBucketMetadataConfigurationOutput,
    GetBucketMetadataTableConfigurationInput, GetBucketMetadataTableConfigurationOutput,
    GetBucketMetricsConfigurationInput, GetBucketMetricsConfigurationOutput, GetBucketNotificationConfigurationInput,
    GetBucketNotificationConfigurationOutput, GetBucketOwnershipControlsInput, GetBucketOwnershipControlsOutput,
    GetBucketPolicyInput, GetBucketPolicyOutput, GetBucketPolicyStatusInput, GetBucketPolicyStatusOutput,
    GetBucketReplicationInput, GetBucketReplicationOutput, GetBucketRequestPaymentInput, GetBucketRequestPaymentOutput,
    GetBucketWebsiteInput, GetBucketWebsiteOutput, GetObjectLegalHoldInput, GetObjectLegalHoldOutput,
    GetObjectLockConfigurationInput, GetObjectLockConfigurationOutput, GetObjectRetentionInput,
    GetObjectRetentionOutput, GetPublicAccessBlockInput, GetPublicAccessBlockOutput,
    ListBucketAnalyticsConfigurationsInput, ListBucketAnalyticsConfigurationsOutput,
    ListBucketIntelligentTieringConfigurationsInput, ListBucketIntelligentTieringConfigurationsOutput,
    ListBucketInventoryConfigurationsInput, ListBucketInventoryConfigurationsOutput,
    ListBucketMetricsConfigurationsInput, ListBucketMetricsConfigurationsOutput, NotificationConfiguration,
    ObjectOwnership, OwnershipControls, OwnershipControlsRule, Payer, PublicAccessBlockConfiguration,
    PutBucketEncryptionInput, PutBucketEncryptionOutput, PutBucketLoggingInput, PutBucketLoggingOutput,
    PutBucketNotificationConfigurationInput, PutBucketNotificationConfigurationOutput, PutBucketOwnershipControlsInput,
    PutBucketOwnershipControlsOutput, PutPublicAccessBlockInput, PutPublicAccessBlockOutput, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::gateway::Gateway;
use super::scope::Scope;
use super::{body_digest, errors, lock, metadata};

/// A verb about an existing bucket that has one answer for all.
macro_rules! one_answer {
    ($($verb:ident($input:ident) -> $output:ident = $answer:expr;)*) => {
        $(pub(crate) async fn $verb(
            gateway: &Gateway,
            request: S3Request<$input>,
        ) -> S3Result<S3Response<$output>> {
            let owner = request.input.expected_bucket_owner.as_deref();
            bucket_is_there(gateway, &request, &request.input.bucket, owner).await?;
            let answer: S3Result<$output> = $answer;
            answer.map(S3Response::new)
        })*
    };
}

one_answer! {
    delete_bucket_encryption(DeleteBucketEncryptionInput) -> DeleteBucketEncryptionOutput = Ok(DeleteBucketEncryptionOutput {});
    get_bucket_ownership_controls(GetBucketOwnershipControlsInput) -> GetBucketOwnershipControlsOutput = Ok(owner_enforced());
    get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput = Ok(all_blocked());
    get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput =
        Err(s3_error!(NoSuchBucketPolicy, "The bucket policy does not exist"));
    get_bucket_policy_status(GetBucketPolicyStatusInput) -> GetBucketPolicyStatusOutput =
        Err(s3_error!(NoSuchBucketPolicy, "The bucket policy does not exist"));
    delete_bucket_policy(DeleteBucketPolicyInput) -> DeleteBucketPolicyOutput = Ok(DeleteBucketPolicyOutput {});
    get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput =
        Err(s3_error!(NoSuchCORSConfiguration, "The CORS configuration does not exist"));
    delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput = Ok(DeleteBucketCorsOutput {});
    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput) -> GetBucketLifecycleConfigurationOutput =
        Err(s3_error!(NoSuchLifecycleConfiguration, "The lifecycle configuration does not exist"));
    delete_bucket_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput = Ok(DeleteBucketLifecycleOutput {});
    get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput =
        Err(s3_error!(NoSuchWebsiteConfiguration, "The specified bucket does not have a website configuration"));
    delete_bucket_website(DeleteBucketWebsiteInput) -> DeleteBucketWebsiteOutput = Ok(DeleteBucketWebsiteOutput {});
    get_bucket_replication(GetBucketReplicationInput) -> GetBucketReplicationOutput =
        Err(s3_error!(ReplicationConfigurationNotFoundError, "The replication configuration was not found"));
    delete_bucket_replication(DeleteBucketReplicationInput) -> DeleteBucketReplicationOutput =
        Ok(DeleteBucketReplicationOutput {});
    get_object_lock_configuration(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput =
        Err(s3_error!(ObjectLockConfigurationNotFoundError, "Object Lock configuration does not exist for this bucket"));
    get_bucket_accelerate_configuration(GetBucketAccelerateConfigurationInput) -> GetBucketAccelerateConfigurationOutput =
        Ok(GetBucketAccelerateConfigurationOutput::default());
    get_bucket_logging(GetBucketLoggingInput) -> GetBucketLoggingOutput = Ok(GetBucketLoggingOutput::default());
    get_bucket_notification_configuration(GetBucketNotificationConfigurationInput) -> GetBucketNotificationConfigurationOutput =
        Ok(GetBucketNotificationConfigurationOutput::default());
    get_bucket_request_payment(GetBucketRequestPaymentInput) -> GetBucketRequestPaymentOutput =
        Ok(GetBucketRequestPaymentOutput { payer: Some(Payer::from_static(Payer::BUCKET_OWNER)) });
    get_bucket_abac(GetBucketAbacInput) -> GetBucketAbacOutput = Ok(GetBucketAbacOutput {
        abac_status: Some(AbacStatus { status: Some(BucketAbacStatus::from_static(BucketAbacStatus::DISABLED)) }),
    });
    get_bucket_analytics_configuration(GetBucketAnalyticsConfigurationInput) -> GetBucketAnalyticsConfigurationOutput =
        Err(no_such_configuration());
    get_bucket_intelligent_tiering_configuration(GetBucketIntelligentTieringConfigurationInput) -> GetBucketIntelligentTieringConfigurationOutput =
        Err(no_such_configuration());
    get_bucket_inventory_configuration(GetBucketInventoryConfigurationInput) -> GetBucketInventoryConfigurationOutput =
        Err(no_such_configuration());
    get_bucket_metrics_configuration(GetBucketMetricsConfigurationInput) -> GetBucketMetricsConfigurationOutput =
        Err(no_such_configuration());
    get_bucket_metadata_configuration(GetBucketMetadataConfigurationInput) -> GetBucketMetadataConfigurationOutput =
        Err(no_metadata_configuration());
    get_bucket_metadata_table_configuration(GetBucketMetadataTableConfigurationInput) -> GetBucketMetadataTableConfigurationOutput =
        Err(no_metadata_configuration());
    list_bucket_analytics_configurations(ListBucketAnalyticsConfigurationsInput) -> ListBucketAnalyticsConfigurationsOutput =
        Ok(ListBucketAnalyticsConfigurationsOutput { is_truncated: Some(false), ..Default::default() });
    list_bucket_intelligent_tiering_configurations(ListBucketIntelligentTieringConfigurationsInput) -> ListBucketIntelligentTieringConfigurationsOutput =
        Ok(ListBucketIntelligentTieringConfigurationsOutput { is_truncated: Some(false), ..Default::default() });
    list_bucket_inventory_configurations(ListBucketInventoryConfigurationsInput) -> ListBucketInventoryConfigurationsOutput =
        Ok(ListBucketInventoryConfigurationsOutput { is_truncated: Some(false), ..Default::default() });
    list_bucket_metrics_configurations(ListBucketMetricsConfigurationsInput) -> ListBucketMetricsConfigurationsOutput =
        Ok(ListBucketMetricsConfigurationsOutput { is_truncated: Some(false), ..Default::default() });
}

/// A verb about an existing bucket that takes a setting which says what is so anyway, and refuses every other.
macro_rules! so_anyway {
    ($($verb:ident($input:ident) -> $output:ident = |$asked:ident| $is_so:expr, $else:literal;)*) => {
        $(pub(crate) async fn $verb(
            gateway: &Gateway,
            request: S3Request<$input>,
        ) -> S3Result<S3Response<$output>> {
            body_digest::verify(&request)?;
            let $asked = &request.input;
            bucket_is_there(gateway, &request, &$asked.bucket, $asked.expected_bucket_owner.as_deref()).await?;
            if $is_so { Ok(S3Response::new($output {})) } else { Err(s3_error!(NotImplemented, $else)) }
        })*
    };
}

so_anyway! {
    put_public_access_block(PutPublicAccessBlockInput) -> PutPublicAccessBlockOutput =
        |asked| asked.public_access_block_configuration == all_is_blocked(),
        "Public access is blocked in every bucket.";
    put_bucket_logging(PutBucketLoggingInput) -> PutBucketLoggingOutput =
        |asked| asked.bucket_logging_status.logging_enabled.is_none(),
        "Access logging of buckets is not supported: a store would log requests of the gateway.";
    put_bucket_notification_configuration(PutBucketNotificationConfigurationInput) -> PutBucketNotificationConfigurationOutput =
        |asked| asked.notification_configuration == NotificationConfiguration::default(),
        "Notifications are not supported: a store would tell of sealed objects.";
}

/// Takes ownership controls that say what is so anyway.
pub(crate) async fn put_bucket_ownership_controls(
    gateway: &Gateway,
    request: S3Request<PutBucketOwnershipControlsInput>,
) -> S3Result<S3Response<PutBucketOwnershipControlsOutput>> {
    body_digest::verify(&request)?;
    let asked = &request.input;
    bucket_is_there(gateway, &request, &asked.bucket, asked.expected_bucket_owner.as_deref()).await?;
    let [rule] = &*asked.ownership_controls.rules else {
        return Err(s3_error!(MalformedXML, "Ownership controls have one rule."));
    };
    ownership_is_so(Some(&rule.object_ownership))?;
    Ok(S3Response::new(PutBucketOwnershipControlsOutput {}))
}

/// Refuses an ownership of objects under which ACLs would count.
pub(crate) fn ownership_is_so(asked: Option<&ObjectOwnership>) -> S3Result<()> {
    if asked.is_some_and(|asked| asked.as_str() != ObjectOwnership::BUCKET_OWNER_ENFORCED) {
        return Err(s3_error!(NotImplemented, "ACLs are not supported: object ownership is BucketOwnerEnforced."));
    }
    Ok(())
}

/// The retention of an object in a bucket that never has Object Lock.
pub(crate) async fn get_object_retention(
    gateway: &Gateway,
    request: S3Request<GetObjectRetentionInput>,
) -> S3Result<S3Response<GetObjectRetentionOutput>> {
    let owner = request.input.expected_bucket_owner.as_deref();
    bucket_is_there(gateway, &request, &request.input.bucket, owner).await?;
    Err(lock::no_configuration())
}

/// The legal hold of an object in a bucket that never has Object Lock.
pub(crate) async fn get_object_legal_hold(
    gateway: &Gateway,
    request: S3Request<GetObjectLegalHoldInput>,
) -> S3Result<S3Response<GetObjectLegalHoldOutput>> {
    let owner = request.input.expected_bucket_owner.as_deref();
    bucket_is_there(gateway, &request, &request.input.bucket, owner).await?;
    Err(lock::no_configuration())
}

/// Every bucket encrypts; whether clients may bring keys of their own is the operator's to say.
pub(crate) async fn get_bucket_encryption(
    gateway: &Gateway,
    request: S3Request<GetBucketEncryptionInput>,
) -> S3Result<S3Response<GetBucketEncryptionOutput>> {
    let owner = request.input.expected_bucket_owner.as_deref();
    bucket_is_there(gateway, &request, &request.input.bucket, owner).await?;
    Ok(S3Response::new(always_encrypted(gateway.allows_sse_c)))
}

/// Takes a default encryption that is no other than what the gateway does: with a key of its own, whatever is asked.
pub(crate) async fn put_bucket_encryption(
    gateway: &Gateway,
    request: S3Request<PutBucketEncryptionInput>,
) -> S3Result<S3Response<PutBucketEncryptionOutput>> {
    body_digest::verify(&request)?;
    let input = &request.input;
    bucket_is_there(gateway, &request, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let [rule] = &*input.server_side_encryption_configuration.rules else { return Err(malformed()) };
    let Some(default) = &rule.apply_server_side_encryption_by_default else { return Err(malformed()) };
    metadata::encryption_is_sensible(Some(&default.sse_algorithm), default.kms_master_key_id.as_deref())?;
    let blocked = rule.blocked_encryption_types.as_ref().and_then(|blocked| blocked.encryption_type.as_ref());
    let blocks = blocked.map(|types| types.iter().any(|kind| kind.as_str() == EncryptionType::SSE_C));
    if blocks.is_some_and(|blocks| blocks == gateway.allows_sse_c) {
        let state = if gateway.allows_sse_c { "allowed" } else { "blocked" };
        return Err(s3_error!(NotImplemented, "Customer-provided keys (SSE-C) are {state} in every bucket."));
    }
    Ok(S3Response::new(PutBucketEncryptionOutput {}))
}

async fn bucket_is_there<T>(
    gateway: &Gateway,
    request: &S3Request<T>,
    bucket: &str,
    owner: Option<&str>,
) -> S3Result<()> {
    let scope = Scope::new(gateway, request)?;
    let stored = scope.bucket(bucket, owner)?;
    scope.backend().head_bucket(&stored).await.map_err(errors::backend)?;
    Ok(())
}

fn no_such_configuration() -> S3Error {
    not_found("NoSuchConfiguration", "The specified configuration does not exist.")
}

fn no_metadata_configuration() -> S3Error {
    not_found("MetadataConfigurationNotFound", "The metadata configuration does not exist.")
}

fn not_found(code: &'static str, what: &'static str) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), what);
    error.set_status_code(http::StatusCode::NOT_FOUND);
    error
}

fn malformed() -> S3Error {
    s3_error!(MalformedXML, "A default encryption has one rule.")
}

fn always_encrypted(allows_sse_c: bool) -> GetBucketEncryptionOutput {
    let blocked = if allows_sse_c { EncryptionType::NONE } else { EncryptionType::SSE_C };
    let default = ServerSideEncryptionByDefault {
        kms_master_key_id: None,
        sse_algorithm: ServerSideEncryption::from_static(ServerSideEncryption::AWS_KMS),
    };
    let rule = ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(default),
        blocked_encryption_types: Some(BlockedEncryptionTypes {
            encryption_type: Some(vec![EncryptionType::from_static(blocked)]),
        }),
        bucket_key_enabled: Some(false),
    };
    let configuration = ServerSideEncryptionConfiguration { rules: vec![rule] };
    GetBucketEncryptionOutput { server_side_encryption_configuration: Some(configuration) }
}

fn owner_enforced() -> GetBucketOwnershipControlsOutput {
    let object_ownership = ObjectOwnership::from_static(ObjectOwnership::BUCKET_OWNER_ENFORCED);
    let controls = OwnershipControls { rules: vec![OwnershipControlsRule { object_ownership }] };
    GetBucketOwnershipControlsOutput { ownership_controls: Some(controls) }
}

fn all_blocked() -> GetPublicAccessBlockOutput {
    GetPublicAccessBlockOutput { public_access_block_configuration: Some(all_is_blocked()) }
}

fn all_is_blocked() -> PublicAccessBlockConfiguration {
    PublicAccessBlockConfiguration {
        block_public_acls: Some(true),
        block_public_policy: Some(true),
        ignore_public_acls: Some(true),
        restrict_public_buckets: Some(true),
    }
}

#[cfg(test)]
mod tests;
