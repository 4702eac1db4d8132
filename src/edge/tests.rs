//! The edge over real sockets.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use s3s::{Body, HttpError, HttpRequest, HttpResponse};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::*;
use crate::body::budget::Share;

/// Answers `ready` when told to, and says when it was asked.
#[derive(Clone)]
struct OnCue {
    asked: mpsc::UnboundedSender<()>,
    cue: watch::Receiver<bool>,
}

impl S3Handler for OnCue {
    async fn handle(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if request.extensions().get::<Share>().unwrap().admit("tenant").is_err() {
            let mut refused = HttpResponse::new(Body::empty());
            *refused.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            return Ok(refused);
        }
        self.asked.send(()).unwrap();
        self.cue.clone().wait_for(|cue| *cue).await.unwrap();
        Ok(HttpResponse::new(Body::from("ready".to_owned())))
    }
}

struct Running {
    address: SocketAddr,
    asked: mpsc::UnboundedReceiver<()>,
    cue: watch::Sender<bool>,
    shutdown: watch::Sender<bool>,
    served: JoinHandle<()>,
}

/// Metrics of their own, and ready.
pub(super) fn surroundings() -> Surroundings {
    let readiness = Readiness::default();
    readiness.advance(Phase::Ready);
    Surroundings { telemetry: Telemetry::new(std::sync::Arc::new(crate::telemetry::Metrics::new("test"))), readiness }
}

async fn start(config: Config) -> Running {
    start_with(Plain, config).await
}

async fn start_with(handshake: impl Handshake, config: Config) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked_sender, asked) = mpsc::unbounded_channel();
    let (cue, cue_receiver) = watch::channel(false);
    let (shutdown, shutdown_receiver) = watch::channel(false);
    let handler = OnCue { asked: asked_sender, cue: cue_receiver };
    let served = tokio::spawn(serve(listener, handshake, handler, config, surroundings(), shutdown_receiver));
    Running { address, asked, cue, shutdown, served }
}

async fn send(running: &Running, request: &str) -> TcpStream {
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    client
}

async fn rest(mut client: TcpStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    text
}

const GET: &str = "GET /bucket/key HTTP/1.1\r\nHost: s3\r\n\r\n";

#[tokio::test]
async fn a_request_in_flight_at_shutdown_is_answered_and_then_the_server_ends() {
    let mut running = start(Config::default()).await;
    let client = send(&running, GET).await;
    running.asked.recv().await.unwrap();
    running.shutdown.send(true).unwrap();
    running.cue.send(true).unwrap();
    let answer = rest(client).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("ready"), "{answer}");
    running.served.await.unwrap();
    TcpStream::connect(running.address).await.unwrap_err();
}

#[tokio::test]
async fn a_connection_made_before_the_end_is_served_even_if_its_request_comes_later() {
    let running = start(Config::default()).await;
    running.cue.send(true).unwrap();
    let mut fresh = TcpStream::connect(running.address).await.unwrap();
    let mut used = send(&running, GET).await;
    used.read_exact(&mut [0; 15]).await.unwrap();
    running.shutdown.send(true).unwrap();
    // ends once the gateway leaves
    rest(used).await;
    fresh.write_all(GET.as_bytes()).await.unwrap();
    assert!(rest(fresh).await.ends_with("ready"));
    running.served.await.unwrap();
}

#[tokio::test]
async fn a_silent_connection_does_not_hold_up_shutdown() {
    let hour = Duration::from_hours(1);
    let running = start(Config { first_bytes_timeout: hour, drain_timeout: hour, ..Config::default() }).await;
    let _silent = TcpStream::connect(running.address).await.unwrap();
    running.shutdown.send(true).unwrap();
    running.served.await.unwrap();
}

