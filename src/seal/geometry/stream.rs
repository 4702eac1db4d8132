//! The layout of one stream, and of a part around one. A layout is checked when it is made; after that none of its
//! sums can overflow, and saturating operations merely say so to the compiler.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use super::{
    LengthError, PART_HEADER_BYTES, PART_OVERHEAD_BYTES, PART_PLAIN_BYTES_MAX, PART_SEGMENTS_MAX, PlainLen, PlainRange,
    SEGMENT_BYTES, STREAM_HEADER_BYTES, SealedLen, Span, TAG_BYTES, range::StreamSpan,
};

/// How one plaintext is cut into segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct StreamLayout {
    plain_bytes: u64,
    segment_bytes: u64,
    segments: u32,
}

impl StreamLayout {
    /// The stream of a single object, of a record, of attributes: segments of 64 KiB.
    pub(in super::super) fn single(plain: PlainLen) -> Result<Self, LengthError> {
        Self::new(plain, SEGMENT_BYTES)
    }

    fn new(plain: PlainLen, segment_bytes: u64) -> Result<Self, LengthError> {
        let too_long = LengthError::PlainTooLong { bytes: plain.0 };
        let room = segment_bytes.saturating_sub(TAG_BYTES);
        let framed = plain.0.checked_add(STREAM_HEADER_BYTES).ok_or(too_long)?;
        let segments = u32::try_from(framed.div_ceil(room).max(1)).map_err(|_| too_long)?;
        Ok(Self { plain_bytes: plain.0, segment_bytes, segments })
    }

    /// The inverse of [`StreamLayout::sealed_bytes`] for streams of 64 KiB segments.
    pub(in super::super) fn of_sealed(stream_bytes: u64) -> Result<Self, LengthError> {
        let stored = SealedLen(stream_bytes.saturating_add(super::SINGLE_STREAM_OFFSET));
        Self::single(super::single_plain(stored)?)
    }

    pub(in super::super) fn plain(&self) -> PlainLen {
        PlainLen(self.plain_bytes)
    }

    /// Header, ciphertext and tags.
    pub(in super::super) fn sealed_bytes(&self) -> u64 {
        let tags = u64::from(self.segments).saturating_mul(TAG_BYTES);
        STREAM_HEADER_BYTES.saturating_add(self.plain_bytes).saturating_add(tags)
    }

    /// The index of the final segment.
    pub(in super::super) fn last(&self) -> u32 {
        self.segments.saturating_sub(1)
    }

    /// The plaintext bytes in segment `index`; 0 behind the last.
    pub(in super::super) fn segment_plain_bytes(&self, index: u32) -> u64 {
        let end = self.plain_offset(index.saturating_add(1)).min(self.plain_bytes);
        end.saturating_sub(self.plain_offset(index))
    }

    /// The segment that holds the plaintext byte at `offset`.
    pub(super) fn segment_of(&self, offset: u64) -> u32 {
        let room = self.segment_bytes.saturating_sub(TAG_BYTES);
        let index = offset.saturating_add(STREAM_HEADER_BYTES).checked_div(room).unwrap_or(0);
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// The offset of segment `index` within the stream, behind the header for the first.
    pub(super) fn stored_offset(&self, index: u32) -> u64 {
        u64::from(index).saturating_mul(self.segment_bytes).max(STREAM_HEADER_BYTES)
    }

    /// The segments that hold `range`, relative to the stream.
    pub(in super::super) fn span(&self, range: PlainRange) -> Result<StreamSpan, LengthError> {
        if range.last() >= self.plain_bytes {
            return Err(LengthError::Range);
        }
        let (first_segment, last_segment) = (self.segment_of(range.first()), self.segment_of(range.last()));
        let stored_first = self.stored_offset(first_segment);
        let stored_end = self.stored_offset(last_segment.saturating_add(1)).min(self.sealed_bytes());
        Ok(StreamSpan {
            first_segment,
            last_segment,
            skip_bytes: range.first().saturating_sub(self.plain_offset(first_segment)),
            give_bytes: range.bytes(),
            stored_first,
            stored_bytes: stored_end.saturating_sub(stored_first),
        })
    }

    /// The plaintext offset at which segment `index` begins.
    fn plain_offset(&self, index: u32) -> u64 {
        let room = self.segment_bytes.saturating_sub(TAG_BYTES);
        u64::from(index).saturating_mul(room).saturating_sub(STREAM_HEADER_BYTES)
    }
}

/// A stored part: header, stream, zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct PartLayout {
    pub(in super::super) stream: StreamLayout,
}

impl PartLayout {
    /// Doubles the segment until 1,024 of them hold the part.
    pub(in super::super) fn new(plain: PlainLen) -> Result<Self, LengthError> {
        if plain.0 > PART_PLAIN_BYTES_MAX {
            return Err(LengthError::PlainTooLong { bytes: plain.0 });
        }
        let mut segment_bytes = SEGMENT_BYTES;
        loop {
            let stream = StreamLayout::new(plain, segment_bytes)?;
            if stream.segments <= PART_SEGMENTS_MAX {
                return Ok(Self { stream });
            }
            segment_bytes = segment_bytes.saturating_mul(2);
        }
    }

    pub(in super::super) fn stored(&self) -> SealedLen {
        SealedLen(self.stream.plain_bytes.saturating_add(PART_OVERHEAD_BYTES))
    }

    /// The zeros behind the stream; a completion record may stand at their end.
    pub(in super::super) fn slack_bytes(&self) -> u64 {
        let unused = PART_SEGMENTS_MAX.saturating_sub(self.stream.segments);
        u64::from(unused).saturating_mul(TAG_BYTES)
    }

    /// The stored bytes that hold `range` of the part, from the part's first stored byte. A span that begins with the
    /// first segment begins at 0, with part header and stream header.
    pub(in super::super) fn span(&self, range: PlainRange) -> Result<Span, LengthError> {
        let span = self.stream.span(range)?;
        let stored_end = PART_HEADER_BYTES.saturating_add(span.stored_first).saturating_add(span.stored_bytes);
        let stored_first =
            if span.first_segment == 0 { 0 } else { PART_HEADER_BYTES.saturating_add(span.stored_first) };
        Ok(Span { stored_first, stored_bytes: stored_end.saturating_sub(stored_first) })
    }
}
