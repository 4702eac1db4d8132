//! The Coordinator as it is run: the service over both databases, its administrator's commands, its end and its crash.
//!
//! - [`postgres`]: a PostgreSQL server of the tests' own; [`service`]: the running program
//! - [`contract`]: what both databases must do alike
//! - [`damage`]: records that were changed in the database, and databases of the first version
//! - [`commands`], [`crashes`], [`polls`], [`secrets`], [`tls`]: promises of the service
//!
//! PostgreSQL comes from the system (`apt-get install postgresql`); without it these tests fail and say so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
#![allow(clippy::print_stderr, reason = "a failed test shows what the program logged")]

mod commands;
mod contract;
mod crashes;
mod damage;
#[path = "../support/http.rs"]
#[allow(dead_code, reason = "other tests use other parts of it")]
mod http;
#[path = "../support/install.rs"]
#[allow(dead_code, reason = "the other clients are for the other tests")]
mod install;
mod polls;
mod postgres;
mod secrets;
mod service;
mod tls;
