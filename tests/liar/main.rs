//! The running program over a store that lies: whatever it says, an answer of the gateway is the truth or a refusal, it comes
//! in time, and the counter of tampering tells tampering from nonsense.
//!
//! - [`wire`], [`world`], [`store`]: a store in memory, honest but for what a test makes of its answers
//! - [`lies`]: what it may say of objects
//! - [`lists`]: lies about lists, for whoever needs them
//! - [`fixture`]: objects that it can replay, and what clients ask of them
//! - [`table`]: each lie for each request, to a gateway that never met the object, to one that knows it, and to one that
//!   knows what was there before
//! - [`uploads`]: lies about open uploads
//! - [`customers`]: what tells of a customer's key, taken away
//! - [`histories`]: one name, written over and over while the store lies at random
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
#![allow(clippy::print_stderr, reason = "a failed test shows what the gateway logged")]
#![allow(clippy::format_collect, clippy::format_push_string, reason = "short texts; clarity before speed")]
#![allow(clippy::wildcard_enum_match_arm, clippy::needless_pass_by_value, reason = "a test names what it is about")]
#![allow(dead_code, unused_imports, unused_macros, reason = "the support is shared with other test programs")]

#[path = "../support/mod.rs"]
mod support;

mod customers;
mod fixture;
mod histories;
mod lies;
mod lists;
mod store;
mod table;
mod uploads;
mod wire;
mod world;
