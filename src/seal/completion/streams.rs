//! What a completion record says of the streams of its parts, so that an earlier attempt at a part cannot take the place
//! of the one that was completed.
//!
//! Every attempt has a stream header of its own (F-6), so the header tells attempts apart. A record has room for some of
//! them: as they are, which spares a range the request for them, or as a [`StreamHash`], which is shorter. A digest over
//! the hashes of all parts holds the rest (F-31).
//!
//! ```text
//! version 1   [ u8 0 || header (40), or zeros, of each of the first parts ]
//! version 2   u8 0 || entry of each of the first parts || [ u8 3 || digest (32) ]
//!             entry = u8 0 | u8 1 || header (40) | u8 2 || hash (16)
//! ```

use sha2::{Digest, Sha256};

use super::Fields;
use crate::seal::{OpenError, StreamHash, StreamHeader};

/// What is known of the stream of one part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartStream {
    /// nothing
    #[default]
    Unknown,
    /// its header
    Header(StreamHeader),
    /// the hash of its header
    Hash(StreamHash),
}

impl PartStream {
    /// The hash of its header, if it is known.
    #[must_use]
    pub fn hash(&self) -> Option<StreamHash> {
        match self {
            Self::Unknown => None,
            Self::Header(header) => Some(header.hash()),
            Self::Hash(hash) => Some(*hash),
        }
    }

    /// Its header, if that is known.
    #[must_use]
    pub fn header(&self) -> Option<StreamHeader> {
        match self {
            Self::Header(header) => Some(*header),
            Self::Unknown | Self::Hash(_) => None,
        }
    }
}

/// What is known of the streams of all parts of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartStreams {
    /// of the first parts, in order
    listed: Vec<PartStream>,
    /// over the hashes of all parts
    digest: Option<[u8; 32]>,
}

impl PartStreams {
    /// What is known of the first parts, in order.
    #[must_use]
    pub fn new(listed: Vec<PartStream>) -> Self {
        Self { listed, digest: None }
    }

    /// Of the first parts, in order.
    #[must_use]
    pub fn listed(&self) -> &[PartStream] {
        &self.listed
    }

    /// Of the part behind `index` others.
    #[must_use]
    pub fn of(&self, index: u32) -> PartStream {
        usize::try_from(index).ok().and_then(|index| self.listed.get(index)).copied().unwrap_or_default()
    }

    /// Compares the stream header of the part behind `index` others (F-29).
    ///
    /// # Errors
    /// [`OpenError::PartsDiffer`] where another one is known.
    pub fn check(&self, index: u32, header: &StreamHeader) -> Result<(), OpenError> {
        match self.of(index).hash() {
            Some(known) if known != header.hash() => Err(OpenError::PartsDiffer),
            Some(_) | None => Ok(()),
        }
    }

    /// Compares the stream headers of all parts, in order.
    pub(in super::super) fn check_all(&self, seen: &[StreamHash]) -> Result<(), OpenError> {
        let differs = |(known, seen): (&PartStream, &StreamHash)| known.hash().is_some_and(|known| known != *seen);
        if self.listed.len() > seen.len() || self.listed.iter().zip(seen).any(differs) {
            return Err(OpenError::PartsDiffer);
        }
        let rest = seen.get(self.listed.len()..).unwrap_or_default();
        match self.digest {
            Some(digest) if digest != self.digest_with(rest) => Err(OpenError::PartsDiffer),
            Some(_) | None => Ok(()),
        }
    }

    /// The digest, if these are the hashes of the parts behind the listed ones.
    fn digest_with(&self, rest: &[StreamHash]) -> [u8; 32] {
        let mut digest = Sha256::new();
        for known in &self.listed {
            digest.update(known.hash().map_or([0; StreamHash::BYTES], |hash| *hash.as_bytes()));
        }
        for hash in rest {
            digest.update(hash.as_bytes());
        }
        digest.finalize().into()
    }

    /// Reads what stands behind the attributes of version 1.
    pub(super) fn parse_1(headers: Option<&[u8]>, client_parts: u32) -> Result<Self, OpenError> {
        let Some(bytes) = headers else { return Ok(Self::default()) };
        let headers = bytes.chunks_exact(StreamHeader::BYTES);
        if bytes.is_empty() || exceeds(headers.len(), client_parts) || !headers.remainder().is_empty() {
            return Err(MALFORMED);
        }
        let parse = |bytes: &[u8]| match bytes {
            [0, zeros @ ..] if zeros.iter().all(|byte| *byte == 0) => Ok(PartStream::Unknown),
            header => StreamHeader::parse(header).map(PartStream::Header).map_err(|_| MALFORMED),
        };
        Ok(Self::new(headers.map(parse).collect::<Result<_, _>>()?))
    }

