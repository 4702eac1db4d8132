use std::{future::Future, net::SocketAddr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::*;
use crate::kmip::{
    messages::Operation,
    testing::{self, attributes, key, located, pki, refused},
};

const TENANT: &str = "67f1adf3-08e5-4eea-94e3-e611f263c87b";

/// A server whose connections each run a script. It ends with the test.
struct Peer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    /// Calls `script` with each connection and its number.
    async fn start<F, Fut>(script: F) -> Self
    where
        F: Fn(usize, Wire) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = acceptor();
        let task = tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                if let Ok(stream) = acceptor.accept(stream).await {
                    tokio::spawn(script(number, Wire(stream)));
                }
            }
        });
        Self { address, task }
    }

    fn config(&self) -> Config {
        testing::config(&self.address.to_string())
    }

    fn client(&self) -> Client {
        Client::new(&self.config()).unwrap()
    }
}

/// The server's end of a connection.
struct Wire(TlsStream<TcpStream>);

impl Wire {
    /// A whole request; none when the client is gone.
    async fn request(&mut self) -> Option<Vec<u8>> {
        let mut request = vec![0; 8];
        self.0.read_exact(&mut request).await.ok()?;
        let length = u32::from_be_bytes(request[4..].try_into().unwrap());
        request.resize(8 + usize::try_from(length).unwrap(), 0);
        self.0.read_exact(&mut request[8..]).await.ok()?;
        Some(request)
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.ok();
        self.0.flush().await.ok();
    }

    async fn answer(&mut self, bytes: &[u8]) -> Option<()> {
        self.request().await?;
        self.send(bytes).await;
        Some(())
    }

    /// Answers a whole lookup; none when the client is gone.
    async fn give_key(&mut self) -> Option<()> {
        self.answer(&located(&["1"])).await?;
        self.answer(&attributes("1", TENANT, 2)).await?;
        self.answer(&key("1", STANDARD.encode([7; 48]).as_bytes())).await
    }

    async fn give_keys(mut self) {
        while self.give_key().await.is_some() {}
    }

    async fn end(mut self) {
        self.0.shutdown().await.ok();
    }

    /// Keeps the connection open and silent until the client goes.
    async fn stall(mut self) {
        self.0.read_to_end(&mut Vec::new()).await.ok();
    }
}

