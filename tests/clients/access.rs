//! Who gets in: `SigV4` by header and by presigned URL, what an operator may allow beyond it, and every way of not being
//! let in.

use std::time::Duration;

use serde_json::json;

use crate::support::{Gateway, Payload, Request, Signer};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

#[test]
fn a_request_without_a_signature_is_refused() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"plain");
    for (method, path) in [("GET", "/bucket/key"), ("PUT", "/bucket/key"), ("DELETE", "/bucket/key"), ("GET", "/")] {
        Request::new(method, path).send(gateway.address()).is_error(403, "AccessDenied");
    }
    assert_eq!(gateway.get("/bucket/key").succeeds(), b"plain");
}

#[test]
fn a_wrong_secret_is_refused() {
    let gateway = Gateway::with_bucket();
    let thief = Signer::new(&gateway.credentials().access_key, "not the secret key");
    let request = thief.sign(Request::new("GET", "/bucket"), gateway.address());
    request.send(gateway.address()).is_error(403, "SignatureDoesNotMatch");
}

#[test]
fn an_unknown_access_key_is_refused() {
    let gateway = Gateway::with_bucket();
    let stranger = Signer::new("AKIASTRANGER", &gateway.credentials().secret_key);
    let request = stranger.sign(Request::new("GET", "/bucket"), gateway.address());
    request.send(gateway.address()).is_error(403, "InvalidAccessKeyId");
}

#[test]
fn a_clock_that_is_off_by_more_than_fifteen_minutes_is_refused() {
    let gateway = Gateway::with_bucket();
    for signer in [gateway.signer().ahead(16 * MINUTE), gateway.signer().behind(16 * MINUTE)] {
        let request = signer.sign(Request::new("GET", "/bucket"), gateway.address());
        request.send(gateway.address()).is_error(403, "RequestTimeTooSkewed");
    }
}

#[test]
fn a_clock_that_is_off_by_less_than_fifteen_minutes_will_do() {
    let gateway = Gateway::with_bucket();
    for signer in [gateway.signer().ahead(14 * MINUTE), gateway.signer().behind(14 * MINUTE)] {
        let request = signer.sign(Request::new("GET", "/bucket"), gateway.address());
        request.send(gateway.address()).succeeds();
    }
}

#[test]
fn a_presigned_url_opens_its_object_and_no_other() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/shared", b"shared");
    gateway.put("/bucket/private", b"private");
    let url = gateway.signer().presign(Request::new("GET", "/bucket/shared"), gateway.address(), MINUTE);
    assert_eq!(url.send(gateway.address()).succeeds(), b"shared");
    let other = Request { target: url.target.replace("/shared", "/private"), ..url };
    other.send(gateway.address()).is_error(403, "SignatureDoesNotMatch");
}

#[test]
fn a_presigned_url_may_not_be_valid_for_more_than_seven_days() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"plain");
    let presign = |valid| gateway.signer().presign(Request::new("GET", "/bucket/key"), gateway.address(), valid);
    presign(7 * DAY).send(gateway.address()).succeeds();
    let refused = presign(7 * DAY + Duration::from_secs(1)).send(gateway.address());
    refused.is_error(400, "AuthorizationQueryParametersError");
}

#[test]
fn a_presigned_url_ends_when_it_says() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"plain");
    let signer = gateway.signer().behind(10 * MINUTE);
    let presign = |valid| signer.presign(Request::new("GET", "/bucket/key"), gateway.address(), valid);
    presign(11 * MINUTE).send(gateway.address()).succeeds();
    presign(9 * MINUTE).send(gateway.address()).is_error(403, "AccessDenied");
}

#[test]
fn a_presigned_put_with_an_added_copy_source_copies_nothing() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/secret", b"secret");
    let url = gateway.signer().presign(Request::new("PUT", "/bucket/mine"), gateway.address(), MINUTE);
    let refused = url.header("x-amz-copy-source", "/bucket/secret").send(gateway.address());
    refused.is_error(403, "AccessDenied");
    gateway.has_no("/bucket/mine");
}

#[test]
fn a_header_that_was_added_after_signing_is_refused() {
    let gateway = Gateway::with_bucket();
    let put = Request::new("PUT", "/bucket/key").body("plain");
    let signed = gateway.signer().sign(put, gateway.address());
    signed.header("x-amz-meta-added", "later").send(gateway.address()).is_error(403, "AccessDenied");
    gateway.has_no("/bucket/key");
}

#[test]
fn a_header_that_was_changed_after_signing_is_refused() {
    let gateway = Gateway::with_bucket();
    let put = Request::new("PUT", "/bucket/key").header("x-amz-meta-colour", "crimson").body("plain");
    let mut signed = gateway.signer().sign(put, gateway.address());
    signed.headers.iter_mut().for_each(|(_, value)| *value = value.replace("crimson", "blue"));
    signed.send(gateway.address()).is_error(403, "SignatureDoesNotMatch");
    gateway.has_no("/bucket/key");
}

#[test]
fn a_sigv2_header_is_refused() {
    let gateway = Gateway::with_bucket();
    let authorization = format!("AWS {}:c2lnbmF0dXJlIG9mIGEgcmVxdWVzdA==", gateway.credentials().access_key);
    let request = Request::new("GET", "/bucket")
        .header("date", "Sun, 22 Nov 2026 18:00:00 GMT")
        .header("authorization", authorization);
    let response = request.send(gateway.address());
    assert!((400..500).contains(&response.status), "{}", response.text());
    assert!(response.text().contains("s3v4"), "says how to switch: {}", response.text());
}

