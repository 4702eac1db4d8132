//! How the store is reached: buckets named in the host, connections that are kept and given up, and a store that takes none.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socket2::SockRef;

use super::counted::{Seen, pass};
use super::over::{STORE, backend, own_prefix};
use super::support::{Content, Gateway, Request};

#[test]
fn buckets_are_named_in_the_host() {
    let Some(domain) = STORE.domain() else { return };
    let prefix = own_prefix();
    let mut section = backend(&format!("http://{domain}"), &prefix);
    section["path_style"] = json!(false);
    let gateway = Gateway::configured(&section, &prefix);
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    let small = b"small".to_vec();
    gateway.put("/bucket/a%20key/with%2520more", &small);
    Content::new(1, 12 << 20).write_to(&gateway.work().join("up"));
    gateway.aws(["s3", "cp", "--no-progress", "up", "s3://bucket/large"]).succeeds();
    gateway.aws(["s3", "cp", "--no-progress", "s3://bucket/large", "s3://bucket/copy"]).succeeds();
    assert_eq!(gateway.get("/bucket/a%20key/with%2520more").succeeds(), small);
    assert!(gateway.get("/bucket/copy").succeeds() == Content::new(1, 12 << 20).to_vec());
    let listed = String::from_utf8(gateway.get("/bucket?list-type=2").succeeds()).unwrap();
    assert_eq!(listed.matches("<Key>").count(), 3, "{listed}");
    gateway.call(Request::new("DELETE", "/bucket/large")).succeeds();
    gateway.get("/bucket/large").is_error(404, "NoSuchKey");
}

/// The connections of a gateway to the store, which stand until one end closes.
struct Connections {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    open: usize,
    /// since the start
    made: usize,
    /// answers wait until so many requests are under way
    waits_for: usize,
    under_way: usize,
}

impl Connections {
    /// Passes connections on to the store.
    fn start() -> (Arc<Self>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Self { state: Mutex::default(), changed: Condvar::new() });
        let all = Arc::clone(&connections);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let all = Arc::clone(&all);
                std::thread::spawn(move || all.pass(&client.unwrap()));
            }
        });
        (connections, address)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    /// Waits until a state is reached.
    fn until(&self, what: &str, reached: impl Fn(&State) -> bool) -> Duration {
        let began = Instant::now();
        let state = self.state.lock().unwrap();
        let (state, waited) = self.changed.wait_timeout_while(state, PATIENCE, |state| !reached(state)).unwrap();
        assert!(!waited.timed_out(), "{what}: {} open of {}", state.open, state.made);
        began.elapsed()
    }

    fn pass(&self, client: &TcpStream) {
        self.change(|state| {
            state.open += 1;
            state.made += 1;
        });
        let server = TcpStream::connect(STORE.authority()).unwrap();
        let (mut from, mut into) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // from the store; an answer waits until as many requests are under way as shall be
                let mut bytes = vec![0; 65_536];
                while let Ok(count @ 1..) = (&server).read(&mut bytes) {
                    self.change(|state| state.under_way += 1);
                    self.until("requests at once", |state| state.under_way >= state.waits_for);
                    let mut to = client;
                    if to.write_all(&bytes[..count]).is_err() {
                        break;
                    }
                }
                client.shutdown(Shutdown::Both).ok();
                server.shutdown(Shutdown::Both).ok();
            });
            std::io::copy(&mut from, &mut into).ok();
            server.shutdown(Shutdown::Both).ok();
        });
        self.change(|state| state.open -= 1);
    }
}

/// A gateway with a bucket and a small object, over connections that are watched.
fn watched(more: &Value) -> (Gateway, Arc<Connections>) {
    let prefix = own_prefix();
    let (connections, address) = Connections::start();
    let mut section = backend(&format!("http://{address}"), &prefix);
    section.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let gateway = Gateway::configured(&section, &prefix);
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    gateway.put("/bucket/key", b"plain");
    (gateway, connections)
}

/// Reads the object by so many clients at once.
fn read_at_once(gateway: &Gateway, connections: &Connections, clients: usize) {
    connections.change(|state| (state.under_way, state.waits_for) = (0, clients));
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| assert_eq!(gateway.get("/bucket/key").succeeds(), b"plain"));
        }
    });
    connections.change(|state| state.waits_for = 0);
}

#[test]
fn as_many_connections_are_kept_as_are_wanted() {
    let (gateway, connections) = watched(&json!({"pool": {"idle_max": 3, "idle_timeout": "10m"}}));
    read_at_once(&gateway, &connections, 8);
    connections.until("the others are closed", |state| state.open == 3);
    let made = connections.state.lock().unwrap().made;
    assert!(made >= 8, "{made}");
    read_at_once(&gateway, &connections, 3);
    let state = connections.state.lock().unwrap();
    assert_eq!((state.made, state.open), (made, 3), "those that were kept serve again");
}

#[test]
fn a_connection_without_a_request_is_closed_after_a_while() {
    let (gateway, connections) = watched(&json!({"pool": {"idle_max": 8, "idle_timeout": "2s"}}));
    read_at_once(&gateway, &connections, 4);
    let waited = connections.until("all are closed", |state| state.open == 0);
    assert!(waited > Duration::from_secs(1), "{waited:?}");
    assert_eq!(gateway.get("/bucket/key").succeeds(), b"plain");
}

#[test]
fn a_store_that_takes_no_connection_is_a_clear_error_in_time() {
    let prefix = own_prefix();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stopping = listener.try_clone().unwrap();
    let (gone, is_gone) = std::sync::mpsc::channel();
    let is_last = Arc::new(Mutex::new(false));
    let ends = Arc::clone(&is_last);
    // passes one request a connection on, until it is told to stop
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            if *ends.lock().unwrap() {
                break;
            }
            pass(client, STORE.authority().parse().unwrap(), &Seen::default());
        }
        gone.send(()).unwrap();
    });
    let mut section = backend(&format!("http://{address}"), &prefix);
    section["timeouts"] = json!({"connect": "300ms"});
    section["attempts_max"] = json!(2);
    let gateway = Gateway::configured(&section, &prefix);
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    *is_last.lock().unwrap() = true;
    TcpStream::connect(address).unwrap();
    is_gone.recv().unwrap();
    // nobody accepts any more, and the queue holds one: what comes after it is never answered
    SockRef::from(&stopping).listen(0).unwrap();
    let _queued: Vec<_> = (0..4).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(100))).collect();
    let began = Instant::now();
    let answer = gateway.get("/bucket/key");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    answer.is_error(503, "ServiceUnavailable");
    assert!(gateway.log().contains("tcp connect error: deadline has elapsed"), "{}", gateway.log());
}

const PATIENCE: Duration = Duration::from_mins(1);
