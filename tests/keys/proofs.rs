//! How a gateway and the Coordinator prove to each other who they are, and what the gateway tells of itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::install::PYTHON_BIN;
use crate::served::{Served, put, until};
use crate::server::Server;
use crate::service::{Service, Start, done, folder, token};
use crate::walk_through::{add_private, add_public, configmap, coordinator, secret};

const PRIVATE: &str = "67f1adf3-08e5-4eea-94e3-e611f263c87b";

/// A Coordinator that speaks TLS alone, with the gateway's certificate among those that may read keys.
fn over_tls() -> Service {
    let folder = folder();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/coordinator/pki.py");
    assert!(Command::new(PYTHON_BIN.join("python")).arg(script).arg(folder.path()).status().unwrap().success());
    let scopes = ["tenants:read", "tenants:keys", "status:write"];
    let entry = json!({"name": "mtls", "identity": "uri:spiffe://example/gateway", "scopes": scopes});
    fs::write(folder.path().join("access.json"), json!({"certificates": [entry]}).to_string()).unwrap();
    let tls = ["--tls-cert", "server.crt", "--tls-key", "server.key", "--client-ca", "ca.crt"];
    Service::start_in(folder, Start::on_sqlite().with(&tls))
}

fn said(service: &Service, arguments: &[&str]) -> Value {
    let mut command = service.command(arguments);
    command.args(["--ca", "ca.crt", "--json"]);
    let output = command.env("SEALGATE_COORDINATOR_URL", format!("https://{}", service.address())).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn with_certificate(service: &Service, ca: &str, client: Option<&str>) -> Value {
    let mut tls = json!({"ca": service.path(ca)});
    if let Some(client) = client {
        tls["cert"] = json!(service.path(&format!("{client}.crt")));
        tls["key"] = json!(service.path(&format!("{client}.key")));
    }
    let url = format!("https://{}", service.address());
    json!({"crypto": {"mode": "remote-multi-keys", "update_period": "1h"}, "coordinator": {"url": url, "tls": tls}})
}

#[test]
fn a_certificate_proves_the_gateway_to_the_coordinator() {
    let (service, kms) = (over_tls(), Server::start());
    said(&service, &["tenant", "create", "public", "--bucket-prefix", "public-"]);
    let key = said(&service, &["access-key", "create", "public"]);
    let gateway = Served::start(&with_certificate(&service, "ca.crt", Some("client")), &secret(&kms));
    let (id, secret) = (key["id"].as_str().unwrap(), key["secret"].as_str().unwrap());
    let signer = crate::support::Signer::new(id, secret);
    signer.sign(put("/bucket", b""), gateway.address()).send(gateway.address()).succeeds();
    signer.sign(put("/bucket/object", b"body"), gateway.address()).send(gateway.address()).succeeds();
    assert!(!gateway.log().contains("does not take this gateway's heartbeat"));
}

#[test]
fn without_the_right_certificates_on_both_sides_nothing_is_told() {
    let (service, kms) = (over_tls(), Server::start());
    for (ca, client, reason) in [
        ("ca.crt", None, "the coordinator refused: 401"),
        ("ca.crt", Some("stranger"), "error asking the coordinator"),
        ("stranger-ca.crt", Some("client"), "error asking the coordinator"),
    ] {
        let gateway = Served::start(&with_certificate(&service, ca, client), &secret(&kms));
        let log = gateway.log();
        let line = log.lines().find(|line| line.contains("periodical update: keys stay as they were")).unwrap();
        assert!(line.contains(reason), "{line}");
    }
}

#[test]
fn a_token_is_exchanged_while_serving_and_a_wrong_one_is_told_without_being_shown() {
    let (service, kms) = (coordinator(), Server::start());
    add_public(&service, "public", 1);
    fs::write(service.path("token"), "a-token-of-nobody").unwrap();
    let gateway = Served::start(&configmap(&service, "1s"), &secret(&kms));
    gateway.has_logged("the coordinator refused: 401");
    gateway.call("public", put("/bucket", b"")).is_error(403, "InvalidAccessKeyId");
    fs::write(service.path("token"), &service.gateway).unwrap();
    until("the tenant", || gateway.call("public", put("/bucket", b"")).status == 200);
    let log = gateway.log();
    assert!(!log.contains("a-token-of-nobody") && !log.contains(&service.gateway));
}

#[test]
fn a_token_that_may_not_see_keys_is_told_what_it_lacks() {
    let (service, kms) = (coordinator(), Server::start());
    add_public(&service, "public", 1);
    let poor = token(&service.path("."), "poor", &["tenants:read"]);
    service.signal("HUP");
    until("the new token", || service.call("GET", "/v1/tenants", &poor, &[], "").status == 200);
    fs::write(service.path("token"), &poor).unwrap();
    let gateway = Served::start(&configmap(&service, "1h"), &secret(&kms));
    let log = gateway.log();
    assert!(log.contains("does the token have the scope tenants:keys?"), "{log}");
    gateway.has_logged("the coordinator does not take this gateway's heartbeat");
}

/// What the Coordinator knows of gateways.
fn gateways(service: &Service) -> Value {
    done(service.get("/v1/gateways"))
}

#[test]
fn gateways_show_how_far_they_are_what_fails_and_that_they_differ() {
    let (service, kms) = (coordinator(), Server::start());
    add_public(&service, "public", 1);
    add_private(&service, PRIVATE);
    let mut config = configmap(&service, "1h");
    config["cluster"] = json!({"name": "east"});
    let _first = Served::start_as("pod-1", &config, &secret(&kms));
    let told = |pods: usize| {
        until("heartbeats", || gateways(&service)["items"].as_array().unwrap().len() == pods);
        gateways(&service)
    };
    let told_first = told(1);
    let item = &told_first["items"][0];
    assert_eq!((&item["cluster"], &item["pod"], &item["behind"]), (&json!("east"), &json!("pod-1"), &json!(0)));
    let failing = json!([{"tenant": PRIVATE, "reason": format!("key not found for private tenantID {PRIVATE}")}]);
    assert_eq!(item["status"]["failing"], failing);
    let _second = Served::start_as("pod-2", &config, &secret(&kms));
    assert_eq!(told(2)["drifting_clusters"], json!([]));
    config["limits"] = json!({"connections_max": 77});
    let _third = Served::start_as("pod-3", &config, &secret(&kms));
    assert_eq!(told(3)["drifting_clusters"], json!(["east"]));
}