#[tokio::test]
async fn a_request_that_outlives_the_drain_is_cut() {
    let mut running = start(Config { drain_timeout: Duration::ZERO, ..Config::default() }).await;
    let client = send(&running, GET).await;
    running.asked.recv().await.unwrap();
    running.shutdown.send(true).unwrap();
    running.served.await.unwrap();
    assert_eq!(rest(client).await, "");
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_shutdown() {
    let running = start(Config::default()).await;
    let mut idle = send(&running, "GET /_/health HTTP/1.1\r\nHost: s3\r\n\r\n").await;
    let mut answer = [0; 15];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    running.shutdown.send(true).unwrap();
    running.served.await.unwrap();
}

#[tokio::test]
async fn a_head_that_does_not_end_is_given_up() {
    let running = start(Config { head_timeout: Duration::from_millis(50), ..Config::default() }).await;
    let client = send(&running, "GET /bucket/key HTTP/1.1\r\nHost: s3\r\nX-Slow: ").await;
    let answer = rest(client).await;
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
}

#[tokio::test]
async fn a_connection_too_many_waits_for_an_earlier_one_to_end() {
    let mut running = start(Config { connections_max: 1, ..Config::default() }).await;
    let first = send(&running, GET).await;
    running.asked.recv().await.unwrap();
    let second = send(&running, GET).await;
    drop(first);
    running.asked.recv().await.unwrap();
    running.cue.send(true).unwrap();
    running.shutdown.send(true).unwrap();
    assert!(rest(second).await.ends_with("ready"));
}

/// A handshake that its first client never ends; says when that one has begun.
struct OneSilent {
    is_begun: AtomicBool,
    begun: mpsc::UnboundedSender<()>,
}

impl Handshake for OneSilent {
    type Transport = TcpStream;

    async fn shake(&self, connection: TcpStream) -> io::Result<TcpStream> {
        if !self.is_begun.swap(true, Ordering::Relaxed) {
            self.begun.send(()).unwrap();
            std::future::pending::<()>().await;
        }
        Ok(connection)
    }

    fn version(_: &TcpStream) -> Option<&'static str> {
        None
    }
}

#[tokio::test]
async fn a_connection_whose_handshake_does_not_end_gives_way() {
    let config = Config { connections_max: 1, handshake_timeout: Duration::from_hours(1), ..Config::default() };
    let (begun, mut has_begun) = mpsc::unbounded_channel();
    let mut running = start_with(OneSilent { is_begun: AtomicBool::default(), begun }, config).await;
    let silent = send(&running, "").await;
    has_begun.recv().await.unwrap();
    let _second = send(&running, GET).await;
    running.asked.recv().await.unwrap();
    assert_eq!(rest(silent).await, "", "it is closed");
}

#[tokio::test]
async fn http_2_is_spoken_to_a_client_that_begins_with_it() {
    let running = start(Config::default()).await;
    let empty_settings = "\0\0\0\u{4}\0\0\0\0\0";
    let mut client = send(&running, &format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{empty_settings}")).await;
    let mut frame_head = [0; 9];
    client.read_exact(&mut frame_head).await.unwrap();
    assert_eq!(frame_head[3], 4, "the server's first frame is SETTINGS");
}

#[tokio::test]
async fn a_balancer_that_is_listed_names_the_client() {
    let config = Config { proxy_protocol_from: vec!["127.0.0.0/8".parse().unwrap()], ..Config::default() };
    let mut running = start(config).await;
    running.cue.send_replace(true);
    let named = send(&running, &format!("PROXY TCP4 192.0.2.7 127.0.0.1 5000 80\r\n{GET}")).await;
    running.asked.recv().await.unwrap();
    drop(named);
    let mut unnamed = send(&running, GET).await;
    let mut answer = Vec::new();
    // with what was not read the end is a reset
    let _ended = unnamed.read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "the connection ends without an answer");
}

#[tokio::test]
async fn beyond_the_bytes_that_may_be_held_the_answer_is_slow_down() {
    let mut running = start(Config { in_flight_bytes_max: 256 * 1024, ..Config::default() }).await;
    let first = send(&running, GET).await;
    running.asked.recv().await.unwrap();
    let second = send(&running, &GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
    let refused = rest(second).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("<Code>SlowDown</Code>"), "{refused}");
    drop(first);
}
