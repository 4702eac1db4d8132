//! Stored bytes that an answer brought, kept for as long as the request may need more of them than it first asked for.

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use s3s::S3Result;

use super::read::failed;
use crate::backend::{ByteStream, Fetched};

/// Some contiguous stored bytes of an object.
pub(crate) struct Held {
    first: u64,
    bytes: Bytes,
}

impl Held {
    /// All bytes of an answer; the caller looks at its length first.
    pub(crate) async fn all(first: u64, bytes: u64, mut stream: ByteStream) -> S3Result<Self> {
        let mut held = BytesMut::with_capacity(usize::try_from(bytes).unwrap_or(0));
        while let Some(piece) = stream.next().await {
            held.extend_from_slice(&piece.map_err(failed)?);
        }
        Ok(Self { first, bytes: held.freeze() })
    }

    /// The bytes of a short answer; those of a longer one are let go.
    pub(crate) async fn if_short(fetched: Fetched) -> S3Result<Option<Self>> {
        let Fetched { first, bytes, stream, .. } = fetched;
        if bytes > SHORT_BYTES_MAX {
            return Ok(None);
        }
        Self::all(first, bytes, stream).await.map(Some)
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

/// What is worth reading to its end rather than give up the connection: some segments.
const SHORT_BYTES_MAX: u64 = 256 << 10;

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
}
