//! The keys that the gateways of a cluster share: required, changed while uploads are open, and seen where they differ.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::doctor::{examined, state, states};
use crate::gateway::{CLUSTER_KEY, Gateway, folder, program};
use crate::real_store::RealStore;

const OTHER: [u8; 32] = [7; 32];

fn other() -> String {
    STANDARD.encode(OTHER)
}

/// A folder as usual, but for the section `cluster` of its Secret.
fn folder_with(config: &Value, cluster: &Value) -> TempDir {
    let folder = folder(config);
    let file = folder.path().join("secret.json");
    let mut secret: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    secret["cluster"] = cluster.clone();
    fs::write(&file, secret.to_string()).unwrap();
    folder
}

/// A gateway over a local store whose keys stand in a file of one line each.
fn with_file(keys: &[&str]) -> Gateway {
    let folder = folder_with(&json!({}), &json!({"keys_file": "cluster.keys"}));
    write(&folder.path().join("cluster.keys"), keys);
    Gateway::start_in(folder, &[])
}

fn write(file: &Path, keys: &[&str]) {
    fs::write(file, keys.join("\n") + "\n").unwrap();
    fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
}

/// A folder of a gateway over an S3 store.
fn over(store: &RealStore, keys: &Value) -> TempDir {
    let (id, secret) = store.keys();
    let backend = json!({"type": "s3", "endpoint": store.endpoint(), "path_style": true, "access_key_id": id,
        "secret_access_key": secret, "path": null});
    folder_with(&json!({"backend": backend}), &json!({"keys": keys}))
}

fn ids(gateway: &Gateway) -> Vec<String> {
    let status: Value = serde_json::from_slice(&gateway.ask("/v1/status").succeeds()).unwrap();
    serde_json::from_value(status["cluster_keys"].clone()).unwrap()
}

/// Puts a list in force, and waits for it.
fn exchange(gateway: &Gateway, keys: &[&str], expected: &[String]) {
    write(&gateway.path("cluster.keys"), keys);
    gateway.signal("HUP");
    while ids(gateway) != expected {}
}

fn begin(gateway: &Gateway, key: &str) -> String {
    let answer = gateway.s3("POST", &format!("/bucket/{key}?uploads"), b"").succeeds();
    let text = String::from_utf8(answer).unwrap();
    text.split("<UploadId>").nth(1).unwrap().split("</UploadId>").next().unwrap().to_owned()
}

fn part(gateway: &Gateway, key: &str, id: &str, number: u32) -> String {
    let answer = gateway.s3("PUT", &format!("/bucket/{key}?partNumber={number}&uploadId={id}"), &vec![1; 6_000_000]);
    answer.header("etag").to_owned()
}

fn complete(gateway: &Gateway, key: &str, id: &str, tags: &[String]) {
    let parts: Vec<String> = tags
        .iter()
        .enumerate()
        .map(|(at, tag)| format!("<Part><PartNumber>{}</PartNumber><ETag>{tag}</ETag></Part>", at + 1))
        .collect();
    let body = format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.concat());
    gateway.s3("POST", &format!("/bucket/{key}?uploadId={id}"), body.as_bytes()).succeeds();
    let plain = gateway.s3("GET", &format!("/bucket/{key}"), b"").succeeds();
    assert_eq!(plain.len(), 6_000_000 * tags.len());
}

#[test]
fn an_s3_store_without_keys_is_refused_and_the_command_is_named() {
    let backend = json!({"type": "s3", "endpoint": "http://127.0.0.1:1", "path": null, "region": "us-east-1"});
    let folder = folder_with(&json!({"backend": backend}), &json!({}));
    for command in [&["serve"][..], &["config", "check"]] {
        let output = program(folder.path(), command).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains("cluster.keys"), "{command:?}: {told}");
        assert!(told.contains("sealgate keygen --cluster"), "{command:?}: {told}");
    }
    let (is_well, findings) = examined(folder.path(), &[]);
    assert!(!is_well && findings.to_string().contains("sealgate keygen --cluster"), "{findings}");
}

#[test]
fn an_upload_goes_on_while_the_key_of_the_cluster_changes() {
    let gateway = with_file(&[CLUSTER_KEY]);
    gateway.s3("PUT", "/bucket", b"").succeeds();
    let old = ids(&gateway).remove(0);
    let first = begin(&gateway, "first");
    let mut tags = vec![part(&gateway, "first", &first, 1)];
    write(&gateway.path("cluster.keys"), &[CLUSTER_KEY, &other()]);
    gateway.signal("HUP");
    while ids(&gateway).len() != 2 {}
    let new = ids(&gateway).remove(1);
    tags.push(part(&gateway, "first", &first, 2));
    exchange(&gateway, &[&other(), CLUSTER_KEY], &[new.clone(), old]);
    tags.push(part(&gateway, "first", &first, 3));
    let second = begin(&gateway, "second");
    complete(&gateway, "first", &first, &tags);
    exchange(&gateway, &[&other()], &[new]);
    let tags = vec![part(&gateway, "second", &second, 1)];
    complete(&gateway, "second", &second, &tags);
}

