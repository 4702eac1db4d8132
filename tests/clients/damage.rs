//! Whoever holds the disks may alter what lies there: nothing altered is served, and no answer ends as if it were whole.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use serde_json::json;

use crate::sealed::{begin, put_part};
use crate::support::store::contains;
use crate::support::{Content, Gateway, Request, Response};

/// Large enough for a file of its own and for several segments.
const BYTES: u64 = 400_000;
/// The copy of the envelope that leads a body; it is not read when an object is served.
const ENVELOPE_BYTES: u64 = 128;

/// A gateway with `/bucket/key`, whose stored file was damaged like this.
fn damaged(damage: impl FnOnce(&Path)) -> Gateway {
    let gateway = Gateway::with_bucket();
    let file = gateway.file_stored_by(|| gateway.put("/bucket/key", &Content::new(1, BYTES).to_vec()));
    assert!(gateway.get("/bucket/key").succeeds() == Content::new(1, BYTES).to_vec());
    damage(&file);
    gateway
}

/// Fails if a client could take this for the object or a part of it.
#[track_caller]
fn is_refused(response: &Response) {
    if [0, 200, 206].contains(&response.status) {
        assert!(!response.ended_well, "an altered object of {} bytes was served", response.body.len());
        let plain = Content::new(1, BYTES).to_vec();
        assert!(contains(&plain, &response.body), "bytes were served that are not the object's");
    } else {
        assert_eq!(response.status, 500, "{}", response.text());
        assert!(response.text().contains("<Code>InternalError</Code>"), "{}", response.text());
    }
}

fn flip(file: &Path, offset: u64) {
    let file = File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
}

fn length(file: &Path) -> u64 {
    fs::metadata(file).unwrap().len()
}

fn cut(file: &Path, bytes: u64) {
    File::options().write(true).open(file).unwrap().set_len(bytes).unwrap();
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let gateway = Gateway::with_bucket();
    let file = gateway.file_stored_by(|| gateway.put("/bucket/key", &Content::new(1, BYTES).to_vec()));
    let last = length(&file) - 1;
    for offset in [ENVELOPE_BYTES, ENVELOPE_BYTES + 1, 168, 168 + 65_535, 65_536, last / 2, last - 16, last] {
        flip(&file, offset);
        is_refused(&gateway.get("/bucket/key"));
        flip(&file, offset);
        assert!(gateway.get("/bucket/key").succeeds() == Content::new(1, BYTES).to_vec(), "whole again");
    }
}

#[test]
fn a_bit_flipped_in_the_first_segment_is_refused_before_the_first_byte() {
    let gateway = damaged(|file| flip(file, 1_000));
    gateway.get("/bucket/key").is_error(500, "InternalError");
}

#[test]
fn a_cut_file_is_refused() {
    for bytes in [0, 1, 128, 168, 65_664, 200_000] {
        is_refused(&damaged(|file| cut(file, bytes)).get("/bucket/key"));
    }
    is_refused(&damaged(|file| cut(file, length(file) - 1)).get("/bucket/key"));
}

#[test]
fn a_file_that_has_grown_is_not_served_longer() {
    let gateway = damaged(|file| File::options().append(true).open(file).unwrap().write_all(b"more").unwrap());
    let response = gateway.get("/bucket/key");
    // Bytes that no reader asks the store for do no harm; served they must not be.
    if response.status == 200 && response.ended_well {
        assert!(response.body == Content::new(1, BYTES).to_vec());
    } else {
        is_refused(&response);
    }
}

#[test]
fn a_deleted_file_is_refused() {
    is_refused(&damaged(|file| fs::remove_file(file).unwrap()).get("/bucket/key"));
}

#[test]
fn a_file_of_zeros_is_refused() {
    is_refused(&damaged(|file| fs::write(file, vec![0; fs::read(file).unwrap().len()]).unwrap()).get("/bucket/key"));
}

#[test]
fn swapped_segments_are_refused() {
    let gateway = damaged(|file| {
        let mut bytes = fs::read(file).unwrap();
        let (first, second) = bytes[128 + 65_536..].split_at_mut(65_536);
        first.swap_with_slice(&mut second[..65_536]);
        fs::write(file, bytes).unwrap();
    });
    is_refused(&gateway.get("/bucket/key"));
}

#[test]
fn the_files_of_two_objects_that_were_swapped_are_refused() {
    let gateway = Gateway::with_bucket();
    let store = |key, seed| gateway.file_stored_by(|| gateway.put(key, &Content::new(seed, BYTES).to_vec()));
    let (one, other) = (store("/bucket/key", 1), store("/bucket/other", 2));
    let bytes = fs::read(&one).unwrap();
    fs::copy(&other, &one).unwrap();
    fs::write(&other, bytes).unwrap();
    gateway.get("/bucket/key").is_error(500, "InternalError");
    gateway.get("/bucket/other").is_error(500, "InternalError");
}

#[test]
fn an_older_file_under_a_newer_index_is_refused() {
    let gateway = Gateway::with_bucket();
    let first = gateway.file_stored_by(|| gateway.put("/bucket/key", &Content::new(2, BYTES).to_vec()));
    let old = fs::read(first).unwrap();
    let second = gateway.file_stored_by(|| gateway.put("/bucket/key", &Content::new(1, BYTES).to_vec()));
    fs::write(second, old).unwrap();
    gateway.get("/bucket/key").is_error(500, "InternalError");
}

