//! Keys of customers (SSE-C), through the clients that people use them with.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use crate::customer_key::{KEY, goes_up_and_comes_back};
use crate::support::store::contains;
use crate::support::{Content, Gateway, Request};

const NEEDLE: &[u8] = b"the plaintext that must not lie on the disk";

/// It logs as much as it can.
fn with_bucket() -> Gateway {
    let sections = json!({"auth": {"allow_sse_c": true}, "telemetry": {"log": "trace"}});
    let gateway = Gateway::with_tenant(&sections, &json!({}));
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    gateway
}

/// Neither the key nor its base64 may lie anywhere that outlives the request.
#[track_caller]
fn has_kept_no_key(gateway: &Gateway) {
    for text in [&KEY[..], BASE64.encode(KEY).as_bytes()] {
        assert!(gateway.files_containing(text).is_empty());
        assert!(!contains(gateway.log().as_bytes(), text));
    }
}

#[test]
fn objects_of_all_sizes_open_with_their_key_alone() {
    let gateway = with_bucket();
    for bytes in [0, 65_537, 20_000_000] {
        goes_up_and_comes_back(&gateway, bytes);
    }
    has_kept_no_key(&gateway);
}

#[test]
fn plaintext_and_key_do_not_lie_on_the_disk() {
    let gateway = with_bucket();
    fs::write(gateway.work().join("key"), KEY).unwrap();
    let given = ["--sse-c", "AES256", "--sse-c-key", "fileb://key"];
    for bytes in [5_000, 12 << 20] {
        let half = Content::new(7, bytes / 2).to_vec();
        fs::write(gateway.work().join("up"), [NEEDLE, &half, NEEDLE, &half, NEEDLE].concat()).unwrap();
        gateway.aws([&["s3", "cp", "--no-progress", "up", "s3://bucket/key"], &given[..]].concat()).succeeds();
        let files = gateway.files_containing(NEEDLE);
        assert!(files.is_empty(), "the plaintext lies in {files:?}");
    }
    has_kept_no_key(&gateway);
}

#[test]
fn rclone_brings_its_key_with_every_request() {
    let gateway = with_bucket();
    let files = gateway.work().join("files");
    fs::create_dir(&files).unwrap();
    for (name, bytes) in [("empty", 0), ("small", 1_000), ("large", 30_000_000)] {
        Content::new(bytes, bytes).write_to(&files.join(name));
    }
    let key = BASE64.encode(KEY);
    let given =
        ["--s3-sse-customer-algorithm", "AES256", "--s3-sse-customer-key-base64", &key, "--s3-upload-cutoff", "8M"];
    let rclone = |args: &[&str]| gateway.rclone(&[args, &given].concat());
    rclone(&["copy", "files", "gate:bucket/files"]).succeeds();
    rclone(&["check", "--download", "files", "gate:bucket/files"]).succeeds();
    let plan = rclone(&["sync", "--dry-run", "--combined", "-", "files", "gate:bucket/files"]).succeeds();
    assert_eq!(plan.lines().filter(|line| !line.starts_with('=')).collect::<Vec<_>>(), [""; 0]);
    gateway.rclone(&["copy", "gate:bucket/files", "without"]).fails();
    has_kept_no_key(&gateway);
}

/// What is in the store opens without a gateway, with seed and key.
#[test]
fn a_stored_body_opens_offline_with_both_keys() {
    let gateway = with_bucket();
    let work = gateway.work();
    fs::write(work.join("key"), KEY).unwrap();
    fs::write(work.join("key.base64"), BASE64.encode(KEY)).unwrap();
    fs::write(work.join("seed"), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    let content = Content::new(1, 700_000);
    content.write_to(&work.join("up"));
    let up = ["s3", "cp", "--no-progress", "up", "s3://bucket/name", "--sse-c", "AES256", "--sse-c-key", "fileb://key"];
    let stored = gateway.file_stored_by(|| drop(gateway.aws(up).succeeds()));
    let open = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sealgate"));
        let name = ["open", "--seed-file", "seed", "--bucket", "bucket", "--key", "name", "--output", "opened"];
        command.current_dir(&work).args(name).args(args).arg(&stored).status().unwrap().success()
    };
    assert!(!open(&[]) && !work.join("opened").exists());
    assert!(!open(&["--customer-key-file", "seed"]) && !work.join("opened").exists());
    assert!(open(&["--customer-key-file", "key.base64"]));
    content.assert_equals_file(&work.join("opened"));
}
