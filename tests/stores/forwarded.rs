//! Operations that are passed on: the store's own answers, under the client's names.

use std::net::SocketAddr;

use super::over::{STORE, lacks, own_prefix, replica};
use super::support::store::contains;
use super::support::{Request, Signer};

#[test]
fn bucket_configurations_are_the_stores() {
    let prefix = own_prefix();
    let gateway = replica(&prefix);
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    let cors = "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>https://a.example</AllowedOrigin></CORSRule></CORSConfiguration>";
    if lacks(&gateway, "settings") {
        // it would take these for requests about the bucket itself
        gateway.call(Request::new("PUT", "/bucket?cors").body(cors)).is_error(501, "NotImplemented");
        gateway.get("/bucket?cors").is_error(501, "NotImplemented");
        return;
    }
    gateway.get("/bucket?cors").is_error(404, "NoSuchCORSConfiguration");
    gateway.call(Request::new("PUT", "/bucket?cors").body(cors)).succeeds();
    let answer = String::from_utf8(gateway.get("/bucket?cors").succeeds()).unwrap();
    assert!(answer.contains("https://a.example"), "{answer}");
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}]}"#;
    if gateway.get("/bucket?policy").status == 501 {
        gateway.call(Request::new("PUT", "/bucket?policy").body(policy)).is_error(501, "NotImplemented");
        return;
    }
    gateway.aws(["s3api", "put-bucket-policy", "--bucket", "bucket", "--policy", policy]).succeeds();
    let answer = gateway.aws(["s3api", "get-bucket-policy", "--bucket", "bucket", "--output", "text"]).succeeds();
    assert!(answer.contains("arn:aws:s3:::bucket/*") && !answer.contains(&prefix), "{answer}");
    gateway.aws(["s3api", "delete-bucket-policy", "--bucket", "bucket"]).succeeds();
}

#[test]
fn another_bucket_than_ones_own_is_not_reached() {
    let prefix = own_prefix();
    let (one, other) = (replica(&prefix), replica(&own_prefix()));
    one.call(Request::new("PUT", "/bucket")).succeeds();
    let status = if lacks(&one, "settings") { 501 } else { 404 };
    assert_eq!(other.get("/bucket?acl").status, status);
    assert_eq!(one.get("/staging?acl").status, 403);
    let unsigned = Request::new("GET", "/bucket?acl").header("host", one.address().to_string());
    assert_eq!(unsigned.send(one.address()).status, 403);
    let wrong = one.signer().with_secret("another secret").sign(Request::new("GET", "/bucket?acl"), one.address());
    assert_eq!(wrong.send(one.address()).status, 403);
}

#[test]
fn what_is_in_neither_list_is_not_passed_on() {
    let gateway = replica(&own_prefix());
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    gateway.put("/bucket/key", b"plain");
    gateway.call(Request::new("POST", "/bucket/key?restore").body("<RestoreRequest/>")).is_error(501, "NotImplemented");
    assert_eq!(gateway.get("/bucket/key").succeeds(), b"plain");
}

/// Grants go to the store with the object or bucket; what they let others read there is sealed.
#[test]
fn what_a_new_object_grants_is_the_stores_matter() {
    let prefix = own_prefix();
    let gateway = replica(&prefix);
    let granting = |request: Request| request.header("x-amz-acl", "public-read");
    gateway.call(granting(Request::new("PUT", "/granted"))).succeeds();
    let body = super::support::Content::new(1, 3_000_000).to_vec();
    gateway.call(granting(Request::new("PUT", "/granted/key").body(body.clone()))).succeeds();
    gateway.put("/granted/private", &body);
    let copy = |to: &str, from: &str| Request::new("PUT", to).header("x-amz-copy-source", from);
    gateway.call(granting(copy("/granted/copy", "/granted/private"))).succeeds();
    gateway.call(copy("/granted/kept", "/granted/key")).succeeds();
    // what the store makes of such requests that come to it directly
    let (address, (id, secret)) = (STORE.authority().parse().unwrap(), STORE.keys());
    let directly = |request: Request| Signer::new(id, secret).sign(request, address).send(address);
    directly(granting(Request::new("PUT", &format!("/{prefix}granted/direct")).body("plain"))).succeeds();
    directly(granting(Request::new("PUT", &format!("/{prefix}direct")))).succeeds();
    let opens = |bucket: &str| gateway.get(&format!("/{bucket}?acl")).text().contains("AllUsers");
    assert_eq!(opens("granted"), opens("direct"));
    let is_open = |key: &str| gateway.get(&format!("/granted/{key}?acl")).text().contains("AllUsers");
    for (key, like) in [("key", "direct"), ("copy", "direct"), ("kept", "private")] {
        assert_eq!(is_open(key), is_open(like), "{key} {like}");
    }
    assert!(!is_open("private"));
    let unsigned =
        |key: &str, at: SocketAddr| Request::new("GET", &format!("/{key}")).header("host", at.to_string()).send(at);
    assert_eq!(unsigned("granted/key", gateway.address()).status, 403, "the gateway opens nothing to others");
    let there = unsigned(&format!("{prefix}granted/key"), address);
    assert_eq!(there.status, unsigned(&format!("{prefix}granted/direct"), address).status);
    assert!(!contains(&there.body, &body[1_000..1_064]));
}

#[test]
fn a_locked_version_outlives_a_delete_until_its_lock_is_bypassed() {
    let gateway = replica(&own_prefix());
    let lock = |request: Request| {
        let request = request.header("x-amz-object-lock-mode", "GOVERNANCE");
        request.header("x-amz-object-lock-retain-until-date", "2099-01-01T00:00:00Z")
    };
    let locked = Request::new("PUT", "/locked").header("x-amz-bucket-object-lock-enabled", "true");
    if lacks(&gateway, "object lock") {
        gateway.call(locked).is_error(501, "NotImplemented");
        gateway.call(Request::new("PUT", "/locked")).succeeds();
        gateway.call(lock(Request::new("PUT", "/locked/key").body("unlocked"))).is_error(501, "NotImplemented");
        gateway.has_no("/locked/key");
        return;
    }
    gateway.call(locked).succeeds();
    for bytes in [1_000, 3 << 20] {
        let body = super::support::Content::new(bytes, bytes).to_vec();
        let put = gateway.call(lock(Request::new("PUT", "/locked/key").body(body.clone())));
        assert_eq!(put.status, 200);
        let version = format!("/locked/key?versionId={}", put.header("x-amz-version-id"));
        let head = gateway.call(Request::new("HEAD", &version));
        assert_eq!(head.header("x-amz-object-lock-mode"), "GOVERNANCE");
        assert!(head.header("x-amz-object-lock-retain-until-date").starts_with("2099-01-01T00:00:00"));
        gateway.call(Request::new("DELETE", &version)).is_error(403, "AccessDenied");
        assert!(gateway.get(&version).succeeds() == body);
        let bypass = Request::new("DELETE", &version).header("x-amz-bypass-governance-retention", "true");
        gateway.call(bypass).succeeds();
        assert_eq!(gateway.get(&version).status, 404);
    }
    let suspend = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    gateway.call(Request::new("PUT", "/locked?versioning").body(suspend)).is_error(409, "InvalidBucketState");
}
