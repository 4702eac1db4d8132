//! One part of a multipart object: `part_header || STREAM[secret, "sealgate/1 part" || part_header](p) || zeros`.
//!
//! A stored part is [`PART_OVERHEAD_BYTES`](geometry::PART_OVERHEAD_BYTES) longer than its plaintext, whatever its
//! length. The header, 16 bytes, is `"SGP1" || u32 part number || u64 plaintext length`; because it is in the aad, a
//! part opens under its own number and length only. The zeros of an object's last part may hold the completion record.

use bytes::BytesMut;

use super::{
    CompletionRecord, ObjectSecret, OpenError, PlainLen, PlainRange, SealError, SealedLen, StreamHeader,
    geometry::{self, LengthError, PartLayout},
    stream::{StreamOpener, StreamSealer, split_at_most},
};

/// The number of a client's part: 1 to 9,999 (F-7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartNumber(u32);

impl PartNumber {
    /// Checks the bounds.
    ///
    /// # Errors
    /// [`SealError::PartNumber`].
    pub fn new(number: u32) -> Result<Self, SealError> {
        let possible = (1..=geometry::PART_NUMBER_MAX).contains(&number);
        if possible { Ok(Self(number)) } else { Err(SealError::PartNumber { number }) }
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

/// What a stored part begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartHeader {
    number: PartNumber,
    layout: PartLayout,
}

impl PartHeader {
    /// The length of every part header.
    pub const BYTES: usize = 16;

    /// The header of a part.
    ///
    /// # Errors
    /// [`LengthError::PlainTooLong`] above 5 GiB (F-10).
    pub fn new(number: PartNumber, plain: PlainLen) -> Result<Self, LengthError> {
        Ok(Self { number, layout: PartLayout::new(plain)? })
    }

    /// Reads a header. It is authenticated only once a segment behind it has opened.
    ///
    /// # Errors
    /// [`OpenError::PartHeader`] on another length, magic, an impossible number or plaintext length.
    pub fn parse(bytes: &[u8]) -> Result<Self, OpenError> {
        let bytes: [u8; Self::BYTES] = bytes.try_into().map_err(|_| OpenError::PartHeader)?;
        let [m0, m1, m2, m3, n0, n1, n2, n3, plain @ ..] = bytes;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(OpenError::PartHeader);
        }
        let number = PartNumber::new(u32::from_be_bytes([n0, n1, n2, n3])).map_err(|_| OpenError::PartHeader)?;
        Self::new(number, PlainLen::new(u64::from_be_bytes(plain))).map_err(|_| OpenError::PartHeader)
    }

    /// The bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.number.0.to_be_bytes());
        bytes[8..].copy_from_slice(&self.plain().bytes().to_be_bytes());
        bytes
    }

    /// The part's number.
    #[must_use]
    pub fn number(self) -> PartNumber {
        self.number
    }

    /// The part's plaintext length.
    #[must_use]
    pub fn plain(self) -> PlainLen {
        self.layout.stream.plain()
    }

    /// The part's stored length.
    #[must_use]
    pub fn stored(self) -> SealedLen {
        self.layout.stored()
    }
}

/// Seals one part of a known length, under a fresh stream header each time (F-6). The tag of the last segment and the
/// zeros leave with [`PartSealer::finish`] alone (F-19).
pub struct PartSealer {
    stream_header: StreamHeader,
    preamble: Option<[u8; PREAMBLE_BYTES]>,
    stream: StreamSealer,
    slack_bytes: usize,
}

impl PartSealer {
    /// Begins a part.
    ///
    /// # Errors
    /// [`SealError::Length`] above 5 GiB (F-10), [`SealError::Randomness`].
    pub fn new(secret: &ObjectSecret, number: PartNumber, plain: PlainLen) -> Result<Self, SealError> {
        let part_header = PartHeader::new(number, plain)?;
        let layout = part_header.layout;
        let part_header = part_header.to_bytes();
        let header = StreamHeader::generate()?;
        let mut preamble = [0; PREAMBLE_BYTES];
        preamble[..PartHeader::BYTES].copy_from_slice(&part_header);
        preamble[PartHeader::BYTES..].copy_from_slice(header.as_bytes());
        let stream = StreamSealer::new(secret, &[AAD, &part_header], layout.stream, &header);
        let slack_bytes = usize::try_from(layout.slack_bytes()).unwrap_or_default();
        Ok(Self { stream_header: header, preamble: Some(preamble), stream, slack_bytes })
    }

    /// The part's stream header, for the completion record.
    #[must_use]
    pub fn stream_header(&self) -> &StreamHeader {
        &self.stream_header
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

    /// Ends the part: appends the tag of the last segment and the zeros.
    ///
    /// # Errors
    /// [`SealError::LengthDiffers`] when fewer bytes came than announced.
    pub fn finish(mut self, out: &mut BytesMut) -> Result<(), SealError> {
        self.push(&[], out)?;
        self.stream.finish(out)?;
        out.resize(out.len() + self.slack_bytes, 0);
        Ok(())
    }
}

/// Opens one part, fed from behind its header: stream header, segments, zeros.
pub struct PartOpener {
    secret: ObjectSecret,
    header: PartHeader,
    stream_header: Option<StreamHeader>,
    state: State,
    slack: Vec<u8>,
}

enum State {
    StreamHeader(Vec<u8>),
    Segments(Box<StreamOpener>),
    Slack,
}

impl PartOpener {
    /// Begins behind a header that was read with [`PartHeader::parse`].
    #[must_use]
    pub fn new(secret: &ObjectSecret, header: PartHeader) -> Self {
        let state = State::StreamHeader(Vec::with_capacity(StreamHeader::BYTES));
        Self { secret: secret.duplicate(), header, stream_header: None, state, slack: Vec::new() }
    }

