//! How much of a signed body the framework holds: a chunk of `STREAMING-AWS4-HMAC-SHA256-PAYLOAD` is kept until all of it
//! is there and its signature was verified, see
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>. One without a signature streams. What a chunk
//! says counts, not the header: the framework keeps a chunk that has a signature even where none is due.

use http::HeaderMap;

/// Follows the framing of a body, so far as lengths go; what is wrong with it is for the framework to say.
pub(super) struct Chunks {
    at: At,
    /// what the chunk under way holds
    held_bytes: u64,
}

#[derive(Clone, Copy)]
enum At {
    /// in the hexadecimal length, read so far
    Length(u64),
    /// behind it, up to the end of the line; the length, and whether the chunk is kept
    Line(u64, bool),
    /// in the chunk, so many bytes before its end
    Data(u64, bool),
    /// between a chunk and the next one's length
    Between,
    /// behind the last chunk
    Trailer,
}

impl Chunks {
    /// Of a request whose body is in chunks.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let kind = headers.get("x-amz-content-sha256")?.as_bytes();
        kind.starts_with(b"STREAMING-").then_some(Self { at: At::Length(0), held_bytes: 0 })
    }

    /// The bytes that are held while more is waited for.
    pub(super) fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// The next bytes came. The most that is held until more is asked for; `overhead` is what holding them costs beside.
    pub(super) fn saw(&mut self, mut bytes: &[u8], overhead: u64) -> u64 {
        let most = self.held_bytes + bytes.len() as u64 + overhead;
        while let Some(first) = bytes.first() {
            let taken = match self.at {
                At::Length(length) => {
                    self.at = match char::from(*first).to_digit(16) {
                        Some(digit) => At::Length(length.saturating_mul(16).saturating_add(digit.into())),
                        None if *first == b'\n' => At::Length(0),
                        None => At::Line(length, *first == b';'),
                    };
                    1
                }
                At::Line(length, is_kept) => match bytes.iter().position(|byte| *byte == b'\n') {
                    Some(end) => {
                        self.at = if length == 0 { At::Trailer } else { At::Data(length, is_kept) };
                        end + 1
                    }
                    None => bytes.len(),
                },
                At::Data(left, is_kept) => {
                    let some = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let left = left - some as u64;
                    let is_held = is_kept && left > 0;
                    self.held_bytes = if is_held { self.held_bytes + some as u64 + overhead } else { 0 };
                    self.at = if left == 0 { At::Between } else { At::Data(left, is_kept) };
                    some
                }
                At::Between => {
                    if *first == b'\n' {
                        self.at = At::Length(0);
                    }
                    1
                }
                At::Trailer => bytes.len(),
            };
            bytes = &bytes[taken..];
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks() -> Chunks {
        let headers = [("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")];
        let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Chunks::of(&HeaderMap::from_iter(headers)).unwrap()
    }

    fn framed(lengths: &[usize]) -> Vec<u8> {
        let chunk = |length: &usize| {
            [format!("{length:x};chunk-signature={}\r\n", "0".repeat(64)).as_bytes(), &vec![b'\n'; *length], b"\r\n"]
                .concat()
        };
        lengths.iter().flat_map(chunk).collect()
    }

    #[test]
    fn a_chunk_is_held_until_its_last_byte() {
        let mut chunks = chunks();
        let body = framed(&[1000, 50]);
        let (begin, rest) = body.split_at(600);
        chunks.saw(begin, 0);
        let head = "3e8;chunk-signature=".len() + 64 + 2;
        assert_eq!(chunks.held_bytes(), 600 - head as u64);
        let most = chunks.saw(rest, 0);
        assert!(most >= 1000, "the whole chunk is held until more is asked for: {most}");
        assert_eq!(chunks.held_bytes(), 0);
    }

    #[test]
    fn pieces_of_any_length_give_the_same() {
        let body = framed(&[300, 7, 0, 900]);
        for piece in [1, 2, 3, 64, 10_000] {
            let mut chunks = chunks();
            let mut held = Vec::new();
            for bytes in body.chunks(piece) {
                chunks.saw(bytes, 0);
                held.push(chunks.held_bytes());
            }
            assert_eq!(held.last(), Some(&0), "pieces of {piece}");
            assert!(held.iter().all(|held| *held < 300), "behind the last chunk nothing is held");
        }
    }

    #[test]
    fn small_pieces_count_for_more_than_their_bytes() {
        let mut chunks = chunks();
        for byte in &framed(&[100])[..80 + 50] {
            chunks.saw(&[*byte], 64);
        }
        assert!(chunks.held_bytes() > 40 * 64, "{}", chunks.held_bytes());
    }

    #[test]
    fn chunks_without_signatures_are_not_held() {
        let headers =
            HeaderMap::from_iter([("x-amz-content-sha256".parse().unwrap(), "UNSIGNED-PAYLOAD".parse().unwrap())]);
        assert!(Chunks::of(&headers).is_none());
        let mut chunks = chunks();
        chunks.saw(b"3e8\r\n", 0);
        chunks.saw(&[0; 999], 0);
        assert_eq!(chunks.held_bytes(), 0, "a chunk without a signature streams");
    }
}
