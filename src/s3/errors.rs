//! The one place where causes become S3 error codes (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
//!
//! A client learns the code and a sentence, never a key, a path or what the backend said; the log gets the chain of
//! causes of everything that is not the client's doing.

use http::{HeaderMap, HeaderName, HeaderValue};
use s3s::stream::aws_chunked_stream::AwsChunkedStreamError;
use s3s::stream::upload_stream::UploadStreamError;
use s3s::{BodySizeLimitExceeded, S3Error, S3ErrorCode, s3_error};

use crate::backend::{BackendError, BodyError};
use crate::body::open::failed_in;
use crate::keys::ring::usage::Unusable;
use crate::seal::geometry::LengthError;
use crate::seal::{self, OpenError};
use crate::telemetry::tally::{self, Failed};

/// What a failed backend call means to the client.
pub(crate) fn backend(error: BackendError) -> S3Error {
    match error {
        BackendError::NoSuchBucket => s3_error!(NoSuchBucket),
        BackendError::BucketAlreadyExists => s3_error!(BucketAlreadyOwnedByYou),
        BackendError::BucketNotEmpty => s3_error!(BucketNotEmpty),
        BackendError::BucketState => {
            s3_error!(InvalidBucketState, "The request is not valid for the current state of the bucket.")
        }
        BackendError::NoSuchKey { delete_marker } => {
            let mut error = s3_error!(NoSuchKey);
            if let Some(version) = delete_marker {
                error.set_headers(delete_marker_headers(version.as_str()));
            }
            error
        }
        BackendError::NoSuchVersion => s3_error!(NoSuchVersion),
        BackendError::IsDeleteMarker { version_id, .. } => {
            let mut error = s3_error!(MethodNotAllowed);
            error.set_headers(delete_marker_headers(version_id.as_str()));
            error
        }
        BackendError::NoSuchUpload => s3_error!(NoSuchUpload),
        BackendError::InvalidPart { .. } => s3_error!(InvalidPart),
        BackendError::InvalidPartOrder => s3_error!(InvalidPartOrder),
        BackendError::EntityTooSmall => s3_error!(EntityTooSmall),
        BackendError::NoSuchTagSet => s3_error!(NoSuchTagSet),
        BackendError::PreconditionFailed => s3_error!(PreconditionFailed),
        BackendError::Conflict => s3_error!(ConditionalRequestConflict),
        BackendError::Denied => s3_error!(AccessDenied),
        BackendError::NotModified { etag, last_modified } => not_modified(&etag, last_modified),
        BackendError::RangeNotSatisfiable { .. } => s3_error!(InvalidRange),
        BackendError::Refused { code, status } => refused(&code, status),
        BackendError::InvalidArgument(what) => s3_error!(InvalidArgument, "{what}"),
        BackendError::NotImplemented(what) => {
            s3_error!(NotImplemented, "The storage behind this gateway cannot do this: {what}.")
        }
        BackendError::Body(error) => body(error),
        BackendError::Damaged(what) => {
            tracing::error!(%what, "stored data is damaged");
            s3_error!(InternalError, "The stored object is damaged.")
        }
        BackendError::Unavailable(source) => {
            tracing::error!(error = chain(source.as_ref()), "the backend failed");
            s3_error!(ServiceUnavailable, "The storage behind this gateway failed; please try again.")
        }
    }
}

/// The store's own verdict; what it said besides would tell of names behind the gateway.
fn refused(code: &str, status: http::StatusCode) -> S3Error {
    let code = S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(S3ErrorCode::InvalidRequest);
    let mut error = S3Error::with_message(code, "The storage behind this gateway refuses the request.");
    error.set_status_code(status);
    error
}

/// What a body that ended in an error means to the client: the verdict of whoever ended it, else an incomplete body.
pub(crate) fn body(error: BodyError) -> S3Error {
    let error = match error.downcast::<S3Error>() {
        Ok(verdict) => return *verdict,
        Err(error) => error,
    };
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error.as_ref());
    while let Some(this) = cause {
        if let Some(error) = this.downcast_ref::<AwsChunkedStreamError>()
            && !matches!(error, AwsChunkedStreamError::Underlying(_))
        {
            return S3Error::new(error.to_s3_error_code());
        }
        match this.downcast_ref::<UploadStreamError>() {
            Some(UploadStreamError::Sha256Mismatch) => return sha256_mismatch(),
            Some(UploadStreamError::LengthMismatch | UploadStreamError::Incomplete) => {
                return s3_error!(IncompleteBody);
            }
            Some(UploadStreamError::Underlying(_)) | None => {}
        }
        if this.is::<BodySizeLimitExceeded>() {
            return s3_error!(EntityTooLarge);
        }
        cause = this.source();
    }
    tracing::debug!(error = chain(error.as_ref()), "a request body ended early");
    s3_error!(IncompleteBody)
}

/// A stored object that does not authenticate, or is not sealed: the client learns that, the log which check failed, the
/// counter what kind of check, unless it proves nothing ([`Verdict`]).
pub(crate) fn unsealable(bucket: &str, key: &str, why: &impl Verdict) -> S3Error {
    if let Some(kind) = why.failed() {
        tally::failed(kind);
        tracing::error!(bucket, key, %why, "a stored object failed authentication");
    } else {
        tracing::error!(bucket, key, %why, "a stored object cannot be read by this version");
    }
    not_served()
}

