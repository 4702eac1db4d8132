use proptest::prelude::*;

use super::*;
use crate::seal::{PlainLen, random::fixed, testing::chunks};

fn secret() -> ObjectSecret {
    ObjectSecret::new([7; 32])
}

fn seal_in_chunks(plain: &[u8], cuts: &[usize]) -> BytesMut {
    fixed::with("chunks", || {
        let layout = StreamLayout::single(PlainLen::new(plain.len() as u64)).unwrap();
        let header = StreamHeader::generate().unwrap();
        let mut sealer = StreamSealer::new(&secret(), &[b"aad"], layout, &header);
        let mut out = BytesMut::new();
        chunks(plain, cuts).into_iter().try_for_each(|chunk| sealer.push(chunk, &mut out)).unwrap();
        sealer.finish(&mut out).unwrap();
        out
    })
}

#[test]
fn a_header_is_40_bytes_that_begin_with_40() {
    let header = StreamHeader::generate().unwrap();
    assert_eq!(StreamHeader::parse(header.as_bytes()), Ok(header));
    assert_eq!(StreamHeader::from_metadata(&header.to_metadata()), Ok(header));
    assert_eq!(header.to_metadata().len(), 54);
    let mut other = *header.as_bytes();
    other[0] = 41;
    for bytes in [&other[..], &header.as_bytes()[1..], b""] {
        assert_eq!(StreamHeader::parse(bytes), Err(OpenError::StreamHeader));
    }
    assert_eq!(StreamHeader::from_metadata(&format!("{}==", header.to_metadata())), Err(OpenError::StreamHeader));
}

#[test]
fn two_headers_share_neither_salt_nor_prefix() {
    let (one, two) = (StreamHeader::generate().unwrap(), StreamHeader::generate().unwrap());
    assert_ne!(one.0[1..33], two.0[1..33], "F-12");
    assert_ne!(one.0[33..], two.0[33..]);
}

#[test]
fn another_aad_or_secret_opens_nothing() {
    let sealed = seal_whole(&secret(), b"one", b"text").unwrap();
    assert_eq!(open_whole(&secret(), b"one", &sealed).as_deref(), Ok(&b"text"[..]));
    assert_eq!(open_whole(&secret(), b"two", &sealed), Err(OpenError::Segment { index: 0 }));
    assert_eq!(open_whole(&ObjectSecret::new([8; 32]), b"one", &sealed), Err(OpenError::Segment { index: 0 }));
}

#[test]
fn nothing_of_a_segment_comes_out_before_its_tag_was_checked_nor_later_if_it_failed() {
    let plain: Vec<u8> = (0..=255).cycle().take(150_000).collect();
    let sealed = seal_whole(&secret(), b"aad", &plain).unwrap();
    let (header, segments) = sealed.split_at(StreamHeader::BYTES);
    let layout = StreamLayout::of_sealed(sealed.len() as u64).unwrap();
    let header = StreamHeader::parse(header).unwrap();
    let mut opener = StreamOpener::whole(&secret(), &[b"aad"], layout, &header);
    let mut first = segments[..usize::try_from(layout.segment_plain_bytes(0)).unwrap() + TAG_BYTES].to_vec();
    first[0] ^= 1;
    let (last, but_one) = first.split_last().unwrap();
    let mut out = BytesMut::new();
    assert_eq!(opener.push(but_one, &mut out), Ok(&b""[..]));
    assert!(out.is_empty());
    assert_eq!(opener.push(&[*last], &mut out), Err(OpenError::Segment { index: 0 }));
    assert!(out.is_empty());
    opener.push(segments, &mut out).unwrap();
    assert!(opener.is_done() && out == plain);
}

#[test]
fn no_bit_of_a_stream_can_change() {
    let sealed = seal_whole(&secret(), b"aad", b"some text").unwrap();
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(open_whole(&secret(), b"aad", &changed).is_err(), "bit {bit}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn sealing_does_not_depend_on_how_the_input_is_cut(
        length in 0..200_000_usize, cuts in prop::collection::vec(1..90_000_usize, 1..20)
    ) {
        let plain = vec![0x5a; length];
        prop_assert_eq!(seal_in_chunks(&plain, &cuts), seal_in_chunks(&plain, &[usize::MAX]));
    }
}
