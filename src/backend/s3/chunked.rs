//! A body in aws-chunked framing with a checksum behind it (`STREAMING-UNSIGNED-PAYLOAD-TRAILER`,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>): the store finds out whether what it got
//! is what was sent.
//!
//! ```text
//! <hex length>\r\n<bytes>\r\n … 0\r\nx-amz-checksum-crc64nvme:<base64>\r\n\r\n
//! ```
//!
//! Every chunk but the last has [`CHUNK_BYTES`], so the framed length is known beforehand. Pieces are passed on as they
//! are; nothing is copied.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use s3s::crypto::{Checksum as _, Crc64Nvme};

/// The header that the trailer stands for.
pub(super) const TRAILER: &str = "x-amz-checksum-crc64nvme";

/// The framing of one body.
pub(super) struct Framing {
    /// until it was sent
    sum: Option<Crc64Nvme>,
    /// bytes of the body that did not come yet
    left: u64,
    /// of them, in the chunk that was begun
    chunk_left: u64,
    /// framed and not sent
    ready: VecDeque<Bytes>,
}

impl Framing {
    /// For a body of so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        Self { sum: Some(Crc64Nvme::new()), left: bytes, chunk_left: 0, ready: VecDeque::new() }
    }

    /// The same with a checksum that is not that of the body.
    pub(super) fn of_another(bytes: u64) -> Self {
        let mut sum = Crc64Nvme::new();
        sum.update(b"another");
        Self { sum: Some(sum), ..Self::new(bytes) }
    }

    /// Takes the next piece of the body.
    pub(super) fn push(&mut self, mut piece: Bytes) {
        if let Some(sum) = &mut self.sum {
            sum.update(&piece);
        }
        while !piece.is_empty() {
            if self.chunk_left == 0 {
                self.chunk_left = self.left.min(CHUNK_BYTES);
                self.ready.push_back(format!("{:x}\r\n", self.chunk_left).into());
            }
            let now = usize::try_from(self.chunk_left).unwrap_or(usize::MAX).min(piece.len());
            if now == 0 {
                // more than was announced; the caller has refused it already
                return;
            }
            let bytes = piece.split_to(now);
            self.chunk_left -= now as u64;
            self.left -= now as u64;
            self.ready.push_back(bytes);
            if self.chunk_left == 0 {
                self.ready.push_back(Bytes::from_static(b"\r\n"));
            }
        }
        if self.left == 0
            && let Some(sum) = self.sum.take()
        {
            let sum = STANDARD.encode(sum.finalize());
            self.ready.push_back(format!("0\r\n{TRAILER}:{sum}\r\n\r\n").into());
        }
    }

    /// The next framed bytes.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        self.ready.pop_front()
    }
}

/// How long a body of so many bytes, at least one, is once it is framed.
pub(super) fn framed_bytes(bytes: u64) -> u64 {
    let chunk = |bytes: u64| format!("{bytes:x}").len() as u64 + 4 + bytes;
    let whole = bytes / CHUNK_BYTES * chunk(CHUNK_BYTES);
    let rest = if bytes.is_multiple_of(CHUNK_BYTES) { 0 } else { chunk(bytes % CHUNK_BYTES) };
    whole + rest + END_BYTES
}

const CHUNK_BYTES: u64 = 1 << 20;
/// `0\r\n`, the trailer with 12 characters of base64, two line ends.
const END_BYTES: u64 = 3 + TRAILER.len() as u64 + 1 + 12 + 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(body: &[u8], piece_bytes: usize) -> Vec<u8> {
        let mut framing = Framing::new(body.len() as u64);
        let mut out = Vec::new();
        for piece in body.chunks(piece_bytes) {
            framing.push(Bytes::copy_from_slice(piece));
            while let Some(bytes) = framing.next() {
                out.extend_from_slice(&bytes);
            }
        }
        out
    }

    #[test]
    fn a_short_body_is_one_chunk() {
        let text = String::from_utf8(framed(b"123456789", 4)).unwrap();
        assert_eq!(text, "9\r\n123456789\r\n0\r\nx-amz-checksum-crc64nvme:rosUhgp5mIg=\r\n\r\n");
    }

    #[test]
    fn the_length_is_known_beforehand_however_the_pieces_fall() {
        for bytes in [1, 15, 16, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20] {
            let body = vec![7; bytes];
            for piece_bytes in [65_536, 1 << 20, 700_001] {
                let framed = framed(&body, piece_bytes);
                assert_eq!(framed.len() as u64, framed_bytes(bytes as u64), "{bytes} in {piece_bytes}");
                assert!(framed.ends_with(b"=\r\n\r\n"));
            }
        }
    }
}
