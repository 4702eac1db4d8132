//! Requests that S3 refuses for their signature, their query or what they ask for, on every way a request comes.

use std::time::Duration;

use crate::post_form::Form;
use crate::support::{Gateway, Request};

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn a_signature_that_leaves_out_the_host_is_refused() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"plain");
    let (signer, address) = (gateway.signer(), gateway.address());
    for (method, path) in [("GET", "/bucket/key"), ("PUT", "/bucket/other"), ("DELETE", "/bucket/key"), ("GET", "/")] {
        let request = signer.sign_without_host(Request::new(method, path), address);
        request.send(address).is_error(403, "AccessDenied");
        let presigned = signer.presign_without_host(Request::new(method, path), MINUTE);
        presigned.send(address).is_error(403, "AccessDenied");
    }
    assert_eq!(gateway.get("/bucket/key").succeeds(), b"plain");
    gateway.has_no("/bucket/other");
}

#[test]
fn a_request_that_is_signed_twice_is_refused() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"plain");
    let presigned = gateway.signer().presign(Request::new("GET", "/bucket/key"), gateway.address(), MINUTE);
    assert_eq!(presigned.send(gateway.address()).succeeds(), b"plain");
    let signed = gateway.signer().sign(Request::new("GET", "/bucket/key"), gateway.address());
    let authorization = signed.headers.iter().find(|(name, _)| name == "authorization").unwrap().1.clone();
    presigned.header("authorization", authorization.clone()).send(gateway.address()).is_error(400, "InvalidArgument");
    signed.header("authorization", authorization).send(gateway.address()).is_error(400, "InvalidArgument");
}

#[test]
fn names_of_the_gateways_own_are_refused_on_every_verb() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"plain");
    for (method, path) in [
        ("GET", "/bucket/key"),
        ("PUT", "/bucket/key?acl"),
        ("PUT", "/bucket/key?tagging"),
        ("PUT", "/bucket/key?retention"),
        ("PUT", "/bucket?lifecycle"),
        ("GET", "/bucket?acl"),
        ("DELETE", "/bucket/key"),
        ("POST", "/bucket/key?uploads"),
        ("POST", "/bucket?delete"),
    ] {
        let request = Request::new(method, path).header("x-amz-meta-sealgate", "x").header("x-amz-acl", "private");
        gateway.call(request).is_error(400, "InvalidArgument");
    }
    assert_eq!(gateway.call(Request::new("HEAD", "/bucket/key").header("x-amz-meta-sealgate", "x")).status, 400);
    let refused = Form::new("photo").field("X-Amz-Meta-SealGate-Stream", "forged").file(b"plain").send(&gateway);
    assert!([400, 403].contains(&refused.status), "{}", refused.text());
    gateway.has_no("/bucket/photo");
    assert_eq!(gateway.get("/bucket/key").succeeds(), b"plain");
}

#[test]
fn a_query_of_two_meanings_changes_nothing() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"plain");
    for (query, status, code) in [
        ("acl=&uploads=", 400, "InvalidRequest"),
        ("acl=&tagging=", 400, "InvalidRequest"),
        ("acl=&acl=", 400, "InvalidArgument"),
        ("partNumber=1&partNumber=2&uploadId=u", 400, "InvalidArgument"),
        ("policy=", 405, "MethodNotAllowed"),
        ("uploads=", 405, "MethodNotAllowed"),
        ("versionId=..%2F..%2Fx&acl=", 400, "InvalidArgument"),
    ] {
        let put = Request::new("PUT", &format!("/bucket/key?{query}")).header("x-amz-acl", "private").body("other");
        gateway.call(put).is_error(status, code);
    }
    // what an SDK calls the operation does not count
    let put = Request::new("PUT", "/bucket/key?acl=&x-id=PutObject").header("x-amz-acl", "private");
    gateway.call(put).succeeds();
    let named = gateway.get("/bucket/key?tagging=&x-id=GetObject");
    assert!(named.text().contains("<TagSet>") || named.text().contains("<TagSet/>"), "{}", named.text());
    assert_eq!(gateway.get("/bucket/key").succeeds(), b"plain");
}

#[test]
fn a_redirect_that_a_browser_would_run_is_refused_on_every_way_in() {
    let gateway = Gateway::with_bucket();
    gateway.put("/bucket/key", b"plain");
    let redirect = |request: Request| request.header("x-amz-website-redirect-location", "javascript:alert(1)");
    gateway.call(redirect(Request::new("PUT", "/bucket/new").body("x"))).is_error(400, "InvalidRedirectLocation");
    gateway.call(redirect(Request::new("POST", "/bucket/new?uploads"))).is_error(400, "InvalidRedirectLocation");
    for directive in ["COPY", "REPLACE"] {
        let copy = Request::new("PUT", "/bucket/new").header("x-amz-copy-source", "bucket/key");
        let copy = redirect(copy.header("x-amz-metadata-directive", directive));
        gateway.call(copy).is_error(400, "InvalidRedirectLocation");
    }
    let form = Form::new("new").field("x-amz-website-redirect-location", "javascript:alert(1)").file(b"x");
    form.send(&gateway).is_error(400, "InvalidRedirectLocation");
    gateway.has_no("/bucket/new");
    let good = Request::new("PUT", "/bucket/new").header("x-amz-website-redirect-location", "/other");
    gateway.call(good).succeeds();
    let head = gateway.call(Request::new("HEAD", "/bucket/new"));
    assert_eq!(head.header("x-amz-website-redirect-location"), "/other");
}
