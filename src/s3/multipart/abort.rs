//! `AbortMultipartUpload`.
//!
//! It needs the store's id alone, so it takes every id that was ever shown of an upload: with a record, without one, and
//! that of an older version.

use s3s::dto::{AbortMultipartUploadInput, AbortMultipartUploadOutput};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::uploads::located;
use crate::backend::{self, BackendError};
use crate::s3::errors;
use crate::s3::gateway::Gateway;
use crate::s3::scope::{Name, Scope};
use crate::seal::store_upload_id;

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
    abort(&scope, &name, &input.upload_id).await.map_err(errors::backend)?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}

/// Ends an upload and drops everything of it. An id of an older version may look like one with a digest of a record.
async fn abort(scope: &Scope<'_>, name: &Name, upload_id: &str) -> backend::Result<()> {
    match store_upload_id(upload_id) {
        None => abort_at(scope, name, upload_id, upload_id).await,
        Some(store_id) => match abort_at(scope, name, store_id, upload_id).await {
            Err(BackendError::NoSuchUpload) => abort_at(scope, name, upload_id, upload_id).await,
            outcome => outcome,
        },
    }
}

async fn abort_at(scope: &Scope<'_>, name: &Name, store_id: &str, upload_id: &str) -> backend::Result<()> {
    let (upload, staging) = located(scope, name, store_id);
    scope.backend().abort_upload(&upload).await?;
    scope.gateway.uploads.forget_aborted(&upload, &staging, upload_id).await;
    // The upload is over whatever becomes of this; the sweeper comes after it.
    if let Err(error) = staging.clear().await {
        tracing::warn!(%error, "staged parts of an aborted upload stay for the sweeper");
    }
    Ok(())
}
