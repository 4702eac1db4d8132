//! TLS: tokens over it, and client certificates in place of tokens.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::install::PYTHON_BIN;
use crate::service::{Service, Start, folder};

/// One that serves over TLS and knows the client of the tests by its URI.
fn start() -> Service {
    let folder = folder();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/coordinator/pki.py");
    let made = Command::new(PYTHON_BIN.join("python")).arg(script).arg(folder.path()).status().unwrap();
    assert!(made.success());
    let entry = json!({"name": "mtls", "identity": "uri:spiffe://example/gateway", "scopes": ["tenants:read"]});
    fs::write(folder.path().join("access.json"), json!({"certificates": [entry]}).to_string()).unwrap();
    let tls = ["--tls-cert", "server.crt", "--tls-key", "server.key", "--client-ca", "ca.crt"];
    Service::start_in(folder, Start::on_sqlite().with(&tls))
}

fn tenant(service: &Service, arguments: &[&str]) -> Output {
    let mut command = service.command(&["tenant"]);
    command.env("SEALGATE_COORDINATOR_URL", format!("https://{}", service.address()));
    command.args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_token_works_over_tls_with_the_authority_that_the_client_trusts() {
    let service = start();
    let made = tenant(&service, &["create", "t1", "--ca", "ca.crt", "--json"]);
    assert!(made.status.success(), "{}", said(&made));
    let refused = tenant(&service, &["list", "--ca", "stranger-ca.crt"]);
    assert!(!refused.status.success(), "{}", said(&refused));
}

#[test]
fn a_certificate_stands_for_a_token() {
    let service = start();
    let mut command = service.command(&["tenant", "list", "--json", "--ca", "ca.crt"]);
    command.args(["--cert", "client.crt", "--key", "client.key"]).env_remove("SEALGATE_COORDINATOR_TOKEN");
    command.env("SEALGATE_COORDINATOR_URL", format!("https://{}", service.address()));
    let listed = command.output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&listed.stdout).unwrap(), json!([]), "{}", said(&listed));
    let mut command = service.command(&["tenant", "create", "t1", "--ca", "ca.crt"]);
    command.args(["--cert", "client.crt", "--key", "client.key"]).env_remove("SEALGATE_COORDINATOR_TOKEN");
    command.env("SEALGATE_COORDINATOR_URL", format!("https://{}", service.address()));
    assert!(said(&command.output().unwrap()).contains("scope_missing"));
}

#[test]
fn a_certificate_of_another_authority_is_refused_whatever_it_says() {
    let service = start();
    let refused = tenant(&service, &["list", "--ca", "ca.crt", "--cert", "stranger.crt", "--key", "stranger.key"]);
    assert!(!refused.status.success(), "{}", said(&refused));
}

#[test]
fn plain_http_is_not_understood_where_tls_is_spoken() {
    let service = start();
    let answer = service.call("GET", "/health/live", "", &[], "");
    assert_eq!(answer.status, 0, "{}", answer.text());
}
