//! What the tests through real clients stand on: the running gateway, the clients, and a bare HTTP client of our own.
//!
//! - [`gateway`]: starts the built program in an empty folder on a free port, and ends it
//! - [`install`]: puts the pinned clients under `target/clients/`, once for all tests
//! - [`clients`]: runs aws-cli, boto3, rclone, s3cmd, the JavaScript SDK against a gateway
//! - [`http`], [`sign`]: single requests, signed by us, for what no well-behaved client sends
//! - [`calls`]: shorthands for these
//! - [`store`]: the files that the gateway has stored: which came, what they contain, how to damage them
//! - [`content`]: bytes that need no file to be compared with
//!
//! Nothing here sleeps: a started program is waited for by reading what it prints.

pub(crate) mod calls;
pub(crate) mod clients;
pub(crate) mod content;
pub(crate) mod gateway;
pub(crate) mod http;
pub(crate) mod install;
pub(crate) mod sign;
pub(crate) mod store;

pub(crate) use clients::Ran;
pub(crate) use content::Content;
pub(crate) use gateway::Gateway;
pub(crate) use http::{Request, Response};
pub(crate) use sign::{Payload, Signer};
