//! Traces over OTLP (HTTP and protobuf), off unless configured: one span a request, one within it for each call of the
//! store.
//!
//! They are spans of their own ([`TARGET`]), apart from those of log lines: without a collector nothing listens to them,
//! so that each costs one look at a flag. They name operation, status, sizes, the request's id, tenant and access key;
//! never a path, a query, a header or anything secret. What the collector does not take in time is dropped: at most
//! [`QUEUE_MAX`] spans wait.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_http::{HeaderExtractor, HeaderInjector, HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;
use tracing::{Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::{Layer, Registry};
use zeroize::Zeroizing;

use super::request::Ended;
use crate::outbound::Outbound;

/// The target of spans that are made for traces alone; log lines never show it.
pub const TARGET: &str = "sealgate_trace";

/// Where traces go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// the collector: `https://host[:port]`; traces go to `/v1/traces` there
    pub endpoint: String,
    /// how many of a million requests are told of
    pub sampled_of_million: u32,
    /// the authorities of its certificate, PEM; the system's if none is said
    pub ca_file: Option<PathBuf>,
    /// the file of a bearer token, read for every batch
    pub token_file: Option<PathBuf>,
}

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// the authorities cannot be read
    #[error("the certificates in {} cannot be read", .0.display())]
    CaFile(PathBuf),
    /// TLS cannot be set up
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// the settings make no sense to the exporter
    #[error("the exporter cannot be made")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// Traces on their way. Ends with [`Traces::end`].
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Sends from now on, over connections that run on the runtime this is called in.
    ///
    /// # Errors
    /// [`TracesError`]; whether the collector answers is not asked.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn start(settings: &Settings, version: &'static str) -> Result<Self, TracesError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(settings)?)
            .with_endpoint(format!("{}/v1/traces", settings.endpoint.trim_end_matches('/')))
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        let batches = BatchConfigBuilder::default().with_max_queue_size(QUEUE_MAX).with_scheduled_delay(DELAY).build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let version = opentelemetry::KeyValue::new("service.version", version);
        let resource = Resource::builder_empty().with_service_name("sealgate").with_attribute(version).build();
        let sampler = Sampler::TraceIdRatioBased(f64::from(settings.sampled_of_million) / 1e6);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_resource(resource)
            .build();
        Ok(Self { provider })
    }

    /// What turns spans into traces.
    pub(super) fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        let layer = tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("sealgate"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(TARGET, LevelFilter::INFO));
        Box::new(layer)
    }

    /// Sends what waits and ends. Blocks for some seconds at most.
    pub fn end(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(END_TIMEOUT) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").finish_non_exhaustive()
    }
}

/// The span of a request; nothing if there are no traces.
#[must_use]
pub fn request_span(id: &str, method: &str) -> Span {
    tracing::info_span!(
        target: TARGET,
        "request",
        otel.kind = "server",
        otel.status_code = field::Empty,
        rpc.system = "aws-api",
        rpc.service = "S3",
        rpc.method = field::Empty,
        http.request.method = method,
        http.response.status_code = field::Empty,
        http.request.body.size = field::Empty,
        http.response.body.size = field::Empty,
        error.type = field::Empty,
        aws.request_id = id,
        sealgate.tenant = field::Empty,
        sealgate.access_key_id = field::Empty,
        sealgate.is_whole = field::Empty,
    )
}

/// Makes a request's span part of the trace that its headers `traceparent` and `tracestate` name, if they name one. What
/// that says of sampling holds for the span too.
pub fn adopt(span: &Span, headers: &HeaderMap) {
    if span.is_disabled() {
        return;
    }
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers));
    if parent.span().span_context().is_valid() && span.set_parent(parent).is_err() {
        tracing::debug!("a trace could not be taken over");
    }
}

/// What the header `traceparent` of a request to others says: the span that is entered; nothing if it is no span of a
/// trace.
#[must_use]
pub fn parent() -> Option<HeaderValue> {
    let span = Span::current();
    if span.metadata()?.target() != TARGET {
        return None;
    }
    let mut headers = HeaderMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut HeaderInjector(&mut headers));
    headers.remove(TRACE_PARENT)
}

