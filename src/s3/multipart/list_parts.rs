//! `ListParts`: plain sizes, shown entity tags, stored and staged parts as one list.

use s3s::dto::{Initiator, ListPartsInput, ListPartsOutput, Part as ShownPart, StorageClass, Timestamp};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::checksums::UploadChecksum;
use super::note::{self, Note};
use super::parts::{self, Part};
use super::streams;
use crate::s3::checksum::show_checksums;
use crate::s3::errors;
use crate::s3::etag::PartTag;
use crate::s3::gateway::Gateway;
use crate::s3::list::view::owner;
use crate::s3::scope::Scope;
use crate::seal::StreamHash;
use crate::tenant::TenantId;

pub(crate) async fn list_parts(
    gateway: &Gateway,
    request: S3Request<ListPartsInput>,
) -> S3Result<S3Response<ListPartsOutput>> {
    let scope = Scope::new(gateway, &request)?.with_keys().await;
    let input = request.input;
    let max = limit("max-parts", input.max_parts)?;
    let after = marker(input.part_number_marker)?;
    let name = scope.name(&input.bucket, &input.key, input.expected_bucket_owner.as_deref())?;
    let upload = gateway.uploads.open(&scope, &name, &input.upload_id).await?;

    let (listed, truncated) = parts::page(scope.backend(), &upload, after, max).await.map_err(errors::backend)?;
    let notes = match (upload.checksum, listed.last()) {
        (Some(_), Some(last)) => upload.notes(after, last.number).await.map_err(errors::backend)?,
        (Some(_) | None, _) => Vec::new(),
    };
    let mut parts = Vec::with_capacity(listed.len());
    for part in &listed {
        parts.push(shown(part, &notes, streams::shown(&gateway.uploads, &upload, part, &notes).await));
    }
    let next = listed.last().map(|part| part.number).filter(|_| truncated);
    let tenant = &scope.principal.tenant;
    Ok(S3Response::new(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        checksum_algorithm: upload.checksum.map(UploadChecksum::shown_algorithm),
        checksum_type: upload.checksum.map(UploadChecksum::shown_type),
        initiator: Some(initiator(tenant)),
        owner: Some(owner(tenant)),
        is_truncated: Some(truncated),
        max_parts: i32::try_from(max).ok(),
        part_number_marker: i32::try_from(after).ok(),
        next_part_number_marker: next.and_then(|number| i32::try_from(number).ok()),
        parts: Some(parts),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        ..ListPartsOutput::default()
    }))
}

fn shown(part: &Part, notes: &[(u32, Note)], stream: Option<StreamHash>) -> ShownPart {
    let checksum = note::checksum_of(notes, part.number, &part.etag, stream);
    let mut shown = ShownPart {
        e_tag: Some(PartTag::shown(&part.etag, stream)),
        last_modified: Some(Timestamp::from(part.last_modified)),
        part_number: i32::try_from(part.number).ok(),
        size: i64::try_from(part.plain.bytes()).ok(),
        ..ShownPart::default()
    };
    if let Some(checksum) = checksum {
        show_checksums!(shown, checksum.shown());
    }
    shown
}

/// A tenant as the one who began its uploads.
pub(super) fn initiator(tenant: &TenantId) -> Initiator {
    Initiator { id: Some(tenant.as_str().to_owned()), display_name: Some(tenant.as_str().to_owned()) }
}

/// A page size of S3: 1,000 unless fewer are asked for.
pub(super) fn limit(name: &str, asked: Option<i32>) -> S3Result<usize> {
    match asked {
        None => Ok(PAGE_MAX),
        Some(asked) => usize::try_from(asked)
            .map(|asked| asked.min(PAGE_MAX))
            .map_err(|_| s3_error!(InvalidArgument, "Argument {name} must be an integer between 0 and 2147483647")),
    }
}

fn marker(asked: Option<i32>) -> S3Result<u32> {
    u32::try_from(asked.unwrap_or(0)).map_err(|_| {
        s3_error!(InvalidArgument, "Argument part-number-marker must be an integer between 0 and 2147483647")
    })
}

const PAGE_MAX: usize = 1_000;
