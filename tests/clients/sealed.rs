//! What lies on the disks: never the plaintext, whichever way it came, and nothing that another key opens.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

use crate::support::{Content, Gateway, Payload, Request};

/// Words that must not be found on the disks: no compressor or cipher makes them by chance.
const NEEDLE: &[u8] = b"the plaintext that must not lie on the disk";

/// A body of about so many bytes with the needle at its start, its middle and its end.
fn plain(bytes: usize) -> Vec<u8> {
    let half = Content::new(7, (bytes / 2) as u64).to_vec();
    [NEEDLE, &half, NEEDLE, &half, NEEDLE].concat()
}

/// Fails unless `/bucket/key` is `body` and the disks do not have its needle.
#[track_caller]
fn is_sealed(gateway: &Gateway, body: &[u8]) {
    assert!(gateway.get("/bucket/key").succeeds() == body, "the object was stored");
    let files = gateway.files_containing(NEEDLE);
    assert!(files.is_empty(), "the plaintext lies in {files:?}");
    assert!(gateway.stored_bytes() >= body.len() as u64, "the object lies where we look");
}

#[test]
fn the_search_for_plaintext_finds_it_where_it_is() {
    let gateway = Gateway::with_bucket();
    fs::write(gateway.data().join("leak"), plain(100_000)).unwrap();
    assert_eq!(gateway.files_containing(NEEDLE), [gateway.data().join("leak")]);
}

#[test]
fn a_put_is_sealed() {
    for bytes in [0, 5_000, 400_000, 3 << 20] {
        let gateway = Gateway::with_bucket();
        gateway.put("/bucket/key", &plain(bytes));
        is_sealed(&gateway, &plain(bytes));
    }
}

#[test]
fn a_chunked_put_is_sealed() {
    let gateway = Gateway::with_bucket();
    let body = plain(400_000);
    let put = Request::new("PUT", "/bucket/key")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", body.len().to_string())
        .header("x-amz-trailer", "x-amz-checksum-sha256");
    let word = Payload::Word("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    let (signed, _) = gateway.signer().sign_as(put, gateway.address(), word);
    let trailer = format!("\r\n0\r\nx-amz-checksum-sha256:{}\r\n\r\n", BASE64.encode(Sha256::digest(&body)));
    let chunked = [format!("{:x}\r\n", body.len()).as_bytes(), &body, trailer.as_bytes()].concat();
    signed.body(chunked).send(gateway.address()).succeeds();
    is_sealed(&gateway, &body);
}

#[test]
fn a_presigned_put_is_sealed() {
    let gateway = Gateway::with_bucket();
    let minute = std::time::Duration::from_mins(1);
    let put = gateway.signer().presign(Request::new("PUT", "/bucket/key"), gateway.address(), minute);
    put.body(plain(400_000)).send(gateway.address()).succeeds();
    is_sealed(&gateway, &plain(400_000));
}

#[test]
fn a_form_is_sealed() {
    for bytes in [5_000, 3 << 20] {
        let gateway = Gateway::with_bucket();
        let form = crate::post_form::Form::new("key").file(&plain(bytes));
        assert_eq!(form.send(&gateway).status, 204);
        is_sealed(&gateway, &plain(bytes));
    }
}

#[test]
fn a_multipart_upload_is_sealed_while_it_is_open_and_when_it_is_complete() {
    let gateway = Gateway::with_bucket();
    let parts = [plain(5 << 20), plain(6 << 20), plain(1_000)];
    let id = begin(&gateway);
    let etags: Vec<_> = (1..).zip(&parts).map(|(number, part)| put_part(&gateway, &id, number, part)).collect();
    assert!(gateway.files_containing(NEEDLE).is_empty(), "while it is open");
    complete(&gateway, &id, &etags);
    is_sealed(&gateway, &parts.concat());
}

#[test]
fn a_single_small_part_is_sealed() {
    let gateway = Gateway::with_bucket();
    let id = begin(&gateway);
    let etag = put_part(&gateway, &id, 1, &plain(70_000));
    assert!(gateway.files_containing(NEEDLE).is_empty(), "while it is open");
    complete(&gateway, &id, &[etag]);
    is_sealed(&gateway, &plain(70_000));
}

#[test]
fn an_aborted_upload_leaves_nothing() {
    let gateway = Gateway::with_bucket();
    let id = begin(&gateway);
    put_part(&gateway, &id, 1, &plain(6 << 20));
    put_part(&gateway, &id, 2, &plain(1_000));
    gateway.call(Request::new("DELETE", &format!("/bucket/key?uploadId={id}"))).succeeds();
    assert!(gateway.files_containing(NEEDLE).is_empty());
    gateway.has_no("/bucket/key");
}

#[test]
fn a_copy_is_sealed() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/source", &plain(400_000));
    gateway.call(Request::new("PUT", "/bucket/key").header("x-amz-copy-source", "/bucket/source")).succeeds();
    is_sealed(&gateway, &plain(400_000));
}

