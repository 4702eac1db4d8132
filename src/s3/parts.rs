//! Part tables of multipart objects: read once from the completion record, then cached, so that a range is one backend
//! request.
//!
//! The cache is keyed by backend bucket, key and stored entity tag; what it holds was authenticated and never changes.
//! It holds no secret: a cached table still opens nothing without the object's envelope.

use std::sync::Arc;

use s3s::S3Result;
use s3s::dto::StreamingBlob;

use super::attributes_record::Attributes;
use super::errors;
use super::gateway::Gateway;
use super::read::{bytes_of, fetch, pinned, settle};
use super::scope::{Name, Opened, Scope};
use crate::backend::{BucketName, ETagMatch, GetRequest, ObjectInfo, ReadConditions, StoredETag, StoredRange};
use crate::seal::geometry::{COMPLETION_TAIL_BYTES, STREAM_HEADER_BYTES};
use crate::seal::{
    Completion, CompletionParts, Kind, OpenError, PartHeader, PartTable, PlainRange, RangeOpener, SealedLen,
    StreamHeader, UnlistedParts,
};

/// What the completion record of an object says.
#[derive(Debug)]
pub(crate) struct Completed {
    pub(crate) table: Arc<PartTable>,
    pub(crate) attributes: Attributes,
    stream_headers: StreamHeaders,
}

/// Stream headers of parts in which ranges began, by stored offset.
type StreamHeaders = moka::future::Cache<u64, StreamHeader>;

impl Completed {
    /// The plaintext range of the n-th part, from 1; the inner is `None` for an empty part.
    #[expect(clippy::option_option, reason = "no such part, and a part of no bytes, are two things")]
    pub(crate) fn part(&self, number: u32) -> Option<Option<PlainRange>> {
        self.table.range_of(number)
    }

    /// How many parts the client uploaded.
    pub(crate) fn client_parts(&self) -> u32 {
        self.table.client_parts()
    }
}

/// The cache, and which entity tag an object had when its table was last used: a guess that the next request proves.
pub(crate) struct PartTables {
    tables: moka::future::Cache<(BucketName, String, StoredETag), Arc<Completed>>,
    seen: moka::future::Cache<(BucketName, String), StoredETag>,
}

impl Default for PartTables {
    fn default() -> Self {
        Self { tables: moka::future::Cache::new(PART_TABLES_MAX), seen: moka::future::Cache::new(PART_TABLES_MAX) }
    }
}

/// The entity tag and table that the current object of a name probably has.
pub(crate) async fn guessed(scope: &Scope<'_>, name: &Name) -> Option<(StoredETag, Arc<Completed>)> {
    let tables = &scope.gateway.part_tables;
    let etag = tables.seen.get(&(name.stored.clone(), name.key.clone())).await?;
    let completed = tables.tables.get(&(name.stored.clone(), name.key.clone(), etag.clone())).await?;
    Some((etag, completed))
}

