//! A configuration that changes while requests are served.

use std::fs;

use serde_json::json;

use crate::served::{Served, get, local, put, seed, until};

const KEY_ID: &str = "x-amz-server-side-encryption-aws-kms-key-id";

#[test]
fn a_rotated_key_counts_after_the_secret_was_swapped_and_old_objects_stay_readable() {
    let mut gateway = Served::start(&json!({}), &local(&json!({"anna": seed(1)}), &["anna"]));
    gateway.call("anna", put("/bucket", b"")).succeeds();
    let before = gateway.call("anna", put("/bucket/old", b"old")).header(KEY_ID).to_owned();
    let rotated = json!({"anna": {"keys": [
        {"version": 2, "seed": seed(2), "primary": true}, {"version": 1, "seed": seed(1)},
    ]}});
    gateway.swap_secret(&local(&rotated, &["anna"]).to_string());
    let key_id = || gateway.call("anna", put("/bucket/new", b"new")).header(KEY_ID).to_owned();
    until("another key", || key_id() != before);
    for name in ["old", "new"] {
        assert_eq!(gateway.call("anna", get(&format!("/bucket/{name}"))).succeeds(), name.as_bytes());
    }
    assert!(!gateway.log().contains("the seed changed without a new version"));
}

#[test]
fn the_last_good_configuration_stays_while_the_file_is_bad_and_tenants_come_and_go() {
    let keys = json!({"anna": seed(1), "bert": seed(2)});
    let mut gateway = Served::start(&json!({}), &local(&keys, &["anna"]));
    gateway.call("anna", put("/bucket", b"")).succeeds();
    gateway.call("bert", put("/bucket", b"")).is_error(403, "InvalidAccessKeyId");
    gateway.swap_secret("{\"crypto\"");
    gateway.has_logged("the configuration stays as it was");
    gateway.call("anna", put("/bucket/object", b"body")).succeeds();
    gateway.swap_secret(&local(&keys, &["bert"]).to_string());
    until("bert", || gateway.call("bert", put("/bucket", b"")).status == 200);
    gateway.call("anna", get("/bucket/object")).is_error(403, "InvalidAccessKeyId");
}

#[test]
fn what_needs_a_restart_is_named_and_changes_nothing() {
    let secret = local(&json!({"anna": seed(1)}), &["anna"]);
    let mut gateway = Served::start(&json!({}), &secret);
    let mut changed = secret.clone();
    changed["listen"] = json!({"s3": "127.0.0.1:9"});
    gateway.swap_secret(&changed.to_string());
    gateway.has_logged("`listen` changed; it counts after a restart");
    gateway.call("anna", put("/bucket", b"")).succeeds();
}

#[test]
fn sighup_reads_the_files_and_asks_again() {
    let gateway = Served::start(&json!({}), &local(&json!({"anna": seed(1)}), &["anna"]));
    gateway.signal("HUP");
    gateway.has_logged("SIGHUP: reading the configuration");
    gateway.call("anna", put("/bucket", b"")).succeeds();
}

#[test]
fn without_the_customers_fragment_nothing_opens_or_seals_and_the_log_names_it() {
    let value = seed(9);
    let fragments = json!({"customer_fragments": [{"id": "cf-anna", "value": value, "description": "", "name": "n"}]});
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("customer_fragments.json");
    let none = json!({"customer_fragments": []});
    fs::write(&file, fragments.to_string()).unwrap();
    let keys = json!({"anna": {"fragment_id": "cf-anna", "keys": [{"version": 1, "seed": seed(1)}]}});
    let mut secret = local(&keys, &["anna"]);
    secret["crypto"]["customer_fragments_file"] = file.to_str().unwrap().into();
    let mut gateway = Served::start(&json!({}), &secret);
    gateway.call("anna", put("/bucket", b"")).succeeds();
    gateway.call("anna", put("/bucket/object", b"body")).succeeds();
    // another gateway over the same store, without the fragment
    fs::write(&file, none.to_string()).unwrap();
    gateway.restart();
    gateway.call("anna", get("/bucket/object")).is_error(500, "InternalError");
    gateway.call("anna", put("/bucket/other", b"body")).is_error(500, "InternalError");
    assert!(gateway.log().contains("customer fragment `cf-anna` is not on this gateway"));
    assert!(!gateway.log().contains(&value));
    // and with it again, while serving
    fs::write(&file, fragments.to_string()).unwrap();
    until("the fragment", || gateway.call("anna", get("/bucket/object")).status == 200);
    gateway.call("anna", get("/bucket/other")).is_error(404, "NoSuchKey");
}
