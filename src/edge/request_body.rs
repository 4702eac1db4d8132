//! The body of a request on its way in: it ends in an error when the client stops sending, or sends a document too slowly;
//! what the framework holds of it counts for the request; and it tells whether all of it was read.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use prometheus_client::metrics::counter::Counter;
use s3s::StdError;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::chunks::Chunks;
use super::connection::Connection;
use super::stall::StallClock;
use crate::body::budget::{Failure, Held, Share};

/// How long a client may take.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// without a byte
    pub(super) stall_timeout: Duration,
    /// for a whole form or document, beside what its length takes at [`DOCUMENT_BYTES_PER_SECOND`]
    pub(super) document_timeout: Duration,
}

/// The framework's body of what comes in, and how far it was read.
pub(super) fn watched(
    incoming: Incoming,
    headers: &HeaderMap,
    share: &Share,
    patience: Patience,
    progress: Progress,
) -> s3s::Body {
    if incoming.is_end_stream() {
        progress.is_read.store(true, Ordering::Relaxed);
        return s3s::Body::empty();
    }
    s3s::Body::http_body(Watched::new(incoming, headers, share, patience, progress))
}

/// Whether the body of a request was read to its end.
#[derive(Clone)]
pub(super) struct Progress {
    is_read: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    /// of all requests
    counter: Counter,
    /// which carries it
    connection: Arc<Connection>,
}

impl Progress {
    pub(super) fn new(counter: Counter, connection: Arc<Connection>) -> Self {
        Self { is_read: Arc::default(), bytes: Arc::default(), counter, connection }
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
        self.connection.took(bytes);
    }
}

struct Watched<B> {
    inner: B,
    clock: StallClock,
    document_timeout: Duration,
    began: Instant,
    progress: Progress,
    share: Share,
    /// of an aws-chunked body
    chunks: Option<Chunks>,
    /// what a document must hash to, and what it hashed to so far
    digest: Option<(HeaderValue, Sha256)>,
    /// what was read while the body was read whole, and what holding it costs
    document_bytes: u64,
    held: Held,
}

impl<B> Watched<B> {
    fn new(inner: B, headers: &HeaderMap, share: &Share, patience: Patience, progress: Progress) -> Self {
        Self {
            inner,
            clock: StallClock::new(patience.stall_timeout),
            document_timeout: patience.document_timeout,
            began: Instant::now(),
            progress,
            share: share.clone(),
            chunks: Chunks::of(headers),
            digest: declared_digest(headers).map(|declared| (declared.clone(), Sha256::new())),
            document_bytes: 0,
            held: share.held(),
        }
    }

    /// More is asked for: what was held until then is gone.
    fn let_go(&mut self) {
        if let Some(chunks) = &self.chunks
            && !self.held.is_nothing()
        {
            // giving back always works
            let bytes = self.document_bytes + chunks.held_bytes();
            let _less = self.held.set(bytes.saturating_sub(self.share.base_bytes()));
        }
    }

    fn saw(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.progress.saw(data.len());
        let mut bytes = 0;
        if let Some(bytes_max) = self.share.document_bytes_max() {
            if let Some((_, digest)) = &mut self.digest {
                digest.update(data);
            }
            self.document_bytes += (data.len() as u64 + FRAME_BYTES) * COPIES;
            if self.progress.bytes.load(Ordering::Relaxed) > bytes_max {
                return Err(Failure::TooLong);
            }
        } else if let Some(chunks) = &mut self.chunks {
            bytes = chunks.saw(data, FRAME_BYTES);
        }
        let beside_base = (self.document_bytes + bytes).saturating_sub(self.share.base_bytes());
        self.held.set(beside_base).map_err(Failure::Full)
    }

    /// Notes if a document is another than the one that was signed: the framework does not tell why it fails.
    fn settle(&mut self) {
        if let Some((declared, digest)) = self.digest.take()
            && self.share.document_bytes_max().is_some()
            && !declared.as_bytes().eq_ignore_ascii_case(hex(&digest.finalize()).as_bytes())
        {
            self.share.fail(Failure::Digest);
        }
    }

    /// When a document must be whole: sent at once, or at a steady pace.
    fn latest(&self) -> Option<Instant> {
        self.share.document_bytes_max()?;
        let at_pace = self.progress.bytes.load(Ordering::Relaxed) / DOCUMENT_BYTES_PER_SECOND;
        Some(self.began + self.document_timeout + Duration::from_secs(at_pace))
    }

