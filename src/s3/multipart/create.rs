//! `CreateMultipartUpload`: a fresh envelope (F-4), kept by the backend's upload, and the upload record.

use s3s::dto::{CreateMultipartUploadInput, CreateMultipartUploadOutput};
use s3s::{S3Request, S3Response, S3Result};

use super::checksums::UploadChecksum;
use super::record::{Asked, SealedRecord};
use super::uploads::located;
use crate::backend::CreateUpload;
use crate::s3::acl::object_acl_changes_nothing;
use crate::s3::customer_key::{self, customer_key, show_encryption};
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
    metadata::encryption_is_sensible(input.server_side_encryption.as_ref(), input.ssekms_key_id.as_deref())?;
    let customer_key = customer_key!(input)?;
    customer_key::may_be_used(gateway, customer_key.as_ref(), input.server_side_encryption.as_ref())?;
    object_acl_changes_nothing!(input)?;
    lock::is_kept(scope.backend(), &lock_of!(input)?)?;
    let checksum = UploadChecksum::asked(input.checksum_algorithm.as_ref(), input.checksum_type.as_ref())?;
    let name = scope.name(&input.bucket, &input.key, input.expected_bucket_owner.as_deref())?;
    let name = name.with_customer_key(customer_key);
    let mut stored_metadata = metadata_of!(input)?;
    let tags = metadata::header_tags(input.tagging.as_deref())?;

    let key = scope.sealing_key()?;
    let (envelope, secret) =
        Envelope::seal(Kind::Multipart, key, &scope.binding(&name)?).map_err(|error| errors::seal(&error))?;
    stored_metadata.user.insert(metadata::ENVELOPE.to_owned(), envelope.to_metadata());
    // parts come with the key again
    drop(customer_key::new_body_secret(&name, &secret, &mut stored_metadata));
    let check = stored_metadata.user.get(metadata::CUSTOMER_KEY).cloned();
    let create = CreateUpload { bucket: name.stored.clone(), key: name.key.clone(), metadata: stored_metadata, tags };
    let upload_id = scope.backend().create_upload(create).await.map_err(errors::backend)?;

    let (at, staging) = located(&scope, &name, upload_id.as_str());
    let asked = Asked { envelope: &envelope, checksum, customer_key: check };
    let written = match SealedRecord::of_client(&scope, &name, &at, &asked) {
        Ok(record) => staging.write_record(&at, &record).await.map(|()| record).map_err(errors::backend),
        Err(error) => Err(error),
    };
    let record = match written {
        Ok(record) => record,
        Err(error) => {
            if let Err(left) = scope.backend().abort_upload(&at).await {
                tracing::warn!(%left, "an upload without a record stays for the sweeper");
            }
            return Err(error);
        }
    };
    let client_id = record.upload_id.clone();
    gateway.uploads.keep(&at, &staging, record).await;
    let mut output = CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(client_id),
        checksum_algorithm: checksum.map(UploadChecksum::shown_algorithm),
        checksum_type: checksum.map(UploadChecksum::shown_type),
        ..CreateMultipartUploadOutput::default()
    };
    show_encryption!(output, name, key.key_id().to_string());
    Ok(S3Response::new(output))
}
