//! Uploads that are not what they say they are: refused with the right error, and nothing is stored.
//!
//! Every test runs for a small body, which is settled before the store hears of it, and for a large one, which streams.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

use crate::support::{Content, Gateway, Payload, Request, Response, Signer};

const SIZES_BYTES: [u64; 3] = [1, 3_000, 3 << 20];

/// Sends an upload that must be refused: once where there is no object, once where there is one, which must stay.
fn nothing_is_stored_by(status: u16, code: &str, upload: impl Fn(&Gateway, &str, &[u8]) -> Response) {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/old", b"the old object");
    for bytes in SIZES_BYTES {
        let body = Content::new(bytes, bytes).to_vec();
        upload(&gateway, "/bucket/new", &body).is_error(status, code);
        gateway.has_no("/bucket/new");
        upload(&gateway, "/bucket/old", &body).is_error(status, code);
        assert_eq!(gateway.get("/bucket/old").succeeds(), b"the old object");
    }
}

#[test]
fn a_wrong_content_md5_is_refused() {
    nothing_is_stored_by(400, "BadDigest", |gateway, path, body| {
        gateway.call(Request::new("PUT", path).header("content-md5", BASE64.encode([7; 16])).body(body))
    });
}

#[test]
fn a_content_md5_that_is_none_is_refused() {
    nothing_is_stored_by(400, "InvalidDigest", |gateway, path, body| {
        gateway.call(Request::new("PUT", path).header("content-md5", "not base64!").body(body))
    });
}

#[test]
fn a_wrong_checksum_of_any_algorithm_is_refused() {
    for (algorithm, bytes) in [("crc32", 4), ("crc32c", 4), ("crc64nvme", 8), ("sha1", 20), ("sha256", 32)] {
        nothing_is_stored_by(400, "BadDigest", |gateway, path, body| {
            let header = format!("x-amz-checksum-{algorithm}");
            gateway.call(Request::new("PUT", path).header(&header, BASE64.encode(vec![7; bytes])).body(body))
        });
    }
}

#[test]
fn a_wrong_payload_hash_is_refused() {
    nothing_is_stored_by(400, "XAmzContentSHA256Mismatch", |gateway, path, body| {
        let put = Request::new("PUT", path).body(body);
        let (request, _) = gateway.signer().sign_as(put, gateway.address(), Payload::HashOf(b"another body"));
        request.send(gateway.address())
    });
}

#[test]
fn a_wrong_unsigned_trailer_is_refused() {
    nothing_is_stored_by(400, "BadDigest", |gateway, path, body| {
        let trailer = format!("x-amz-checksum-sha256:{}\r\n", BASE64.encode([7; 32]));
        unsigned_trailer(gateway, path, body, &trailer).send(gateway.address())
    });
}

#[test]
fn a_trailer_that_was_promised_and_is_missing_is_refused() {
    let gateway = Gateway::with_bucket();
    let response = unsigned_trailer(&gateway, "/bucket/key", b"plain", "").send(gateway.address());
    assert_eq!(response.status, 400, "{}", response.text());
    gateway.has_no("/bucket/key");
}

#[test]
fn a_right_unsigned_trailer_is_taken() {
    let gateway = Gateway::with_bucket();
    for bytes in SIZES_BYTES {
        let body = Content::new(bytes, bytes).to_vec();
        let trailer = format!("x-amz-checksum-sha256:{}\r\n", BASE64.encode(Sha256::digest(&body)));
        unsigned_trailer(&gateway, "/bucket/key", &body, &trailer).send(gateway.address()).succeeds();
        assert!(gateway.get("/bucket/key").succeeds() == body);
    }
}

#[test]
fn signed_chunks_are_taken() {
    let gateway = Gateway::with_bucket();
    for bytes in SIZES_BYTES {
        let body = Content::new(bytes, bytes).to_vec();
        let signer = gateway.signer();
        signed_chunks(&gateway, "/bucket/key", &body, &signer, &signer).send(gateway.address()).succeeds();
        assert!(gateway.get("/bucket/key").succeeds() == body);
    }
}

