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
use crate::seal::{Envelope, MultipartOpener, OpenError, RangeOpener, SingleOpener};
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
pub(crate) async fn open(sealed: ByteStream, opener: impl Opens, plain_bytes: u64) -> Result<StreamingBlob, NotOpened> {
    // after a failure the rest is asked for, also where there is none
    let sealed: ByteStream = Box::pin(sealed.fuse());
    let mut opening = Opening {
        sealed: SyncWrapper::new(sealed),
        opener: Some(opener),
        coming: Bytes::new(),
        out: BytesMut::new(),
        ready: None,
        left: plain_bytes,
        has_begun: false,
        suspected: None,
        waiting_bytes: 0,
        given_bytes: 0,
        held: budget::held(),
    };
    let first = match opening.next().await.transpose() {
        Ok(first) => first,
        Err(error) => {
            return Err(match error.downcast::<OpenError>() {
                Ok(error) => NotOpened::Sealed { error: *error, is_cut: opening.is_cut().await },
                Err(error) => NotOpened::Body(error),
            });
        }
    };
    if let Some(first) = first {
        opening.left = opening.left.saturating_add(first.len() as u64);
        opening.ready = Some(first);
        opening.has_begun = false;
    }
    Ok(StreamingBlob::new(opening))
}

/// Why nothing of a body was opened.
#[derive(Debug)]
pub(crate) enum NotOpened {
    /// it does not authenticate
    Sealed {
        /// why
        error: OpenError,
        /// whether fewer bytes came than were announced: then the length may be another, which goes into every segment
        is_cut: bool,
    },
    /// it did not come
    Body(BodyError),
}

/// What an error of opening counts as. None for one that proves no tampering: an envelope of a suite that this version does
/// not know may be that of a later one, and another key than the envelope names proves nothing of the envelope.
pub(crate) fn failed_in(error: &OpenError) -> Option<Failed> {
    match error {
        OpenError::Malformed(Envelope::SUITE_FIELD) | OpenError::WrongKey { .. } => None,
        OpenError::Malformed(_) | OpenError::LowOrderPoint | OpenError::EnvelopeTag | OpenError::WrongKind => {
            Some(Failed::Envelope)
        }
        OpenError::Segment { .. } => Some(Failed::Segment),
        OpenError::Length(_)
        | OpenError::StreamHeader
        | OpenError::Cut
        | OpenError::Trailing
        | OpenError::PartHeader
        | OpenError::Slack
        | OpenError::Completion(_)
        | OpenError::PartsDiffer
        | OpenError::Attributes
        | OpenError::CustomerKeyCheck => Some(Failed::Structure),
    }
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
    /// a structure that does not fit, and how much more is read to tell whether the answer is whole
    suspected: Option<(BodyError, usize)>,
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

    /// Whether the rest of the stored bytes, if it is not long, ends in an error.
    async fn is_cut(&mut self) -> bool {
        let mut left = REST_BYTES_MAX;
        while let Some(piece) = self.sealed.get_mut().next().await {
            let Ok(piece) = piece else { return true };
            left = left.saturating_sub(piece.len());
            if left == 0 {
                return false;
            }
        }
        false
    }

    fn fail(&mut self, error: BodyError, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.opener = None;
        self.out.clear();
        // before that the verb sees the error, and counts it
        match error.downcast_ref::<OpenError>().filter(|_| self.has_begun).and_then(failed_in) {
            Some(Failed::Structure) => {
                self.suspected = Some((error, REST_BYTES_MAX));
                self.prove(context)
            }
            Some(kind) => {
                tally::failed(kind);
                Poll::Ready(Some(Err(error)))
            }
            None => Poll::Ready(Some(Err(error))),
        }
    }

    /// Counts a structure that does not fit, unless the answer is cut: then the length that it announced may be wrong.
    fn prove(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        while let Some((_, left)) = &mut self.suspected {
            match ready!(self.sealed.get_mut().as_mut().poll_next(context)) {
                Some(Ok(piece)) if piece.len() < *left => *left -= piece.len(),
                Some(Err(cut)) => {
                    self.suspected = None;
                    return Poll::Ready(Some(Err(cut)));
                }
                Some(Ok(_)) | None => break,
            }
        }
        let Some((error, _)) = self.suspected.take() else { return Poll::Ready(None) };
        tally::failed(Failed::Structure);
        Poll::Ready(Some(Err(error)))
    }
}

impl<O: Opens> Stream for Opening<O> {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.suspected.is_some() {
            return self.prove(context);
        }
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
                    return self.fail(error.into(), context);
                }
                if let Err(error) = this.tally(some.len()) {
                    return self.fail(error.into(), context);
                }
                continue;
            }
            match ready!(this.sealed.get_mut().as_mut().poll_next(context)) {
                Some(Ok(sealed)) => this.coming = sealed,
                Some(Err(error)) => return self.fail(error, context),
                None => {
                    if let Some(opener) = this.opener.take()
                        && let Err(error) = opener.finish(&mut this.out)
                    {
                        return self.fail(error.into(), context);
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

/// What is read of an answer to tell one that was cut.
const REST_BYTES_MAX: usize = 8 << 20;

#[cfg(test)]
mod tests;