    fn fail(&mut self, why: Failure) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        self.clock.stop();
        Poll::Ready(Some(Err(self.share.fail(why).error().into())))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The hash of the body that was signed.
fn declared_digest(headers: &HeaderMap) -> Option<&HeaderValue> {
    let is_hash = |text: &&HeaderValue| text.len() == 64 && text.as_bytes().iter().all(u8::is_ascii_hexdigit);
    headers.get("x-amz-content-sha256").filter(is_hash)
}

impl<B> Drop for Watched<B> {
    /// A document outlives the body that it came in.
    fn drop(&mut self) {
        if self.document_bytes > 0 && !self.held.is_nothing() {
            self.share.keep(std::mem::take(&mut self.held));
        }
    }
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
        this.let_go();
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) {
            this.clock.stop();
            if let Some(Ok(data)) = frame.as_ref().map(|frame| frame.as_ref().map(Frame::data_ref))
                && let Some(data) = data
                && let Err(why) = this.saw(data)
            {
                return this.fail(why);
            }
            if frame.is_none() || this.inner.is_end_stream() {
                this.settle();
                this.progress.is_read.store(true, Ordering::Relaxed);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        match this.clock.poll_stalled_or_late(context, this.latest()) {
            Poll::Ready(()) => this.fail(Failure::Slow),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What a piece costs beside its bytes.
const FRAME_BYTES: u64 = 64;
/// A document is there in pieces, then in one piece, then parsed.
const COPIES: u64 = 3;
/// At least so fast a document must come, once its time is over.
const DOCUMENT_BYTES_PER_SECOND: u64 = 16 << 10;

#[cfg(test)]
mod tests {
    use futures::{StreamExt as _, stream};
    use http_body_util::{BodyExt as _, StreamBody};
    use s3s::{S3Error, S3ErrorCode};

    use super::*;
    use crate::body::budget::{Budget, InFlight};

    fn share() -> Share {
        Budget::new(100, 8 << 20).share([127, 0, 0, 1].into())
    }

    fn progress() -> Progress {
        Progress::new(Counter::default(), Arc::new(Connection::new()))
    }

    fn body<B>(inner: B, headers: &HeaderMap, share: &Share, patience: Patience) -> Watched<B> {
        Watched::new(inner, headers, share, patience, progress())
    }

    #[expect(clippy::unnecessary_wraps, reason = "a body is a stream of results")]
    fn data(bytes: &[u8]) -> Result<Frame<Bytes>, StdError> {
        Ok(Frame::data(Bytes::copy_from_slice(bytes)))
    }

    fn code(error: StdError) -> S3ErrorCode {
        error.downcast::<S3Error>().unwrap().code().clone()
    }

    const NEVER: Duration = Duration::from_hours(1);
    const PATIENT: Patience = Patience { stall_timeout: NEVER, document_timeout: NEVER };

    #[tokio::test]
    async fn a_body_that_stalls_ends_in_request_timeout() {
        let inner = StreamBody::new(stream::iter([data(b"a")]).chain(stream::pending()));
        let patience = Patience { stall_timeout: Duration::from_millis(1), ..PATIENT };
        let mut body = body(inner, &HeaderMap::new(), &share(), patience);
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
        assert_eq!(code(body.frame().await.unwrap().unwrap_err()), S3ErrorCode::RequestTimeout);
        assert!(!body.progress.is_read());
    }

    #[tokio::test]
    async fn a_document_that_takes_too_long_ends_in_request_timeout() {
        let share = share();
        share.admit("tenant").unwrap();
        share.reads_document(1 << 20);
        let inner = StreamBody::new(stream::iter([data(b"a")]).chain(stream::pending()));
        let patience = Patience { document_timeout: Duration::from_millis(1), ..PATIENT };
        let mut slow = body(inner, &HeaderMap::new(), &share, patience);
        slow.frame().await.unwrap().unwrap();
        assert_eq!(code(slow.frame().await.unwrap().unwrap_err()), S3ErrorCode::RequestTimeout);
        assert_eq!(share.failure(), Some(Failure::Slow));
    }

    #[tokio::test]
    async fn a_long_document_has_the_time_that_its_length_takes() {
        let share = share();
        share.admit("tenant").unwrap();
        share.reads_document(1 << 20);
        let inner = StreamBody::new(stream::iter([data(&vec![0; 160 << 10])]));
        let patience = Patience { document_timeout: Duration::from_secs(3), ..PATIENT };
        let mut document = body(inner, &HeaderMap::new(), &share, patience);
        document.frame().await.unwrap().unwrap();
        assert_eq!(document.latest(), Some(document.began + Duration::from_secs(13)));
    }

    #[tokio::test]
    async fn an_upload_may_take_as_long_as_it_moves() {
        let late = stream::once(async {
            tokio::task::yield_now().await;
            data(b"a")
        });
        let patience = Patience { document_timeout: Duration::ZERO, ..PATIENT };
        let mut slow = body(StreamBody::new(Box::pin(late)), &HeaderMap::new(), &share(), patience);
        slow.frame().await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_document_over_its_limit_is_cut() {
        let share = share();
        share.admit("tenant").unwrap();
        share.reads_document(10);
        let inner = StreamBody::new(stream::iter([data(&[0; 10]), data(&[0; 1])]));
        let mut body = body(inner, &HeaderMap::new(), &share, PATIENT);
        body.frame().await.unwrap().unwrap();
        assert_eq!(code(body.frame().await.unwrap().unwrap_err()), S3ErrorCode::MaxMessageLengthExceeded);
    }

    #[tokio::test]
    async fn documents_hold_what_they_have_brought_until_their_request_ends() {
        let budget = Budget::new(100, 8 << 20);
        let document = || {
            let share = budget.share([127, 0, 0, 1].into());
            let in_flight = InFlight::new(share.clone());
            share.admit("tenant").unwrap();
            share.reads_document(8 << 20);
            (
                body(StreamBody::new(stream::iter([data(&vec![0; 1 << 20])])), &HeaderMap::new(), &share, PATIENT),
                in_flight,
            )
        };
        let (mut first, in_flight) = document();
        first.frame().await.unwrap().unwrap();
        // the framework has read it, and works on it
        drop(first);
        let (mut second, _second) = document();
        assert_eq!(code(second.frame().await.unwrap().unwrap_err()), S3ErrorCode::SlowDown);
        drop(in_flight);
        let (mut third, _third) = document();
        third.frame().await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_signed_chunk_counts_while_it_is_held() {
        let budget = Budget::new(100, 8 << 20);
        let headers = HeaderMap::from_iter([(
            "x-amz-content-sha256".parse().unwrap(),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".parse().unwrap(),
        )]);
        let upload = |frames: Vec<Result<Frame<Bytes>, StdError>>| {
            let share = budget.share([127, 0, 0, 1].into());
            let in_flight = InFlight::new(share.clone());
            share.admit("tenant").unwrap();
            (body(StreamBody::new(stream::iter(frames)), &headers, &share, PATIENT), in_flight)
        };
        let chunk = || [data(b"400000;chunk-signature=0\r\n"), data(&vec![0; 0x3f_ffff]), data(b"\0\r\n"), data(b"0")];
        let (mut first, _first) = upload(chunk().into());
        for _ in 0..2 {
            first.frame().await.unwrap().unwrap();
        }
        let (mut second, _second) = upload(chunk().into());
        second.frame().await.unwrap().unwrap();
        assert_eq!(
            code(second.frame().await.unwrap().unwrap_err()),
            S3ErrorCode::SlowDown,
            "the first holds 4 MiB of 6"
        );
        for _ in 0..2 {
            first.frame().await.unwrap().unwrap();
        }
        let (mut third, _third) = upload(chunk().into());
        for _ in 0..2 {
            third.frame().await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_document_that_is_not_the_signed_one_is_told() {
        let headers = |hash: &str| {
            HeaderMap::from_iter([("x-amz-content-sha256".parse().unwrap(), HeaderValue::from_str(hash).unwrap())])
        };
        let (right, wrong) = (hex(&Sha256::digest(b"document")), "0".repeat(64));
        for (hash, failure) in [(right, None), (wrong, Some(Failure::Digest))] {
            let share = share();
            share.admit("tenant").unwrap();
            share.reads_document(1 << 20);
            let inner = StreamBody::new(stream::iter([data(b"docu"), data(b"ment")]));
            let mut body = body(inner, &headers(&hash), &share, PATIENT);
            while let Some(frame) = body.frame().await {
                frame.unwrap();
            }
            assert_eq!(share.failure(), failure);
        }
    }

    #[tokio::test]
    async fn a_body_is_read_once_its_end_was_seen() {
        let inner = StreamBody::new(stream::iter([data(b"a")]));
        let mut body = body(inner, &HeaderMap::new(), &share(), PATIENT);
        body.frame().await.unwrap().unwrap();
        assert!(!body.progress.is_read());
        assert!(body.frame().await.is_none());
        assert!(body.progress.is_read());
        assert_eq!(body.progress.bytes().load(Ordering::Relaxed), 1);
    }
}
