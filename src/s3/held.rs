//! Stored bytes that an answer brought, kept for as long as the request may need more of them than it first asked for: held
//! if they are few, else still on their way.

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, stream};
use s3s::S3Result;

use super::read::failed;
use crate::backend::{BodyError, ByteStream, Fetched};
use crate::body::budget::hold_until_end;
use crate::seal::Span;

/// What an answer brought.
pub(crate) enum AtHand {
    /// nothing that is of use
    Nothing,
    /// some bytes
    Held(Held),
    /// bytes that nobody has read yet
    Coming(Coming),
}

impl AtHand {
    /// What an answer brought of an object, of which the last `end_bytes` are wanted too: a short answer that has them is
    /// held, any other stays on its way.
    pub(crate) async fn new(fetched: Fetched, end_bytes: u64) -> S3Result<Self> {
        let Fetched { info, first, bytes, stream } = fetched;
        let has_end =
            first <= info.stored_bytes.saturating_sub(end_bytes) && first.saturating_add(bytes) >= info.stored_bytes;
        if has_end && bytes <= SHORT_BYTES_MAX {
            return Held::all(first, bytes, stream).await.map(Self::Held);
        }
        Ok(Self::Coming(Coming::new(first, bytes, stream)))
    }

    /// The bytes that are held.
    pub(crate) fn held(&self) -> Option<&Held> {
        match self {
            Self::Held(held) => Some(held),
            Self::Nothing | Self::Coming(_) => None,
        }
    }

    /// The stored bytes of a span, if all of them are here or on their way.
    pub(crate) fn into_span(self, span: Span) -> Option<ByteStream> {
        match self {
            Self::Nothing => None,
            Self::Held(held) => {
                let bytes = held.slice(span.stored_first, span.stored_bytes)?;
                Some(Box::pin(stream::once(std::future::ready(Ok(bytes)))))
            }
            Self::Coming(coming) => coming.into_span(span),
        }
    }
}

/// Contiguous stored bytes of an object that are still on their way.
pub(crate) struct Coming {
    first: u64,
    bytes: u64,
    stream: ByteStream,
}

impl Coming {
    /// Those of an answer.
    pub(crate) fn new(first: u64, bytes: u64, stream: ByteStream) -> Self {
        Self { first, bytes, stream }
    }

    /// Exactly those of a span; `None` if they are not among these. What comes behind is read too if it is little, so that
    /// the connection serves again.
    pub(crate) fn into_span(self, span: Span) -> Option<ByteStream> {
        let Self { first, bytes, stream } = self;
        let before = span.stored_first.checked_sub(first)?;
        let behind = bytes.checked_sub(before)?.checked_sub(span.stored_bytes)?;
        if before == 0 && behind == 0 {
            return Some(stream);
        }
        let cut = Cut { stream, before, left: span.stored_bytes, behind };
        Some(Box::pin(stream::try_unfold(
            cut,
            |mut cut| async move { Ok(cut.next().await?.map(|piece| (piece, cut))) },
        )))
    }
}

/// A stream without its beginning and its end.
struct Cut {
    stream: ByteStream,
    /// bytes to pass over
    before: u64,
    /// bytes to give
    left: u64,
    /// bytes behind them
    behind: u64,
}

impl Cut {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        while self.left > 0 {
            let Some(mut piece) = self.stream.next().await.transpose()? else { return Ok(None) };
            let before = self.before.min(piece.len() as u64);
            self.before -= before;
            drop(piece.split_to(usize::try_from(before)?));
            piece.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= piece.len() as u64;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        if self.behind <= SHORT_BYTES_MAX {
            // an answer that fails here has given all that was wanted of it
            while let Some(Ok(_)) = self.stream.next().await {}
        }
        Ok(None)
    }
}

/// Some contiguous stored bytes of an object.
pub(crate) struct Held {
    first: u64,
    bytes: Bytes,
}

impl Held {
    /// All bytes of an answer; the caller looks at its length first.
    pub(crate) async fn all(first: u64, bytes: u64, mut stream: ByteStream) -> S3Result<Self> {
        hold_until_end(bytes)?;
        let mut held = BytesMut::with_capacity(usize::try_from(bytes).unwrap_or(0));
        while let Some(piece) = stream.next().await {
            held.extend_from_slice(&piece.map_err(failed)?);
        }
        Ok(Self { first, bytes: held.freeze() })
    }

    /// All of them.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// `bytes` stored bytes from `first` on, if all of them are here.
    pub(crate) fn slice(&self, first: u64, bytes: u64) -> Option<Bytes> {
        let from = usize::try_from(first.checked_sub(self.first)?).ok()?;
        let to = from.checked_add(usize::try_from(bytes).ok()?)?;
        (to <= self.bytes.len()).then(|| self.bytes.slice(from..to))
    }
}

/// What is worth reading to its end rather than give up the connection: what a guess of a range asks for too much.
const SHORT_BYTES_MAX: u64 = 512 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bytes_that_are_there_are_given() {
        let held = Held { first: 10, bytes: Bytes::from_static(b"0123456789") };
        assert_eq!(held.slice(10, 10).unwrap(), "0123456789");
        assert_eq!(held.slice(12, 3).unwrap(), "234");
        for (first, bytes) in [(9, 2), (10, 11), (21, 1), (u64::MAX, 2)] {
            assert_eq!(held.slice(first, bytes), None, "{bytes} from {first}");
        }
    }

    /// The bytes 10 to 19, in pieces.
    fn coming() -> Coming {
        let pieces = ["012", "", "3456", "789"].map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
        Coming::new(10, 10, Box::pin(stream::iter(pieces)))
    }

    #[tokio::test]
    async fn bytes_on_their_way_are_cut_to_the_span() {
        for (stored_first, stored_bytes, wanted) in
            [(10, 10, "0123456789"), (12, 3, "234"), (13, 7, "3456789"), (10, 1, "0")]
        {
            let cut = coming().into_span(Span { stored_first, stored_bytes }).unwrap();
            let given: Vec<Bytes> = cut.map(Result::unwrap).collect().await;
            assert_eq!(given.concat(), wanted.as_bytes());
        }
        for (stored_first, stored_bytes) in [(9, 2), (10, 11), (21, 1), (u64::MAX, 2)] {
            assert!(
                coming().into_span(Span { stored_first, stored_bytes }).is_none(),
                "{stored_bytes} from {stored_first}"
            );
        }
    }
}
