//! Ranges, in as few backend requests as what is known of the object allows.
//!
//! | known | requests |
//! |---|---|
//! | its part table | the range, if the object still has the entity tag of the table |
//! | that it is in parts | its end, where the completion record is; then the range |
//! | nothing | the range as it would lie in a single object: done, if it is one. Else its end, then the range |
//!
//! One more goes along with the range where the record does not have the stream header of the part that it begins in. What
//! an answer brought is not asked for again: the first range of a first part, and the record in the end of a small object,
//! are in the first answer.

use s3s::S3Result;

use super::{Reading, bytes_of, pinned, plain_len, settle, unsatisfiable};
use crate::backend::{BackendError, Fetched, GetRequest, ObjectInfo, ObjectRef, ReadConditions, StoredRange};
use crate::s3::held::Held;
use crate::s3::scope::{Name, Scope, kind};
use crate::s3::{errors, metadata, parts};
use crate::seal::geometry::COMPLETION_TAIL_BYTES;
use crate::seal::{Kind, PlainRangeSpec, RangeOpener, SealedLen, StoredRangeSpec, StreamHeader, geometry};

/// Reads a range.
pub(super) async fn range(
    scope: &Scope<'_>,
    name: &Name,
    object: ObjectRef,
    conditions: ReadConditions,
    spec: PlainRangeSpec,
) -> S3Result<Reading> {
    if let Some(reading) = by_known_table(scope, name, &object, &conditions, spec).await? {
        return Ok(reading);
    }
    if let Some((info, end)) = end_of_parts(scope, &object, &conditions).await? {
        return in_parts(scope, name, info, Some(end), spec).await;
    }
    let request = GetRequest { object: object.clone(), range: Some(guess(spec)), conditions: conditions.clone() };
    match scope.backend().get(request).await {
        Ok(fetched) if kind(&fetched.info) == Some(Kind::Multipart) => {
            let info = fetched.info.clone();
            scope.gateway.part_tables.met(&object, &info.etag).await;
            let held = Held::if_short(fetched).await?;
            in_parts(scope, name, info, held, spec).await
        }
        Ok(fetched) => single(scope, name, fetched, spec).await,
        Err(BackendError::RangeNotSatisfiable { .. }) => {
            // Which plaintext length the range missed depends on the kind of object.
            let info = scope.backend().head(&object, &conditions).await.map_err(errors::backend)?;
            match kind(&info) {
                Some(Kind::Multipart) => in_parts(scope, name, info, None, spec).await,
                _ => Err(unsatisfiable(plain_len(name, &info, Kind::Single)?)),
            }
        }
        Err(error) => Err(errors::backend(error)),
    }
}

/// What an object is and the stored bytes at its end, where it is probably in parts; `None` if it is not.
pub(super) async fn end_of_parts(
    scope: &Scope<'_>,
    object: &ObjectRef,
    conditions: &ReadConditions,
) -> S3Result<Option<(ObjectInfo, Held)>> {
    let tables = &scope.gateway.part_tables;
    if tables.probable(object, conditions).await.is_none() {
        return Ok(None);
    }
    let end = StoredRange::Suffix { bytes: COMPLETION_TAIL_BYTES };
    let request = GetRequest { object: object.clone(), range: Some(end), conditions: conditions.clone() };
    match scope.backend().get(request).await {
        Ok(Fetched { info, first, bytes, stream }) if kind(&info) == Some(Kind::Multipart) => {
            tables.met(object, &info.etag).await;
            Ok(Some((info, Held::all(first, bytes, stream).await?)))
        }
        Ok(_) | Err(BackendError::RangeNotSatisfiable { .. }) => {
            tables.forget(object).await;
            Ok(None)
        }
        Err(error) => Err(errors::backend(error)),
    }
}

