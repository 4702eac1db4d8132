//! How many requests the store gets for one of a client: a proxy between gateway and store counts them.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::over::{STORE, backend, own_prefix};
use super::support::{Content, Gateway, Request};

/// The request lines that came by. Connections are closed after one request, so that each head is seen.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    /// What came by while `call` ran.
    fn during<T>(&self, call: impl FnOnce() -> T) -> (T, Vec<String>) {
        self.0.lock().unwrap().clear();
        let outcome = call();
        (outcome, self.0.lock().unwrap().clone())
    }
}

/// A gateway that reaches the store through the counting proxy.
fn counted() -> (Gateway, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Seen::default());
    let to: SocketAddr = STORE.authority().parse().unwrap();
    let noted = seen.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let noted = noted.clone();
            std::thread::spawn(move || pass(client.unwrap(), to, &noted));
        }
    });
    let prefix = own_prefix();
    let gateway = Gateway::configured(&backend(&format!("http://{address}"), &prefix), &prefix);
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    (gateway, seen)
}

/// Passes one request and its answer on. The host was signed, so it stays; `Connection` was not.
fn pass(mut client: TcpStream, to: SocketAddr, noted: &Seen) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if client.read_exact(&mut byte).is_err() {
            return;
        }
        head.push(byte[0]);
    }
    let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    noted.0.lock().unwrap().push(line);
    head.truncate(head.len() - 2);
    head.extend_from_slice(b"connection: close\r\n\r\n");
    let mut server = TcpStream::connect(to).unwrap();
    server.write_all(&head).unwrap();
    let (mut from, mut into) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || std::io::copy(&mut from, &mut into));
    std::io::copy(&mut server, &mut client).ok();
    client.shutdown(Shutdown::Both).ok();
    server.shutdown(Shutdown::Both).ok();
}

#[test]
fn what_clients_do_most_is_one_request() {
    let (gateway, seen) = counted();
    let body = Content::new(1, 3_000_000).to_vec();
    let ((), put) = seen.during(|| gateway.put("/bucket/key", &body));
    assert_eq!(put.len(), 1, "{put:?}");
    let (head, lines) = seen.during(|| gateway.call(Request::new("HEAD", "/bucket/key")));
    assert_eq!((head.header("content-length"), lines.len()), ("3000000", 1), "{lines:?}");
    let ((), lines) = seen.during(|| assert!(gateway.get("/bucket/key").succeeds() == body));
    assert_eq!(lines.len(), 1, "{lines:?}");
    let range = || gateway.call(Request::new("GET", "/bucket/key").header("range", "bytes=100000-199999")).body;
    let (got, lines) = seen.during(range);
    assert!(got == body[100_000..200_000]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    for listing in ["/bucket?list-type=2", "/bucket?max-keys=5"] {
        let (_, lines) = seen.during(|| gateway.get(listing).succeeds());
        assert_eq!(lines.len(), 1, "{listing}: {lines:?}");
    }
    let (_, lines) = seen.during(|| gateway.call(Request::new("DELETE", "/bucket/key")));
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn a_range_of_an_object_in_parts_takes_fewer_requests_once_its_table_is_known() {
    let (gateway, seen) = counted();
    let content = Content::new(2, 20_000_000);
    content.clone().write_to(&gateway.work().join("up"));
    gateway.aws(["s3", "cp", "--no-progress", "up", "s3://bucket/key"]).succeeds();
    let body = content.to_vec();
    let range = || gateway.call(Request::new("GET", "/bucket/key").header("range", "bytes=9000000-9099999")).body;
    let mut counts = Vec::new();
    for _ in 0..3 {
        let (got, lines) = seen.during(range);
        assert!(got == body[9_000_000..9_100_000]);
        counts.push(lines.len());
    }
    // The first learns from its answer that the object is in parts, then asks for the table, for the header of the part
    // and for the range; table and header are kept.
    assert!(counts[0] <= 4 && counts[1] <= 2 && counts[2] <= 2, "{counts:?}");
    gateway.put("/bucket/key", b"another object by now");
    let range = Request::new("GET", "/bucket/key").header("range", "bytes=0-6");
    assert_eq!(gateway.call(range).body, b"another");
}