/// Tells a request's span how it ended.
pub fn record(span: &Span, ended: &Ended) {
    if span.is_disabled() {
        return;
    }
    span.record("rpc.method", ended.facts.operation());
    span.record("http.response.status_code", ended.status);
    span.record("http.request.body.size", ended.received_bytes);
    span.record("http.response.body.size", ended.sent_bytes);
    span.record("sealgate.is_whole", ended.is_whole);
    if let Some(code) = &ended.error_code {
        span.record("error.type", code.as_str());
    }
    if ended.status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
    if let Some(principal) = ended.facts.principal() {
        span.record("sealgate.tenant", principal.tenant.as_str());
        span.record("sealgate.access_key_id", principal.access_key.as_str());
    }
}

/// The way to the collector: the TLS and HTTP that everything else here uses.
#[derive(Clone)]
struct Collector {
    http: Client<HttpsConnector<Outbound<HttpConnector>>, Full<Bytes>>,
    token_file: Option<PathBuf>,
    runtime: Handle,
    /// the last batch was not taken, which was told
    is_failing: Arc<AtomicBool>,
}

impl Collector {
    fn new(settings: &Settings) -> Result<Self, TracesError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots(settings)?)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(EXPORT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Outbound::new(tcp));
        Ok(Self {
            http: Client::builder(TokioExecutor::new()).build(connector),
            token_file: settings.token_file.clone(),
            runtime: Handle::current(),
            is_failing: Arc::default(),
        })
    }

    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        if let Some(file) = &self.token_file {
            request.headers_mut().insert(AUTHORIZATION, token(file).await?);
        }
        let (head, body) = self.http.request(request.map(Full::new)).await?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    /// Tells of the first failure in a row.
    fn note(&self, outcome: &Result<Response<Bytes>, HttpError>) {
        let is_taken = outcome.as_ref().is_ok_and(|answer| answer.status().is_success());
        if self.is_failing.swap(!is_taken, Ordering::Relaxed) || is_taken {
            return;
        }
        match outcome {
            Ok(answer) => tracing::warn!(status = answer.status().as_u16(), "the collector does not take traces"),
            Err(error) => tracing::warn!(%error, "the collector of traces does not answer"),
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    /// Called on a thread of the exporter's own, which has no runtime.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let collector = self.clone();
        let sending = self.runtime.spawn(async move {
            let sent = tokio::time::timeout(EXPORT_TIMEOUT, collector.send(request)).await;
            let outcome = sent.unwrap_or_else(|late| Err(late.into()));
            collector.note(&outcome);
            outcome
        });
        sending.await?
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").finish_non_exhaustive()
    }
}

async fn token(file: &Path) -> Result<HeaderValue, HttpError> {
    let text = Zeroizing::new(tokio::fs::read_to_string(file).await?);
    let mut value = HeaderValue::from_str(&Zeroizing::new(format!("Bearer {}", text.trim())))?;
    value.set_sensitive(true);
    Ok(value)
}

fn roots(settings: &Settings) -> Result<RootCertStore, TracesError> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = &settings.ca_file {
        let broken = |_| TracesError::CaFile(file.clone());
        for certificate in CertificateDer::pem_file_iter(file).map_err(broken)? {
            roots.add(certificate.map_err(broken)?)?;
        }
    } else if settings.endpoint.starts_with("https:") {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    Ok(roots)
}

const TRACE_PARENT: &str = "traceparent";
/// So many spans wait to be sent; further ones are dropped.
pub const QUEUE_MAX: usize = 4_096;
const DELAY: Duration = Duration::from_secs(2);
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
const END_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::telemetry::log;

    #[test]
    fn without_a_collector_there_are_no_spans_whatever_is_logged() {
        let subscriber = tracing_subscriber::registry().with(log::filter("trace").unwrap());
        tracing::subscriber::with_default(subscriber, || assert!(request_span("1", "GET").is_disabled()));
    }
}
