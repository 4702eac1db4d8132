//! Bodies in aws-chunked framing that are cut: none is stored, wherever it ends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use super::uploads::{signed_chunks, signed_trailer, unsigned_trailer};
use crate::support::{Content, Gateway, Payload, Request, Response};

/// Each form of framing of a body.
fn framed(gateway: &Gateway, path: &str, body: &[u8]) -> [Request; 3] {
    let signer = gateway.signer();
    let trailer = format!("x-amz-checksum-sha256:{}\r\n", BASE64.encode(Sha256::digest(body)));
    [
        signed_chunks(gateway, path, body, &signer, &signer),
        signed_trailer(gateway, path, body, &Sha256::digest(body)),
        unsigned_trailer(gateway, path, body, &trailer),
    ]
}

/// As a client sends it that has no more: the length it announces is that of what it sends.
fn cut(request: &Request, bytes: usize, gateway: &Gateway) -> Response {
    Request { body: request.body[..bytes].to_vec(), ..request.clone() }.send(gateway.address())
}

#[test]
fn a_body_that_ends_before_its_framing_does_is_incomplete_wherever_it_is_cut() {
    let gateway = Gateway::with_bucket();
    let body = b"a short body of two chunks".to_vec();
    for request in framed(&gateway, "/bucket/key", &body) {
        let zero = request.body.windows(3).rposition(|three| three == b"\r\n0").unwrap() + 2;
        for bytes in zero..request.body.len() {
            cut(&request, bytes, &gateway).is_error(400, "IncompleteBody");
        }
        for bytes in [0, 1, zero / 2, zero - 1] {
            cut(&request, bytes, &gateway).is_error(400, "IncompleteBody");
        }
        gateway.has_no("/bucket/key");
        request.send(gateway.address()).succeeds();
        assert_eq!(gateway.get("/bucket/key").succeeds(), body);
        gateway.call(Request::new("DELETE", "/bucket/key")).succeeds();
    }
}

#[test]
fn a_long_body_without_its_last_chunk_replaces_nothing() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"the old object");
    let body = Content::new(1, 3 << 20).to_vec();
    for request in framed(&gateway, "/bucket/key", &body) {
        let zero = request.body.windows(3).rposition(|three| three == b"\r\n0").unwrap() + 2;
        cut(&request, zero, &gateway).is_error(400, "IncompleteBody");
        cut(&request, request.body.len() - 2, &gateway).is_error(400, "IncompleteBody");
        assert_eq!(gateway.get("/bucket/key").succeeds(), b"the old object");
    }
}

#[test]
fn a_part_without_its_last_chunk_is_not_kept() {
    let gateway = Gateway::with_bucket();
    let begun = String::from_utf8(gateway.call(Request::new("POST", "/bucket/key?uploads")).succeeds()).unwrap();
    let id = begun.split("<UploadId>").nth(1).unwrap().split("</UploadId>").next().unwrap();
    let path = format!("/bucket/key?partNumber=1&uploadId={id}");
    for request in framed(&gateway, &path, b"a part") {
        let zero = request.body.windows(3).rposition(|three| three == b"\r\n0").unwrap() + 2;
        cut(&request, zero, &gateway).is_error(400, "IncompleteBody");
    }
    let parts = gateway.get(&format!("/bucket/key?uploadId={id}")).succeeds();
    assert!(!String::from_utf8(parts).unwrap().contains("<Part>"));
}

#[test]
fn a_document_without_its_last_chunk_does_nothing() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"plain");
    let document = "<Delete><Object><Key>key</Key></Object></Delete>";
    let post = Request::new("POST", "/bucket?delete")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", document.len().to_string())
        .header("x-amz-trailer", "x-amz-checksum-sha256");
    let word = Payload::Word("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    let (post, _) = gateway.signer().sign_as(post, gateway.address(), word);
    let chunk = format!("{:x}\r\n{document}\r\n", document.len());
    post.body(chunk).send(gateway.address()).is_error(400, "IncompleteBody");
    assert_eq!(gateway.get("/bucket/key").succeeds(), b"plain");
}

#[test]
fn data_that_looks_like_a_last_chunk_does_not_end_a_body() {
    let gateway = Gateway::with_bucket();
    let body = b"data\r\n0\r\n\r\n";
    let put = Request::new("PUT", "/bucket/key")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", body.len().to_string())
        .header("x-amz-trailer", "x-amz-checksum-sha256");
    let word = Payload::Word("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    let (request, _) = gateway.signer().sign_as(put, gateway.address(), word);
    let chunk = [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat();
    request.body(chunk).send(gateway.address()).is_error(400, "IncompleteBody");
    gateway.has_no("/bucket/key");
}
