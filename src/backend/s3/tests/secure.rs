//! TLS to the store: its certificate must be of an authority that the configuration names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::uri::Scheme;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::super::*;
use super::settings;
use crate::backend::BackendError;

fn pki(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/kmip/pki").join(name)
}

/// Answers every request over TLS with an empty success; tells the port.
async fn secure_store() -> u16 {
    let chain =
        CertificateDer::pem_file_iter(pki("server.crt")).unwrap().map(|certificate| certificate.unwrap()).collect();
    let key = PrivateKeyDer::from_pem_file(pki("server.pkcs8.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            let Ok(mut transport) = acceptor.accept(connection).await else { continue };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && transport.read_buf(&mut head).await.is_ok_and(|read| read > 0) {}
            transport.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await.ok();
            transport.shutdown().await.ok();
        }
    });
    port
}

async fn asked(ca_file: &str) -> Result<BucketInfo> {
    let port = secure_store().await;
    let mut settings = settings(&format!("localhost:{port}"), "id", "secret");
    settings.endpoint.scheme = Scheme::HTTPS;
    settings.ca_file = Some(pki(ca_file));
    S3Store::new(settings).await.unwrap().head_bucket(&BucketName::new("b")).await
}

#[tokio::test]
async fn a_store_of_ones_own_authority_is_trusted() {
    asked("ca.crt").await.unwrap();
}

#[tokio::test]
async fn a_store_of_another_authority_is_not_spoken_to() {
    let refused = asked("other-ca.crt").await;
    assert!(matches!(refused, Err(BackendError::Unavailable(_))), "{refused:?}");
}