/// A range of an object in parts whose table is known; `None` where that is not to be had. A guess that proves wrong costs a
/// request and changes nothing.
async fn by_known_table(
    scope: &Scope<'_>,
    name: &Name,
    object: &ObjectRef,
    conditions: &ReadConditions,
    spec: PlainRangeSpec,
) -> S3Result<Option<Reading>> {
    let ReadConditions { if_match: _, if_none_match, if_modified_since, if_unmodified_since } = conditions;
    if if_none_match.is_some() || if_modified_since.is_some() || if_unmodified_since.is_some() {
        return Ok(None);
    }
    let tables = &scope.gateway.part_tables;
    let Some(etag) = tables.probable(object, conditions).await else { return Ok(None) };
    let Some(completed) = tables.table(object, &etag).await else { return Ok(None) };
    let plain = completed.table.total();
    let Some(range) = spec.resolve(plain) else { return Ok(None) };
    let found = parts::open_guessed_range(scope, name, object, (&etag, &completed), range).await?;
    Ok(found.map(|(info, opened, body)| Reading {
        info,
        opened,
        plain,
        range: Some(range),
        body,
        completed: Some(completed),
    }))
}

async fn single(scope: &Scope<'_>, name: &Name, fetched: Fetched, spec: PlainRangeSpec) -> S3Result<Reading> {
    let Fetched { info, first, stream, .. } = fetched;
    let opened = scope.open(name, &info.metadata)?;
    let plain = plain_len(name, &info, Kind::Single)?;
    let range = spec.resolve(plain).ok_or_else(|| unsatisfiable(plain))?;
    let header = match info.metadata.user.get(metadata::STREAM) {
        Some(text) => {
            StreamHeader::from_metadata(text).map_err(|error| errors::unsealable(&name.bucket, &name.key, &error))?
        }
        None => fetched_header(scope, name, &info).await?,
    };
    let ranged = RangeOpener::single(&opened.secret, &header, SealedLen::new(info.stored_bytes), range, first);
    let body = settle(name, ranged, stream, range.bytes()).await?;
    Ok(Reading { info, opened, plain, range: Some(range), body, completed: None })
}

/// The stream header of a single object whose writer left it out of the metadata: one more request.
async fn fetched_header(scope: &Scope<'_>, name: &Name, info: &ObjectInfo) -> S3Result<StreamHeader> {
    let first = geometry::SINGLE_STREAM_OFFSET;
    let bytes = bytes_of(scope, pinned(name, info), first, geometry::STREAM_HEADER_BYTES).await?;
    StreamHeader::parse(&bytes).map_err(|error| errors::unsealable(&name.bucket, &name.key, &error))
}

async fn in_parts(
    scope: &Scope<'_>,
    name: &Name,
    info: ObjectInfo,
    held: Option<Held>,
    spec: PlainRangeSpec,
) -> S3Result<Reading> {
    let opened = scope.open(name, &info.metadata)?;
    let plain = plain_len(name, &info, Kind::Multipart)?;
    let range = spec.resolve(plain).ok_or_else(|| unsatisfiable(plain))?;
    let completed = parts::completed(scope, name, &info, &opened, held.as_ref()).await?;
    let body = parts::open_range(scope, name, (&info, &opened), &completed, range, held.as_ref()).await?;
    Ok(Reading { info, opened, plain, range: Some(range), body, completed: Some(completed) })
}

/// What to ask for if the object is a single one. From the first segment on it begins with the first byte: that is some more
/// bytes, and what a range of an object in parts would need.
fn guess(spec: PlainRangeSpec) -> StoredRange {
    let from = |first: u64| if first <= BEFORE_SEGMENTS_BYTES { 0 } else { first };
    match spec.single_stored() {
        StoredRangeSpec::Between { first, last } => StoredRange::Bounded { first: from(first), last },
        StoredRangeSpec::From { first } => StoredRange::From { first: from(first) },
        StoredRangeSpec::Last { count } => StoredRange::Suffix { bytes: count },
    }
}

/// Envelope and stream header of a single object.
const BEFORE_SEGMENTS_BYTES: u64 = geometry::SINGLE_STREAM_OFFSET + geometry::STREAM_HEADER_BYTES;
