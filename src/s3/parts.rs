//! Part tables of multipart objects: read once from the completion record, then cached, so that a range is one backend
//! request.
//!
//! The cache is keyed by backend bucket, key and stored entity tag; what it holds was authenticated and never changes.
//! It holds no secret: a cached table still opens nothing without the object's envelope.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use s3s::S3Result;
use s3s::dto::StreamingBlob;

use super::attributes_record::Attributes;
use super::errors;
use super::held::{AtHand, Held};
use super::read::{bytes_of, fetch, pinned, settle};
use super::scope::{Name, Opened, Scope};
use crate::backend::{
    BucketName, ETagMatch, GetRequest, ObjectInfo, ObjectRef, ReadConditions, StoredETag, StoredRange,
};
use crate::seal::geometry::{COMPLETION_TAIL_BYTES, STREAM_HEADER_BYTES};
use crate::seal::{
    Completion, CompletionParts, Kind, OpenError, PartHeader, PartStreams, PartTable, PartsSpan, PlainRange,
    RangeOpener, SealedLen, Span, StreamHeader, UnlistedParts,
};
use crate::telemetry::tally::{self, Cache};

/// What the completion record of an object says.
#[derive(Debug)]
pub(crate) struct Completed {
    pub(crate) table: Arc<PartTable>,
    pub(crate) attributes: Attributes,
    streams: Arc<PartStreams>,
    /// that the record does not tell; only a segment that opens proves one
    stream_headers: Mutex<HashMap<u32, StreamHeader>>,
}

impl Completed {
    /// Of a record, or of what goes into one.
    pub(crate) fn new(table: PartTable, attributes: Attributes, streams: PartStreams) -> Self {
        Self { table: Arc::new(table), attributes, streams: Arc::new(streams), stream_headers: Mutex::default() }
    }

    /// The parts, and what is known of their streams.
    fn known(&self) -> (Arc<PartTable>, Arc<PartStreams>) {
        (Arc::clone(&self.table), Arc::clone(&self.streams))
    }

    /// The plaintext range of the n-th part, from 1; the inner is `None` for an empty part.
    #[expect(clippy::option_option, reason = "no such part, and a part of no bytes, are two things")]
    pub(crate) fn part(&self, number: u32) -> Option<Option<PlainRange>> {
        self.table.range_of(number)
    }

    /// How many parts the client uploaded.
    pub(crate) fn client_parts(&self) -> u32 {
        self.table.client_parts()
    }

    /// The stream header of the part behind `index` others, if it is known.
    fn stream_header(&self, index: u32) -> Option<StreamHeader> {
        let learned = || self.stream_headers.lock().unwrap_or_else(PoisonError::into_inner).get(&index).copied();
        self.streams.of(index).header().or_else(learned)
    }

    fn learn(&self, index: u32, header: StreamHeader) {
        let mut known = self.stream_headers.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= STREAM_HEADERS_MAX {
            known.clear();
        }
        known.insert(index, header);
    }
}

/// The cache, and what an object was when it was last met: a guess that the next request proves.
#[derive(Clone)]
pub(crate) struct PartTables {
    tables: moka::future::Cache<(BucketName, String, StoredETag), Arc<Completed>>,
    seen: moka::future::Cache<ObjectRef, Seen>,
}

/// What an object was.
#[derive(Clone)]
enum Seen {
    /// a single one
    Single,
    /// in parts, with this entity tag
    Parts(StoredETag),
}

impl Default for PartTables {
    fn default() -> Self {
        Self { tables: moka::future::Cache::new(PART_TABLES_MAX), seen: moka::future::Cache::new(SEEN_MAX) }
    }
}

impl PartTables {
    /// Remembers what an object, as it was asked for, is.
    pub(crate) async fn met(&self, object: &ObjectRef, kind: Kind, etag: &StoredETag) {
        let seen = match kind {
            Kind::Single => Seen::Single,
            Kind::Multipart => Seen::Parts(etag.clone()),
        };
        self.seen.insert(object.clone(), seen).await;
    }

    /// Remembers the table of an object that is the current one of its name.
    pub(crate) async fn keep(&self, object: ObjectRef, etag: StoredETag, completed: Completed) {
        let key = (object.bucket.clone(), object.key.clone(), etag.clone());
        self.tables.insert(key, Arc::new(completed)).await;
        self.seen.insert(object, Seen::Parts(etag)).await;
    }

