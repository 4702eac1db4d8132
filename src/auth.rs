//! Who asks: signatures by the framework, everything it leaves to us, and the [`Principal`] that a verb works for.
//!
//! [`guard`] is the only way to a service, and takes the access keys by value: a gateway without authentication cannot
//! be built. The framework verifies `SigV4` in headers, presigned URLs, aws-chunked bodies and forms, refuses unsigned
//! `x-amz-*` headers, and bounds clock skew (15 minutes) and presigned lifetimes (7 days). Ours are: one signature that
//! covers the host (`sigv4`), `SigV2` (`sigv2`), public buckets (`public`), session tokens refused, conditions of access
//! keys, forms that do not say how long they are.

mod public;
mod sigv2;
mod sigv4;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::route::S3Route;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError, HttpRequest, HttpResponse, S3, S3Error, S3Request, S3Response, S3Result, s3_error};

use crate::body::budget::{Failure, Share};
use crate::keys::access::{AccessKey, AccessKeys, AccessRefusal, LiveAccessKeys};
use crate::telemetry::request::Facts;
use crate::tenant::Principal;

/// The S3 service behind its authentication.
#[derive(Clone)]
pub struct Guarded {
    service: S3Service,
    rules: Rules,
}

/// What an operator may allow beyond Signature Version 4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// presigned URLs of signature version 2
    pub sigv2_presigned: bool,
}

/// Puts authentication in front of an S3 implementation and of what goes around it.
#[must_use]
pub fn guard(s3: impl S3, route: impl S3Route, access_keys: Arc<LiveAccessKeys>, rules: Rules) -> Guarded {
    let mut builder = S3ServiceBuilder::new(s3);
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(framework_config(rules)))));
    builder.set_auth(Secrets(Arc::clone(&access_keys)));
    builder.set_route(GuardedRoute { route, access_keys: Arc::clone(&access_keys) });
    builder.set_access(Access(access_keys));
    Guarded { service: builder.build(), rules }
}

impl Guarded {
    /// Answers one request.
    ///
    /// # Errors
    /// What the framework cannot even put into an answer; the connection ends.
    pub async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        match refusal(&request, self.rules) {
            Some(error) => error.to_http_response().map_err(|error| HttpError::from_std_error(Box::new(error))),
            None => self.service.call(request).await.map(in_words_of_s3),
        }
    }
}

/// What the framework says of forms in other words than S3. One that breaks the policy it is signed with is denied, the
/// framework says that the policy is at fault; one that is signed with version 2 is to be told what helps.
fn in_words_of_s3(answer: HttpResponse) -> HttpResponse {
    if !matches!(answer.status(), StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN) {
        return answer;
    }
    let Some(body) = answer.body().bytes() else { return answer };
    let has = |text: &str| body.windows(text.len()).any(|window| window == text.as_bytes());
    let error = if has("<Code>InvalidPolicyDocument</Code>") && has("<Message>Policy condition ") {
        s3_error!(AccessDenied, "Invalid according to Policy: Policy Condition failed")
    } else if has("<Message>Signature Version 2 is disabled") {
        sigv2::not_supported()
    } else {
        return answer;
    };
    error.to_http_response().unwrap_or(answer)
}

/// The framework's limits. What it buffers is bounded here: XML, form fields, one signed chunk.
fn framework_config(rules: Rules) -> S3Config {
    let mut config = S3Config::default();
    config.xml_max_body_size = XML_BYTES_MAX;
    config.form_max_fields_size = FORM_FIELDS_BYTES_MAX;
    config.aws_chunked_stream_max_chunk_size = SIGNED_CHUNK_BYTES_MAX;
    config.custom_route_max_body_size = None;
    config.enable_sig_v2 = rules.sigv2_presigned;
    // S3 passes over the name that SDKs give an operation; it would win over the words that name it
    config.operation_id_routing = false;
    config.sig_v4_allowed_services = vec!["s3".to_owned()];
    config
}

/// What is refused before the framework looks at a request.
fn refusal<B>(request: &Request<B>, rules: Rules) -> Option<S3Error> {
    if let Some(error) =
        sigv4::refusal(request).or_else(|| sigv2::refusal(request, rules.sigv2_presigned, SystemTime::now()))
    {
        return Some(error);
    }
    if let Some(region) = wrong_region(request) {
        return Some(expecting_region(region));
    }
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_form = request.method() == Method::POST
        && header(CONTENT_TYPE).is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("multipart/"));
    if is_form && header(CONTENT_LENGTH).is_none() {
        // The framework would hold a form of unknown length whole.
        return Some(s3_error!(MissingContentLength));
    }
    None
}

/// The region that a request was signed for, if it is none: s3cmd asks for `US` until it is told better.
fn wrong_region<B>(request: &Request<B>) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let region = header.split_once("Credential=")?.1.split(',').next()?.rsplit('/').nth(2)?;
    region.bytes().any(|byte| byte.is_ascii_uppercase()).then_some(region)
}

fn expecting_region(region: &str) -> S3Error {
    let mut error = s3_error!(
        AuthorizationHeaderMalformed,
        "The authorization header is malformed; the region '{region}' is wrong; expecting '{REGION}'"
    );
    // These replace what the framework would set.
    error.set_headers(HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/xml")),
        (HeaderName::from_static("x-amz-bucket-region"), HeaderValue::from_static(REGION)),
    ]));
    error
}

/// Finds the secret that must have signed a request.
struct Secrets(Arc<LiveAccessKeys>);

