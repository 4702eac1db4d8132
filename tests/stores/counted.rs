//! How many requests the store gets for one of a client: a proxy between gateway and store counts them.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::over::{STORE, backend, own_prefix, replica};
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

/// A gateway with a bucket that reaches the store through the counting proxy.
fn counted() -> (Gateway, Seen) {
    let prefix = own_prefix();
    replica(&prefix).call(Request::new("PUT", "/bucket")).succeeds();
    counting(&prefix)
}

/// A gateway with this prefix that reaches the store through a counting proxy.
fn counting(prefix: &str) -> (Gateway, Seen) {
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
    let gateway = Gateway::configured(&backend(&format!("http://{address}"), prefix), prefix);
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

/// An object of three parts, the last with the completion record, stored by one gateway; and another one over the same
/// buckets, which knows nothing of it.
fn in_parts() -> (Vec<u8>, Gateway, Seen) {
    let prefix = own_prefix();
    let writer = replica(&prefix);
    writer.call(Request::new("PUT", "/bucket")).succeeds();
    let content = Content::new(2, 20_000_000);
    content.clone().write_to(&writer.work().join("up"));
    writer.aws(["s3", "cp", "--no-progress", "up", "s3://bucket/key"]).succeeds();
    let (gateway, seen) = counting(&prefix);
    (content.to_vec(), gateway, seen)
}

/// How many requests a range takes.
fn requests_of_range(gateway: &Gateway, seen: &Seen, body: &[u8], first: usize, last: usize) -> usize {
    let range = Request::new("GET", "/bucket/key").header("range", format!("bytes={first}-{last}"));
    let (got, lines) = seen.during(|| gateway.call(range).body);
    assert!(got == body[first..=last], "{first}-{last}");
    lines.len()
}

#[test]
fn a_range_of_an_object_in_parts_is_two_requests_and_then_one() {
    let (body, gateway, seen) = in_parts();
    let (_, lines) = seen.during(|| gateway.call(Request::new("HEAD", "/bucket/key")));
    assert_eq!(lines.len(), 1, "{lines:?}");
    // the record, and the range
    assert_eq!(requests_of_range(&gateway, &seen, &body, 9_000_000, 9_099_999), 2);
    // the same part, another one, and several at once
    for (first, last) in [(9_000_000, 9_099_999), (1_000_000, 1_000_000), (8_000_000, 19_999_999)] {
        assert_eq!(requests_of_range(&gateway, &seen, &body, first, last), 1, "{first}-{last}");
    }
    gateway.put("/bucket/key", b"another object by now");
    let range = Request::new("GET", "/bucket/key").header("range", "bytes=0-6");
    assert_eq!(gateway.call(range).body, b"another");
}

#[test]
fn an_object_that_nothing_is_known_of_costs_one_request_more() {
    // what the first answer brings is the first segment, or the end, of an object in parts, too
    for (first, last) in [(0, 99), (19_999_900, 19_999_999)] {
        let (body, gateway, seen) = in_parts();
        assert_eq!(requests_of_range(&gateway, &seen, &body, first, last), if first == 0 { 2 } else { 3 });
        assert_eq!(requests_of_range(&gateway, &seen, &body, 9_000_000, 9_099_999), 1);
    }
    let (body, gateway, seen) = in_parts();
    let suffix = Request::new("GET", "/bucket/key").header("range", "bytes=-1000");
    let (got, lines) = seen.during(|| gateway.call(suffix).body);
    assert!(got == body[body.len() - 1000..]);
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn a_condition_tells_that_an_object_is_in_parts() {
    let (body, gateway, seen) = in_parts();
    let listing = String::from_utf8(gateway.get("/bucket?list-type=2").succeeds()).unwrap();
    let (_, rest) = listing.split_once("&quot;").unwrap();
    let etag = format!("\"{}\"", rest.split_once("&quot;").unwrap().0);
    let range = Request::new("GET", "/bucket/key").header("range", "bytes=9000000-9000009").header("if-match", etag);
    let (got, lines) = seen.during(|| gateway.call(range).body);
    assert!(got == body[9_000_000..9_000_010]);
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn a_whole_object_in_parts_and_a_part_of_it_are_few_requests() {
    let (body, gateway, seen) = in_parts();
    let (got, lines) = seen.during(|| gateway.get("/bucket/key").succeeds());
    assert!(got == body);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let (got, lines) = seen.during(|| gateway.get("/bucket/key?partNumber=2").body);
    assert!(got == body[8 << 20..16 << 20]);
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn the_gateway_that_completed_an_upload_knows_its_parts() {
    let (gateway, seen) = counted();
    let content = Content::new(3, 20_000_000);
    content.clone().write_to(&gateway.work().join("up"));
    gateway.aws(["s3", "cp", "--no-progress", "up", "s3://bucket/key"]).succeeds();
    assert_eq!(requests_of_range(&gateway, &seen, &content.to_vec(), 9_000_000, 9_099_999), 1);
}