    /// The entity tag that an object has if it is in parts, as far as can be guessed: a client's condition tells, or an
    /// earlier answer.
    pub(crate) async fn probable(&self, object: &ObjectRef, conditions: &ReadConditions) -> Option<StoredETag> {
        match &conditions.if_match {
            Some(ETagMatch::Is(etag)) => Some(etag.clone()).filter(|etag| etag.stored_parts().is_some()),
            Some(ETagMatch::Any) | None => match self.seen.get(object).await? {
                Seen::Parts(etag) => Some(etag),
                Seen::Single => None,
            },
        }
    }

    /// Whether an object is a single one, as far as can be guessed.
    pub(crate) async fn is_single(&self, object: &ObjectRef, conditions: &ReadConditions) -> bool {
        match &conditions.if_match {
            Some(ETagMatch::Is(etag)) => etag.stored_parts().is_none(),
            Some(ETagMatch::Any) | None => matches!(self.seen.get(object).await, Some(Seen::Single)),
        }
    }

    /// Forgets a guess that was wrong.
    pub(crate) async fn forget(&self, object: &ObjectRef) {
        self.seen.invalidate(object).await;
    }

    /// The table of an object.
    pub(crate) async fn table(&self, object: &ObjectRef, etag: &StoredETag) -> Option<Arc<Completed>> {
        self.tables.get(&(object.bucket.clone(), object.key.clone(), etag.clone())).await
    }
}

/// The completion record of a multipart object (F-5): cached, in the bytes at hand, or read from the object's end.
pub(crate) async fn completed(
    scope: &Scope<'_>,
    name: &Name,
    info: &ObjectInfo,
    opened: &Opened,
    held: Option<&Held>,
) -> S3Result<Arc<Completed>> {
    let tables = &scope.gateway.part_tables;
    let cache_key = (name.stored.clone(), name.key.clone(), info.etag.clone());
    let cached = tables.tables.get(&cache_key).await;
    tally::looked_up(Cache::PartTables, cached.is_some(), tables.tables.entry_count());
    if let Some(cached) = cached {
        return Ok(cached);
    }
    let stored_parts = info.etag.stored_parts().unwrap_or(0);
    let tail_bytes = COMPLETION_TAIL_BYTES.min(info.stored_bytes);
    let tail_first = info.stored_bytes.saturating_sub(tail_bytes);
    let tail = match held.and_then(|held| held.slice(tail_first, tail_bytes)) {
        Some(tail) => tail,
        None => bytes_of(scope, pinned(name, info), tail_first, tail_bytes).await?,
    };
    let broken = |error: OpenError| errors::unsealable(&name.bucket, &name.key, &error);
    let completion =
        Completion::open(&opened.secret, SealedLen::new(info.stored_bytes), stored_parts, &tail).map_err(broken)?;
    let attributes = Attributes::from_bytes(completion.attributes());
    let (parts, streams) = completion.into_parts();
    let table = match parts {
        CompletionParts::Listed(table) => table,
        CompletionParts::Unlisted(unlisted) => walked(scope, name, info, &unlisted).await?,
    };
    let completed = Arc::new(Completed::new(table, attributes, streams));
    tables.tables.insert(cache_key, Arc::clone(&completed)).await;
    Ok(completed)
}

/// Walks the part headers of an object with too many runs of part sizes for its record: one small request a part.
async fn walked(scope: &Scope<'_>, name: &Name, info: &ObjectInfo, unlisted: &UnlistedParts) -> S3Result<PartTable> {
    let broken = |error: OpenError| errors::unsealable(&name.bucket, &name.key, &error);
    let mut offset = 0;
    let mut parts = Vec::new();
    for _ in 0..unlisted.client_parts() {
        let bytes = bytes_of(scope, pinned(name, info), offset, PartHeader::BYTES as u64).await?;
        let header = PartHeader::parse(&bytes).map_err(broken)?;
        parts.push((header.number(), header.plain()));
        offset = offset.saturating_add(header.stored().bytes());
    }
    unlisted.resolve(parts).map_err(broken)
}