#[test]
fn a_chunk_that_someone_else_signed_is_refused() {
    nothing_is_stored_by(403, "SignatureDoesNotMatch", |gateway, path, body| {
        let signer = gateway.signer();
        let stranger = signer.with_secret("another secret");
        signed_chunks(gateway, path, body, &signer, &stranger).send(gateway.address())
    });
}

#[test]
fn signed_chunks_with_a_signed_trailer_are_taken() {
    let gateway = Gateway::with_bucket();
    for bytes in SIZES_BYTES {
        let body = Content::new(bytes, bytes).to_vec();
        signed_trailer(&gateway, "/bucket/key", &body, &Sha256::digest(&body)).send(gateway.address()).succeeds();
        assert!(gateway.get("/bucket/key").succeeds() == body);
    }
}

#[test]
fn a_wrong_signed_trailer_is_refused() {
    nothing_is_stored_by(400, "BadDigest", |gateway, path, body| {
        signed_trailer(gateway, path, body, &[7; 32]).send(gateway.address())
    });
}

#[test]
fn a_body_with_fewer_bytes_than_it_promises_is_refused() {
    nothing_is_stored_by(400, "IncompleteBody", |gateway, path, body| {
        let put = Request::new("PUT", path)
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", (body.len() + 1).to_string())
            .header("x-amz-trailer", "x-amz-checksum-sha256");
        let word = Payload::Word("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
        let (request, _) = gateway.signer().sign_as(put, gateway.address(), word);
        let trailer = format!("x-amz-checksum-sha256:{}\r\n", BASE64.encode(Sha256::digest(body)));
        request.body(unsigned_chunks(body, &trailer)).send(gateway.address())
    });
}

#[test]
fn an_upload_that_is_cut_stores_nothing() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/old", b"the old object");
    for sent_bytes in [0, 1, 70_000, (3 << 20) - 1] {
        let put = |path| Request::new("PUT", path).body(Content::new(1, 3 << 20).to_vec());
        for path in ["/bucket/new", "/bucket/old"] {
            let word = Payload::Word("UNSIGNED-PAYLOAD");
            let (request, _) = gateway.signer().sign_as(put(path), gateway.address(), word);
            let response = request.send_cut(gateway.address(), sent_bytes);
            assert!(response.status == 0 || response.status >= 400, "{}", response.status);
        }
        gateway.has_no("/bucket/new");
        assert_eq!(gateway.get("/bucket/old").succeeds(), b"the old object");
    }
}

#[test]
fn a_refused_upload_leaves_no_file_behind() {
    let gateway = Gateway::with_bucket();
    let left = gateway.files_stored_by(|| {
        let put = Request::new("PUT", "/bucket/key").header("content-md5", BASE64.encode([7; 16]));
        gateway.call(put.body(Content::new(1, 3 << 20).to_vec())).is_error(400, "BadDigest");
    });
    // Files are removed beside the requests: give the gateway the time of some more of them.
    for _ in 0..10_000 {
        gateway.has_no("/bucket/key");
        if left.iter().all(|file| !file.exists()) {
            return;
        }
    }
    panic!("{left:?}");
}

#[test]
fn a_part_with_a_wrong_checksum_is_not_kept() {
    let gateway = Gateway::with_bucket();
    let begun = String::from_utf8(gateway.call(Request::new("POST", "/bucket/key?uploads")).succeeds()).unwrap();
    let id = begun.split("<UploadId>").nth(1).unwrap().split("</UploadId>").next().unwrap();
    for bytes in [1_000, 6 << 20] {
        let part = Request::new("PUT", &format!("/bucket/key?partNumber=1&uploadId={id}"));
        let part = part.header("x-amz-checksum-sha256", BASE64.encode([7; 32])).body(Content::new(1, bytes).to_vec());
        gateway.call(part).is_error(400, "BadDigest");
        let parts = gateway.call(Request::new("GET", &format!("/bucket/key?uploadId={id}"))).succeeds();
        assert!(!String::from_utf8(parts).unwrap().contains("<Part>"));
    }
}

