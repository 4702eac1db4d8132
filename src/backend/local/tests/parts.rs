//! The small pieces: rows, names, places in a listing, cuts of a list, conditions.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use crate::backend::contract::assert_refused;
use crate::backend::local::bodies::{Extent, List, list_row};
use crate::backend::local::codec::{Decoder, Encoder};
use crate::backend::local::conditions::{check_read, resolve_range};
use crate::backend::local::ids::{BlobId, IdSource, Name};
use crate::backend::local::records::{
    Body, BucketRecord, ETag, Millis, ObjectHead, ObjectRecord, PartRecord, UploadRecord, Version, VersionRecord,
};
use crate::backend::local::rollup::{From, Rollup, after_all_under};
use crate::backend::{BackendError, ETagMatch, Metadata, ReadConditions, StoredRange};

fn record() -> ObjectRecord {
    ObjectRecord {
        version: Version { seq: 77, random: Some(99) },
        etag: ETag { digest: [5; 16], parts: 12 },
        bytes: 1 << 40,
        modified: Millis(1_800_000_007_123),
        body: Body::List(3),
        metadata: Metadata {
            content_type: Some("text/plain".to_owned()),
            user: [("one".to_owned(), "1".to_owned())].into(),
            ..Metadata::default()
        },
        tags: vec![("b".to_owned(), "2".to_owned()), ("a".to_owned(), String::new())],
    }
}

#[test]
fn a_row_is_read_as_it_was_written() {
    let row = record().encode();
    assert_eq!(format!("{:?}", ObjectRecord::decode(&row).unwrap()), format!("{:?}", record()));
    assert_eq!(ObjectHead::decode(&row).unwrap().bytes, 1 << 40);
}

#[test]
fn a_row_that_ends_early_is_damage_at_every_length() {
    let row = record().encode();
    for length in 0..row.len() {
        assert_refused!(ObjectRecord::decode(&row[..length]), BackendError::Damaged(_));
    }
}

proptest! {
    #[test]
    fn no_row_makes_decoding_panic(row in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(VersionRecord::decode(&row));
        drop(BucketRecord::decode(&row));
        drop(UploadRecord::decode(&row));
        drop(PartRecord::decode(&row));
        drop(List::of_row(&row).and_then(|list| list.cut(3, 10)));
    }

    #[test]
    fn numbers_are_read_as_they_were_written(number: u64) {
        let mut row = Encoder::default();
        row.number(number).byte(7);
        let row = row.finish();
        let mut row = Decoder::new(&row);
        prop_assert_eq!((row.number().unwrap(), row.byte().unwrap()), (number, 7));
    }

    #[test]
    fn what_follows_a_prefix_is_above_all_under_it(prefix in "\\PC{1,3}", more in "\\PC{0,3}", other in "\\PC{0,4}") {
        let behind = after_all_under(&prefix).unwrap();
        let under = format!("{prefix}{more}");
        prop_assert!(under < behind);
        // and nothing between was left out
        prop_assert!(other >= behind || other < prefix || other.starts_with(&prefix));
    }
}

#[test]
fn what_follows_the_last_character_is_found_before_it() {
    assert_eq!(after_all_under("a\u{10ffff}").as_deref(), Some("b"));
    assert_eq!(after_all_under("\u{d7ff}").as_deref(), Some("\u{e000}"));
    assert_eq!(after_all_under("\u{10ffff}"), None);
}

#[test]
fn a_key_is_rolled_up_at_the_first_delimiter_behind_the_prefix() {
    let rollup = Rollup::new("a/", Some("/"));
    assert_eq!(rollup.common_prefix("a/b/c/d"), Some("a/b/"));
    assert_eq!(rollup.common_prefix("a/b"), None);
    assert_eq!(rollup.common_prefix("b/c/d"), None);
    assert_eq!(Rollup::new("", Some("")).common_prefix("a/b"), None);
}

#[test]
fn a_token_leads_back_to_its_place() {
    for place in [From::At("k".to_owned()), From::After("é/".to_owned()), From::At(String::new()), From::End] {
        assert_eq!(From::of_token(&place.token()).unwrap(), place);
    }
    assert_refused!(From::of_token("zk"), BackendError::InvalidArgument(_));
    assert_refused!(From::of_token(""), BackendError::InvalidArgument(_));
}

#[test]
fn numbers_ascend_over_epochs() {
    let (one, two) = (IdSource::new(1), IdSource::new(2));
    let given = [one.next(), one.next(), two.next(), two.next()];
    assert!(given.is_sorted_by(|one, next| one < next));
}

#[test]
fn only_names_of_this_store_are_read() {
    let name = Name { seq: 1 << 50, random: u64::MAX };
    assert_eq!(Name::parse(name.version_id().as_str()), Some(name));
    for text in
        ["", "null", "0", "+0000000000000000000000000000001", "ABCDEFABCDEFABCDEFABCDEFABCDEFAB", "éééééééééééééééé"]
    {
        assert_eq!(Name::parse(text), None, "{text:?}");
    }
}

#[test]
fn a_list_is_cut_at_every_place() {
    let blob = |number| BlobId::of_file(number);
    let lengths = [3, 1, 10, 4_u64];
    let extents: Vec<_> =
        (0..).zip(lengths).map(|(n, bytes)| Extent { blob: blob(n), offset: n * 100, bytes }).collect();
    let row = list_row(&extents).unwrap();
    let list = List::of_row(&row).unwrap();
    // every byte as its blob and offset
    let spread = |extents: Vec<Extent>| -> Vec<(u64, u64)> {
        extents.iter().flat_map(|e| (0..e.bytes).map(|n| (e.blob.number(), e.offset + n))).collect()
    };
    let whole = spread(extents);
    for first in 0..18_usize {
        for end in first + 1..=18 {
            let cut = spread(list.cut(first as u64, (end - first) as u64).unwrap());
            assert_eq!(cut, whole[first..end]);
        }
    }
    assert_refused!(list.cut(0, 19), BackendError::Damaged(_));
}

#[test]
fn a_range_backwards_is_refused() {
    let range = StoredRange::Bounded { first: 5, last: 4 };
    assert_refused!(resolve_range(Some(range), 10), BackendError::RangeNotSatisfiable { stored_bytes: 10 });
}

#[test]
fn times_compare_in_whole_seconds() {
    let second = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_007);
    let conditions = |since| ReadConditions { if_modified_since: Some(since), ..ReadConditions::default() };
    assert_refused!(check_read(&conditions(second), &record()), BackendError::NotModified { .. });
    check_read(&conditions(second - Duration::from_secs(1)), &record()).unwrap();
}

#[test]
fn a_matching_entity_tag_beats_the_time() {
    let conditions = ReadConditions {
        if_match: Some(ETagMatch::Any),
        if_unmodified_since: Some(SystemTime::UNIX_EPOCH),
        ..ReadConditions::default()
    };
    check_read(&conditions, &record()).unwrap();
}
