//! What the store answers: bodies as streams that are as long as they were said to be, texts, and errors as causes.

use std::time::Duration;

use futures::stream;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt as _;

use super::connections::AnswerBody;
use super::headers;
use super::xml::{Document, Element, XmlError};
use crate::backend::{BackendError, BodyError, ByteStream, Result, StoredETag, VersionId};

/// What an error is about, as a bare status says little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    /// an object, rather than a bucket
    pub(super) object: bool,
    /// a version of it
    pub(super) version: bool,
    /// an open upload
    pub(super) upload: bool,
}

/// The body of a read: `bytes` of them, or it ends in an error.
pub(super) fn stream(body: AnswerBody, bytes: u64, idle: Duration) -> ByteStream {
    let pieces = stream::try_unfold((body, bytes), move |(mut body, left)| async move {
        loop {
            let frame = match tokio::time::timeout(idle, body.frame()).await {
                Err(_) => return Err(BodyError::from(AnswerError::Stalled)),
                Ok(None) if left == 0 => return Ok(None),
                Ok(None) => return Err(AnswerError::Short.into()),
                Ok(Some(frame)) => frame?,
            };
            let Ok(piece) = frame.into_data() else { continue };
            if piece.is_empty() {
                continue;
            }
            let left = left.checked_sub(piece.len() as u64).ok_or(AnswerError::Long)?;
            return Ok(Some((piece, (body, left))));
        }
    });
    Box::pin(pieces)
}

/// How long to wait for an answer that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// for its next piece
    pub(super) idle: Duration,
    /// for all of it, from its head on: a store that drips must come to an end too
    pub(super) whole: Duration,
}

/// The text of an answer, held.
async fn text(response: Response<AnswerBody>, waiting: Waiting, bytes_max: usize) -> Result<String> {
    String::from_utf8(held(response, waiting, bytes_max).await?).map_err(unavailable)
}

/// The body of an answer, held.
pub(super) async fn held(response: Response<AnswerBody>, waiting: Waiting, bytes_max: usize) -> Result<Vec<u8>> {
    let reading = pieces(response.into_body(), waiting.idle, bytes_max);
    match tokio::time::timeout(waiting.whole, reading).await {
        Ok(held) => held,
        Err(_) => Err(unavailable(AnswerError::Stalled)),
    }
}

async fn pieces(mut body: AnswerBody, idle: Duration, bytes_max: usize) -> Result<Vec<u8>> {
    // copied: an answer in crumbs holds no more memory than its bytes take
    let mut held = Vec::new();
    loop {
        let frame = match tokio::time::timeout(idle, body.frame()).await {
            Err(_) => return Err(unavailable(AnswerError::Stalled)),
            Ok(None) => break,
            Ok(Some(frame)) => frame.map_err(unavailable)?,
        };
        if let Ok(piece) = frame.into_data() {
            held.extend_from_slice(&piece);
        }
        if held.len() > bytes_max {
            return Err(unavailable(AnswerError::Long));
        }
    }
    Ok(held)
}

/// The XML of an answer. One of status 200 may still hold an error, where the store began to answer before it knew.
pub(super) async fn xml(response: Response<AnswerBody>, waiting: Waiting, about: About) -> Result<Document> {
    let (status, headers) = (response.status(), response.headers().clone());
    let text = text(response, waiting, XML_BYTES_MAX).await?;
    let document = Document::parse(text).map_err(broken)?;
    let root = document.root();
    if root.name() == "Error" { Err(cause(status, &headers, Some(root), about)) } else { Ok(document) }
}

/// Why the store refused or failed.
pub(super) async fn error(response: Response<AnswerBody>, waiting: Waiting, about: About) -> BackendError {
    let (status, headers) = (response.status(), response.headers().clone());
    let text = text(response, waiting, ERROR_BYTES_MAX).await.unwrap_or_default();
    let document = Document::parse(text).ok();
    let root = document.as_ref().map(Document::root).filter(|root| root.name() == "Error");
    cause(status, &headers, root, about)
}

/// What S3's error code, or else the status, means.
pub(super) fn cause(status: StatusCode, headers: &HeaderMap, root: Option<Element<'_>>, about: About) -> BackendError {
    let code = root.and_then(|root| root.filled("Code")).unwrap_or_else(|| code_of(status, about));
    let marker = || is_marker(headers).then(|| version(headers)).flatten();
    match code {
        "NoSuchBucket" => BackendError::NoSuchBucket,
        "NoSuchKey" if about.version => BackendError::NoSuchVersion,
        "NoSuchKey" | "NotFound" => BackendError::NoSuchKey { delete_marker: marker() },
        "NoSuchVersion" => BackendError::NoSuchVersion,
        "NoSuchUpload" => BackendError::NoSuchUpload,
        "NoSuchTagSet" | "NoSuchTagSetError" => BackendError::NoSuchTagSet,
        "BucketAlreadyExists" | "BucketAlreadyOwnedByYou" => BackendError::BucketAlreadyExists,
        "BucketNotEmpty" => BackendError::BucketNotEmpty,
        "InvalidBucketState" => BackendError::BucketState,
        "InvalidPart" => {
            let number = root.and_then(|root| root.number("PartNumber").ok()).and_then(|number| number.try_into().ok());
            BackendError::InvalidPart { number: number.unwrap_or(0) }
        }
        "InvalidPartOrder" => BackendError::InvalidPartOrder,
        "EntityTooSmall" => BackendError::EntityTooSmall,
        "PreconditionFailed" => BackendError::PreconditionFailed,
        "ConditionalRequestConflict" | "OperationAborted" => BackendError::Conflict,
        "NotModified" => BackendError::NotModified {
            etag: StoredETag::new(headers::unquoted(headers::text(headers, ETAG.as_str()).unwrap_or_default())),
            last_modified: headers::last_modified(headers).unwrap_or(std::time::UNIX_EPOCH),
        },
        "InvalidRange" => BackendError::RangeNotSatisfiable { stored_bytes: whole_bytes(headers, root) },
        "MethodNotAllowed" if is_marker(headers) && about.version => BackendError::IsDeleteMarker {
            version_id: version(headers).unwrap_or_else(|| VersionId::new("null")),
            last_modified: headers::last_modified(headers).unwrap_or(std::time::UNIX_EPOCH),
        },
        "NotImplemented" => BackendError::NotImplemented("the operation or a header of it"),
        "AccessDenied" | "AllAccessDisabled" => BackendError::Denied,
        _ if status.is_client_error() && is_code(code) && !OURS.contains(&code) => {
            BackendError::Refused { code: code.to_owned(), status }
        }
        _ => unavailable(AnswerError::Failed {
            status,
            code: code.to_owned(),
            store_request_id: request_id(headers).unwrap_or("(no id)").to_owned(),
        }),
    }
}

