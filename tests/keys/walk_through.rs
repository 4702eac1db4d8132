//! The operator's guide, step by step: `ConfigMap` and Secret, a KMS with a Secret Data per private tenant, a Coordinator
//! with one public and one private tenant, upload and download as both, the KMS stopped, a new private tenant.

use std::fs;

use serde_json::{Value, json};

use crate::served::{Served, access_key, get, put, seed, until};
use crate::server::{Server, seed_text};
use crate::service::{Service, Start, done};

const PRIVATE: &str = "67f1adf3-08e5-4eea-94e3-e611f263c87b";
const LATER: &str = "0b51f7a2-5c0f-4b0e-9a5e-1f6f0a3f7c11";

/// A Coordinator without tenants.
pub(crate) fn coordinator() -> Service {
    let service = Service::start(Start::on_sqlite());
    fs::write(service.path("token"), &service.gateway).unwrap();
    service
}

/// Makes a public tenant with a seed of this byte.
pub(crate) fn add_public(coordinator: &Service, id: &str, byte: u8) {
    let spec = json!({"key_seed": seed(byte), "bucket_prefix": format!("{id}-"), "access_keys": [access_key(id)]});
    done(coordinator.create(id, &spec));
}

/// Makes a private tenant, whose seed the Coordinator does not know.
pub(crate) fn add_private(coordinator: &Service, id: &str) {
    let prefix = format!("{}-", &id[..8]);
    done(
        coordinator
            .create(id, &json!({"zero_knowledge": true, "bucket_prefix": prefix, "access_keys": [access_key(id)]})),
    );
}

pub(crate) fn configmap(coordinator: &Service, period: &str) -> Value {
    json!({
        "crypto": {"mode": "remote-multi-keys", "update_period": period},
        "coordinator": {"url": format!("http://{}", coordinator.address()), "token_file": coordinator.path("token")},
        "redis": {"left": "alone"},
    })
}

pub(crate) fn secret(kms: &Server) -> Value {
    json!({"crypto": {"kms_config": {
        "kmip": {"address": kms.address(), "major_version": 1, "minor_version": 4},
        "tls": {
            "key": kms.pem("client.key"), "cert": kms.pem("client.crt"), "ca": kms.pem("ca.crt"),
            "cipher_suites": [4865, 4866, 4867], "insecure_skip_verify": false,
        },
    }}})
}

#[test]
fn the_guide_works_step_by_step() {
    let coordinator = coordinator();
    let mut kms = Server::start();
    kms.register(PRIVATE, &seed_text(2));
    add_public(&coordinator, "public", 1);
    add_private(&coordinator, PRIVATE);
    let gateway = Served::start(&configmap(&coordinator, "1s"), &secret(&kms));
    gateway.has_logged("Starting Keys Client update routine");

    // upload and download as both
    let plain: Vec<u8> = (0..200_000u32).map(|number| number.to_le_bytes()[0]).collect();
    fs::write(gateway.file("plain"), &plain).unwrap();
    for tenant in ["public", PRIVATE] {
        gateway.aws(tenant, &["s3", "mb", "s3://photos"]).succeeds();
        gateway.aws(tenant, &["s3", "cp", "plain", "s3://photos/cat"]).succeeds();
        gateway.aws(tenant, &["s3", "cp", "s3://photos/cat", "back"]).succeeds();
        assert!(fs::read(gateway.file("back")).unwrap() == plain);
    }

    // the KMS stops: everything goes on, and the log says so
    kms.end();
    gateway.has_logged(&format!("periodical update: failed to get key for tenant {PRIVATE}"));
    assert!(gateway.log().contains("error writing kms request"));
    for tenant in ["public", PRIVATE] {
        gateway.aws(tenant, &["s3", "cp", "plain", "s3://photos/dog"]).succeeds();
        gateway.aws(tenant, &["s3", "cp", "s3://photos/cat", "back"]).succeeds();
        assert!(fs::read(gateway.file("back")).unwrap() == plain);
    }

    // a new private tenant has to wait for the KMS, and nothing of it is stored
    add_private(&coordinator, LATER);
    until("the new tenant's access key", || gateway.call(LATER, put("/later", b"")).status == 200);
    let refused = gateway.call(LATER, put("/later/object", b"body"));
    refused.is_error(500, "InternalError");
    gateway.call(LATER, get("/later/object")).is_error(404, "NoSuchKey");
    let put_object = ["s3api", "put-object", "--bucket", "later", "--key", "object", "--body", "plain"];
    let refused = gateway.aws(LATER, &put_object).fails();
    assert!(refused.contains("InternalError"), "{refused}");

    // the KMS is back: it works, without a restart
    kms.restart();
    kms.register(LATER, &seed_text(3));
    until("the new tenant's key", || gateway.call(LATER, put("/later/object", b"body")).status == 200);
    assert_eq!(gateway.call(LATER, get("/later/object")).succeeds(), b"body");
    gateway.aws(LATER, &["s3", "cp", "plain", "s3://later/cat"]).succeeds();
    gateway.aws(LATER, &["s3", "cp", "s3://later/cat", "back"]).succeeds();
    assert!(fs::read(gateway.file("back")).unwrap() == plain);
}

#[test]
fn a_private_tenant_that_the_kms_does_not_know_is_refused_in_the_documented_words() {
    let coordinator = coordinator();
    let kms = Server::start();
    add_private(&coordinator, PRIVATE);
    let gateway = Served::start(&configmap(&coordinator, "1h"), &secret(&kms));
    gateway.call(PRIVATE, put("/bucket", b"")).succeeds();
    gateway.call(PRIVATE, put("/bucket/object", b"body")).is_error(500, "InternalError");
    assert!(gateway.log().contains(&format!("key not found for private tenantID {PRIVATE}")));
}
