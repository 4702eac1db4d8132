//! Ranges: what a client asks for, what is asked of the backend, and where the wanted bytes lie in the answer.
//!
//! One backend request serves a range of a single object although its length is not known beforehand:
//! 1. [`PlainRangeSpec::single_stored`] gives the stored range to ask for;
//! 2. the answer tells the whole stored length and the offset of its first byte;
//! 3. [`PlainRangeSpec::resolve`] gives the true range, for `RangeOpener::single`.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use super::{
    LengthError, PART_HEADER_BYTES, PART_OVERHEAD_BYTES, PlainLen, SEGMENT_BYTES, SINGLE_STREAM_OFFSET,
    STORED_PART_BYTES_MIN, STREAM_HEADER_BYTES, SealedLen, StreamLayout, TAG_BYTES, single_plain,
};

/// A range of plaintext bytes, never empty, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlainRange {
    first: u64,
    last: u64,
}

impl PlainRange {
    /// The bytes `first..=last`; `None` if that is no byte, or all 2^64.
    #[must_use]
    pub fn new(first: u64, last: u64) -> Option<Self> {
        let fits = first <= last && !(first == 0 && last == u64::MAX);
        fits.then_some(Self { first, last })
    }

    /// All of a plaintext; `None` if it is empty.
    #[must_use]
    pub fn whole(plain: PlainLen) -> Option<Self> {
        Self::new(0, plain.0.checked_sub(1)?)
    }

    /// `bytes` bytes from `first` on; `None` for none or on overflow.
    #[must_use]
    pub fn starting_at(first: u64, bytes: u64) -> Option<Self> {
        Self::new(first, first.checked_add(bytes.checked_sub(1)?)?)
    }

    /// The offset of the first byte.
    #[must_use]
    pub fn first(self) -> u64 {
        self.first
    }

    /// The offset of the last byte.
    #[must_use]
    pub fn last(self) -> u64 {
        self.last
    }

    /// How many bytes; at least 1.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

/// A client's range before the length is known (RFC 9110, `int-range` and `suffix-range`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainRangeSpec {
    /// `bytes=first-last`; the end may lie behind the object's
    Between {
        /// offset of the first byte
        first: u64,
        /// offset of the last byte, not before `first`
        last: u64,
    },
    /// `bytes=first-`
    From {
        /// offset of the first byte
        first: u64,
    },
    /// `bytes=-count`
    Last {
        /// how many bytes from the end
        count: u64,
    },
}

/// A range of stored bytes to ask of the backend, which cuts it at the object's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredRangeSpec {
    /// both ends inclusive
    Between {
        /// offset of the first byte
        first: u64,
        /// offset of the last byte
        last: u64,
    },
    /// to the end
    From {
        /// offset of the first byte
        first: u64,
    },
    /// the end; all of a shorter object
    Last {
        /// how many bytes
        count: u64,
    },
}

impl PlainRangeSpec {
    /// The true range in a plaintext of known length; `None` means 416.
    #[must_use]
    pub fn resolve(self, plain: PlainLen) -> Option<PlainRange> {
        let end = plain.0.checked_sub(1)?;
        match self {
            Self::Between { first, last } if first <= end => PlainRange::new(first, last.min(end)),
            Self::From { first } => PlainRange::new(first, end),
            Self::Last { count } => PlainRange::new(plain.0.saturating_sub(count), end),
            Self::Between { .. } => None,
        }
    }

    /// What to ask of the backend in case the object is a single one: the whole segments around the range, without
    /// the stream header, which comes from the metadata.
    #[must_use]
    pub fn single_stored(self) -> StoredRangeSpec {
        let start = |first| SINGLE_STREAM_OFFSET.saturating_add(offset_of(segment_of(first)));
        match self {
            Self::Between { first, last } => {
                let end = offset_of(segment_of(last).saturating_add(1)).saturating_sub(1);
                StoredRangeSpec::Between { first: start(first), last: SINGLE_STREAM_OFFSET.saturating_add(end) }
            }
            Self::From { first } => StoredRangeSpec::From { first: start(first) },
            // The last n bytes touch at most one segment more than they would fill.
            Self::Last { count } => {
                let segments = count.div_ceil(ROOM_BYTES).saturating_add(1);
                StoredRangeSpec::Last { count: segments.saturating_mul(SEGMENT_BYTES) }
            }
        }
    }

