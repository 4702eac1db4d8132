//! Sealed bytes in, plaintext out: [`open`] gives a client nothing that was not authenticated.
//!
//! The first piece is awaited before the answer begins, so that an object that fails at once is a clean error. A later
//! failure ends the stream in an error, and the connection is aborted. The piece that completes the announced length is
//! held back until the opener has ended well: otherwise a client could take the body for whole.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use s3s::S3Result;
use s3s::dto::StreamingBlob;
use s3s::stream::{ByteStream as Sized, RemainingLength};
use sync_wrapper::SyncWrapper;

use super::budget::{self, Held, STREAM_BYTES};
use crate::backend::{BodyError, ByteStream};
use crate::seal::{MultipartOpener, OpenError, RangeOpener, SingleOpener};
use crate::telemetry::tally::{self, Failed};

/// What opens: a state machine that is pushed to and then finished.
pub(crate) trait Opens: Send + Sync + Unpin + 'static {
    /// Takes the next stored bytes; appends the plaintext that they authenticate.
    fn push(&mut self, sealed: &[u8], out: &mut BytesMut) -> Result<(), OpenError>;
    /// Checks that everything was there; appends what was withheld until then.
    fn finish(self, out: &mut BytesMut) -> Result<(), OpenError>;
}

macro_rules! opens {
    ($($opener:ty),*) => {$(
        impl Opens for $opener {
            fn push(&mut self, sealed: &[u8], out: &mut BytesMut) -> Result<(), OpenError> {
                Self::push(self, sealed, out)
            }
            fn finish(self, _: &mut BytesMut) -> Result<(), OpenError> {
                Self::finish(self)
            }
        }
    )*};
}

opens!(SingleOpener, RangeOpener);

impl Opens for MultipartOpener {
    fn push(&mut self, sealed: &[u8], out: &mut BytesMut) -> Result<(), OpenError> {
        Self::push(self, sealed, out)
    }
    fn finish(self, out: &mut BytesMut) -> Result<(), OpenError> {
        Self::finish(self, out).map(drop)
    }
}

/// The plaintext of exactly `plain_bytes` that `opener` makes of a stored body; answers once the first piece is there.
///
/// # Errors
/// What the stored body or the opener ended in, before any plaintext.
pub(crate) async fn open(sealed: ByteStream, opener: impl Opens, plain_bytes: u64) -> Result<StreamingBlob, BodyError> {
    let mut opening = Opening {
        sealed: SyncWrapper::new(sealed),
        opener: Some(opener),
        coming: Bytes::new(),
        out: BytesMut::new(),
        ready: None,
        left: plain_bytes,
        has_begun: false,
        waiting_bytes: 0,
        given_bytes: 0,
        held: budget::held(),
    };
    if let Some(first) = opening.next().await.transpose()? {
        opening.left = opening.left.saturating_add(first.len() as u64);
        opening.ready = Some(first);
        opening.has_begun = false;
    }
    Ok(StreamingBlob::new(opening))
}

struct Opening<O> {
    sealed: SyncWrapper<ByteStream>,
    /// gone once it has finished or failed
    opener: Option<O>,
    /// stored bytes that the opener has not had yet
    coming: Bytes,
    out: BytesMut,
    /// the first piece, awaited before the answer began
    ready: Option<Bytes>,
    /// plaintext bytes not yet given out
    left: u64,
    /// whether any was given to the client
    has_begun: bool,
    /// stored bytes that the opener had since it last gave something: of a segment, until all of it is there
    waiting_bytes: u64,
    /// what it gave last, which may not be sent yet
    given_bytes: u64,
    /// the two, as far as a transfer has no room for them anyway
    held: Held,
}

impl<O: Opens> Opening<O> {
    fn give(&mut self, piece: Bytes) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.left = self.left.saturating_sub(piece.len() as u64);
        Poll::Ready(Some(Ok(piece)))
    }

    /// Segments of long parts are long, and count as held.
    fn tally(&mut self, pushed: usize) -> S3Result<()> {
        if self.out.is_empty() {
            self.waiting_bytes += pushed as u64;
        } else {
            (self.waiting_bytes, self.given_bytes) = (0, self.out.len() as u64);
        }
        let more = (self.waiting_bytes + self.given_bytes).saturating_sub(STREAM_BYTES);
        self.held.set_or_fail(more)
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Bytes, BodyError>>> {
        // before that the verb sees the error, and counts it
        if self.has_begun && error.is::<OpenError>() {
            tally::failed(Failed::of(&error.to_string()));
        }
        self.opener = None;
        self.out.clear();
        Poll::Ready(Some(Err(error)))
    }
}

impl<O: Opens> Stream for Opening<O> {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(piece) = self.ready.take() {
            self.has_begun = true;
            return self.give(piece);
        }
        loop {
            let whole = self.out.len() as u64 >= self.left;
            if !self.out.is_empty() && (self.opener.is_none() || !whole) {
                let piece = self.out.split().freeze();
                self.has_begun = true;
                tally::opened(piece.len());
                return self.give(piece);
            }
            if self.opener.is_none() {
                return Poll::Ready(None);
            }
            let this = &mut *self;
            let Some(opener) = &mut this.opener else { return Poll::Ready(None) };
            if !this.coming.is_empty() {
                let some = this.coming.split_to(this.coming.len().min(PUSH_BYTES));
                if let Err(error) = opener.push(&some, &mut this.out) {
                    return self.fail(error.into());
                }
                if let Err(error) = this.tally(some.len()) {
                    return self.fail(error.into());
                }
                continue;
            }
            match ready!(this.sealed.get_mut().as_mut().poll_next(context)) {
                Some(Ok(sealed)) => this.coming = sealed,
                Some(Err(error)) => return self.fail(error),
                None => {
                    if let Some(opener) = this.opener.take()
                        && let Err(error) = opener.finish(&mut this.out)
                    {
                        return self.fail(error.into());
                    }
                }
            }
        }
    }
}

impl<O: Opens> Sized for Opening<O> {
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.left).map_or_else(|_| RemainingLength::unknown(), RemainingLength::new_exact)
    }
}

/// A segment: more at once could complete two of them, and the second would be copied to lie behind the first.
const PUSH_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
