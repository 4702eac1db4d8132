//! The S3 side: what a client sees is plaintext S3; every verb turns it into sealed S3 on the backend and back.
//!
//! `gateway` decides each operation; one file serves each verb. `scope` is what a verb works with. The plaintext view is
//! made in `etag`, `checksum`, `metadata`; `errors` is the one map from causes to S3 codes.

mod acl;
mod attributes;
mod attributes_record;
mod body_digest;
mod bucket;
mod bucket_settings;
mod checksum;
mod copy;
mod customer_key;
mod delete;
mod dots;
mod entrance;
mod errors;
mod etag;
mod forward;
mod framing;
mod gateway;
mod get;
mod head;
mod held;
mod list;
mod lock;
mod metadata;
mod multipart;
mod parts;
mod pin;
mod post;
mod put;
mod read;
mod scope;
mod tagging;
#[cfg(test)]
mod testing;
mod upload_part;
mod versions;

pub use entrance::prepared;
pub use forward::Forward;
pub use framing::BodyEnd;
pub use gateway::Gateway;
pub use multipart::{Sweeper, sweep_hourly};
