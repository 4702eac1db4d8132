//! rustls with aws-lc-rs, as everywhere here: certificates and keys from PEM files.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// The PEM files of one side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// the authorities of the other side
    pub ca: Option<std::path::PathBuf>,
    /// our certificate, and those between it and its authority
    pub cert: Option<std::path::PathBuf>,
    /// its private key
    pub key: Option<std::path::PathBuf>,
}

/// How a client speaks TLS; trusts the system's authorities if no file names others.
///
/// # Errors
/// [`TlsError`] names the file.
pub fn client_config(files: &TlsFiles) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(match &files.ca {
            Some(file) => roots(file)?,
            None => system_roots()?,
        });
    match (&files.cert, &files.key) {
        (Some(cert), Some(key)) => {
            builder.with_client_auth_cert(certificates(cert)?, private_key(key)?).map_err(TlsError::Identity)
        }
        (None, None) => Ok(builder.with_no_client_auth()),
        _ => Err(TlsError::HalfAnIdentity),
    }
}

/// How a server speaks TLS (HTTP/1.1); asks clients for a certificate if `client_ca` says whose to take, and takes those
/// who show none.
///
/// # Errors
/// [`TlsError`] names the file.
pub(super) fn server_config(cert: &Path, key: &Path, client_ca: Option<&Path>) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(file)?), provider());
            builder.with_client_cert_verifier(
                verifier.allow_unauthenticated().build().map_err(|_| unreadable(file, "no usable certificate"))?,
            )
        }
    };
    let mut config = builder.with_single_cert(certificates(cert)?, private_key(key)?).map_err(TlsError::Identity)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|_| unreadable(file, "no usable certificate"))?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsError::NoSystemRoots) } else { Ok(roots) }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = std::fs::read(file).map_err(|error| unreadable(file, &error.to_string()))?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|_| unreadable(file, "no PEM certificate"))?;
    if certificates.is_empty() { Err(unreadable(file, "no PEM certificate")) } else { Ok(certificates) }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = std::fs::read(file).map(zeroize::Zeroizing::new);
    let pem = pem.map_err(|error| unreadable(file, &error.to_string()))?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| unreadable(file, "no PEM private key"))
}

fn unreadable(file: &Path, reason: &str) -> TlsError {
    TlsError::File { file: file.display().to_string(), reason: reason.to_owned() }
}

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// a file that cannot be read, or holds something else
    #[error("{file}: {reason}")]
    File {
        /// the file
        file: String,
        /// why
        reason: String,
    },
    /// a certificate without its key, or the other way round
    #[error("a certificate and its key are given together")]
    HalfAnIdentity,
    /// without a file the system must know some
    #[error("the system has no root certificates, name a file")]
    NoSystemRoots,
    /// certificate and key do not belong together
    #[error("certificate and key cannot be used together")]
    Identity(#[source] rustls::Error),
    /// no version of TLS
    #[error("no TLS version can be offered")]
    Setup(#[source] rustls::Error),
}
