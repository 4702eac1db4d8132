//! One HTTP/1.1 request at a time over pooled connections: TLS or plain, token, deadline, bounded answer.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tracing::field;
use zeroize::Zeroizing;

use super::CoordinatorSettings;
use super::error::CoordinatorError;
use crate::coordinator_api::NDJSON;
use crate::keys::calls::{Asked, COORDINATOR, Outcome, TRACE_PARENT};
use crate::outbound::Outbound;

/// Sends requests.
pub(super) struct Transport {
    settings: CoordinatorSettings,
    base: String,
    http: HttpClient<HttpsConnector<Outbound<HttpConnector>>, Full<Bytes>>,
    /// of the TLS files
    digest: [u8; 32],
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) is_lines: bool,
    /// the server's clock, whole seconds
    pub(super) date: Option<SystemTime>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// This answer, if it has this status.
    pub(super) fn expect(self, status: StatusCode) -> Result<Self, CoordinatorError> {
        if self.status == status { Ok(self) } else { Err(self.refusal()) }
    }

    /// What the answer says as an error.
    pub(super) fn refusal(&self) -> CoordinatorError {
        CoordinatorError::refused(self.status.as_u16(), &self.body)
    }
}

impl Transport {
    pub(super) fn new(settings: &CoordinatorSettings) -> Result<Self, CoordinatorError> {
        let base = settings.url.trim_end_matches('/').to_owned();
        let uri: Uri = base.parse().map_err(|_| setting("url", "is no address"))?;
        if uri.host().is_none() || uri.query().is_some() {
            return Err(setting("url", "must be an address such as https://coordinator.example.com"));
        }
        let files = Files::read(settings)?;
        let digest = files.digest();
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_keepalive(Some(KEEPALIVE));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(files.tls()?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Outbound::new(connector));
        let http = HttpClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .build(connector);
        Ok(Self { settings: settings.clone(), base, http, digest })
    }

    pub(super) fn renewed(&self) -> Result<Option<Self>, CoordinatorError> {
        let is_same = Files::read(&self.settings)?.digest() == self.digest;
        if is_same { Ok(None) } else { Self::new(&self.settings).map(Some) }
    }

    pub(super) async fn get(&self, asked: Asked, path: &str, timeout: Duration) -> Result<Answer, CoordinatorError> {
        self.send(asked, path, None, timeout).await
    }

    /// A POST if there is a body, else a GET.
    pub(super) async fn send(
        &self,
        asked: Asked,
        path: &str,
        body: Option<Vec<u8>>,
        timeout: Duration,
    ) -> Result<Answer, CoordinatorError> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let body = body.unwrap_or_default();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(ACCEPT, format!("{NDJSON}, application/json"))
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| CoordinatorError::Transport(error.into()))?;
        if request.method() == Method::POST {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(token) = self.token().await? {
            request.headers_mut().insert(AUTHORIZATION, token);
        }
        // for traces alone: nothing listens to it otherwise
        let trace = tracing::info_span!(
            target: "sealgate_trace",
            "coordinator",
            otel.kind = "client",
            otel.status_code = field::Empty,
            http.request.method = request.method().as_str(),
            http.response.status_code = field::Empty,
        );
        if let Some(parent) = trace.in_scope(|| TRACE_PARENT.get().and_then(|parent| parent())) {
            request.headers_mut().insert("traceparent", parent);
        }
        let exchange = async {
            let response =
                self.http.request(request).await.map_err(|error| CoordinatorError::Transport(error.into()))?;
            bounded(response).await
        };
        let began = Instant::now();
        let answer = tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(CoordinatorError::Timeout));
        COORDINATOR.count(asked, outcome(&answer), began.elapsed());
        match &answer {
            Ok(answer) => trace.record("http.response.status_code", answer.status.as_u16()),
            Err(_) => trace.record("otel.status_code", "ERROR"),
        };
        answer
    }

    /// The token as it stands in its file now.
    async fn token(&self) -> Result<Option<HeaderValue>, CoordinatorError> {
        let Some(file) = &self.settings.token_file else { return Ok(None) };
        let text = tokio::fs::read_to_string(file).await;
        let text = text.map(Zeroizing::new).map_err(|error| CoordinatorError::File { file: file.clone(), error })?;
        let header = Zeroizing::new(format!("Bearer {}", text.trim()));
        let mut value = HeaderValue::from_str(&header).map_err(|_| setting("token_file", "holds no bearer token"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").field("base", &self.base).finish_non_exhaustive()
    }
}

fn outcome(answer: &Result<Answer, CoordinatorError>) -> Outcome {
    match answer {
        Ok(answer) if answer.status == StatusCode::NOT_FOUND => Outcome::Absent,
        // a server error is that of a proxy as well as its own
        Ok(answer) if answer.status.is_server_error() => Outcome::Unanswered,
        Ok(answer) if answer.status.is_client_error() && answer.status != StatusCode::GONE => Outcome::Refused,
        Ok(_) => Outcome::Answered,
        Err(_) => Outcome::Unanswered,
    }
}

async fn bounded(response: Response<Incoming>) -> Result<Answer, CoordinatorError> {
    let status = response.status();
    let is_lines =
        response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(NDJSON.as_bytes()));
    let said_at =
        response.headers().get(DATE).and_then(|date| OffsetDateTime::parse(date.to_str().ok()?, &Rfc2822).ok());
    let clock = said_at.map(SystemTime::from);
    let mut body = Zeroizing::new(Vec::new());
    let mut incoming = response.into_body();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| CoordinatorError::Transport(error.into()))?;
        let Some(data) = frame.data_ref() else { continue };
        if body.len() + data.len() > ANSWER_BYTES_MAX {
            return Err(CoordinatorError::TooLarge { bytes_max: ANSWER_BYTES_MAX });
        }
        body.extend_from_slice(data);
    }
    Ok(Answer { status, is_lines, date: clock, body })
}

