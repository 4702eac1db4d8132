//! Keys of customers (SSE-C), as aws-cli brings them; over any store.

use std::fs;

use super::support::{Content, Gateway};

/// 32 bytes that are found again wherever they lie.
pub(crate) const KEY: &[u8; 32] = b"a key that the customer keeps ..";
const OTHER: &[u8; 32] = b"another key of another customer ";
/// The argument for [`KEY`] and for the other one.
const GIVEN: &[&str] = &["--sse-c", "AES256", "--sse-c-key", "fileb://key"];
const GIVEN_OTHER: &[&str] = &["--sse-c", "AES256", "--sse-c-key", "fileb://other"];

/// An object of this size goes up with a key, comes back with it and with no other, is copied with it, and to another.
pub(crate) fn goes_up_and_comes_back(gateway: &Gateway, bytes: u64) {
    fs::write(gateway.work().join("key"), KEY).unwrap();
    fs::write(gateway.work().join("other"), OTHER).unwrap();
    let content = Content::new(bytes, bytes);
    content.write_to(&gateway.work().join("up"));
    let copy =
        |from: &str, to: &str, with: &[&str]| gateway.aws([&["s3", "cp", "--no-progress", from, to], with].concat());
    let down = |from: &str, with: &[&str]| {
        copy(from, "down", with).succeeds();
        content.assert_equals_file(&gateway.work().join("down"));
    };
    copy("up", "s3://bucket/key", GIVEN).succeeds();
    down("s3://bucket/key", GIVEN);
    assert!(copy("s3://bucket/key", "none", &[]).fails().contains("400"));
    assert!(copy("s3://bucket/key", "none", GIVEN_OTHER).fails().contains("403"));
    assert!(!gateway.work().join("none").exists());

    let of_source = ["--sse-c-copy-source", "AES256", "--sse-c-copy-source-key", "fileb://key"];
    copy("s3://bucket/key", "s3://bucket/copy", &[&of_source, GIVEN].concat()).succeeds();
    down("s3://bucket/copy", GIVEN);
    copy("s3://bucket/key", "s3://bucket/copy", &[&of_source, GIVEN_OTHER].concat()).succeeds();
    down("s3://bucket/copy", GIVEN_OTHER);
    copy("s3://bucket/key", "s3://bucket/copy", &of_source).succeeds();
    down("s3://bucket/copy", &[]);
}
