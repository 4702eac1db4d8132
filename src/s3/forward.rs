//! Operations that have nothing to do with the bytes of objects: passed on to the store as they came, its own answers and
//! errors kept.
//!
//! Over a store that [takes them](crate::backend::Backend::forwards), a request of [`table`] goes this way; everything
//! else, and everything over the embedded store, goes to the verbs. The framework matches a route before it knows the
//! operation and calls it after it has checked the signature; who may ask is settled as for the verbs.
//!
//! Bucket names are the tenant's on this side and have its prefix on the other: in the path, in ARNs, and in the elements
//! of S3's documents that hold one. What the gateway keeps in metadata is not shown. Bodies are held, 1 MiB at most.

mod names;
mod table;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Uri};
use s3s::route::S3Route;
use s3s::{Body, S3Request, S3Response, S3Result, s3_error};

use self::names::Names;
use super::{checksum, errors, metadata};
use crate::backend::{Backend, BucketName, ForwardAnswer, ForwardRequest};
use crate::tenant::Principal;

/// The way around the verbs.
pub struct Forward {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) staging: BucketName,
}

#[async_trait::async_trait]
impl S3Route for Forward {
    fn is_match(&self, method: &Method, uri: &Uri, _: &HeaderMap, _: &mut Extensions) -> bool {
        self.backend.forwards() && table::operation(method, uri).is_some()
    }

    /// Refuses all: whoever serves this route puts the check of access keys before it.
    async fn check_access(&self, request: &mut S3Request<Body>) -> S3Result<()> {
        match request.extensions.get::<Principal>() {
            Some(_) => Ok(()),
            None => Err(s3_error!(AccessDenied)),
        }
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let principal = request.extensions.get::<Principal>().ok_or_else(|| s3_error!(AccessDenied))?.clone();
        let operation = table::operation(&request.method, &request.uri).ok_or_else(|| s3_error!(NotImplemented))?;
        let target = table::target(&request.uri).ok_or_else(|| s3_error!(InvalidURI))?;
        let bucket = principal.bucket_prefix.to_backend(&target.bucket).map_err(|_| s3_error!(InvalidBucketName))?;
        let owner = text(&request.headers, EXPECTED_OWNER);
        if bucket == self.staging || owner.is_some_and(|owner| owner != principal.tenant.as_str()) {
            return Err(s3_error!(AccessDenied));
        }
        tracing::debug!(operation = operation.name, "forwarded");
        let names = Names::new(&principal.bucket_prefix, &target.bucket);
        let sent = held(request.input).await?;
        verify(&request.headers, &sent)?;
        let body = names.to_backend(&sent);
        let mut headers = kept(&request.headers);
        if body != sent {
            // what the client said of the body was of the one with its own names
            headers.remove("content-md5");
            let is_sum = |name: &&HeaderName| name.as_str().starts_with("x-amz-checksum-");
            for name in headers.keys().filter(is_sum).cloned().collect::<Vec<_>>() {
                headers.remove(name);
            }
            let md5 = checksum::Algorithm::Md5.digest(&body);
            headers.insert("content-md5", HeaderValue::from_str(&md5).map_err(|_| s3_error!(InternalError))?);
        }
        let query = table::query(&request.uri);
        let forwarded = ForwardRequest { method: request.method, bucket, key: target.key, query, headers, body };
        let answer = self.backend.forward(forwarded).await.map_err(errors::backend)?;
        shown(answer, &names)
    }
}

/// What the store said, in the client's names. An answer that shows metadata of ours is an object: the store does not
/// know the operation and read on.
fn shown(answer: ForwardAnswer, names: &Names) -> S3Result<S3Response<Body>> {
    let ForwardAnswer { status, mut headers, body } = answer;
    let is_ours =
        |name: &HeaderName| name.as_str().strip_prefix(USER).is_some_and(|n| n.starts_with(metadata::ENVELOPE));
    if headers.keys().any(is_ours) {
        return Err(s3_error!(NotImplemented, "The storage behind this gateway cannot do this."));
    }
    for name in ["x-amz-request-id", "x-amz-id-2", "server", "date"] {
        headers.remove(name);
    }
    let mut response = S3Response::new(Body::from(names.to_client(&body)));
    response.status = Some(status);
    response.headers = headers;
    Ok(response)
}

/// The headers that are for the store: not those of this connection and signature, nor of framing that was undone.
fn kept(headers: &HeaderMap) -> HeaderMap {
    let is_kept = |name: &str| {
        let is_ours = name.starts_with("x-amz-") && !NOT_AMZ.contains(&name) && name != EXPECTED_OWNER;
        // a customer's key must never be seen behind the gateway
        let is_ours = is_ours && !name.contains("server-side-encryption-customer-");
        is_ours || name == "content-type" || name == "content-md5" || name.starts_with("if-")
    };
    headers.iter().filter(|(name, _)| is_kept(name.as_str())).map(|(n, v)| (n.clone(), v.clone())).collect()
}

/// Whether the body is the one that the request's headers speak of.
fn verify(headers: &HeaderMap, body: &[u8]) -> S3Result<()> {
    let md5 = text(headers, "content-md5");
    let mut verifier = checksum::Verifier::new(&checksum::declared_in(headers), md5, None, &HeaderMap::new(), None)?;
    verifier.update(body);
    verifier.settle().map(drop)
}

async fn held(mut body: Body) -> S3Result<Bytes> {
    let mut held = BytesMut::new();
    while let Some(piece) = body.next().await {
        held.extend_from_slice(&piece.map_err(errors::body)?);
        if held.len() > BODY_BYTES_MAX {
            return Err(s3_error!(EntityTooLarge));
        }
    }
    Ok(held.freeze())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

const USER: &str = "x-amz-meta-";
const EXPECTED_OWNER: &str = "x-amz-expected-bucket-owner";
/// Headers about the client's own signature and framing.
const NOT_AMZ: &[&str] =
    &["x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "x-amz-decoded-content-length", "x-amz-trailer"];
/// The longest document of S3's is a lifecycle configuration of 1,000 rules, some 300 KiB.
const BODY_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests;
