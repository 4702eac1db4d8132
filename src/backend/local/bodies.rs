//! Bodies and what they are made of; counts of use, so that copies move no bytes.
//!
//! A body is nothing, one whole blob, or a list of extents of blobs. A blob counts the bodies and extents that use it,
//! a list the objects and parts. What is used no more leaves the index in the same transaction; its file follows after
//! the commit.
//!
//! A list's row: `uses (8) || total bytes (8) || { start (8) || blob (8) || offset (8) } ...`, big-endian; `start` is
//! where the extent stands in the body, so that a range is found by bisection.

use super::codec::damaged;
use super::ids::BlobId;
use super::receive::NewBody;
use super::records::Body;
use super::tables::{Tables, View};
use crate::backend::{BackendError, Result};

/// Bytes of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) blob: BlobId,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// The extents of `bytes` bytes from `first` of a body that has so many.
pub(super) fn extents(view: &impl View, body: Body, first: u64, bytes: u64) -> Result<Vec<Extent>> {
    match body {
        _ if bytes == 0 => Ok(Vec::new()),
        Body::Empty => Err(damaged()),
        Body::Blob(blob) => Ok(vec![Extent { blob, offset: first, bytes }]),
        Body::List(list) => view.extents(list, first, bytes),
    }
}

impl Tables<'_> {
    /// Enters a new body, used once.
    pub(super) fn enter(&mut self, body: &NewBody) -> Result<Body> {
        match body {
            NewBody::Empty => Ok(Body::Empty),
            NewBody::Row(blob, bytes) => {
                self.rows.insert(blob.number(), (1, bytes.as_ref()))?;
                Ok(Body::Blob(*blob))
            }
            NewBody::File(blob, bytes) => {
                self.files.insert(blob.number(), (1, *bytes))?;
                Ok(Body::Blob(*blob))
            }
        }
    }

    /// Counts one more use of a body.
    pub(super) fn retain(&mut self, body: Body) -> Result<()> {
        match body {
            Body::Empty => Ok(()),
            Body::Blob(blob) => self.retain_blob(blob),
            Body::List(list) => {
                let mut row = self.list_row(list)?;
                let more = uses(&row)?.checked_add(1).ok_or_else(damaged)?;
                set_uses(&mut row, more)?;
                self.lists.insert(list, row.as_slice())?;
                Ok(())
            }
        }
    }

    /// Counts one use less, and drops what is used no more.
    pub(super) fn release(&mut self, body: Body) -> Result<()> {
        match body {
            Body::Empty => Ok(()),
            Body::Blob(blob) => self.release_blob(blob),
            Body::List(list) => {
                let mut row = self.list_row(list)?;
                let left = uses(&row)?.checked_sub(1).ok_or_else(damaged)?;
                if left > 0 {
                    set_uses(&mut row, left)?;
                    self.lists.insert(list, row.as_slice())?;
                    return Ok(());
                }
                self.lists.remove(list)?;
                let blobs: Vec<BlobId> = List::of_row(&row)?.blobs().collect();
                blobs.into_iter().try_for_each(|blob| self.release_blob(blob))
            }
        }
    }

    /// A body of a range of another.
    pub(super) fn share(&mut self, body: Body, total: u64, first: u64, bytes: u64) -> Result<Body> {
        if first == 0 && bytes == total {
            self.retain(body)?;
            return Ok(body);
        }
        let extents = extents(self, body, first, bytes)?;
        extents.iter().try_for_each(|extent| self.retain_blob(extent.blob))?;
        self.enter_list(&extents)
    }

    /// One body of several, whose uses it takes over.
    pub(super) fn join(&mut self, bodies: &[(Body, u64)]) -> Result<Body> {
        if let [(only, _)] = bodies {
            return Ok(*only);
        }
        let mut joined = Vec::with_capacity(bodies.len());
        for (body, bytes) in bodies {
            joined.extend(extents(self, *body, 0, *bytes)?);
        }
        for (body, bytes) in bodies {
            if let Body::List(_) = body {
                for extent in extents(self, *body, 0, *bytes)? {
                    self.retain_blob(extent.blob)?;
                }
                self.release(*body)?;
            }
        }
        self.enter_list(&joined)
    }

    /// Enters a list of extents whose uses are counted already.
    fn enter_list(&mut self, extents: &[Extent]) -> Result<Body> {
        if extents.is_empty() {
            return Ok(Body::Empty);
        }
        let id = self.ids.next();
        self.lists.insert(id, list_row(extents)?.as_slice())?;
        Ok(Body::List(id))
    }

    fn retain_blob(&mut self, blob: BlobId) -> Result<()> {
        let id = blob.number();
        if blob.is_in_index() {
            let (uses, bytes) = self.row(blob)?;
            self.rows.insert(id, (uses.checked_add(1).ok_or_else(damaged)?, bytes.as_slice()))?;
        } else {
            let (uses, bytes) = self.file(blob)?;
            self.files.insert(id, (uses.checked_add(1).ok_or_else(damaged)?, bytes))?;
        }
        Ok(())
    }

    fn release_blob(&mut self, blob: BlobId) -> Result<()> {
        let id = blob.number();
        if blob.is_in_index() {
            match self.row(blob)? {
                (0 | 1, _) => drop(self.rows.remove(id)?),
                (uses, bytes) => drop(self.rows.insert(id, (uses - 1, bytes.as_slice()))?),
            }
            return Ok(());
        }
        match self.file(blob)? {
            (0 | 1, _) => {
                self.files.remove(id)?;
                self.retired.push(blob);
            }
            (uses, bytes) => drop(self.files.insert(id, (uses - 1, bytes))?),
        }
        Ok(())
    }

    fn file(&self, blob: BlobId) -> Result<(u64, u64)> {
        let row = redb::ReadableTable::get(&self.files, blob.number())?;
        row.map(|row| row.value()).ok_or_else(|| missing(blob))
    }

    fn row(&self, blob: BlobId) -> Result<(u64, Vec<u8>)> {
        let row = redb::ReadableTable::get(&self.rows, blob.number())?.ok_or_else(|| missing(blob))?;
        let (uses, bytes) = row.value();
        Ok((uses, bytes.to_vec()))
    }

    fn list_row(&self, list: u64) -> Result<Vec<u8>> {
        let row = redb::ReadableTable::get(&self.lists, list)?;
        Ok(row.ok_or_else(|| BackendError::Damaged(format!("list {list:x} of extents is missing")))?.value().to_vec())
    }
}

