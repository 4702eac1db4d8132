//! The old signature version 2: refused in words that help, or let through for presigned URLs where the operator says so
//! (`auth.allow_sigv2_presigned`).
//!
//! The framework verifies such a URL, in constant time. Version 2 signs only some query parameters and says nothing of
//! when a URL was made, so ours are: no parameter that was not signed, and an end at most 7 days from now.

use std::time::{SystemTime, UNIX_EPOCH};

use http::Request;
use http::header::AUTHORIZATION;
use s3s::{S3Error, s3_error};

/// Why a request is refused for its signature of version 2; `None` for every other request, and for what is let through.
pub(super) fn refusal<B>(request: &Request<B>, allow_presigned: bool, now: SystemTime) -> Option<S3Error> {
    if request.headers().get(AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"AWS ")) {
        return Some(not_supported());
    }
    let query = request.uri().query().unwrap_or_default();
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let has = |wanted: &str| pairs.iter().any(|(name, _)| name == wanted);
    if !has("AWSAccessKeyId") || !has("Signature") {
        return None;
    }
    if !allow_presigned {
        return Some(not_supported());
    }
    let is_covered = |name: &str| SIGNED.contains(&name) || OF_THE_SIGNATURE.contains(&name);
    if let Some((name, _)) = pairs.iter().find(|(name, _)| !is_covered(name)) {
        return Some(s3_error!(AccessDenied, "The signature of this URL does not cover its parameter '{name}'."));
    }
    let ends = pairs.iter().find(|(name, _)| name == "Expires").and_then(|(_, value)| value.parse::<u64>().ok());
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if ends.is_some_and(|ends| ends > now.saturating_add(LIFETIME_SECONDS_MAX)) {
        return Some(s3_error!(AccessDenied, "A presigned URL must end within 7 days (604800 seconds)."));
    }
    None
}

/// Says how clients are switched over.
pub(super) fn not_supported() -> S3Error {
    s3_error!(
        InvalidRequest,
        "The authorization mechanism you have provided (Signature Version 2) is not supported. Please use \
         AWS4-HMAC-SHA256: in boto3 Config(signature_version='s3v4'), in aws-cli \
         `aws configure set default.s3.signature_version s3v4`, in s3cmd `signature_v2 = False`."
    )
}

/// What the signature itself consists of.
const OF_THE_SIGNATURE: &[&str] = &["AWSAccessKeyId", "Expires", "Signature"];
/// The parameters of requests for objects that the signature covers, by the section on its canonicalized resource
/// in the S3 user guide.
const SIGNED: &[&str] = &[
    "partNumber",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "uploadId",
    "versionId",
];
const LIFETIME_SECONDS_MAX: u64 = 7 * 24 * 3600;
