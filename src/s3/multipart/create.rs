//! `CreateMultipartUpload`: a fresh envelope (F-4), kept by the backend's upload, and the upload record.

use s3s::dto::{CreateMultipartUploadInput, CreateMultipartUploadOutput, ObjectCannedACL, ServerSideEncryption};
use s3s::{S3Request, S3Response, S3Result};

use super::checksums::UploadChecksum;
use super::record::{Record, located};
use crate::backend::CreateUpload;
use crate::s3::errors;
use crate::s3::gateway::Gateway;
use crate::s3::lock::{self, lock_of};
use crate::s3::metadata::{self, metadata_of};
use crate::s3::scope::Scope;
use crate::seal::{Envelope, Kind};

pub(crate) async fn create_multipart_upload(
    gateway: &Gateway,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let scope = Scope::new(gateway, &request)?.with_keys().await;
    let input = request.input;
    metadata::encryption_is_sensible(
        input.server_side_encryption.as_ref(),
        input.ssekms_key_id.as_deref(),
        metadata::customer_key!(input),
    )?;
    metadata::acl_is_private(input.acl.as_ref().map(ObjectCannedACL::as_str))?;
    lock::is_kept(scope.backend(), &lock_of!(input)?)?;
    let checksum = UploadChecksum::asked(input.checksum_algorithm.as_ref(), input.checksum_type.as_ref())?;
    let name = scope.name(&input.bucket, &input.key, input.expected_bucket_owner.as_deref())?;
    let mut stored_metadata = metadata_of!(input)?;
    let tags = metadata::header_tags(input.tagging.as_deref())?;

    let key = scope.sealing_key()?;
    let (envelope, secret) =
        Envelope::seal(Kind::Multipart, key, &scope.binding(&name)?).map_err(|error| errors::seal(&error))?;
    stored_metadata.user.insert(metadata::ENVELOPE.to_owned(), envelope.to_metadata());
    let create = CreateUpload { bucket: name.stored.clone(), key: name.key.clone(), metadata: stored_metadata, tags };
    let upload_id = scope.backend().create_upload(create).await.map_err(errors::backend)?;

    let (at, staging) = located(&scope, &name, upload_id.as_str());
    let record = Record::of_upload(&at, &envelope, &secret, checksum)?;
    if let Err(error) = staging.write_record(record.to_bytes()?).await {
        if let Err(left) = scope.backend().abort_upload(&at).await {
            tracing::warn!(%left, "an upload without a record stays on the backend");
        }
        return Err(errors::backend(error));
    }
    gateway.uploads.keep(&staging, record).await;
    Ok(S3Response::new(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(upload_id.as_str().to_owned()),
        checksum_algorithm: checksum.map(UploadChecksum::shown_algorithm),
        checksum_type: checksum.map(UploadChecksum::shown_type),
        server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AWS_KMS)),
        ssekms_key_id: Some(key.key_id().to_string()),
        ..CreateMultipartUploadOutput::default()
    }))
}
