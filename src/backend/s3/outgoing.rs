//! Bodies on their way to the store: held ones, which can be sent again, and streams, which cannot once they began.
//!
//! A stream's last piece waits until the stream has ended well: a store that has every announced byte may commit, so the
//! verdict on the body must come first. A stream that fails, or is shorter or longer than announced, ends the request
//! unfinished, and what it said is kept for the caller.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream as _, StreamExt as _};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::chunked::{Framing, framed_bytes};
use super::gate::Gate;
use crate::backend::{BodyError, ByteStream, SealedBody};

/// A body to send.
pub(super) enum Outgoing {
    /// all of it is here, in the pieces that it came in
    Held(Vec<Bytes>),
    /// it is still to come
    Stream(Arc<Flow>),
}

impl Outgoing {
    /// No bytes.
    pub(super) fn empty() -> Self {
        Self::Held(Vec::new())
    }

    /// These bytes.
    pub(super) fn of(bytes: impl Into<Bytes>) -> Self {
        Self::Held(Vec::from_iter(Some(bytes.into()).filter(|bytes| !bytes.is_empty())))
    }

    /// Whether there is nothing to send.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Held(pieces) if pieces.is_empty())
    }

    /// Takes a sealed body; one of at most `held_max` bytes is read to its end. Of a longer one the first piece is
    /// waited for, so that no request is opened for a body that never begins. With a `trailer` a longer one is framed, and
    /// its checksum comes behind it.
    ///
    /// # Errors
    /// What the body ended in, or that it has another length than announced.
    pub(super) async fn new(body: SealedBody, held_max: u64, trailer: Trailer) -> Result<Self, BodyError> {
        let SealedBody { bytes, mut stream, .. } = body;
        if bytes <= held_max {
            return held(bytes, stream).await.map(Self::Held);
        }
        loop {
            let Some(piece) = stream.next().await.transpose()? else { return Err(OtherLength.into()) };
            if !piece.is_empty() {
                let source = Source { stream, piece: None, unread: bytes, is_ended: false }.with(piece)?;
                return Ok(Self::Stream(Arc::new(Flow::new(source, bytes, trailer))));
            }
        }
    }

    /// The body for one attempt; a stream waits for the gate, and for so long at most.
    pub(super) fn attempt(&self, gate: Option<(Gate, Duration)>) -> SendBody {
        match self {
            Self::Held(pieces) => SendBody::Held(pieces.clone().into_iter()),
            Self::Stream(flow) => SendBody::Stream(Box::new(Sending {
                flow: Arc::clone(flow),
                gate: gate.map(|(gate, patience)| (gate, Box::pin(tokio::time::sleep(patience)))),
                source: None,
                framing: flow.trailer.framing(flow.bytes),
                progress: Beginning::First,
            })),
        }
    }

    /// The length of a body that is framed.
    pub(super) fn framed_from(&self) -> Option<u64> {
        match self {
            Self::Held(_) => None,
            Self::Stream(flow) => (flow.trailer != Trailer::None).then_some(flow.bytes),
        }
    }

    /// Whether it streams.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// Whether it can be sent again from its first byte.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Held(_) => true,
            Self::Stream(flow) => lock(&flow.source).is_some(),
        }
    }

    /// Whether all of it was taken for sending. A store that says that all is well before is not to be believed.
    pub(super) fn is_sent(&self) -> bool {
        match self {
            Self::Held(_) => true,
            Self::Stream(flow) => flow.is_sent.load(Ordering::Acquire),
        }
    }

    /// What the body ended in, if it failed.
    pub(super) fn failure(&self) -> Option<BodyError> {
        match self {
            Self::Held(_) => None,
            Self::Stream(flow) => lock(&flow.failure).take(),
        }
    }

    /// What has happened so far; changes with every piece that was taken.
    pub(super) fn progress(&self) -> Progress {
        match self {
            Self::Held(_) => Progress { taken: 0, is_awaited: false },
            Self::Stream(flow) => Progress {
                taken: flow.taken.load(Ordering::Relaxed),
                is_awaited: flow.is_awaited.load(Ordering::Relaxed),
            },
        }
    }
}

/// What comes behind a body that streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trailer {
    /// nothing
    None,
    /// its checksum
    Sum,
    /// the checksum of another body, to see whether the store looks at it
    OtherSum,
}

impl Trailer {
    fn framing(self, bytes: u64) -> Option<Framing> {
        match self {
            Self::None => None,
            Self::Sum => Some(Framing::new(bytes)),
            Self::OtherSum => Some(Framing::of_another(bytes)),
        }
    }
}

