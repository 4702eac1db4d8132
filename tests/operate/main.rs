//! The program as an operator sees it: TLS, the admin port, metrics, audit records, logs, and the way out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
#![allow(clippy::format_collect, reason = "short texts; clarity before speed")]
#![allow(clippy::print_stderr, reason = "a failed test shows what the gateway logged")]

#[path = "../support/http.rs"]
#[allow(dead_code, reason = "parts of it are for the other tests")]
mod http;
#[path = "../support/install.rs"]
#[allow(dead_code, reason = "the clients are for the other tests")]
mod install;
#[path = "../support/real_store.rs"]
#[allow(dead_code, reason = "parts of it are for the other tests")]
mod real_store;
#[path = "../kmip/server.rs"]
#[allow(dead_code, reason = "the tests of the client use the rest")]
mod server;
#[path = "../support/sign.rs"]
#[allow(dead_code, reason = "parts of it are for the other tests")]
mod sign;

mod cluster;
mod cluster_keys;
mod deploy;
mod doctor;
mod gateway;
mod life;
mod listeners;
mod page;
mod printed;
mod promtool;
mod proxied;
mod runbook;
mod secrets;
mod strangers;
mod telemetry;
#[path = "../helm/tools.rs"]
mod tools;
mod traces;
mod upstreams;
