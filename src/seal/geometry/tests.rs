#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise"
)]

use proptest::prelude::*;

use super::{stream::StreamLayout, *};

fn plain(bytes: u64) -> PlainLen {
    PlainLen::new(bytes)
}

fn sealed(bytes: u64) -> SealedLen {
    SealedLen::new(bytes)
}

#[test]
fn single_lengths_are_those_of_the_specification() {
    let cases = [(0, 184), (1, 185), (65_480, 65_664), (65_481, 65_681), (131_000, 131_200), (131_001, 131_217)];
    for (plain_bytes, sealed_bytes) in cases {
        assert_eq!(single_sealed(plain(plain_bytes)), Ok(sealed(sealed_bytes)));
    }
}

#[test]
fn single_lengths_are_a_bijection_over_the_first_segments() {
    let mut next = 0;
    for stored in 0..300_000 {
        match single_plain(sealed(stored)) {
            Ok(length) => {
                assert_eq!(length.bytes(), next, "every plaintext length, in order");
                assert_eq!(single_sealed(length), Ok(sealed(stored)));
                next += 1;
            }
            Err(error) => assert_eq!(error, LengthError::NoSuchSealed { bytes: stored }, "F-16"),
        }
    }
    assert_eq!(next, 300_000 - 168 - 5 * 16);
}

#[test]
fn a_stream_has_at_most_as_many_segments_as_a_u32_counts() {
    let most = u64::from(u32::MAX) * 65_520 - 40;
    let stored = single_sealed(plain(most)).unwrap();
    assert_eq!(single_plain(stored), Ok(plain(most)));
    assert_eq!(single_sealed(plain(most + 1)), Err(LengthError::PlainTooLong { bytes: most + 1 }), "F-11");
}

#[test]
fn a_multipart_length_needs_a_possible_count() {
    assert_eq!(multipart_plain(sealed(2 * 16_440 + 7), 2), Ok(plain(7)));
    for (stored, parts) in [(16_439, 1), (16_440, 0), (u64::MAX, 10_001), (16_440, 2)] {
        assert_eq!(multipart_plain(sealed(stored), parts), Err(LengthError::NoSuchSealed { bytes: stored }));
    }
}

#[test]
fn parts_have_constant_overhead_and_at_most_1024_segments() {
    let mib = 1 << 20;
    for (bytes, segment_bytes) in [
        (0, 65_536),
        (5 * mib, 65_536),
        (1_024 * 65_520 - 40, 65_536),
        (1_024 * 65_520 - 39, 131_072),
        (5 * 1_024 * mib, 8 * mib),
    ] {
        let layout = PartLayout::new(plain(bytes)).unwrap();
        assert_eq!(layout.stored(), sealed(bytes + 16_440));
        assert_eq!(layout.stream.stored_offset(1), segment_bytes, "part of {bytes}");
        assert!(layout.stream.last() < 1_024);
    }
}

#[test]
fn a_part_over_5_gib_is_refused() {
    let bytes = PART_PLAIN_BYTES_MAX + 1;
    assert_eq!(part_sealed(plain(bytes)), Err(LengthError::PlainTooLong { bytes }), "F-10");
    assert_eq!(part_plain(sealed(bytes + 16_440)), Err(LengthError::NoSuchSealed { bytes: bytes + 16_440 }));
}

#[test]
fn the_record_moves_out_of_the_last_part_at_5_mib_stored() {
    assert!(record_goes_into_last_part(plain((5 << 20) - 16_441)));
    assert!(!record_goes_into_last_part(plain((5 << 20) - 16_440)));
}

#[test]
fn unsatisfiable_ranges_resolve_to_none() {
    let none = [
        (PlainRangeSpec::From { first: 10 }, 10),
        (PlainRangeSpec::Between { first: 10, last: 20 }, 10),
        (PlainRangeSpec::Last { count: 0 }, 10),
        (PlainRangeSpec::Last { count: 5 }, 0),
        (PlainRangeSpec::From { first: 0 }, 0),
    ];
    for (spec, length) in none {
        assert_eq!(spec.resolve(plain(length)), None, "{spec:?} of {length}");
    }
}

#[test]
fn ranges_are_cut_at_the_end() {
    let whole = PlainRange::new(0, 9);
    assert_eq!(PlainRangeSpec::Between { first: 0, last: u64::MAX }.resolve(plain(10)), whole);
    assert_eq!(PlainRangeSpec::Last { count: 100 }.resolve(plain(10)), whole);
    assert_eq!(PlainRangeSpec::Last { count: 3 }.resolve(plain(10)), PlainRange::new(7, 9));
}