/// The completion record of a multipart object, cached or read from the object's end (F-5).
pub(crate) async fn completed(
    scope: &Scope<'_>,
    name: &Name,
    info: &ObjectInfo,
    opened: &Opened,
) -> S3Result<Arc<Completed>> {
    let gateway: &Gateway = scope.gateway;
    let cache_key = (name.stored.clone(), name.key.clone(), info.etag.clone());
    if info.version_id.is_none() {
        gateway.part_tables.seen.insert((name.stored.clone(), name.key.clone()), info.etag.clone()).await;
    }
    if let Some(cached) = gateway.part_tables.tables.get(&cache_key).await {
        return Ok(cached);
    }
    let stored_parts = info.etag.stored_parts().unwrap_or(0);
    let tail_bytes = COMPLETION_TAIL_BYTES.min(info.stored_bytes);
    let tail_first = info.stored_bytes.saturating_sub(tail_bytes);
    let tail = bytes_of(scope, pinned(name, info), tail_first, tail_bytes).await?;
    let broken = |error: OpenError| errors::unsealable(&name.bucket, &name.key, &error);
    let completion =
        Completion::open(&opened.secret, SealedLen::new(info.stored_bytes), stored_parts, &tail).map_err(broken)?;
    let attributes = Attributes::from_bytes(completion.attributes());
    let table = match completion.into_parts() {
        CompletionParts::Listed(table) => Arc::new(table),
        CompletionParts::Unlisted(unlisted) => Arc::new(walked(scope, name, info, &unlisted).await?),
    };
    let completed = Arc::new(Completed { table, attributes, stream_headers: StreamHeaders::new(STREAM_HEADERS_MAX) });
    gateway.part_tables.tables.insert(cache_key, Arc::clone(&completed)).await;
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
/// it begins, asked for at the same time unless it is known.
pub(crate) async fn open_range(
    scope: &Scope<'_>,
    name: &Name,
    info: &ObjectInfo,
    opened: &Opened,
    completed: &Completed,
    range: PlainRange,
) -> S3Result<StreamingBlob> {
    let broken = |error: OpenError| errors::unsealable(&name.bucket, &name.key, &error);
    let span = completed.table.span(range).map_err(|error| broken(error.into()))?;
    let first = span.stored.stored_first;
    let last = first.saturating_add(span.stored.stored_bytes).saturating_sub(1);
    let (object, conditions) = pinned(name, info);
    let fetching = fetch(scope, object, Some(StoredRange::Bounded { first, last }), conditions);
    let header = stream_header(scope, name, info, completed, span.stream_header_first);
    let (fetched, header) = futures::future::try_join(fetching, header).await?;
    let ranged = RangeOpener::parts(&opened.secret, Arc::clone(&completed.table), range, header.as_ref());
    settle(name, ranged, fetched.stream, range.bytes()).await
}

/// As [`open_range`], of the object that has `etag` now, in one request: what the object is comes with its bytes. `None` if
/// it is another object by now, or if more would have to be asked for.
pub(crate) async fn open_guessed_range(
    scope: &Scope<'_>,
    name: &Name,
    (etag, completed): (&StoredETag, &Arc<Completed>),
    range: PlainRange,
) -> S3Result<Option<(ObjectInfo, Opened, StreamingBlob)>> {
    let Ok(span) = completed.table.span(range) else { return Ok(None) };
    let header = match span.stream_header_first {
        None => None,
        Some(first) => match completed.stream_headers.get(&first).await {
            Some(header) => Some(header),
            None => return Ok(None),
        },
    };
    let first = span.stored.stored_first;
    let last = first.saturating_add(span.stored.stored_bytes).saturating_sub(1);
    let request = GetRequest {
        object: name.version(None),
        range: Some(StoredRange::Bounded { first, last }),
        conditions: ReadConditions { if_match: Some(ETagMatch::Is(etag.clone())), ..ReadConditions::default() },
    };
    let Ok(fetched) = scope.backend().get(request).await else {
        scope.gateway.part_tables.seen.invalidate(&(name.stored.clone(), name.key.clone())).await;
        return Ok(None);
    };
    let opened = scope.open(name, &fetched.info.metadata)?;
    if opened.envelope.kind() != Kind::Multipart || fetched.info.etag != *etag {
        return Ok(None);
    }
    let ranged = RangeOpener::parts(&opened.secret, Arc::clone(&completed.table), range, header.as_ref());
    let body = settle(name, ranged, fetched.stream, range.bytes()).await?;
    Ok(Some((fetched.info, opened, body)))
}

async fn stream_header(
    scope: &Scope<'_>,
    name: &Name,
    info: &ObjectInfo,
    completed: &Completed,
    first: Option<u64>,
) -> S3Result<Option<StreamHeader>> {
    let Some(first) = first else { return Ok(None) };
    if let Some(known) = completed.stream_headers.get(&first).await {
        return Ok(Some(known));
    }
    let bytes = bytes_of(scope, pinned(name, info), first, STREAM_HEADER_BYTES).await?;
    let header = StreamHeader::parse(&bytes).map_err(|error| errors::unsealable(&name.bucket, &name.key, &error))?;
    completed.stream_headers.insert(first, header).await;
    Ok(Some(header))
}

/// Objects whose part tables are kept; a table of equal parts takes some 100 bytes, the most irregular 150 KiB.
const PART_TABLES_MAX: u64 = 1_000;
/// Parts of one object whose stream headers are kept.
const STREAM_HEADERS_MAX: u64 = 1_000;
