//! What stands before the framework for every request: an id, a log span, a share of the budget, and the answers that are
//! not S3.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures::future::BoxFuture;
use http::header::{CONNECTION, CONTENT_TYPE, SERVER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use s3s::service::S3Service;
use s3s::{Body, HttpError, HttpRequest, HttpResponse, S3Error, S3ErrorCode, s3_error};
use tracing::{Instrument as _, Span};

use super::answer::{AnswerBody, Ending, UnderWay};
use super::connection::Connection;
use super::readiness::{Phase, Readiness};
use super::request_body::{self, Patience, Progress};
use super::request_id::RequestIds;
use super::{Config, RequestId, Surroundings, error_body, proxy};
use crate::body::budget::{Budget, Failure, Full, InFlight, Share};
use crate::telemetry::request::{Ended, Facts};
use crate::telemetry::{Telemetry, traces};

/// Where a load balancer asks on the S3 port, unsigned. No bucket can have this name.
const HEALTH_PATH: &str = "/_/health";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

/// What answers S3 requests: the framework's service, with its authentication.
pub trait S3Handler: Clone + Send + Sync + 'static {
    /// Answers one request. An error ends the connection without an answer.
    fn handle(&self, request: HttpRequest) -> impl Future<Output = Result<HttpResponse, HttpError>> + Send;
}

impl S3Handler for S3Service {
    fn handle(&self, request: HttpRequest) -> impl Future<Output = Result<HttpResponse, HttpError>> + Send {
        self.call(request)
    }
}

/// One for all connections.
pub(super) struct Front<H> {
    handler: H,
    ids: RequestIds,
    budget: Budget,
    config: Config,
    telemetry: Telemetry,
    readiness: Readiness,
    began: Instant,
    /// the second in which it was told that a limit is reached
    told_at: AtomicU64,
}

/// How a request came.
pub(super) struct Arrival {
    /// who its connection comes from
    pub(super) caller: Caller,
    /// the client, as a balancer that is believed tells
    pub(super) client: SocketAddr,
    /// the bytes of its body that were read
    pub(super) received: Arc<AtomicU64>,
    pub(super) share: Share,
    pub(super) under_way: UnderWay,
}

/// Who a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    /// the peer, or whom its PROXY header names
    pub(super) address: SocketAddr,
    /// the TLS version
    pub(super) tls: Option<&'static str>,
}

impl<H: S3Handler> Front<H> {
    pub(super) fn new(handler: H, config: Config, around: Surroundings) -> Self {
        let ids = RequestIds::new();
        tracing::info!(host_id = ids.host_id(), "answers of this process carry this x-amz-id-2");
        let budget = Budget::new(config.in_flight_requests_max, config.in_flight_bytes_max);
        Self {
            handler,
            ids,
            budget,
            config,
            telemetry: around.telemetry,
            readiness: around.readiness,
            began: Instant::now(),
            told_at: AtomicU64::new(0),
        }
    }

    /// Memory that connections hold counts here too.
    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// A request has come.
    pub(super) fn arrival(
        &self,
        headers: &HeaderMap,
        caller: Caller,
        received: Arc<AtomicU64>,
        connection: Option<&Arc<Connection>>,
    ) -> Arrival {
        let client = proxy::client(headers, caller.address, &self.config.forwarded_from);
        let share = self.budget.share(client.ip());
        let connection = connection.map(|connection| (Arc::clone(connection), connection.begin()));
        let under_way = UnderWay { _in_flight: InFlight::new(share.clone()), connection, sending: None };
        Arrival { caller, client, received, share, under_way }
    }

