//! Conditions of reads and writes, and ranges, as S3 documents them.
//!
//! Times compare in whole seconds: that is what the headers carry that clients got them from.

use std::time::SystemTime;

use super::records::{Millis, ObjectRecord};
use crate::backend::{BackendError, ETagMatch, ReadConditions, Result, StoredETag, StoredRange, WriteConditions};

/// Checks a read. `If-Match` beats `If-Unmodified-Since`, `If-None-Match` beats `If-Modified-Since`.
pub(super) fn check_read(conditions: &ReadConditions, object: &ObjectRecord) -> Result<()> {
    let etag = object.etag.stored();
    let is_refused = match (&conditions.if_match, conditions.if_unmodified_since) {
        (Some(wanted), _) => !wanted.matches(Some(&etag)),
        (None, Some(since)) => modified_after(object.modified, since),
        (None, None) => false,
    };
    if is_refused {
        return Err(BackendError::PreconditionFailed);
    }
    let is_unchanged = match (&conditions.if_none_match, conditions.if_modified_since) {
        (Some(known), _) => known.matches(Some(&etag)),
        (None, Some(since)) => !modified_after(object.modified, since),
        (None, None) => false,
    };
    if is_unchanged {
        return Err(BackendError::NotModified { etag, last_modified: object.modified.time() });
    }
    Ok(())
}

/// Checks the source of a copy, where every failure is `PreconditionFailed`.
pub(super) fn check_source(conditions: &ReadConditions, object: &ObjectRecord) -> Result<()> {
    check_read(conditions, object).map_err(|_| BackendError::PreconditionFailed)
}

/// Checks a write over the current object of its name.
pub(super) fn check_write(conditions: &WriteConditions, current: Option<&StoredETag>) -> Result<()> {
    match &conditions.if_match {
        Some(_) if current.is_none() => return Err(BackendError::NoSuchKey { delete_marker: None }),
        Some(wanted) if !wanted.matches(current) => return Err(BackendError::PreconditionFailed),
        _ => {}
    }
    match &conditions.if_none_match {
        Some(unwanted) if unwanted.matches(current) => Err(BackendError::PreconditionFailed),
        _ => Ok(()),
    }
}

/// Checks `If-Match` of a delete: an absent object does not match.
pub(super) fn check_delete(wanted: &ETagMatch, current: Option<&StoredETag>) -> Result<()> {
    if wanted.matches(current) { Ok(()) } else { Err(BackendError::PreconditionFailed) }
}

/// Offset and length of a range of `stored_bytes` bytes.
pub(super) fn resolve_range(range: Option<StoredRange>, stored_bytes: u64) -> Result<(u64, u64)> {
    let unsatisfiable = BackendError::RangeNotSatisfiable { stored_bytes };
    let (first, end) = match range {
        None => return Ok((0, stored_bytes)),
        Some(StoredRange::Bounded { first, last }) if first <= last => {
            (first, last.saturating_add(1).min(stored_bytes))
        }
        Some(StoredRange::Bounded { .. }) => return Err(unsatisfiable),
        Some(StoredRange::From { first }) => (first, stored_bytes),
        Some(StoredRange::Suffix { bytes }) => (stored_bytes.saturating_sub(bytes), stored_bytes),
    };
    if first < end { Ok((first, end - first)) } else { Err(unsatisfiable) }
}

fn modified_after(modified: Millis, since: SystemTime) -> bool {
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    seconds(modified.time()) > seconds(since)
}
