//! Checksums behind bodies on the way to the store.

use std::sync::atomic::Ordering;

use super::counted::counting_with;
use super::over::{lacks, own_prefix, replica, takes_parts};
use super::support::{Content, Request};
use serde_json::json;

#[test]
fn the_store_gets_a_checksum_behind_every_body_that_streams() {
    let prefix = own_prefix();
    replica(&prefix).call(Request::new("PUT", "/bucket")).succeeds();
    let (gateway, seen) = counting_with(&prefix, &json!({"trailer_checksum": true, "expect_continue": true}));
    let body = Content::new(1, 9_000_000).to_vec();
    let put = Request::new("PUT", "/bucket/key").header("content-encoding", "gzip").body(body.clone());
    let (answer, heads) = seen.during(|| gateway.call(put));
    assert_eq!(answer.status, 200);
    let head = heads[0].to_lowercase();
    let is_checked = !lacks(&gateway, "checksums behind bodies");
    assert_eq!((heads.len(), head.contains("x-amz-trailer: x-amz-checksum-crc64nvme")), (1, is_checked), "{heads:?}");
    assert_eq!(head.contains("streaming-unsigned-payload-trailer"), is_checked, "{head}");
    assert_eq!(head.contains("expect: 100-continue"), !lacks(&gateway, "answers to Expect"), "{head}");
    let got = gateway.call(Request::new("GET", "/bucket/key"));
    assert_eq!(got.header("content-encoding"), "gzip", "the framing is not part of the object");
    assert!(got.body == body);
    if !takes_parts() {
        return;
    }
    Content::new(2, 20_000_000).write_to(&gateway.work().join("up"));
    gateway.aws(["s3", "cp", "--no-progress", "up", "s3://bucket/parts"]).succeeds();
    assert!(gateway.get("/bucket/parts").succeeds() == Content::new(2, 20_000_000).to_vec());
}

#[test]
fn the_store_refuses_a_body_that_changed_on_the_way() {
    let prefix = own_prefix();
    replica(&prefix).call(Request::new("PUT", "/bucket")).succeeds();
    let (gateway, seen) = counting_with(&prefix, &json!({"trailer_checksum": true}));
    if lacks(&gateway, "checksums behind bodies") {
        return;
    }
    seen.damages.store(true, Ordering::SeqCst);
    let put = Request::new("PUT", "/bucket/key").body(Content::new(1, 9_000_000).to_vec());
    let answer = gateway.call(put);
    assert!(answer.status >= 400, "{}", answer.status);
    seen.damages.store(false, Ordering::SeqCst);
    gateway.get("/bucket/key").is_error(404, "NoSuchKey");
}
