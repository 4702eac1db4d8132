//! Digests of XML bodies: `Content-MD5` and `x-amz-checksum-*` of a request whose body the framework parses itself.
//!
//! The framework verifies the signed SHA-256 of such a body and nothing else, and a verb gets the parsed input, not the
//! bytes. So [`observed`] looks on while the framework reads, and the verb asks [`verify`] for the outcome. Bodies of
//! objects are verified while they are sealed ([`checksum`](super::checksum)) and are not looked at here, nor are bodies
//! in aws-chunked framing, whose bytes are not those that a digest is of.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use s3s::{HttpRequest, S3Request, S3Result, StdError};

use super::checksum::{Verifier, declared_in};

/// Subresources whose requests have a body in XML.
const SUBRESOURCES: &[&str] = &[
    "acl",
    "delete",
    "encryption",
    "logging",
    "notification",
    "ownershipControls",
    "publicAccessBlock",
    "tagging",
    "versioning",
];

/// Prepares a request so that `verify` can tell.
pub(super) fn observed(request: HttpRequest) -> HttpRequest {
    let (mut parts, body) = request.into_parts();
    let has_xml = parts.uri.query().is_some_and(names_a_subresource) && !is_aws_chunked(&parts.headers);
    if !has_xml || !declares(&parts.headers) {
        return HttpRequest::from_parts(parts, body);
    }
    let digest = BodyDigest(Arc::new(Mutex::new(Some(verifier(&parts.headers)))));
    parts.extensions.insert(digest.clone());
    HttpRequest::from_parts(parts, s3s::Body::http_body(Observed { inner: body, digest }))
}

/// Whether the body was the one that the request's headers speak of.
pub(crate) fn verify<T>(request: &S3Request<T>) -> S3Result<()> {
    let Some(digest) = request.extensions.get::<BodyDigest>() else { return Ok(()) };
    match digest.take() {
        Some(verifier) => verifier?.settle().map(drop),
        None => Ok(()),
    }
}

/// The verdict on one request's body, in the making.
#[derive(Clone)]
struct BodyDigest(Arc<Mutex<Option<S3Result<Verifier>>>>);

impl BodyDigest {
    fn update(&self, bytes: &[u8]) {
        if let Some(Ok(verifier)) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            verifier.update(bytes);
        }
    }

    fn take(&self) -> Option<S3Result<Verifier>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

struct Observed {
    inner: s3s::Body,
    digest: BodyDigest,
}

impl Body for Observed {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let this = &mut *self;
        let frame = Pin::new(&mut this.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(bytes) = frame.data_ref()
        {
            this.digest.update(bytes);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn verifier(headers: &HeaderMap) -> S3Result<Verifier> {
    let content_md5 = headers.get("content-md5").and_then(|value| value.to_str().ok());
    Verifier::new(&declared_in(headers), content_md5, None, &HeaderMap::new(), None)
}

fn declares(headers: &HeaderMap) -> bool {
    headers.contains_key("content-md5") || declared_in(headers) != s3s::dto::Checksum::default()
}

fn names_a_subresource(query: &str) -> bool {
    query.split('&').any(|pair| pair.split('=').next().is_some_and(|name| SUBRESOURCES.contains(&name)))
}

fn is_aws_chunked(headers: &HeaderMap) -> bool {
    headers.get("x-amz-content-sha256").is_some_and(|value| value.as_bytes().starts_with(b"STREAMING-"))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use s3s::S3ErrorCode;

    use super::*;

    const BODY: &str = "<Delete/>";

    async fn outcome(uri: &str, headers: &[(&str, &str)]) -> S3Result<()> {
        let mut builder = http::Request::post(uri);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let (parts, body) = observed(builder.body(s3s::Body::from(BODY.to_owned())).unwrap()).into_parts();
        assert_eq!(body.collect().await.unwrap().to_bytes(), BODY);
        verify(&S3Request {
            input: (),
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            extensions: parts.extensions,
            credentials: None,
            region: None,
            service: None,
            trailing_headers: None,
        })
    }

    fn code(outcome: S3Result<()>) -> S3ErrorCode {
        outcome.unwrap_err().code().clone()
    }

    #[tokio::test]
    async fn a_body_that_matches_what_is_declared_of_it_passes() {
        let md5 = super::super::checksum::Algorithm::Md5.digest(BODY.as_bytes());
        let crc = super::super::checksum::Algorithm::Crc32.digest(BODY.as_bytes());
        let declared = [("content-md5", md5.as_str()), ("x-amz-checksum-crc32", crc.as_str())];
        outcome("/bucket?delete", &declared).await.unwrap();
        outcome("/bucket?delete", &[]).await.unwrap();
    }

    #[tokio::test]
    async fn another_body_than_declared_is_refused() {
        let md5 = super::super::checksum::Algorithm::Md5.digest(b"another");
        let crc = super::super::checksum::Algorithm::Crc32.digest(b"another");
        assert_eq!(code(outcome("/bucket?delete", &[("content-md5", &md5)]).await), S3ErrorCode::BadDigest);
        let refused = outcome("/b/k?versionId=1&tagging=", &[("x-amz-checksum-crc32", &crc)]).await;
        assert_eq!(code(refused), S3ErrorCode::BadDigest);
    }

    #[tokio::test]
    async fn a_digest_that_is_none_is_refused() {
        assert_eq!(code(outcome("/b?versioning", &[("content-md5", "AAAA")]).await), S3ErrorCode::InvalidDigest);
    }

    #[tokio::test]
    async fn other_bodies_are_not_looked_at() {
        let md5 = super::super::checksum::Algorithm::Md5.digest(b"another");
        outcome("/bucket/key", &[("content-md5", &md5)]).await.unwrap();
        let chunked = [("content-md5", md5.as_str()), ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")];
        outcome("/bucket?delete", &chunked).await.unwrap();
    }
}
