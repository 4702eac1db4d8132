//! Tenants and keys while serving: the running program, `sealgate coordinator`, PyKMIP, and files as Kubernetes mounts
//! them.
//!
//! - [`served`]: the program over a `ConfigMap` and a Secret that can be swapped
//! - [`walk_through`]: the operator's guide, step by step
//! - [`isolation`]: what one tenant can do to another
//! - [`reloading`]: a configuration that changes while requests are served
//! - [`outages`]: a restart while the Coordinator and the KMS are out
//! - [`states`]: keys that are not active
//! - [`proofs`]: how gateway and Coordinator prove who they are, and what the one tells the other
//! - [`under_load`]: clients that see no error while everything around changes
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
#![allow(clippy::print_stderr, reason = "a failed test shows what the gateway logged")]
#![allow(clippy::format_collect, reason = "short texts; clarity before speed")]

mod isolation;
mod outages;
#[path = "../coordinator/postgres.rs"]
#[allow(dead_code, reason = "the tests of the Coordinator use it")]
mod postgres;
mod proofs;
mod reloading;
mod served;
#[path = "../kmip/server.rs"]
#[allow(dead_code, reason = "the tests of the client use the rest")]
mod server;
#[path = "../coordinator/service.rs"]
#[allow(dead_code, reason = "the tests of the Coordinator use the rest")]
mod service;
mod states;
#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "the tests through clients use the rest")]
mod support;
mod under_load;
mod walk_through;

use support::{http, install};