    /// The answer to a request, whatever happens.
    pub(super) async fn answer(&self, mut request: HttpRequest, arrival: Arrival) -> Response<AnswerBody> {
        let Arrival { caller, client, received, share, under_way } = arrival;
        let id = self.ids.next();
        let span = span(&id, &request);
        let ended = described(&id, &request, client, caller.tls);
        let path = ended.path.clone();
        request.extensions_mut().insert(id.clone());
        request.extensions_mut().insert(client);
        request.extensions_mut().insert(share.clone());
        request.extensions_mut().insert(ended.facts.clone());
        let trace = traces::request_span(&ended.id, &ended.method);
        if proxy::is_in(&self.config.forwarded_from, caller.address.ip()) {
            traces::adopt(&trace, request.headers());
        }
        let ending = Ending::new(self.telemetry.clone(), received, ended, trace.clone());
        let answer = self.decide(request, share).instrument(span.clone()).instrument(trace).await;
        let mut answer = error_body::complete(answer, &path, id.as_str(), self.ids.host_id());
        self.label(answer.headers_mut(), &id);
        span.in_scope(|| tracing::debug!(status = answer.status().as_u16(), "answered"));
        let error_code = error_body::code(&answer);
        AnswerBody::answer(answer, error_code, span, ending, under_way)
    }

    async fn decide(&self, request: HttpRequest, share: Share) -> HttpResponse {
        if is_health_check(&request) {
            return self.health();
        }
        if request.method() == Method::OPTIONS {
            return error_answer(cors_is_off());
        }
        if may_be_form(&request) {
            // the one kind of body that is read before it is known who asks
            if let Err(why) = share.admit_form() {
                return self.refused(&share, why);
            }
            share.reads_document(u64::MAX);
        }
        // it is large: what is around it would be copied with it
        let handled = Box::pin(self.handler.handle(request));
        let answered = share.clone().during(handled).await;
        let is_failed = |answer: &HttpResponse| answer.status() == StatusCode::INTERNAL_SERVER_ERROR;
        match share.failure() {
            Some(Failure::Digest) if !answered.as_ref().is_ok_and(is_failed) => {
                answered.unwrap_or_else(|error| internal(&error))
            }
            // the framework has other words for it
            Some(why) if !answered.as_ref().is_ok_and(|answer| answer.status().is_success()) => {
                self.refused(&share, why)
            }
            Some(_) | None => answered.unwrap_or_else(|error| internal(&error)),
        }
    }

    /// Once a second: whoever asks for too much is not to fill the log too.
    fn may_tell(&self) -> bool {
        let now = self.began.elapsed().as_secs() + 1;
        self.told_at.swap(now, Ordering::Relaxed) != now
    }

    fn refused(&self, share: &Share, why: Failure) -> HttpResponse {
        let metrics = &self.telemetry.metrics;
        match why {
            Failure::Full(Full::Requests) => metrics.refused_requests.inc(),
            Failure::Full(Full::Bytes) => metrics.refused_bytes.inc(),
            Failure::Full(Full::ShareOfRequests) => metrics.refused_share_of_requests.inc(),
            Failure::Full(Full::ShareOfBytes) => metrics.refused_share_of_bytes.inc(),
            Failure::Slow | Failure::TooLong | Failure::Digest => 0,
        };
        if let Failure::Full(full) = why
            && self.may_tell()
        {
            tracing::warn!(too_many = ?full, who = share.who(), "a limit is reached");
        }
        error_answer(why.error())
    }

    fn health(&self) -> HttpResponse {
        let (status, text) = match self.readiness.phase() {
            Phase::Ready => (StatusCode::OK, "ok"),
            phase @ (Phase::Starting | Phase::Waiting | Phase::Standby | Phase::Draining) => {
                (StatusCode::SERVICE_UNAVAILABLE, phase.name())
            }
        };
        let mut answer = HttpResponse::new(Body::from(text.to_owned()));
        *answer.status_mut() = status;
        answer
    }

    fn label(&self, headers: &mut HeaderMap, id: &RequestId) {
        headers.insert(SERVER, HeaderValue::from_static("sealgate"));
        for (name, text) in [(REQUEST_ID, id.as_str()), (HOST_ID, self.ids.host_id())] {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        }
    }
}

/// The service of one connection.
pub(super) struct Connected<H> {
    pub(super) front: Arc<Front<H>>,
    pub(super) caller: Caller,
    pub(super) connection: Arc<Connection>,
}