#[test]
fn a_copied_part_is_sealed() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/source", &plain(6 << 20));
    let id = begin(&gateway);
    let copy = Request::new("PUT", &format!("/bucket/key?partNumber=1&uploadId={id}"));
    let copied = gateway.call(copy.header("x-amz-copy-source", "/bucket/source")).succeeds();
    let etag = between(&String::from_utf8(copied).unwrap(), "<ETag>", "</ETag>").replace("&quot;", "\"");
    complete(&gateway, &id, &[etag]);
    is_sealed(&gateway, &plain(6 << 20));
}

#[test]
fn an_upload_that_fails_its_check_leaves_no_plaintext() {
    let gateway = Gateway::with_bucket();
    let put = Request::new("PUT", "/bucket/key").header("content-md5", BASE64.encode([7; 16])).body(plain(3 << 20));
    gateway.call(put).is_error(400, "BadDigest");
    assert!(gateway.files_containing(NEEDLE).is_empty());
}

#[test]
fn checksums_of_the_plaintext_are_not_stored_in_clear() {
    let gateway = Gateway::with_bucket();
    let sum = Sha256::digest(NEEDLE);
    let put = Request::new("PUT", "/bucket/key").header("x-amz-checksum-sha256", BASE64.encode(sum)).body(NEEDLE);
    gateway.call(put).succeeds();
    assert!(gateway.files_containing(&sum).is_empty());
    assert!(gateway.files_containing(BASE64.encode(sum).as_bytes()).is_empty());
}

#[test]
fn another_seed_opens_nothing() {
    let mut gateway = Gateway::with_bucket();
    for (path, bytes) in [("/bucket/small", 1_000), ("/bucket/large", 400_000)] {
        gateway.put(path, &plain(bytes));
    }
    gateway.restart_after(|data| change_seed(data, &BASE64.encode([9; 32])));
    for path in ["/bucket/small", "/bucket/large"] {
        gateway.get(path).is_error(500, "InternalError");
    }
}

#[test]
fn the_same_seed_opens_everything_after_a_restart() {
    let mut gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", &plain(400_000));
    gateway.restart_after(|_| {});
    is_sealed(&gateway, &plain(400_000));
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let mut gateway = Gateway::with_bucket();
    for (path, bytes) in [("/bucket/small", 1_000), ("/bucket/large", 3 << 20)] {
        gateway.put(path, &plain(bytes));
    }
    gateway.restart_after_a_kill();
    for (path, bytes) in [("/bucket/small", 1_000), ("/bucket/large", 3 << 20)] {
        assert!(gateway.get(path).succeeds() == plain(bytes), "{path}");
    }
}

#[test]
fn the_same_plaintext_is_never_sealed_to_the_same_bytes() {
    let gateway = Gateway::with_bucket();
    let store = |key| fs::read(gateway.file_stored_by(|| gateway.put(key, &plain(400_000)))).unwrap();
    let (one, other) = (store("/bucket/one"), store("/bucket/other"));
    assert_eq!(one.len(), other.len());
    let same = one.chunks(32).filter(|block| crate::support::store::contains(&other, block)).count();
    assert_eq!(same, 0, "blocks of 32 bytes that both have");
}

#[test]
fn generated_secrets_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let gateway = Gateway::start();
    let secret = gateway.credentials().secret_key.as_bytes();
    let files = gateway.files_containing(secret);
    assert!(!files.is_empty(), "kept for the next start");
    for file in files {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn secrets_are_not_logged() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", &plain(1_000));
    gateway.get("/bucket/absent");
    let kept = fs::read_to_string(gateway.data().join("first-start.json")).unwrap();
    let log = gateway.log();
    assert!(!log.contains(&gateway.credentials().secret_key));
    assert!(!log.contains(&between(&kept, "\"key_seed\": \"", "\"")));
}

fn change_seed(data: &Path, seed: &str) {
    let file = data.join("first-start.json");
    let kept = fs::read_to_string(&file).unwrap();
    let old = between(&kept, "\"key_seed\": \"", "\"");
    fs::write(&file, kept.replace(&old, seed)).unwrap();
}

pub(crate) fn begin(gateway: &Gateway) -> String {
    let begun = gateway.call(Request::new("POST", "/bucket/key?uploads")).succeeds();
    between(&String::from_utf8(begun).unwrap(), "<UploadId>", "</UploadId>")
}

pub(crate) fn put_part(gateway: &Gateway, id: &str, number: u32, body: &[u8]) -> String {
    let put = Request::new("PUT", &format!("/bucket/key?partNumber={number}&uploadId={id}")).body(body);
    let response = gateway.call(put);
    assert_eq!(response.status, 200, "{}", response.text());
    response.header("etag").to_owned()
}

pub(crate) fn complete(gateway: &Gateway, id: &str, etags: &[String]) {
    let part = |(number, etag): (u32, _)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    let parts: String = (1..).zip(etags).map(part).collect();
    let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let done = gateway.call(Request::new("POST", &format!("/bucket/key?uploadId={id}")).body(body)).succeeds();
    let text = String::from_utf8(done).unwrap();
    assert!(text.contains("CompleteMultipartUploadResult"), "{text}");
}

/// What stands between two texts.
fn between(text: &str, before: &str, after: &str) -> String {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).unwrap_or_else(|| panic!("no {after} in {text}")).0.to_owned()
}
