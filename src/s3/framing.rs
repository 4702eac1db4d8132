//! The end of a body in aws-chunked framing: a last chunk of no bytes, whatever trails, and an empty line.
//!
//! The framework takes the end of the connection's body for the end of the chunks, so one that was cut between two chunks
//! would pass for whole once all announced bytes are there, and one that was cut in its trailer for one without. [`watched`]
//! looks on as it reads, and ends such a body in an error. Bytes of chunks are passed over, not looked at.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use s3s::{HttpRequest, S3Error, StdError, s3_error};

/// Looks on where a body is framed so.
pub(super) fn watched(request: HttpRequest) -> HttpRequest {
    let is_framed = |value: &http::HeaderValue| value.as_bytes().starts_with(b"STREAMING-");
    if !request.headers().get("x-amz-content-sha256").is_some_and(is_framed) {
        return request;
    }
    let end = BodyEnd(Some(Arc::default()));
    let mut request = request.map(|inner| {
        let (framing, end) = (Framing::default(), end.clone());
        s3s::Body::http_body(Watched { inner, framing, is_over: false, end })
    });
    request.extensions_mut().insert(end);
    request
}

/// How the body of a request ended.
#[derive(Clone, Debug, Default)]
pub struct BodyEnd(Option<Arc<AtomicBool>>);

impl BodyEnd {
    /// That of this request, to be asked once it is answered.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    /// What the answer is to be, if it is a failure because the body was cut: where the framework reads a body itself, it
    /// takes that for a fault of ours.
    #[must_use]
    pub fn verdict(&self, answered: StatusCode) -> Option<S3Error> {
        let is_cut = self.0.as_ref().is_some_and(|is_cut| is_cut.load(Ordering::Relaxed));
        (is_cut && answered == StatusCode::INTERNAL_SERVER_ERROR).then(|| s3_error!(IncompleteBody))
    }

    fn cut(&self) {
        if let Some(is_cut) = &self.0 {
            is_cut.store(true, Ordering::Relaxed);
        }
    }
}

struct Watched<B> {
    inner: B,
    framing: Framing,
    is_over: bool,
    end: BodyEnd,
}

impl<B> Body for Watched<B>
where
    B: Body<Data = Bytes, Error = StdError> + Unpin,
{
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        let frame = std::task::ready!(Pin::new(&mut this.inner).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    this.framing.see(bytes);
                }
            }
            Some(Err(_)) => this.is_over = true,
            None => {
                this.is_over = true;
                if !this.framing.is_whole() {
                    this.end.cut();
                    return Poll::Ready(Some(Err(s3_error!(IncompleteBody).into())));
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.framing.is_whole() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// How far a framed body has come.
#[derive(Debug, Default)]
struct Framing {
    at: At,
    /// of the chunk whose head is being read
    chunk_bytes: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// the size of a chunk
    #[default]
    Size,
    /// the rest of that line
    Head,
    /// so many bytes of a chunk, and the line's end behind them
    Data(u64),
    /// behind the line of the last chunk; the last bytes seen
    Trailer([u8; 3]),
    /// this is no framing: the framework says so
    Lost,
}

impl Framing {
    fn see(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first() {
            match self.at {
                At::Size => {
                    let digit = char::from(first).to_digit(16);
                    let longer =
                        digit.and_then(|digit| self.chunk_bytes.checked_mul(16)?.checked_add(u64::from(digit)));
                    match (longer, first) {
                        (Some(bytes), _) => self.chunk_bytes = bytes,
                        (None, b';' | b'\r') => self.at = At::Head,
                        (None, _) => self.at = At::Lost,
                    }
                    bytes = rest;
                }
                At::Head => {
                    let line = bytes.iter().position(|&byte| byte == b'\n');
                    if line.is_some() {
                        self.at = match std::mem::take(&mut self.chunk_bytes) {
                            0 => At::Trailer([0, 0, b'\n']),
                            bytes => At::Data(bytes.saturating_add(LINE_END_BYTES)),
                        };
                    }
                    bytes = line.map_or(&[], |end| &bytes[end + 1..]);
                }
                At::Data(left) => {
                    let passed = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let left = left.saturating_sub(passed as u64);
                    self.at = if left == 0 { At::Size } else { At::Data(left) };
                    bytes = &bytes[passed..];
                }
                At::Trailer([_, a, b]) => {
                    self.at = At::Trailer([a, b, first]);
                    bytes = rest;
                }
                At::Lost => return,
            }
        }
    }

    /// Whether the body may end here.
    fn is_whole(&self) -> bool {
        matches!(self.at, At::Trailer([b'\n', b'\r', b'\n'] | [_, b'\n', b'\n']))
    }
}

const LINE_END_BYTES: u64 = 2;

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body_util::{BodyExt as _, StreamBody};
    use s3s::S3Error;

    use super::*;

    const SIGNED: &str = "5;chunk-signature=0\r\nhello\r\n0;chunk-signature=1\r\n\r\n";
    const TRAILED: &str = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    /// as one client sends it
    const TWO_LINES: &str =
        "0;chunk-signature=1\r\nx-amz-checksum-crc32:NhCmhg==\n\r\nx-amz-trailer-signature:2\r\n\r\n";

    fn is_whole(pieces: &[&str]) -> bool {
        let mut framing = Framing::default();
        for piece in pieces {
            framing.see(piece.as_bytes());
        }
        framing.is_whole()
    }

    #[test]
    fn a_body_is_whole_at_its_end_and_nowhere_before() {
        for body in [SIGNED, TRAILED] {
            for end in 0..body.len() {
                assert!(!is_whole(&[&body[..end]]), "{:?}", &body[..end]);
                assert!(is_whole(&[&body[..end], &body[end..]]), "in two pieces at {end}");
            }
        }
        assert!(is_whole(&[TWO_LINES]));
    }

    #[test]
    fn data_that_looks_like_an_end_is_none() {
        assert!(!is_whole(&["7\r\n\r\n0\r\n\r\n\r\n"]));
        assert!(!is_whole(&["5\r\n0\r\n\r\n\r\n"]));
        assert!(is_whole(&["5\r\n0\r\n\r\n\r\n0\r\n\r\n"]));
        for body in ["", "0", "0\r\n", "hello", "ffffffffffffffffff\r\n", "-1\r\n", "5\nhello"] {
            assert!(!is_whole(&[body]), "{body}");
        }
    }

    #[tokio::test]
    async fn a_body_that_is_cut_ends_in_an_error_and_then_no_more() {
        let cut = stream::iter([Ok::<_, StdError>(Frame::data(Bytes::from_static(b"5\r\nhello\r\n")))]);
        let mut body = Watched {
            inner: StreamBody::new(cut),
            framing: Framing::default(),
            is_over: false,
            end: BodyEnd::default(),
        };
        assert!(body.frame().await.unwrap().is_ok() && !body.is_end_stream());
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(error.downcast::<S3Error>().unwrap().code().as_str(), "IncompleteBody");
        assert!(body.frame().await.is_none());
    }
}
