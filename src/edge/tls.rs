//! TLS in front of HTTP: rustls with aws-lc-rs, TLS 1.2 and 1.3, HTTP/1.1 and HTTP/2 by ALPN.
//!
//! Certificates are files in PEM. [`Identity::reload`] reads them again and puts them in force if they changed and are
//! good; connections that stand keep theirs. With authorities for clients every client must show a certificate.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ProtocolVersion, RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use zeroize::Zeroizing;

use super::listener::Handshake;

/// The files of a listener's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// the certificate and its chain
    pub cert: PathBuf,
    /// the private key
    pub key: PathBuf,
    /// the authorities of clients' certificates
    pub client_ca: Option<PathBuf>,
}

/// Why files cannot serve as a certificate. Never holds any part of them.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// a file cannot be read
    #[error("cannot read {}", file.display())]
    Read {
        /// the file
        file: PathBuf,
        /// why
        #[source]
        error: io::Error,
    },
    /// no PEM of the wanted kind
    #[error("{} holds no {what} in PEM", file.display())]
    Pem {
        /// the file
        file: PathBuf,
        /// what was looked for
        what: &'static str,
    },
    /// certificate and key do not belong together, or are of an unknown kind
    #[error("certificate and key cannot be used together")]
    Pair(#[source] rustls::Error),
    /// the authorities cannot be used
    #[error("the authorities of clients' certificates cannot be used")]
    Authorities(#[source] rustls::client::VerifierBuilderError),
    /// the certificate cannot be understood
    #[error("{} is no X.509 certificate", .0.display())]
    Certificate(PathBuf),
}

/// A certificate in force, renewed in place. Cloning shares it.
#[derive(Clone)]
pub struct Identity {
    files: TlsFiles,
    live: Arc<ArcSwap<Live>>,
    /// one reload at a time
    reloading: Arc<Mutex<()>>,
}

struct Live {
    config: Arc<ServerConfig>,
    digest: [u8; 32],
    not_after: SystemTime,
}

impl Identity {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] if they cannot be used.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let live = Live::read(&files)?;
        Ok(Self { files, live: Arc::new(ArcSwap::from_pointee(live)), reloading: Arc::default() })
    }

    /// Reads the files again; whether something changed. What was in force stays if they cannot be used.
    ///
    /// # Errors
    /// [`TlsError`] as from [`Identity::open`].
    pub fn reload(&self) -> Result<bool, TlsError> {
        let _one = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let live = Live::read(&self.files)?;
        if live.digest == self.live.load().digest {
            return Ok(false);
        }
        self.live.store(Arc::new(live));
        Ok(true)
    }

    /// When the certificate expires.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.live.load().not_after
    }

    /// The same certificate without asking clients for theirs.
    ///
    /// # Errors
    /// [`TlsError`] if the files have become unusable.
    pub fn for_any_client(&self) -> Result<Self, TlsError> {
        Self::open(TlsFiles { client_ca: None, ..self.files.clone() })
    }
}

impl Handshake for Identity {
    type Transport = TlsStream<TcpStream>;

    async fn shake(&self, connection: TcpStream) -> io::Result<Self::Transport> {
        let config = Arc::clone(&self.live.load().config);
        TlsAcceptor::from(config).accept(connection).await
    }

    fn version(transport: &Self::Transport) -> Option<&'static str> {
        match transport.get_ref().1.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => Some("TLSv1.2"),
            Some(ProtocolVersion::TLSv1_3) => Some("TLSv1.3"),
            _ => None,
        }
    }
}

impl Live {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let mut digest = Sha256::new();
        let mut text = |file: &Path| {
            let text = std::fs::read(file).map_err(|error| TlsError::Read { file: file.to_owned(), error })?;
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(&text);
            Ok::<_, TlsError>(Zeroizing::new(text))
        };
        let chain = certificates(&files.cert, &text(&files.cert)?)?;
        let not_after = not_after(&files.cert, &chain)?;
        let missing_key = |_| TlsError::Pem { file: files.key.clone(), what: "private key" };
        let key = PrivateKeyDer::from_pem_slice(&text(&files.key)?).map_err(missing_key)?;
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Pair)?;
        let builder = match &files.client_ca {
            None => builder.with_no_client_auth(),
            Some(file) => builder.with_client_cert_verifier(verifier(certificates(file, &text(file)?)?)?),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), digest: digest.finalize().into(), not_after })
    }
}

fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let missing = || TlsError::Pem { file: file.to_owned(), what: "certificate" };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| missing())?;
    if chain.is_empty() { Err(missing()) } else { Ok(chain) }
}

fn verifier(
    authorities: Vec<CertificateDer<'static>>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    verifier.map(|verifier| verifier as _).map_err(TlsError::Authorities)
}

fn not_after(file: &Path, chain: &[CertificateDer<'_>]) -> Result<SystemTime, TlsError> {
    first_end(chain).ok_or_else(|| TlsError::Certificate(file.to_owned()))
}

/// The first end among a chain's certificates; none if there is no certificate, or one that cannot be understood.
#[must_use]
pub fn first_end(chain: &[CertificateDer<'_>]) -> Option<SystemTime> {
    let mut first = None;
    for der in chain {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
        let end = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
        first = Some(first.map_or(end, |first: u64| first.min(end)));
    }
    Some(UNIX_EPOCH + Duration::from_secs(first?))
}

#[cfg(test)]
mod tests;
