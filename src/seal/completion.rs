//! The completion record: which parts a multipart object consists of, sealed under the object's secret at its very end.
//!
//! `record = STREAM[secret, "sealgate/1 completion"](fields)`, then a trailer of 16 bytes:
//! `"SGC1" || u32 length of record || u64 0`. Without a valid one no read of a multipart object succeeds (F-5).

mod streams;

use streams::{MARK, field_1, field_2};
pub use streams::{PartStream, PartStreams};

use super::{
    Envelope, Kind, ObjectSecret, OpenError, PartNumber, PartTable, PlainLen, SealError, SealedLen, StreamHeader,
    geometry::{PART_OVERHEAD_BYTES, PartLayout, multipart_plain, record_goes_into_last_part},
    stream::{open_whole, seal_whole},
    table::{PartsDigest, Run},
};

/// What a record's fields look like. Every version is read; a gateway of the first release reads [`RecordVersion::One`]
/// alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordVersion {
    /// stream headers of the first parts, where they are known
    #[default]
    One,
    /// stream headers or their hashes, and a digest over those of all parts (F-31)
    Two,
}

impl RecordVersion {
    /// The version with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            _ => None,
        }
    }

    /// Its number, the first byte of the fields.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }
}

/// A sealed record with its trailer, ready to be stored.
pub struct CompletionRecord(Vec<u8>);

impl CompletionRecord {
    /// Record and trailer; they go to the very end of the object.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A part of its own: zeros, then the record; exactly
    /// `PART_OVERHEAD_BYTES`.
    #[must_use]
    pub fn into_part(self) -> Vec<u8> {
        let mut part = vec![0; PART_BYTES];
        let first = PART_BYTES - self.0.len();
        part[first..].copy_from_slice(&self.0);
        part
    }
}

/// An opened completion record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    version: RecordVersion,
    at_upload: Envelope,
    summary: Summary,
    parts: CompletionParts,
    attributes: Vec<u8>,
    streams: PartStreams,
}

/// The parts of an opened record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompletionParts {
    /// they are in the record
    Listed(PartTable),
    /// they have too many runs for it: walk the part headers and check them with [`UnlistedParts::resolve`]
    Unlisted(UnlistedParts),
}

/// What a record without a table says of the parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnlistedParts(Summary);

/// Sums over all parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) total: PlainLen,
    pub(super) client_parts: u32,
    pub(super) digest: [u8; 32],
}

impl Completion {
    /// The longest attributes a record takes, in bytes.
    pub const ATTRIBUTES_BYTES_MAX: usize = 400;

    /// Seals the record of an object's parts. `at_upload` is the envelope made when the upload began; `attributes` may
    /// be empty; `streams` is what is known of the parts' streams, in the order of the parts. What finds no room is left
    /// out.
    ///
    /// # Errors
    /// [`SealError::WrongKind`] for an envelope of a single object, [`SealError::AttributesTooLong`] over 400 bytes,
    /// [`SealError::ZeroInAttributes`] where they are no text, [`SealError::Randomness`].
    pub fn seal(
        secret: &ObjectSecret,
        at_upload: &Envelope,
        version: RecordVersion,
        (parts, streams): (&PartTable, &[PartStream]),
        attributes: &[u8],
    ) -> Result<CompletionRecord, SealError> {
        if at_upload.kind() != Kind::Multipart {
            return Err(SealError::WrongKind);
        }
        if attributes.len() > Self::ATTRIBUTES_BYTES_MAX {
            return Err(SealError::AttributesTooLong { bytes: attributes.len() });
        }
        if attributes.contains(&MARK) {
            return Err(SealError::ZeroInAttributes);
        }
        let mut fields = vec![version.number()];
        fields.extend_from_slice(at_upload.as_bytes());
        fields.extend_from_slice(&parts.total().bytes().to_be_bytes());
        fields.extend_from_slice(&parts.client_parts().to_be_bytes());
        fields.extend_from_slice(&parts.digest());
        match u16::try_from(parts.runs().len()) {
            Ok(runs) if runs <= RUNS_MAX => {
                fields.extend_from_slice(&runs.to_be_bytes());
                for run in parts.runs() {
                    fields.extend_from_slice(&run.first.number().to_be_bytes());
                    fields.extend_from_slice(&run.count.to_be_bytes());
                    fields.extend_from_slice(&run.plain.bytes().to_be_bytes());
                }
            }
            Ok(_) | Err(_) => fields.extend_from_slice(&UNLISTED.to_be_bytes()),
        }
        match version {
            RecordVersion::One => {
                let room = FIELDS_BYTES_MAX.saturating_sub(fields.len() + size_of::<u16>() + attributes.len());
                append_attributes(&mut fields, &[attributes, &field_1(streams, room)].concat())?;
            }
            RecordVersion::Two => {
                append_attributes(&mut fields, attributes)?;
                let known = streams.iter().copied().chain(std::iter::repeat(PartStream::Unknown));
                let streams: Vec<_> = known.zip(0..parts.client_parts()).map(|(stream, _)| stream).collect();
                let room = fields_bytes_max(parts)?.saturating_sub(fields.len());
                fields.extend_from_slice(&field_2(&streams, room));
            }
        }

        let mut record = seal_whole(secret, AAD, &fields)?;
        let record_bytes = u32::try_from(record.len()).map_err(|_| SealError::NoRoomForRecord)?;
        record.extend_from_slice(&MAGIC);
        record.extend_from_slice(&record_bytes.to_be_bytes());
        record.extend_from_slice(&[0; 8]);
        Ok(CompletionRecord(record))
    }

