//! sealgate: an S3-compatible encrypting gateway.
//!
//! A request flows down this list, and may name only what stands below it or beside it as the layering test says:
//!
//! - [`app`]: wires everything; [`cli`]: the commands
//! - [`config`]: the two JSON files, checked and turned into the settings of each module
//! - [`admin`]: health, metrics and status, on a port of its own
//! - [`edge`]: listeners, limits, request ids
//! - [`auth`]: who asks
//! - [`s3`]: the verbs; plaintext S3 on one side, sealed S3 on the other
//! - `body`: sealing and opening of bodies in flight
//! - [`keys`]: access keys, tenants' encryption keys, and how they stay fresh
//! - [`coordinator`]: the service that gateways learn of their tenants from
//! - [`coordinator_api`]: what the Coordinator and its clients say to each other
//! - [`tenant`]: tenant ids, principals, and the mapping of bucket names
//! - [`kmip`]: the key management system that holds seeds of private tenants
//! - [`backend`]: the seam to storage; sealed bytes only
//! - `outbound`: connections to other servers, through a proxy where the environment names one
//! - [`telemetry`]: what the process tells of itself: metrics, logs, audit records
//! - [`seal`]: the sealed object format; bytes in, bytes out, no IO
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise"))]

pub mod admin;
pub mod app;
pub mod auth;
pub mod backend;
mod body;
pub mod cli;
pub mod config;
pub mod coordinator;
pub mod coordinator_api;
pub mod edge;
pub mod keys;
pub mod kmip;
mod outbound;
pub mod s3;
pub mod seal;
pub mod telemetry;
pub mod tenant;
