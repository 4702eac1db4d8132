//! Keys that the KMS has not activated, or that it revoked, while serving.

use serde_json::json;

use crate::served::{Served, get, put, until};
use crate::server::{Server, seed_text};
use crate::walk_through::{add_private, configmap, coordinator, secret};

const PRIVATE: &str = "67f1adf3-08e5-4eea-94e3-e611f263c87b";
const STATE: &str = "KMS.KMSInvalidStateException";

#[test]
fn a_key_seals_from_its_activation_to_its_revocation_and_opens_ever_after() {
    let coordinator = coordinator();
    let mut kms = Server::start();
    let uid = kms.register_with(json!({"name": PRIVATE, "value": seed_text(2)}));
    add_private(&coordinator, PRIVATE);
    let gateway = Served::start(&configmap(&coordinator, "1s"), &secret(&kms));
    gateway.call(PRIVATE, put("/bucket", b"")).succeeds();
    let put_one = || gateway.call(PRIVATE, put("/bucket/one", b"body"));
    put_one().is_error(400, STATE);
    gateway.call(PRIVATE, get("/bucket/one")).is_error(404, "NoSuchKey");
    kms.order(&json!({"op": "activate", "uid": uid}));
    until("the key seals", || put_one().status == 200);
    kms.order(&json!({"op": "revoke", "uid": uid, "reason": "KEY_COMPROMISE"}));
    until("the key seals no more", || put_one().status == 400);
    put_one().is_error(400, STATE);
    assert_eq!(gateway.call(PRIVATE, get("/bucket/one")).succeeds(), b"body");
    let copied = put("/bucket/two", b"").header("x-amz-copy-source", "/bucket/one");
    gateway.call(PRIVATE, copied).is_error(400, STATE);
    assert_eq!(gateway.log().matches("the key is not active").count(), 1, "told once");
}
