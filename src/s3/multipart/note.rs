//! Notes: what the replica that stored a part tells the one that completes the upload.
//!
//! The gateway keeps no state of its own, and parts have no metadata; so a note is the name of an empty object in the
//! staging bucket, a record of the gateways' own, and a list gives those of 1,000 parts at once. A part may be stored again:
//! a note belongs to the one with its entity tag.
//!
//! Fields: `u8 1 || entity tag digest (16) || u8 kind || [stream header (40)] || algorithm ":" base64 value`. Kind 1 has
//! the stream header of the part; kind 0 leaves it out, where the text would be longer than the 255 characters that some
//! stores allow between two slashes.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::ChecksumAlgorithm;
use s3s::{S3Result, s3_error};

use super::staging::{DIGEST_BYTES, digest};
use crate::backend::{BackendError, StoredETag};
use crate::s3::checksum::{Algorithm, Kept};
use crate::seal::{ClusterKeys, RecordKind, RecordName, StreamHash, StreamHeader};

/// What is known of one stored part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    etag_digest: [u8; DIGEST_BYTES],
    algorithm: Algorithm,
    value: String,
    stream_header: Option<StreamHeader>,
}

impl Note {
    /// The note of a part that was just stored.
    pub(crate) fn new(etag: &StoredETag, checksum: &Kept, stream_header: StreamHeader) -> Self {
        Self {
            etag_digest: digest([etag.as_str()]),
            algorithm: checksum.algorithm,
            value: checksum.value.clone(),
            stream_header: Some(stream_header),
        }
    }

    /// As text, for this name.
    pub(super) fn seal(&self, keys: &ClusterKeys, name: &RecordName) -> S3Result<String> {
        let checksum = format!("{}:{}", self.algorithm.name(), self.value);
        let mut fields = vec![VERSION];
        fields.extend_from_slice(&self.etag_digest);
        let room = RecordKind::Note.fields_bytes_max();
        match self.stream_header {
            Some(header) if fields.len() + 1 + StreamHeader::BYTES + checksum.len() <= room => {
                fields.push(WITH_HEADER);
                fields.extend_from_slice(header.as_bytes());
            }
            Some(_) | None => fields.push(WITHOUT_HEADER),
        }
        fields.extend_from_slice(checksum.as_bytes());
        let sealed = keys.seal_record(name, &fields, SystemTime::now());
        sealed.map(|record| URL_SAFE_NO_PAD.encode(record)).map_err(|error| {
            tracing::error!(%error, "a note of a part cannot be sealed");
            s3_error!(InternalError)
        })
    }

    /// None for a text that is no record of this name: it counts as absent.
    ///
    /// # Errors
    /// [`BackendError::Damaged`] for one that is authentic and cannot be read.
    pub(super) fn open(keys: &ClusterKeys, name: &RecordName, text: &str) -> Result<Option<Self>, BackendError> {
        if text.len() > TEXT_BYTES_MAX {
            return Ok(None);
        }
        let Ok(record) = URL_SAFE_NO_PAD.decode(text) else { return Ok(None) };
        let Ok(fields) = keys.open_record(name, &record, SystemTime::now()) else { return Ok(None) };
        let note = Self::parse(&fields);
        note.map(Some).ok_or_else(|| BackendError::Damaged("a note of a part".to_owned()))
    }

    fn parse(fields: &[u8]) -> Option<Self> {
        let (&VERSION, rest) = fields.split_first()? else { return None };
        let (etag_digest, rest) = rest.split_first_chunk()?;
        let (stream_header, rest) = match rest.split_first()? {
            (&WITHOUT_HEADER, rest) => (None, rest),
            (&WITH_HEADER, rest) => {
                let (header, rest) = rest.split_first_chunk::<{ StreamHeader::BYTES }>()?;
                (Some(StreamHeader::parse(header).ok()?), rest)
            }
            _ => return None,
        };
        let (algorithm, value) = std::str::from_utf8(rest).ok()?.split_once(':')?;
        let algorithm = Algorithm::parse(&ChecksumAlgorithm::from(algorithm.to_owned())).ok()?;
        algorithm.decode(value).ok()?;
        Some(Self { etag_digest: *etag_digest, algorithm, value: value.to_owned(), stream_header })
    }
}

