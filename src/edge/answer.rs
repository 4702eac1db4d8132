//! The body of an answer on its way out: it carries the request's part of the budget and its log span until its last byte,
//! and tells metrics and audit once it has ended.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, Response};
use http_body::{Body, Frame, SizeHint};
use s3s::StdError;
use tracing::Span;

use super::connection::{Busy, Connection, Sending};
use crate::body::budget::InFlight;
use crate::telemetry::request::Ended;
use crate::telemetry::{Telemetry, traces};

/// An answer's body. Dropped when it was sent, or when the client went away.
pub(super) struct AnswerBody {
    inner: s3s::Body,
    span: Span,
    ending: Ending,
    under_way: UnderWay,
}

/// What ends with an answer.
pub(super) struct UnderWay {
    /// counts the request
    pub(super) _in_flight: InFlight,
    /// the connection that the answer goes out on, and a mark that it is busy
    pub(super) connection: Option<(Arc<Connection>, Busy)>,
    /// tells that the client takes it, on HTTP/2
    pub(super) sending: Option<Arc<Sending>>,
}

/// What is told when a request has ended.
pub(super) struct Ending {
    telemetry: Telemetry,
    /// counted on the request's side
    received: Arc<AtomicU64>,
    began: Instant,
    ended: Ended,
    /// the request's span in traces
    trace: Span,
    /// the body's length, if it is known
    announced: Option<u64>,
}

impl Ending {
    /// A request begins.
    pub(super) fn new(telemetry: Telemetry, received: Arc<AtomicU64>, ended: Ended, trace: Span) -> Self {
        telemetry.metrics.in_flight.inc();
        Self { telemetry, received, began: Instant::now(), ended, trace, announced: None }
    }

    /// The answer's head is there.
    fn answered<B: Body>(&mut self, answer: &Response<B>, error_code: Option<String>) {
        self.ended.status = answer.status().as_u16();
        self.ended.error_code = error_code;
        self.ended.first_byte_micros = micros(self.began);
        let length = answer.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        self.announced = length.or_else(|| answer.body().size_hint().exact());
        let has_no_body = self.ended.method == Method::HEAD.as_str() || answer.body().is_end_stream();
        self.ended.is_whole = has_no_body || self.announced == Some(0);
    }

    fn sent(&mut self, bytes: u64) {
        self.telemetry.metrics.sent.inc_by(bytes);
        self.ended.sent_bytes += bytes;
        if self.announced == Some(self.ended.sent_bytes) {
            self.ended.is_whole = true;
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let metrics = &self.telemetry.metrics;
        metrics.in_flight.dec();
        self.ended.received_bytes = self.received.load(Ordering::Relaxed);
        self.ended.total_micros = micros(self.began);
        if !self.ended.is_whole {
            metrics.cancelled.inc();
        }
        metrics.request(&self.ended);
        traces::record(&self.trace, &self.ended);
        if let Some(audit) = &self.telemetry.audit {
            audit.record(self.ended.clone());
        }
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

impl AnswerBody {
    /// Puts the body of an answer under way.
    pub(super) fn answer(
        answer: Response<s3s::Body>,
        error_code: Option<String>,
        span: Span,
        mut ending: Ending,
        under_way: UnderWay,
    ) -> Response<Self> {
        ending.answered(&answer, error_code);
        if let Some((connection, _)) = &under_way.connection {
            connection.answered();
        }
        answer.map(|inner| Self { inner, span, ending, under_way })
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let this = &mut *self;
        let _entered = this.span.enter();
        let frame = Pin::new(&mut this.inner).poll_frame(context);
        if let Some(sending) = &this.under_way.sending {
            sending.moved(frame.is_ready());
        }
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    this.ending.sent(data.len() as u64);
                    if let Some((connection, _)) = &this.under_way.connection {
                        connection.sent(data.len());
                    }
                }
            }
            Poll::Ready(Some(Err(error))) => tracing::warn!(error = %error, "the answer was cut short"),
            Poll::Ready(None) => this.ending.ended.is_whole |= this.ending.announced.is_none(),
            Poll::Pending => {}
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