/// How far a body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// pieces that were taken for sending
    taken: u64,
    /// the sender of the body is waited for, not the store
    pub(super) is_awaited: bool,
}

async fn held(announced: u64, mut stream: ByteStream) -> Result<Vec<Bytes>, BodyError> {
    let (mut pieces, mut left) = (Vec::new(), announced);
    while let Some(piece) = stream.next().await.transpose()? {
        left = left.checked_sub(piece.len() as u64).ok_or(OtherLength)?;
        if !piece.is_empty() {
            pieces.push(piece);
        }
    }
    if left == 0 { Ok(pieces) } else { Err(OtherLength.into()) }
}

/// A stream that is sent at most once.
pub(super) struct Flow {
    bytes: u64,
    trailer: Trailer,
    /// until an attempt begins to send it
    source: Mutex<Option<Source>>,
    failure: Mutex<Option<BodyError>>,
    taken: AtomicU64,
    is_awaited: AtomicBool,
    is_sent: AtomicBool,
}

impl Flow {
    fn new(source: Source, bytes: u64, trailer: Trailer) -> Self {
        Self {
            bytes,
            trailer,
            source: Mutex::new(Some(source)),
            failure: Mutex::new(None),
            taken: AtomicU64::new(0),
            is_awaited: AtomicBool::new(false),
            is_sent: AtomicBool::new(false),
        }
    }
}

pub(super) struct Source {
    stream: ByteStream,
    /// was read and not sent yet
    piece: Option<Bytes>,
    /// bytes that the stream has still to give
    unread: u64,
    is_ended: bool,
}

impl Source {
    fn with(mut self, piece: Bytes) -> Result<Self, BodyError> {
        self.take(piece)?;
        Ok(self)
    }

    fn take(&mut self, piece: Bytes) -> Result<Option<Bytes>, BodyError> {
        self.unread = self.unread.checked_sub(piece.len() as u64).ok_or(OtherLength)?;
        Ok(self.piece.replace(piece))
    }

    /// The next piece to send; the last one only after the stream has ended.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        loop {
            if (self.unread > 0 || self.is_ended) && self.piece.is_some() {
                return Poll::Ready(Ok(self.piece.take()));
            }
            if self.is_ended {
                return Poll::Ready(Ok(None));
            }
            match ready!(Pin::new(&mut self.stream).poll_next(context)) {
                Some(Ok(piece)) if piece.is_empty() => {}
                Some(Ok(piece)) => {
                    self.take(piece)?;
                }
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None if self.unread == 0 => self.is_ended = true,
                None => return Poll::Ready(Err(OtherLength.into())),
            }
        }
    }
}

/// The body of one attempt, as the HTTP client takes it.
pub(super) enum SendBody {
    Held(std::vec::IntoIter<Bytes>),
    Stream(Box<Sending>),
}

/// An attempt to send a stream.
pub(super) struct Sending {
    flow: Arc<Flow>,
    /// until it may begin
    gate: Option<(Gate, Pin<Box<Sleep>>)>,
    source: Option<Source>,
    framing: Option<Framing>,
    progress: Beginning,
}

/// How the first bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// they are next
    First,
    /// they leave before more is asked for: a body that fails right behind them must not look like an empty one
    Flushed,
    Over,
}

