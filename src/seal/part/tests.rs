use super::*;
use crate::seal::{
    Completion, Kind, PartTable, RecordVersion,
    testing::{envelope, number, part, sample},
};

fn open(secret: &ObjectSecret, stored: &[u8]) -> (BytesMut, Result<(), OpenError>) {
    let mut out = BytesMut::new();
    let ended = PartHeader::parse(&stored[..16]).and_then(|header| {
        let mut opener = PartOpener::new(secret, header);
        opener.push(&stored[16..], &mut out)?;
        opener.finish()
    });
    (out, ended)
}

#[test]
fn part_numbers_are_1_to_9999() {
    assert_eq!((number(1).number(), number(9_999).number()), (1, 9_999));
    for bad in [0, 10_000, u32::MAX] {
        assert_eq!(PartNumber::new(bad), Err(SealError::PartNumber { number: bad }), "F-7");
    }
}

#[test]
fn a_part_header_reads_what_it_writes() {
    let header = PartHeader::new(number(7), PlainLen::new(5 << 30)).unwrap();
    assert_eq!(header.to_bytes(), *b"SGP1\x00\x00\x00\x07\x00\x00\x00\x01\x40\x00\x00\x00");
    assert_eq!(PartHeader::parse(&header.to_bytes()), Ok(header));
}

#[test]
fn impossible_part_headers_are_refused() {
    let good = PartHeader::new(number(7), PlainLen::new(5 << 30)).unwrap().to_bytes();
    let changed = |offset: usize, byte: u8| {
        let mut bytes = good;
        bytes[offset] = byte;
        bytes
    };
    for bytes in [changed(0, b'X'), changed(7, 0), changed(4, 1), changed(15, 1), changed(8, 0xff)] {
        assert_eq!(PartHeader::parse(&bytes), Err(OpenError::PartHeader), "{bytes:?}");
    }
    assert_eq!(PartHeader::parse(&good[1..]), Err(OpenError::PartHeader));
}

#[test]
fn parts_of_any_length_come_back_with_constant_overhead() {
    let (_, secret) = envelope(Kind::Multipart);
    for bytes in [0, 1, 65_480, 65_481, 1_024 * 65_520 - 40, 1_024 * 65_520 - 39] {
        let plain = sample(bytes);
        let stored = part(&secret, 3, &plain);
        assert_eq!(stored.len(), bytes + 16_440);
        let (out, ended) = open(&secret, &stored);
        assert!(out == plain && ended == Ok(()), "{bytes} bytes: {ended:?}");
    }
}

#[test]
fn the_last_tag_and_the_zeros_leave_with_finish_only() {
    let (_, secret) = envelope(Kind::Multipart);
    let mut sealer = PartSealer::new(&secret, number(1), PlainLen::new(100)).unwrap();
    let mut out = BytesMut::new();
    sealer.push(&sample(100), &mut out).unwrap();
    assert_eq!(out.len(), 16 + 40 + 100, "F-19");
    sealer.finish(&mut out).unwrap();
    assert_eq!(out.len(), 100 + 16_440);
    assert!(out[16 + 40 + 100 + 16..].iter().all(|byte| *byte == 0));
}

#[test]
fn two_attempts_at_a_part_share_no_header() {
    let (_, secret) = envelope(Kind::Multipart);
    let (one, two) = (part(&secret, 1, b"same"), part(&secret, 1, b"same"));
    assert_eq!(one[..16], two[..16]);
    assert_ne!(one[16..56], two[16..56], "F-6");
}

#[test]
fn a_part_opens_under_its_own_number_and_length_only() {
    let (_, secret) = envelope(Kind::Multipart);
    let stored = part(&secret, 1, &sample(1_000));
    for offset in [7, 15] {
        let mut changed = stored.clone();
        changed[offset] ^= 2;
        let (out, ended) = open(&secret, &changed);
        assert!(out.is_empty() && ended.is_err(), "byte {offset}");
    }
}

#[test]
fn slack_that_is_not_zero_is_refused() {
    let (_, secret) = envelope(Kind::Multipart);
    let mut stored = part(&secret, 1, b"abc");
    *stored.last_mut().unwrap() = 1;
    assert_eq!(open(&secret, &stored).1, Err(OpenError::Slack), "F-9");
}

#[test]
fn a_part_that_is_cut_or_goes_on_is_refused() {
    let (_, secret) = envelope(Kind::Multipart);
    let stored = part(&secret, 1, b"abc");
    assert_eq!(open(&secret, &stored[..stored.len() - 1]).1, Err(OpenError::Cut));
    assert_eq!(open(&secret, &[&stored[..], b"x"].concat()).1, Err(OpenError::Trailing));
}

#[test]
fn a_record_fits_the_zeros_of_the_largest_last_part() {
    let (envelope, secret) = envelope(Kind::Multipart);
    let irregular = (1..=900).map(|n| (number(n), PlainLen::new(u64::from(n))));
    let table = PartTable::from_parts(irregular).unwrap();
    let attributes = [1; Completion::ATTRIBUTES_BYTES_MAX];
    let record = Completion::seal(&secret, &envelope, RecordVersion::One, (&table, &[]), &attributes).unwrap();
    let plain = sample((5 << 20) - 16_441);
    let mut stored = part(&secret, 900, &plain);
    place_record(&mut stored, &record).unwrap();
    assert!(stored.ends_with(record.as_bytes()));
    assert!(open(&secret, &stored).0 == plain, "the plaintext is untouched");
}

#[test]
fn a_record_is_placed_into_zeros_of_a_small_whole_part_only() {
    let (envelope, secret) = envelope(Kind::Multipart);
    let table = PartTable::from_parts([(number(1), PlainLen::new(3))]).unwrap();
    let record = Completion::seal(&secret, &envelope, RecordVersion::One, (&table, &[]), b"").unwrap();
    let mut taken = part(&secret, 1, b"abc");
    place_record(&mut taken, &record).unwrap();
    let mut cut = part(&secret, 1, b"abc");
    cut.pop();
    let large = part(&secret, 1, &sample((5 << 20) - 16_440));
    for mut stored in [taken, cut, large, Vec::new()] {
        assert_eq!(place_record(&mut stored, &record), Err(SealError::NoRoomForRecord));
    }
}
