//! How the administrator's commands call a Coordinator.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::coordinator::read_secret;
use crate::coordinator::tls::{self, TlsFiles};
use crate::coordinator_api::Problem;
use crate::outbound::Outbound;

/// Where the Coordinator is, and who calls. A token may also come in `SEALGATE_COORDINATOR_TOKEN`.
#[derive(Debug, Args)]
pub(super) struct Remote {
    /// The Coordinator
    #[arg(
        global = true,
        long,
        env = "SEALGATE_COORDINATOR_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8002"
    )]
    url: Uri,
    /// File with the token [default: the variable `SEALGATE_COORDINATOR_TOKEN`]
    #[arg(global = true, long, env = "SEALGATE_COORDINATOR_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The authorities of the Coordinator's certificate, PEM [default: the system's]
    #[arg(global = true, long, env = "SEALGATE_COORDINATOR_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A client certificate, PEM, in place of a token
    #[arg(global = true, id = "client_cert", long = "cert", value_name = "FILE", requires = "client_key")]
    cert: Option<PathBuf>,
    /// The private key of the client certificate, PEM
    #[arg(global = true, id = "client_key", long = "key", value_name = "FILE", requires = "client_cert")]
    key: Option<PathBuf>,
    /// Print JSON
    #[arg(global = true, long)]
    pub(super) json: bool,
}

impl Remote {
    /// Makes one call; gives the answer's status and body.
    pub(super) fn call(&self, call: Call<'_>) -> anyhow::Result<(StatusCode, Bytes)> {
        self.check_plain()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (status, body) = runtime.block_on(async {
            let answer = tokio::time::timeout(TIMEOUT, self.send(call));
            answer.await.context("no answer in time")?
        })?;
        if status.is_success() {
            return Ok((status, body));
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => bail!("{} ({}, {})", problem.detail, status.as_u16(), problem.code),
            Err(_) => bail!("the answer was {status}"),
        }
    }

    /// Makes one call; gives the answer as what it is.
    pub(super) fn fetch<T: DeserializeOwned>(&self, call: Call<'_>) -> anyhow::Result<T> {
        let (_, body) = self.call(call)?;
        // the message would quote the answer, which may hold secrets
        serde_json::from_slice(&body).map_err(|error| {
            anyhow::anyhow!("the answer cannot be read, at line {}, column {}", error.line(), error.column())
        })
    }

    async fn send(&self, call: Call<'_>) -> anyhow::Result<(StatusCode, Bytes)> {
        let files = TlsFiles { ca: self.ca.clone(), cert: self.cert.clone(), key: self.key.clone() };
        let tls = match self.url.scheme_str() {
            Some("http") => rustls_without_roots()?,
            _ => tls::client_config(&files)?,
        };
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Outbound::new(tcp));
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
        let base = self.url.to_string();
        let mut request = Request::builder()
            .method(call.method)
            .uri(format!("{}{}", base.trim_end_matches('/'), call.path))
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json");
        if let Some((name, value)) = call.condition {
            request = request.header(name, value);
        }
        if let Some(token) = self.token()? {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.as_str())).context("the token")?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let answer = client.request(request.body(Full::from(call.body))?).await;
        let answer = answer.with_context(|| format!("the Coordinator at {} cannot be asked", self.url))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| anyhow::anyhow!("the answer did not come whole, or is too long"))?;
        Ok((status, body.to_bytes()))
    }

    fn token(&self) -> anyhow::Result<Option<Zeroizing<String>>> {
        match &self.token_file {
            Some(file) => read_secret(file).map(Some),
            None => Ok(std::env::var("SEALGATE_COORDINATOR_TOKEN").ok().map(Zeroizing::new)),
        }
    }

    /// A token in clear is for this machine alone.
    fn check_plain(&self) -> anyhow::Result<()> {
        let host = self.url.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_here = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        match self.url.scheme_str() {
            Some("https") => Ok(()),
            Some("http") if is_here => Ok(()),
            _ => bail!("the URL must start with https://, or with http:// and name a loopback address"),
        }
    }
}

/// One call.
pub(super) struct Call<'a> {
    method: Method,
    path: &'a str,
    condition: Option<(HeaderName, &'static str)>,
    body: Vec<u8>,
}

impl<'a> Call<'a> {
    pub(super) fn new(method: Method, path: &'a str) -> Self {
        Self { method, path, condition: None, body: Vec::new() }
    }

    /// A tenant that must not be there.
    pub(super) fn on_absent(self) -> Self {
        Self { condition: Some((http::header::IF_NONE_MATCH, "*")), ..self }
    }

    /// A tenant that must be there, however it is.
    pub(super) fn on_present(self) -> Self {
        Self { condition: Some((http::header::IF_MATCH, "*")), ..self }
    }

    pub(super) fn with(self, body: &impl Serialize) -> anyhow::Result<Self> {
        Ok(Self { body: serde_json::to_vec(body)?, ..self })
    }
}

/// For plain HTTP: nobody is trusted, and nobody asked.
fn rustls_without_roots() -> anyhow::Result<rustls::ClientConfig> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

const TIMEOUT: Duration = Duration::from_mins(1);
/// A page of 1,000 tenants with 100 versions each is far below.
const ANSWER_BYTES_MAX: usize = 64 << 20;