impl Sending {
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Unfinished>>> {
        if self.progress == Beginning::Flushed {
            self.progress = Beginning::Over;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = self.poll_next(context);
        if self.progress == Beginning::First && matches!(polled, Poll::Ready(Some(Ok(_)))) {
            self.progress = Beginning::Flushed;
        }
        polled
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Unfinished>>> {
        if let Some((gate, patience)) = &mut self.gate {
            if !ready!(gate.poll_may_pass(context, patience.as_mut())) {
                return Poll::Ready(Some(Err(Unfinished)));
            }
            self.gate = None;
        }
        loop {
            if let Some(framed) = self.framing.as_mut().and_then(Framing::next) {
                return Poll::Ready(Some(Ok(framed)));
            }
            match (ready!(self.poll_piece(context)), &mut self.framing) {
                (Some(Ok(piece)), Some(framing)) => framing.push(piece),
                (polled, _) => return Poll::Ready(polled),
            }
        }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Unfinished>>> {
        let flow = &self.flow;
        if self.source.is_none() {
            self.source = lock(&flow.source).take();
        }
        let Some(source) = &mut self.source else { return Poll::Ready(Some(Err(Unfinished))) };
        let polled = source.poll_piece(context);
        flow.is_awaited.store(polled.is_pending(), Ordering::Relaxed);
        match ready!(polled) {
            Ok(Some(piece)) => {
                flow.taken.fetch_add(1, Ordering::Relaxed);
                flow.is_sent.store(source.is_ended, Ordering::Release);
                Poll::Ready(Some(Ok(piece)))
            }
            Ok(None) => Poll::Ready(None),
            Err(error) => {
                *lock(&flow.failure) = Some(error);
                Poll::Ready(Some(Err(Unfinished)))
            }
        }
    }
}

impl Body for SendBody {
    type Data = Bytes;
    type Error = Unfinished;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        match self.get_mut() {
            Self::Held(pieces) => Poll::Ready(pieces.next().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(sending) => {
                sending.poll_bytes(context).map(|polled| polled.map(|bytes| bytes.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Held(pieces) if pieces.as_slice().is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Held(pieces) => SizeHint::with_exact(pieces.as_slice().iter().map(|piece| piece.len() as u64).sum()),
            Self::Stream(sending) if sending.flow.trailer != Trailer::None => {
                SizeHint::with_exact(framed_bytes(sending.flow.bytes))
            }
            Self::Stream(sending) => SizeHint::with_exact(sending.flow.bytes),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stream has another length than was announced.
#[derive(Debug, thiserror::Error)]
#[error("the body has another length than announced")]
pub(super) struct OtherLength;

/// The body ended in an error; the request must not look finished.
#[derive(Debug, thiserror::Error)]
#[error("the body ended early")]
pub(super) struct Unfinished;

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn body(bytes: u64, pieces: Vec<Result<Bytes, BodyError>>) -> SealedBody {
        SealedBody { bytes, stream: Box::pin(futures::stream::iter(pieces)), late_metadata: None }
    }

    fn pieces(texts: &[&'static str]) -> Vec<Result<Bytes, BodyError>> {
        texts.iter().map(|text| Ok(Bytes::from_static(text.as_bytes()))).collect()
    }

    /// What was sent, and how it ended.
    async fn sent(outgoing: &Outgoing) -> (Vec<u8>, Option<BodyError>) {
        let (mut attempt, mut sent) = (outgoing.attempt(None), Vec::new());
        while let Some(frame) = attempt.frame().await {
            match frame {
                Ok(frame) => sent.extend_from_slice(&frame.into_data().unwrap()),
                Err(Unfinished) => break,
            }
        }
        (sent, outgoing.failure())
    }

    #[tokio::test]
    async fn a_stream_that_fails_after_its_last_byte_was_not_sent_whole() {
        let mut pieces = pieces(&["ab", "cd"]);
        pieces.push(Err("bad signature".into()));
        let (sent, failure) = sent(&Outgoing::new(body(4, pieces), 0, Trailer::None).await.unwrap()).await;
        assert_eq!((sent.as_slice(), failure.unwrap().to_string().as_str()), (b"ab".as_slice(), "bad signature"));
    }

    #[tokio::test]
    async fn a_stream_of_another_length_is_not_sent_whole() {
        for announced in [3, 5] {
            let outgoing = Outgoing::new(body(announced, pieces(&["ab", "cd"])), 0, Trailer::None).await.unwrap();
            let (sent, failure) = sent(&outgoing).await;
            assert!(failure.unwrap().is::<OtherLength>() && (sent.len() as u64) < announced, "{announced}");
        }
    }

    #[tokio::test]
    async fn a_stream_is_whole_until_it_is_sent() {
        let outgoing = Outgoing::new(body(4, pieces(&["ab", "cd"])), 0, Trailer::None).await.unwrap();
        drop(outgoing.attempt(None));
        assert!(outgoing.is_whole());
        let (bytes, failure) = sent(&outgoing).await;
        assert!(bytes == b"abcd" && failure.is_none() && !outgoing.is_whole());
    }

    #[tokio::test]
    async fn a_held_body_can_be_sent_again() {
        let outgoing = Outgoing::new(body(4, pieces(&["", "ab", "cd"])), 4, Trailer::None).await.unwrap();
        for _ in 0..2 {
            assert_eq!(sent(&outgoing).await.0, b"abcd");
            assert!(outgoing.is_whole());
        }
    }

    #[tokio::test]
    async fn a_held_body_of_another_length_is_refused() {
        for announced in [0, 3, 5] {
            assert!(
                Outgoing::new(body(announced, pieces(&["ab", "cd"])), 9, Trailer::None).await.is_err(),
                "{announced}"
            );
        }
    }

    #[tokio::test]
    async fn a_stream_that_never_begins_opens_nothing() {
        assert!(Outgoing::new(body(4, vec![Err("gone".into())]), 0, Trailer::None).await.is_err());
        assert!(Outgoing::new(body(4, Vec::new()), 0, Trailer::None).await.is_err());
    }
}
