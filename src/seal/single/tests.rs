use proptest::prelude::*;

use super::*;
use crate::seal::testing::{chunks, envelope, sample};

struct Sealed {
    secret: ObjectSecret,
    body: Vec<u8>,
}

fn seal(plain: &[u8]) -> Sealed {
    let (envelope, secret) = envelope(Kind::Single);
    let mut sealer = SingleSealer::new(&envelope, &secret, PlainLen::new(plain.len() as u64)).unwrap();
    let mut out = BytesMut::new();
    sealer.push(plain, &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    Sealed { secret, body: out.to_vec() }
}

/// What came out, and how it ended.
fn open(secret: &ObjectSecret, stored: usize, chunks: &[&[u8]]) -> (BytesMut, Result<(), OpenError>) {
    let mut out = BytesMut::new();
    let ended = SingleOpener::new(secret, SealedLen::new(stored as u64)).and_then(|mut opener| {
        chunks.iter().try_for_each(|chunk| opener.push(chunk, &mut out))?;
        opener.finish()
    });
    (out, ended)
}

const LENGTHS: [usize; 12] = [0, 1, 15, 16, 65_479, 65_480, 65_481, 65_520, 130_999, 131_000, 131_001, 5 * 65_520];

#[test]
fn every_length_comes_back() {
    for length in LENGTHS {
        let (plain, sealed) = (sample(length), seal(&sample(length)));
        assert_eq!(geometry::single_sealed(PlainLen::new(length as u64)), Ok(SealedLen::new(sealed.body.len() as u64)));
        let (out, ended) = open(&sealed.secret, sealed.body.len(), &[&sealed.body]);
        assert_eq!((&out[..], ended), (&plain[..], Ok(())), "{length} bytes");
    }
}

#[test]
fn the_plaintext_is_not_in_the_body() {
    let plain = sample(200_000);
    let sealed = seal(&plain);
    assert!(!sealed.body.windows(16).any(|window| window == &plain[1_000..1_016]));
}

#[test]
fn the_last_tag_leaves_with_finish_only() {
    for length in LENGTHS {
        let (envelope, secret) = envelope(Kind::Single);
        let plain_len = PlainLen::new(length as u64);
        let stored = usize::try_from(geometry::single_sealed(plain_len).unwrap().bytes()).unwrap();
        let mut sealer = SingleSealer::new(&envelope, &secret, plain_len).unwrap();
        let mut out = BytesMut::new();
        sealer.push(&sample(length), &mut out).unwrap();
        assert_eq!(out.len(), stored - 16, "F-19: {length} bytes");
        let (opened, ended) = open(&secret, stored, &[&out]);
        assert_eq!(ended, Err(OpenError::Cut));
        assert!(opened.len() < length.max(1), "the last segment stays shut");
    }
}

#[test]
fn a_length_other_than_announced_is_refused() {
    let (envelope, secret) = envelope(Kind::Single);
    let mut out = BytesMut::new();
    let mut sealer = SingleSealer::new(&envelope, &secret, PlainLen::new(3)).unwrap();
    assert_eq!(sealer.push(b"abcd", &mut out), Err(SealError::LengthDiffers { announced: 3, given: 4 }));
    sealer.push(b"ab", &mut out).unwrap();
    assert_eq!(sealer.finish(&mut out), Err(SealError::LengthDiffers { announced: 3, given: 2 }));
}

#[test]
fn a_multipart_envelope_seals_no_single() {
    let (envelope, secret) = envelope(Kind::Multipart);
    assert_eq!(SingleSealer::new(&envelope, &secret, PlainLen::new(0)).err(), Some(SealError::WrongKind));
}

#[test]
fn opening_stops_before_the_first_byte_of_a_tampered_segment() {
    let plain = sample(200_000);
    let sealed = seal(&plain);
    for (offset, good_bytes) in
        [(128 + 40, 0), (128 + 65_535, 0), (128 + 65_536, 65_480), (sealed.body.len() - 1, 196_520)]
    {
        let mut body = sealed.body.clone();
        body[offset] ^= 1;
        let (out, ended) = open(&sealed.secret, body.len(), &[&body]);
        assert!(matches!(ended, Err(OpenError::Segment { .. })), "at {offset}");
        assert_eq!(&out[..], &plain[..good_bytes], "at {offset}");
    }
}

#[test]
fn a_cut_body_gives_no_byte_under_its_new_length() {
    let sealed = seal(&sample(200_000));
    for length in [184, 300, 128 + 65_536, 128 + 2 * 65_536, sealed.body.len() - 1] {
        let (out, ended) = open(&sealed.secret, length, &[&sealed.body[..length]]);
        assert!(ended.is_err() && out.is_empty(), "cut to {length}");
    }
}

#[test]
fn a_body_that_ends_early_is_not_whole() {
    let sealed = seal(&sample(200_000));
    for length in [0, 1, 167, 168, 65_664, sealed.body.len() - 1] {
        let (_, ended) = open(&sealed.secret, sealed.body.len(), &[&sealed.body[..length]]);
        assert_eq!(ended, Err(OpenError::Cut), "ended at {length}");
    }
}

#[test]
fn bytes_behind_the_end_are_refused() {
    let sealed = seal(&sample(100));
    let (_, ended) = open(&sealed.secret, sealed.body.len(), &[&sealed.body, b"x"]);
    assert_eq!(ended, Err(OpenError::Trailing));
}

#[test]
fn the_leading_envelope_may_be_stale() {
    // F-17
    let mut sealed = seal(b"abc");
    sealed.body[..128].fill(0);
    assert_eq!(&open(&sealed.secret, sealed.body.len(), &[&sealed.body]).0[..], b"abc");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn how_the_input_is_cut_changes_nothing(length in 0..200_000_usize, cuts in prop::collection::vec(1..90_000_usize, 1..20)) {
        let plain = sample(length);
        let sealed = seal(&plain);
        let (out, ended) = open(&sealed.secret, sealed.body.len(), &chunks(&sealed.body, &cuts));
        prop_assert_eq!(ended, Ok(()));
        prop_assert!(out == plain);
    }
}