#[test]
fn an_upload_whose_key_is_gone_is_none_and_a_mistake_leaves_the_keys_as_they_are() {
    let mut gateway = with_file(&[CLUSTER_KEY]);
    gateway.s3("PUT", "/bucket", b"").succeeds();
    let upload = begin(&gateway, "key");
    let before = ids(&gateway);
    write(&gateway.path("cluster.keys"), &["not-a-key"]);
    gateway.signal("HUP");
    while !gateway.log().contains("cluster.keys_file[0]") {}
    assert_eq!(ids(&gateway), before);
    part(&gateway, "key", &upload, 1);
    assert!(!gateway.log().contains("not-a-key"));
    gateway.signal("TERM");
    gateway.ended();
    write(&gateway.path("cluster.keys"), &[&other()]);
    gateway.restart();
    let answer = gateway.s3("PUT", &format!("/bucket/key?partNumber=2&uploadId={upload}"), b"body");
    answer.is_error(404, "NoSuchUpload");
}

#[test]
fn status_health_and_metrics_tell_of_the_keys_and_never_the_keys() {
    let gateway = with_file(&[CLUSTER_KEY, &other()]);
    let (health, metrics) = (gateway.ask("/health").text(), gateway.ask("/metrics").text());
    assert!(health.contains(&format!("{} seals records", ids(&gateway)[0])), "{health}");
    let line = metrics.lines().find(|line| line.starts_with("sealgate_cluster_keys_info{digest=\"")).unwrap();
    assert!(line.ends_with("\"} 1") || line.ends_with("\"} 1.0"), "{line}");
    let status = gateway.ask("/v1/status").text();
    let alone = Gateway::start_in(folder_with(&json!({}), &json!({})), &[]);
    assert_eq!(ids(&alone).len(), 1, "a local store keeps a key of its own");
    let metrics_alone = alone.ask("/metrics").text();
    assert!(!metrics_alone.contains("cluster_keys_info{"), "which tells nothing of others:\n{metrics_alone}");
    for told in [health, metrics, status, gateway.log()] {
        assert!(!told.contains(CLUSTER_KEY) && !told.contains(&other()), "{told}");
    }
}

#[test]
fn doctor_tells_who_can_read_the_keys() {
    let gateway = with_file(&[CLUSTER_KEY]);
    let (_, findings) = examined(gateway.folder(), &[]);
    assert_eq!((state(&findings, "cluster keys"), state(&findings, "cluster keys file")), ("ok".into(), "ok".into()));
    fs::set_permissions(gateway.path("cluster.keys"), Permissions::from_mode(0o644)).unwrap();
    let (is_well, findings) = examined(gateway.folder(), &[]);
    assert_eq!((is_well, state(&findings, "cluster keys file")), (false, "fail".into()), "{findings}");
    assert!(!findings.to_string().contains(CLUSTER_KEY));
}

#[test]
fn doctor_finds_records_that_another_cluster_sealed() {
    let store = RealStore::start();
    let gateway = Gateway::start_in(over(&store, &json!([CLUSTER_KEY])), &[]);
    gateway.s3("PUT", "/bucket", b"").succeeds();
    begin(&gateway, "key");
    for (keys, expected, arguments) in [
        (json!([CLUSTER_KEY]), ["ok", "ok"], &[][..]),
        (json!([other(), CLUSTER_KEY]), ["ok", "ok"], &["--read-only"]),
        (json!([other()]), ["ok", "fail"], &["--read-only"]),
        (json!([other()]), ["ok", "fail"], &[]),
    ] {
        let (_, findings) = examined(over(&store, &keys).path(), arguments);
        assert_eq!(states(&findings, "cluster keys"), expected, "{keys}: {findings}");
    }
    // one upload of each
    let both = Gateway::start_in(over(&store, &json!([other(), CLUSTER_KEY])), &[]);
    begin(&both, "key");
    let (_, findings) = examined(over(&store, &json!([other()])).path(), &["--read-only"]);
    assert_eq!(states(&findings, "cluster keys"), ["ok", "warn"], "{findings}");
}
