//! How many requests the store gets for one of a client: a proxy between gateway and store counts them.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::over::{STORE, backend, own_prefix, replica, takes_parts};
use super::support::{Content, Gateway, Request};

/// The heads of requests that came by. Connections are closed after one request, so that each is seen.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    heads: Arc<Mutex<Vec<String>>>,
    /// whether a byte of long bodies is changed on the way
    pub(crate) damages: Arc<AtomicBool>,
    /// whether long answers are cut
    cuts: Arc<AtomicBool>,
}

impl Seen {
    /// What came by for requests of clients while `call` ran; the gateway itself looks at the store now and then.
    pub(crate) fn during<T>(&self, call: impl FnOnce() -> T) -> (T, Vec<String>) {
        self.heads.lock().unwrap().clear();
        let outcome = call();
        let heads = self.heads.lock().unwrap().clone();
        (outcome, heads.into_iter().filter(|head| header(head, "x-sealgate-request-id").is_some()).collect())
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
    counting_with(prefix, &json!({}))
}

/// The same with more in its `backend` section.
pub(crate) fn counting_with(prefix: &str, more: &Value) -> (Gateway, Seen) {
    let (address, seen) = proxy();
    let mut section = backend(&format!("http://{address}"), prefix);
    section.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let gateway = Gateway::configured(&section, prefix);
    (gateway, seen)
}

/// A counting proxy before the store.
pub(crate) fn proxy() -> (SocketAddr, Seen) {
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
    (address, seen)
}

/// Passes one request and its answer on. The host was signed, so it stays; `Connection` was not.
pub(crate) fn pass(mut client: TcpStream, to: SocketAddr, noted: &Seen) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if client.read_exact(&mut byte).is_err() {
            return;
        }
        head.push(byte[0]);
    }
    noted.heads.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
    head.truncate(head.len() - 2);
    head.extend_from_slice(b"connection: close\r\n\r\n");
    let mut server = TcpStream::connect(to).unwrap();
    server.write_all(&head).unwrap();
    let (mut from, mut into) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let damages = noted.damages.load(Ordering::SeqCst);
    std::thread::spawn(move || -> std::io::Result<u64> {
        if damages {
            std::io::copy(&mut (&from).take(DAMAGED_OFFSET), &mut into)?;
            let mut byte = [0];
            from.read_exact(&mut byte)?;
            into.write_all(&[byte[0] ^ 1])?;
        }
        std::io::copy(&mut from, &mut into)
    });
    let most = if noted.cuts.load(Ordering::SeqCst) { CUT_OFFSET } else { u64::MAX };
    std::io::copy(&mut (&server).take(most), &mut client).ok();
    client.shutdown(Shutdown::Both).ok();
    server.shutdown(Shutdown::Both).ok();
}

/// Behind some segments.
const CUT_OFFSET: u64 = 1_000_000;
/// Behind the first framing of a body.
const DAMAGED_OFFSET: u64 = 100_000;

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

/// An object in parts, the last with the completion record, stored by a gateway; and the prefix of its bucket.
fn stored_in_parts(content: &Content) -> String {
    let prefix = own_prefix();
    let writer = replica(&prefix);
    writer.call(Request::new("PUT", "/bucket")).succeeds();
    content.clone().write_to(&writer.work().join("up"));
    writer.aws(["s3", "cp", "--no-progress", "up", "s3://bucket/key"]).succeeds();
    prefix
}