    /// What to ask of the backend when not even the kind of object is known: it holds the range of a single object, and
    /// that of a multipart one whose parts have segments of at most 256 KiB, which are parts of less than 256 MiB. That is
    /// more by up to 600 KiB and 3 in a thousand of the offset. There is none for a range that begins behind 5 GiB, where no
    /// object of S3's is a single one.
    #[must_use]
    pub fn any_stored(self) -> Option<StoredRangeSpec> {
        match self {
            Self::Between { first, .. } | Self::From { first } if first >= GUESSED_BELOW => None,
            Self::Between { first, last } => {
                Some(StoredRangeSpec::Between { first: earliest(first), last: latest_end(last).saturating_sub(1) })
            }
            Self::From { first } => Some(StoredRangeSpec::From { first: earliest(first) }),
            // at both ends a part that is not full, and the completion part
            Self::Last { count } => {
                let overhead = overhead_within(count).saturating_add(PART_OVERHEAD_BYTES.saturating_mul(2));
                Some(StoredRangeSpec::Last {
                    count: count.saturating_add(overhead).saturating_add(GUESSED_SEGMENT_BYTES),
                })
            }
        }
    }
}

/// The least stored offset at which the segment with plaintext `offset` may begin.
fn earliest(offset: u64) -> u64 {
    let found = if offset < PART_PLAIN_BYTES_MIN {
        PART_HEADER_BYTES.saturating_add(guessed_segment_of(offset).saturating_mul(GUESSED_SEGMENT_BYTES))
    } else {
        offset.saturating_sub(GUESSED_SEGMENT_BYTES)
    };
    // what comes before the first segment goes with it
    if found <= SINGLE_STREAM_OFFSET.saturating_add(STREAM_HEADER_BYTES) { 0 } else { found }
}

/// The greatest stored offset at which the segment with plaintext `offset` may end.
fn latest_end(offset: u64) -> u64 {
    if offset < PART_PLAIN_BYTES_MIN {
        let part = guessed_segment_of(offset).saturating_add(1).saturating_mul(GUESSED_SEGMENT_BYTES);
        let single = offset_of(segment_of(offset).saturating_add(1));
        part.saturating_add(PART_HEADER_BYTES).max(single.saturating_add(SINGLE_STREAM_OFFSET))
    } else {
        offset.saturating_add(overhead_within(offset)).saturating_add(GUESSED_SEGMENT_BYTES)
    }
}

/// The most overhead of parts that begin within so much plaintext: every one but the last is stored with 5 MiB or more.
fn overhead_within(plain_bytes: u64) -> u64 {
    let parts = plain_bytes.checked_div(PART_PLAIN_BYTES_MIN).unwrap_or(0);
    parts.saturating_add(1).saturating_mul(PART_OVERHEAD_BYTES)
}

fn guessed_segment_of(offset: u64) -> u64 {
    offset.saturating_add(STREAM_HEADER_BYTES).checked_div(GUESSED_SEGMENT_BYTES - TAG_BYTES).unwrap_or(0)
}

/// Where a plaintext range lies in what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// offset of the first stored byte of the first segment needed
    pub stored_first: u64,
    /// how many stored bytes, up to the end of the last segment needed
    pub stored_bytes: u64,
}

/// The stored bytes of a single object that hold `range`.
///
/// # Errors
/// [`LengthError`] when `stored` is no single object's length, or the range ends behind its plaintext.
pub fn single_span(stored: SealedLen, range: PlainRange) -> Result<Span, LengthError> {
    let span = StreamLayout::single(single_plain(stored)?)?.span(range)?;
    Ok(Span { stored_first: span.stored_first.saturating_add(SINGLE_STREAM_OFFSET), stored_bytes: span.stored_bytes })
}

/// The segments that hold a range, relative to their stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct StreamSpan {
    pub(in super::super) first_segment: u32,
    pub(in super::super) last_segment: u32,
    /// plaintext bytes at the start of the first segment that were not asked for
    pub(in super::super) skip_bytes: u64,
    /// plaintext bytes that were
    pub(in super::super) give_bytes: u64,
    pub(in super::super) stored_first: u64,
    pub(in super::super) stored_bytes: u64,
}

/// The segment of a single object that holds plaintext `offset`; its length need not be known.
fn segment_of(offset: u64) -> u64 {
    offset.saturating_add(STREAM_HEADER_BYTES).checked_div(ROOM_BYTES).unwrap_or(0)
}

fn offset_of(segment: u64) -> u64 {
    segment.saturating_mul(SEGMENT_BYTES).max(STREAM_HEADER_BYTES)
}

const ROOM_BYTES: u64 = SEGMENT_BYTES - TAG_BYTES;
/// S3's least plaintext of a part that is not the last.
const PART_PLAIN_BYTES_MIN: u64 = STORED_PART_BYTES_MIN - PART_OVERHEAD_BYTES;
/// The largest segment that is reckoned with where nothing is known.
const GUESSED_SEGMENT_BYTES: u64 = 4 * SEGMENT_BYTES;
/// The longest single object that S3 takes.
const GUESSED_BELOW: u64 = 5 << 30;