/// What a client is told of an object that does not authenticate.
pub(crate) fn not_served() -> S3Error {
    s3_error!(InternalError, "The stored object failed authentication and is not served.")
}

/// Why an object is not served, and what that says of it.
pub(crate) trait Verdict: std::fmt::Display {
    /// What is counted as tampering; none if what is stored may be as its writer left it.
    fn failed(&self) -> Option<Failed>;
}

impl Verdict for OpenError {
    fn failed(&self) -> Option<Failed> {
        failed_in(self)
    }
}

impl Verdict for LengthError {
    fn failed(&self) -> Option<Failed> {
        Some(Failed::Structure)
    }
}

/// What is wrong with an object of which no single piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misfit {
    /// nothing tells for whom it is sealed (F-2)
    #[error("it has no envelope")]
    NoEnvelope,
    /// the envelope of an upload is that of an object in one piece
    #[error("the upload record is of another kind")]
    RecordOfAnotherKind,
    /// the stored parts do not make up the object
    #[error("its parts are not those of its record")]
    PartsOfAnotherRecord,
}

impl Verdict for Misfit {
    fn failed(&self) -> Option<Failed> {
        Some(match self {
            Self::NoEnvelope | Self::RecordOfAnotherKind => Failed::Envelope,
            Self::PartsOfAnotherRecord => Failed::Structure,
        })
    }
}

/// The tenant has no key, or none that this object was sealed for.
pub(crate) fn no_key(tenant: &str, what: &dyn std::fmt::Display) -> S3Error {
    tracing::error!(tenant, %what, "no key");
    s3_error!(InternalError, "The tenant's encryption key is not available.")
}

/// The tenant's keys are there but are not to be used so.
pub(crate) fn unusable(tenant: &str, why: &Unusable) -> S3Error {
    match why {
        Unusable::NoKeys | Unusable::OtherKey(_) => no_key(tenant, why),
        Unusable::State { .. } | Unusable::Unnamed(_) => key_state(tenant, why),
        Unusable::Stale { .. } => {
            tracing::error!(tenant, %why, "nothing is sealed");
            s3_error!(
                ServiceUnavailable,
                "The tenant's encryption key was not confirmed for too long; please try again."
            )
        }
    }
}

/// The state of the tenant's key does not allow it: the answer that S3 gives for a key of its KMS.
pub(crate) fn key_state(tenant: &str, why: &dyn std::fmt::Display) -> S3Error {
    tracing::error!(tenant, %why, "the state of the key does not allow it");
    let code = S3ErrorCode::from_bytes(b"KMS.KMSInvalidStateException").unwrap_or(S3ErrorCode::InvalidRequest);
    let text = "The request was rejected because the state of the tenant's encryption key is not valid for it.";
    let mut error = S3Error::with_message(code, text);
    error.set_status_code(http::StatusCode::BAD_REQUEST);
    error
}

/// Sealing failed before anything was stored.
pub(crate) fn seal(error: &seal::SealError) -> S3Error {
    tracing::error!(%error, "sealing failed");
    s3_error!(InternalError)
}

/// An error with all its causes, for the log.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(this) = cause {
        text.push_str(": ");
        text.push_str(&this.to_string());
        cause = this.source();
    }
    text
}

fn not_modified(etag: &crate::backend::StoredETag, last_modified: std::time::SystemTime) -> S3Error {
    let mut headers = HeaderMap::new();
    // some stores do not tell it here
    if !etag.as_str().is_empty()
        && let Ok(value) = super::etag::shown(etag).to_http_header()
    {
        headers.insert(http::header::ETAG, value);
    }
    let mut date = Vec::new();
    let stamp = s3s::dto::Timestamp::from(last_modified);
    if stamp.format(s3s::dto::TimestampFormat::HttpDate, &mut date).is_ok()
        && let Ok(value) = HeaderValue::from_bytes(&date)
    {
        headers.insert(http::header::LAST_MODIFIED, value);
    }
    let mut error = s3_error!(NotModified);
    error.set_headers(headers);
    error
}

/// The body is not the one whose SHA-256 was signed.
fn sha256_mismatch() -> S3Error {
    let mut error = S3Error::with_message(
        S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()),
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    );
    error.set_status_code(http::StatusCode::BAD_REQUEST);
    error
}

fn delete_marker_headers(version: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("x-amz-delete-marker"), HeaderValue::from_static("true"));
    if let Ok(value) = HeaderValue::from_str(version) {
        headers.insert(HeaderName::from_static("x-amz-version-id"), value);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_stores_own_is_shown_by_code_and_status_alone() {
        for (code, status) in [("AccessControlListNotSupported", 400), ("QuotaExceeded", 403), ("SlowDown", 429)] {
            let status = http::StatusCode::from_u16(status).unwrap();
            let error = backend(BackendError::Refused { code: code.to_owned(), status });
            assert_eq!((error.code().as_str(), error.status_code()), (code, Some(status)));
        }
    }
}