/// Whether a client may be shown it.
fn is_code(text: &str) -> bool {
    (1..=CODE_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The cause of an error inside an answer, which has no status of its own.
pub(super) fn embedded(root: Element<'_>, about: About) -> BackendError {
    cause(StatusCode::BAD_REQUEST, &HeaderMap::new(), Some(root), about)
}

fn code_of(status: StatusCode, about: About) -> &'static str {
    match status {
        StatusCode::NOT_MODIFIED => "NotModified",
        StatusCode::FORBIDDEN => "AccessDenied",
        StatusCode::NOT_FOUND if about.upload => "NoSuchUpload",
        StatusCode::NOT_FOUND if about.object => "NoSuchKey",
        StatusCode::NOT_FOUND => "NoSuchBucket",
        StatusCode::METHOD_NOT_ALLOWED => "MethodNotAllowed",
        StatusCode::CONFLICT => "OperationAborted",
        StatusCode::PRECONDITION_FAILED => "PreconditionFailed",
        StatusCode::RANGE_NOT_SATISFIABLE => "InvalidRange",
        StatusCode::NOT_IMPLEMENTED => "NotImplemented",
        _ => "an error without a code",
    }
}

/// The whole length, from `Content-Range: bytes */N` or the error.
fn whole_bytes(headers: &HeaderMap, root: Option<Element<'_>>) -> u64 {
    let in_header = || headers::text(headers, CONTENT_RANGE.as_str())?.rsplit_once('/')?.1.parse().ok();
    let in_error = || root?.number("ActualObjectSize").ok();
    in_header().or_else(in_error).unwrap_or(0)
}

/// What the store calls the request, if that is fit for a log line.
pub(super) fn request_id(headers: &HeaderMap) -> Option<&str> {
    headers::text(headers, "x-amz-request-id").filter(|id| id.len() <= ID_BYTES_MAX)
}

/// Whether the answer speaks of a delete marker.
pub(super) fn is_marker(headers: &HeaderMap) -> bool {
    headers::text(headers, "x-amz-delete-marker") == Some("true")
}

/// The version that the answer speaks of.
pub(super) fn version(headers: &HeaderMap) -> Option<VersionId> {
    headers::text(headers, "x-amz-version-id").filter(|id| !id.is_empty()).map(VersionId::new)
}

/// `Content-Length`, which every read must have: without it a cut answer would look whole.
pub(super) fn content_length(headers: &HeaderMap) -> Result<u64> {
    let length = headers::text(headers, CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
    length.ok_or_else(|| unavailable(AnswerError::NoLength))
}

pub(super) fn unavailable(error: impl Into<BodyError>) -> BackendError {
    BackendError::Unavailable(error.into())
}

pub(super) fn broken(error: XmlError) -> BackendError {
    unavailable(error)
}

/// What the store did wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    /// an error that is not the client's doing
    #[error("the store answered {status} {code} to its request {store_request_id}")]
    Failed { status: StatusCode, code: String, store_request_id: String },
    /// nothing came for too long
    #[error("the store stopped in the middle of its answer")]
    Stalled,
    /// fewer bytes than announced
    #[error("the answer ended early")]
    Short,
    /// more bytes than announced
    #[error("the answer is longer than it should be")]
    Long,
    /// success before the body was taken
    #[error("the store answered before it had the whole body")]
    Early,
    /// a page that does not go on from the one before
    #[error("the store gave the same page again")]
    Again,
    /// more entries than there may be
    #[error("the store gave more entries than it was asked for")]
    TooMany,
    /// an entry of another list
    #[error("the store gave an entry that was not asked for")]
    Outside,
    /// a read without `Content-Length`
    #[error("an answer that does not say how long it is")]
    NoLength,
    /// other bytes than those asked for
    #[error("an answer with another range than was asked for")]
    OtherRange,
    /// a header that cannot be missing
    #[error("an answer without {0}")]
    Lacks(&'static str),
}

/// Codes of 4xx answers that say something of the gateway's own access to the store, and nothing of the request.
const OURS: &[&str] = &[
    "SignatureDoesNotMatch",
    "InvalidAccessKeyId",
    "ExpiredToken",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "AuthorizationHeaderMalformed",
    "RequestTimeout",
    "NotSignedUp",
    "AccountProblem",
    "UserSuspended",
    "XAmzContentSHA256Mismatch",
    "IncompleteBody",
];
const CODE_BYTES_MAX: usize = 64;
/// A list of a thousand long keys in URL encoding takes some 4 MiB.
const XML_BYTES_MAX: usize = 8 << 20;
const ERROR_BYTES_MAX: usize = 64 << 10;
const ID_BYTES_MAX: usize = 128;