#[async_trait::async_trait]
impl S3Auth for Secrets {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let keys = self.0.snapshot();
        let key = keys.find(access_key).ok_or_else(|| s3_error!(InvalidAccessKeyId))?;
        Ok(SecretKey::from(key.secret.expose()))
    }
}

/// Lets a request with a good signature go on, as its principal.
struct Access(Arc<LiveAccessKeys>);

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let facts = context.extensions_mut().get::<Facts>().cloned().unwrap_or_default();
        facts.set_operation(context.s3_op().name());
        let (bucket, key) = (context.s3_path().get_bucket_name(), context.s3_path().as_object());
        facts.set_target(bucket.unwrap_or(""), key.map_or("", |(_, key)| key));
        let keys = self.0.snapshot();
        let id = context.credentials().map(|credentials| credentials.access_key.clone());
        let principal = match &id {
            Some(id) => {
                let peer = context.extensions_mut().get::<SocketAddr>().copied();
                admitted(&keys, id, (context.headers(), context.uri()), peer)?
            }
            None => public::admitted(&keys, context)?,
        };
        let content_length = context.headers().get(CONTENT_LENGTH).cloned();
        let streams = STREAMING.contains(&context.s3_op().name());
        if let Some(share) = context.extensions_mut().get::<Share>() {
            let tenant = id.as_ref().map(|_| principal.tenant.as_str());
            under_way(share, tenant, streams, content_length.as_ref())?;
        }
        facts.set_principal(id.as_deref().unwrap_or(""), principal.tenant.as_str());
        context.extensions_mut().insert(principal);
        Ok(())
    }
}

/// A route that lets requests in as [`Access`] does.
struct GuardedRoute<R> {
    route: R,
    access_keys: Arc<LiveAccessKeys>,
}

#[async_trait::async_trait]
impl<R: S3Route> S3Route for GuardedRoute<R> {
    fn is_match(&self, method: &Method, uri: &Uri, headers: &HeaderMap, extensions: &mut Extensions) -> bool {
        self.route.is_match(method, uri, headers, extensions)
    }

    async fn check_access(&self, request: &mut S3Request<Body>) -> S3Result<()> {
        let credentials = request.credentials.as_ref();
        let credentials = credentials.ok_or_else(|| s3_error!(AccessDenied, "Requests must be signed."))?;
        let peer = request.extensions.get::<SocketAddr>().copied();
        let said = (&request.headers, &request.uri);
        let principal = admitted(&self.access_keys.snapshot(), &credentials.access_key, said, peer)?;
        if let Some(share) = request.extensions.get::<Share>() {
            under_way(share, Some(principal.tenant.as_str()), false, request.headers.get(CONTENT_LENGTH))?;
        }
        if let Some(facts) = request.extensions.get::<Facts>() {
            facts.set_principal(&credentials.access_key, principal.tenant.as_str());
        }
        request.extensions.insert(principal);
        self.route.check_access(request).await
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        self.route.call(request).await
    }
}

/// Counts a request for who asks; for nobody in particular if it is not signed. A document that is too long to be read
/// whole is refused before it is.
fn under_way(share: &Share, tenant: Option<&str>, streams: bool, length: Option<&HeaderValue>) -> S3Result<()> {
    let admitted = match tenant {
        Some(tenant) => share.admit(tenant),
        None => share.admit_public(),
    };
    admitted.map_err(Failure::error)?;
    if streams {
        share.streams();
        return Ok(());
    }
    share.reads_document(XML_BYTES_MAX as u64);
    let length: Option<u64> = length.and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length| length > XML_BYTES_MAX as u64) {
        return Err(share.fail(Failure::TooLong).error());
    }
    Ok(())
}

fn admitted(
    keys: &AccessKeys,
    id: &str,
    (headers, uri): (&HeaderMap, &Uri),
    peer: Option<SocketAddr>,
) -> S3Result<Principal> {
    let key: Arc<AccessKey> = keys.find(id).ok_or_else(|| s3_error!(InvalidAccessKeyId))?;
    if carries_session_token(headers, uri) {
        return Err(s3_error!(InvalidToken, "This access key has no session token."));
    }
    key.admits(SystemTime::now(), peer.map(|peer| peer.ip())).map_err(|why| match why {
        AccessRefusal::Expired | AccessRefusal::Disabled | AccessRefusal::NotYetValid => {
            s3_error!(InvalidAccessKeyId, "{why}")
        }
        AccessRefusal::Address => s3_error!(AccessDenied, "{why}"),
    })?;
    Ok(key.principal.clone())
}

/// No access key here has a session: a token is a mistake of the client's, or somebody else's.
fn carries_session_token(headers: &HeaderMap, uri: &Uri) -> bool {
    let in_query = |query: &str| {
        query.split('&').any(|pair| pair.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case(TOKEN)))
    };
    headers.contains_key(TOKEN) || uri.query().is_some_and(in_query)
}

/// The operations whose bodies are not read whole before anything is done with them.
const STREAMING: &[&str] = &["PutObject", "UploadPart", "PostObject"];
const TOKEN: &str = "x-amz-security-token";
/// What clients sign for unless they are told otherwise; any other name of a region will do too.
const REGION: &str = "us-east-1";
/// A request to complete 10,000 parts with checksums is about 3 MiB.
const XML_BYTES_MAX: usize = 8 << 20;
const FORM_FIELDS_BYTES_MAX: usize = 1 << 20;
const SIGNED_CHUNK_BYTES_MAX: usize = 16 << 20;

#[cfg(test)]
mod tests;
