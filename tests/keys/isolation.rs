//! What one tenant can do to another, with the help of whoever holds the disks.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::served::{Served, get, local, put, seed, signer};
use crate::support::Request;

fn two_tenants() -> Served {
    let keys = json!({"anna": seed(1), "bert": seed(2)});
    let gateway = Served::start(&json!({}), &local(&keys, &["anna", "bert"]));
    for tenant in ["anna", "bert"] {
        gateway.call(tenant, put("/bucket", b"")).succeeds();
        gateway.call(tenant, put("/bucket/object", format!("the body of {tenant}").as_bytes())).succeeds();
    }
    gateway
}

#[test]
fn tenants_with_buckets_of_one_name_see_their_own() {
    let gateway = two_tenants();
    for tenant in ["anna", "bert"] {
        let body = gateway.call(tenant, get("/bucket/object")).succeeds();
        assert_eq!(body, format!("the body of {tenant}").as_bytes());
    }
    gateway.call("anna", put("/only-annas", b"")).succeeds();
    assert!(!gateway.call("bert", get("/")).text().contains("only-annas"));
}

#[test]
fn a_tenant_reaches_no_bucket_of_another_by_any_verb() {
    let gateway = two_tenants();
    gateway.call("anna", put("/private", b"")).succeeds();
    gateway.call("anna", put("/private/object", b"of anna")).succeeds();
    // the names as a client says them, and as the storage does
    for bucket in ["private", "anna-private"] {
        let object = format!("/{bucket}/object");
        for request in [
            get(&object),
            put(&object, b"forged"),
            get(&format!("/{bucket}?list-type=2")),
            Request::new("DELETE", &format!("/{bucket}")),
            Request::new("POST", &format!("{object}?uploads")),
            put("/bucket/copy", b"").header("x-amz-copy-source", object.as_str()),
        ] {
            let line = format!("{} {}", request.method, request.target);
            let answer = gateway.call("bert", request);
            assert!(matches!(answer.status, 403 | 404), "{line}: {} {}", answer.status, answer.text());
        }
    }
    assert_eq!(gateway.call("anna", get("/private/object")).succeeds(), b"of anna");
}

#[test]
fn a_presigned_address_works_as_its_signer_and_nobody_else() {
    let gateway = two_tenants();
    let presigned = |who: &str| {
        let request = signer(who).presign(get("/bucket/object"), gateway.address(), Duration::from_mins(5));
        request.send(gateway.address())
    };
    assert_eq!(presigned("anna").succeeds(), b"the body of anna");
    assert_eq!(presigned("bert").succeeds(), b"the body of bert");
    let mut stolen = signer("anna").presign(get("/bucket/object"), gateway.address(), Duration::from_mins(5));
    stolen.target = stolen.target.replace("AKanna", "AKbert");
    stolen.send(gateway.address()).is_error(403, "SignatureDoesNotMatch");
}

#[test]
fn stored_bodies_of_two_tenants_that_were_swapped_do_not_open() {
    let gateway = two_tenants();
    let files = ["anna", "bert"].map(|tenant| {
        let body = vec![tenant.as_bytes()[0]; 300_000];
        gateway.file_stored_by(|| drop(gateway.call(tenant, put("/bucket/large", &body)).succeeds()))
    });
    let bodies = files.each_ref().map(|file| fs::read(file).unwrap());
    fs::write(&files[0], &bodies[1]).unwrap();
    fs::write(&files[1], &bodies[0]).unwrap();
    for tenant in ["anna", "bert"] {
        gateway.call(tenant, get("/bucket/large")).is_error(500, "InternalError");
    }
}
