//! Opening a range, of a single object or of a multipart one, from the stored bytes that hold it.
//!
//! ```text
//! single     spec.single_stored() → one backend request → (stored length, offset of its first byte, body)
//!            single_plain(stored) → spec.resolve(plain) → RangeOpener::single(…) → push… → finish
//! multipart  one tail request → Completion::open(…) → PartTable, to be cached
//!            spec.resolve(table.total()) → table.span(range) → at most two backend requests
//!            RangeOpener::parts(…) → push… → finish
//! ```

use std::sync::Arc;

use bytes::BytesMut;

use super::{
    ObjectSecret, OpenError, PartHeader, PartStreams, PartTable, PlainRange, SealedLen, StreamHeader,
    geometry::{self, LengthError, StreamLayout},
    part::{self, PREAMBLE_BYTES},
    single,
    stream::{StreamOpener, split_at_most},
    table::{PlacedPart, Walk, stored_end},
};

/// Opens a range and gives out the bytes asked for alone, each after its whole segment was authenticated.
pub struct RangeOpener {
    /// stored bytes to pass over before the present step
    lead_bytes: u64,
    state: State,
    /// what follows the present part
    rest: Option<Rest>,
}

enum State {
    /// part header and stream header of a part, as far as they came
    Preamble(Vec<u8>, PlacedPart, PlainRange),
    Segments(Box<StreamOpener>),
}

struct Rest {
    secret: ObjectSecret,
    table: Arc<PartTable>,
    streams: Arc<PartStreams>,
    walk: Walk,
    range: PlainRange,
    /// the stored offset behind the last segment needed of the present part
    stored_end: u64,
}

impl RangeOpener {
    /// Begins with a range of a single object; `stored` is the length of the whole stored body, and `fed_from` the
    /// stored offset of the first byte that will be pushed, at or before that of [`geometry::single_span`].
    ///
    /// # Errors
    /// [`OpenError::Length`] when no plaintext has the stored length, when the range is not within it, or when
    /// `fed_from` lies behind the first byte needed.
    pub fn single(
        secret: &ObjectSecret,
        header: &StreamHeader,
        stored: SealedLen,
        range: PlainRange,
        fed_from: u64,
    ) -> Result<Self, OpenError> {
        let span = geometry::single_span(stored, range)?;
        let lead_bytes = span.stored_first.checked_sub(fed_from).ok_or(LengthError::Range)?;
        let plain = geometry::single_plain(stored)?;
        let layout = StreamLayout::single(plain)?;
        let aad = [single::AAD, &plain.bytes().to_be_bytes()];
        let stream = StreamOpener::range(secret, &aad, layout, header, range)?;
        Ok(Self { lead_bytes, state: State::Segments(Box::new(stream)), rest: None })
    }

    /// Begins with a range of a multipart object, to be fed the bytes of [`PartTable::span`]. `streams` is what the
    /// completion record says of the parts' streams; `header` is the stream header that the span says to fetch, and is
    /// ignored where it says none.
    ///
    /// # Errors
    /// [`OpenError::Length`] when the range is not within the table, [`OpenError::StreamHeader`] when a header is needed
    /// and not given, [`OpenError::PartsDiffer`] when it is not the one of the record (F-29).
    pub fn parts(
        secret: &ObjectSecret,
        (table, streams): (Arc<PartTable>, Arc<PartStreams>),
        range: PlainRange,
        header: Option<&StreamHeader>,
    ) -> Result<Self, OpenError> {
        let needs_header = table.span(range)?.stream_header_first.is_some();
        let mut walk = Walk::to(&table, range)?;
        let (part, within) = walk.next_of(&table, range).ok_or(LengthError::Range)?;
        let stored_end = stored_end((part, within))?;
        let state = if needs_header {
            let header = header.ok_or(OpenError::StreamHeader)?;
            streams.check(part.index, header)?;
            let part_header = PartHeader::new(part.number, part.plain)?;
            State::Segments(Box::new(part::range_opener(secret, part_header, header, within)?))
        } else {
            State::Preamble(Vec::with_capacity(PREAMBLE_BYTES), part, within)
        };
        let rest = Rest { secret: secret.duplicate(), table, streams, walk, range, stored_end };
        Ok(Self { lead_bytes: 0, state, rest: Some(rest) })
    }

    /// Takes the next stored bytes and appends what they complete of the range.
    ///
    /// # Errors
    /// [`OpenError::Segment`], [`OpenError::PartHeader`], [`OpenError::StreamHeader`], [`OpenError::PartsDiffer`],
    /// [`OpenError::Trailing`].
    pub fn push(&mut self, mut sealed: &[u8], out: &mut BytesMut) -> Result<(), OpenError> {
        while !sealed.is_empty() {
            let (lead, behind) = split_at_most(sealed, self.lead_bytes);
            self.lead_bytes -= lead.len() as u64;
            sealed = match &mut self.state {
                State::Segments(stream) if stream.is_done() => return Err(OpenError::Trailing),
                State::Segments(stream) => stream.push(behind, out)?,
                State::Preamble(held, ..) => {
                    let (now, later) = split_at_most(behind, (PREAMBLE_BYTES - held.len()) as u64);
                    held.extend_from_slice(now);
                    later
                }
            };
            self.advance()?;
        }
        Ok(())
    }

    /// Ends: all of the range was there.
    ///
    /// # Errors
    /// [`OpenError::Cut`] when bytes are missing.
    pub fn finish(self) -> Result<(), OpenError> {
        match self.state {
            State::Segments(stream) if stream.is_done() => Ok(()),
            State::Segments(_) | State::Preamble(..) => Err(OpenError::Cut),
        }
    }

    /// Goes from a whole preamble to its segments, and from the last segment needed of a part to the next part.
    fn advance(&mut self) -> Result<(), OpenError> {
        let Some(rest) = &mut self.rest else { return Ok(()) };
        match &mut self.state {
            State::Preamble(held, part, range) if held.len() == PREAMBLE_BYTES => {
                let (part_header, stream_header) = held.split_at(PartHeader::BYTES);
                let expected = PartHeader::new(part.number, part.plain)?;
                if PartHeader::parse(part_header)? != expected {
                    return Err(OpenError::PartHeader);
                }
                let header = StreamHeader::parse(stream_header)?;
                rest.streams.check(part.index, &header)?;
                let stream = part::range_opener(&rest.secret, expected, &header, *range)?;
                self.state = State::Segments(Box::new(stream));
            }
            State::Segments(stream) if stream.is_done() => {
                if let Some((part, range)) = rest.walk.next_of(&rest.table, rest.range) {
                    self.lead_bytes = part.stored_first.saturating_sub(rest.stored_end);
                    rest.stored_end = stored_end((part, range))?;
                    self.state = State::Preamble(Vec::with_capacity(PREAMBLE_BYTES), part, range);
                }
            }
            State::Preamble(..) | State::Segments(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