    /// Opens the record at the end of a stored object. `stored_parts` is the count after the dash of the stored `ETag`;
    /// `tail` ends with the object and holds its last
    /// `COMPLETION_TAIL_BYTES`, or all of a shorter rest.
    ///
    /// # Errors
    /// [`OpenError::Completion`] where there is none, [`OpenError::Segment`] where it is not of this object, and
    /// [`OpenError::PartsDiffer`] where stored length or count of parts are not those of the record (F-5).
    pub fn open(secret: &ObjectSecret, stored: SealedLen, stored_parts: u32, tail: &[u8]) -> Result<Self, OpenError> {
        let record = record_in(tail)?;
        let fields = open_whole(secret, AAD, record)?;
        let completion = Self::parse(&fields)?;
        let extra_parts = stored_parts.checked_sub(completion.summary.client_parts);
        if multipart_plain(stored, stored_parts)? != completion.total() || !matches!(extra_parts, Some(0 | 1)) {
            return Err(OpenError::PartsDiffer);
        }
        Ok(completion)
    }

    /// The plaintext length of the object.
    #[must_use]
    pub fn total(&self) -> PlainLen {
        self.summary.total
    }

    /// How many parts the client uploaded.
    #[must_use]
    pub fn client_parts(&self) -> u32 {
        self.summary.client_parts
    }

    /// The envelope the object was uploaded under; stale after a copy or a rewrap.
    #[must_use]
    pub fn at_upload(&self) -> &Envelope {
        &self.at_upload
    }

    /// The parts, or what is known of them.
    #[must_use]
    pub fn parts(&self) -> &CompletionParts {
        &self.parts
    }

    /// The parts and what is known of their streams, by value.
    #[must_use]
    pub fn into_parts(self) -> (CompletionParts, PartStreams) {
        (self.parts, self.streams)
    }

    /// The attributes given to [`Completion::seal`].
    #[must_use]
    pub fn attributes(&self) -> &[u8] {
        &self.attributes
    }

    /// What the record says of the parts' streams.
    #[must_use]
    pub fn streams(&self) -> &PartStreams {
        &self.streams
    }

    /// The version of the record.
    #[must_use]
    pub fn version(&self) -> RecordVersion {
        self.version
    }

    pub(super) fn summary(&self) -> Summary {
        self.summary
    }

    /// Reads the opened fields. They were written by a holder of the object's secret; that they make sense is checked
    /// all the same.
    fn parse(fields: &[u8]) -> Result<Self, OpenError> {
        let mut fields = Fields(fields);
        let [version] = fields.take()?;
        let version = RecordVersion::from_number(version).ok_or(OpenError::Completion("version"))?;
        let at_upload = Envelope::parse(&fields.take::<{ Envelope::BYTES }>()?)?;
        let summary = Summary {
            total: PlainLen::new(u64::from_be_bytes(fields.take()?)),
            client_parts: u32::from_be_bytes(fields.take()?),
            digest: fields.take()?,
        };
        let parts = match u16::from_be_bytes(fields.take()?) {
            UNLISTED => CompletionParts::Unlisted(UnlistedParts(summary)),
            runs if runs <= RUNS_MAX => {
                let runs = (0..runs).map(|_| fields.run()).collect::<Result<Vec<_>, _>>()?;
                let table = PartTable::from_runs(runs).map_err(|_| OpenError::Completion("runs"))?;
                summary.check(&table)?;
                CompletionParts::Listed(table)
            }
            _ => return Err(OpenError::Completion("count of runs")),
        };
        let attributes = fields.attributes()?;
        let (attributes, streams) = match version {
            RecordVersion::One => {
                let mut halves = attributes.splitn(2, |&byte| byte == MARK);
                let attributes = halves.next().unwrap_or_default();
                (attributes, PartStreams::parse_1(halves.next(), summary.client_parts)?)
            }
            RecordVersion::Two => (attributes, PartStreams::parse_2(&mut fields, summary.client_parts)?),
        };
        if attributes.len() > Self::ATTRIBUTES_BYTES_MAX || attributes.contains(&MARK) || !fields.0.is_empty() {
            return Err(OpenError::Completion("attributes"));
        }
        Ok(Self { version, at_upload, summary, parts, attributes: attributes.to_vec(), streams })
    }
}