impl<H: S3Handler> hyper::service::Service<Request<Incoming>> for Connected<H> {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let front = Arc::clone(&self.front);
        let Config { body_stall_timeout: stall_timeout, document_timeout, .. } = front.config;
        let is_http1 = request.version() <= Version::HTTP_11;
        let (head, incoming) = request.into_parts();
        let progress = Progress::new(front.telemetry.metrics.received.clone(), Arc::clone(&self.connection));
        let mut arrival = front.arrival(&head.headers, self.caller, progress.bytes(), Some(&self.connection));
        if !is_http1 {
            arrival.under_way.sending = Some(self.connection.sending());
        }
        let patience = Patience { stall_timeout, document_timeout };
        let body = request_body::watched(incoming, &head.headers, &arrival.share, patience, progress.clone());
        Box::pin(async move {
            let mut answer = front.answer(Request::from_parts(head, body), arrival).await;
            if is_http1 && !answer.status().is_success() && !progress.is_read() {
                // What is left of the request stands in the way of the next one: the connection ends, and a client
                // that is not told so sends its next request into it.
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(answer)
        })
    }
}

/// What is known of a request before anybody looked at it.
fn described(id: &RequestId, request: &HttpRequest, client: SocketAddr, tls: Option<&'static str>) -> Ended {
    let user_agent = request.headers().get(USER_AGENT).map_or("", |value| value.to_str().unwrap_or(""));
    let short = user_agent.char_indices().nth(USER_AGENT_CHARS_MAX).map_or(user_agent, |(end, _)| &user_agent[..end]);
    Ended {
        peer: client.ip().to_canonical().to_string(),
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        user_agent: short.to_owned(),
        tls,
        facts: Facts::default(),
        ..Ended::of(id.as_str())
    }
}

/// Method, path and who says to ask; never the query, which may carry a signature.
fn span(id: &RequestId, request: &HttpRequest) -> Span {
    let access_key = access_key_id(request.headers(), request.uri());
    tracing::info_span!("request", %id, method = %request.method(), path = request.uri().path(), access_key)
}

/// The id of the access key that a request claims, unchecked: from `Authorization` or the presigned query.
fn access_key_id<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let header = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let from_header = header.and_then(|value| value.split_once("Credential=").map(|(_, rest)| rest));
    let from_query = || uri.query()?.split('&').find_map(|pair| pair.strip_prefix("X-Amz-Credential="));
    let id = from_header.or_else(from_query)?.split(['/', '%', ',']).next()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    ((1..=ACCESS_KEY_BYTES_MAX).contains(&id.len()) && id.bytes().all(plain)).then_some(id)
}

fn is_health_check(request: &HttpRequest) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
        && request.uri().path() == HEALTH_PATH
        && request.uri().query().is_none()
        && !request.headers().contains_key(http::header::AUTHORIZATION)
}

/// Whether the framework may look for a form in the body: asked for too often rather than too seldom.
fn may_be_form(request: &HttpRequest) -> bool {
    let says_so = |kind: &HeaderValue| {
        let kind = kind.as_bytes().to_ascii_lowercase();
        kind.windows(b"multipart".len()).any(|some| some == b"multipart")
    };
    request.method() == Method::POST && request.headers().get_all(CONTENT_TYPE).iter().any(says_so)
}

fn internal(error: &HttpError) -> HttpResponse {
    tracing::error!(%error, "the framework failed");
    error_answer(s3_error!(InternalError))
}

fn cors_is_off() -> S3Error {
    let mut error = S3Error::with_message(
        S3ErrorCode::Custom("AccessForbidden".into()),
        "CORSResponse: CORS is not enabled for this bucket.",
    );
    error.set_status_code(StatusCode::FORBIDDEN);
    error
}

fn error_answer(error: S3Error) -> HttpResponse {
    error.to_http_response().unwrap_or_else(|_| {
        let mut bare = HttpResponse::new(Body::empty());
        *bare.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        bare
    })
}

const ACCESS_KEY_BYTES_MAX: usize = 128;
const USER_AGENT_CHARS_MAX: usize = 256;

#[cfg(test)]
mod tests;
