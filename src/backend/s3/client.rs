//! The HTTP client: timeouts, and the few retries that are safe.
//!
//! A call is made again when the store said that it is too busy, or when it failed and a second one does no harm; never
//! once a byte of a streamed body was taken, which waits until the store wants it ([`gate`](super::gate)). Between attempts it waits a random time up to 50 ms, 100 ms, 200 ms and so on,
//! at most 2 s.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::header::EXPECT;
use http::{HeaderValue, Request, Response, StatusCode};
use tracing::{Instrument as _, field};

use super::answer;
use super::call::{Call, Replay};
use super::connections::{AnswerBody, Connections, SendError};
use super::connector::{ConnectorError, connector};
use super::credentials::Signers;
use super::gate::{EXPECT_PATIENCE, Gate};
use super::operation::operation;
use super::outgoing::{Outgoing, SendBody};
use super::settings::{CredentialsFrom, S3Settings, Timeouts};
use crate::backend::calls::CallObserver;
use crate::backend::{BackendError, BodyError, Result};

/// Calls a store.
pub(super) struct Client {
    connections: Connections,
    signers: Signers,
    region: String,
    observer: Option<Arc<dyn CallObserver>>,
    /// whether the store answers `Expect: 100-continue`, as far as is known
    expects: AtomicBool,
    pub(super) settings: S3Settings,
}

impl Client {
    pub(super) async fn new(
        settings: S3Settings,
        observer: Option<Arc<dyn CallObserver>>,
    ) -> std::result::Result<Self, ConnectorError> {
        let connections = Connections::new(connector(&settings)?, settings.pool);
        let region = match (&settings.region, &settings.credentials) {
            (Some(region), _) => region.clone(),
            // a region of its own goes with credentials of its own, and nobody else is asked
            (None, CredentialsFrom::Configuration(_)) => DEFAULT_REGION.to_owned(),
            (None, CredentialsFrom::Ambient) => ambient_region().await,
        };
        let (signers, expects) = (Signers::new(&settings).await, AtomicBool::new(settings.expect_continue));
        Ok(Self { connections, signers, region, observer, expects, settings })
    }

    /// Whether the store is asked before bodies go.
    pub(super) fn expects(&self) -> bool {
        self.expects.load(Ordering::Relaxed)
    }

    /// Sets that.
    pub(super) fn expect(&self, asks: bool) {
        self.expects.store(asks, Ordering::Relaxed);
    }

    /// The region that is signed for.
    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// Makes a call; answers with whatever the store answered last, be it an error.
    ///
    /// # Errors
    /// `Body` if the body failed, `Unavailable` if the store gave no answer.
    pub(super) async fn send(&self, call: &Call, body: &Outgoing) -> Result<Response<AnswerBody>> {
        // for traces alone: nothing listens to it otherwise
        let trace = tracing::info_span!(
            target: "sealgate_trace",
            "store",
            otel.kind = "client",
            otel.status_code = field::Empty,
            http.request.method = call.method.as_str(),
            http.response.status_code = field::Empty,
        );
        let sent = self.tried(call, body).instrument(trace.clone()).await;
        match &sent {
            Ok(response) => trace.record("http.response.status_code", response.status().as_u16()),
            Err(_) => trace.record("otel.status_code", "ERROR"),
        };
        sent
    }

    /// As often as it may be.
    async fn tried(&self, call: &Call, body: &Outgoing) -> Result<Response<AnswerBody>> {
        let mut attempt = 1;
        loop {
            let outcome = self.attempt(call, body).await;
            if let Some(failure) = body.failure() {
                return Err(BackendError::Body(failure));
            }
            let again = match &outcome {
                Ok(response) => {
                    let status = response.status();
                    is_refusal(status)
                        || call.replay == Replay::Always && is_passing(status)
                        || status == StatusCode::EXPECTATION_FAILED && self.expects.swap(false, Ordering::Relaxed)
                }
                Err(Failed::NeverHeard(_)) => true,
                Err(Failed::Open(_)) => call.replay == Replay::Always,
            };
            if again && attempt < self.settings.attempts_max && body.is_whole() {
                tokio::time::sleep(pause(attempt)).await;
                attempt += 1;
                continue;
            }
            return outcome
                .map_err(|(Failed::NeverHeard(error) | Failed::Open(error))| BackendError::Unavailable(error));
        }
    }

