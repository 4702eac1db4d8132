//! Part tables of multipart objects: read once from the completion record, then cached, so that a range is one backend
//! request.
//!
//! The cache is keyed by backend bucket, key and stored entity tag. All three are the store's word, so whatever is found is
//! held against the object that was opened just now: its id, its length, its count of stored parts ([`Completed::is_of`]).
//! What belongs to another object is read anew before anything counts as tampering. Copies keep the id, and with it secret
//! and table. The cache holds no secret: a table opens nothing without the object's envelope.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use s3s::S3Result;
use s3s::dto::StreamingBlob;

use super::attributes_record::Attributes;
use super::errors;
use super::held::{AtHand, Held};
use super::pin::Pin;
use super::read::settle;
use super::scope::{Name, Opened, Scope};
use crate::backend::{
    BucketName, ByteStream, ETagMatch, ObjectInfo, ObjectRef, ReadConditions, StoredETag, StoredRange,
};
use crate::seal::geometry::{self, COMPLETION_TAIL_BYTES, PART_OVERHEAD_BYTES, STREAM_HEADER_BYTES};
use crate::seal::{
    Completion, CompletionParts, Envelope, Kind, ObjectId, OpenError, PartHeader, PartStreams, PartTable, PartsSpan,
    PlainRange, RangeOpener, SealedLen, Span, StreamHeader, UnlistedParts,
};
use crate::telemetry::tally::{self, Cache};

/// What the completion record of an object says.
#[derive(Debug)]
pub(crate) struct Completed {
    pub(crate) table: Arc<PartTable>,
    pub(crate) attributes: Attributes,
    of: StoredAs,
    streams: Arc<PartStreams>,
    /// that the record does not tell; only a segment that opens proves one
    stream_headers: Mutex<HashMap<u32, StreamHeader>>,
}

/// The object that a completion record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredAs {
    /// kept over copies
    pub(crate) object_id: ObjectId,
    /// the client's parts, and the one that holds the record if it is one of its own
    pub(crate) parts: u32,
}

impl Completed {
    /// Of a record, or of what goes into one.
    pub(crate) fn new(of: StoredAs, table: PartTable, attributes: Attributes, streams: PartStreams) -> Self {
        let streams = Arc::new(streams);
        Self { table: Arc::new(table), attributes, of, streams, stream_headers: Mutex::default() }
    }

    /// The parts, and what is known of their streams.
    fn known(&self) -> (Arc<PartTable>, Arc<PartStreams>) {
        (Arc::clone(&self.table), Arc::clone(&self.streams))
    }

    /// Whether it is of the object that has this envelope, which was opened, and is stored as the store says.
    fn is_of(&self, envelope: &Envelope, info: &ObjectInfo) -> bool {
        let stored = SealedLen::new(info.stored_bytes);
        envelope.kind() == Kind::Multipart
            && envelope.object_id() == self.of.object_id
            && info.etag.stored_parts() == Some(self.of.parts)
            && geometry::multipart_plain(stored, self.of.parts) == Ok(self.table.total())
    }

