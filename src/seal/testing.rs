//! What the tests of this module share: sample bytes, keys, and whole stored objects.

use bytes::BytesMut;

use super::{
    Binding, Completion, Envelope, Kind, ObjectSecret, PartNumber, PartSealer, PartStream, PartStreams, PartTable,
    PlainLen, RecordVersion, Seed, StreamHeader, TenantKey, geometry::record_goes_into_last_part, place_record,
    stream_header_of,
};

/// Bytes that repeat neither by segment nor by block.
pub(super) fn sample(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| u8::try_from((i * 7 + i / 251 + i / 65_521) % 256).unwrap()).collect()
}

pub(super) fn tenant_key(byte: u8) -> TenantKey {
    TenantKey::from_seed(&Seed::from_bytes(&[byte; 32]).unwrap())
}

pub(super) fn binding() -> Binding {
    Binding::new("tenant", "bucket", "key").unwrap()
}

pub(super) fn envelope(kind: Kind) -> (Envelope, ObjectSecret) {
    Envelope::seal(kind, &tenant_key(1), &binding()).unwrap()
}

pub(super) fn number(number: u32) -> PartNumber {
    PartNumber::new(number).unwrap()
}

pub(super) fn part(secret: &ObjectSecret, part_number: u32, plain: &[u8]) -> Vec<u8> {
    let mut sealer = PartSealer::new(secret, number(part_number), PlainLen::new(plain.len() as u64)).unwrap();
    let mut out = BytesMut::new();
    sealer.push(plain, &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    out.to_vec()
}

/// A multipart object as it is stored.
pub(super) struct Stored {
    pub(super) secret: ObjectSecret,
    pub(super) plain: Vec<u8>,
    pub(super) table: PartTable,
    /// as the record knows them
    pub(super) streams: PartStreams,
    /// as the backend keeps them, with the completion part where there is one
    pub(super) parts: Vec<Vec<u8>>,
}

impl Stored {
    /// Parts of these numbers and lengths, with a record of version 1 that knows nothing of their streams.
    pub(super) fn new(parts: &[(u32, usize)]) -> Self {
        Self::recorded(parts, RecordVersion::One, |_| PartStream::Unknown)
    }

    /// With a record of version 2 that knows of the stream of the n-th part, from 0, what `known` makes of its header.
    pub(super) fn with_streams(parts: &[(u32, usize)], known: impl Fn(usize, StreamHeader) -> PartStream) -> Self {
        let index = std::cell::Cell::new(0);
        Self::recorded(parts, RecordVersion::Two, |part| {
            known(index.replace(index.get() + 1), stream_header_of(part).unwrap())
        })
    }

    fn recorded(parts: &[(u32, usize)], version: RecordVersion, known: impl Fn(&[u8]) -> PartStream) -> Self {
        let (envelope, secret) = envelope(Kind::Multipart);
        let plain = sample(parts.iter().map(|part| part.1).sum());
        let table =
            PartTable::from_parts(parts.iter().map(|(n, bytes)| (number(*n), PlainLen::new(*bytes as u64)))).unwrap();
        let mut rest = &plain[..];
        let mut stored: Vec<_> = parts
            .iter()
            .map(|(part_number, bytes)| {
                let (now, later) = rest.split_at(*bytes);
                rest = later;
                part(&secret, *part_number, now)
            })
            .collect();
        let streams: Vec<_> = stored.iter().map(|part| known(part)).collect();
        let record = Completion::seal(&secret, &envelope, version, (&table, &streams), b"attributes").unwrap();
        if record_goes_into_last_part(PlainLen::new(parts.last().unwrap().1 as u64)) {
            place_record(stored.last_mut().unwrap(), &record).unwrap();
        } else {
            stored.push(record.into_part());
        }
        Self { secret, plain, table, streams: PartStreams::new(streams), parts: stored }
    }

    pub(super) fn body(&self) -> Vec<u8> {
        self.parts.concat()
    }
}

/// Cuts a slice by turns into these lengths.
pub(super) fn chunks<'a>(mut rest: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(cuts[chunks.len() % cuts.len()].clamp(1, rest.len()));
        chunks.push(now);
        rest = later;
    }
    chunks
}