    async fn attempt(&self, call: &Call, body: &Outgoing) -> std::result::Result<Response<AnswerBody>, Failed> {
        let credentials =
            self.signers.of(call.signer_for.as_deref().or(call.bucket.as_deref())).await.map_err(Failed::NeverHeard)?;
        let patience = patience(call, &self.settings.timeouts);
        let asks = body.is_stream() && self.expects.load(Ordering::Relaxed);
        let gate = if asks { Gate::shut() } else { Gate::opened() };
        let attempt = body.attempt(Some((gate.clone(), EXPECT_PATIENCE.min(patience / 2))));
        let mut request = call
            .signed(&self.settings.endpoint, &self.region, credentials, (body, attempt))
            .map_err(|error| Failed::NeverHeard(error.into()))?;
        if let Some(parent) = self.observer.as_ref().and_then(|observer| observer.trace_parent()) {
            // none of those that are signed
            request.headers_mut().insert("traceparent", parent);
        }
        if asks {
            ask_first(&mut request, &gate);
        }
        let began = Instant::now();
        let answered = answer_within(self.connections.send(request), body, patience).await;
        if gate.was_ignored() && self.expects.swap(false, Ordering::Relaxed) {
            tracing::info!("the store does not answer Expect: 100-continue; it is not asked any more");
        }
        gate.close();
        let status = answered.as_ref().and_then(|answer| answer.as_ref().ok()).map(Response::status);
        if let Some(observer) = &self.observer {
            observer.answered(operation(call), status.map(|status| status.as_u16()), began.elapsed());
        }
        match answered {
            Some(Ok(response)) => {
                note(call, &response);
                Ok(response)
            }
            Some(Err(SendError::Connect(error))) => Err(Failed::NeverHeard(error)),
            Some(Err(SendError::Broken(error))) => Err(Failed::Open(error.into())),
            None => Err(Failed::Open(NoAnswer.into())),
        }
    }
}

/// Keeps the body back until the store wants it. The header is none of those that are signed.
fn ask_first(request: &mut Request<SendBody>, gate: &Gate) {
    request.headers_mut().insert(EXPECT, HeaderValue::from_static("100-continue"));
    let gate = gate.clone();
    hyper::ext::on_informational(request, move |answer| {
        if answer.status() == StatusCode::CONTINUE {
            gate.open();
        }
    });
}

/// Logs what was not well, with what the store calls the request; the line has the id of the client's request already.
fn note(call: &Call, response: &Response<AnswerBody>) {
    let status = response.status();
    let (operation, store_request_id) = (operation(call), answer::request_id(response.headers()));
    if status.is_server_error() {
        tracing::warn!(operation, status = status.as_u16(), store_request_id, "the store failed");
    } else if status.is_client_error() {
        tracing::debug!(operation, status = status.as_u16(), store_request_id, "the store refused");
    }
}

/// An attempt without an answer.
enum Failed {
    /// the store never heard of it
    NeverHeard(BodyError),
    /// what it did is open
    Open(BodyError),
}

fn patience(call: &Call, timeouts: &Timeouts) -> Duration {
    if call.is_long { timeouts.copy } else { timeouts.first_byte }
}

/// Waits for the head of an answer; gives up once nothing moved for `patience`, except while the sender of the body is
/// waited for.
async fn answer_within(
    answer: impl Future<Output = std::result::Result<Response<AnswerBody>, SendError>>,
    body: &Outgoing,
    patience: Duration,
) -> Option<std::result::Result<Response<AnswerBody>, SendError>> {
    let mut answer = std::pin::pin!(answer);
    let mut seen = body.progress();
    loop {
        if let Ok(answered) = tokio::time::timeout(patience, &mut answer).await {
            return Some(answered);
        }
        let now = body.progress();
        if now == seen && !now.is_awaited {
            return None;
        }
        seen = now;
    }
}

/// The store did nothing and asks for another try.
fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
}

/// The store failed; another try may help.
fn is_passing(status: StatusCode) -> bool {
    matches!(status, StatusCode::INTERNAL_SERVER_ERROR | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT)
}

fn pause(attempt: u32) -> Duration {
    let most = PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(PAUSE_MAX);
    let random = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
    most.mul_f64(random)
}

async fn ambient_region() -> String {
    let region = aws_config::default_provider::region::default_provider();
    let region = aws_config::meta::region::ProvideRegion::region(&region).await;
    region.map_or_else(|| DEFAULT_REGION.to_owned(), |region| region.as_ref().to_owned())
}

/// The store took too long.
#[derive(Debug, thiserror::Error)]
#[error("no answer in time")]
struct NoAnswer;

const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
const DEFAULT_REGION: &str = "us-east-1";