/// The checksum of a stored part, from the notes of its upload: of the attempt with this stream, where that is known.
pub(super) fn checksum_of(
    notes: &[(u32, Note)],
    number: u32,
    etag: &StoredETag,
    stream: Option<StreamHash>,
) -> Option<Kept> {
    let is_other = |note: &&Note| {
        let known = note.stream_header.map(|header| header.hash());
        stream.is_some() && known.is_some() && stream != known
    };
    let note = notes_of(notes, number, etag).find(|note| !is_other(note))?;
    Some(Kept { algorithm: note.algorithm, value: note.value.clone(), composite: false })
}

/// The stream headers of a stored part, from the notes of its upload: several if a store told one entity tag of several
/// attempts.
pub(super) fn stream_headers_of(
    notes: &[(u32, Note)],
    number: u32,
    etag: &StoredETag,
) -> impl Iterator<Item = StreamHeader> {
    notes_of(notes, number, etag).filter_map(|note| note.stream_header)
}

/// The notes of a stored part among those of its upload, which ascend by number.
fn notes_of<'a>(notes: &'a [(u32, Note)], number: u32, etag: &StoredETag) -> impl Iterator<Item = &'a Note> {
    let from = notes.partition_point(|(noted, _)| *noted < number);
    let etag_digest = digest([etag.as_str()]);
    let same = notes.get(from..).unwrap_or_default().iter().take_while(move |(noted, _)| *noted == number);
    same.map(|(_, note)| note).filter(move |note| note.etag_digest == etag_digest)
}

const VERSION: u8 = 1;
const WITHOUT_HEADER: u8 = 0;
const WITH_HEADER: u8 = 1;
const TEXT_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::ClusterKey;

    fn keys() -> ClusterKeys {
        ClusterKeys::one(ClusterKey::generate().unwrap())
    }

    fn name(number: &str) -> RecordName {
        RecordName::new(RecordKind::Note, "tenant", &["bucket", "key", "id.c", number])
    }

    fn note(algorithm: Algorithm) -> Note {
        let header = StreamHeader::parse(&[&[40][..], &[7; 39]].concat()).unwrap();
        let kept = Kept { algorithm, value: algorithm.digest(b"plain"), composite: false };
        Note::new(&StoredETag::new("etag"), &kept, header)
    }

    #[test]
    fn a_note_of_every_algorithm_fits_a_name_and_opens_again() {
        let keys = keys();
        for algorithm in Algorithm::ALL.iter().copied() {
            let made = note(algorithm);
            let text = made.seal(&keys, &name("1")).unwrap();
            assert!(text.len() <= TEXT_BYTES_MAX, "{algorithm:?}");
            let opened = Note::open(&keys, &name("1"), &text).unwrap().unwrap();
            let is_long = algorithm == Algorithm::Sha512;
            let stream_header = made.stream_header.filter(|_| !is_long);
            assert_eq!(opened, Note { stream_header, ..made }, "{algorithm:?}");
        }
    }

    #[test]
    fn what_is_no_note_of_this_part_counts_as_absent() {
        let (keys, other_keys) = (keys(), keys());
        let text = note(Algorithm::Crc32).seal(&keys, &name("1")).unwrap();
        for (keys, number, text) in [
            (&keys, "2", text.as_str()),
            (&other_keys, "1", &text),
            (&keys, "1", &text[1..]),
            (&keys, "1", ""),
            (&keys, "1", "?"),
        ] {
            assert_eq!(Note::open(keys, &name(number), text).unwrap(), None, "{number} {text}");
        }
        let long = "A".repeat(256);
        assert_eq!(Note::open(&keys, &name("1"), &long).unwrap(), None);
    }

    #[test]
    fn an_authentic_note_that_cannot_be_read_is_an_error() {
        let keys = keys();
        let header = [&[1; 1][..], &[0; 16], &[1], &[40], &[7; 38]].concat();
        let wrong: [&[u8]; 8] = [
            b"",
            b"\x02",
            &[&[2][..], &[0; 16], b"\x00CRC32:AAAAAA=="].concat(),
            &[&[1][..], &[0; 16], b"\x02CRC32:AAAAAA=="].concat(),
            &[&[1][..], &[0; 16], b"\x00ROT13:AAAAAA=="].concat(),
            &[&[1][..], &[0; 16], b"\x00CRC32"].concat(),
            &[&[1][..], &[0; 16], b"\x00CRC32:A"].concat(),
            &header,
        ];
        for fields in wrong {
            let record = keys.seal_record(&name("1"), fields, SystemTime::now()).unwrap();
            let opened = Note::open(&keys, &name("1"), &URL_SAFE_NO_PAD.encode(record));
            assert!(matches!(opened, Err(BackendError::Damaged(_))), "{fields:?}");
        }
    }
}
