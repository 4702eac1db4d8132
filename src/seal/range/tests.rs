use proptest::prelude::*;

use super::*;
use crate::seal::{
    Envelope, Kind, PartStream, PlainLen, PlainRangeSpec, SingleSealer, Span, StoredRangeSpec,
    testing::{Stored, chunks, envelope, part, sample},
};

struct Single {
    secret: ObjectSecret,
    header: StreamHeader,
    plain: Vec<u8>,
    body: Vec<u8>,
}

impl Single {
    fn new(bytes: usize) -> Self {
        let (envelope, secret) = envelope(Kind::Single);
        let plain = sample(bytes);
        let mut sealer = SingleSealer::new(&envelope, &secret, PlainLen::new(bytes as u64)).unwrap();
        let header = *sealer.stream_header();
        let mut out = BytesMut::new();
        sealer.push(&plain, &mut out).unwrap();
        sealer.finish(&mut out).unwrap();
        Self { secret, header, plain, body: out.to_vec() }
    }

    fn stored(&self) -> SealedLen {
        SealedLen::new(self.body.len() as u64)
    }

    /// Plays backend and reader: asks before the length is known, cuts as a backend does, opens. `None` is 416.
    fn read(&self, spec: PlainRangeSpec, cuts: &[usize]) -> Option<Result<Vec<u8>, OpenError>> {
        let stored = self.stored().bytes();
        let (first, end) = match spec.single_stored() {
            StoredRangeSpec::Between { first, last } => (first, last.saturating_add(1).min(stored)),
            StoredRangeSpec::From { first } => (first, stored),
            StoredRangeSpec::Last { count } => (stored.saturating_sub(count), stored),
        };
        let range = spec.resolve(geometry::single_plain(self.stored()).unwrap())?;
        let answer = slice(&self.body, Span { stored_first: first, stored_bytes: end - first });
        let opener = RangeOpener::single(&self.secret, &self.header, self.stored(), range, first);
        Some(opener.and_then(|opener| feed(opener, answer, cuts)))
    }
}

fn slice(body: &[u8], span: Span) -> &[u8] {
    let first = usize::try_from(span.stored_first).unwrap();
    &body[first..first + usize::try_from(span.stored_bytes).unwrap()]
}

fn feed(mut opener: RangeOpener, answer: &[u8], cuts: &[usize]) -> Result<Vec<u8>, OpenError> {
    let mut out = BytesMut::new();
    chunks(answer, cuts).into_iter().try_for_each(|chunk| opener.push(chunk, &mut out))?;
    opener.finish()?;
    Ok(out.to_vec())
}

fn wanted(plain: &[u8], range: PlainRange) -> &[u8] {
    &plain[usize::try_from(range.first()).unwrap()..=usize::try_from(range.last()).unwrap()]
}

/// Fetches what the table says, from a body that may have been changed, and opens.
fn read_parts(stored: &Stored, body: &[u8], range: PlainRange, cuts: &[usize]) -> Result<Vec<u8>, OpenError> {
    let span = stored.table.span(range).unwrap();
    let header = span
        .stream_header_first
        .map(|stored_first| StreamHeader::parse(slice(body, Span { stored_first, stored_bytes: 40 })).unwrap());
    let known = (Arc::new(stored.table.clone()), Arc::new(stored.streams.clone()));
    let opener = RangeOpener::parts(&stored.secret, known, range, header.as_ref())?;
    feed(opener, slice(body, span.stored), cuts)
}

#[test]
fn a_range_gives_no_byte_of_a_tampered_segment() {
    let mut single = Single::new(200_000);
    single.body[128 + 65_536 + 60_000] ^= 1;
    let read = |first, last| single.read(PlainRangeSpec::Between { first, last }, &[70_000]).unwrap();
    assert_eq!(read(65_480, 65_480), Err(OpenError::Segment { index: 1 }));
    assert_eq!(read(65_479, 65_480), Err(OpenError::Segment { index: 1 }));
    assert!(read(0, 65_479).is_ok() && read(131_000, 199_999).is_ok());
}

#[test]
fn a_range_under_a_wrong_header_fails_authentication() {
    let mut single = Single::new(200_000);
    single.header = Single::new(0).header;
    let read = single.read(PlainRangeSpec::Between { first: 100_000, last: 100_001 }, &[4_096]);
    assert_eq!(read, Some(Err(OpenError::Segment { index: 1 })));
}

#[test]
fn a_range_of_a_grown_or_cut_object_fails_in_every_segment() {
    let single = Single::new(200_000);
    let range = PlainRange::new(0, 10).unwrap();
    for stored in [single.body.len() as u64 - 1, single.body.len() as u64 + 1] {
        let opener = RangeOpener::single(&single.secret, &single.header, SealedLen::new(stored), range, 168).unwrap();
        assert_eq!(feed(opener, &single.body[168..128 + 65_536], &[70_000]), Err(OpenError::Segment { index: 0 }));
    }
}

#[test]
fn a_range_fed_from_behind_its_first_byte_is_refused() {
    let single = Single::new(100);
    let range = PlainRange::new(0, 10).unwrap();
    let opener = RangeOpener::single(&single.secret, &single.header, single.stored(), range, 169);
    assert_eq!(opener.err(), Some(OpenError::Length(LengthError::Range)));
}

