//! The running program over a real store: SeaweedFS with several volume servers, or the store that `SEALGATE_TEST_STORE`
//! names.
//!
//! What holds over the local store must hold here; besides, what lies in the store is looked at directly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
#![allow(clippy::print_stderr, reason = "a failed test shows what the gateway logged")]
#![allow(clippy::format_collect, reason = "short texts; clarity before speed")]
#![allow(dead_code, unused_imports, unused_macros, reason = "the support is shared with other test programs")]

#[path = "../support/customer_key.rs"]
mod customer_key;
#[path = "../support/real_store.rs"]
mod real_store;
#[path = "../support/mod.rs"]
mod support;

mod checksummed;
mod clients;
mod conditions;
mod counted;
mod credentials;
mod customer_keys;
mod doctor;
mod forwarded;
mod observed;
mod over;
mod reached;
mod replicas;
mod sealed;
mod trailers;