/// Opens a plaintext range of a multipart object: one contiguous stored range, and the stream header of the part in which
/// it begins, asked for at the same time unless it is known. Nothing is asked for that is at hand.
pub(crate) async fn open_range(
    scope: &Scope<'_>,
    name: &Name,
    (info, opened): (&ObjectInfo, &Opened),
    completed: &Completed,
    range: PlainRange,
    at_hand: AtHand,
) -> S3Result<StreamingBlob> {
    let broken = |error: OpenError| errors::unsealable(&name.bucket, &name.key, &error);
    let span = completed.table.span(range).map_err(|error| broken(error.into()))?;
    let known = at_hand.held().and_then(|held| held.slice(span.stream_header_first?, STREAM_HEADER_BYTES));
    let stream = async {
        if let Some(stream) = at_hand.into_span(span.stored) {
            return Ok(stream);
        }
        let (object, conditions) = pinned(name, info);
        Ok(fetch(scope, object, Some(stored_range(span.stored)), conditions).await?.stream)
    };
    let header = stream_header(scope, name, pinned(name, info), completed, &span, known);
    let (stream, header) = futures::future::try_join(stream, header).await?;
    let ranged = RangeOpener::parts(opened.body_secret(), completed.known(), range, header.as_ref());
    settle(name, ranged, stream, range.bytes()).await
}

/// As [`open_range`], of the object that has `etag` now: what the object is comes with its bytes. `None` if it is another
/// object by now.
pub(crate) async fn open_guessed_range(
    scope: &Scope<'_>,
    name: &Name,
    object: &ObjectRef,
    (etag, completed): (&StoredETag, &Arc<Completed>),
    range: PlainRange,
) -> S3Result<Option<(ObjectInfo, Opened, StreamingBlob)>> {
    let Ok(span) = completed.table.span(range) else { return Ok(None) };
    let conditions = ReadConditions { if_match: Some(ETagMatch::Is(etag.clone())), ..ReadConditions::default() };
    let pin = (object.clone(), conditions.clone());
    let fetching = async {
        let request = GetRequest { object: object.clone(), range: Some(stored_range(span.stored)), conditions };
        scope.backend().get(request).await.map_err(errors::backend)
    };
    let header = stream_header(scope, name, pin, completed, &span, None);
    let Ok((fetched, header)) = futures::future::try_join(fetching, header).await else {
        scope.gateway.part_tables.forget(object).await;
        return Ok(None);
    };
    let opened = scope.open(name, &fetched.info.metadata)?;
    if opened.envelope.kind() != Kind::Multipart || fetched.info.etag != *etag {
        return Ok(None);
    }
    let ranged = RangeOpener::parts(opened.body_secret(), completed.known(), range, header.as_ref());
    let body = settle(name, ranged, fetched.stream, range.bytes()).await?;
    Ok(Some((fetched.info, opened, body)))
}

/// The stream header that a span needs besides: known, at hand, or fetched from the object that `pin` holds to.
async fn stream_header(
    scope: &Scope<'_>,
    name: &Name,
    pin: (ObjectRef, ReadConditions),
    completed: &Completed,
    span: &PartsSpan,
    held: Option<Bytes>,
) -> S3Result<Option<StreamHeader>> {
    let Some(first) = span.stream_header_first else { return Ok(None) };
    if let Some(known) = completed.stream_header(span.first_index) {
        return Ok(Some(known));
    }
    let bytes = match held {
        Some(bytes) => bytes,
        None => bytes_of(scope, pin, first, STREAM_HEADER_BYTES).await?,
    };
    let broken = |error: OpenError| errors::unsealable(&name.bucket, &name.key, &error);
    let header = StreamHeader::parse(&bytes).map_err(broken)?;
    completed.streams.check(span.first_index, &header).map_err(broken)?;
    completed.learn(span.first_index, header);
    Ok(Some(header))
}

fn stored_range(Span { stored_first, stored_bytes }: Span) -> StoredRange {
    StoredRange::Bounded { first: stored_first, last: stored_first.saturating_add(stored_bytes).saturating_sub(1) }
}

/// Objects whose part tables are kept; a table of equal parts takes some 100 bytes, the most irregular 150 KiB, and
/// stream headers 50 bytes each.
const PART_TABLES_MAX: u64 = 1_000;
/// Objects of which it is remembered what they are.
const SEEN_MAX: u64 = 10_000;
/// Parts of one object whose stream headers are kept.
const STREAM_HEADERS_MAX: usize = 1_000;
