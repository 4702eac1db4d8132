use proptest::prelude::*;

use super::*;
use crate::seal::{
    PartStream, StreamHeader,
    testing::{Stored, chunks, part, sample},
};

const MIB: usize = 1 << 20;

fn open(
    stored: &Stored,
    body: &[u8],
    stored_parts: usize,
    cuts: &[usize],
) -> (BytesMut, Result<Completion, OpenError>) {
    let mut out = BytesMut::new();
    let stored_parts = u32::try_from(stored_parts).unwrap();
    let ended =
        MultipartOpener::new(&stored.secret, SealedLen::new(body.len() as u64), stored_parts).and_then(|mut opener| {
            chunks(body, cuts).into_iter().try_for_each(|chunk| opener.push(chunk, &mut out))?;
            opener.finish(&mut out)
        });
    (out, ended)
}

fn opens(stored: &Stored) -> bool {
    let body = stored.body();
    let (out, ended) = open(stored, &body, stored.parts.len(), &[70_000]);
    ended.is_ok_and(|completion| completion.total().bytes() == stored.plain.len() as u64) && out == stored.plain
}

#[test]
fn a_small_last_part_carries_the_record() {
    let stored = Stored::new(&[(1, 5 * MIB), (2, 100)]);
    assert_eq!(stored.parts.len(), 2);
    assert!(opens(&stored));
}

#[test]
fn a_large_last_part_is_followed_by_a_completion_part() {
    let stored = Stored::new(&[(1, 5 * MIB)]);
    assert_eq!(stored.parts.len(), 2);
    assert!(opens(&stored));
}

#[test]
fn parts_of_any_shape_come_back() {
    for parts in
        [&[(1, 0)][..], &[(9_999, 1)], &[(1, 5 * MIB), (3, 6 * MIB), (7, 0)], &[(1, 10), (2, 0), (3, 0), (4, 65_480)]]
    {
        assert!(opens(&Stored::new(parts)), "{parts:?}");
    }
}

#[test]
fn the_last_segment_waits_for_the_record() {
    let stored = Stored::new(&[(1, 100), (2, 100_000)]);
    let body = stored.body();
    let mut opener = MultipartOpener::new(&stored.secret, SealedLen::new(body.len() as u64), 2).unwrap();
    let mut out = BytesMut::new();
    opener.push(&body, &mut out).unwrap();
    assert_eq!(out.len(), 100 + 65_480, "F-18");
    opener.finish(&mut out).unwrap();
    assert!(out == stored.plain);
}

#[test]
fn parts_dropped_repeated_reordered_or_added_are_refused() {
    let stored = Stored::new(&[(1, 1_000), (2, 1_000), (3, 1_000), (4, 10)]);
    let p: Vec<&[u8]> = stored.parts.iter().map(Vec::as_slice).collect();
    let other = part(&stored.secret, 5, &sample(1_000));
    let lists: [&[&[u8]]; 7] = [
        &[p[0], p[1], p[3]],
        &[p[0], p[1], p[2]],
        &[p[0], p[1], p[1], p[3]],
        &[p[0], p[1], p[2], p[2], p[3]],
        &[p[1], p[0], p[2], p[3]],
        &[p[0], p[1], p[2], &other, p[3]],
        &[p[3]],
    ];
    for list in lists {
        let (out, ended) = open(&stored, &list.concat(), list.len(), &[9_999]);
        assert!(ended.is_err(), "F-5: {} parts", list.len());
        assert!(out.len() < list.iter().map(|part| part.len() - 16_440).sum(), "not all was given out");
    }
}

#[test]
fn parts_of_the_same_count_and_total_are_refused_if_they_are_others() {
    let stored = Stored::new(&[(1, 1_000), (5, 500), (9, 10)]);
    let (renumbered, shorter) = (part(&stored.secret, 6, &sample(500)), part(&stored.secret, 1, &sample(500)));
    let (longer, last) = (part(&stored.secret, 5, &sample(1_000)), &stored.parts[2]);
    for body in [[&stored.parts[0], &renumbered, last], [&shorter, &longer, last]] {
        let (out, ended) = open(&stored, &body.map(Vec::as_slice).concat(), 3, &[9_999]);
        assert_eq!((out.len(), ended), (1_500, Err(OpenError::PartsDiffer)), "F-5");
    }
}

#[test]
fn a_part_of_another_upload_is_refused() {
    let (stored, other) = (Stored::new(&[(1, 1_000), (2, 10)]), Stored::new(&[(1, 1_000), (2, 10)]));
    let (out, ended) = open(&stored, &[&other.parts[0][..], &stored.parts[1]].concat(), 2, &[70_000]);
    assert_eq!((out.len(), ended), (0, Err(OpenError::Segment { index: 0 })));
}