#[test]
fn a_range_that_meets_the_damage_is_refused() {
    let gateway = damaged(|file| flip(file, 128 + 3 * 65_536 + 1_000));
    for range in ["bytes=196608-196610", "bytes=-390000", "bytes=1-", "bytes=196000-200000"] {
        is_refused(&gateway.call(Request::new("GET", "/bucket/key").header("range", range)));
    }
}

#[test]
fn a_range_of_a_cut_file_is_refused() {
    let gateway = damaged(|file| cut(file, 200_000));
    for range in ["bytes=-100", "bytes=300000-300001", "bytes=199000-200500"] {
        is_refused(&gateway.call(Request::new("GET", "/bucket/key").header("range", range)));
    }
}

#[test]
fn a_damaged_multipart_object_is_refused() {
    let gateway = Gateway::with_bucket();
    let files = gateway.files_stored_by(|| {
        gateway.python("multipart.py", "_store_parts", &["5242880", "5242880", "100000"]).succeeds();
    });
    gateway.get("/bucket/key").succeeds();
    for file in files {
        for offset in [0, 20, length(&file) / 2, length(&file) - 1] {
            flip(&file, offset);
            let response = gateway.get("/bucket/key");
            assert!(response.status == 500 || !response.ended_well, "{offset} of {}", file.display());
            flip(&file, offset);
        }
    }
    gateway.get("/bucket/key").succeeds();
}

#[test]
fn an_earlier_attempt_at_a_part_is_refused() {
    let seed = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let crypto = json!({"crypto": {"key_seed": seed, "record_version": 2}});
    for bytes in [5 << 20, 1_000_000] {
        let mut gateway = Gateway::with_tenant(&crypto, &json!({}));
        gateway.call(Request::new("PUT", "/bucket")).succeeds();
        let (id, mut etags) = (begin(&gateway), Vec::new());
        let mut attempt = |seed| {
            let stored = gateway.file_stored_by(|| etags.push(put_part(&gateway, &id, 1, &plain(seed, bytes))));
            (fs::read(&stored).unwrap(), stored)
        };
        let ((first, _), (second, stored)) = (attempt(1), attempt(2));
        assert_eq!((first.len(), first.get(..16)), (second.len(), second.get(..16)), "of one number and length");
        fs::write(&stored, first).unwrap();
        // a restart forgets what was sealed here: the client's word alone is left
        gateway.restart_after(|_| ());
        let body = format!("<Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part>", etags[1]);
        let body = format!("<CompleteMultipartUpload>{body}</CompleteMultipartUpload>");
        let done = gateway.call(Request::new("POST", &format!("/bucket/key?uploadId={id}")).body(body));
        if bytes < 5 << 20 {
            done.is_error(500, "InternalError");
            continue;
        }
        done.succeeds();
        let whole = gateway.get("/bucket/key");
        assert!(whole.status == 500 || !whole.ended_well, "{}", whole.status);
        for range in ["bytes=0-9", "bytes=3000000-3000009", "bytes=-9"] {
            let response = gateway.call(Request::new("GET", "/bucket/key").header("range", range));
            response.is_error(500, "InternalError");
        }
    }
}

fn plain(seed: u64, bytes: u64) -> Vec<u8> {
    Content::new(seed, bytes).to_vec()
}

#[test]
fn an_object_whose_first_segment_is_damaged_is_not_copied() {
    let gateway = damaged(|file| flip(file, 1_000));
    is_refused(&gateway.call(Request::new("PUT", "/bucket/copy").header("x-amz-copy-source", "/bucket/key")));
    gateway.get("/bucket/copy").is_error(404, "NoSuchKey");
}

#[test]
fn a_copy_of_an_object_that_is_damaged_further_on_is_refused_when_it_is_read() {
    let gateway = damaged(|file| flip(file, 200_000));
    gateway.call(Request::new("PUT", "/bucket/copy").header("x-amz-copy-source", "/bucket/key")).succeeds();
    is_refused(&gateway.get("/bucket/copy"));
}

#[test]
fn a_small_object_that_was_altered_in_the_index_is_refused() {
    let mut gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"small enough to lie in the index");
    gateway.restart_after(|data| {
        let mut altered = 0;
        for file in files(data) {
            let mut bytes = fs::read(&file).unwrap();
            let bodies: Vec<_> =
                bytes.windows(4).enumerate().filter(|(_, four)| four == b"SGE1").map(|(at, _)| at).collect();
            for at in bodies {
                bytes[at + 128 + 40] ^= 1;
                altered += 1;
            }
            fs::write(&file, bytes).unwrap();
        }
        assert!(altered > 0, "the body was found");
    });
    is_refused(&gateway.get("/bucket/key"));
}

#[test]
fn a_refusal_does_not_tell_a_client_what_lies_behind_the_gateway() {
    let gateway = damaged(|file| fs::remove_file(file).unwrap());
    let text = gateway.get("/bucket/key").text();
    for word in [gateway.data().to_str().unwrap(), "blobs", "redb", "key id", "panick"] {
        assert!(!text.contains(word), "{text}");
    }
}

#[test]
fn a_refusal_is_logged() {
    let gateway = damaged(|file| flip(file, 1_000));
    gateway.get("/bucket/key").is_error(500, "InternalError");
    assert!(gateway.log().contains("authenti"), "{}", gateway.log());
}

#[test]
fn a_damaged_object_is_refused_over_http_2() {
    for offset in [1_000, 128 + 5 * 65_536 + 1_000] {
        let gateway = damaged(|file| flip(file, offset));
        let answer = gateway.python("http2.py", "_download", &["/bucket/key"]).succeeds();
        assert!(answer.starts_with("500 ") || answer.contains("aborted"), "{answer}");
    }
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).collect()
}
