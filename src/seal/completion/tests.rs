use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;
use crate::seal::{
    open_attributes, seal_attributes,
    testing::{envelope, number},
};

fn table(parts: impl IntoIterator<Item = (u32, u64)>) -> PartTable {
    PartTable::from_parts(parts.into_iter().map(|(n, bytes)| (number(n), PlainLen::new(bytes)))).unwrap()
}

fn seal(secret: &ObjectSecret, envelope: &Envelope, table: &PartTable, attributes: &[u8]) -> CompletionRecord {
    Completion::seal(secret, envelope, RecordVersion::One, (table, &[]), attributes).unwrap()
}

/// Opens a record at the end of an object that has the right length for it.
fn open(secret: &ObjectSecret, table: &PartTable, tail: &[u8]) -> Result<Completion, OpenError> {
    let stored = table.total().bytes() + u64::from(table.client_parts()) * 16_440;
    Completion::open(secret, SealedLen::new(stored), table.client_parts(), tail)
}

#[test]
fn a_record_gives_back_the_table() {
    let (envelope, secret) = envelope(Kind::Multipart);
    let table = table([(1, 10), (2, 10), (5, 3)]);
    let record = seal(&secret, &envelope, &table, b"sums");
    let opened = open(&secret, &table, record.as_bytes()).unwrap();
    assert_eq!((opened.total(), opened.client_parts()), (table.total(), 3));
    assert_eq!((opened.at_upload(), opened.attributes()), (&envelope, &b"sums"[..]));
    assert_eq!(opened.into_parts().0, CompletionParts::Listed(table));
}

#[test]
fn a_completion_part_is_zeros_and_then_the_record() {
    let (envelope, secret) = envelope(Kind::Multipart);
    let table = table([(1, 6 << 20)]);
    let record = seal(&secret, &envelope, &table, b"");
    let bytes = record.as_bytes().to_vec();
    let part = record.into_part();
    assert_eq!(part.len(), 16_440);
    assert!(part.ends_with(&bytes) && part[..16_440 - bytes.len()].iter().all(|byte| *byte == 0));
}

#[test]
fn over_900_runs_are_not_listed_but_checked() {
    let (envelope, secret) = envelope(Kind::Multipart);
    let parts = |last: u64| (1..=901).map(move |n| (n, if n == 901 { last } else { u64::from(n % 2) }));
    let table = table(parts(5));
    let record = seal(&secret, &envelope, &table, b"");
    let CompletionParts::Unlisted(unlisted) = open(&secret, &table, record.as_bytes()).unwrap().into_parts().0 else {
        panic!("listed");
    };
    let walked = |last| parts(last).map(|(n, bytes)| (number(n), PlainLen::new(bytes)));
    assert_eq!(unlisted.client_parts(), 901);
    assert_eq!(unlisted.resolve(walked(5)), Ok(table));
    assert_eq!(unlisted.resolve(walked(6)), Err(OpenError::PartsDiffer));
    assert_eq!(unlisted.resolve(walked(5).take(900)), Err(OpenError::PartsDiffer));
    assert_eq!(unlisted.resolve([]), Err(OpenError::PartsDiffer));
}

#[test]
fn exactly_900_runs_are_listed() {
    let (envelope, secret) = envelope(Kind::Multipart);
    let table = table((1..=900).map(|n| (n, u64::from(n))));
    let record = seal(&secret, &envelope, &table, b"");
    assert_eq!(open(&secret, &table, record.as_bytes()).unwrap().into_parts().0, CompletionParts::Listed(table));
}

#[test]
fn stored_length_and_count_must_be_those_of_the_record() {
    let (envelope, secret) = envelope(Kind::Multipart);
    let table = table([(1, 10), (2, 10)]);
    let record = seal(&secret, &envelope, &table, b"");
    let open = |stored, parts| Completion::open(&secret, SealedLen::new(stored), parts, record.as_bytes()).map(|_| ());
    assert_eq!(open(20 + 2 * 16_440, 2), Ok(()));
    assert_eq!(open(20 + 3 * 16_440, 3), Ok(()), "with a completion part");
    for (stored, parts) in [(20 + 16_440, 1), (20 + 4 * 16_440, 4), (21 + 2 * 16_440, 2), (20 + 2 * 16_440, 1)] {
        assert_eq!(open(stored, parts), Err(OpenError::PartsDiffer), "F-5: {stored} in {parts}");
    }
}