/// An object of three parts, and a gateway over the same buckets that knows nothing of it.
fn in_parts() -> (Vec<u8>, Gateway, Seen) {
    let content = Content::new(2, 20_000_000);
    let (gateway, seen) = counting(&stored_in_parts(&content));
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
    if !takes_parts() {
        return;
    }
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

/// The bytes of a range as a client names it, and how many requests they took.
fn counted_range(gateway: &Gateway, seen: &Seen, range: &str) -> (Vec<u8>, usize) {
    let get = Request::new("GET", "/bucket/key").header("range", range);
    let (answer, lines) = seen.during(|| gateway.call(get));
    assert_eq!(answer.status, 206, "{range}: {lines:?}");
    (answer.body, lines.len())
}

#[test]
fn any_range_of_an_object_in_parts_is_two_requests_at_first_and_then_one() {
    if !takes_parts() {
        return;
    }
    let content = Content::new(2, 20_000_000);
    let prefix = stored_in_parts(&content);
    let (body, end) = (content.to_vec(), 20_000_000);
    let part = 8 << 20;
    for (range, from, to) in [
        ("bytes=0-99".to_owned(), 0, 100),
        ("bytes=3000000-3099999".to_owned(), 3_000_000, 3_100_000),
        ("bytes=9000000-9000099".to_owned(), 9_000_000, 9_000_100),
        // across one and two ends of parts
        (format!("bytes={}-{}", part - 1, part), part - 1, part + 1),
        (format!("bytes={}-{}", part - 100_000, 2 * part), part - 100_000, 2 * part + 1),
        ("bytes=9000000-".to_owned(), 9_000_000, end),
        ("bytes=19999999-".to_owned(), end - 1, end),
        ("bytes=-1000".to_owned(), end - 1_000, end),
        ("bytes=-3000000".to_owned(), end - 3_000_000, end),
        ("bytes=-30000000".to_owned(), 0, end),
        ("bytes=0-40000000".to_owned(), 0, end),
    ] {
        // a process that never met it
        let (gateway, seen) = counting(&prefix);
        let (got, cold) = counted_range(&gateway, &seen, &range);
        assert!(got == body[from..to], "{range}");
        assert!(cold <= 2, "{range}: {cold}");
        for (again, from, to) in [(range.as_str(), from, to), ("bytes=15000000-17000000", 15_000_000, 17_000_001)] {
            let (got, warm) = counted_range(&gateway, &seen, again);
            assert!(got == body[from..to] && warm == 1, "{again} after {range}: {warm}");
        }
    }
}

#[test]
fn a_short_end_of_an_object_in_parts_is_one_request() {
    if !takes_parts() {
        return;
    }
    let (body, gateway, seen) = in_parts();
    let (got, requests) = counted_range(&gateway, &seen, "bytes=-1000");
    assert!(got == body[body.len() - 1000..]);
    assert_eq!(requests, 1);
}

#[test]
fn a_range_far_behind_the_first_parts_is_two_requests_at_first() {
    if !takes_parts() {
        return;
    }
    let content = Content::new(5, 80 << 20);
    let prefix = stored_in_parts(&content);
    let body = content.to_vec();
    for first in [63 << 20, 70 << 20] {
        let (gateway, seen) = counting(&prefix);
        for requests in [2, 1] {
            let (got, taken) = counted_range(&gateway, &seen, &format!("bytes={first}-{}", first + 99_999));
            assert!(got == body[first..first + 100_000]);
            assert_eq!(taken, requests, "{first}");
        }
    }
}

#[test]
fn any_range_of_a_single_object_is_one_request() {
    let prefix = own_prefix();
    let writer = replica(&prefix);
    writer.call(Request::new("PUT", "/bucket")).succeeds();
    let body = Content::new(6, 72_000_000).to_vec();
    writer.put("/bucket/key", &body);
    for (range, from, to) in [
        ("bytes=0-99", 0, 100),
        ("bytes=3000000-3099999", 3_000_000, 3_100_000),
        ("bytes=69000000-69099999", 69_000_000, 69_100_000),
        ("bytes=71000000-71999999", 71_000_000, 72_000_000),
        ("bytes=71500000-", 71_500_000, 72_000_000),
        ("bytes=-1000", 71_999_000, 72_000_000),
        ("bytes=-2000000", 70_000_000, 72_000_000),
    ] {
        let (gateway, seen) = counting(&prefix);
        for _ in 0..2 {
            let (got, requests) = counted_range(&gateway, &seen, range);
            assert!(got == body[from..to], "{range}");
            assert_eq!(requests, 1, "{range}");
        }
    }
}

#[test]
fn a_condition_tells_that_an_object_is_in_parts() {
    if !takes_parts() {
        return;
    }
    let (body, gateway, seen) = in_parts();
    let listing = String::from_utf8(gateway.get("/bucket?list-type=2").succeeds()).unwrap();
    let (_, rest) = listing.split_once("<ETag>").unwrap();
    let etag = rest.split_once('<').unwrap().0.replace("&quot;", "\"");
    let range = Request::new("GET", "/bucket/key").header("range", "bytes=9000000-9000009").header("if-match", etag);
    let (got, lines) = seen.during(|| gateway.call(range).body);
    assert!(got == body[9_000_000..9_000_010]);
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn a_part_of_an_object_that_was_never_met_is_two_requests_and_then_one() {
    if !takes_parts() {
        return;
    }
    let (body, gateway, seen) = in_parts();
    for requests in [2, 1] {
        let (got, lines) = seen.during(|| gateway.get("/bucket/key?partNumber=2").body);
        assert!(got == body[8 << 20..16 << 20]);
        assert_eq!(lines.len(), requests, "{lines:?}");
    }
}

#[test]
fn a_whole_object_in_parts_and_a_part_of_it_are_few_requests() {
    if !takes_parts() {
        return;
    }
    let (body, gateway, seen) = in_parts();
    let (got, lines) = seen.during(|| gateway.get("/bucket/key").succeeds());
    assert!(got == body);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let (got, lines) = seen.during(|| gateway.get("/bucket/key?partNumber=2").body);
    assert!(got == body[8 << 20..16 << 20]);
    assert_eq!(lines.len(), 2, "{lines:?}");
}

/// Their segments are of 256 KiB, those of the others here of 64.
#[test]
fn a_range_in_parts_of_130_mib_is_two_requests_at_first_and_then_one() {
    if !takes_parts() {
        return;
    }
    let (prefix, content) = (own_prefix(), Content::new(4, 140_000_000));
    let writer = replica(&prefix);
    writer.call(Request::new("PUT", "/bucket")).succeeds();
    content.clone().write_to(&writer.work().join("up"));
    let in_parts = ["--s3-upload-cutoff", "8M", "--s3-chunk-size", "130M"];
    writer.rclone(&[&["copyto", "up", "gate:bucket/key"], &in_parts[..]].concat()).succeeds();
    let body = content.to_vec();
    for first in [1_000, 70_000_000, 136_300_000, 139_000_000] {
        let (gateway, seen) = counting(&prefix);
        let last = first + 99_999;
        assert_eq!(requests_of_range(&gateway, &seen, &body, first, last), 2, "{first}");
        assert_eq!(requests_of_range(&gateway, &seen, &body, first, last), 1, "{first}");
    }
}

#[test]
fn the_gateway_that_completed_an_upload_knows_its_parts() {
    if !takes_parts() {
        return;
    }
    let (gateway, seen) = counted();
    let content = Content::new(3, 20_000_000);
    content.clone().write_to(&gateway.work().join("up"));
    gateway.aws(["s3", "cp", "--no-progress", "up", "s3://bucket/key"]).succeeds();
    assert_eq!(requests_of_range(&gateway, &seen, &content.to_vec(), 9_000_000, 9_099_999), 1);
}

#[test]
fn a_copy_leaves_bodies_where_they_are() {
    if !takes_parts() {
        return;
    }
    let (body, gateway, seen) = in_parts();
    gateway.put("/bucket/single", &body[..3_000_000]);
    for from in ["single", "key"] {
        let copy = Request::new("PUT", &format!("/bucket/copy-of-{from}"));
        let copy = copy.header("x-amz-copy-source", format!("/bucket/{from}"));
        let (answer, heads) = seen.during(|| gateway.call(copy));
        answer.succeeds();
        let bytes: u64 = heads.iter().filter_map(|head| header(head, "content-length")?.parse::<u64>().ok()).sum();
        assert!(bytes < 100_000, "only documents and records go up: {heads:?}");
        assert!(heads.iter().any(|head| header(head, "x-amz-copy-source").is_some()), "{heads:?}");
        let is_whole_read =
            |head: &&String| head.starts_with("GET") && header(head, "range").is_none() && head.contains("/copy");
        assert_eq!(heads.iter().find(is_whole_read), None);
    }
    assert!(gateway.get("/bucket/copy-of-key").succeeds() == body);
    assert!(gateway.get("/bucket/copy-of-single").succeeds() == body[..3_000_000]);
}

#[test]
fn where_the_store_copies_no_parts_they_go_through_the_gateway_as_they_are_sealed() {
    if !takes_parts() {
        return;
    }
    let content = Content::new(2, 20_000_000);
    let prefix = stored_in_parts(&content);
    let (gateway, seen) = counting_with(&prefix, &json!({"features": {"part_copies": false}}));
    let copy = Request::new("PUT", "/bucket/copy").header("x-amz-copy-source", "/bucket/key");
    let (answer, heads) = seen.during(|| gateway.call(copy));
    answer.succeeds();
    assert!(!heads.iter().any(|head| header(head, "x-amz-copy-source").is_some()), "{heads:?}");
    let went_up: u64 = heads.iter().filter_map(|head| header(head, "content-length")?.parse::<u64>().ok()).sum();
    assert!(went_up > 20_000_000, "{heads:?}");
    assert!(gateway.get("/bucket/copy").succeeds() == content.to_vec());
    let (head, _) = seen.during(|| gateway.call(Request::new("HEAD", "/bucket/copy")));
    assert_eq!(head.header("content-length"), "20000000");
}

#[test]
fn an_answer_that_the_store_cuts_is_never_whole_to_the_client() {
    if !takes_parts() {
        return;
    }
    let (body, gateway, seen) = in_parts();
    gateway.put("/bucket/single", &body[..3_000_000]);
    seen.cuts.store(true, Ordering::SeqCst);
    for path in ["/bucket/single", "/bucket/key"] {
        let got = gateway.get(path);
        assert!(got.status >= 500 || !got.ended_well, "{path}: {} with {} bytes", got.status, got.body.len());
        assert!(got.status >= 500 || body.starts_with(&got.body), "{path}");
    }
    seen.cuts.store(false, Ordering::SeqCst);
    assert!(gateway.get("/bucket/key").succeeds() == body);
}

/// A header's value.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v))
}
