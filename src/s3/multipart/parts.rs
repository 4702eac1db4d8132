//! The parts of an open upload: those stored in the backend's upload and those that wait in the staging bucket, as one.
//!
//! A number can have both: a part was uploaded again with a size on the other side of 5 MiB. A list shows the one that
//! came later; Complete takes the one whose entity tag the client names.

use std::time::SystemTime;

use s3s::{S3Result, s3_error};

use super::staging::Staging;
use super::uploads::OpenUpload;
use crate::backend::{Backend, BackendError, PartInfo, StoredETag, UploadRef};
use crate::s3::errors;
use crate::seal::{PlainLen, SealedLen, geometry};

/// A part as its client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) number: u32,
    pub(crate) etag: StoredETag,
    pub(crate) plain: PlainLen,
    pub(crate) last_modified: SystemTime,
    /// whether it waits in the staging bucket
    pub(crate) staged: bool,
}

/// The number of a client's part: 1 to 9,999 (F-7).
pub(crate) fn number(asked: i32) -> S3Result<u32> {
    u32::try_from(asked).ok().filter(|number| (1..=geometry::PART_NUMBER_MAX).contains(number)).ok_or_else(|| {
        s3_error!(
            InvalidArgument,
            "Part number must be an integer between 1 and {}, inclusive",
            geometry::PART_NUMBER_MAX
        )
    })
}

/// Up to `max` parts with numbers above `after`, one a number, and whether there are more.
pub(super) async fn page(
    backend: &dyn Backend,
    upload: &OpenUpload,
    after: u32,
    max: usize,
) -> Result<(Vec<Part>, bool), BackendError> {
    let enough = max.saturating_add(1);
    let stored = stored_after(backend, &upload.at, after, enough).await?;
    let staged = staged_after(&upload.staging, after, enough).await?;
    let mut parts = merged(stored, staged);
    let more = parts.len() > max;
    parts.truncate(max);
    Ok((parts, more))
}

/// All parts, ascending by number; two of a number where both are there.
pub(super) async fn all(backend: &dyn Backend, upload: &OpenUpload) -> Result<Vec<Part>, BackendError> {
    let mut parts = stored_after(backend, &upload.at, 0, usize::MAX).await?;
    parts.extend(staged_after(&upload.staging, 0, usize::MAX).await?);
    parts.sort_by_key(|part| part.number);
    Ok(parts)
}

/// One part a number, the later one.
fn merged(stored: Vec<Part>, staged: Vec<Part>) -> Vec<Part> {
    let mut parts = stored;
    parts.extend(staged);
    parts.sort_by_key(|part| (part.number, std::cmp::Reverse(part.last_modified), !part.staged));
    parts.dedup_by_key(|part| part.number);
    parts
}

/// Client's parts in the backend's upload: at least `enough`, or all.
async fn stored_after(
    backend: &dyn Backend,
    upload: &UploadRef,
    mut after: u32,
    enough: usize,
) -> Result<Vec<Part>, BackendError> {
    let mut parts = Vec::new();
    loop {
        let page = backend.list_parts(upload, after, PAGE_MAX).await?;
        after = page.parts.last().map_or(after, |part| part.number);
        let truncated = page.truncated && !page.parts.is_empty();
        parts.extend(page.parts.into_iter().filter_map(client_part));
        if !truncated || parts.len() >= enough {
            return Ok(parts);
        }
    }
}

async fn staged_after(staging: &Staging, after: u32, enough: usize) -> Result<Vec<Part>, BackendError> {
    let staged = staging.parts_after(after, enough).await?;
    let part = |(number, object): (u32, crate::backend::ListedObject)| {
        let plain = geometry::part_plain(SealedLen::new(object.stored_bytes)).ok()?;
        Some(Part { number, etag: object.etag, plain, last_modified: object.last_modified, staged: true })
    };
    Ok(staged.into_iter().filter_map(part).collect())
}

/// None for a part that a Complete which failed has left: a completion part or a small last part. A client's part of
/// such a length is never stored here.
fn client_part(part: PartInfo) -> Option<Part> {
    let plain = geometry::part_plain(SealedLen::new(part.stored_bytes)).ok()?;
    let is_clients = part.number <= geometry::PART_NUMBER_MAX && geometry::may_stand_before_others(plain);
    is_clients.then_some(Part {
        number: part.number,
        etag: part.etag,
        plain,
        last_modified: part.last_modified,
        staged: false,
    })
}

/// `NoSuchUpload` if the backend's upload is over.
pub(crate) async fn check_open(backend: &dyn Backend, upload: &UploadRef) -> S3Result<()> {
    backend.list_parts(upload, 0, 1).await.map(drop).map_err(errors::backend)
}

const PAGE_MAX: u32 = 1_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn part(number: u32, seconds: u64, staged: bool) -> Part {
        Part {
            number,
            etag: StoredETag::new(format!("{number}-{seconds}-{staged}")),
            plain: PlainLen::new(1),
            last_modified: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
            staged,
        }
    }

    #[test]
    fn of_two_parts_of_a_number_the_later_is_shown() {
        let stored = vec![part(1, 10, false), part(2, 20, false), part(4, 5, false)];
        let staged = vec![part(1, 11, true), part(2, 19, true), part(3, 1, true)];
        let shown = merged(stored, staged);
        assert_eq!(shown, [part(1, 11, true), part(2, 20, false), part(3, 1, true), part(4, 5, false)]);
    }

    #[test]
    fn part_numbers_end_at_9_999() {
        assert_eq!(number(9_999).unwrap(), 9_999);
        for wrong in [0, -1, 10_000] {
            assert_eq!(number(wrong).unwrap_err().code().as_str(), "InvalidArgument");
        }
    }
}
