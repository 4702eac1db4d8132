//! The one path by which plaintext leaves: whole objects, ranges and parts, for GET and for copies that must re-seal.
//!
//! A range of a single object is one backend request, made before its length or even its kind is known; one of a multipart
//! object is read through its part table: see [`range`].

use std::sync::Arc;

use futures::TryStreamExt as _;
use s3s::dto::{Range, StreamingBlob};
use s3s::{S3Error, S3Result, s3_error};

use super::errors;
use super::held::AtHand;
use super::parts::{self, Completed};
use super::pin::Pin;
use super::scope::{Name, Opened, Scope};
use crate::backend::{BackendError, BodyError, ByteStream, Fetched, GetRequest, ObjectInfo, ObjectRef, ReadConditions};
use crate::body::open::{NotOpened, Opens, open};
use crate::seal::{
    Kind, MultipartOpener, OpenError, PlainLen, PlainRange, PlainRangeSpec, SealedLen, SingleOpener, geometry,
};

mod range;

/// Which bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    /// all
    All,
    /// a range
    Range(PlainRangeSpec),
    /// the plaintext of the n-th part, from 1
    Part(u32),
}

impl Wanted {
    /// A `Range` header or `partNumber`, not both.
    pub(crate) fn new(range: Option<Range>, part: Option<i32>) -> S3Result<Self> {
        match (range, part) {
            (Some(_), Some(_)) => {
                Err(s3_error!(InvalidRequest, "Cannot specify both Range header and partNumber query parameter"))
            }
            (None, Some(part)) => match u32::try_from(part) {
                Ok(part @ 1..=10_000) => Ok(Self::Part(part)),
                _ => Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive")),
            },
            (Some(range), None) => Ok(Self::Range(spec(range))),
            (None, None) => Ok(Self::All),
        }
    }
}

/// An object on its way to the client.
pub(crate) struct Reading {
    pub(crate) info: ObjectInfo,
    pub(crate) opened: Opened,
    /// length of the whole plaintext
    pub(crate) plain: PlainLen,
    /// which part of it; none if all was wanted, or if it is empty
    pub(crate) range: Option<PlainRange>,
    pub(crate) body: StreamingBlob,
    /// of a multipart object, where it was needed
    pub(crate) completed: Option<Arc<Completed>>,
}

/// Reads an object of the client, as far as `wanted`.
pub(crate) async fn read(
    scope: &Scope<'_>,
    name: &Name,
    version_id: Option<&str>,
    conditions: ReadConditions,
    wanted: Wanted,
) -> S3Result<Reading> {
    let object = name.version(version_id);
    match wanted {
        Wanted::All => whole(scope, name, object, conditions).await,
        Wanted::Range(spec) => range::range(scope, name, object, conditions, spec).await,
        Wanted::Part(number) => {
            let of_part = |completed: &Completed| completed.part(number).flatten();
            if let Some(reading) = range::by_known_table(scope, name, &object, &conditions, of_part).await? {
                return Ok(reading);
            }
            let is_single = scope.gateway.part_tables.is_single(&object, &conditions).await;
            let end = if is_single { None } else { range::end(scope, &object, &conditions).await? };
            let end = match end {
                Some(end) => end,
                None => (scope.backend().head(&object, &conditions).await.map_err(errors::backend)?, AtHand::Nothing),
            };
            part(scope, name, object, end, number).await
        }
    }
}

/// The plaintext length of a stored object, by arithmetic on its kind and stored length.
pub(crate) fn plain_len(name: &Name, info: &ObjectInfo, kind: Kind) -> S3Result<PlainLen> {
    let stored = SealedLen::new(info.stored_bytes);
    let plain = match kind {
        Kind::Single => geometry::single_plain(stored),
        Kind::Multipart => geometry::multipart_plain(stored, info.etag.stored_parts().unwrap_or(0)),
    };
    plain.map_err(|error| errors::unsealable(&name.bucket, &name.key, &error))
}

async fn whole(scope: &Scope<'_>, name: &Name, object: ObjectRef, conditions: ReadConditions) -> S3Result<Reading> {
    let request = GetRequest { object: object.clone(), range: None, conditions };
    let Fetched { info, stream, .. } = scope.backend().get(request).await.map_err(errors::backend)?;
    let opened = scope.open(name, &info.metadata)?;
    let kind = opened.envelope.kind();
    let plain = plain_len(name, &info, kind)?;
    let stored = SealedLen::new(info.stored_bytes);
    let body = match kind {
        Kind::Single => {
            let single = SingleOpener::new(opened.body_secret(), stored);
            settle_whole(scope, (name, &info), single, stream, plain.bytes()).await?
        }
        Kind::Multipart => {
            scope.gateway.part_tables.met(&object, kind, &info.etag).await;
            let parts = info.etag.stored_parts().unwrap_or(0);
            let parts = MultipartOpener::new(&opened.secret, stored, parts);
            let parts = parts.map(|parts| parts.with_body_secret(opened.body_secret()));
            settle_whole(scope, (name, &info), parts, stream, plain.bytes()).await?
        }
    };
    Ok(Reading { info, opened, plain, range: None, body, completed: None })
}

