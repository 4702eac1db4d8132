//! `AbortMultipartUpload`.

use s3s::dto::{AbortMultipartUploadInput, AbortMultipartUploadOutput};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::record::staging;
use crate::backend::{self, UploadId, UploadRef};
use crate::s3::errors;
use crate::s3::gateway::Gateway;
use crate::s3::scope::Scope;

pub(crate) async fn abort_multipart_upload(
    gateway: &Gateway,
    request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    let scope = Scope::new(gateway, &request)?;
    let input = request.input;
    if input.if_match_initiated_time.is_some() {
        return Err(s3_error!(NotImplemented, "x-amz-if-match-initiated-time is not supported."));
    }
    let name = scope.name(&input.bucket, &input.key, input.expected_bucket_owner.as_deref())?;
    let upload_id = UploadId::new(input.upload_id);
    let at = UploadRef { bucket: name.stored, key: name.key, upload_id };
    abort(&scope, &at).await.map_err(errors::backend)?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}

/// Ends an upload and drops everything of it.
pub(crate) async fn abort(scope: &Scope<'_>, upload: &UploadRef) -> backend::Result<()> {
    let staging = staging(scope, upload);
    scope.backend().abort_upload(upload).await?;
    scope.gateway.uploads.forget(&staging).await;
    // The upload is over whatever becomes of this; the sweeper comes after it.
    if let Err(error) = staging.clear().await {
        tracing::warn!(%error, "staged parts of an aborted upload stay for the sweeper");
    }
    Ok(())
}
