//! What a bucket here always or never has, told as S3 tells it: clients and tools ask before they work.
//!
//! Every bucket encrypts with the tenant's key, is its owner's alone, and has no policy, CORS, lifecycle, website,
//! replication, logging, notification or object lock configuration. Asking says so; taking away what is not there
//! succeeds; setting one is refused, but for an encryption that is what the gateway does anyway.

use s3s::dto::{
    BlockedEncryptionTypes, DeleteBucketCorsInput, DeleteBucketCorsOutput, DeleteBucketEncryptionInput,
    DeleteBucketEncryptionOutput, DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput, DeleteBucketPolicyInput,
    DeleteBucketPolicyOutput, DeleteBucketReplicationInput, DeleteBucketReplicationOutput, DeleteBucketWebsiteInput,
    DeleteBucketWebsiteOutput, EncryptionType, GetBucketAccelerateConfigurationInput,
    GetBucketAccelerateConfigurationOutput, GetBucketCorsInput, GetBucketCorsOutput, GetBucketEncryptionInput,
    GetBucketEncryptionOutput, GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput,
    GetBucketLoggingInput, GetBucketLoggingOutput, GetBucketNotificationConfigurationInput,
    GetBucketNotificationConfigurationOutput, GetBucketOwnershipControlsInput, GetBucketOwnershipControlsOutput,
    GetBucketPolicyInput, GetBucketPolicyOutput, GetBucketPolicyStatusInput, GetBucketPolicyStatusOutput,
    GetBucketReplicationInput, GetBucketReplicationOutput, GetBucketRequestPaymentInput, GetBucketRequestPaymentOutput,
    GetBucketWebsiteInput, GetBucketWebsiteOutput, GetObjectLockConfigurationInput, GetObjectLockConfigurationOutput,
    GetPublicAccessBlockInput, GetPublicAccessBlockOutput, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    Payer, PolicyStatus, PublicAccessBlockConfiguration, PutBucketEncryptionInput, PutBucketEncryptionOutput,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::gateway::Gateway;
use super::scope::Scope;
use super::{body_digest, errors, metadata};

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
        Ok(GetBucketPolicyStatusOutput { policy_status: Some(PolicyStatus { is_public: Some(false) }) });
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
    GetPublicAccessBlockOutput {
        public_access_block_configuration: Some(PublicAccessBlockConfiguration {
            block_public_acls: Some(true),
            block_public_policy: Some(true),
            ignore_public_acls: Some(true),
            restrict_public_buckets: Some(true),
        }),
    }
}

#[cfg(test)]
mod tests;
