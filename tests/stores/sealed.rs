//! What lies in the store, read from it directly with its own keys: never the plaintext.

use super::over::{STORE, own_prefix, replica, takes_parts};
use super::support::store::contains;
use super::support::{Request, Signer};

const NEEDLE: &[u8] = b"the plaintext that must not lie in the store";

/// The object as the store has it.
fn stored(bucket: &str, key: &str) -> super::support::Response {
    let (id, secret) = STORE.keys();
    let address = STORE.authority().parse().unwrap();
    let get = Request::new("GET", &format!("/{bucket}/{key}"));
    Signer::new(id, secret).sign(get, address).send(address)
}

#[test]
fn no_way_in_leaves_plaintext_in_the_store() {
    let prefix = own_prefix();
    let gateway = replica(&prefix);
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    for bytes in [0, 5_000, 3 << 20, if takes_parts() { 9 << 20 } else { 4 << 20 }] {
        let body = [NEEDLE, &vec![b'x'; bytes], NEEDLE].concat();
        std::fs::write(gateway.work().join("up"), &body).unwrap();
        gateway.aws(["s3", "cp", "--no-progress", "up", "s3://bucket/key"]).succeeds();
        gateway.aws(["s3", "cp", "--no-progress", "s3://bucket/key", "s3://bucket/copy"]).succeeds();
        for key in ["key", "copy"] {
            let there = stored(&format!("{prefix}bucket"), key);
            assert_eq!(there.status, 200);
            assert!(there.body.len() > body.len() && !contains(&there.body, NEEDLE), "{key} of {bytes}");
            assert!(gateway.get(&format!("/bucket/{key}")).succeeds() == body);
        }
        let names = |response: &super::support::Response| {
            response.headers.iter().filter(|(name, _)| name.starts_with("x-amz-meta-sealgate")).count()
        };
        assert!(names(&stored(&format!("{prefix}bucket"), "key")) > 0);
        assert_eq!(names(&gateway.get("/bucket/key")), 0);
    }
}

#[test]
fn a_damaged_body_is_not_served() {
    let prefix = own_prefix();
    let gateway = replica(&prefix);
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    gateway.put("/bucket/key", &vec![7; 100_000]);
    let there = stored(&format!("{prefix}bucket"), "key");
    let mut damaged = there.body.clone();
    damaged[60_000] ^= 1;
    let (id, secret) = STORE.keys();
    let address = STORE.authority().parse().unwrap();
    let mut put = Request::new("PUT", &format!("/{prefix}bucket/key")).body(damaged);
    put.headers = there.headers.into_iter().filter(|(name, _)| name.starts_with("x-amz-meta-")).collect();
    Signer::new(id, secret).sign(put, address).send(address).succeeds();
    assert_eq!(gateway.get("/bucket/key").status, 500);
}