#[test]
fn a_sigv2_presigned_url_is_refused_and_told_how_to_switch() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"plain");
    let key = &gateway.credentials().access_key;
    let target = format!("/bucket/key?AWSAccessKeyId={key}&Signature=c2lnbmF0dXJl&Expires=4102444800");
    let response = Request::new("GET", &target).send(gateway.address());
    assert!((400..500).contains(&response.status), "{}", response.text());
    assert!(response.text().contains("signature_version") && response.text().contains("s3v4"), "{}", response.text());
}

#[test]
fn another_signing_algorithm_is_refused() {
    let gateway = Gateway::with_bucket();
    let mut signed = gateway.signer().sign(Request::new("GET", "/bucket"), gateway.address());
    let authorization = &mut signed.headers.last_mut().unwrap().1;
    *authorization = authorization.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1");
    let response = signed.send(gateway.address());
    assert!([400, 403, 501].contains(&response.status), "{}: {}", response.status, response.text());
}

#[test]
fn an_operation_that_cannot_be_served_says_so() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"plain");
    let operations = [
        ("DELETE", "/bucket?inventory&id=a"),
        ("DELETE", "/bucket?publicAccessBlock"),
        ("DELETE", "/bucket?ownershipControls"),
        ("GET", "/bucket/key?torrent"),
        ("POST", "/bucket/key?restore"),
    ];
    for (method, target) in operations {
        gateway.call(Request::new(method, target)).is_error(501, "NotImplemented");
    }
    assert_eq!(gateway.get("/bucket/key").succeeds(), b"plain");
}

#[test]
fn every_answer_has_a_request_id() {
    let gateway = Gateway::with_bucket();
    let refused = gateway.get("/bucket/absent");
    assert!(!refused.header("x-amz-request-id").is_empty());
    assert!(refused.text().contains(refused.header("x-amz-request-id")), "{}", refused.text());
    assert!(!gateway.call(Request::new("GET", "/bucket")).header("x-amz-request-id").is_empty());
}

#[test]
fn an_unsigned_payload_is_taken_with_its_length() {
    let gateway = Gateway::with_bucket();
    let put = Request::new("PUT", "/bucket/key").body("plain");
    let (signed, _) = gateway.signer().sign_as(put, gateway.address(), Payload::Word("UNSIGNED-PAYLOAD"));
    signed.send(gateway.address()).succeeds();
    assert_eq!(gateway.get("/bucket/key").succeeds(), b"plain");
}

#[test]
fn an_answer_that_leaves_a_body_unread_says_that_the_connection_ends() {
    let gateway = Gateway::with_bucket();
    let mut put =
        gateway.signer().with_secret("another secret").sign(Request::new("PUT", "/bucket/key"), gateway.address());
    put.headers.push(("content-length".to_owned(), (64 << 20).to_string()));
    put.headers.push(("expect".to_owned(), "100-continue".to_owned()));
    let refused = put.keep_alive().send_with(gateway.address(), |_| Ok(()));
    refused.is_error(403, "SignatureDoesNotMatch");
    assert_eq!(refused.header("connection"), "close");
}

#[test]
fn a_region_that_is_none_is_answered_with_the_right_one() {
    let gateway = Gateway::with_bucket();
    let mut signed = gateway.signer().sign(Request::new("GET", "/bucket"), gateway.address());
    let authorization = &mut signed.headers.last_mut().unwrap().1;
    *authorization = authorization.replace("us-east-1", "US");
    let text = signed.send(gateway.address()).is_error(400, "AuthorizationHeaderMalformed");
    assert!(text.contains("<Region>us-east-1</Region>"), "{text}");
}

/// A tenant that has made one of its two buckets public.
fn with_public_bucket() -> Gateway {
    let tenant = json!({"bucket_prefix": "acme-", "public_read_buckets": ["public"]});
    let gateway = Gateway::with_tenant(&json!({}), &tenant);
    for bucket in ["public", "private"] {
        gateway.call(Request::new("PUT", &format!("/{bucket}"))).succeeds();
        gateway.put(&format!("/{bucket}/key"), b"plain");
    }
    gateway
}

#[test]
fn anyone_reads_objects_of_a_public_bucket() {
    let gateway = with_public_bucket();
    let unsigned = |method, path| Request::new(method, path).send(gateway.address());
    assert_eq!(unsigned("GET", "/public/key").succeeds(), b"plain");
    assert_eq!(unsigned("HEAD", "/public/key").status, 200);
    let range = Request::new("GET", "/public/key").header("range", "bytes=1-2").send(gateway.address());
    assert_eq!((range.status, range.body.as_slice()), (206, &b"la"[..]));
    unsigned("GET", "/public/other").is_error(404, "NoSuchKey");
}

#[test]
fn nothing_but_reading_is_done_for_who_does_not_sign() {
    let gateway = with_public_bucket();
    let paths = [
        ("GET", "/private/key"),
        ("GET", "/public"),
        ("GET", "/public?list-type=2"),
        ("GET", "/"),
        ("PUT", "/public/key"),
        ("DELETE", "/public/key"),
        ("POST", "/public/key?uploads"),
        ("GET", "/public/key?tagging"),
        ("GET", "/public/key?attributes"),
        ("GET", "/public/key?versionId=null"),
        ("GET", "/acme-public/key"),
    ];
    for (method, path) in paths {
        Request::new(method, path).send(gateway.address()).is_error(403, "AccessDenied");
    }
    let copied = Request::new("PUT", "/public/copy").header("x-amz-copy-source", "/private/key");
    copied.send(gateway.address()).is_error(403, "AccessDenied");
    let overridden = Request::new("GET", "/public/key?response-content-type=text/html").send(gateway.address());
    overridden.is_error(400, "InvalidRequest");
    assert_eq!(gateway.get("/public/key").succeeds(), b"plain");
}
