//! The HTTP client: connections in a pool, timeouts, and the few retries that are safe.
//!
//! A call is made again when the store said that it is too busy, or when it failed and a second one does no harm; never
//! once a byte of a streamed body was taken. Between attempts it waits a random time up to 50 ms, 100 ms, 200 ms and so on,
//! at most 2 s.

use std::time::Duration;

use http::{Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client as HttpClient, Error as HttpError};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::call::{Call, Replay};
use super::connector::{Connector, ConnectorError, connector};
use super::credentials::Signers;
use super::outgoing::{Outgoing, SendBody};
use super::settings::{CredentialsFrom, S3Settings, Timeouts};
use crate::backend::{BackendError, BodyError, Result};

/// Calls a store.
pub(super) struct Client {
    http: HttpClient<Connector, SendBody>,
    signers: Signers,
    region: String,
    pub(super) settings: S3Settings,
}

impl Client {
    pub(super) async fn new(settings: S3Settings) -> std::result::Result<Self, ConnectorError> {
        let mut builder = HttpClient::builder(TokioExecutor::new());
        builder
            .http1_max_buf_size(BUFFER_BYTES)
            .pool_idle_timeout(settings.pool.idle_timeout)
            .pool_max_idle_per_host(usize::try_from(settings.pool.idle_max).unwrap_or(usize::MAX))
            .pool_timer(TokioTimer::new());
        let http = builder.build(connector(&settings)?);
        let region = match (&settings.region, &settings.credentials) {
            (Some(region), _) => region.clone(),
            // a region of its own goes with credentials of its own, and nobody else is asked
            (None, CredentialsFrom::Configuration(_)) => DEFAULT_REGION.to_owned(),
            (None, CredentialsFrom::Ambient) => ambient_region().await,
        };
        Ok(Self { http, signers: Signers::new(&settings).await, region, settings })
    }

    /// The region that is signed for.
    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// Makes a call; answers with whatever the store answered last, be it an error.
    ///
    /// # Errors
    /// `Body` if the body failed, `Unavailable` if the store gave no answer.
    pub(super) async fn send(&self, call: &Call, body: &Outgoing) -> Result<Response<Incoming>> {
        let mut attempt = 1;
        loop {
            let outcome = self.attempt(call, body).await;
            if let Some(failure) = body.failure() {
                return Err(BackendError::Body(failure));
            }
            let again = match &outcome {
                Ok(response) => {
                    is_refusal(response.status()) || call.replay == Replay::Always && is_passing(response.status())
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

    async fn attempt(&self, call: &Call, body: &Outgoing) -> std::result::Result<Response<Incoming>, Failed> {
        let credentials =
            self.signers.of(call.signer_for.as_deref().or(call.bucket.as_deref())).await.map_err(Failed::NeverHeard)?;
        let request = call
            .signed(&self.settings.endpoint, &self.region, credentials, body)
            .map_err(|error| Failed::NeverHeard(error.into()))?;
        let answer = self.http.request(request);
        match answer_within(answer, body, patience(call, &self.settings.timeouts)).await {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) if error.is_connect() => Err(Failed::NeverHeard(error.into())),
            Some(Err(error)) => Err(Failed::Open(error.into())),
            None => Err(Failed::Open(NoAnswer.into())),
        }
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
    answer: impl Future<Output = std::result::Result<Response<Incoming>, HttpError>>,
    body: &Outgoing,
    patience: Duration,
) -> Option<std::result::Result<Response<Incoming>, HttpError>> {
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

/// Of a connection: read at once, and as much waiting to be sent.
const BUFFER_BYTES: usize = 128 * 1024;
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
const DEFAULT_REGION: &str = "us-east-1";