impl UnlistedParts {
    /// How many part headers there are to walk.
    #[must_use]
    pub fn client_parts(&self) -> u32 {
        self.0.client_parts
    }

    /// Makes the table of the part headers that were walked, if they are those that were recorded.
    ///
    /// # Errors
    /// [`OpenError::PartsDiffer`].
    pub fn resolve(&self, walked: impl IntoIterator<Item = (PartNumber, PlainLen)>) -> Result<PartTable, OpenError> {
        let table = PartTable::from_parts(walked).map_err(|_| OpenError::PartsDiffer)?;
        self.0.check(&table).map(|()| table)
    }
}

impl Summary {
    /// The sums of parts that were walked one by one.
    pub(super) fn of(total: PlainLen, client_parts: u32, digest: PartsDigest) -> Self {
        Self { total, client_parts, digest: digest.finish() }
    }

    fn check(self, table: &PartTable) -> Result<(), OpenError> {
        let walked = Self { total: table.total(), client_parts: table.client_parts(), digest: table.digest() };
        if walked == self { Ok(()) } else { Err(OpenError::PartsDiffer) }
    }
}

/// Reads fields as if a record had held them. For fuzzing alone: no input gets here but through a tag.
///
/// # Errors
/// As [`Completion::open`].
#[cfg(fuzzing)]
pub fn parse_completion_fields(fields: &[u8]) -> Result<Completion, OpenError> {
    Completion::parse(fields)
}

/// The record in front of the trailer that `tail` ends with.
pub(super) fn record_in(tail: &[u8]) -> Result<&[u8], OpenError> {
    let (rest, trailer) = tail.split_last_chunk::<TRAILER_BYTES>().ok_or(OpenError::Completion("no trailer"))?;
    let mut trailer = Fields(trailer);
    if trailer.take()? != MAGIC {
        return Err(OpenError::Completion("no trailer"));
    }
    let record_bytes = u32::from_be_bytes(trailer.take()?);
    if trailer.take()? != [0; 8] {
        return Err(OpenError::Completion("trailer"));
    }
    let first = usize::try_from(record_bytes).ok().and_then(|bytes| rest.len().checked_sub(bytes));
    let (_, record) = rest.split_at(first.ok_or(OpenError::Completion("length of the record"))?);
    Ok(record)
}

fn append_attributes(fields: &mut Vec<u8>, attributes: &[u8]) -> Result<(), SealError> {
    let too_long = SealError::AttributesTooLong { bytes: attributes.len() };
    fields.extend_from_slice(&u16::try_from(attributes.len()).map_err(|_| too_long)?.to_be_bytes());
    fields.extend_from_slice(attributes);
    Ok(())
}

/// The most fields that find room where the record of these parts goes: in the zeros of the last part, or in a part of
/// its own.
fn fields_bytes_max(parts: &PartTable) -> Result<usize, SealError> {
    let last = parts.runs().last().map_or(PlainLen::new(0), |run| run.plain);
    let slack_bytes = PartLayout::new(last)?.slack_bytes();
    let bytes = if record_goes_into_last_part(last) { slack_bytes } else { PART_OVERHEAD_BYTES };
    Ok(usize::try_from(bytes).unwrap_or_default().saturating_sub(FRAME_BYTES))
}

/// What is left to read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// As long as the two bytes before it say.
    fn attributes(&mut self) -> Result<&'a [u8], OpenError> {
        let bytes = usize::from(u16::from_be_bytes(self.take()?));
        let (attributes, rest) = self.0.split_at_checked(bytes).ok_or(OpenError::Completion("cut"))?;
        self.0 = rest;
        Ok(attributes)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], OpenError> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(OpenError::Completion("cut"))?;
        self.0 = rest;
        Ok(*field)
    }

    fn run(&mut self) -> Result<Run, OpenError> {
        let first = PartNumber::new(u32::from_be_bytes(self.take()?)).map_err(|_| OpenError::Completion("runs"))?;
        let count = u32::from_be_bytes(self.take()?);
        Ok(Run { first, count, plain: PlainLen::new(u64::from_be_bytes(self.take()?)) })
    }
}

const AAD: &[u8] = b"sealgate/1 completion";
const MAGIC: [u8; 4] = *b"SGC1";
/// What is around the fields: stream header, one tag, trailer.
const FRAME_BYTES: usize = StreamHeader::BYTES + 16 + TRAILER_BYTES;
/// The most fields of a record of version 1: 900 runs and the longest attributes. Such a record fits into the zeros of
/// every last part.
const FIELDS_BYTES_MAX: usize = 175 + 16 * 900 + 2 + Completion::ATTRIBUTES_BYTES_MAX;
const RUNS_MAX: u16 = 900;
const UNLISTED: u16 = 0xffff;
pub(super) const TRAILER_BYTES: usize = 16;
const PART_BYTES: usize = 16_440;
const _: () = assert!(PART_BYTES as u64 == PART_OVERHEAD_BYTES);

#[cfg(test)]
mod tests;
