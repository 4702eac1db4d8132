#![allow(clippy::arithmetic_side_effects, reason = "tests stop at the first surprise")]

use proptest::prelude::*;

use super::*;
use crate::seal::geometry::{StoredRangeSpec, single_sealed, single_span};
use crate::seal::testing::number;
use crate::seal::{PlainRangeSpec, SealedLen};

fn table(parts: &[(u32, u64)]) -> PartTable {
    PartTable::from_parts(parts.iter().map(|(n, bytes)| (number(*n), PlainLen::new(*bytes)))).unwrap()
}

#[test]
fn equal_neighbours_make_a_run() {
    let table = table(&[(1, 10), (2, 10), (4, 10), (5, 11), (6, 11)]);
    let runs: Vec<_> = table.runs().iter().map(|run| (run.first.number(), run.count, run.plain.bytes())).collect();
    assert_eq!(runs, [(1, 2, 10), (4, 1, 10), (5, 2, 11)]);
    assert_eq!((table.total().bytes(), table.client_parts()), (52, 5));
}

#[test]
fn parts_ascend_and_there_is_one() {
    for parts in [&[][..], &[(2, 1), (2, 1)], &[(2, 1), (1, 1)], &[(1, 1), (2, 1), (2, 5)]] {
        let parts = parts.iter().map(|(n, bytes)| (number(*n), PlainLen::new(*bytes)));
        assert_eq!(PartTable::from_parts(parts), Err(SealError::PartOrder));
    }
}

#[test]
fn runs_past_the_last_number_are_refused() {
    for (first, count) in [(9_999, 2), (1, u32::MAX), (1, 0)] {
        let run = Run { first: number(first), count, plain: PlainLen::new(1) };
        assert!(PartTable::from_runs([run]).is_err(), "{count} from {first}");
    }
}

#[test]
fn a_part_read_counts_positions_not_numbers() {
    let table = table(&[(3, 10), (7, 20), (9, 0)]);
    assert_eq!(table.range_of(1), Some(PlainRange::new(0, 9)));
    assert_eq!(table.range_of(2), Some(PlainRange::new(10, 29)));
    assert_eq!(table.range_of(3), Some(None));
    assert_eq!((table.range_of(0), table.range_of(4)), (None, None));
}

#[test]
fn a_range_from_a_first_segment_brings_its_headers_along() {
    let table = table(&[(1, 100_000), (2, 100_000)]);
    let span = table.span(PlainRange::new(100_000, 100_000).unwrap()).unwrap();
    assert_eq!(
        span,
        PartsSpan {
            stored: Span { stored_first: 116_440, stored_bytes: 16 + 65_536 },
            stream_header_first: None,
            first_index: 1
        }
    );
}

#[test]
fn a_range_from_a_later_segment_needs_the_stream_header() {
    let table = table(&[(1, 100_000), (2, 100_000)]);
    let span = table.span(PlainRange::new(199_999, 199_999).unwrap()).unwrap();
    let stored = Span { stored_first: 116_440 + 16 + 65_536, stored_bytes: 100_000 - 65_480 + 16 };
    assert_eq!(span, PartsSpan { stored, stream_header_first: Some(116_440 + 16), first_index: 1 });
}

#[test]
fn ranges_behind_the_end_are_refused() {
    let table = table(&[(1, 10)]);
    assert_eq!(table.span(PlainRange::new(5, 10).unwrap()), Err(LengthError::Range));
    assert!(table.locate(PlainRange::new(10, 10).unwrap()).is_err());
}

fn tables() -> impl Strategy<Value = Vec<(u32, u64)>> {
    prop::collection::vec((1..3_u32, prop_oneof![Just(0_u64), Just(7), 0..20_u64]), 1..30).prop_map(|steps| {
        let mut last = 0;
        let numbered = steps.into_iter().map(|(step, bytes)| {
            last += step;
            (last, bytes)
        });
        numbered.collect()
    })
}

proptest! {
    #[test]
    fn located_parts_cover_the_range_once(parts in tables(), a in 0..600_u64, b in 0..600_u64) {
        let table = table(&parts);
        let Some(range) = PlainRange::new(a.min(b), a.max(b)).filter(|range| range.last() < table.total().bytes()) else {
            return Ok(());
        };
        let mut next = range.first();
        for (part, within) in table.locate(range).unwrap() {
            prop_assert_eq!(part.plain_first + within.first(), next);
            prop_assert!(within.last() < part.plain.bytes());
            next += within.bytes();
        }
        prop_assert_eq!(next, range.last() + 1);
    }

    #[test]
    fn placed_parts_follow_each_other(parts in tables()) {
        let table = table(&parts);
        let (mut plain_next, mut stored_next) = (0, 0);
        for (placed, (expected, bytes)) in table.iter().zip(&parts) {
            prop_assert_eq!((placed.number.number(), placed.plain.bytes()), (*expected, *bytes));
            prop_assert_eq!((placed.plain_first, placed.stored_first), (plain_next, stored_next));
            (plain_next, stored_next) = (plain_next + bytes, stored_next + bytes + 16_440);
        }
        prop_assert_eq!((plain_next, table.iter().count()), (table.total().bytes(), parts.len()));
    }
}

/// What a backend gives for a guess: first and last offset.
fn given(guess: StoredRangeSpec, stored_bytes: u64) -> (u64, u64) {
    match guess {
        StoredRangeSpec::Between { first, last } => (first, last.min(stored_bytes - 1)),
        StoredRangeSpec::From { first } => (first, stored_bytes - 1),
        StoredRangeSpec::Last { count } => (stored_bytes.saturating_sub(count), stored_bytes - 1),
    }
}

proptest! {
    #[test]
    fn a_guess_holds_the_range_whatever_the_object_is(
        part in (5_u64 << 20)..(250 << 20),
        parts in 1..30_u32,
        last in 1..(30_u64 << 20),
        at in any::<proptest::sample::Index>(),
        bytes in prop_oneof![1..200_000_u64, 1..(40_u64 << 20)],
    ) {
        let all: Vec<_> = (1..parts).map(|n| (n, part)).chain([(parts, last)]).collect();
        let table = table(&all);
        let total = table.total();
        let own_part = u64::from(last + PART_OVERHEAD_BYTES >= (5 << 20));
        let in_parts = total.bytes() + (u64::from(parts) + own_part) * PART_OVERHEAD_BYTES;
        let single = single_sealed(total).unwrap().bytes();
        let first = u64::try_from(at.index(usize::try_from(total.bytes()).unwrap())).unwrap();
        for spec in [
            PlainRangeSpec::Between { first, last: first + bytes - 1 },
            PlainRangeSpec::From { first },
            PlainRangeSpec::Last { count: bytes },
        ] {
            let Some(guess) = spec.any_stored() else { continue };
            let range = spec.resolve(total).unwrap();
            let wanted = table.span(range).unwrap().stored;
            let (from, to) = given(guess, in_parts);
            prop_assert!(from <= wanted.stored_first && wanted.stored_first + wanted.stored_bytes - 1 <= to, "{spec:?}");
            let wanted = single_span(SealedLen::new(single), range).unwrap();
            let (from, to) = given(guess, single);
            prop_assert!(from <= wanted.stored_first && wanted.stored_first + wanted.stored_bytes - 1 <= to, "{spec:?}");
            let surplus = to - from + 1 - wanted.stored_bytes.min(to - from + 1);
            prop_assert!(surplus <= 700_000 + (first + bytes) / 300, "{spec:?}: {surplus}");
        }
    }
}