#[test]
fn a_range_that_ends_early_or_goes_on_is_refused() {
    let single = Single::new(100);
    let range = PlainRange::new(0, 10).unwrap();
    let open = |fed: &[u8]| {
        let opener = RangeOpener::single(&single.secret, &single.header, single.stored(), range, 168);
        feed(opener.unwrap(), fed, &[1])
    };
    assert_eq!(open(&single.body[168..283]), Err(OpenError::Cut));
    assert_eq!(open(&[&single.body[168..], b"x"].concat()), Err(OpenError::Trailing));
}

#[test]
fn a_range_over_parts_checks_each_part_header() {
    let stored = Stored::new(&[(1, 1_000), (2, 1_000), (3, 10)]);
    let swapped = [&stored.parts[1][..], &stored.parts[0], &stored.parts[2]].concat();
    let range = PlainRange::new(0, 1_500).unwrap();
    assert_eq!(read_parts(&stored, &swapped, range, &[500]), Err(OpenError::PartHeader));
}

#[test]
fn a_range_in_the_middle_of_a_swapped_part_fails() {
    let stored = Stored::new(&[(1, 100_000), (2, 100_000), (3, 10)]);
    let swapped = [&stored.parts[1][..], &stored.parts[0], &stored.parts[2]].concat();
    let range = PlainRange::new(70_000, 70_010).unwrap();
    assert!(read_parts(&stored, &stored.body(), range, &[500]).is_ok());
    assert_eq!(read_parts(&stored, &swapped, range, &[500]), Err(OpenError::Segment { index: 1 }));
}

#[test]
fn a_range_of_an_earlier_attempt_is_refused_where_the_record_knows_the_stream() {
    let shape = [(1, 100_000), (2, 100_000), (3, 10)];
    for known in [|_, header| PartStream::Header(header), |_, header: StreamHeader| PartStream::Hash(header.hash())] {
        let mut stored = Stored::with_streams(&shape, known);
        let read = |stored: &Stored, first, last| {
            read_parts(stored, &stored.body(), PlainRange::new(first, last).unwrap(), &[500])
        };
        let ranges = [(100_000, 100_010), (170_000, 170_010), (99_000, 200_005)];
        assert!(ranges.iter().all(|(first, last)| read(&stored, *first, *last).is_ok()));
        stored.parts[1] = part(&stored.secret, 2, &stored.plain[100_000..200_000]);
        for (first, last) in ranges {
            assert_eq!(read(&stored, first, last), Err(OpenError::PartsDiffer), "{first}-{last}");
        }
        assert!(read(&stored, 0, 99_999).is_ok() && read(&stored, 200_000, 200_009).is_ok(), "the parts beside it");
    }
}

#[test]
fn a_needed_header_cannot_be_left_out() {
    let stored = Stored::new(&[(1, 100_000)]);
    let range = PlainRange::new(70_000, 70_010).unwrap();
    let known = (Arc::new(stored.table.clone()), Arc::default());
    let opener = RangeOpener::parts(&stored.secret, known, range, None);
    assert_eq!(opener.err(), Some(OpenError::StreamHeader));
}

#[test]
fn segments_of_large_parts_are_ranged_as_well() {
    let stored = Stored::new(&[(1, 1_024 * 65_520 + 1_000_000), (2, 1)]);
    let (body, end) = (stored.body(), stored.plain.len() as u64 - 1);
    for (first, last) in [(0, 0), (131_015, 131_016), (end - 131_072, end), (end, end)] {
        let range = PlainRange::new(first, last).unwrap();
        let read = read_parts(&stored, &body, range, &[70_000]).unwrap();
        assert!(read == wanted(&stored.plain, range), "{first}-{last}");
    }
}

#[test]
fn the_stream_header_lies_behind_the_envelope() {
    let single = Single::new(0);
    assert_eq!(&single.body[Envelope::BYTES..168], single.header.as_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_range_of_a_single_reads_the_bytes_asked_for(
        bytes in 0..300_000_usize, a in 0..300_000_u64, b in 0..300_000_u64, which in 0..3, cut in 1..100_000_usize
    ) {
        let single = Single::new(bytes);
        let spec = match which {
            0 => PlainRangeSpec::Between { first: a.min(b), last: a.max(b) },
            1 => PlainRangeSpec::From { first: a },
            _ => PlainRangeSpec::Last { count: a },
        };
        let expected = spec.resolve(PlainLen::new(bytes as u64)).map(|range| Ok(wanted(&single.plain, range).to_vec()));
        prop_assert!(single.read(spec, &[cut]) == expected);
    }

    #[test]
    fn any_range_of_parts_reads_the_bytes_asked_for(
        a in 0..340_487_u64, b in 0..340_487_u64, cuts in prop::collection::vec(1..100_000_usize, 1..5)
    ) {
        let stored = Stored::new(&[(1, 140_000), (2, 65_480), (4, 0), (5, 65_000), (9, 70_000), (10, 7)]);
        let range = PlainRange::new(a.min(b), a.max(b)).unwrap();
        let read = read_parts(&stored, &stored.body(), range, &cuts);
        prop_assert!(read.as_deref() == Ok(wanted(&stored.plain, range)), "{:?}", read.err());
    }
}
