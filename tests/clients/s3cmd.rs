//! s3cmd, which compares MD5 sums wherever an entity tag looks like one.

use std::fs;

use crate::support::{Content, Gateway, Request};

#[test]
fn put_and_get_bring_a_file_back() {
    for bytes in [0, 1_000, 40_000_000] {
        let gateway = Gateway::with_bucket();
        Content::new(1, bytes).write_to(&gateway.work().join("up"));
        gateway.s3cmd(&["put", "--no-progress", "up", "s3://bucket/key"]).succeeds();
        gateway.s3cmd(&["get", "--no-progress", "s3://bucket/key", "down"]).succeeds();
        Content::new(1, bytes).assert_equals_file(&gateway.work().join("down"));
    }
}

#[test]
fn a_url_signed_with_sigv2_tells_the_setting_that_helps() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"plain");
    let url = gateway.s3cmd(&["signurl", "s3://bucket/key", "+600"]).succeeds();
    let request = Request::new("GET", url.trim().strip_prefix(&gateway.credentials().endpoint).unwrap());
    let text = request.send(gateway.address()).is_error(400, "InvalidRequest");
    assert!(text.contains("AWS4-HMAC-SHA256") && text.contains("s3cmd"), "{text}");
}

#[test]
fn ls_shows_plain_sizes() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", &Content::new(1, 70_000).to_vec());
    let listing = gateway.s3cmd(&["ls", "s3://bucket"]).succeeds();
    assert!(listing.contains(" 70000 "), "{listing}");
}

#[test]
fn a_second_sync_uploads_nothing() {
    let gateway = Gateway::with_bucket();
    fs::create_dir(gateway.work().join("files")).unwrap();
    for bytes in [0, 1_000, 20_000_000] {
        Content::new(1, bytes).write_to(&gateway.work().join(format!("files/{bytes}")));
    }
    let sync = || gateway.s3cmd(&["sync", "--no-progress", "files/", "s3://bucket/files/"]).succeeds();
    assert_eq!(sync().matches("upload: ").count(), 3);
    assert_eq!(sync().matches("upload: ").count(), 0);
}

#[test]
fn a_sync_down_brings_everything_back_once() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/files/key", &Content::new(1, 70_000).to_vec());
    fs::create_dir(gateway.work().join("back")).unwrap();
    let sync = || gateway.s3cmd(&["sync", "--no-progress", "s3://bucket/files/", "back/"]).succeeds();
    assert_eq!(sync().matches("download: ").count(), 1);
    assert_eq!(sync().matches("download: ").count(), 0);
    Content::new(1, 70_000).assert_equals_file(&gateway.work().join("back/key"));
}

#[test]
fn buckets_are_made_described_and_removed() {
    let gateway = Gateway::start();
    gateway.s3cmd(&["mb", "s3://bucket"]).succeeds();
    gateway.s3cmd(&["info", "s3://bucket"]).succeeds();
    gateway.s3cmd(&["rb", "s3://bucket"]).succeeds();
    assert_eq!(gateway.s3cmd(&["ls"]).succeeds(), "");
}

#[test]
fn cp_and_del_do_what_they_say() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"plain");
    gateway.s3cmd(&["cp", "s3://bucket/key", "s3://bucket/copy"]).succeeds();
    gateway.s3cmd(&["del", "s3://bucket/key"]).succeeds();
    gateway.has_no("/bucket/key");
    assert_eq!(gateway.get("/bucket/copy").succeeds(), b"plain");
}