    /// How many bytes the store has of the object.
    fn stored_bytes(&self) -> u64 {
        self.table.total().bytes().saturating_add(u64::from(self.of.parts).saturating_mul(PART_OVERHEAD_BYTES))
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

    /// Remembers the table of an object that is the current one of its name, unless the store counts its parts in another
    /// way.
    pub(crate) async fn keep(&self, object: ObjectRef, etag: StoredETag, completed: Completed) {
        if etag.stored_parts() != Some(completed.of.parts) {
            return;
        }
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
    let cached = tables.tables.get(&cache_key).await.filter(|cached| cached.is_of(&opened.envelope, info));
    tally::looked_up(Cache::PartTables, cached.is_some(), tables.tables.entry_count());
    if let Some(cached) = cached {
        return Ok(cached);
    }
    let stored_parts = info.etag.stored_parts().unwrap_or(0);
    let tail_bytes = COMPLETION_TAIL_BYTES.min(info.stored_bytes);
    let tail_first = info.stored_bytes.saturating_sub(tail_bytes);
    let tail = match held.and_then(|held| held.slice(tail_first, tail_bytes)) {
        Some(tail) => tail,
        None => Pin::of(name, info).bytes(scope, tail_first, tail_bytes).await?,
    };
    let broken = |error: OpenError| errors::unsealable(&name.bucket, &name.key, &error);
    let completion =
        Completion::open(&opened.secret, SealedLen::new(info.stored_bytes), stored_parts, &tail).map_err(broken)?;
    let attributes = Attributes::from_bytes(completion.attributes()).map_err(broken)?;
    let (parts, streams) = completion.into_parts();
    let table = match parts {
        CompletionParts::Listed(table) => table,
        CompletionParts::Unlisted(unlisted) => walked(scope, name, info, &unlisted).await?,
    };
    let of = StoredAs { object_id: opened.envelope.object_id(), parts: stored_parts };
    let completed = Arc::new(Completed::new(of, table, attributes, streams));
    tables.tables.insert(cache_key, Arc::clone(&completed)).await;
    Ok(completed)
}

/// Walks the part headers of an object with too many runs of part sizes for its record: one small request a part.
async fn walked(scope: &Scope<'_>, name: &Name, info: &ObjectInfo, unlisted: &UnlistedParts) -> S3Result<PartTable> {
    let broken = |error: OpenError| errors::unsealable(&name.bucket, &name.key, &error);
    let pin = Pin::of(name, info);
    let mut offset = 0;
    let mut parts = Vec::new();
    for _ in 0..unlisted.client_parts() {
        let bytes = pin.bytes(scope, offset, PartHeader::BYTES as u64).await?;
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
    let pin = Pin::of(name, info);
    let known = at_hand.held().and_then(|held| held.slice(span.stream_header_first?, STREAM_HEADER_BYTES));
    let stream = async {
        if let Some(stream) = at_hand.into_span(span.stored) {
            return Ok(stream);
        }
        Ok(pin.fetch(scope, stored_range(span.stored)).await?.stream)
    };
    let header = found_header(scope, &pin, completed, &span, known);
    let (stream, header) = futures::future::try_join(stream, header).await?;
    opened_span(name, (opened, completed), (range, &span), stream, header).await
}

/// As [`open_range`], of the object that has `etag` now: what the object is comes with its bytes. `None` if the table is not
/// that of the object: a guess that proves wrong is forgotten and counts for nothing.
pub(crate) async fn open_guessed_range(
    scope: &Scope<'_>,
    name: &Name,
    object: &ObjectRef,
    (etag, completed): (&StoredETag, &Completed),
    range: PlainRange,
) -> S3Result<Option<(ObjectInfo, Opened, StreamingBlob)>> {
    let Ok(span) = completed.table.span(range) else { return Ok(None) };
    let pin = Pin { object: object.clone(), etag: etag.clone(), stored_bytes: completed.stored_bytes() };
    let fetching = pin.fetch(scope, stored_range(span.stored));
    let header = found_header(scope, &pin, completed, &span, None);
    let Ok((fetched, header)) = futures::future::try_join(fetching, header).await else {
        scope.gateway.part_tables.forget(object).await;
        return Ok(None);
    };
    let opened = scope.open(name, &fetched.info.metadata)?;
    if !completed.is_of(&opened.envelope, &fetched.info) {
        scope.gateway.part_tables.forget(object).await;
        return Ok(None);
    }
    let body = opened_span(name, (&opened, completed), (range, &span), fetched.stream, header).await?;
    Ok(Some((fetched.info, opened, body)))
}

/// The plaintext of a span; its first piece was authenticated.
async fn opened_span(
    name: &Name,
    (opened, completed): (&Opened, &Completed),
    (range, span): (PlainRange, &PartsSpan),
    stream: ByteStream,
    header: FoundHeader,
) -> S3Result<StreamingBlob> {
    let is_new = matches!(header, FoundHeader::Read(_));
    let header = header.parsed().map_err(|error| errors::unsealable(&name.bucket, &name.key, &error))?;
    let ranged = RangeOpener::parts(opened.body_secret(), completed.known(), range, header.as_ref());
    let body = settle(name, ranged, stream, range.bytes()).await?;
    // not before a segment opened with it: it is no more than what the store said
    if let Some(header) = header.filter(|_| is_new) {
        completed.learn(span.first_index, header);
    }
    Ok(body)
}

/// The stream header that a span needs besides.
enum FoundHeader {
    NotNeeded,
    /// a segment opened with it, or the completion record has it
    Known(StreamHeader),
    /// what the store says it is
    Read(Bytes),
}

impl FoundHeader {
    fn parsed(self) -> Result<Option<StreamHeader>, OpenError> {
        match self {
            Self::NotNeeded => Ok(None),
            Self::Known(header) => Ok(Some(header)),
            Self::Read(bytes) => StreamHeader::parse(&bytes).map(Some),
        }
    }
}

/// The stream header that a span needs besides: known, at hand, or fetched from the object that `pin` holds to.
async fn found_header(
    scope: &Scope<'_>,
    pin: &Pin,
    completed: &Completed,
    span: &PartsSpan,
    held: Option<Bytes>,
) -> S3Result<FoundHeader> {
    let Some(first) = span.stream_header_first else { return Ok(FoundHeader::NotNeeded) };
    if let Some(known) = completed.stream_header(span.first_index) {
        return Ok(FoundHeader::Known(known));
    }
    match held {
        Some(bytes) => Ok(FoundHeader::Read(bytes)),
        None => pin.bytes(scope, first, STREAM_HEADER_BYTES).await.map(FoundHeader::Read),
    }
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
