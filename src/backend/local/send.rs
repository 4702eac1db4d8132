//! Gives the bytes of a body out.
//!
//! The first chunk is read before the answer begins, so a blob that is missing or short there is an error of the call;
//! later ones end the stream in an error. One chunk of at most [`CHUNK_BYTES`] is read ahead on the blocking pool, so
//! a slow reader holds no thread; one file is open at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use tokio::task::JoinHandle;

use super::bodies::{Extent, missing};
use super::files::BlobFiles;
use super::ids::BlobId;
use super::pins::Pinned;
use crate::backend::{BackendError, BodyError, ByteStream, Result};

/// A run of bytes to give.
pub(super) enum Piece {
    Held(Bytes),
    File(Extent),
}

/// What is left to give.
pub(super) struct Outgoing {
    pieces: VecDeque<Piece>,
    files: Arc<BlobFiles>,
    open: Option<Open>,
    /// until the last byte is read
    _pinned: Pinned,
}

impl Outgoing {
    pub(super) fn new(pieces: Vec<Piece>, files: Arc<BlobFiles>, pinned: Pinned) -> Self {
        Self { pieces: pieces.into(), files, open: None, _pinned: pinned }
    }

    /// The next bytes; none after the last. Blocks on the disk.
    pub(super) fn next_chunk(&mut self) -> Result<Option<Bytes>> {
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK_BYTES {
            match self.pieces.pop_front() {
                None => break,
                Some(Piece::Held(bytes)) if chunk.is_empty() => return Ok(Some(bytes)),
                Some(Piece::Held(bytes)) => chunk.extend_from_slice(&bytes),
                Some(Piece::File(extent)) => self.read_into(&mut chunk, extent)?,
            }
        }
        Ok(if chunk.is_empty() { None } else { Some(chunk.into()) })
    }

    /// Reads as much of an extent as the chunk has room for, and puts the rest back.
    fn read_into(&mut self, chunk: &mut Vec<u8>, extent: Extent) -> Result<()> {
        let room = (CHUNK_BYTES - chunk.len()) as u64;
        let wanted = extent.bytes.min(room);
        if chunk.is_empty() {
            chunk.reserve_exact(usize::try_from(wanted).unwrap_or(CHUNK_BYTES));
        }
        let file = match &mut self.open {
            Some(open) if (open.blob, open.offset) == (extent.blob, extent.offset) => open,
            open => open.insert(Open::checked(&self.files, extent)?),
        };
        let got = (&file.file).take(wanted).read_to_end(chunk).map_err(|error| unreadable(extent.blob, error))?;
        if got as u64 != wanted {
            return Err(short(extent.blob));
        }
        file.offset += wanted;
        if wanted < extent.bytes {
            let left = Extent { offset: extent.offset + wanted, bytes: extent.bytes - wanted, ..extent };
            self.pieces.push_front(Piece::File(left));
        }
        Ok(())
    }

    /// The bytes as a stream that reads one chunk ahead.
    pub(super) fn into_stream(self, first: Option<Bytes>) -> ByteStream {
        let state = match first {
            None => Ahead::Done,
            Some(first) => Ahead::First(first, self),
        };
        Box::pin(stream::unfold(state, |state| async move {
            let (chunk, rest) = match state {
                Ahead::Done => return None,
                Ahead::First(first, rest) => (Ok(Some(first)), rest),
                Ahead::Reading(reading) => match reading.await {
                    Ok((chunk, rest)) => (chunk, rest),
                    Err(error) => return Some((Err(BodyError::from(error)), Ahead::Done)),
                },
            };
            match chunk {
                Ok(None) => None,
                Ok(Some(chunk)) => Some((Ok(chunk), rest.read_ahead())),
                Err(error) => Some((Err(BodyError::from(error)), Ahead::Done)),
            }
        }))
    }

    fn read_ahead(mut self) -> Ahead {
        if self.pieces.is_empty() {
            return Ahead::Done;
        }
        Ahead::Reading(tokio::task::spawn_blocking(move || (self.next_chunk(), self)))
    }
}

enum Ahead {
    First(Bytes, Outgoing),
    Reading(JoinHandle<(Result<Option<Bytes>>, Outgoing)>),
    Done,
}

/// A file that is being read.
struct Open {
    blob: BlobId,
    /// of the next byte
    offset: u64,
    file: File,
}

impl Open {
    /// A file at the extent's first byte, sure to hold the last.
    fn checked(files: &BlobFiles, Extent { blob, offset, bytes }: Extent) -> Result<Self> {
        let mut file = files.open(blob).map_err(|error| unreadable(blob, error))?;
        let length = file.metadata().map_err(|error| unreadable(blob, error))?.len();
        if offset.checked_add(bytes).is_none_or(|end| end > length) {
            return Err(short(blob));
        }
        if offset > 0 {
            file.seek(SeekFrom::Start(offset)).map_err(|error| unreadable(blob, error))?;
        }
        Ok(Self { blob, offset, file })
    }
}

fn unreadable(blob: BlobId, error: std::io::Error) -> BackendError {
    if error.kind() == ErrorKind::NotFound { missing(blob) } else { BackendError::Unavailable(Box::new(error)) }
}

fn short(blob: BlobId) -> BackendError {
    BackendError::Damaged(format!("blob {:x} is shorter than it was", blob.number()))
}

/// How much is read at a time.
pub(super) const CHUNK_BYTES: usize = 256 << 10;