    /// Takes the next stored bytes and appends the plaintext that they complete and authenticate.
    ///
    /// # Errors
    /// [`OpenError::StreamHeader`], [`OpenError::Segment`], [`OpenError::Trailing`].
    pub fn push(&mut self, mut sealed: &[u8], out: &mut BytesMut) -> Result<(), OpenError> {
        while !sealed.is_empty() {
            if self.is_done() {
                return Err(OpenError::Trailing);
            }
            sealed = self.step(sealed, out)?;
        }
        Ok(())
    }

    /// Ends: the part was whole and its slack zero (F-9).
    ///
    /// # Errors
    /// [`OpenError::Cut`], [`OpenError::Slack`].
    pub fn finish(self) -> Result<(), OpenError> {
        let slack = self.into_slack()?;
        if slack.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(OpenError::Slack) }
    }

    /// The header it was begun with.
    pub(super) fn header(&self) -> PartHeader {
        self.header
    }

    /// The header of its stream, once it came.
    pub(super) fn stream_header(&self) -> Option<&StreamHeader> {
        self.stream_header.as_ref()
    }

    /// Ends, and hands over the bytes behind the stream unchecked.
    pub(super) fn into_slack(self) -> Result<Vec<u8>, OpenError> {
        if self.is_done() { Ok(self.slack) } else { Err(OpenError::Cut) }
    }

    /// Whether all stored bytes came.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Slack) && self.slack.len() as u64 == self.header.layout.slack_bytes()
    }

    /// Whether the next segment is the part's final one.
    pub(super) fn is_at_last_segment(&self) -> bool {
        matches!(&self.state, State::Segments(stream) if stream.is_at_last())
    }

    /// Takes what the present step needs, at most one segment, and answers with the rest.
    pub(super) fn step<'a>(&mut self, sealed: &'a [u8], out: &mut BytesMut) -> Result<&'a [u8], OpenError> {
        match &mut self.state {
            State::StreamHeader(held) => {
                let (now, later) = split_at_most(sealed, (StreamHeader::BYTES - held.len()) as u64);
                held.extend_from_slice(now);
                if held.len() == StreamHeader::BYTES {
                    let header = StreamHeader::parse(held)?;
                    let aad = [AAD, &self.header.to_bytes()];
                    let stream = StreamOpener::whole(&self.secret, &aad, self.header.layout.stream, &header);
                    self.stream_header = Some(header);
                    self.state = State::Segments(Box::new(stream));
                }
                Ok(later)
            }
            State::Segments(stream) => {
                let later = stream.step(sealed, out)?;
                if stream.is_done() {
                    self.state = State::Slack;
                }
                Ok(later)
            }
            State::Slack => {
                let left = self.header.layout.slack_bytes() - self.slack.len() as u64;
                let (now, later) = split_at_most(sealed, left);
                self.slack.extend_from_slice(now);
                Ok(later)
            }
        }
    }
}

/// Opens a range of one part, fed from the first segment needed.
pub(super) fn range_opener(
    secret: &ObjectSecret,
    header: PartHeader,
    stream_header: &StreamHeader,
    range: PlainRange,
) -> Result<StreamOpener, LengthError> {
    StreamOpener::range(secret, &[AAD, &header.to_bytes()], header.layout.stream, stream_header, range)
}

/// The stream header of a part as it is stored; its first segment proves it.
///
/// # Errors
/// [`OpenError::PartHeader`], [`OpenError::StreamHeader`].
pub fn stream_header_of(stored_part: &[u8]) -> Result<StreamHeader, OpenError> {
    let (part_header, rest) = stored_part.split_at_checked(PartHeader::BYTES).ok_or(OpenError::PartHeader)?;
    PartHeader::parse(part_header)?;
    StreamHeader::parse(rest.get(..StreamHeader::BYTES).unwrap_or_default())
}

/// Puts the completion record at the end of the client's last part, as it is stored, in place of zeros.
///
/// # Errors
/// [`SealError::NoRoomForRecord`] when this is no whole part, is stored with 5 MiB or more, or has not zeros enough.
pub fn place_record(stored_part: &mut [u8], record: &CompletionRecord) -> Result<(), SealError> {
    let header = stored_part.first_chunk::<{ PartHeader::BYTES }>().and_then(|bytes| PartHeader::parse(bytes).ok());
    let layout = header.ok_or(SealError::NoRoomForRecord)?.layout;
    let whole = layout.stored().bytes() == stored_part.len() as u64;
    let fits = layout.slack_bytes() >= record.as_bytes().len() as u64;
    if !whole || !fits || !geometry::record_goes_into_last_part(layout.stream.plain()) {
        return Err(SealError::NoRoomForRecord);
    }
    let slack_bytes = usize::try_from(layout.slack_bytes()).map_err(|_| SealError::NoRoomForRecord)?;
    let slack_first = stored_part.len() - slack_bytes;
    if stored_part[slack_first..].iter().any(|byte| *byte != 0) {
        return Err(SealError::NoRoomForRecord);
    }
    let record_first = stored_part.len() - record.as_bytes().len();
    stored_part[record_first..].copy_from_slice(record.as_bytes());
    Ok(())
}

const MAGIC: [u8; 4] = *b"SGP1";
const AAD: &[u8] = b"sealgate/1 part";
/// Part header and stream header.
pub(super) const PREAMBLE_BYTES: usize = PartHeader::BYTES + StreamHeader::BYTES;

#[cfg(test)]
mod tests;
