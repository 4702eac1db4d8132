//! The KMIP client against a live server: PyKMIP 0.11.0, over mutual TLS.
//!
//! - [`server`]: starts PyKMIP with certificates of its own, and speaks to it as an operator
//! - [`lookups`]: what the KMS holds, and what the client makes of it
//! - [`handshakes`]: kinds of keys, versions of TLS, suites, and certificates that must not be taken
//! - [`connections`]: how many there are, and what happens when they end
//!
//! Faults that a well-behaved server does not show (silence, cut and dripped answers, garbage) are tested beside the
//! client, with scripted servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]

mod connections;
mod handshakes;
#[path = "../support/install.rs"]
#[allow(dead_code, reason = "the other clients are for the other tests")]
mod install;
mod lookups;
mod server;
