//! The end of an upload: the completion record is put where it belongs, the backend completes, and what was staged goes.
//!
//! Owns everything it works with, because it may outlive the request's handler. Holds at most one small part, under
//! 5 MiB.

use std::collections::BTreeSet;
use std::sync::Arc;

use s3s::{S3Result, s3_error};

use super::parts::Part;
use super::staging::held;
use super::uploads::{OpenUpload, Uploads};
use crate::backend::{
    Backend, BackendError, CompleteUpload, ObjectRef, PartRef, SealedBody, StoredETag, VersionId, WriteConditions,
};
use crate::body::budget::hold_until_end;
use crate::s3::attributes_record::Attributes;
use crate::s3::errors;
use crate::s3::parts::{Completed, PartTables, StoredAs};
use crate::seal::geometry::{PART_NUMBER_MAX, PART_OVERHEAD_BYTES};
use crate::seal::{
    Completion, CompletionRecord, PartNumber, PartStream, PartStreams, PartTable, RecordVersion, SealError,
    place_record, stream_header_of,
};

/// What to do.
pub(super) struct Finish {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) uploads: Uploads,
    pub(super) upload: OpenUpload,
    /// what the client completes, ascending
    pub(super) parts: Vec<Part>,
    /// numbers that hold a client's part in the backend's upload
    pub(super) taken: BTreeSet<u32>,
    /// of the object
    pub(super) attributes: Attributes,
    pub(super) record_version: RecordVersion,
    /// of the parts, as far as they are known
    pub(super) streams: Vec<PartStream>,
    pub(super) tables: PartTables,
    pub(super) conditions: WriteConditions,
}

/// What became of it.
pub(super) struct Finished {
    pub(super) etag: StoredETag,
    pub(super) version_id: Option<VersionId>,
    /// hex; none where the parts came with a customer's key
    pub(super) key_id: Option<String>,
}

pub(super) async fn finish(work: Finish) -> S3Result<Finished> {
    let Finish { backend, uploads, upload, parts, taken, attributes, record_version, mut streams, tables, conditions } =
        work;
    let table = table(&parts).map_err(|error| errors::seal(&error))?;
    let json = attributes.to_bytes()?;
    let record = Completion::seal(&upload.secret, &upload.envelope, record_version, (&table, &streams), &json)
        .map_err(|error| errors::seal(&error))?;
    let (number, body) = last_part(&upload, &parts, (&taken, streams.last()), record).await?;
    let etag = put(backend.as_ref(), &upload, number, body).await?;

    let stored = parts.into_iter().filter(|part| part.number != number).map(|part| (part.number, part.etag));
    let parts: Vec<_> = stored.chain([(number, etag)]).collect();
    let of = StoredAs { object_id: upload.envelope.object_id(), parts: u32::try_from(parts.len()).unwrap_or(u32::MAX) };
    let complete = CompleteUpload { upload: upload.at.clone(), parts, conditions };
    let written = backend.complete_upload(complete).await.map_err(errors::backend)?;

    let object = ObjectRef { bucket: upload.at.bucket.clone(), key: upload.at.key.clone(), version_id: None };
    // no more than a record read back would tell
    streams.truncate(STREAMS_KEPT_MAX);
    let completed = Completed::new(of, table, attributes, PartStreams::new(streams));
    tables.keep(object, written.etag.clone(), completed).await;
    uploads.forget(&upload).await;
    // The object is there whatever becomes of this; the sweeper comes after it.
    if let Err(error) = upload.staging.clear().await {
        tracing::warn!(%error, "staged parts of a completed upload stay for the sweeper");
    }
    Ok(Finished { etag: written.etag, version_id: written.version_id, key_id: upload.shown_key_id() })
}

fn table(parts: &[Part]) -> Result<PartTable, SealError> {
    let placed = parts.iter().map(|part| Ok((PartNumber::new(part.number)?, part.plain)));
    PartTable::from_parts(placed.collect::<Result<Vec<_>, SealError>>()?)
}

/// The stored part that carries the completion record: the client's last part if it waits in the staging bucket, else one
/// more with a free number. One that waits must be the attempt with the stream that is known.
async fn last_part(
    upload: &OpenUpload,
    parts: &[Part],
    (taken, stream): (&BTreeSet<u32>, Option<&PartStream>),
    record: CompletionRecord,
) -> S3Result<(u32, Vec<u8>)> {
    let last = parts.last().ok_or_else(|| s3_error!(MalformedXML))?;
    if !last.staged {
        // One that a client uploaded and does not name stays until the backend has completed: a failure must not cost it.
        let mut free = (last.number + 1..NUMBER_MAX).filter(|number| !taken.contains(number));
        let number = free.next().unwrap_or(NUMBER_MAX);
        return Ok((number, record.into_part()));
    }
    hold_until_end(last.plain.bytes() + PART_OVERHEAD_BYTES)?;
    let staged = upload.staging.part(last.number, &last.etag).await;
    if matches!(staged, Err(BackendError::NoSuchKey { .. } | BackendError::PreconditionFailed)) {
        // another Complete, an Abort or a new upload of the part was faster
        return Err(s3_error!(InvalidPart));
    }
    let mut body = staged.map_err(errors::backend)?;
    let known = PartStreams::new(stream.copied().into_iter().collect());
    let is_known = stream_header_of(&body).and_then(|header| known.check(0, &header));
    is_known.map_err(|error| errors::unsealable(upload.at.bucket.as_str(), &upload.at.key, &error))?;
    place_record(&mut body, &record).map_err(|error| errors::seal(&error))?;
    Ok((last.number, body))
}

async fn put(backend: &dyn Backend, upload: &OpenUpload, number: u32, body: Vec<u8>) -> S3Result<StoredETag> {
    let part = PartRef { upload: upload.at.clone(), number };
    let body: SealedBody = held(body.into());
    backend.put_part(&part, body).await.map_err(errors::backend)
}

/// The backend's highest part number, which no client's part has (F-7).
const NUMBER_MAX: u32 = PART_NUMBER_MAX + 1;
/// Parts of one object whose streams are remembered, some 40 bytes each.
const STREAMS_KEPT_MAX: usize = 1_000;
