use std::fs;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

use super::*;

fn pki(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/kmip/pki").join(name)
}

/// A folder with `cert` and `key` of these names.
fn folder(cert: &str, key: &str) -> (TempDir, TlsFiles) {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(pki(cert), folder.path().join("cert")).unwrap();
    fs::copy(pki(key), folder.path().join("key")).unwrap();
    let files = TlsFiles { cert: folder.path().join("cert"), key: folder.path().join("key"), client_ca: None };
    (folder, files)
}

/// A client that trusts the test authority, offers these protocols, and may show a certificate.
fn client(protocols: &[&[u8]], shows: Option<(&str, &str)>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(Path::new("ca"), &fs::read(pki("ca.crt")).unwrap()).unwrap());
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match shows {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let chain = certificates(Path::new("client"), &fs::read(pki(cert)).unwrap()).unwrap();
            let key = PrivateKeyDer::from_pem_file(pki(key)).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

/// One connection: what the client got from the server, the protocol, and the server's view of the version.
async fn meet(identity: &Identity, client: &TlsConnector) -> io::Result<(Vec<u8>, Option<Vec<u8>>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        let (connection, _) = listener.accept().await.unwrap();
        if let Ok(mut transport) = identity.shake(connection).await {
            let version = Identity::version(&transport).unwrap();
            transport.write_all(version.as_bytes()).await.ok();
            transport.shutdown().await.ok();
        }
    };
    let asking = async {
        let connection = TcpStream::connect(address).await?;
        let mut transport = client.connect(ServerName::try_from("localhost").unwrap(), connection).await?;
        let protocol = transport.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        let mut said = Vec::new();
        transport.read_to_end(&mut said).await?;
        Ok((said, protocol))
    };
    tokio::join!(server, asking).1
}

#[tokio::test]
async fn http_2_is_preferred_and_http_1_is_spoken() {
    let (_folder, files) = folder("server.crt", "server.pkcs8.key");
    let identity = Identity::open(files).unwrap();
    let (said, protocol) = meet(&identity, &client(&[b"http/1.1", b"h2"], None)).await.unwrap();
    assert_eq!((said.as_slice(), protocol.unwrap().as_slice()), (b"TLSv1.3".as_slice(), b"h2".as_slice()));
    let (_, protocol) = meet(&identity, &client(&[b"http/1.1"], None)).await.unwrap();
    assert_eq!(protocol.unwrap(), b"http/1.1");
    assert!(meet(&identity, &client(&[], None)).await.is_ok());
}

#[tokio::test]
async fn with_authorities_a_client_must_show_a_certificate_of_theirs() {
    let (_folder, files) = folder("server.crt", "server.pkcs8.key");
    let identity = Identity::open(TlsFiles { client_ca: Some(pki("ca.crt")), ..files.clone() }).unwrap();
    let known = Some(("client-p256.crt", "client-p256.pkcs8.key"));
    assert!(meet(&identity, &client(&[], known)).await.is_ok());
    assert!(meet(&identity, &client(&[], None)).await.is_err());
    let other = Identity::open(TlsFiles { client_ca: Some(pki("other-ca.crt")), ..files }).unwrap();
    assert!(meet(&other, &client(&[], known)).await.is_err());
    assert!(meet(&other.for_any_client().unwrap(), &client(&[], None)).await.is_ok());
}

#[tokio::test]
async fn a_renewed_certificate_counts_for_new_connections() {
    let (folder, files) = folder("server.crt", "server.pkcs8.key");
    let identity = Identity::open(files).unwrap();
    assert!(!identity.reload().unwrap(), "nothing changed");
    fs::copy(pki("client-p256.crt"), folder.path().join("cert")).unwrap();
    fs::copy(pki("client-p256.pkcs8.key"), folder.path().join("key")).unwrap();
    assert!(identity.reload().unwrap());
    assert!(meet(&identity, &client(&[], None)).await.is_err(), "it is now for another name");
}

#[tokio::test]
async fn a_broken_renewal_leaves_the_certificate_in_force() {
    let (folder, files) = folder("server.crt", "server.pkcs8.key");
    let identity = Identity::open(files).unwrap();
    fs::copy(pki("client-p256.crt"), folder.path().join("cert")).unwrap();
    assert!(matches!(identity.reload().unwrap_err(), TlsError::Pair(_)), "half of a pair");
    fs::write(folder.path().join("cert"), "no certificate").unwrap();
    assert!(matches!(identity.reload().unwrap_err(), TlsError::Pem { what: "certificate", .. }));
    fs::remove_file(folder.path().join("cert")).unwrap();
    assert!(matches!(identity.reload().unwrap_err(), TlsError::Read { .. }));
    assert!(meet(&identity, &client(&[], None)).await.is_ok());
    assert!(identity.not_after() > SystemTime::now());
}
