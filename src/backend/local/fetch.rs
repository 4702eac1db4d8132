//! Opens an object for reading: looks it up, keeps its files, reads the first chunk.

use std::sync::Arc;

use bytes::Bytes;
use redb::Database;

use super::bodies::{self, Extent, missing};
use super::conditions::{check_read, resolve_range};
use super::files::BlobFiles;
use super::lookup;
use super::pins::Pins;
use super::send::{Outgoing, Piece};
use super::tables::{Snapshot, View};
use crate::backend::{BackendError, Fetched, GetRequest, ObjectInfo, Result};

/// An object on its way, its first chunk in hand.
pub(super) struct Opened {
    info: ObjectInfo,
    first: u64,
    bytes: u64,
    chunk: Option<Bytes>,
    rest: Outgoing,
}

impl Opened {
    pub(super) fn fetched(self) -> Fetched {
        let stream = self.rest.into_stream(self.chunk);
        Fetched { info: self.info, first: self.first, bytes: self.bytes, stream }
    }
}

/// Opens what the request means. Blocks on the disk.
pub(super) fn open(index: &Database, pins: &Arc<Pins>, files: &Arc<BlobFiles>, request: &GetRequest) -> Result<Opened> {
    let entered = pins.enter();
    let snapshot = Snapshot::of(index)?;
    let (bucket, record) = lookup::object(&snapshot, &request.object)?;
    check_read(&request.conditions, &record)?;
    let (first, bytes) = resolve_range(request.range, record.bytes)?;
    let extents = bodies::extents(&snapshot, record.body, first, bytes)?;
    let read = extents.iter().map(|extent| extent.blob).filter(|blob| !blob.is_in_index()).collect();
    let pieces = extents.into_iter().map(|extent| piece(&snapshot, extent)).collect::<Result<_>>()?;
    let pinned = pins.pin(&entered, read);
    drop(entered);
    let mut rest = Outgoing::new(pieces, Arc::clone(files), pinned);
    let chunk = rest.next_chunk()?;
    Ok(Opened { info: record.info(&bucket), first, bytes, chunk, rest })
}

/// Bytes in the index are read while the snapshot shows them.
fn piece(snapshot: &Snapshot, extent: Extent) -> Result<Piece> {
    if !extent.blob.is_in_index() {
        return Ok(Piece::File(extent));
    }
    let bytes = snapshot.row_bytes(extent.blob)?.ok_or_else(|| missing(extent.blob))?;
    let range = usize::try_from(extent.offset).ok().zip(usize::try_from(extent.offset + extent.bytes).ok());
    match range {
        Some((from, to)) if to <= bytes.len() => Ok(Piece::Held(bytes.slice(from..to))),
        _ => Err(BackendError::Damaged(format!("blob {:x} is shorter than it was", extent.blob.number()))),
    }
}
