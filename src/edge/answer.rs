//! The body of an answer on its way out: it carries the request's permit and log span until its last byte.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use s3s::StdError;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Span;

/// An answer's body. Dropped when it was sent, or when the client went away.
pub(super) struct AnswerBody {
    inner: s3s::Body,
    span: Span,
    _permit: Option<OwnedSemaphorePermit>,
}

impl AnswerBody {
    pub(super) fn new(inner: s3s::Body, span: Span, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self { inner, span, _permit: permit }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let this = &mut *self;
        let _entered = this.span.enter();
        let frame = Pin::new(&mut this.inner).poll_frame(context);
        if let Poll::Ready(Some(Err(error))) = &frame {
            tracing::warn!(error = %error, "the answer was cut short");
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
