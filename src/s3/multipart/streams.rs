//! Which attempt at a part a client completes (F-31).
//!
//! The client names the hash of the part's stream in the part's entity tag; the store's word for the part, its own entity
//! tag, could be told of another attempt as well. What this replica sealed, or a note tells, must agree with the client.

use s3s::{S3Result, s3_error};

use super::note::{Note, stream_headers_of};
use super::parts::Part;
use super::uploads::{OpenUpload, Uploads};
use crate::seal::{PartStream, StreamHash};

/// What is known of the stream of a part that is shown.
pub(super) async fn shown(
    uploads: &Uploads,
    upload: &OpenUpload,
    part: &Part,
    notes: &[(u32, Note)],
) -> Option<StreamHash> {
    let own = uploads.header(upload, part.number, &part.etag).await;
    own.or_else(|| stream_headers_of(notes, part.number, &part.etag).next()).map(|header| header.hash())
}

/// What is known of the stream of a part that a client completes as the one with this hash, if it was told.
///
/// # Errors
/// `InvalidPart` where only other attempts are known.
pub(super) async fn completed(
    uploads: &Uploads,
    upload: &OpenUpload,
    part: &Part,
    notes: &[(u32, Note)],
    named: Option<StreamHash>,
) -> S3Result<PartStream> {
    let own = uploads.header(upload, part.number, &part.etag).await;
    let mut known = own.into_iter().chain(stream_headers_of(notes, part.number, &part.etag)).peekable();
    let Some(named) = named else {
        return Ok(known.next().map_or(PartStream::Unknown, PartStream::Header));
    };
    if known.peek().is_none() {
        return Ok(PartStream::Hash(named));
    }
    known.find(|header| header.hash() == named).map(PartStream::Header).ok_or_else(|| s3_error!(InvalidPart))
}
