//! A store that gives an earlier attempt at a part in the place of the one that the client completed.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::s3::testing::get;
use crate::seal::RecordVersion;

/// The files of sealed parts with this number.
fn files_of(harness: &Harness, number: u8) -> Vec<PathBuf> {
    harness.files_beginning(&[b"SGP1", &[0, 0, 0, number][..]].concat())
}

/// Uploads a part twice, with plaintext of one length; gives what puts the stored bytes of the first attempt in place of
/// those of the second.
async fn attempted_twice(
    harness: &Harness,
    upload: &mut Uploading<'_>,
    number: u8,
    bytes: usize,
) -> impl FnOnce() + use<> {
    let mut attempts = Vec::new();
    for seed in [1, 2] {
        let before = files_of(harness, number);
        upload.part(i32::from(number), &pattern(seed, bytes)).await;
        let stored = files_of(harness, number).into_iter().find(|file| !before.contains(file)).unwrap();
        attempts.push((fs::read(&stored).unwrap(), stored));
    }
    let [(first, _), (_, second)] = <[_; 2]>::try_from(attempts).unwrap();
    move || fs::write(second, first).unwrap()
}

#[tokio::test]
async fn an_earlier_attempt_is_refused_whole_and_by_range() {
    let harness = Harness::new().await;
    let gateway = harness.replica().writing_records(RecordVersion::Two);
    // one that has not sealed the part, and knows of it what the client says
    let replica = harness.replica().writing_records(RecordVersion::Two);
    for completing in [&gateway, &replica] {
        let mut upload = Uploading::begin(&gateway).await;
        let exchange = attempted_twice(&harness, &mut upload, 1, 5 * MIB).await;
        upload.part(2, b"end").await;
        upload.gateway = completing;
        upload.complete().await.unwrap();
        let whole = [pattern(2, 5 * MIB).as_slice(), b"end"].concat();
        assert_eq!(harness.get(BUCKET, KEY, None).await.unwrap(), whole);
        exchange();
        let reader = harness.replica();
        assert!(get(&reader, BUCKET, KEY, None).await.is_err(), "F-31");
        for range in [Some("bytes=0-9"), Some("bytes=3000000-3000009"), Some("bytes=5242870-")] {
            assert_eq!(code(get(&reader, BUCKET, KEY, range).await), "InternalError", "{range:?}");
        }
        assert_eq!(get(&reader, BUCKET, KEY, Some("bytes=-3")).await.unwrap(), b"end");
    }
}

#[tokio::test]
async fn a_record_of_version_1_knows_what_its_writer_sealed_itself() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    let exchange = attempted_twice(&harness, &mut upload, 1, 5 * MIB).await;
    upload.complete().await.unwrap();
    exchange();
    let reader = harness.replica();
    assert!(get(&reader, BUCKET, KEY, None).await.is_err(), "F-29");
    assert_eq!(code(get(&reader, BUCKET, KEY, Some("bytes=3000000-3000009")).await), "InternalError");
}

#[tokio::test]
async fn a_record_of_version_1_does_not_know_what_its_writer_does_not() {
    let harness = Harness::new().await;
    let replica = harness.replica();
    let mut upload = Uploading::begin(&harness.gateway).await;
    let exchange = attempted_twice(&harness, &mut upload, 1, 5 * MIB).await;
    upload.gateway = &replica;
    upload.complete().await.unwrap();
    exchange();
    assert_eq!(harness.get(BUCKET, KEY, None).await.unwrap(), pattern(1, 5 * MIB), "the exchange is a real one");
}

#[tokio::test]
async fn an_earlier_attempt_at_a_small_last_part_completes_nothing() {
    for version in [RecordVersion::One, RecordVersion::Two] {
        let harness = Harness::new().await;
        let replica = harness.replica().writing_records(version);
        let mut upload = Uploading::begin(&harness.gateway).await;
        let exchange = attempted_twice(&harness, &mut upload, 1, 1_000).await;
        exchange();
        upload.gateway = &replica;
        assert_eq!(code(upload.complete().await), "InternalError");
        assert_eq!(code(harness.get(BUCKET, KEY, None).await), "NoSuchKey");
    }
}

/// A tag with another hash than the one that was shown.
fn of_another_attempt(tag: &ETag) -> ETag {
    let (stored, _) = tag.value().rsplit_once('-').unwrap();
    ETag::Strong(format!("{stored}-{}", "5".repeat(32)))
}

