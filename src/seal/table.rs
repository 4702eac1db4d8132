//! The table of a multipart object's parts: numbers and plaintext lengths, in runs of equal length; where each part
//! lies, in plaintext and as stored. Arithmetic as in the geometry: a table is checked when it is made (numbers within
//! 1..=9,999, at most 5 GiB a part), after that no sum can overflow and saturating operations merely say so.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use sha2::{Digest, Sha256};

use super::{
    LengthError, PartNumber, PlainLen, PlainRange, SealError,
    geometry::{PART_HEADER_BYTES, PART_OVERHEAD_BYTES, PartLayout, Span},
};

/// The client's parts of one object, ascending by number; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartTable {
    runs: Vec<Run>,
    parts: u32,
    total: PlainLen,
}

/// Parts of consecutive numbers and equal length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: PartNumber,
    pub(super) count: u32,
    pub(super) plain: PlainLen,
}

/// A part and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedPart {
    /// its number
    pub number: PartNumber,
    /// its plaintext length
    pub plain: PlainLen,
    /// the offset of its first plaintext byte in the object's plaintext
    pub plain_first: u64,
    /// the offset of its first stored byte in the stored object
    pub stored_first: u64,
    /// how many parts come before it
    pub index: u32,
}

/// What one backend request must fetch for a range of a multipart object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartsSpan {
    /// the stored bytes to feed
    pub stored: Span,
    /// the stored offset of the 40-byte stream header of the first part, where the span does not include it; it must
    /// be fetched on its own
    pub stream_header_first: Option<u64>,
    /// how many parts come before the one that the span begins in
    pub first_index: u32,
}

impl PartTable {
    /// Makes the table of parts in ascending order.
    ///
    /// # Errors
    /// [`SealError::PartOrder`] when there is none or they do not ascend, [`SealError::Length`] for one above 5 GiB.
    pub fn from_parts(parts: impl IntoIterator<Item = (PartNumber, PlainLen)>) -> Result<Self, SealError> {
        let mut table = Self { runs: Vec::new(), parts: 0, total: PlainLen::new(0) };
        for (number, plain) in parts {
            table.append(Run { first: number, count: 1, plain })?;
        }
        if table.runs.is_empty() { Err(SealError::PartOrder) } else { Ok(table) }
    }

    /// Makes the table of the runs of a completion record.
    pub(super) fn from_runs(runs: impl IntoIterator<Item = Run>) -> Result<Self, SealError> {
        let mut table = Self { runs: Vec::new(), parts: 0, total: PlainLen::new(0) };
        for run in runs {
            table.append(run)?;
        }
        if table.runs.is_empty() { Err(SealError::PartOrder) } else { Ok(table) }
    }

    /// The plaintext length of the object.
    #[must_use]
    pub fn total(&self) -> PlainLen {
        self.total
    }

    /// How many parts the client uploaded.
    #[must_use]
    pub fn client_parts(&self) -> u32 {
        self.parts
    }

    /// All parts in order.
    pub fn iter(&self) -> impl Iterator<Item = PlacedPart> + '_ {
        let mut walk = Walk::default();
        std::iter::from_fn(move || walk.next(self))
    }

    /// The parts that hold `range`, each with the range within it. Empty parts are left out.
    ///
    /// # Errors
    /// [`LengthError::Range`] when the range ends behind the plaintext.
    pub fn locate(
        &self,
        range: PlainRange,
    ) -> Result<impl Iterator<Item = (PlacedPart, PlainRange)> + '_, LengthError> {
        let mut walk = Walk::to(self, range)?;
        Ok(std::iter::from_fn(move || walk.next_of(self, range)))
    }

    /// The plaintext range of the `position`-th part, counted from 1 as `partNumber` of a GET counts; `None` if there
    /// is no such part. The inner is `None` for an empty part.
    #[must_use]
    pub fn range_of(&self, position: u32) -> Option<Option<PlainRange>> {
        let index = usize::try_from(position.checked_sub(1)?).ok()?;
        let part = self.iter().nth(index)?;
        Some(PlainRange::starting_at(part.plain_first, part.plain.bytes()))
    }

    /// What to fetch for `range`: one contiguous run of stored bytes, and the stream header of the first part where it
    /// lies outside.
    ///
    /// # Errors
    /// [`LengthError::Range`] when the range ends behind the plaintext.
    pub fn span(&self, range: PlainRange) -> Result<PartsSpan, LengthError> {
        let mut located = self.locate(range)?;
        let first = located.next().ok_or(LengthError::Range)?;
        let last = located.last().unwrap_or(first);
        let first_span = part_span(first)?;
        let stored_first = first.0.stored_first.saturating_add(first_span.stored_first);
        let stored_end = stored_end(last)?;
        let stored = Span { stored_first, stored_bytes: stored_end.saturating_sub(stored_first) };
        let inside = first_span.stored_first == 0;
        Ok(PartsSpan {
            stored,
            stream_header_first: (!inside).then_some(first.0.stored_first.saturating_add(PART_HEADER_BYTES)),
            first_index: first.0.index,
        })
    }

    /// SHA-256 over `u32 number || u64 plaintext length` of every part.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = PartsDigest::default();
        for part in self.iter() {
            digest.add(part.number, part.plain);
        }
        digest.finish()
    }

    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    fn append(&mut self, run: Run) -> Result<(), SealError> {
        PartLayout::new(run.plain)?;
        PartNumber::new(run.first.number().saturating_add(run.count).saturating_sub(1))?;
        let next = self.runs.last().map_or(1, |last| last.first.number().saturating_add(last.count));
        if run.count == 0 || run.first.number() < next {
            return Err(SealError::PartOrder);
        }
        self.parts = self.parts.saturating_add(run.count);
        self.total = PlainLen::new(self.total.bytes().saturating_add(run.bytes()));
        match self.runs.last_mut() {
            Some(last) if run.plain == last.plain && run.first.number() == next => {
                last.count = last.count.saturating_add(run.count);
            }
            Some(_) | None => self.runs.push(run),
        }
        Ok(())
    }
}

