//! Plaintext in, sealed bytes out: [`seal`] verifies what the client declared of its body while it is sealed, and lets
//! the last segment go only once everything agrees. A body that fails ends in an error, so no backend commits it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use s3s::dto::StreamingBlob;
use s3s::{S3Result, s3_error};

use crate::backend::{BodyError, ByteStream};
use crate::seal::{PartSealer, SealError, SingleSealer};
use crate::telemetry::tally;

/// What seals: a state machine that is pushed to and then finished.
pub(crate) trait Seals: Send + Unpin + 'static {
    /// Seals the next plaintext bytes.
    fn push(&mut self, plain: &[u8], out: &mut BytesMut) -> Result<(), SealError>;
    /// Seals the last segment.
    fn finish(self, out: &mut BytesMut) -> Result<(), SealError>;
}

impl Seals for SingleSealer {
    fn push(&mut self, plain: &[u8], out: &mut BytesMut) -> Result<(), SealError> {
        Self::push(self, plain, out)
    }
    fn finish(self, out: &mut BytesMut) -> Result<(), SealError> {
        Self::finish(self, out)
    }
}

impl Seals for PartSealer {
    fn push(&mut self, plain: &[u8], out: &mut BytesMut) -> Result<(), SealError> {
        Self::push(self, plain, out)
    }
    fn finish(self, out: &mut BytesMut) -> Result<(), SealError> {
        Self::finish(self, out)
    }
}

/// Sees every plaintext byte and has the last word before the body may end well.
pub(crate) trait Inspects: Send + Unpin + 'static {
    /// The next plaintext bytes.
    fn update(&mut self, plain: &[u8]);
    /// The verdict; an error fails the upload.
    fn settle(self) -> S3Result<()>;
}

/// The sealed form of a body of exactly `plain_bytes`.
pub(crate) fn seal(plain: StreamingBlob, plain_bytes: u64, sealer: impl Seals, inspector: impl Inspects) -> ByteStream {
    Box::pin(Sealing {
        plain,
        left: plain_bytes,
        working: Some((sealer, inspector)),
        out: BytesMut::with_capacity(OUT_BYTES),
    })
}

struct Sealing<S, I> {
    plain: StreamingBlob,
    left: u64,
    working: Option<(S, I)>,
    out: BytesMut,
}

impl<S: Seals, I: Inspects> Sealing<S, I> {
    fn take(&mut self, plain: &[u8]) -> Result<(), BodyError> {
        let Some((sealer, inspector)) = &mut self.working else { return Ok(()) };
        self.left = self.left.checked_sub(plain.len() as u64).ok_or_else(|| s3_error!(IncompleteBody))?;
        inspector.update(plain);
        sealer.push(plain, &mut self.out)?;
        tally::sealed(plain.len());
        Ok(())
    }

    fn end(&mut self) -> Result<(), BodyError> {
        let Some((sealer, inspector)) = self.working.take() else { return Ok(()) };
        if self.left != 0 {
            return Err(s3_error!(IncompleteBody).into());
        }
        inspector.settle()?;
        sealer.finish(&mut self.out)?;
        Ok(())
    }
}

impl<S: Seals, I: Inspects> Stream for Sealing<S, I> {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.out.len() >= OUT_BYTES || (self.working.is_none() && !self.out.is_empty()) {
                return Poll::Ready(Some(Ok(self.out.split().freeze())));
            }
            if self.working.is_none() {
                return Poll::Ready(None);
            }
            let step = match ready!(Pin::new(&mut self.plain).poll_next(context)) {
                Some(Ok(plain)) => self.take(&plain),
                Some(Err(error)) => Err(error),
                None => self.end(),
            };
            if let Err(error) = step {
                self.working = None;
                self.out.clear();
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

/// Sealed bytes go out in pieces of about this size.
const OUT_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
