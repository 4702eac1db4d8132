//! Takes a body stream in: small ones into memory and then the index, others into a file.
//!
//! Memory of one upload: at most [`CHUNK_BYTES`] being written, as many being gathered, and one piece of the stream,
//! whatever the length of the body. Files are written by short tasks on the blocking pool, so that a slow sender holds
//! no thread.

use std::fs::File;
use std::io;
use std::mem;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::task::JoinHandle;

use super::files::{BlobFiles, NewFile, write_pieces};
use super::ids::{BlobId, IdSource};
use crate::backend::{BackendError, ByteStream, Result, SealedBody};

/// A body that was taken in whole.
#[derive(Clone, Debug)]
pub(super) enum NewBody {
    Empty,
    /// to be kept in the index
    Row(BlobId, Bytes),
    /// a file and its length
    File(BlobId, u64),
}

impl NewBody {
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Row(_, bytes) => bytes.len() as u64,
            Self::File(_, bytes) => *bytes,
        }
    }
}

/// A body stream gave another number of bytes than announced; found in [`BackendError::Body`].
#[derive(Debug, thiserror::Error)]
#[error("the body has {given} bytes{}, announced were {announced}", if *.is_longer { " or more" } else { "" })]
pub struct WrongLength {
    /// how many bytes were announced
    pub announced: u64,
    /// how many came
    pub given: u64,
    /// whether more came than announced; the rest was not read
    is_longer: bool,
}

/// Where to take bodies in.
pub(super) struct Receiver {
    pub(super) files: Arc<BlobFiles>,
    pub(super) ids: Arc<IdSource>,
}

impl Receiver {
    /// Takes the body of an object, kept in the index if it is small. The file stands in its place and is flushed;
    /// it is removed unless it is kept.
    pub(super) async fn object(&self, body: SealedBody) -> Result<(NewBody, Option<NewFile>)> {
        if body.bytes > IN_INDEX_BYTES_MAX {
            return self.file(body).await;
        }
        let mut stream = Announced::new(body);
        let mut gathered = BytesMut::new();
        while let Some(piece) = stream.next().await? {
            gathered.extend_from_slice(&piece);
        }
        if gathered.is_empty() {
            return Ok((NewBody::Empty, None));
        }
        Ok((NewBody::Row(BlobId::of_row(self.ids.next()), gathered.freeze()), None))
    }

    /// Takes a body that is kept in a file.
    pub(super) async fn file(&self, body: SealedBody) -> Result<(NewBody, Option<NewFile>)> {
        let bytes = body.bytes;
        let mut stream = Announced::new(body);
        if bytes == 0 {
            while stream.next().await?.is_some() {}
            return Ok((NewBody::Empty, None));
        }
        let blob = BlobId::of_file(self.ids.next());
        let files = Arc::clone(&self.files);
        let (file, mut new) = blocking(move || files.create(blob)).await?;
        let file = Arc::new(file);
        let mut writing: Option<JoinHandle<io::Result<()>>> = None;
        let mut chunk = Vec::new();
        let mut chunk_bytes = 0;
        while let Some(piece) = stream.next().await? {
            chunk_bytes += piece.len();
            chunk.push(piece);
            if chunk_bytes >= CHUNK_BYTES {
                settle(writing.take()).await?;
                writing = Some(write(&file, mem::take(&mut chunk)));
                chunk_bytes = 0;
            }
        }
        settle(writing).await?;
        let new = blocking(move || {
            write_pieces(&file, &chunk)?;
            new.place(&file)?;
            Ok(new)
        })
        .await?;
        Ok((NewBody::File(blob, bytes), Some(new)))
    }
}

/// A stream that errs if it gives more or fewer bytes than announced.
struct Announced {
    stream: ByteStream,
    wanted: u64,
    given: u64,
}

impl Announced {
    fn new(body: SealedBody) -> Self {
        Self { stream: body.stream, wanted: body.bytes, given: 0 }
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let piece = self.stream.next().await.transpose().map_err(BackendError::Body)?;
        self.given += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        let is_longer = self.given > self.wanted;
        if is_longer || (piece.is_none() && self.given < self.wanted) {
            let wrong = WrongLength { announced: self.wanted, given: self.given, is_longer };
            return Err(BackendError::Body(Box::new(wrong)));
        }
        Ok(piece)
    }
}

fn write(file: &Arc<File>, pieces: Vec<Bytes>) -> JoinHandle<io::Result<()>> {
    let file = Arc::clone(file);
    tokio::task::spawn_blocking(move || write_pieces(&file, &pieces))
}

async fn settle(writing: Option<JoinHandle<io::Result<()>>>) -> Result<()> {
    match writing {
        None => Ok(()),
        Some(writing) => {
            writing.await.map_err(|e| unavailable(io::Error::other(e)))?.map_err(unavailable)?;
            Ok(())
        }
    }
}

/// Runs file work on the blocking pool.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|e| unavailable(io::Error::other(e)))?.map_err(unavailable)
}

fn unavailable(error: io::Error) -> BackendError {
    BackendError::Unavailable(Box::new(error))
}

/// How much is handed to the operating system at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// Bodies up to this length are kept in the index.
const IN_INDEX_BYTES_MAX: u64 = 8 << 10;