#[test]
fn a_missing_record_is_refused() {
    let stored = Stored::new(&[(1, 5 * MIB)]);
    let (_, ended) = open(&stored, &stored.parts[0], 1, &[70_000]);
    assert_eq!(ended, Err(OpenError::Completion("no trailer")));
    let zeros = vec![0; 16_440];
    let (_, ended) = open(&stored, &[&stored.parts[0][..], &zeros].concat(), 2, &[70_000]);
    assert_eq!(ended, Err(OpenError::Completion("no trailer")));
}

#[test]
fn an_earlier_attempt_at_a_part_is_refused_where_the_record_knows_the_stream() {
    let shape = [(1, 1_000), (2, 1_000), (3, 10)];
    for known in [|_, header| PartStream::Header(header), |_, header: StreamHeader| PartStream::Hash(header.hash())] {
        let mut stored = Stored::with_streams(&shape, known);
        assert!(opens(&stored));
        // the same secret, number, length and even plaintext
        stored.parts[1] = part(&stored.secret, 2, &stored.plain[1_000..2_000]);
        let (out, ended) = open(&stored, &stored.body(), 3, &[9_999]);
        assert_eq!(ended, Err(OpenError::PartsDiffer), "F-31");
        assert!(out.len() < stored.plain.len(), "F-18");
    }
    let mut stored = Stored::with_streams(&shape, |_, _| PartStream::Unknown);
    stored.parts[1] = part(&stored.secret, 2, &stored.plain[1_000..2_000]);
    assert!(opens(&stored), "nothing tells the attempts apart");
}

#[test]
fn an_earlier_attempt_behind_the_parts_that_find_room_is_refused_by_the_digest() {
    let shape: Vec<_> = (1..=960).map(|n| (n, 1)).collect();
    let mut stored = Stored::with_streams(&shape, |_, header| PartStream::Header(header));
    assert!(opens(&stored));
    stored.parts[955] = part(&stored.secret, 956, &stored.plain[955..956]);
    assert_eq!(open(&stored, &stored.body(), 960, &[70_000]).1, Err(OpenError::PartsDiffer));
}

#[test]
fn slack_that_is_not_zero_is_refused_in_every_part() {
    for parts in [&[(1, 1_000), (2, 1_000)][..], &[(1, 1_000), (2, 5 * MIB)]] {
        let stored = Stored::new(parts);
        let body = stored.body();
        let in_last = body.len() - 2_000;
        for offset in [16 + 40 + 1_000 + 16, 1_000 + 16_440 - 1, in_last] {
            let mut changed = body.clone();
            assert_eq!(changed[offset], 0);
            changed[offset] = 1;
            let (_, ended) = open(&stored, &changed, stored.parts.len(), &[70_000]);
            assert_eq!(ended, Err(OpenError::Slack), "F-9: at {offset}");
        }
    }
}

#[test]
fn a_body_that_ends_early_is_not_whole() {
    let stored = Stored::new(&[(1, 1_000), (2, 10)]);
    let body = stored.body();
    for length in [0, 10, 16, 500, 17_440, body.len() - 1] {
        let mut opener = MultipartOpener::new(&stored.secret, SealedLen::new(body.len() as u64), 2).unwrap();
        let mut out = BytesMut::new();
        opener.push(&body[..length], &mut out).unwrap();
        assert_eq!(opener.finish(&mut out), Err(OpenError::Cut), "ended at {length}");
    }
}

#[test]
fn bytes_behind_the_end_are_refused() {
    let stored = Stored::new(&[(1, 1_000)]);
    let body = stored.body();
    let mut opener = MultipartOpener::new(&stored.secret, SealedLen::new(body.len() as u64), 1).unwrap();
    assert_eq!(opener.push(&[&body[..], b"x"].concat(), &mut BytesMut::new()), Err(OpenError::Trailing));
}

#[test]
fn a_wrong_count_of_stored_parts_is_refused() {
    let stored = Stored::new(&[(1, 40_000), (2, 10)]);
    for count in [1, 3] {
        assert_eq!(open(&stored, &stored.body(), count, &[70_000]).1, Err(OpenError::PartsDiffer), "{count}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn how_the_input_is_cut_changes_nothing(cuts in prop::collection::vec(1..50_000_usize, 1..20)) {
        let known = |index, header: StreamHeader| match index {
            0 => PartStream::Unknown,
            1 => PartStream::Hash(header.hash()),
            _ => PartStream::Header(header),
        };
        let stored = Stored::with_streams(&[(1, 140_000), (2, 0), (3, 65_480), (9, 7)], known);
        let (out, ended) = open(&stored, &stored.body(), 4, &cuts);
        prop_assert!(ended.is_ok());
        prop_assert!(out == stored.plain);
    }
}
