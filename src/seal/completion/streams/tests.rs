use proptest::prelude::*;

use super::*;
use crate::seal::{
    Completion, Envelope, Kind, ObjectSecret, PartTable, PlainLen, RecordVersion, SealedLen,
    completion::record_in,
    stream::open_whole,
    testing::{envelope, number},
};

fn header() -> StreamHeader {
    StreamHeader::generate().unwrap()
}

fn headers(count: usize) -> Vec<PartStream> {
    (0..count).map(|_| PartStream::Header(header())).collect()
}

fn hashes(streams: &[PartStream]) -> Vec<StreamHash> {
    streams.iter().map(|stream| stream.hash().unwrap()).collect()
}

struct Sealed {
    secret: ObjectSecret,
    envelope: Envelope,
    table: PartTable,
}

impl Sealed {
    /// Of equal parts, each of so many bytes.
    fn new(parts: u32, bytes: u64) -> Self {
        let (envelope, secret) = envelope(Kind::Multipart);
        let table = PartTable::from_parts((1..=parts).map(|n| (number(n), PlainLen::new(bytes)))).unwrap();
        Self { secret, envelope, table }
    }

    fn record(&self, version: RecordVersion, streams: &[PartStream], attributes: &[u8]) -> Vec<u8> {
        let record = Completion::seal(&self.secret, &self.envelope, version, (&self.table, streams), attributes);
        record.unwrap().as_bytes().to_vec()
    }

    fn fields(&self, version: RecordVersion, streams: &[PartStream]) -> Vec<u8> {
        let record = self.record(version, streams, b"sums");
        open_whole(&self.secret, b"sealgate/1 completion", record_in(&record).unwrap()).unwrap().to_vec()
    }

    fn open(&self, record: &[u8]) -> Result<Completion, OpenError> {
        let stored = self.table.total().bytes() + u64::from(self.table.client_parts()) * 16_440;
        Completion::open(&self.secret, SealedLen::new(stored), self.table.client_parts(), record)
    }

    fn read_back(&self, version: RecordVersion, streams: &[PartStream]) -> PartStreams {
        let opened = self.open(&self.record(version, streams, b"sums")).unwrap();
        assert_eq!((opened.version(), opened.attributes()), (version, &b"sums"[..]));
        opened.streams().clone()
    }
}

#[test]
fn a_hash_is_the_beginning_of_the_digest_of_the_header() {
    let bytes = [&[40][..], &[7; 39]].concat();
    let hash = StreamHeader::parse(&bytes).unwrap().hash();
    assert_eq!(hash.as_bytes()[..], Sha256::digest(&bytes)[..16]);
    assert_eq!(StreamHash::from_bytes([10; 16]).to_string(), "0a".repeat(16));
}

#[test]
fn version_1_gives_back_the_headers_in_order() {
    let known = [PartStream::Unknown, PartStream::Header(header())];
    assert_eq!(Sealed::new(3, 10).read_back(RecordVersion::One, &known).listed(), known);
    let hash = PartStream::Hash(header().hash());
    assert_eq!(Sealed::new(3, 10).read_back(RecordVersion::One, &[hash; 3]).listed(), []);
}

#[test]
fn version_1_has_room_for_359_headers_beside_the_longest_attributes() {
    let attributes = [1; Completion::ATTRIBUTES_BYTES_MAX];
    let sealed = Sealed::new(9_000, 7);
    let record = sealed.record(RecordVersion::One, &headers(9_000), &attributes);
    assert_eq!(sealed.open(&record).unwrap().streams().listed().len(), 359);
    assert!(record.len() <= 16 * (1_024 - 81), "the least room of a last part");
}

