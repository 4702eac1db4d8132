//! The completion record: which parts a multipart object consists of, sealed under the object's secret at its very end.
//!
//! `record = STREAM[secret, "sealgate/1 completion"](fields)`, then a trailer of 16 bytes:
//! `"SGC1" || u32 length of record || u64 0`. Without a valid one no read of a multipart object succeeds (F-5).

use super::{
    Envelope, Kind, ObjectSecret, OpenError, PartNumber, PartTable, PlainLen, SealError, SealedLen, StreamHeader,
    geometry::{PART_OVERHEAD_BYTES, multipart_plain},
    stream::{open_whole, seal_whole},
    table::{PartsDigest, Run},
};

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
    at_upload: Envelope,
    summary: Summary,
    parts: CompletionParts,
    attributes: Vec<u8>,
    stream_headers: Vec<Option<StreamHeader>>,
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
    /// be empty.
    ///
    /// # Errors
    /// [`SealError::WrongKind`] for an envelope of a single object, [`SealError::AttributesTooLong`] over 400 bytes,
    /// [`SealError::ZeroInAttributes`] where they are no text, [`SealError::Randomness`].
    pub fn seal(
        secret: &ObjectSecret,
        at_upload: &Envelope,
        parts: &PartTable,
        attributes: &[u8],
    ) -> Result<CompletionRecord, SealError> {
        Self::seal_with(secret, at_upload, parts, attributes, &[])
    }

    /// As [`Completion::seal`], with the stream headers of the first parts as far as they are known, in the order of the
    /// parts: a range then needs no request of its own for them. Those that find no room are left out.
    ///
    /// # Errors
    /// As [`Completion::seal`].
    pub fn seal_with(
        secret: &ObjectSecret,
        at_upload: &Envelope,
        parts: &PartTable,
        attributes: &[u8],
        stream_headers: &[Option<StreamHeader>],
    ) -> Result<CompletionRecord, SealError> {
        if at_upload.kind() != Kind::Multipart {
            return Err(SealError::WrongKind);
        }
        let too_long = SealError::AttributesTooLong { bytes: attributes.len() };
        if attributes.len() > Self::ATTRIBUTES_BYTES_MAX {
            return Err(too_long);
        }
        if attributes.contains(&HEADERS_FOLLOW) {
            return Err(SealError::ZeroInAttributes);
        }
        let mut fields = vec![VERSION];
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
        let headers = headers_field(stream_headers, FIELDS_BYTES_MAX.saturating_sub(fields.len() + attributes.len()));
        let attributes = [attributes, &headers].concat();
        fields.extend_from_slice(&u16::try_from(attributes.len()).map_err(|_| too_long)?.to_be_bytes());
        fields.extend_from_slice(&attributes);

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

    /// The parts, by value.
    #[must_use]
    pub fn into_parts(self) -> CompletionParts {
        self.parts
    }

    /// The attributes given to [`Completion::seal`].
    #[must_use]
    pub fn attributes(&self) -> &[u8] {
        &self.attributes
    }

    /// The stream headers of the first parts, in order, where the record has them. They spare a request and prove
    /// nothing: a wrong one makes every segment fail.
    #[must_use]
    pub fn stream_headers(&self) -> &[Option<StreamHeader>] {
        &self.stream_headers
    }

    pub(super) fn summary(&self) -> Summary {
        self.summary
    }

    /// Reads the opened fields. They were written by a holder of the object's secret; that they make sense is checked
    /// all the same.
    fn parse(fields: &[u8]) -> Result<Self, OpenError> {
        let mut fields = Fields(fields);
        if fields.take::<1>()? != [VERSION] {
            return Err(OpenError::Completion("version"));
        }
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
        if usize::from(u16::from_be_bytes(fields.take()?)) != fields.0.len() {
            return Err(OpenError::Completion("attributes"));
        }
        let mut halves = fields.0.splitn(2, |&byte| byte == HEADERS_FOLLOW);
        let (attributes, headers) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        if attributes.len() > Self::ATTRIBUTES_BYTES_MAX {
            return Err(OpenError::Completion("attributes"));
        }
        let stream_headers = parse_headers(headers, summary.client_parts)?;
        Ok(Self { at_upload, summary, parts, attributes: attributes.to_vec(), stream_headers })
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

/// The mark and as many headers as `room` bytes take; zeros where one is not known, nothing where none is.
fn headers_field(stream_headers: &[Option<StreamHeader>], room: usize) -> Vec<u8> {
    let count = stream_headers.len().min(room.saturating_sub(size_of::<u16>() + 1) / StreamHeader::BYTES);
    let taken = stream_headers.iter().take(count);
    if taken.clone().all(Option::is_none) {
        return Vec::new();
    }
    let unknown = [0; StreamHeader::BYTES];
    let mut field = vec![HEADERS_FOLLOW];
    for header in taken {
        let bytes: &[u8; StreamHeader::BYTES] = header.as_ref().map_or(&unknown, StreamHeader::as_bytes);
        field.extend_from_slice(bytes);
    }
    field
}

/// What [`headers_field`] wrote behind its mark.
fn parse_headers(bytes: &[u8], client_parts: u32) -> Result<Vec<Option<StreamHeader>>, OpenError> {
    let headers = bytes.chunks_exact(StreamHeader::BYTES);
    let count = u32::try_from(headers.len()).unwrap_or(u32::MAX);
    if count > client_parts || !headers.remainder().is_empty() {
        return Err(OpenError::Completion("stream headers"));
    }
    Ok(headers.map(|bytes| StreamHeader::parse(bytes).ok()).collect())
}

/// What is left to read.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
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
const VERSION: u8 = 1;
/// What parts the attributes, which are text, from the stream headers behind them.
const HEADERS_FOLLOW: u8 = 0;
/// The most fields of a record: 900 runs and the longest attributes. Such a record fits into the zeros of a last part.
const FIELDS_BYTES_MAX: usize = 175 + 16 * 900 + 2 + Completion::ATTRIBUTES_BYTES_MAX;
const RUNS_MAX: u16 = 900;
const UNLISTED: u16 = 0xffff;
pub(super) const TRAILER_BYTES: usize = 16;
const PART_BYTES: usize = 16_440;
const _: () = assert!(PART_BYTES as u64 == PART_OVERHEAD_BYTES);

#[cfg(test)]
mod tests;
