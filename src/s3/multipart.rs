//! Multipart uploads: create, complete, abort, list. Parts arrive in [`upload_part`](super::upload_part).
//!
//! ```text
//! create   → envelope into the backend's upload, and the upload record into the staging bucket
//! part     → sealed: 5 MiB and more into the backend's upload, smaller ones into the staging bucket
//! complete → completion record, in a part of its own or in the last part; then the backend completes
//! ```
//!
//! S3 lets only the last part be under 5 MiB, and which part is last is known at Complete. So a smaller one waits in the
//! staging bucket until then. Nothing there is needed to read a completed object, and any replica can take any step: what
//! it has to know of an upload is in the [`record`], of a part in the backend's list and in [`note`]s there. The upload id
//! that a client sees is the backend's and a digest of the record.
//! Lengths are plaintext bytes unless their name says stored.

mod abort;
mod checksums;
mod complete;
mod create;
mod finish;
mod list_parts;
mod list_uploads;
mod note;
mod parts;
mod record;
mod staging;
mod streams;
mod sweep;
mod uploads;

pub(crate) use abort::abort_multipart_upload;
pub(crate) use complete::complete_multipart_upload;
pub(crate) use create::create_multipart_upload;
pub(crate) use list_parts::list_parts;
pub(crate) use list_uploads::list_multipart_uploads;
pub(crate) use note::Note;
pub(crate) use parts::{check_open, number as part_number};
pub(crate) use record::SealedRecord;
pub(crate) use staging::{Staging, held};
pub use sweep::{Sweeper, sweep_hourly};
pub(crate) use uploads::{OpenUpload, Uploads, staging};

#[cfg(test)]
mod tests;
