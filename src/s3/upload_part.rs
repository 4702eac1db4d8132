//! `UploadPart` and [`UploadPartCopy`](copy): plaintext of a known length, sealed as one part of an open upload.
//!
//! A part stored in 5 MiB or more goes into the backend's upload, a smaller one to the staging bucket, see
//! [`multipart`](super::multipart).

use std::sync::{Arc, OnceLock};

use s3s::dto::{ETag, StreamingBlob, UploadPartInput, UploadPartOutput};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::checksum::{Kept, Verifier, declared_checksums, show_checksums};
use super::customer_key::{customer_key, show_encryption};
use super::errors;
use super::etag::PartTag;
use super::gateway::Gateway;
use super::multipart::{Note, OpenUpload, check_open, part_number};
use super::put::{SHORT_BYTES_MAX, content_length};
use super::scope::{Name, Scope};
use crate::backend::{BackendError, PartRef, SealedBody, StoredETag};
use crate::body::budget::hold_until_end;
use crate::body::seal::{Inspects, seal};
use crate::seal::{PartNumber, PartSealer, PlainLen, geometry};

mod copy;

pub(crate) use copy::upload_part_copy;

pub(crate) async fn upload_part(
    gateway: &Gateway,
    request: S3Request<UploadPartInput>,
) -> S3Result<S3Response<UploadPartOutput>> {
    let scope = Scope::new(gateway, &request)?.with_keys().await;
    let S3Request { input, headers, trailing_headers, .. } = request;
    let number = part_number(input.part_number)?;
    let plain_bytes = content_length(input.content_length)?;
    let verifier = Verifier::new(
        &declared_checksums!(input),
        input.content_md5.as_deref(),
        input.checksum_algorithm.as_ref(),
        &headers,
        trailing_headers,
    )?;
    let name = scope.name(&input.bucket, &input.key, input.expected_bucket_owner.as_deref())?;
    let name = name.with_customer_key(customer_key!(input)?);
    let upload = gateway.uploads.open_to_write(&scope, &name, &input.upload_id).await?;
    let verifier = match upload.checksum {
        Some(checksum) => checksum.for_part(verifier)?,
        None => verifier,
    };
    let body = input.body.unwrap_or_else(|| StreamingBlob::from_bytes(bytes::Bytes::new()));
    let stored = store(&scope, (&name, &upload), number, (body, plain_bytes), verifier).await?;
    let mut output = UploadPartOutput { e_tag: Some(stored.tag), ..UploadPartOutput::default() };
    show_encryption!(output, name, upload.envelope.key_id().to_string());
    if let Some(kept) = stored.kept {
        show_checksums!(output, kept.shown());
    }
    Ok(S3Response::new(output))
}

/// What became of a part.
struct Stored {
    /// as its client sees it
    tag: ETag,
    kept: Option<Kept>,
}

/// Seals a part under a fresh stream header (F-6) and stores it, unless it fails what was declared of it. `plain` is the
/// body and its length in bytes.
async fn store(
    scope: &Scope<'_>,
    (name, upload): (&Name, &OpenUpload),
    number: u32,
    (plain, plain_bytes): (StreamingBlob, u64),
    verifier: Verifier,
) -> S3Result<Stored> {
    let joined = upload.joined_secret(name)?;
    let plain_len = PlainLen::new(plain_bytes);
    let sealed_len = geometry::part_sealed(plain_len).map_err(|_| s3_error!(EntityTooLarge))?;
    if sealed_len.bytes() <= SHORT_BYTES_MAX && scope.backend().late_metadata_bytes_max() < u64::MAX {
        hold_until_end(sealed_len.bytes())?;
    }
    let sealer = PartNumber::new(number)
        .and_then(|number| PartSealer::new(joined.as_ref().unwrap_or(&upload.secret), number, plain_len))
        .map_err(|error| errors::seal(&error))?;
    let stream_header = *sealer.stream_header();
    let kept = Arc::new(OnceLock::new());
    let inspector = Inspector { verifier, kept: Arc::clone(&kept) };
    let stream = seal(plain, plain_bytes, sealer, inspector);
    let body = SealedBody { bytes: sealed_len.bytes(), stream, late_metadata: None };
    let etag = if geometry::may_stand_before_others(plain_len) {
        put_stored(scope, upload, number, body).await?
    } else {
        put_staged(scope, upload, number, body).await?
    };
    scope.gateway.uploads.keep_header(upload, number, &etag, stream_header).await;
    let kept: Option<Kept> = kept.get().cloned();
    if let (Some(_), Some(kept)) = (upload.checksum, &kept) {
        upload.write_note(number, &Note::new(&etag, kept, stream_header)).await?;
    }
    Ok(Stored { tag: PartTag::shown(&etag, Some(stream_header.hash())), kept })
}

async fn put_stored(scope: &Scope<'_>, upload: &OpenUpload, number: u32, body: SealedBody) -> S3Result<StoredETag> {
    let part = PartRef { upload: upload.at.clone(), number };
    let stored = scope.backend().put_part(&part, body).await;
    if matches!(stored, Err(BackendError::NoSuchUpload)) {
        scope.gateway.uploads.forget(upload).await;
    }
    stored.map_err(errors::backend)
}

/// The staging bucket takes parts of any upload; so whether this one is still open is asked for once the part is there,
/// and it goes again if not.
async fn put_staged(scope: &Scope<'_>, upload: &OpenUpload, number: u32, body: SealedBody) -> S3Result<StoredETag> {
    let etag = upload.staging.put_part(number, body).await.map_err(errors::backend)?;
    if let Err(over) = check_open(scope.backend(), &upload.at).await {
        if let Err(error) = upload.staging.remove_part(number).await {
            tracing::warn!(%error, "a staged part stays for the sweeper");
        }
        scope.gateway.uploads.forget(upload).await;
        return Err(over);
    }
    Ok(etag)
}

/// Settles the checksums once the body has passed, and tells the one to keep.
struct Inspector {
    verifier: Verifier,
    kept: Arc<OnceLock<Kept>>,
}

impl Inspects for Inspector {
    fn update(&mut self, plain: &[u8]) {
        self.verifier.update(plain);
    }

    fn settle(self) -> S3Result<()> {
        if let Some(kept) = self.verifier.settle()? {
            // set here alone, and once
            self.kept.get_or_init(|| kept);
        }
        Ok(())
    }
}