/// A blob that the index names and does not have.
pub(super) fn missing(blob: BlobId) -> BackendError {
    BackendError::Damaged(format!("blob {:x} is missing", blob.number()))
}

/// A list of extents as stored.
pub(super) struct List<'a> {
    total: u64,
    entries: &'a [[u8; 24]],
}

impl<'a> List<'a> {
    pub(super) fn of_row(row: &'a [u8]) -> Result<Self> {
        let (_, rest) = row.split_first_chunk::<8>().ok_or_else(damaged)?;
        let (total, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        match rest.as_chunks::<24>() {
            (entries, []) => Ok(Self { total: u64::from_be_bytes(*total), entries }),
            _ => Err(damaged()),
        }
    }

    /// The extents of `bytes` bytes from `first`.
    pub(super) fn cut(&self, first: u64, bytes: u64) -> Result<Vec<Extent>> {
        let end = first.checked_add(bytes).filter(|end| *end <= self.total).ok_or_else(damaged)?;
        let from = self.entries.partition_point(|entry| fields(entry)[0] <= first).saturating_sub(1);
        let mut extents = Vec::new();
        for (at, entry) in self.entries.iter().enumerate().skip(from) {
            let [start, blob, offset] = fields(entry);
            if start >= end {
                break;
            }
            let stop = self.entries.get(at + 1).map_or(self.total, |next| fields(next)[0]).min(end);
            let skipped = first.saturating_sub(start);
            let bytes = stop.checked_sub(start).and_then(|n| n.checked_sub(skipped)).ok_or_else(damaged)?;
            let offset = offset.checked_add(skipped).ok_or_else(damaged)?;
            extents.push(Extent { blob: BlobId::from_stored(blob), offset, bytes });
        }
        Ok(extents)
    }

    pub(super) fn blobs(&self) -> impl Iterator<Item = BlobId> {
        self.entries.iter().map(|entry| BlobId::from_stored(fields(entry)[1]))
    }
}

/// Start, blob and offset.
fn fields(entry: &[u8; 24]) -> [u64; 3] {
    let mut fields = [0; 3];
    for (field, bytes) in fields.iter_mut().zip(entry.as_chunks::<8>().0) {
        *field = u64::from_be_bytes(*bytes);
    }
    fields
}

/// The row of a new list, used once.
pub(super) fn list_row(extents: &[Extent]) -> Result<Vec<u8>> {
    let mut row = Vec::with_capacity(16 + 24 * extents.len());
    row.extend(1_u64.to_be_bytes());
    row.extend([0; 8]);
    let mut start = 0_u64;
    for extent in extents {
        row.extend([start, extent.blob.number(), extent.offset].into_iter().flat_map(u64::to_be_bytes));
        start = start.checked_add(extent.bytes).ok_or_else(damaged)?;
    }
    if let Some(total) = row.get_mut(8..16) {
        total.copy_from_slice(&start.to_be_bytes());
    }
    Ok(row)
}

fn uses(row: &[u8]) -> Result<u64> {
    row.first_chunk().map(|uses| u64::from_be_bytes(*uses)).ok_or_else(damaged)
}

fn set_uses(row: &mut [u8], uses: u64) -> Result<()> {
    *row.first_chunk_mut().ok_or_else(damaged)? = uses.to_be_bytes();
    Ok(())
}