#[tokio::test]
async fn a_part_that_is_known_as_another_attempt_is_no_part_to_complete() {
    let harness = Harness::new().await;
    let (replica, noted) = (harness.replica(), with_checksum("CRC32", Some("FULL_OBJECT")));
    // known from memory, and from a note
    for (create, completing) in [(CreateMultipartUploadInput::default(), &harness.gateway), (noted, &replica)] {
        for bytes in [10, 5 * MIB] {
            let mut upload = Uploading::begin_with(&harness.gateway, create.clone()).await;
            upload.gateway = completing;
            let input = upload.part_input(1, &pattern(1, bytes));
            let tag = harness.gateway.upload_part(request(input)).await.unwrap().output.e_tag.unwrap();
            upload.name(1, of_another_attempt(&tag));
            assert_eq!(code(upload.complete().await), "InvalidPart");
            upload.name(1, tag);
            upload.complete().await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_attempt_that_no_store_has_is_found_out_when_the_object_is_read() {
    let harness = Harness::new().await;
    let replica = harness.replica().writing_records(RecordVersion::Two);
    let mut upload = Uploading::begin(&harness.gateway).await;
    let tag = upload.part(1, &pattern(1, 5 * MIB)).await.e_tag.unwrap();
    upload.name(1, of_another_attempt(&tag));
    upload.gateway = &replica;
    upload.complete().await.unwrap();
    assert!(harness.get(BUCKET, KEY, None).await.is_err());
}

#[tokio::test]
async fn a_list_shows_zeros_for_what_it_does_not_know_and_they_complete() {
    let harness = Harness::new().await;
    let replica = harness.replica().writing_records(RecordVersion::Two);
    let mut upload = Uploading::begin(&harness.gateway).await;
    let (large, small) = (pattern(1, 5 * MIB), b"end");
    let returned = [upload.part(1, &large).await.e_tag.unwrap(), upload.part(2, small).await.e_tag.unwrap()];
    upload.gateway = &replica;
    let listed = upload.list(None, None).await.unwrap().parts.unwrap();
    for (part, returned) in listed.iter().zip(returned) {
        let tag = part.e_tag.clone().unwrap();
        let stored = returned.value().rsplit_once('-').unwrap().0;
        assert_eq!(tag.value(), format!("{stored}-{}", "0".repeat(32)));
        upload.name(part.part_number.unwrap(), tag);
    }
    assert!(etag(&upload.complete().await.unwrap()).ends_with("-2"));
    assert_eq!(harness.get(BUCKET, KEY, None).await.unwrap(), [&large[..], small].concat());
}

#[tokio::test]
async fn a_list_shows_what_a_note_tells() {
    let harness = Harness::new().await;
    let replica = harness.replica();
    let create = with_checksum("CRC32", Some("FULL_OBJECT"));
    let mut upload = Uploading::begin_with(&harness.gateway, create).await;
    let returned = upload.part(1, b"noted").await.e_tag;
    upload.gateway = &replica;
    assert_eq!(upload.list(None, None).await.unwrap().parts.unwrap()[0].e_tag, returned);
}

#[tokio::test]
async fn tags_of_parts_are_taken_in_the_forms_in_which_clients_give_them_back() {
    let harness = Harness::new().await;
    let mut upload = Uploading::begin(&harness.gateway).await;
    let shown = upload.part(1, b"plain").await.e_tag.unwrap();
    let (stored, stream) = shown.value().rsplit_once('-').unwrap();
    let cut = format!("{stored}-{}", &stream[1..]);
    for tag in [stored, stream, &format!("{stored}-0"), &cut, &format!("{stored}-"), ""] {
        upload.name(1, ETag::Strong(tag.to_owned()));
        assert_eq!(code(upload.complete().await), "InvalidPart", "{tag}");
    }
    let forms: [fn(&str) -> String; 3] = [str::to_owned, |tag| format!("\"{tag}\""), str::to_uppercase];
    for form in forms {
        let mut upload = Uploading::begin(&harness.gateway).await;
        let shown = upload.part(1, b"plain").await.e_tag.unwrap();
        upload.name(1, ETag::Strong(form(shown.value())));
        upload.complete().await.unwrap();
    }
}