#[test]
fn no_bit_of_record_or_trailer_can_change() {
    let (envelope, secret) = envelope(Kind::Multipart);
    let table = table([(1, 10)]);
    let record = seal(&secret, &envelope, &table, b"sums");
    for bit in 0..record.as_bytes().len() * 8 {
        let mut changed = record.as_bytes().to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&secret, &table, &changed).is_err(), "bit {bit}");
    }
}

#[test]
fn a_tail_without_a_whole_record_is_refused() {
    let (envelope, secret) = envelope(Kind::Multipart);
    let table = table([(1, 10)]);
    let record = seal(&secret, &envelope, &table, b"");
    let bytes = record.as_bytes();
    for tail in [&bytes[1..], &bytes[bytes.len() - 16..], &bytes[bytes.len() - 15..], &[0; 100], b""] {
        assert!(matches!(open(&secret, &table, tail), Err(OpenError::Completion(_))), "{} bytes", tail.len());
    }
}

#[test]
fn fields_that_make_no_sense_are_refused_though_sealed() {
    let (envelope, secret) = envelope(Kind::Multipart);
    let table = table([(1, 10)]);
    let record = seal(&secret, &envelope, &table, b"sums");
    let fields = open_whole(&secret, AAD, record_in(record.as_bytes()).unwrap()).unwrap();
    assert!(Completion::parse(&fields).is_ok());
    for length in 0..fields.len() {
        assert!(Completion::parse(&fields[..length]).is_err(), "cut to {length}");
    }
    for (offset, byte) in
        [(0, 0), (0, 3), (1, 0), (136, 11), (140, 2), (141, 1), (174, 2), (173, 4), (178, 0), (182, 0)]
    {
        let mut changed = fields.to_vec();
        assert_ne!(changed[offset], byte);
        changed[offset] = byte;
        assert!(Completion::parse(&changed).is_err(), "byte {offset}");
    }
}

#[test]
fn neither_attributes_nor_a_record_open_as_the_other() {
    let (envelope, secret) = envelope(Kind::Multipart);
    let table = table([(1, 10)]);
    let record = seal(&secret, &envelope, &table, b"sums");
    let sealed = record_in(record.as_bytes()).unwrap();
    let fields = open_whole(&secret, AAD, sealed).unwrap();
    let other = Err(OpenError::Segment { index: 0 });
    assert_eq!(open_attributes(&secret, &URL_SAFE_NO_PAD.encode(sealed)), other, "F-28");
    let attributes = URL_SAFE_NO_PAD.decode(seal_attributes(&secret, &fields).unwrap()).unwrap();
    assert_eq!(attributes.len(), sealed.len());
    let tail = [&attributes[..], &record.as_bytes()[sealed.len()..]].concat();
    assert_eq!(open(&secret, &table, &tail).unwrap_err(), OpenError::Segment { index: 0 }, "F-28");
}

#[test]
fn attributes_have_a_limit() {
    let (envelope, secret) = envelope(Kind::Multipart);
    let sealed = Completion::seal(&secret, &envelope, RecordVersion::One, (&table([(1, 1)]), &[]), &[0; 401]);
    assert_eq!(sealed.err(), Some(SealError::AttributesTooLong { bytes: 401 }));
}

#[test]
fn a_single_envelope_completes_nothing() {
    let (envelope, secret) = envelope(Kind::Single);
    let sealed = Completion::seal(&secret, &envelope, RecordVersion::One, (&table([(1, 1)]), &[]), b"");
    assert_eq!(sealed.err(), Some(SealError::WrongKind));
}

#[test]
fn attributes_that_would_be_taken_for_stream_headers_are_refused() {
    let (envelope, secret) = envelope(Kind::Multipart);
    let sealed = Completion::seal(&secret, &envelope, RecordVersion::One, (&table([(1, 1)]), &[]), b"a\0b");
    assert_eq!(sealed.err(), Some(SealError::ZeroInAttributes));
}