fn acceptor() -> TlsAcceptor {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pki("ca.crt").as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider)).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(pki("server.crt").as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(pki("server.pkcs8.key").as_bytes()).unwrap(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// An address where nobody listens.
async fn dead_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn kms_error(outcome: Result<Found, LookupError>) -> KmsError {
    match outcome.unwrap_err() {
        LookupError::Kms(error) => error,
        other @ (LookupError::NoSuchKey(_) | LookupError::Withheld { .. }) => panic!("{other}"),
    }
}

#[tokio::test]
async fn lookups_one_after_another_share_one_connection() {
    let (connected, mut connections) = mpsc::unbounded_channel();
    let peer = Peer::start(move |number, wire| {
        connected.send(number).unwrap();
        wire.give_keys()
    })
    .await;
    let client = peer.client();
    for _ in 0..3 {
        assert_eq!(client.lookup(TENANT).await.unwrap().seed.expose(), [7; 48]);
    }
    assert_eq!(connections.recv().await, Some(0));
    assert!(connections.try_recv().is_err());
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_idle_is_reopened() {
    let (closed, mut closings) = mpsc::unbounded_channel();
    let peer = Peer::start(move |_, mut wire| {
        let closed = closed.clone();
        async move {
            wire.give_key().await;
            wire.end().await;
            closed.send(()).unwrap();
        }
    })
    .await;
    let client = peer.client();
    for _ in 0..3 {
        assert_eq!(client.lookup(TENANT).await.unwrap().seed.expose(), [7; 48]);
        closings.recv().await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_is_reopened_once_only() {
    let (connected, mut connections) = mpsc::unbounded_channel();
    let peer = Peer::start(move |number, mut wire| {
        connected.send(number).unwrap();
        async move {
            wire.answer(&located(&["1"])).await;
            wire.end().await;
        }
    })
    .await;
    let error = kms_error(peer.client().lookup(TENANT).await);
    assert!(matches!(error, KmsError::Read(_) | KmsError::Write(_)), "{error:?}");
    assert_eq!((connections.recv().await, connections.recv().await), (Some(0), Some(1)));
    assert!(connections.try_recv().is_err());
}

#[tokio::test]
async fn a_fresh_connection_that_is_closed_unanswered_is_not_opened_again() {
    let (connected, mut connections) = mpsc::unbounded_channel();
    let peer = Peer::start(move |number, mut wire| {
        connected.send(number).unwrap();
        async move {
            wire.request().await;
            wire.end().await;
        }
    })
    .await;
    let error = kms_error(peer.client().lookup(TENANT).await);
    assert_eq!(error.to_string(), "error reading kms response");
    assert_eq!(connections.recv().await, Some(0));
    assert!(connections.try_recv().is_err());
}

#[tokio::test]
async fn an_answer_that_is_cut_is_an_error_of_reading() {
    let peer = Peer::start(|_, mut wire| async move {
        wire.request().await;
        let answer = located(&["1"]);
        wire.send(&answer[..answer.len() - 1]).await;
        wire.end().await;
    })
    .await;
    let error = kms_error(peer.client().lookup(TENANT).await);
    assert_eq!(error.to_string(), "error reading kms response");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let peer = Peer::start(|_, mut wire| async move {
        wire.request().await;
        wire.stall().await;
    })
    .await;
    let mut client = peer.client();
    client.answer_timeout = Duration::from_millis(100);
    let error = kms_error(client.lookup(TENANT).await);
    assert!(matches!(error, KmsError::Read(TransportError::Timeout { .. })), "{error:?}");
}

#[tokio::test]
async fn a_server_that_drips_bytes_gains_no_time_by_it() {
    let peer = Peer::start(|_, mut wire| async move {
        wire.request().await;
        let mut pace = tokio::time::interval(Duration::from_millis(25));
        for byte in located(&["1"]).into_iter().cycle() {
            pace.tick().await;
            wire.send(&[byte]).await;
        }
    })
    .await;
    let mut client = peer.client();
    client.answer_timeout = Duration::from_millis(250);
    let error = kms_error(client.lookup(TENANT).await);
    assert!(matches!(error, KmsError::Read(TransportError::Timeout { .. })), "{error:?}");
}

#[tokio::test]
async fn what_is_no_kmip_is_refused_by_its_first_bytes() {
    let long = [0x42, 0x00, 0x7B, 0x01, 0xFF, 0xFF, 0xFF, 0xFF];
    for garbage in [b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), long.to_vec(), vec![0; 8]] {
        let peer = Peer::start(move |_, mut wire| {
            let garbage = garbage.clone();
            async move {
                wire.request().await;
                wire.send(&garbage).await;
                wire.stall().await;
            }
        })
        .await;
        let error = kms_error(peer.client().lookup(TENANT).await);
        assert_eq!(error.to_string(), "error decoding kms response");
    }
}

#[tokio::test]
async fn a_connection_out_of_step_is_not_used_again() {
    let peer = Peer::start(|number, mut wire| async move {
        match number {
            0 => {
                wire.answer(b"no kmip at all!!").await;
                wire.give_keys().await;
            }
            _ => wire.give_keys().await,
        }
    })
    .await;
    let client = peer.client();
    assert_eq!(kms_error(client.lookup(TENANT).await).to_string(), "error decoding kms response");
    assert_eq!(client.lookup(TENANT).await.unwrap().seed.expose(), [7; 48]);
}

#[tokio::test]
async fn a_refusal_leaves_the_connection_to_the_next_lookup() {
    let peer = Peer::start(|_, mut wire| async move {
        wire.answer(&refused(Operation::Locate, 0x100)).await;
        wire.answer(&located(&[])).await;
        wire.give_keys().await;
    })
    .await;
    let client = peer.client();
    assert!(matches!(kms_error(client.lookup(TENANT).await), KmsError::Refused(_)));
    assert!(matches!(client.lookup(TENANT).await, Err(LookupError::NoSuchKey(_))));
    assert!(client.lookup(TENANT).await.is_ok());
}

#[tokio::test]
async fn lookups_at_once_are_bounded() {
    let (asked, mut questions) = mpsc::unbounded_channel();
    let (permit, permits) = (Arc::new(Semaphore::new(0)), PARALLEL_LOOKUPS_MAX + 3);
    let gate = Arc::clone(&permit);
    let peer = Peer::start(move |number, mut wire| {
        let (asked, gate) = (asked.clone(), Arc::clone(&gate));
        async move {
            while wire.request().await.is_some() {
                asked.send(number).unwrap();
                gate.acquire().await.unwrap().forget();
                wire.send(&located(&[])).await;
            }
        }
    })
    .await;
    let client = Arc::new(peer.client());
    let lookups: Vec<_> = (0..permits)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { client.lookup(TENANT).await })
        })
        .collect();
    let mut seen = Vec::new();
    for _ in 0..PARALLEL_LOOKUPS_MAX {
        seen.push(questions.recv().await.unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..PARALLEL_LOOKUPS_MAX).collect::<Vec<_>>());
    permit.add_permits(permits);
    for lookup in lookups {
        assert!(matches!(lookup.await.unwrap(), Err(LookupError::NoSuchKey(_))));
    }
    while let Ok(number) = questions.try_recv() {
        assert!(number < PARALLEL_LOOKUPS_MAX, "connection {number} was opened");
    }
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_is_dead() {
    let peer = Peer::start(|_, wire| wire.give_keys()).await;
    let mut config = peer.config();
    config.addresses = format!("{},{}", dead_address().await, peer.address).parse().unwrap();
    let client = Client::new(&config).unwrap();
    assert_eq!(client.lookup(TENANT).await.unwrap().seed.expose(), [7; 48]);
}

#[tokio::test]
async fn every_dead_address_is_named() {
    let (first, second) = (dead_address().await, dead_address().await);
    let client = Client::new(&testing::config(&format!("{first},{second}"))).unwrap();
    let error = kms_error(client.lookup(TENANT).await);
    assert_eq!(error.to_string(), "error writing kms request");
    let KmsError::Write(TransportError::Unreachable(reasons)) = error else { panic!("{error:?}") };
    assert!(reasons.contains(&first.to_string()) && reasons.contains(&second.to_string()), "{reasons}");
}

#[tokio::test]
async fn the_servers_certificate_is_checked_for_its_authority_and_its_name() {
    let peer = Peer::start(|_, wire| wire.give_keys()).await;
    let mut config = peer.config();
    config.tls.ca = Some(pki("other-ca.crt"));
    let error = kms_error(Client::new(&config).unwrap().lookup(TENANT).await);
    assert!(
        matches!(&error, KmsError::Write(TransportError::Unreachable(why)) if why.contains("UnknownIssuer")),
        "{error:?}"
    );
    config.tls.ca = Some(pki("ca.crt"));
    config.tls.server_name = Some("kms.example.com".to_owned());
    let error = kms_error(Client::new(&config).unwrap().lookup(TENANT).await);
    assert!(
        matches!(&error, KmsError::Write(TransportError::Unreachable(why)) if why.contains("not valid for name")),
        "{error:?}"
    );
}

#[tokio::test]
async fn insecure_skip_verify_takes_any_certificate_and_says_so() {
    let peer = Peer::start(|_, wire| wire.give_keys()).await;
    let mut config = peer.config();
    config.tls.ca = Some(pki("other-ca.crt"));
    config.tls.server_name = Some("kms.example.com".to_owned());
    config.tls.insecure_skip_verify = true;
    let client = Client::new(&config).unwrap();
    assert!(client.lookup(TENANT).await.is_ok());
    assert!(!client.verifies_server());
    assert!(peer.client().verifies_server());
}

#[tokio::test]
async fn without_the_name_check_each_connection_begins_with_the_canary() {
    let peer = Peer::start(|_, mut wire| async move {
        let canary = wire.request().await.unwrap();
        assert!(!canary.windows(TENANT.len()).any(|text| text == TENANT.as_bytes()));
        wire.send(&located(&[])).await;
        wire.answer(&located(&["1"])).await;
        // once more, of active objects
        wire.answer(&located(&["1"])).await;
        wire.answer(&key("1", STANDARD.encode([7; 48]).as_bytes())).await;
    })
    .await;
    let mut config = peer.config();
    config.verify_name = false;
    let client = Client::new(&config).unwrap();
    assert_eq!(client.lookup(TENANT).await.unwrap().seed.expose(), [7; 48]);
}

#[tokio::test]
async fn without_the_name_check_a_server_that_ignores_names_is_refused() {
    let peer = Peer::start(|_, mut wire| async move { while wire.answer(&located(&["1"])).await.is_some() {} }).await;
    let mut config = peer.config();
    config.verify_name = false;
    let error = kms_error(Client::new(&config).unwrap().lookup(TENANT).await);
    assert!(error.is_security_event(), "{error:?}");
}

#[tokio::test]
async fn closing_idle_connections_says_goodbye_to_the_server() {
    let (ended, mut endings) = mpsc::unbounded_channel();
    let peer = Peer::start(move |_, mut wire| {
        let ended = ended.clone();
        async move {
            wire.give_key().await;
            // a clean end is Ok(0); a missing goodbye would be an error
            ended.send(wire.0.read(&mut [0; 8]).await.map_err(|error| error.kind())).unwrap();
        }
    })
    .await;
    let client = peer.client();
    client.lookup(TENANT).await.unwrap();
    client.close_idle().await;
    assert_eq!(endings.recv().await, Some(Ok(0)));
}

#[test]
fn debug_shows_no_key() {
    let client = Client::new(&testing::config("kms.example.com:5696")).unwrap();
    let shown = format!("{client:?}");
    let secret = pki("client-p256.pkcs8.key");
    assert!(!shown.contains(secret.lines().nth(1).unwrap()), "{shown}");
}
