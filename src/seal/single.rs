//! Single objects: sealing one, and opening all of one; for a range see `RangeOpener`.
//!
//! The stored body is `envelope as at upload (128) || STREAM[secret, "sealgate/1 object" || u64 plaintext length]`.
//! Because the length is in the aad, a cut or grown object fails in every range.

use bytes::BytesMut;

use super::{
    Envelope, Kind, ObjectSecret, OpenError, PlainLen, SealError, SealedLen, StreamHeader,
    geometry::{self, SINGLE_STREAM_OFFSET, StreamLayout},
    stream::{StreamOpener, StreamSealer},
};

/// Seals one object of a known length.
///
/// The first push (or [`SingleSealer::finish`]) puts envelope and stream header first. The last 16 bytes of the body
/// leave with `finish` alone (F-19).
pub struct SingleSealer {
    preamble: Option<[u8; PREAMBLE_BYTES]>,
    header: StreamHeader,
    stream: StreamSealer,
}

impl SingleSealer {
    /// Begins a body under a fresh stream header.
    ///
    /// # Errors
    /// [`SealError::WrongKind`] for a multipart envelope, [`SealError::Length`], [`SealError::Randomness`].
    pub fn new(envelope: &Envelope, secret: &ObjectSecret, plain: PlainLen) -> Result<Self, SealError> {
        if envelope.kind() != Kind::Single {
            return Err(SealError::WrongKind);
        }
        let layout = StreamLayout::single(plain)?;
        let header = StreamHeader::generate()?;
        let mut preamble = [0; PREAMBLE_BYTES];
        preamble[..Envelope::BYTES].copy_from_slice(envelope.as_bytes());
        preamble[Envelope::BYTES..].copy_from_slice(header.as_bytes());
        let stream = StreamSealer::new(secret, &[AAD, &plain.bytes().to_be_bytes()], layout, &header);
        Ok(Self { preamble: Some(preamble), header, stream })
    }

    /// The header, to be stored in the metadata value `sealgate-stream` as well.
    #[must_use]
    pub fn stream_header(&self) -> &StreamHeader {
        &self.header
    }

    /// The plaintext bytes that are still to come.
    #[must_use]
    pub fn left(&self) -> PlainLen {
        PlainLen::new(self.stream.left())
    }

    /// Seals the next plaintext bytes, appending to `out`.
    ///
    /// # Errors
    /// [`SealError::LengthDiffers`] when they go over the announced length; nothing is sealed then.
    pub fn push(&mut self, plain: &[u8], out: &mut BytesMut) -> Result<(), SealError> {
        if let Some(preamble) = self.preamble.take() {
            out.extend_from_slice(&preamble);
        }
        self.stream.push(plain, out)
    }

    /// Ends the body: appends the tag of the last segment.
    ///
    /// # Errors
    /// [`SealError::LengthDiffers`] when fewer bytes came than announced.
    pub fn finish(mut self, out: &mut BytesMut) -> Result<(), SealError> {
        self.push(&[], out)?;
        self.stream.finish(out)
    }
}

/// Opens a whole single object, fed from stored offset 0.
pub struct SingleOpener {
    secret: ObjectSecret,
    layout: StreamLayout,
    state: State,
}

enum State {
    /// the first 168 bytes as far as they came
    Preamble(Vec<u8>),
    Segments(Box<StreamOpener>),
}

impl SingleOpener {
    /// Begins; `stored` is the length of the whole stored body, which gives the plaintext's.
    ///
    /// # Errors
    /// [`OpenError::Length`] for a stored length that no plaintext has.
    pub fn new(secret: &ObjectSecret, stored: SealedLen) -> Result<Self, OpenError> {
        let layout = StreamLayout::single(geometry::single_plain(stored)?)?;
        Ok(Self { secret: secret.duplicate(), layout, state: State::Preamble(Vec::with_capacity(PREAMBLE_BYTES)) })
    }

    /// The plaintext length.
    #[must_use]
    pub fn plain(&self) -> PlainLen {
        self.layout.plain()
    }

    /// Takes the next stored bytes and appends the plaintext that they complete and authenticate. The leading envelope
    /// is skipped: the one in the metadata is what counts (F-17).
    ///
    /// # Errors
    /// [`OpenError::StreamHeader`], [`OpenError::Segment`], [`OpenError::Trailing`]. Plaintext appended before stays
    /// good; an opener that failed does not open anything behind.
    pub fn push(&mut self, mut sealed: &[u8], out: &mut BytesMut) -> Result<(), OpenError> {
        if let State::Preamble(held) = &mut self.state {
            let (now, later) = sealed.split_at(sealed.len().min(PREAMBLE_BYTES - held.len()));
            held.extend_from_slice(now);
            if held.len() < PREAMBLE_BYTES {
                return Ok(());
            }
            sealed = later;
            let header = StreamHeader::parse(&held[Envelope::BYTES..])?;
            let length = self.layout.plain().bytes().to_be_bytes();
            let stream = StreamOpener::whole(&self.secret, &[AAD, &length], self.layout, &header);
            self.state = State::Segments(Box::new(stream));
        }
        let State::Segments(stream) = &mut self.state else { return Ok(()) };
        if stream.push(sealed, out)?.is_empty() { Ok(()) } else { Err(OpenError::Trailing) }
    }

    /// Ends: all of the body was there.
    ///
    /// # Errors
    /// [`OpenError::Cut`] when bytes are missing.
    pub fn finish(self) -> Result<(), OpenError> {
        match self.state {
            State::Segments(stream) if stream.is_done() => Ok(()),
            State::Segments(_) | State::Preamble(_) => Err(OpenError::Cut),
        }
    }
}

pub(super) const AAD: &[u8] = b"sealgate/1 object";
const PREAMBLE_BYTES: usize = Envelope::BYTES + StreamHeader::BYTES;

const _: () = assert!(SINGLE_STREAM_OFFSET == Envelope::BYTES as u64);

#[cfg(test)]
mod tests;
