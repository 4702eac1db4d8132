//! Connections to the store: TCP, or TLS with the system's authorities or one's own.

use std::path::Path;
use std::sync::Arc;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::settings::{S3Settings, Timeouts};

/// What makes connections.
pub(super) type Connector = HttpsConnector<HttpConnector>;

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
    Ok(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp))
}

fn tcp(timeouts: &Timeouts) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(timeouts.connect));
    tcp.enforce_http(false);
    tcp
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
