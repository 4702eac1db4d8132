//! A connection that looks at how much comes: a head of HTTP/1.1 that does not end counts as held memory, and HTTP/2
//! without progress uses up an [`Allowance`].

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::{Allowance, Connection};
use super::timed::PREFACE;
use crate::body::budget::Held;

/// A transport that ends once too much came on it for nothing.
pub(super) struct Bounded<T> {
    inner: T,
    connection: Arc<Connection>,
    came: Came,
    /// bytes of HTTP/2 that were read since others had their turn
    at_once: usize,
}

/// What came without progress.
enum Came {
    /// HTTP/1.1, or so far the beginning of HTTP/2: bytes of a head that has not ended, and what is held for them
    Head { bytes: usize, is_preface: bool, held: Held },
    /// HTTP/2
    Frames(Allowance),
}

impl<T> Bounded<T> {
    pub(super) fn new(inner: T, connection: Arc<Connection>, held: Held) -> Self {
        Self { inner, connection, came: Came::Head { bytes: 0, is_preface: true, held }, at_once: 0 }
    }

    /// An error once too much came.
    fn saw(&mut self, came: &[u8]) -> io::Result<()> {
        match &mut self.came {
            Came::Frames(allowance) => {
                self.at_once += came.len();
                if !allowance.spend(came.len(), &self.connection) {
                    self.connection.was_flooded();
                    return Err(refused("frames without progress"));
                }
            }
            Came::Head { bytes, is_preface, held } => {
                if *is_preface {
                    let expected = PREFACE.get(*bytes..).unwrap_or_default();
                    *is_preface = came.iter().zip(expected).all(|(came, expected)| came == expected);
                    if *is_preface && *bytes + came.len() >= PREFACE.len() {
                        self.came = Came::Frames(Allowance::new());
                        return Ok(());
                    }
                }
                *bytes = if self.connection.is_idle() { *bytes + came.len() } else { 0 };
                let counted = if *bytes > SHORT_HEAD_BYTES { *bytes } else { 0 };
                held.set(counted as u64).map_err(|_| refused("long heads under way take all memory for them"))?;
            }
        }
        Ok(())
    }

    /// Something is answered: the head before it has ended, and what comes next is another.
    fn answers(&mut self) {
        if let Came::Head { bytes, held, .. } = &mut self.came {
            *bytes = 0;
            if !held.is_nothing() {
                // giving back always works
                let _less = held.set(0);
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Bounded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.at_once >= AT_ONCE_BYTES {
            // small frames take long to read: others come first
            self.at_once = 0;
            ready!(pin!(tokio::task::yield_now()).poll(context));
        }
        let before = buffer.filled().len();
        let Poll::Ready(read) = Pin::new(&mut self.inner).poll_read(context, buffer) else {
            self.at_once = 0;
            return Poll::Pending;
        };
        read?;
        Poll::Ready(self.saw(&buffer.filled()[before..]))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Bounded<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.answers();
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.answers();
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }
}

fn refused(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, what)
}

/// What HTTP/2 may bring before others have their turn: some hundred microseconds if all of it is small frames.
const AT_ONCE_BYTES: usize = 32 << 10;
/// A head of common length, which a connection has room for anyway.
const SHORT_HEAD_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::budget::Budget;

    const HERE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn bounded(budget: &Budget) -> Bounded<()> {
        Bounded::new((), Arc::new(Connection::new()), budget.held_before_requests(HERE))
    }

    #[test]
    fn half_heads_hold_no_more_than_forms_may() {
        let budget = Budget::new(100, 8 << 20);
        let mut open: Vec<Bounded<()>> = Vec::new();
        let refused = loop {
            let mut next = bounded(&budget);
            let head = next.saw(b"GET / HTTP/1.1\r\nx: ").and_then(|()| next.saw(&vec![b'x'; 100_000]));
            match head {
                Ok(()) => open.push(next),
                Err(error) => break error,
            }
        };
        assert_eq!(refused.kind(), io::ErrorKind::QuotaExceeded);
        assert!((1..=10).contains(&open.len()), "{} heads of 100 KB in an eighth of 8 MiB", open.len());
        open.clear();
        assert!(bounded(&budget).saw(&vec![b'x'; 100_000]).is_ok(), "what was held is given back");
    }

    #[test]
    fn bodies_of_http_1_are_not_heads() {
        let budget = Budget::new(100, 1 << 20);
        let mut body = bounded(&budget);
        let _request = body.connection.begin();
        for _ in 0..1_000 {
            body.saw(&vec![0; 100_000]).unwrap();
        }
    }

    #[tokio::test]
    async fn heads_that_were_answered_count_no_more() {
        use tokio::io::AsyncWriteExt as _;

        let budget = Budget::new(100, 1 << 20);
        let held = budget.held_before_requests(HERE);
        let mut kept_alive = Bounded::new(tokio::io::sink(), Arc::new(Connection::new()), held);
        for _ in 0..1_000 {
            kept_alive.saw(b"GET / HTTP/1.1\r\nx: ").and_then(|()| kept_alive.saw(&vec![b'x'; 50_000])).unwrap();
            kept_alive.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        }
        let Came::Head { held, .. } = &kept_alive.came else { panic!("it is HTTP/1.1") };
        assert!(held.is_nothing(), "an answered head is held no more");
    }

    #[tokio::test]
    async fn who_sends_many_frames_lets_others_have_their_turn() {
        use tokio::io::AsyncReadExt as _;

        let flood: Vec<u8> = PREFACE.iter().copied().chain(std::iter::repeat_n(0, 1 << 20)).collect();
        let held = Budget::new(100, 8 << 20).held_before_requests(HERE);
        let mut frames = Bounded::new(flood.as_slice(), Arc::new(Connection::new()), held);
        let mut turns = 0;
        let mut taken = vec![0; 4096];
        let read = async { while frames.read(&mut taken).await.unwrap() > 0 {} };
        let mut read = pin!(read);
        std::future::poll_fn(|context| {
            turns += 1;
            read.as_mut().poll(context)
        })
        .await;
        assert!(turns >= (1 << 20) / (AT_ONCE_BYTES + 4096), "{turns}");
    }

    #[test]
    fn frames_that_ask_for_nothing_are_cut_however_the_preface_came() {
        for piece in [1, 10, PREFACE.len(), 1_000] {
            let mut frames = bounded(&Budget::new(100, 8 << 20));
            let priority = [0, 0, 5, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 16];
            let flood: Vec<u8> = PREFACE.iter().copied().chain(priority.into_iter().cycle().take(4 << 20)).collect();
            let cut = flood.chunks(piece).try_for_each(|bytes| frames.saw(bytes));
            assert!(cut.is_err(), "in pieces of {piece}");
        }
    }
}
