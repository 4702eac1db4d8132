//! Ranges, in as few backend requests as what is known of the object allows.
//!
//! | known | requests |
//! |---|---|
//! | its part table | the range, if the object still has the entity tag of the table |
//! | that it is in parts | its end, where the completion record is; then the range |
//! | that it is a single one | the range |
//! | nothing, and the range begins in the first 5 GiB or is a suffix | the range, with as much around it that it is there whatever the object is; then, of one in parts, its end |
//! | nothing, and the range begins behind them | the end; then the range |
//!
//! One more is needed where the guess missed: in parts of 256 MiB and more; and one goes along where the record does not have
//! the stream header of the part that the range begins in. What an answer brought is not asked for again: it waits while the
//! record is read, and the record is in the first answer itself if that is short and reaches to the end.

use s3s::S3Result;

use super::{Reading, plain_len, settle_whole, unsatisfiable};
use crate::backend::{BackendError, Fetched, GetRequest, ObjectInfo, ObjectRef, ReadConditions, StoredRange};
use crate::s3::held::{AtHand, Coming, Held};
use crate::s3::parts::Completed;
use crate::s3::pin::Pin;
use crate::s3::scope::{Name, Scope, kind};
use crate::s3::{errors, metadata, parts, pin};
use crate::seal::geometry::COMPLETION_TAIL_BYTES;
use crate::seal::{
    Kind, OpenError, PlainRange, PlainRangeSpec, RangeOpener, SealedLen, StoredRangeSpec, StreamHeader, geometry,
};

/// Reads a range.
pub(super) async fn range(
    scope: &Scope<'_>,
    name: &Name,
    object: ObjectRef,
    conditions: ReadConditions,
    spec: PlainRangeSpec,
) -> S3Result<Reading> {
    let resolved = |completed: &Completed| spec.resolve(completed.table.total());
    if let Some(reading) = by_known_table(scope, name, &object, &conditions, resolved).await? {
        return Ok(reading);
    }
    let tables = &scope.gateway.part_tables;
    let range = if tables.is_single(&object, &conditions).await {
        spec.single_stored()
    } else if tables.probable(&object, &conditions).await.is_none()
        && let Some(any) = spec.any_stored()
    {
        any
    } else {
        match end(scope, &object, &conditions).await? {
            Some((info, end)) if kind(&info) == Some(Kind::Multipart) => {
                return in_parts(scope, name, info, end, spec).await;
            }
            Some(_) | None => spec.single_stored(),
        }
    };
    let request = GetRequest { object: object.clone(), range: Some(asked(range)), conditions: conditions.clone() };
    match scope.backend().get(request).await {
        Ok(fetched) => {
            let info = fetched.info.clone();
            let kind = kind(&info).unwrap_or(Kind::Single);
            tables.met(&object, kind, &info.etag).await;
            match kind {
                Kind::Single => single(scope, name, fetched, spec).await,
                Kind::Multipart => {
                    let at_hand = AtHand::new(fetched, COMPLETION_TAIL_BYTES).await?;
                    in_parts(scope, name, info, at_hand, spec).await
                }
            }
        }
        Err(BackendError::RangeNotSatisfiable { .. }) => {
            // Which plaintext length the range missed depends on the kind of object.
            let info = scope.backend().head(&object, &conditions).await.map_err(errors::backend)?;
            if kind(&info) == Some(Kind::Multipart) {
                return in_parts(scope, name, info, AtHand::Nothing, spec).await;
            }
            let plain = plain_len(name, &info, Kind::Single)?;
            // a store that says 416 to a range that is there would have a client think it had come to the end
            Err(spec.resolve(plain).map_or_else(|| unsatisfiable(plain), |_| pin::disagreeing()))
        }
        Err(error) => Err(errors::backend(error)),
    }
}