#[test]
fn version_1_with_more_headers_than_parts_or_a_broken_one_is_refused() {
    let sealed = Sealed::new(1, 10);
    let record = sealed.record(RecordVersion::One, &headers(2), b"");
    assert_eq!(sealed.open(&record).unwrap_err(), MALFORMED);
    let parse = |bytes: &[u8]| PartStreams::parse_1(Some(bytes), 2);
    let (good, zeros) = (*header().as_bytes(), [0; 40]);
    assert!(parse(&[good, zeros].concat()).is_ok());
    let mark = [&[41][..], &good[1..]].concat();
    let almost_zeros = [&[0; 39][..], &[1]].concat();
    for broken in [&[][..], &good[..39], &[&good[..], &[0]].concat(), &mark, &almost_zeros] {
        assert_eq!(parse(broken), Err(MALFORMED), "{broken:?}");
    }
}

#[test]
fn version_2_gives_back_what_is_known_of_every_part() {
    let known = [PartStream::Unknown, PartStream::Header(header()), PartStream::Hash(header().hash())];
    assert_eq!(Sealed::new(3, 10).read_back(RecordVersion::Two, &known).listed(), known);
    let padded = Sealed::new(3, 10).read_back(RecordVersion::Two, &known[..2]);
    assert_eq!(padded.listed(), [known[0], known[1], PartStream::Unknown]);
}

#[test]
fn version_2_is_laid_out_as_the_spec_says() {
    let (header, hash) = (header(), header().hash());
    let known = [PartStream::Header(header), PartStream::Unknown, PartStream::Hash(hash)];
    let fields = Sealed::new(3, 10).fields(RecordVersion::Two, &known);
    let digest = Sha256::digest([&header.hash().as_bytes()[..], &[0; 16], hash.as_bytes()].concat());
    let parts = [&[0, 1][..], header.as_bytes(), &[0, 2], hash.as_bytes(), &[3], &digest];
    assert_eq!(fields[0], 2);
    assert_eq!(fields[191..], [&[0, 4][..], b"sums", &parts.concat()].concat());
}

#[test]
fn headers_give_way_to_hashes_where_there_are_many_parts() {
    let last_part = |parts| Sealed::new(parts, (5 << 20) - 16_441);
    let own_part = |parts| Sealed::new(parts, 6 << 20);
    let count = |streams: &PartStreams| {
        let is_header = |stream: &&PartStream| stream.header().is_some();
        (streams.listed().iter().filter(is_header).count(), streams.listed().len())
    };
    for (sealed, all, known) in [
        (own_part(393), 393, (393, 393)),
        (own_part(394), 394, (393, 394)),
        (own_part(949), 949, (0, 949)),
        (own_part(9_000), 9_000, (0, 949)),
        (last_part(361), 361, (361, 361)),
        (last_part(9_000), 9_000, (0, 870)),
    ] {
        let streams = headers(all);
        let record = sealed.record(RecordVersion::Two, &streams, b"");
        let opened = sealed.open(&record).unwrap().streams().clone();
        assert_eq!(count(&opened), known, "{all} parts");
        assert_eq!(opened.check_all(&hashes(&streams)), Ok(()));
    }
}

#[test]
fn a_record_finds_room_beside_900_runs_and_the_longest_attributes() {
    let (envelope, secret) = envelope(Kind::Multipart);
    let table = PartTable::from_parts((1..=900).map(|n| (number(n), PlainLen::new((5 << 20) - 17_000 - u64::from(n)))));
    let sealed = Sealed { secret, envelope, table: table.unwrap() };
    let streams = headers(900);
    let record = sealed.record(RecordVersion::Two, &streams, &[1; Completion::ATTRIBUTES_BYTES_MAX]);
    assert!(record.len() <= 16 * (1_024 - 80), "the least room of a last part");
    let opened = sealed.open(&record).unwrap().streams().clone();
    let mut seen = hashes(&streams);
    assert_eq!(opened.check_all(&seen), Ok(()), "by the digest");
    seen.swap(897, 899);
    assert_eq!(opened.check_all(&seen), Err(OpenError::PartsDiffer));
}

#[test]
fn one_other_stream_is_noticed_wherever_it_is() {
    let streams = headers(1_200);
    let opened = Sealed::new(1_200, 6 << 20).read_back(RecordVersion::Two, &streams);
    let seen = hashes(&streams);
    assert_eq!(opened.check_all(&seen), Ok(()));
    for index in [0, 500, 948, 949, 1_199] {
        let mut other = seen.clone();
        other[index] = header().hash();
        assert_eq!(opened.check_all(&other), Err(OpenError::PartsDiffer), "{index}");
    }
    assert_eq!(opened.check_all(&seen[..1_199]), Err(OpenError::PartsDiffer));
}

