//! Traces: a collector that takes what it is sent, what it then knows of requests, and what others are told of traces.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::gateway::{ACCESS_KEY, Gateway, SECRET_KEY, SEED};
use crate::real_store::RealStore;
use crate::server::Server;
use crate::upstreams::{Coordinator, between};

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

    /// Whether it was sent these bytes.
    fn has(&self, bytes: &[u8]) -> bool {
        self.taken.lock().unwrap().windows(bytes.len()).any(|window| window == bytes)
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

/// Passes connections on to somebody and keeps what is said to them.
struct Overheard {
    address: SocketAddr,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Overheard {
    fn before(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let overheard = Self { address: listener.local_addr().unwrap(), said: Arc::default() };
        let (said, address) = (Arc::clone(&overheard.said), address.to_owned());
        // ends with the test program
        std::thread::spawn(move || {
            for client in listener.incoming().map(Result::unwrap) {
                let (server, said) = (TcpStream::connect(&address).unwrap(), Arc::clone(&said));
                let (mut answers, mut answered) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut answers, &mut answered));
                std::thread::spawn(move || pass(client, server, &said));
            }
        });
        overheard
    }

    /// What the first header `traceparent` of a request with these words in its head says.
    fn trace_parent(&self, words: &str) -> String {
        let said = String::from_utf8_lossy(&self.said.lock().unwrap()).into_owned();
        let request = said.find(words).unwrap_or_else(|| panic!("{words} in {said}"));
        let head = said[request..].split("\r\n\r\n").next().unwrap();
        let line = head.lines().find_map(|line| line.strip_prefix("traceparent: "));
        line.unwrap_or_else(|| panic!("a traceparent in {head}")).to_owned()
    }
}

fn pass(mut client: TcpStream, mut server: TcpStream, said: &Mutex<Vec<u8>>) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = client.read(&mut bytes) {
        said.lock().unwrap().extend(&bytes[..count]);
        if server.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
    server.shutdown(std::net::Shutdown::Write).ok();
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Asks for an object as part of a trace.
fn ask_within(gateway: &Gateway, sampled: &str) {
    let parent = format!("00-{TRACE}-b7ad6b7169203331-{sampled}");
    gateway.signed("GET", "/bucket/none", b"").header("traceparent", &parent).send(gateway.s3);
}

#[test]
fn a_trace_of_a_balancer_goes_on_here_and_at_the_store() {
    let (collector, store) = (Collector::start(), RealStore::start());
    let overheard = Overheard::before(store.authority());
    let (id, secret) = store.keys();
    let mut gateway = Gateway::start(&json!({
        "telemetry": {"traces": collector.section()},
        "listen": {"forwarded_from": ["127.0.0.1/32"]},
        "backend": {"type": "s3", "endpoint": format!("http://{}", overheard.address), "path_style": true,
            "access_key_id": id, "secret_access_key": secret, "path": null},
    }));
    gateway.s3("PUT", "/bucket", b"").succeeds();
    ask_within(&gateway, "01");
    gateway.signal("TERM");
    assert_eq!(gateway.ended().code(), Some(0));
    let told = overheard.trace_parent("/none");
    assert!(told.starts_with(&format!("00-{TRACE}-")) && told.ends_with("-01"), "{told}");
    assert!(!told.contains("b7ad6b7169203331"), "the store's parent is the gateway's span: {told}");
    assert!(collector.has(&trace_id()), "the collector knows of the trace");
    assert_ne!(overheard.trace_parent("PUT /bucket"), told, "others have a trace of their own");
}

#[test]
fn a_trace_of_anybody_else_is_none() {
    let collector = Collector::start();
    let mut gateway = Gateway::start(&json!({"telemetry": {"traces": collector.section()}}));
    ask_within(&gateway, "01");
    gateway.signal("TERM");
    assert_eq!(gateway.ended().code(), Some(0));
    assert!(collector.taken().contains("GetObject") && !collector.has(&trace_id()));
}

fn trace_id() -> Vec<u8> {
    (0..16).map(|i| u8::from_str_radix(&TRACE[2 * i..2 * i + 2], 16).unwrap()).collect()
}

#[test]
fn the_coordinator_is_told_of_traces() {
    let (collector, coordinator, kms) = (Collector::start(), Coordinator::start(), Server::start());
    let overheard = Overheard::before(coordinator.url.trim_start_matches("http://"));
    let folder = between(&format!("http://{}", overheard.address), &coordinator, &kms);
    let file = folder.path().join("application.json");
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    config["telemetry"]["traces"] = collector.section();
    std::fs::write(&file, config.to_string()).unwrap();
    let gateway = Gateway::start_in(folder, &[]);
    assert_eq!(gateway.ask("/health/ready").status, 200);
    let told = overheard.trace_parent("GET /v1/tenants");
    assert!(told.starts_with("00-") && told.ends_with("-01"), "{told}");
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
