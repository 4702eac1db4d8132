//! Traces: a collector that takes what it is sent, and what it then knows of requests.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::gateway::{ACCESS_KEY, Gateway, SECRET_KEY, SEED};

/// A collector on loopback: keeps the heads and bodies of all that is sent to it.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    taken: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&taken);
        // ends with the test program
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, kept) = (stream.unwrap(), Arc::clone(&kept));
                std::thread::spawn(move || while take(&stream, &kept).is_some() {});
            }
        });
        Self { address, taken }
    }

    /// The `telemetry.traces` section that leads here.
    pub(crate) fn section(&self) -> Value {
        json!({"endpoint": format!("http://{}", self.address)})
    }

    /// All that it was sent; protobuf, in which texts stand as they are.
    pub(crate) fn taken(&self) -> String {
        String::from_utf8_lossy(&self.taken.lock().unwrap()).into_owned()
    }
}

/// Answers one request of a connection.
fn take(mut stream: &TcpStream, kept: &Mutex<Vec<u8>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let text = String::from_utf8(head.clone()).unwrap().to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    kept.lock().unwrap().extend([head, body].concat());
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n").ok()
}

#[test]
fn a_collector_learns_of_requests_and_of_nothing_secret() {
    let collector = Collector::start();
    let mut gateway = Gateway::start(&json!({"telemetry": {"traces": collector.section(), "log": "debug"}}));
    gateway.s3("PUT", "/bucket", b"").succeeds();
    let put = gateway.s3("PUT", "/bucket/the-name-of-a-key", b"a plaintext that nobody else may read");
    let id = put.header("x-amz-request-id").to_owned();
    gateway.s3("GET", "/bucket/none", b"").is_error(404, "NoSuchKey");
    gateway.signal("TERM");
    assert_eq!(gateway.ended().code(), Some(0));
    // what waited was sent before the end
    let taken = collector.taken();
    assert!(taken.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{taken}");
    for known in ["PutObject", "GetObject", "NoSuchKey", "acme", ACCESS_KEY, &id, "service.name", "sealgate"] {
        assert!(taken.contains(known), "{known} in {taken}");
    }
    for unknown in [SECRET_KEY, SEED, "AWS4-HMAC", "Signature", "the-name-of-a-key", "a plaintext"] {
        assert!(!taken.contains(unknown), "{unknown} in {taken}");
    }
    assert!(!gateway.log().contains("sealgate_trace"), "spans of traces are no log lines:\n{}", gateway.log());
}

#[test]
fn a_collector_that_is_not_there_is_told_of_once_and_stops_nothing() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = json!({"telemetry": {"traces": {"endpoint": format!("http://{nobody}"), "sample_ratio": 1.0}}});
    let mut gateway = Gateway::start(&config);
    gateway.s3("PUT", "/bucket", b"").succeeds();
    while !gateway.log().contains("the collector of traces does not answer") {}
    gateway.s3("GET", "/", b"").succeeds();
    gateway.signal("TERM");
    assert_eq!(gateway.ended().code(), Some(0));
    assert_eq!(gateway.log().matches("the collector of traces does not answer").count(), 1);
}

#[test]
fn a_share_of_nothing_tells_of_nothing() {
    let collector = Collector::start();
    let mut section = collector.section();
    section["sample_ratio"] = json!(0.0);
    let mut gateway = Gateway::start(&json!({"telemetry": {"traces": section}}));
    gateway.s3("PUT", "/bucket", b"").succeeds();
    gateway.signal("TERM");
    assert_eq!(gateway.ended().code(), Some(0));
    assert_eq!(collector.taken(), "");
}