/// What a backend answers to a stored range: offset of the first byte and how many; `None` when it has none to give.
fn answer(spec: StoredRangeSpec, stored: u64) -> Option<(u64, u64)> {
    let (first, end) = match spec {
        StoredRangeSpec::Between { first, last } => (first, last.saturating_add(1).min(stored)),
        StoredRangeSpec::From { first } => (first, stored),
        StoredRangeSpec::Last { count } => (stored.saturating_sub(count), stored),
    };
    (first < end).then(|| (first, end - first))
}

fn specs() -> impl Strategy<Value = PlainRangeSpec> {
    let near =
        || prop_oneof![0..400_000_u64, (0..6_u64, 0..3_u64).prop_map(|(n, d)| (n * 65_520 + d).saturating_sub(41))];
    prop_oneof![
        (near(), near()).prop_map(|(a, b)| PlainRangeSpec::Between { first: a.min(b), last: a.max(b) }),
        near().prop_map(|first| PlainRangeSpec::From { first }),
        near().prop_map(|count| PlainRangeSpec::Last { count }),
    ]
}

/// A range of a single object is one request, wherever it begins.
#[test]
fn there_is_a_guess_for_all_that_a_single_object_can_hold() {
    let end = 5_u64 << 30;
    for first in [0, 1 << 30, end - 1] {
        assert!(PlainRangeSpec::Between { first, last: first }.any_stored().is_some(), "{first}");
        assert!(PlainRangeSpec::From { first }.any_stored().is_some(), "{first}");
    }
    assert!(PlainRangeSpec::Between { first: end, last: end }.any_stored().is_none());
    assert!(PlainRangeSpec::From { first: end }.any_stored().is_none());
    assert!(PlainRangeSpec::Last { count: 100 * end }.any_stored().is_some());
}

proptest! {
    #[test]
    fn single_lengths_invert(bytes in 0..=(1_u64 << 47)) {
        prop_assert_eq!(single_plain(single_sealed(plain(bytes)).unwrap()), Ok(plain(bytes)));
    }

    #[test]
    fn no_length_overflows(bytes: u64, parts: u32) {
        if let Ok(length) = single_plain(sealed(bytes)) {
            prop_assert_eq!(single_sealed(length), Ok(sealed(bytes)));
        }
        if let Ok(stored) = single_sealed(plain(bytes)) {
            prop_assert_eq!(single_plain(stored), Ok(plain(bytes)));
        }
        if let Ok(length) = multipart_plain(sealed(bytes), parts) {
            prop_assert!(length.bytes() < bytes);
        }
    }

    #[test]
    fn part_lengths_invert(bytes in 0..=PART_PLAIN_BYTES_MAX) {
        prop_assert_eq!(part_plain(part_sealed(plain(bytes)).unwrap()), Ok(plain(bytes)));
    }

    #[test]
    fn segments_cover_the_plaintext_once(bytes in 0..1_000_000_u64) {
        let layout = StreamLayout::single(plain(bytes)).unwrap();
        let plain_sum: u64 = (0..=layout.last()).map(|index| layout.segment_plain_bytes(index)).sum();
        let tag_bytes = 16 * (u64::from(layout.last()) + 1);
        prop_assert_eq!((plain_sum, 40 + plain_sum + tag_bytes), (bytes, layout.sealed_bytes()));
    }

    #[test]
    fn the_answer_to_a_blind_request_holds_the_span(spec in specs(), bytes in 0..400_000_u64) {
        let stored = single_sealed(plain(bytes)).unwrap();
        let Some(range) = spec.resolve(plain(bytes)) else { return Ok(()) };
        let span = single_span(stored, range).unwrap();
        let (first, length) = answer(spec.single_stored(), stored.bytes()).expect("satisfiable");
        prop_assert!(first <= span.stored_first);
        prop_assert_eq!(first + length, span.stored_first + span.stored_bytes, "ends with the last segment needed");
        let surplus = span.stored_first - first;
        prop_assert!(surplus <= 2 * 65_536, "a suffix asks for little more than it needs: {}", surplus);
        prop_assert!(surplus == 0 || matches!(spec, PlainRangeSpec::Last { .. }), "other ranges ask for no more");
    }

    #[test]
    fn blind_requests_do_not_overflow(a: u64, b: u64) {
        for spec in [
            PlainRangeSpec::Between { first: a.min(b), last: a.max(b) },
            PlainRangeSpec::From { first: a },
            PlainRangeSpec::Last { count: a },
        ] {
            if let StoredRangeSpec::Between { first, last } = spec.single_stored() {
                prop_assert!(first <= last);
            }
        }
    }
}
