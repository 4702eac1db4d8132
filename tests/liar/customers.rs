//! What tells that an object has a customer's key (SSE-C) is metadata, which a store can take away: no read then gives
//! anything but a refusal, and no copy is made that nobody could open.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3s::crypto::{Checksum as _, Md5};

use super::fixture::{element, upload_with};
use super::store::{Liar, Lie};
use super::support::{Content, Gateway, Request};
use super::table::tampered;
use super::wire::Op;

const KEY: [u8; 32] = *b"a key that the customer keeps ..";

/// A request with the customer's key; for the source of a copy with `prefix`.
fn with_key(request: Request, prefix: &str) -> Request {
    let mut md5 = Md5::new();
    md5.update(&KEY);
    request
        .header(&format!("{prefix}server-side-encryption-customer-algorithm"), "AES256")
        .header(&format!("{prefix}server-side-encryption-customer-key"), STANDARD.encode(KEY))
        .header(&format!("{prefix}server-side-encryption-customer-key-md5"), STANDARD.encode(md5.finalize()))
}

const OWN: &str = "x-amz-";
const OF_SOURCE: &str = "x-amz-copy-source-";

/// Takes the check away from everything that is read.
fn taken_away() -> Lie {
    Arc::new(|asked, honest, _| match asked.op() {
        Op::Get | Op::Head => honest.without("x-amz-meta-sealgate-customer-key"),
        _ => honest,
    })
}

/// A gateway with objects that have a customer's key, of one part and of several, of no bytes and of many.
fn stored(liar: &Liar) -> (Gateway, Vec<&'static str>) {
    let gateway = liar.gateway();
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    let mut names = Vec::new();
    for (name, bytes) in [("/bucket/empty", 0), ("/bucket/byte", 1), ("/bucket/single", 300_000)] {
        let put = Request::new("PUT", name).body(Content::new(1, bytes).to_vec());
        gateway.call(with_key(put, OWN)).succeeds();
        names.push(name);
    }
    for (name, parts) in [("/bucket/one-part", &[0][..]), ("/bucket/parts", &[5 << 20, 1_000])] {
        let parts: Vec<_> = (1..).zip(parts).map(|(seed, bytes)| Content::new(seed, *bytes).to_vec()).collect();
        upload_with(&gateway, name, &parts, |request| with_key(request, OWN));
        names.push(name);
    }
    (gateway, names)
}

#[test]
fn no_copy_is_made_of_an_object_whose_check_was_taken_away() {
    let liar = Liar::start();
    let (gateway, names) = stored(&liar);
    for name in names {
        liar.lies(&taken_away());
        let copy = || Request::new("PUT", "/bucket/copy").header("x-amz-copy-source", name);
        let before = tampered(&gateway);
        gateway.call(copy()).is_error(500, "InternalError");
        assert!(tampered(&gateway) > before, "{name}: not counted");
        gateway.call(with_key(copy(), OWN)).is_error(500, "InternalError");
        gateway.call(with_key(with_key(copy(), OWN), OF_SOURCE)).is_error(400, "InvalidRequest");
        liar.is_honest();
        gateway.has_no("/bucket/copy");
        // with its key it is copied, and the copy opens
        gateway.call(with_key(with_key(copy(), OWN), OF_SOURCE)).succeeds();
        let copied = gateway.call(with_key(Request::new("GET", "/bucket/copy"), OWN)).succeeds();
        assert!(copied == gateway.call(with_key(Request::new("GET", name), OWN)).succeeds(), "{name}");
        gateway.call(Request::new("DELETE", "/bucket/copy")).succeeds();
    }
}

#[test]
fn nothing_is_read_of_an_object_whose_check_was_taken_away() {
    let liar = Liar::start();
    let (gateway, names) = stored(&liar);
    let created = gateway.call(Request::new("POST", "/bucket/target?uploads")).text();
    let id = element(&created, "UploadId");
    for name in names {
        liar.lies(&taken_away());
        let get = || Request::new("GET", name);
        gateway.call(get()).is_error(500, "InternalError");
        gateway.call(with_key(get(), OWN)).is_error(400, "InvalidRequest");
        let head = gateway.call(with_key(Request::new("HEAD", name), OWN));
        assert_eq!(head.status, 400, "{name}");
        if !matches!(name, "/bucket/empty" | "/bucket/one-part") {
            gateway.call(get().header("range", "bytes=0-0")).is_error(500, "InternalError");
        }
        let part = Request::new("PUT", &format!("/bucket/target?partNumber=1&uploadId={id}"));
        gateway.call(part.header("x-amz-copy-source", name)).is_error(500, "InternalError");
        liar.is_honest();
        gateway.call(with_key(get(), OWN)).succeeds();
    }
}
