//! Settings that the store keeps and acts on: lifecycle, Object Lock, retention, legal holds, acceleration, who pays.
//!
//! Over a store that is [another program](crate::backend::Backend::forwards), a request of [`table`] goes this way;
//! everything else, and everything over the embedded store, goes to the verbs. The framework matches a route before it
//! knows the operation and calls it after it has checked the signature; who may ask is settled as for the verbs.
//!
//! Nothing of a request goes on as it came. Of its path, query and headers the words that are known here are taken, its
//! body is parsed and written anew ([`document`]), and the store is asked with those. Of an answer the document comes
//! back, written anew too, and of an error its code and status. Bodies are held, 1 MiB at most.

mod document;
mod table;
mod xml;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use http::header::CONTENT_TYPE;
use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Uri};
use s3s::route::S3Route;
use s3s::{Body, S3Request, S3Response, S3Result, TrailingHeaders, s3_error};

use self::document::Answer;
use self::table::{Operation, Target};
use super::scope::Place;
use super::{checksum, errors, lock};
use crate::backend::{
    Backend, BackendError, BucketName, ObjectRef, Setting, SettingChange, SettingOf, SettingRequest, VersionId,
};
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
        let operation = table::operation(&request.method, &request.uri).ok_or_else(|| s3_error!(NotImplemented))?;
        let setting = operation.setting;
        let of = self.target(&request, setting)?;
        let declared = (&request.headers, request.trailing_headers);
        let change = change(operation, declared, &held(request.input).await?)?;
        let bypass = text(&request.headers, BYPASS).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let governance = lock::governance(Some(bypass && setting == Setting::Retention));
        tracing::debug!(?setting, "a setting of the store");
        if let SettingOf::Bucket(bucket) = &of {
            // some stores have settings of buckets that are not there
            self.backend.head_bucket(bucket).await.map_err(errors::backend)?;
        }
        let outcome = self.backend.setting(SettingRequest { setting, of, change, governance }).await;
        match (&operation.method, outcome) {
            (&Method::GET, outcome) => shown(setting, outcome),
            (&Method::DELETE, Ok(_)) => Ok(bare(StatusCode::NO_CONTENT)),
            (_, Ok(_)) => Ok(bare(StatusCode::OK)),
            (_, Err(error)) => Err(errors::backend(error)),
        }
    }
}

impl Forward {
    /// What a request is about, in the store's names.
    fn target(&self, request: &S3Request<Body>, setting: Setting) -> S3Result<SettingOf> {
        let principal = request.extensions.get::<Principal>().ok_or_else(|| s3_error!(AccessDenied))?;
        let Target { bucket, key } = table::target(&request.uri).ok_or_else(|| s3_error!(InvalidURI))?;
        let rest = table::rest(&request.uri, setting);
        if let Some(name) = rest.unknown {
            return Err(s3_error!(NotImplemented, "The query parameter {name} means nothing to this operation."));
        }
        let place = Place { principal, backend: self.backend.as_ref(), staging: &self.staging };
        let bucket = place.bucket(&bucket, text(&request.headers, EXPECTED_OWNER))?;
        let Some(key) = key else { return Ok(SettingOf::Bucket(bucket)) };
        if key.len() > KEY_BYTES_MAX {
            return Err(s3_error!(KeyTooLongError));
        }
        place.takes_key(&key)?;
        let version_id = rest.version_id.filter(|id| !id.is_empty()).map(VersionId::new);
        Ok(SettingOf::Object(ObjectRef { bucket, key, version_id }))
    }
}

/// The answer to a question. A setting that the store does not have was never made.
fn shown(setting: Setting, outcome: Result<Bytes, BackendError>) -> S3Result<S3Response<Body>> {
    let answer = match outcome {
        Ok(answer) => document::from_store(setting, &answer),
        Err(BackendError::NotImplemented(_)) if table::is_of_objects(setting) => return Err(lock::no_configuration()),
        Err(BackendError::NotImplemented(_)) => Answer::Other,
        Err(BackendError::Refused { code, .. }) if NEVER_MADE.contains(&code.as_str()) => Answer::Other,
        Err(error) => return Err(errors::backend(error)),
    };
    let document = match answer {
        Answer::Setting(document) => document,
        Answer::Other => document::never_made(setting)?,
        Answer::Broken => return Err(errors::backend(BackendError::Unavailable(Unreadable.into()))),
    };
    let mut response = S3Response::new(Body::from(document));
    response.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    Ok(response)
}

/// Where a request speaks of its body: before it and behind it.
type Declared<'a> = (&'a HeaderMap, Option<TrailingHeaders>);

/// What is to be done, once the body is the one that the headers speak of.
fn change(operation: &Operation, declared: Declared<'_>, sent: &[u8]) -> S3Result<SettingChange> {
    verify(declared, sent)?;
    match operation.method {
        Method::GET => Ok(SettingChange::Read),
        Method::DELETE => Ok(SettingChange::Remove),
        _ => document::from_client(operation.setting, sent).map(SettingChange::Write),
    }
}

/// What a store answered is no document that can be read.
#[derive(Debug, thiserror::Error)]
#[error("the store's answer about a setting cannot be read")]
struct Unreadable;

fn bare(status: StatusCode) -> S3Response<Body> {
    let mut response = S3Response::new(Body::empty());
    response.status = Some(status);
    response
}

/// Whether the body is the one that the request's headers speak of.
fn verify((headers, trailers): Declared<'_>, body: &[u8]) -> S3Result<()> {
    let md5 = text(headers, "content-md5");
    let mut verifier = checksum::Verifier::new(&checksum::declared_in(headers), md5, None, headers, trailers)?;
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

const EXPECTED_OWNER: &str = "x-amz-expected-bucket-owner";
const BYPASS: &str = "x-amz-bypass-governance-retention";
const KEY_BYTES_MAX: usize = 1_024;
/// The longest document of S3's is a lifecycle configuration of 1,000 rules, some 300 KiB.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How stores say that there is no such setting, or that they know of none.
const NEVER_MADE: &[&str] = &[
    "NoSuchLifecycleConfiguration",
    "ObjectLockConfigurationNotFoundError",
    "NoSuchObjectLockConfiguration",
    "MethodNotAllowed",
];

#[cfg(test)]
mod tests;
