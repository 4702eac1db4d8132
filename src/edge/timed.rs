//! A connection that watches the clock where hyper does not: until its first bytes tell which protocol it speaks, and
//! while an answer does not move.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::stall::StallClock;

/// How an HTTP/2 connection begins (RFC 9113 section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A transport with two deadlines.
pub struct Timed<I> {
    inner: I,
    /// until the protocol is known: a deadline, and a sender that is gone from then on
    first_bytes: Option<(Pin<Box<Sleep>>, oneshot::Sender<()>)>,
    /// how many bytes came that an HTTP/2 preface begins with
    preface_bytes: usize,
    writes: StallClock,
}

impl<I> Timed<I> {
    /// The transport, and what ends once it is known which protocol the client speaks.
    #[must_use]
    pub fn new(
        inner: I,
        first_bytes_timeout: Duration,
        write_stall_timeout: Duration,
    ) -> (Self, oneshot::Receiver<()>) {
        let (unknown, known) = oneshot::channel();
        let transport = Self {
            inner,
            first_bytes: Some((Box::pin(tokio::time::sleep(first_bytes_timeout)), unknown)),
            preface_bytes: 0,
            writes: StallClock::new(write_stall_timeout),
        };
        (transport, known)
    }

    /// Looks at bytes as long as they could be a preface.
    fn saw(&mut self, bytes: &[u8]) {
        let expected = PREFACE.iter().skip(self.preface_bytes);
        let alike = bytes.iter().zip(expected).take_while(|(seen, expected)| seen == expected).count();
        self.preface_bytes += alike;
        if alike < bytes.len() || self.preface_bytes == PREFACE.len() {
            self.first_bytes = None;
        }
    }

    /// An error once nothing could be written for too long; else whatever the write said.
    fn unless_stalled<T>(&mut self, context: &mut Context<'_>, write: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if write.is_ready() {
            self.writes.stop();
            return write;
        }
        self.writes.poll_stalled(context).map(|()| Err(timed_out("the client stopped reading")))
    }
}

impl<I: Read + Unpin> Read for Timed<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some((deadline, _)) = &mut this.first_bytes else {
            return Pin::new(&mut this.inner).poll_read(context, buffer);
        };
        let mut first = [0; PREFACE.len()];
        let room = first.len().min(buffer.remaining());
        let mut some = hyper::rt::ReadBuf::new(&mut first[..room]);
        match Pin::new(&mut this.inner).poll_read(context, some.unfilled()) {
            Poll::Ready(Ok(())) => {
                let bytes = some.filled();
                buffer.put_slice(bytes);
                this.saw(bytes);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => deadline.as_mut().poll(context).map(|()| Err(timed_out("the client said nothing"))),
        }
    }
}

impl<I: Write + Unpin> Write for Timed<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.unless_stalled(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.unless_stalled(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(context);
        self.unless_stalled(context, shut)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.unless_stalled(context, written)
    }
}

fn timed_out(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;

    const SOON: Duration = Duration::from_millis(1);
    const NEVER: Duration = Duration::from_hours(1);

    fn pair(first_bytes: Duration, stall: Duration) -> (DuplexStream, TokioIo<Timed<TokioIo<DuplexStream>>>) {
        let (client, server) = tokio::io::duplex(64);
        (client, TokioIo::new(Timed::new(TokioIo::new(server), first_bytes, stall).0))
    }

    #[tokio::test]
    async fn a_silent_client_is_given_up() {
        let (_client, mut server) = pair(SOON, NEVER);
        assert_eq!(server.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn half_a_preface_is_not_enough() {
        let (mut client, mut server) = pair(SOON, NEVER);
        client.write_all(&PREFACE[..10]).await.unwrap();
        let mut read = [0; 11];
        assert_eq!(server.read_exact(&mut read).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn the_clock_stops_once_the_protocol_is_known() {
        for beginning in [PREFACE, b"G", b"PUT /", b"PRI * HTTP/1.1"] {
            let (mut client, mut server) = pair(NEVER, NEVER);
            client.write_all(beginning).await.unwrap();
            let mut read = vec![0; beginning.len()];
            server.read_exact(&mut read).await.unwrap();
            assert_eq!(read, beginning);
            assert!(server.inner().first_bytes.is_none());
        }
    }

    #[tokio::test]
    async fn a_client_that_stops_reading_is_given_up() {
        let (_client, mut server) = pair(NEVER, SOON);
        assert_eq!(server.write_all(&[0; 65]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
