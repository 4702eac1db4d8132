//! The running program through real clients: aws-cli, boto3, rclone, s3cmd, the JavaScript SDK, pyarrow, `DuckDB`.
//!
//! One program holds all of these tests, as each would have to link all of the gateway's dependencies. A module is one
//! client or one promise; scripts beside a module (`boto.py` beside `boto.rs`) hold what is said in a client's language.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
#![allow(clippy::print_stderr, reason = "a failed test shows what the gateway logged")]
#![allow(clippy::format_collect, reason = "short texts; clarity before speed")]

#[path = "../support/customer_key.rs"]
mod customer_key;
#[path = "../support/mod.rs"]
mod support;

mod access;
mod aws_cli;
mod boto;
mod customer_keys;
mod damage;
mod framing;
mod http2;
mod javascript;
mod memory;
mod minio_py;
mod multipart;
mod parquet;
mod post_form;
mod rclone;
mod refusals;
mod s3cmd;
mod sealed;
mod uploads;