/// What an object is and, if it is in parts, the stored bytes at its end; `None` if it has no bytes.
pub(super) async fn end(
    scope: &Scope<'_>,
    object: &ObjectRef,
    conditions: &ReadConditions,
) -> S3Result<Option<(ObjectInfo, AtHand)>> {
    let tables = &scope.gateway.part_tables;
    let end = StoredRange::Suffix { bytes: COMPLETION_TAIL_BYTES };
    let request = GetRequest { object: object.clone(), range: Some(end), conditions: conditions.clone() };
    match scope.backend().get(request).await {
        Ok(Fetched { info, first, bytes, stream }) => {
            let kind = kind(&info).unwrap_or(Kind::Single);
            tables.met(object, kind, &info.etag).await;
            let held = Held::all(first, bytes, stream).await?;
            let at_hand = if kind == Kind::Multipart { AtHand::Held(held) } else { AtHand::Nothing };
            Ok(Some((info, at_hand)))
        }
        Err(BackendError::RangeNotSatisfiable { .. }) => {
            tables.forget(object).await;
            Ok(None)
        }
        Err(error) => Err(errors::backend(error)),
    }
}

/// A range of an object in parts whose table is known; `None` where that is not to be had. A guess that proves wrong costs a
/// request and changes nothing.
pub(super) async fn by_known_table(
    scope: &Scope<'_>,
    name: &Name,
    object: &ObjectRef,
    conditions: &ReadConditions,
    range: impl FnOnce(&Completed) -> Option<PlainRange>,
) -> S3Result<Option<Reading>> {
    let ReadConditions { if_match: _, if_none_match, if_modified_since, if_unmodified_since } = conditions;
    if if_none_match.is_some() || if_modified_since.is_some() || if_unmodified_since.is_some() {
        return Ok(None);
    }
    let tables = &scope.gateway.part_tables;
    let Some(etag) = tables.probable(object, conditions).await else { return Ok(None) };
    let Some(completed) = tables.table(object, &etag).await else { return Ok(None) };
    let plain = completed.table.total();
    let Some(range) = range(&completed) else { return Ok(None) };
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
    let Fetched { info, first, bytes, stream } = fetched;
    let opened = scope.open(name, &info.metadata)?;
    let plain = plain_len(name, &info, Kind::Single)?;
    let range = spec.resolve(plain).ok_or_else(|| unsatisfiable(plain))?;
    let broken = |error: OpenError| errors::unsealable(&name.bucket, &name.key, &error);
    let span = geometry::single_span(SealedLen::new(info.stored_bytes), range).map_err(|error| broken(error.into()))?;
    let wanted = Coming::new(first, bytes, stream).into_span(span);
    let stream = wanted.ok_or_else(|| broken(OpenError::Cut))?;
    let header = match info.metadata.user.get(metadata::STREAM) {
        Some(text) => StreamHeader::from_metadata(text).map_err(broken)?,
        None => fetched_header(scope, name, &info).await?,
    };
    let ranged =
        RangeOpener::single(opened.body_secret(), &header, SealedLen::new(info.stored_bytes), range, span.stored_first);
    let body = settle_whole(scope, (name, &info), ranged, stream, range.bytes()).await?;
    Ok(Reading { info, opened, plain, range: Some(range), body, completed: None })
}

/// The stream header of a single object whose writer left it out of the metadata: one more request.
async fn fetched_header(scope: &Scope<'_>, name: &Name, info: &ObjectInfo) -> S3Result<StreamHeader> {
    let first = geometry::SINGLE_STREAM_OFFSET;
    let bytes = Pin::of(name, info).bytes(scope, first, geometry::STREAM_HEADER_BYTES).await?;
    StreamHeader::parse(&bytes).map_err(|error| errors::unsealable(&name.bucket, &name.key, &error))
}

async fn in_parts(
    scope: &Scope<'_>,
    name: &Name,
    info: ObjectInfo,
    at_hand: AtHand,
    spec: PlainRangeSpec,
) -> S3Result<Reading> {
    let opened = scope.open(name, &info.metadata)?;
    let plain = plain_len(name, &info, Kind::Multipart)?;
    let range = spec.resolve(plain).ok_or_else(|| unsatisfiable(plain))?;
    let completed = parts::completed(scope, name, &info, &opened, at_hand.held()).await?;
    let body = parts::open_range(scope, name, (&info, &opened), &completed, range, at_hand).await?;
    Ok(Reading { info, opened, plain, range: Some(range), body, completed: Some(completed) })
}

fn asked(range: StoredRangeSpec) -> StoredRange {
    match range {
        StoredRangeSpec::Between { first, last } => StoredRange::Bounded { first, last },
        StoredRangeSpec::From { first } => StoredRange::From { first },
        StoredRangeSpec::Last { count } => StoredRange::Suffix { bytes: count },
    }
}
