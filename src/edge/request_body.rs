//! The body of a request on its way in: it ends in an error when the client stops sending, and tells whether all of it
//! was read.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use prometheus_client::metrics::counter::Counter;
use s3s::{StdError, s3_error};

use super::stall::StallClock;

/// The framework's body of what comes in, and how far it was read.
pub(super) fn watched(incoming: Incoming, stall_timeout: Duration, counter: Counter) -> (s3s::Body, Progress) {
    let progress = Progress::new(incoming.is_end_stream(), counter);
    if progress.is_read() {
        return (s3s::Body::empty(), progress);
    }
    let body = Watched { inner: incoming, clock: StallClock::new(stall_timeout), progress: progress.clone() };
    (s3s::Body::http_body(body), progress)
}

/// Whether the body of a request was read to its end.
#[derive(Clone)]
pub(super) struct Progress {
    is_read: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    /// of all requests
    counter: Counter,
}

impl Progress {
    fn new(is_read: bool, counter: Counter) -> Self {
        Self { is_read: Arc::new(AtomicBool::new(is_read)), bytes: Arc::default(), counter }
    }

    pub(super) fn is_read(&self) -> bool {
        self.is_read.load(Ordering::Relaxed)
    }

    /// How many bytes were read, for whoever asks at the end.
    pub(super) fn bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes)
    }

    fn saw(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.counter.inc_by(bytes as u64);
    }
}

struct Watched<B> {
    inner: B,
    clock: StallClock,
    progress: Progress,
}

impl<B> Body for Watched<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<StdError>,
{
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) {
            this.clock.stop();
            if let Some(Ok(data)) = frame.as_ref().map(|frame| frame.as_ref().map(Frame::data_ref))
                && let Some(data) = data
            {
                this.progress.saw(data.len());
            }
            if frame.is_none() || this.inner.is_end_stream() {
                this.progress.is_read.store(true, Ordering::Relaxed);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(this.clock.poll_stalled(context));
        this.clock.stop();
        Poll::Ready(Some(Err(s3_error!(RequestTimeout).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body_util::{BodyExt as _, StreamBody};
    use s3s::{S3Error, S3ErrorCode};

    use super::*;

    #[tokio::test]
    async fn a_body_that_stalls_ends_in_request_timeout() {
        let bytes = stream::once(async { Ok::<_, StdError>(Frame::data(Bytes::from_static(b"a"))) });
        let inner = StreamBody::new(Box::pin(stream::StreamExt::chain(bytes, stream::pending())));
        let progress = Progress::new(false, Counter::default());
        let mut body = Watched { inner, clock: StallClock::new(Duration::from_millis(1)), progress: progress.clone() };
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(error.downcast::<S3Error>().unwrap().code(), &S3ErrorCode::RequestTimeout);
        assert!(!progress.is_read());
    }

    #[tokio::test]
    async fn a_body_is_read_once_its_end_was_seen() {
        let inner = StreamBody::new(stream::iter([Ok::<_, StdError>(Frame::data(Bytes::from_static(b"a")))]));
        let progress = Progress::new(false, Counter::default());
        let mut body = Watched { inner, clock: StallClock::new(Duration::from_mins(1)), progress: progress.clone() };
        body.frame().await.unwrap().unwrap();
        assert!(!progress.is_read());
        assert!(body.frame().await.is_none());
        assert!(progress.is_read());
        assert_eq!(progress.bytes().load(Ordering::Relaxed), 1);
    }
}