async fn part(
    scope: &Scope<'_>,
    name: &Name,
    object: ObjectRef,
    (info, end): (ObjectInfo, AtHand),
    number: u32,
) -> S3Result<Reading> {
    let opened = scope.open(name, &info.metadata)?;
    let kind = opened.envelope.kind();
    let plain = plain_len(name, &info, kind)?;
    let completed = match kind {
        Kind::Single => None,
        Kind::Multipart => Some(parts::completed(scope, name, &info, &opened, end.held()).await?),
    };
    let range = part_range(plain, completed.as_deref(), number)?;
    let pin = Pin::of(name, &info);
    let Some(range) = range else {
        let whole = whole(scope, name, object, pin.conditions()).await?;
        pin.holds(&whole.info)?;
        return Ok(Reading { completed, ..whole });
    };
    let spec = PlainRangeSpec::Between { first: range.first(), last: range.last() };
    match completed {
        None => {
            let single = range::range(scope, name, object, pin.conditions(), spec).await?;
            pin.holds(&single.info).map(|()| single)
        }
        Some(completed) => {
            let body = parts::open_range(scope, name, (&info, &opened), &completed, range, end).await?;
            Ok(Reading { info, opened, plain, range: Some(range), body, completed: Some(completed) })
        }
    }
}

/// Where the plaintext of the n-th part lies; none if it is empty.
pub(crate) fn part_range(plain: PlainLen, completed: Option<&Completed>, number: u32) -> S3Result<Option<PlainRange>> {
    match completed {
        None if number == 1 => Ok(PlainRange::whole(plain)),
        None => Err(no_such_part()),
        Some(completed) => completed.part(number).ok_or_else(no_such_part),
    }
}

fn no_such_part() -> S3Error {
    let mut error = S3Error::with_message(
        s3s::S3ErrorCode::Custom("InvalidPartNumber".into()),
        "The requested partnumber is not satisfiable",
    );
    error.set_status_code(http::StatusCode::RANGE_NOT_SATISFIABLE);
    error
}

/// 416, with the plaintext length.
pub(crate) fn unsatisfiable(plain: PlainLen) -> S3Error {
    let mut error = s3_error!(InvalidRange);
    let mut headers = http::HeaderMap::new();
    if let Ok(value) = http::HeaderValue::from_str(&format!("bytes */{}", plain.bytes())) {
        headers.insert(http::header::CONTENT_RANGE, value);
    }
    error.set_headers(headers);
    error
}

/// Starts opening; whatever fails before the first plaintext byte is a clean error.
pub(crate) async fn settle<O: Opens>(
    name: &Name,
    opener: Result<O, OpenError>,
    stream: ByteStream,
    plain_bytes: u64,
) -> S3Result<StreamingBlob> {
    let opener = opener.map_err(|error| errors::unsealable(&name.bucket, &name.key, &error))?;
    open(stream, opener, plain_bytes).await.map_err(|error| match error {
        NotOpened::Sealed { error, .. } => errors::unsealable(&name.bucket, &name.key, &error),
        NotOpened::Body(error) => failed(error),
    })
}

/// As [`settle`], where the length that the answer tells goes into what is opened: one that was announced wrong makes that
/// fail. If the answer then was not as long, the length is asked for once more before that counts as tampering.
async fn settle_whole<O: Opens>(
    scope: &Scope<'_>,
    (name, info): (&Name, &ObjectInfo),
    opener: Result<O, OpenError>,
    stream: ByteStream,
    plain_bytes: u64,
) -> S3Result<StreamingBlob> {
    let opener = opener.map_err(|error| errors::unsealable(&name.bucket, &name.key, &error))?;
    match open(stream, opener, plain_bytes).await {
        Ok(plain) => Ok(plain),
        Err(NotOpened::Body(error)) => Err(failed(error)),
        Err(NotOpened::Sealed { error, is_cut }) => {
            let pin = Pin::of(name, info);
            if is_cut && let Ok(now) = scope.backend().head(&pin.object, &ReadConditions::default()).await {
                pin.holds(&now)?;
            }
            Err(errors::unsealable(&name.bucket, &name.key, &error))
        }
    }
}

/// A stored body that ended in an error.
pub(crate) fn failed(error: BodyError) -> S3Error {
    let error = match error.downcast::<S3Error>() {
        // there was no room to hold it
        Ok(refusal) => return *refusal,
        Err(error) => error,
    };
    match error.downcast::<BackendError>() {
        Ok(error) => errors::backend(*error),
        Err(error) => errors::backend(BackendError::Unavailable(error)),
    }
}

/// The plaintext as the source of something new: an error in it is the store's, and no client sent too little.
pub(crate) fn as_source(plain: StreamingBlob) -> StreamingBlob {
    StreamingBlob::wrap(plain.map_err(|error: BodyError| match error.downcast::<OpenError>() {
        // counted where it was found
        Ok(_) => errors::not_served(),
        Err(error) => failed(error),
    }))
}

fn spec(range: Range) -> PlainRangeSpec {
    match range {
        Range::Int { first, last: Some(last) } => PlainRangeSpec::Between { first, last },
        Range::Int { first, last: None } => PlainRangeSpec::From { first },
        Range::Suffix { length } => PlainRangeSpec::Last { count: length },
    }
}