impl Run {
    fn bytes(self) -> u64 {
        u64::from(self.count).saturating_mul(self.plain.bytes())
    }
}

/// A place in a table. Kept apart from it so that an opener can own both.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Walk {
    run: usize,
    within_run: u32,
    plain_first: u64,
    stored_first: u64,
    index: u32,
}

impl Walk {
    /// The first part that holds a byte of `range`.
    pub(super) fn to(table: &PartTable, range: PlainRange) -> Result<Self, LengthError> {
        if range.last() >= table.total.bytes() {
            return Err(LengthError::Range);
        }
        let mut walk = Self::default();
        while let Some(run) = table.runs.get(walk.run) {
            if walk.plain_first.saturating_add(run.bytes()) > range.first() {
                let parts = range.first().saturating_sub(walk.plain_first).checked_div(run.plain.bytes()).unwrap_or(0);
                walk.skip(*run, u32::try_from(parts).unwrap_or(run.count));
                break;
            }
            walk.skip(*run, run.count);
        }
        Ok(walk)
    }

    pub(super) fn next(&mut self, table: &PartTable) -> Option<PlacedPart> {
        let run = table.runs.get(self.run)?;
        let number = PartNumber::new(run.first.number().saturating_add(self.within_run)).ok()?;
        let Self { plain_first, stored_first, index, .. } = *self;
        self.skip(*run, 1);
        Some(PlacedPart { number, plain: run.plain, plain_first, stored_first, index })
    }

    /// The next part that holds a byte of `range`, and which of its bytes.
    pub(super) fn next_of(&mut self, table: &PartTable, range: PlainRange) -> Option<(PlacedPart, PlainRange)> {
        loop {
            let part = self.next(table)?;
            if part.plain_first > range.last() {
                return None;
            }
            let first = range.first().saturating_sub(part.plain_first);
            let end = range.last().saturating_sub(part.plain_first).saturating_add(1).min(part.plain.bytes());
            if let Some(within) = end.checked_sub(1).and_then(|last| PlainRange::new(first, last)) {
                return Some((part, within));
            }
        }
    }

    /// Goes past `parts` parts of the present run, and on to the next run behind its last.
    fn skip(&mut self, run: Run, parts: u32) {
        let stored_bytes = run.plain.bytes().saturating_add(PART_OVERHEAD_BYTES);
        self.plain_first = self.plain_first.saturating_add(u64::from(parts).saturating_mul(run.plain.bytes()));
        self.stored_first = self.stored_first.saturating_add(u64::from(parts).saturating_mul(stored_bytes));
        self.within_run = self.within_run.saturating_add(parts);
        self.index = self.index.saturating_add(parts);
        if self.within_run >= run.count {
            (self.run, self.within_run) = (self.run.saturating_add(1), 0);
        }
    }
}

/// The stored bytes of a range of a part, relative to the part.
fn part_span((part, range): (PlacedPart, PlainRange)) -> Result<Span, LengthError> {
    PartLayout::new(part.plain)?.span(range)
}

/// The stored offset behind the last segment needed of a part.
pub(super) fn stored_end((part, range): (PlacedPart, PlainRange)) -> Result<u64, LengthError> {
    let span = part_span((part, range))?;
    Ok(part.stored_first.saturating_add(span.stored_first).saturating_add(span.stored_bytes))
}

/// The digest of a completion record, one part at a time.
#[derive(Clone, Default)]
pub(super) struct PartsDigest(Sha256);

impl PartsDigest {
    pub(super) fn add(&mut self, number: PartNumber, plain: PlainLen) {
        self.0.update(number.number().to_be_bytes());
        self.0.update(plain.bytes().to_be_bytes());
    }

    pub(super) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests;