#[test]
fn metadata_of_the_gateway_itself_is_refused() {
    let gateway = Gateway::with_bucket();
    for name in ["x-amz-meta-sealgate", "x-amz-meta-sealgate-attrs", "x-amz-meta-sealgate-of-mine"] {
        let response = gateway.call(Request::new("PUT", "/bucket/key").header(name, "forged").body("plain"));
        assert_eq!(response.status, 400, "{}", response.text());
        gateway.has_no("/bucket/key");
    }
}

/// An upload in two aws-chunked chunks, then this trailer.
pub(crate) fn unsigned_trailer(gateway: &Gateway, path: &str, body: &[u8], trailer: &str) -> Request {
    let put = chunked_put(path, body).header("x-amz-trailer", "x-amz-checksum-sha256");
    let word = Payload::Word("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    gateway.signer().sign_as(put, gateway.address(), word).0.body(unsigned_chunks(body, trailer))
}

fn unsigned_chunks(body: &[u8], trailer: &str) -> Vec<u8> {
    let mut chunked = Vec::new();
    for chunk in halves(body) {
        chunked.extend(format!("{:x}\r\n", chunk.len()).bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend(b"\r\n");
    }
    chunked.extend(format!("0\r\n{trailer}\r\n").bytes());
    chunked
}

/// An upload in two signed chunks; `signer` signs the request, `chunk_signer` the chunks.
pub(crate) fn signed_chunks(
    gateway: &Gateway,
    path: &str,
    body: &[u8],
    signer: &Signer,
    chunk_signer: &Signer,
) -> Request {
    let word = Payload::Word("STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    let (request, signature) = signer.sign_as(chunked_put(path, body), gateway.address(), word);
    let (mut chunked, _) = chunks(chunk_signer, signature, body);
    chunked.extend(b"\r\n");
    request.body(chunked)
}

/// The same with a trailer that is signed too.
pub(crate) fn signed_trailer(gateway: &Gateway, path: &str, body: &[u8], sha256: &[u8]) -> Request {
    let signer = gateway.signer();
    let word = Payload::Word("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER");
    let put = chunked_put(path, body).header("x-amz-trailer", "x-amz-checksum-sha256");
    let (request, signature) = signer.sign_as(put, gateway.address(), word);
    let (mut chunked, last) = chunks(&signer, signature, body);
    let trailer = format!("x-amz-checksum-sha256:{}", BASE64.encode(sha256));
    let signature = signer.trailer(&last, &format!("{trailer}\n"));
    chunked.extend(format!("{trailer}\r\nx-amz-trailer-signature:{signature}\r\n\r\n").bytes());
    request.body(chunked)
}

/// The signed chunks, up to the line of the empty last one, and the signature of that.
fn chunks(signer: &Signer, mut signature: String, body: &[u8]) -> (Vec<u8>, String) {
    let mut chunked = Vec::new();
    for chunk in halves(body) {
        signature = signer.chunk(&signature, chunk);
        chunked.extend(format!("{:x};chunk-signature={signature}\r\n", chunk.len()).bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend(b"\r\n");
    }
    signature = signer.chunk(&signature, b"");
    chunked.extend(format!("0;chunk-signature={signature}\r\n").bytes());
    (chunked, signature)
}

fn chunked_put(path: &str, body: &[u8]) -> Request {
    Request::new("PUT", path)
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", body.len().to_string())
}

/// The body in two pieces, or in one where there is but a byte: an empty chunk would end it.
fn halves(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (first, second) = body.split_at(body.len() / 2);
    [first, second].into_iter().filter(|half| !half.is_empty())
}
