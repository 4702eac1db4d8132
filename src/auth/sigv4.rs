//! What S3 demands of Signature Version 4 beyond what the framework verifies: one signature per request, of a kind that
//! is known, that covers the host. Without the host a signed request could be sent to another gateway of the same keys.

use std::borrow::Cow;

use http::Request;
use http::header::AUTHORIZATION;
use s3s::{S3Error, s3_error};

/// Why a request is refused for how it is signed; `None` for one that is not signed at all.
pub(super) fn refusal<B>(request: &Request<B>) -> Option<S3Error> {
    let mut headers = request.headers().get_all(AUTHORIZATION).iter();
    let (header, second) = (headers.next(), headers.next());
    let presigned = in_query(request.uri().query().unwrap_or_default());
    match (header, presigned) {
        (Some(_), Some(_)) => Some(one_mechanism()),
        (Some(_), None) if second.is_some() => Some(one_mechanism()),
        (Some(header), None) => in_header(header.to_str().unwrap_or_default()),
        (None, Some(Presigned::V4(names))) if !covers_host(&names) => Some(not_signed()),
        (None, Some(_) | None) => None,
    }
}

fn in_header(header: &str) -> Option<S3Error> {
    if header.starts_with("AWS ") {
        // told of in words that help
        return None;
    }
    if !header.starts_with("AWS4-") {
        return Some(s3_error!(InvalidArgument, "Unsupported Authorization Type"));
    }
    let (_, names) = header.split_once("SignedHeaders=")?;
    let names = names.split(',').next().unwrap_or(names);
    (!covers_host(names)).then(not_signed)
}

/// A signature in a query, by what only such a query has.
enum Presigned<'a> {
    V2,
    /// with the names of its signed headers
    V4(Cow<'a, str>),
}

fn in_query(query: &str) -> Option<Presigned<'_>> {
    let (mut v2, mut v4, mut names) = (false, false, Cow::Borrowed(""));
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "X-Amz-Signature" | "X-Amz-Algorithm" => v4 = true,
            "X-Amz-SignedHeaders" => names = value,
            "AWSAccessKeyId" => v2 = true,
            _ => {}
        }
    }
    match (v4, v2) {
        (true, _) => Some(Presigned::V4(names)),
        (false, true) => Some(Presigned::V2),
        (false, false) => None,
    }
}

fn covers_host(names: &str) -> bool {
    names.split(';').any(|name| name.trim().eq_ignore_ascii_case("host"))
}

fn not_signed() -> S3Error {
    s3_error!(AccessDenied, "There were headers present in the request which were not signed: host")
}

fn one_mechanism() -> S3Error {
    s3_error!(
        InvalidArgument,
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or \
         the Authorization header should be specified"
    )
}