#[test]
fn a_range_compares_the_part_that_the_record_knows() {
    let own = header();
    for known in [PartStream::Header(own), PartStream::Hash(own.hash())] {
        let streams = PartStreams::new(vec![PartStream::Unknown, known]);
        assert_eq!(streams.check(1, &own), Ok(()));
        assert_eq!(streams.check(1, &header()), Err(OpenError::PartsDiffer));
        assert_eq!((streams.check(0, &own), streams.check(2, &own)), (Ok(()), Ok(())), "nothing is known");
    }
}

#[test]
fn the_digest_is_left_out_where_a_part_behind_the_listed_ones_is_unknown() {
    let mut streams = headers(1_200);
    streams[3] = PartStream::Unknown;
    let opened = Sealed::new(1_200, 6 << 20).read_back(RecordVersion::Two, &streams);
    assert!(opened.digest.is_some(), "one that is listed as unknown counts as zeros");
    streams[1_100] = PartStream::Unknown;
    let opened = Sealed::new(1_200, 6 << 20).read_back(RecordVersion::Two, &streams);
    assert_eq!((opened.digest, opened.listed().len()), (None, 950));
}

#[test]
fn every_byte_behind_the_attributes_of_version_2_must_parse() {
    let known = [PartStream::Header(header()), PartStream::Hash(header().hash())];
    let fields = Sealed::new(2, 10).fields(RecordVersion::Two, &known);
    assert!(Completion::parse(&fields).is_ok());
    let at = fields.len() - (1 + 41 + 17 + 33);
    // a record that knows of no part, or of the first alone
    let complete = [at + 1, at + 42];
    for length in (0..fields.len()).filter(|length| !complete.contains(length)) {
        assert!(Completion::parse(&fields[..length]).is_err(), "cut to {length}");
    }
    assert!(Completion::parse(&[&fields[..], &[0]].concat()).is_err(), "grown");
    for (offset, byte) in [(0, 1), (0, 3), (1, 0), (1, 2), (1, 4), (2, 41), (42, 3), (42, 9), (59, 2), (60, 7)] {
        let mut changed = fields.clone();
        changed[at + offset] = if changed[at + offset] == byte { byte ^ 0x80 } else { byte };
        assert!(Completion::parse(&changed).is_err(), "byte {offset}");
    }
}

#[test]
fn more_streams_than_parts_are_refused() {
    let fields = |count: usize| [&[MARK][..], &vec![UNKNOWN; count]].concat();
    let parse = |bytes: &[u8]| PartStreams::parse_2(&mut Fields(bytes), 2);
    assert!(parse(&fields(1)).is_ok());
    assert_eq!(parse(&fields(3)), Err(MALFORMED));
    assert_eq!(parse(&fields(2)), Err(MALFORMED), "all parts are listed and the digest is missing");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_known_comes_back_or_is_left_out_at_the_end(
        kinds in prop::collection::vec(0..3_u8, 1..1_500), bytes in prop::sample::select(vec![7, 5_000_000, 6 << 20])
    ) {
        let all = headers(kinds.len());
        let known: Vec<_> = kinds.iter().zip(&all).map(|(kind, stream)| match kind {
            0 => PartStream::Unknown,
            1 => *stream,
            _ => PartStream::Hash(stream.hash().unwrap()),
        }).collect();
        let sealed = Sealed::new(u32::try_from(kinds.len()).unwrap(), bytes);
        let opened = sealed.read_back(RecordVersion::Two, &known);
        let listed = opened.listed();
        prop_assert!(listed.iter().zip(&known).all(|(read, known)| read.hash() == known.hash()));
        prop_assert!(listed.len() == known.len() || listed.len() > 860);
        prop_assert_eq!(opened.check_all(&hashes(&all)), Ok(()));
    }
}
