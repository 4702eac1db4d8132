//! The copy of a multipart object: an upload of its stored parts, each copied by the backend, so that `-N` and with it
//! the arithmetic of sizes survive. Bodies do not travel.
//!
//! The parts are those of the completion record; a completion part of its own is one more. The record and its table are
//! copied with them: the object secret, and so everything sealed under it, stays.

use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _};
use s3s::S3Result;

use super::{Copy, copied, keep, rewrapped, tags_of};
use crate::backend::{
    BackendError, CompleteUpload, Copied, CreateUpload, ObjectInfo, PartRef, PartSource, StoredETag, UploadRef,
    WriteConditions, Written,
};
use crate::s3::multipart::{SealedRecord, Staging, staging};
use crate::s3::pin::pinned;
use crate::s3::scope::{Name, Opened, Scope};
use crate::s3::{errors, metadata, parts};
use crate::seal::geometry::PART_OVERHEAD_BYTES;

/// Copies a multipart object to `target`.
pub(crate) async fn copy_multipart(
    scope: &Scope<'_>,
    source: &Name,
    info: &ObjectInfo,
    opened: &Opened,
    target: &Name,
    copy: Copy,
) -> S3Result<Copied> {
    let Copy { mut metadata, tags, conditions } = copy;
    let completed = parts::completed(scope, source, info, opened, None).await?;
    let lengths = completed.table.iter().map(|part| part.plain.bytes());
    let ranges = stored_ranges(lengths, info.stored_bytes, info.etag.stored_parts().unwrap_or(0))
        .ok_or_else(|| errors::unsealable(&source.bucket, &source.key, &errors::Misfit::PartsOfAnotherRecord))?;
    let tags = tags_of(scope, source, info, tags).await?;
    metadata.user.insert(metadata::ENVELOPE.to_owned(), rewrapped(scope, opened, target)?.to_metadata());
    keep(&mut metadata, info, &[metadata::CUSTOMER_KEY]);
    let create = CreateUpload { bucket: target.stored.clone(), key: target.key.clone(), metadata, tags };
    let upload_id = scope.backend().create_upload(create).await.map_err(errors::backend)?;
    let at = UploadRef { bucket: target.stored.clone(), key: target.key.clone(), upload_id };
    let staging = staging(scope, &at);

    let written = match filled(scope, &staging, (target, &at), (source, info), &ranges, conditions).await {
        Ok(written) => written,
        Err(error) => {
            if let Err(left) = scope.backend().abort_upload(&at).await {
                tracing::warn!(%left, "the upload of a failed copy stays for the sweeper");
            } else {
                clear(&staging).await;
            }
            return Err(error);
        }
    };
    clear(&staging).await;
    Ok(copied(scope, target, written).await)
}

/// Copies the parts and completes. The record in the staging bucket lets the sweeper abort the upload of a gateway that
/// died.
async fn filled(
    scope: &Scope<'_>,
    staging: &Staging,
    (target, at): (&Name, &UploadRef),
    (source, info): (&Name, &ObjectInfo),
    ranges: &[(u64, u64)],
    conditions: WriteConditions,
) -> S3Result<Written> {
    let record = SealedRecord::of_gateway(scope, target, at)?;
    staging.write_record(at, &record).await.map_err(errors::backend)?;
    let is_whole = ranges.len() == 1;
    let mut copies: Vec<BoxFuture<'_, Result<(u32, StoredETag), BackendError>>> = Vec::with_capacity(ranges.len());
    for (range, number) in ranges.iter().zip(1..) {
        copies.push(Box::pin(part(scope, at, (source, info), number, *range, is_whole)));
    }
    let parts: Vec<(u32, StoredETag)> =
        futures::stream::iter(copies).buffered(PARALLEL_PARTS).try_collect().await.map_err(errors::backend)?;
    let complete = CompleteUpload { upload: at.clone(), parts, conditions };
    scope.backend().complete_upload(complete).await.map_err(errors::backend)
}

async fn part(
    scope: &Scope<'_>,
    at: &UploadRef,
    (source, info): (&Name, &ObjectInfo),
    number: u32,
    range: (u64, u64),
    is_whole: bool,
) -> Result<(u32, StoredETag), BackendError> {
    let (object, conditions) = pinned(source, info);
    // S3 takes ranges of objects over 5 MiB only
    let source = PartSource { object, range: (!is_whole).then_some(range), conditions };
    let copied = scope.backend().copy_part(&PartRef { upload: at.clone(), number }, source).await?;
    Ok((number, copied.etag))
}

async fn clear(staging: &Staging) {
    if let Err(error) = staging.clear().await {
        tracing::warn!(%error, "the record of a copy stays for the sweeper");
    }
}

/// First and last byte of each stored part, from the plaintext lengths of the client's parts; `None` if they do not make
/// up the object.
fn stored_ranges(
    plain_lens: impl Iterator<Item = u64>,
    stored_bytes: u64,
    stored_parts: u32,
) -> Option<Vec<(u64, u64)>> {
    let mut ranges = Vec::new();
    let mut first = 0_u64;
    for plain in plain_lens {
        let next = first.checked_add(plain)?.checked_add(PART_OVERHEAD_BYTES)?;
        ranges.push((first, next - 1));
        first = next;
    }
    if first < stored_bytes {
        ranges.push((first, stored_bytes - 1));
        first = first.checked_add(PART_OVERHEAD_BYTES)?;
    }
    (first == stored_bytes && ranges.len() == usize::try_from(stored_parts).ok()?).then_some(ranges)
}

/// Parts that the backend copies at once.
const PARALLEL_PARTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const O: u64 = PART_OVERHEAD_BYTES;

    #[test]
    fn the_completion_part_is_copied_with_the_others() {
        let ranges = stored_ranges([100, 50].into_iter(), 150 + 3 * O, 3).unwrap();
        assert_eq!(ranges, [(0, 99 + O), (100 + O, 149 + 2 * O), (150 + 2 * O, 149 + 3 * O)]);
    }

    #[test]
    fn a_record_in_the_last_part_is_no_part_of_its_own() {
        let ranges = stored_ranges([100, 50].into_iter(), 150 + 2 * O, 2).unwrap();
        assert_eq!(ranges, [(0, 99 + O), (100 + O, 149 + 2 * O)]);
    }

    #[test]
    fn parts_that_do_not_make_up_the_object_are_refused() {
        assert_eq!(stored_ranges([100, 50].into_iter(), 151 + 2 * O, 2), None);
        assert_eq!(stored_ranges([100, 50].into_iter(), 150 + 2 * O, 3), None);
        assert_eq!(stored_ranges([100].into_iter(), 99 + O, 1), None);
    }
}