    /// Reads what stands behind the attributes of version 2, to the end.
    pub(super) fn parse_2(fields: &mut Fields<'_>, client_parts: u32) -> Result<Self, OpenError> {
        if fields.take()? != [MARK] {
            return Err(MALFORMED);
        }
        let mut streams = Self::default();
        while !fields.0.is_empty() && streams.digest.is_none() {
            match fields.take()? {
                [UNKNOWN] => streams.listed.push(PartStream::Unknown),
                [HEADER] => {
                    let header = StreamHeader::parse(&fields.take::<{ StreamHeader::BYTES }>()?);
                    streams.listed.push(PartStream::Header(header.map_err(|_| MALFORMED)?));
                }
                [HASH] => streams.listed.push(PartStream::Hash(StreamHash::from_bytes(fields.take()?))),
                [DIGEST] => streams.digest = Some(fields.take()?),
                [_] => return Err(MALFORMED),
            }
        }
        let holds_all = streams.listed.len() as u64 == u64::from(client_parts);
        let is_right = !holds_all || streams.digest == Some(streams.digest_with(&[]));
        if exceeds(streams.listed.len(), client_parts) || !is_right || !fields.0.is_empty() {
            return Err(MALFORMED);
        }
        Ok(streams)
    }
}

/// What stands behind the attributes of version 1: as many headers as `room` bytes take, zeros where one is not known;
/// nothing where none is.
pub(super) fn field_1(streams: &[PartStream], room: usize) -> Vec<u8> {
    let count = streams.len().min(room.saturating_sub(1) / StreamHeader::BYTES);
    let headers: Vec<_> = streams.iter().take(count).map(PartStream::header).collect();
    if headers.iter().all(Option::is_none) {
        return Vec::new();
    }
    let mut field = vec![MARK];
    for header in headers {
        field.extend_from_slice(&header.map_or([0; StreamHeader::BYTES], |header| *header.as_bytes()));
    }
    field
}

/// What stands behind the attributes of version 2: hashes of as many parts as `room` bytes take, then headers in their
/// place, from the first part on, as far as there is room still. `streams` are of all parts.
pub(super) fn field_2(streams: &[PartStream], room: usize) -> Vec<u8> {
    let mut left = room.saturating_sub(1 + DIGEST_BYTES);
    let mut take = |bytes: usize| left.checked_sub(bytes).map(|less| left = less).is_some();
    let hash_bytes = |stream: &PartStream| 1 + stream.hash().map_or(0, |_| StreamHash::BYTES);
    let count = streams.iter().take_while(|stream| take(hash_bytes(stream))).count();
    let (listed, rest) = streams.split_at(count);
    let mut field = vec![MARK];
    for stream in listed {
        match (stream.header(), stream.hash()) {
            (Some(header), _) if take(StreamHeader::BYTES - StreamHash::BYTES) => {
                field.push(HEADER);
                field.extend_from_slice(header.as_bytes());
            }
            (_, Some(hash)) => {
                field.push(HASH);
                field.extend_from_slice(hash.as_bytes());
            }
            (_, None) => field.push(UNKNOWN),
        }
    }
    if let Some(rest) = rest.iter().map(PartStream::hash).collect::<Option<Vec<_>>>() {
        field.push(DIGEST);
        field.extend_from_slice(&PartStreams::new(listed.to_vec()).digest_with(&rest));
    }
    field
}

fn exceeds(count: usize, client_parts: u32) -> bool {
    count as u64 > u64::from(client_parts)
}

const MALFORMED: OpenError = OpenError::Completion("streams of the parts");
/// What parts the attributes, which are text, from what stands behind them.
pub(super) const MARK: u8 = 0;
const UNKNOWN: u8 = 0;
const HEADER: u8 = 1;
const HASH: u8 = 2;
const DIGEST: u8 = 3;
/// With the byte before it.
const DIGEST_BYTES: usize = 1 + 32;

#[cfg(test)]
mod tests;
