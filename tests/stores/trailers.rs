//! Checksums that come behind a body, over a store that takes metadata only before it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

use super::over::{takes_parts, with_bucket};
use super::support::{Content, Gateway, Payload, Request, Response};

fn put(gateway: &Gateway, body: &[u8], digest: &[u8]) -> Response {
    let put = Request::new("PUT", "/bucket/key")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", body.len().to_string())
        .header("x-amz-trailer", "x-amz-checksum-sha256");
    let word = Payload::Word("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    let (signed, _) = gateway.signer().sign_as(put, gateway.address(), word);
    let trailer = format!("\r\n0\r\nx-amz-checksum-sha256:{}\r\n\r\n", BASE64.encode(digest));
    let chunked = [format!("{:x}\r\n", body.len()).as_bytes(), body, trailer.as_bytes()].concat();
    signed.body(chunked).send(gateway.address())
}

#[test]
fn a_checksum_behind_a_body_of_any_length_is_kept() {
    let gateway = with_bucket();
    for bytes in [1_000, 2 << 20, 6 << 20, 20 << 20].into_iter().filter(|bytes| *bytes < 5 << 20 || takes_parts()) {
        let body = Content::new(bytes, bytes).to_vec();
        let digest = Sha256::digest(&body);
        put(&gateway, &body, &digest).succeeds();
        let copy = Request::new("PUT", "/bucket/copy").header("x-amz-copy-source", "/bucket/key");
        gateway.call(copy).succeeds();
        for key in ["key", "copy"] {
            let head = Request::new("HEAD", &format!("/bucket/{key}")).header("x-amz-checksum-mode", "ENABLED");
            let head = gateway.call(head);
            assert_eq!(head.header("content-length"), bytes.to_string());
            assert_eq!(head.header("x-amz-checksum-sha256"), BASE64.encode(digest), "{key} of {bytes}");
            assert!(gateway.get(&format!("/bucket/{key}")).succeeds() == body, "{key} of {bytes}");
        }
    }
}

#[test]
fn a_wrong_checksum_behind_a_body_leaves_nothing() {
    let gateway = with_bucket();
    for bytes in [1_000, 2 << 20, 20 << 20].into_iter().filter(|bytes| *bytes < 5 << 20 || takes_parts()) {
        let body = Content::new(bytes, bytes).to_vec();
        put(&gateway, &body, &Sha256::digest(b"another")).is_error(400, "BadDigest");
        gateway.has_no("/bucket/key");
    }
    if !takes_parts() {
        return;
    }
    let uploads = String::from_utf8(gateway.get("/bucket?uploads").succeeds()).unwrap();
    assert!(!uploads.contains("<UploadId>"), "{uploads}");
}
