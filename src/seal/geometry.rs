//! Plain <-> sealed: every conversion of lengths, offsets and ranges, by checked arithmetic, here and nowhere else.
//!
//! Units: bytes; ranges are inclusive, as in HTTP (RFC 9110). A stream cuts plaintext into segments stored in
//! `segment_bytes` each, of which 16 are the tag; the first also gives 40 to the stream header. So plaintext offset
//! `x` lies in segment `(x + 40) / (segment_bytes - 16)`, and segment `i > 0` begins at stream offset
//! `i * segment_bytes`. A single object is one stream behind 128 bytes; a multipart object is parts of constant
//! overhead [`PART_OVERHEAD_BYTES`].
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

mod range;
mod stream;

pub use range::{PlainRange, PlainRangeSpec, Span, StoredRangeSpec, single_span};
pub(super) use stream::{PartLayout, StreamLayout};

/// What a stored part is longer than its plaintext, whatever its length: part header 16, stream header 40 and 1,024
/// tags of 16; unused tag slots are zeros.
pub const PART_OVERHEAD_BYTES: u64 = 16_440;
/// How much of an object's end to read to be sure to hold its completion record.
pub const COMPLETION_TAIL_BYTES: u64 = PART_OVERHEAD_BYTES;
/// The largest plaintext of a part: 5 GiB, as in S3 (F-10).
pub const PART_PLAIN_BYTES_MAX: u64 = 5 << 30;
/// The largest number of a client's part; one above it is kept for the completion part (F-7).
pub const PART_NUMBER_MAX: u32 = 9_999;
/// Where the stream of a single object begins in the stored body: behind the envelope as at upload.
pub const SINGLE_STREAM_OFFSET: u64 = 128;
/// The length of a stream header.
pub const STREAM_HEADER_BYTES: u64 = 40;

/// The ciphertext segment of single objects and of parts up to 64 MiB.
const SEGMENT_BYTES: u64 = 65_536;
const TAG_BYTES: u64 = 16;
/// The length of a part header.
pub(super) const PART_HEADER_BYTES: u64 = 16;
const PART_SEGMENTS_MAX: u32 = 1_024;
/// S3's least size for a part that is not the last.
const STORED_PART_BYTES_MIN: u64 = 5 << 20;

/// A length in plaintext bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlainLen(u64);

/// A length in stored bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SealedLen(u64);

/// Why a length or range has no counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LengthError {
    /// more plaintext than the format can hold
    #[error("{bytes} plaintext bytes are too many")]
    PlainTooLong {
        /// the length
        bytes: u64,
    },
    /// no plaintext is stored in this length
    #[error("no plaintext is stored in {bytes} bytes")]
    NoSuchSealed {
        /// the length
        bytes: u64,
    },
    /// the range is empty or ends behind the plaintext
    #[error("range outside of the plaintext")]
    Range,
}

impl PlainLen {
    /// A plaintext length.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl SealedLen {
    /// A stored length, as the backend tells it; not necessarily one that a plaintext has.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// The stored length of a single object.
///
/// # Errors
/// [`LengthError::PlainTooLong`] above 2^32 - 1 segments (F-11), about 256 TiB.
pub fn single_sealed(plain: PlainLen) -> Result<SealedLen, LengthError> {
    let layout = StreamLayout::single(plain)?;
    Ok(SealedLen(layout.sealed_bytes().saturating_add(SINGLE_STREAM_OFFSET)))
}

/// The plaintext length of a single object; the inverse of [`single_sealed`].
///
/// # Errors
/// [`LengthError::NoSuchSealed`] for a length that [`single_sealed`] never gives (F-16).
pub fn single_plain(stored: SealedLen) -> Result<PlainLen, LengthError> {
    let none = LengthError::NoSuchSealed { bytes: stored.0 };
    let stream = stored.0.checked_sub(SINGLE_STREAM_OFFSET).ok_or(none)?;
    let overhead = stream.div_ceil(SEGMENT_BYTES).max(1).checked_mul(TAG_BYTES).ok_or(none)?;
    let plain = stream.checked_sub(STREAM_HEADER_BYTES).and_then(|bytes| bytes.checked_sub(overhead)).ok_or(none)?;
    match single_sealed(PlainLen(plain)) {
        Ok(sealed) if sealed == stored => Ok(PlainLen(plain)),
        Ok(_) | Err(_) => Err(none),
    }
}

/// The plaintext length of a multipart object; `stored_parts` is the count after the dash of its stored `ETag`, with
/// the completion part where there is one.
///
/// # Errors
/// [`LengthError::NoSuchSealed`] when the parts' overhead alone is longer, or the count is not in 1..=10,000.
pub fn multipart_plain(stored: SealedLen, stored_parts: u32) -> Result<PlainLen, LengthError> {
    let none = LengthError::NoSuchSealed { bytes: stored.0 };
    if stored_parts == 0 || stored_parts > PART_NUMBER_MAX.saturating_add(1) {
        return Err(none);
    }
    let overhead = u64::from(stored_parts).checked_mul(PART_OVERHEAD_BYTES).ok_or(none)?;
    stored.0.checked_sub(overhead).map(PlainLen).ok_or(none)
}

/// The stored length of a part.
///
/// # Errors
/// [`LengthError::PlainTooLong`] above 5 GiB (F-10).
pub fn part_sealed(plain: PlainLen) -> Result<SealedLen, LengthError> {
    PartLayout::new(plain).map(|layout| layout.stored())
}

/// The plaintext length of a stored part; the inverse of [`part_sealed`].
///
/// # Errors
/// [`LengthError::NoSuchSealed`] below the overhead or above 5 GiB of plaintext.
pub fn part_plain(stored: SealedLen) -> Result<PlainLen, LengthError> {
    let none = LengthError::NoSuchSealed { bytes: stored.0 };
    let plain = PlainLen(stored.0.checked_sub(PART_OVERHEAD_BYTES).ok_or(none)?);
    if plain.0 > PART_PLAIN_BYTES_MAX { Err(none) } else { Ok(plain) }
}

/// Whether the completion record goes into the zeros of the client's last part, of this plaintext length; otherwise
/// it gets a part of its own.
#[must_use]
pub fn record_goes_into_last_part(plain: PlainLen) -> bool {
    plain.0.saturating_add(PART_OVERHEAD_BYTES) < STORED_PART_BYTES_MIN
}

/// Whether a part of this plaintext length may stand anywhere but last: stored with 5 MiB or more.
#[must_use]
pub fn may_stand_before_others(plain: PlainLen) -> bool {
    !record_goes_into_last_part(plain)
}

#[cfg(test)]
mod tests;
