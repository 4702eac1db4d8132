//! A restart while the Coordinator and the KMS are out: the key snapshot.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::served::{Served, get, put, seed, until};
use crate::server::{Server, seed_text};
use crate::service::Service;
use crate::walk_through::{add_private, add_public, configmap, coordinator, secret};
use base64::{Engine, engine::general_purpose::STANDARD};

const PRIVATE: &str = "67f1adf3-08e5-4eea-94e3-e611f263c87b";
const LATER: &str = "0b51f7a2-5c0f-4b0e-9a5e-1f6f0a3f7c11";

/// A gateway that keeps its keys, with objects of both tenants; then everything around it ends.
fn left_alone() -> (Service, Server, Served) {
    let mut coordinator = coordinator();
    let mut kms = Server::start();
    kms.register(PRIVATE, &seed_text(2));
    add_public(&coordinator, "public", 1);
    add_private(&coordinator, PRIVATE);
    let mut config = configmap(&coordinator, "1s");
    config["crypto"]["snapshot_file"] = "keys.snapshot".into();
    let mut secret = secret(&kms);
    secret["crypto"]["snapshot_key"] = seed(9).into();
    let gateway = Served::start(&config, &secret);
    for tenant in ["public", PRIVATE] {
        gateway.call(tenant, put("/bucket", b"")).succeeds();
        gateway.call(tenant, put("/bucket/object", b"body")).succeeds();
    }
    coordinator.kill();
    kms.end();
    (coordinator, kms, gateway)
}

#[test]
fn a_restart_while_coordinator_and_kms_are_out_serves_and_their_return_is_seen() {
    let (mut coordinator, mut kms, mut gateway) = left_alone();
    gateway.restart();
    assert!(gateway.log().contains("serving with the key snapshot until keys are told anew"));
    for tenant in ["public", PRIVATE] {
        assert_eq!(gateway.call(tenant, get("/bucket/object")).succeeds(), b"body");
        gateway.call(tenant, put("/bucket/after", b"sealed during the outage")).succeeds();
        assert_eq!(gateway.call(tenant, get("/bucket/after")).succeeds(), b"sealed during the outage");
    }
    // once more: nothing that the outage left undone was written over it
    gateway.restart();
    assert_eq!(gateway.call(PRIVATE, get("/bucket/after")).succeeds(), b"sealed during the outage");
    kms.restart();
    coordinator.resume();
    kms.register(LATER, &seed_text(3));
    add_private(&coordinator, LATER);
    until("a new tenant", || gateway.call(LATER, put("/later", b"")).status == 200);
    until("its key", || gateway.call(LATER, put("/later/object", b"body")).status == 200);
    assert_eq!(gateway.call("public", get("/bucket/after")).succeeds(), b"sealed during the outage");
}

#[test]
fn the_snapshot_is_for_its_owner_alone_and_shows_no_seed_and_no_secret() {
    let (_coordinator, _kms, gateway) = left_alone();
    let file = gateway.file("keys.snapshot");
    let bytes = fs::read(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let mut secrets: Vec<Vec<u8>> = vec!["the-secret-of-public".into()];
    for byte in [1, 2, 9] {
        let seed = [byte; 48];
        let digest = <sha2::Sha256 as sha2::Digest>::digest(seed);
        // the seed, the key that is derived from it, and both as text
        let texts = [STANDARD.encode(seed), STANDARD.encode(digest)].map(String::into_bytes);
        secrets.extend([seed[..16].to_vec(), digest.to_vec()].into_iter().chain(texts));
    }
    let log = gateway.log();
    let holds = |place: &[u8], text: &[u8]| place.windows(text.len()).any(|window| window == text);
    for secret in &secrets {
        assert!(!holds(&bytes, secret) && !holds(log.as_bytes(), secret), "{secret:?}");
    }
    for name in ["AKpublic", PRIVATE, "public"] {
        assert!(!holds(&bytes, name.as_bytes()), "{name}");
    }
}

#[test]
fn a_snapshot_with_a_flipped_byte_is_refused_and_the_gateway_waits_for_the_coordinator() {
    let (mut coordinator, mut kms, mut gateway) = left_alone();
    let file = gateway.file("keys.snapshot");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    gateway.restart();
    let reason = "it is damaged, or of another cluster or Coordinator";
    let log = gateway.log();
    let line = log.lines().find(|line| line.contains("the key snapshot is not used")).unwrap();
    assert!(line.contains("WARN") && line.contains(reason), "{line}");
    gateway.call("public", get("/bucket/object")).is_error(403, "InvalidAccessKeyId");
    kms.restart();
    coordinator.resume();
    until("the Coordinator", || gateway.call(PRIVATE, get("/bucket/object")).status == 200);
    assert_eq!(gateway.call("public", get("/bucket/object")).succeeds(), b"body");
}