/// The TLS files as they are now.
struct Files {
    ca: Option<Vec<u8>>,
    cert: Option<Vec<u8>>,
    key: Option<Zeroizing<Vec<u8>>>,
}

impl Files {
    fn read(settings: &CoordinatorSettings) -> Result<Self, CoordinatorError> {
        Ok(Self {
            ca: settings.ca_file.as_deref().map(read).transpose()?,
            cert: settings.cert_file.as_deref().map(read).transpose()?,
            key: settings.key_file.as_deref().map(read).transpose()?.map(Zeroizing::new),
        })
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for file in [self.ca.as_deref(), self.cert.as_deref(), self.key.as_deref().map(Vec::as_slice)] {
            let file = file.unwrap_or_default();
            digest.update((file.len() as u64).to_be_bytes());
            digest.update(file);
        }
        digest.finalize().into()
    }

    fn tls(&self) -> Result<ClientConfig, CoordinatorError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| setting("tls", &error.to_string()))?
            .with_root_certificates(self.roots()?);
        let (Some(cert), Some(key)) = (&self.cert, &self.key) else {
            if self.cert.is_some() || self.key.is_some() {
                return Err(setting("tls", "cert and key go together"));
            }
            return Ok(builder.with_no_client_auth());
        };
        let chain = certificates(cert, "tls.cert")?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| setting("tls.key", "holds no PEM private key"))?;
        builder.with_client_auth_cert(chain, key).map_err(|error| setting("tls", &error.to_string()))
    }

    fn roots(&self) -> Result<RootCertStore, CoordinatorError> {
        let mut roots = RootCertStore::empty();
        let Some(ca) = &self.ca else {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            return Ok(roots);
        };
        for certificate in certificates(ca, "tls.ca")? {
            roots.add(certificate).map_err(|_| setting("tls.ca", "holds a certificate that cannot be used"))?;
        }
        Ok(roots)
    }
}

fn certificates(pem: &[u8], field: &'static str) -> Result<Vec<CertificateDer<'static>>, CoordinatorError> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if certificates.is_empty() { Err(setting(field, "holds no PEM certificate")) } else { Ok(certificates) }
}

fn read(file: &Path) -> Result<Vec<u8>, CoordinatorError> {
    std::fs::read(file).map_err(|error| CoordinatorError::File { file: file.to_owned(), error })
}

fn setting(field: &'static str, reason: &str) -> CoordinatorError {
    CoordinatorError::Setting { field, reason: reason.to_owned() }
}

/// A page of 2,000 tenants with several keys each is far below.
const ANSWER_BYTES_MAX: usize = 64 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVE: Duration = Duration::from_secs(30);
const IDLE_MAX: Duration = Duration::from_secs(50);
