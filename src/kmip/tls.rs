//! Mutual TLS with the KMS: rustls with aws-lc-rs, TLS 1.3 and 1.2.
//!
//! aws-lc-rs is the one provider because KMIP servers issue P-521 client keys, which ring cannot load. Sessions are not
//! resumed: each connection proves both sides anew. Texts of errors never hold any part of a key or certificate.

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};

use super::config::TlsConfig;

/// The TLS settings of every connection to the KMS.
pub(super) fn client_config(tls: &TlsConfig) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(provider(&tls.cipher_suites)?);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?;
    let builder = if tls.insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(TakeAny(provider)))
    } else {
        builder.with_root_certificates(roots(tls.ca.as_deref())?)
    };
    let chain = certificates(&tls.cert).ok_or(TlsError::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(tls.key.expose().as_bytes()).map_err(|_| TlsError::PrivateKey)?;
    let mut config = builder.with_client_auth_cert(chain, key).map_err(TlsError::Identity)?;
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// The name that the KMS's certificate must be for, if it is not the address's.
pub(super) fn server_name(text: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(text.to_owned()).map_err(|_| TlsError::ServerName(text.to_owned()))
}

/// Why the TLS section cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No key, or none that can be read. Its contents are not shown.
    #[error("tls.key holds no PEM private key in PKCS#8, PKCS#1 or SEC1 form (line breaks are written \\n in JSON)")]
    PrivateKey,
    /// No certificate, or none that can be read.
    #[error("tls.cert holds no PEM certificate (line breaks are written \\n in JSON)")]
    Certificate,
    /// No authority, or none that can be read.
    #[error("tls.ca holds no PEM certificate (line breaks are written \\n in JSON)")]
    Authority,
    /// Without `tls.ca` the system must know some.
    #[error("the system has no root certificates, set tls.ca")]
    NoSystemRoots,
    /// Key and certificate do not belong together, or are of a kind that is not known.
    #[error("tls.key and tls.cert cannot be used together")]
    Identity(#[source] rustls::Error),
    /// A number that is no suite, or none that is safe.
    #[error("tls.cipher_suites: {0} ({0:#06x}) is not supported, use {known}", known = known_suites())]
    UnknownCipherSuite(u16),
    /// No name and no IP address.
    #[error("`{0}` is no server name")]
    ServerName(String),
    /// The suites left allow no version of TLS.
    #[error("no TLS version can be offered")]
    Setup(#[source] rustls::Error),
}

/// The provider with these suites only, in its own order of preference; with all if none is named.
fn provider(numbers: &[u16]) -> Result<CryptoProvider, TlsError> {
    let mut provider = aws_lc_rs::default_provider();
    let known = |number: &u16| provider.cipher_suites.iter().any(|suite| u16::from(suite.suite()) == *number);
    if let Some(unknown) = numbers.iter().find(|number| !known(number)) {
        return Err(TlsError::UnknownCipherSuite(*unknown));
    }
    if !numbers.is_empty() {
        provider.cipher_suites.retain(|suite| numbers.contains(&u16::from(suite.suite())));
    }
    Ok(provider)
}

fn known_suites() -> String {
    let numbers = aws_lc_rs::default_provider().cipher_suites;
    numbers.iter().map(|suite| u16::from(suite.suite()).to_string()).collect::<Vec<_>>().join(", ")
}

fn roots(ca: Option<&str>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = ca.filter(|pem| !pem.trim().is_empty()) {
        for certificate in certificates(pem).ok_or(TlsError::Authority)? {
            roots.add(certificate).map_err(|_| TlsError::Authority)?;
        }
        return Ok(roots);
    }
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(TlsError::NoSystemRoots);
    }
    Ok(roots)
}

/// All certificates of a PEM text; none if there is none or one cannot be read.
fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>().ok()?;
    Some(certificates).filter(|certificates| !certificates.is_empty())
}

/// `insecure_skip_verify`: whatever certificate the server shows, but it must own its key.
#[derive(Debug)]
struct TakeAny(Arc<CryptoProvider>);

impl ServerCertVerifier for TakeAny {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // what cannot be read could not have its handshake signature checked either
        rustls::server::ParsedCertificate::try_from(end_entity)
            .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
