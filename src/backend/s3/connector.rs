//! Connections to the store: TCP, or TLS with the system's authorities or one's own.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::settings::{S3Settings, Timeouts};
use crate::outbound::{Outbound, is_below_localhost};

/// What makes connections.
pub(super) type Connector = HttpsConnector<Outbound<HttpConnector<Resolver>>>;

/// The connections cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// a file that cannot be read or is no PEM
    #[error("the certificates in {file} cannot be read")]
    CaFile {
        /// which
        file: String,
        /// why
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// nothing to check the server's certificate with
    #[error("no certificate authority: name one in backend.ca_file")]
    NoAuthority,
    /// TLS cannot be set up
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// The connector for a store.
pub(super) fn connector(settings: &S3Settings) -> Result<Connector, ConnectorError> {
    let is_tls = settings.endpoint.scheme == http::uri::Scheme::HTTPS;
    let roots = if is_tls { authorities(settings.ca_file.as_deref())? } else { RootCertStore::empty() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = tcp(&settings.timeouts);
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(Outbound::new(tcp)))
}

fn tcp(timeouts: &Timeouts) -> HttpConnector<Resolver> {
    let mut tcp = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(timeouts.connect));
    tcp.enforce_http(false);
    tcp
}

/// Asks the system for addresses, but for names under `localhost`, which are loopback everywhere (RFC 6761, section 6.3):
/// so a store on the same host can be named as `bucket.localhost`.
#[derive(Clone)]
pub(super) struct Resolver(GaiResolver);

impl tower_service::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        if is_below_localhost(name.as_str()) {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            return Box::pin(std::future::ready(Ok(vec![address].into_iter())));
        }
        let asked = self.0.call(name);
        Box::pin(async move { Ok(asked.await?.collect::<Vec<_>>().into_iter()) })
    }
}

fn authorities(file: Option<&Path>) -> Result<RootCertStore, ConnectorError> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = file {
        let broken = |source| ConnectorError::CaFile { file: file.display().to_string(), source };
        for certificate in CertificateDer::pem_file_iter(file).map_err(broken)? {
            roots.add(certificate.map_err(broken)?)?;
        }
    } else {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "some authorities of the system cannot be read");
        }
        roots.add_parsable_certificates(found.certs);
    }
    if roots.is_empty() { Err(ConnectorError::NoAuthority) } else { Ok(roots) }
}
