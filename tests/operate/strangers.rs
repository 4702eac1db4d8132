//! Strangers and greedy neighbours: whatever they hold open, a tenant that behaves is served, without one failure, from the
//! same address.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::gateway::{ACCESS_KEY, Gateway, SECRET_KEY, SEED, folder};
use crate::http::{Request, Response};
use crate::sign::{Payload, Signer};

const GREEDY: (&str, &str) = ("AKIDGREEDY", "greedy-test-secret-key");

/// A small gateway, so that few sockets are many, with two tenants; `hall` is a public bucket with a long object.
fn gateway(limits: &Value) -> Gateway {
    let mut all = json!({"in_flight_requests_max": 128, "in_flight_bytes_max": 64 << 20, "connections_max": 600});
    for (name, value) in limits.as_object().unwrap() {
        all[name] = value.clone();
    }
    let folder = folder(&json!({"limits": all}));
    let tenant = |id, (key, secret): (&str, &str), public: &[&str]| {
        json!({"id": id, "bucket_prefix": format!("{id}-"), "public_read_buckets": public,
            "access_keys": [{"id": key, "secret": secret}]})
    };
    let tenants = [tenant("acme", (ACCESS_KEY, SECRET_KEY), &[]), tenant("greedy", GREEDY, &["hall"])];
    let secret = json!({"crypto": {"key_seed": SEED}, "tenants": tenants});
    fs::write(folder.path().join("secret.json"), secret.to_string()).unwrap();
    let gateway = Gateway::start_in(folder, &[]);
    gateway.s3("PUT", "/calm", b"").succeeds();
    greedy(&gateway, "PUT", "/hall", b"").succeeds();
    greedy(&gateway, "PUT", "/hall/long", &vec![7; LONG_BYTES]).succeeds();
    assert_eq!(Request::new("HEAD", "/hall/long").send(gateway.s3).status, 200, "anybody may read it");
    gateway
}

fn greedy(gateway: &Gateway, method: &str, path: &str, body: &[u8]) -> Response {
    greedy_signer().sign(Request::new(method, path).body(body), gateway.s3).send(gateway.s3)
}

fn greedy_signer() -> Signer {
    Signer::new(GREEDY.0, GREEDY.1)
}

/// What somebody who behaves sees: every request of his is answered well.
#[track_caller]
fn is_served(gateway: &Gateway) {
    for number in 0..40 {
        let (path, body) = (format!("/calm/{number}"), vec![u8::try_from(number).unwrap(); 4096]);
        gateway.s3("PUT", &path, &body).succeeds();
        assert_eq!(gateway.s3("GET", &path, b"").succeeds(), body);
        assert_eq!(gateway.s3("HEAD", &path, b"").status, 200);
    }
    assert_eq!(gateway.ask("/health/live").status, 200);
}

/// Sends bytes and keeps the connection.
fn held(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    // whoever is refused at once may be gone already
    stream.write_all(bytes).ok();
    stream
}

fn many(count: usize, to: SocketAddr, bytes: &[u8]) -> Vec<TcpStream> {
    (0..count).map(|_| held(to, bytes)).collect()
}

const FIELD: &str = "--B\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nab";

fn slow_form(bytes: usize) -> Vec<u8> {
    format!(
        "POST /calm HTTP/1.1\r\nHost: s3\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: {bytes}\r\n\r\n{FIELD}"
    )
    .into_bytes()
}

/// A request that somebody signed, whose body is promised and does not come but for this.
fn signed_head(request: Request, to: SocketAddr, payload: &str, body: &[u8]) -> Vec<u8> {
    let (request, _) = greedy_signer().sign_as(request, to, Payload::Word(payload));
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn slow_forms_of_strangers_take_nothing_from_others_and_are_given_up() {
    let gateway = gateway(&json!({"document_timeout": "2s"}));
    let mut forms = many(200, gateway.s3, &slow_form(8 << 20));
    is_served(&gateway);
    let answers: Vec<String> = forms.iter_mut().map(answer).collect();
    let count = |code: &str| answers.iter().filter(|answer| answer.contains(&format!("<Code>{code}</Code>"))).count();
    assert_eq!(count("RequestTimeout") + count("SlowDown"), 200, "{:?}", answers.first());
    assert!(
        (1..=16).contains(&count("RequestTimeout")),
        "an eighth of 128 requests at most: {}",
        count("RequestTimeout")
    );
    let metrics = gateway.ask("/metrics").text();
    assert!(metrics.contains("sealgate_http_refused_total{reason=\"share_of_requests\"}"), "{metrics}");
}

#[test]
fn half_sent_heads_give_way() {
    let gateway = gateway(&json!({}));
    let head = [b"GET /calm/0 HTTP/1.1\r\nHost: s3\r\nX-Slow: ".as_slice(), &vec![b'x'; 60_000]].concat();
    let heads = many(700, gateway.s3, &head);
    is_served(&gateway);
    drop(heads);
}

#[test]
fn idle_connections_give_way() {
    let gateway = gateway(&json!({}));
    let idle = many(700, gateway.s3, b"GET /_/health HTTP/1.1\r\nHost: s3\r\n\r\n");
    is_served(&gateway);
    drop(idle);
}

#[test]
fn slow_documents_of_a_tenant_leave_room_to_others_and_are_given_up() {
    let gateway = gateway(&json!({"document_timeout": "2s"}));
    let complete = Request::new("POST", "/hall/x?uploadId=u").header("content-length", "8000000");
    let mut slow = many(200, gateway.s3, &signed_head(complete, gateway.s3, "UNSIGNED-PAYLOAD", b"<CompleteMultipart"));
    let acl = Request::new("PUT", "/hall?tagging").header("content-length", "8000000");
    slow.extend(many(50, gateway.s3, &signed_head(acl, gateway.s3, "UNSIGNED-PAYLOAD", b"<Tagging>")));
    is_served(&gateway);
    let answers: Vec<String> = slow.iter_mut().map(answer).collect();
    let late = answers.iter().filter(|answer| answer.contains("<Code>RequestTimeout</Code>")).count();
    let refused = answers.iter().filter(|answer| answer.contains("<Code>SlowDown</Code>")).count();
    assert_eq!(late + refused, 250, "{:?}", answers.first());
    assert!((1..=96).contains(&late), "three quarters of 128 requests at most: {late}");
}

#[test]
fn signed_chunks_that_are_held_count() {
    let gateway = gateway(&json!({}));
    let bytes = (8 << 20) - 100;
    let chunk = [format!("{bytes:x};chunk-signature={}\r\n", "0".repeat(64)).as_bytes(), &vec![0; bytes - 10]].concat();
    for payload in ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"] {
        let request = Request::new("PUT", "/hall/chunk")
            .header("content-encoding", "aws-chunked")
            .header("x-amz-trailer", "x-amz-checksum-crc32")
            .header("x-amz-decoded-content-length", bytes.to_string())
            .header("content-length", (bytes + 300).to_string());
        let all = many(24, gateway.s3, &signed_head(request, gateway.s3, payload, &chunk));
        is_served(&gateway);
        let resident = gateway.resident_bytes();
        assert!(resident < 200 << 20, "{payload}: {} MiB with a budget of 64", resident >> 20);
        drop(all);
    }
    let metrics = gateway.ask("/metrics").text();
    assert!(!metrics.contains("sealgate_http_refused_total{reason=\"share_of_bytes\"} 0"), "{metrics}");
}

#[test]
fn readers_that_do_not_read_leave_room_to_others() {
    let gateway = gateway(&json!({}));
    let anonymous = many(200, gateway.s3, b"GET /hall/long HTTP/1.1\r\nHost: s3\r\n\r\n");
    let signed = signed_head(Request::new("GET", "/hall/long"), gateway.s3, "UNSIGNED-PAYLOAD", b"");
    let tenants = many(200, gateway.s3, &signed);
    is_served(&gateway);
    drop((anonymous, tenants));
}

#[test]
fn one_http_2_connection_with_all_its_streams_is_one_stranger() {
    let gateway = gateway(&json!({"document_timeout": "2s"}));
    let mut bytes = Vec::from(H2_BEGIN);
    for stream in (1..255).step_by(2) {
        let headers = [
            (":method", "POST"),
            (":path", "/calm"),
            (":scheme", "http"),
            (":authority", "s3"),
            ("content-type", "multipart/form-data; boundary=B"),
            ("content-length", "8388608"),
        ];
        bytes.extend(frame(1, END_HEADERS, stream, &literal(&headers)));
        bytes.extend(frame(0, 0, stream, FIELD.as_bytes()));
    }
    let streams = held(gateway.s3, &bytes);
    is_served(&gateway);
    drop(streams);
}

#[test]
fn floods_of_frames_that_ask_for_nothing_are_cut() {
    let gateway = gateway(&json!({}));
    let priority = frame(2, 0, 1, &[0, 0, 0, 0, 16]);
    let ping = frame(6, 0, 0, &[0; 8]);
    let settings = frame(4, 0, 0, &[]);
    let window = frame(8, 0, 0, &[0, 0, 0, 1]);
    let get = literal(&[(":method", "GET"), (":path", "/calm/0"), (":scheme", "http"), (":authority", "s3")]);
    let unknown = frame(99, 0, 0, &[0; 100]);
    for flood in [priority, ping, settings, window, unknown] {
        is_cut(&gateway, H2_BEGIN, |_| flood.clone());
    }
    // streams that are reset as soon as they are opened
    is_cut(&gateway, H2_BEGIN, |number| {
        let stream = number * 2 + 1;
        [frame(1, END_HEADERS | END_STREAM, stream, &get), frame(3, 0, stream, &[0, 0, 0, 8])].concat()
    });
    // a body of nothing
    let post = literal(&[
        (":method", "POST"),
        (":path", "/calm"),
        (":scheme", "http"),
        (":authority", "s3"),
        ("content-type", "multipart/form-data; boundary=B"),
        ("content-length", "1000"),
    ]);
    let begin = [H2_BEGIN, &frame(1, END_HEADERS, 1, &post)].concat();
    is_cut(&gateway, &begin, |_| frame(0, 0, 1, b""));
    // a head without end
    let begin = [H2_BEGIN, &frame(1, 0, 1, &get)].concat();
    is_cut(&gateway, &begin, |_| frame(9, 0, 1, b""));
    is_served(&gateway);
    let metrics = gateway.ask("/metrics").text();
    assert!(!metrics.contains("sealgate_http_refused_total{reason=\"frames\"} 0"), "{metrics}");
}

/// Fails unless the gateway ends the connection long before 64 MiB of this came.
#[track_caller]
fn is_cut(gateway: &Gateway, begin: &[u8], next: impl Fn(u32) -> Vec<u8>) {
    let mut stream = held(gateway.s3, begin);
    let mut answers = stream.try_clone().unwrap();
    let reading = std::thread::spawn(move || std::io::copy(&mut answers, &mut std::io::sink()));
    let (mut sent, mut number) = (0, 0);
    while sent < 64 << 20 {
        let mut bytes = Vec::new();
        while bytes.len() < 16 << 10 {
            bytes.extend(next(number));
            number += 1;
        }
        if stream.write_all(&bytes).is_err() {
            break;
        }
        sent += bytes.len();
    }
    stream.shutdown(std::net::Shutdown::Both).ok();
    reading.join().unwrap().ok();
    assert!(sent < 64 << 20, "{sent} bytes of {:?}... were taken", &next(0)[..9]);
}

#[test]
fn all_of_them_together_do_not_keep_a_tenant_from_its_work() {
    let gateway = gateway(&json!({"document_timeout": "5s"}));
    let to = gateway.s3;
    let complete = Request::new("POST", "/hall/x?uploadId=u").header("content-length", "8000000");
    let upload = Request::new("PUT", "/hall/slow").header("content-length", "8000000");
    let mut attack = many(200, to, &slow_form(8 << 20));
    attack.extend(many(100, to, &signed_head(complete, to, "UNSIGNED-PAYLOAD", b"<")));
    attack.extend(many(200, to, &signed_head(upload, to, "UNSIGNED-PAYLOAD", &[0; 1000])));
    attack.extend(many(200, to, b"GET /hall/long HTTP/1.1\r\nHost: s3\r\n\r\n"));
    attack.extend(many(300, to, b"GET /calm/0 HTTP/1.1\r\nHost: s3\r\nX-Slow: "));
    is_served(&gateway);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| is_served(&gateway));
        }
    });
    drop(attack);
}

#[test]
fn documents_over_the_limit_are_told_so() {
    let gateway = gateway(&json!({}));
    let long = vec![b' '; (8 << 20) + 1];
    for (method, path) in [("POST", "/calm/x?uploadId=u"), ("POST", "/calm?delete"), ("PUT", "/calm?tagging")] {
        gateway.signed(method, path, &long).send_cut(gateway.s3, 1000).is_error(400, "MaxMessageLengthExceeded");
    }
}

#[test]
fn a_document_that_is_not_the_signed_one_is_told_so() {
    let gateway = gateway(&json!({}));
    let signer = Signer::new(ACCESS_KEY, SECRET_KEY);
    for (method, path) in [("PUT", "/calm?tagging"), ("POST", "/calm?delete"), ("POST", "/calm/x?uploadId=u")] {
        let request = Request::new(method, path).body("<Other/>");
        let (request, _) = signer.sign_as(request, gateway.s3, Payload::HashOf(b"<Signed/>"));
        request.send(gateway.s3).is_error(400, "XAmzContentSHA256Mismatch");
    }
}

#[test]
fn idle_connections_to_the_admin_port_do_not_hide_our_health() {
    let gateway = gateway(&json!({}));
    let silent = many(100, gateway.admin, b"");
    assert_eq!(gateway.ask("/health/live").status, 200);
    let half = many(100, gateway.admin, b"GET /health HTTP/1.1\r\nHost:");
    assert_eq!(gateway.ask("/health/live").status, 200);
    let kept = many(100, gateway.admin, b"GET /metrics HTTP/1.1\r\nHost: admin\r\n\r\n");
    assert_eq!(gateway.ask("/health/ready").status, 200);
    drop((silent, half, kept));
}

#[test]
fn slow_forms_to_the_admin_port_do_not_hide_our_health() {
    let folder = folder(&json!({}));
    fs::write(folder.path().join("metrics-secret-header-value"), "secret").unwrap();
    let gateway = Gateway::start_in(folder, &[]);
    let form = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
        Content-Length: 1000\r\n\r\nsecret=";
    let forms = many(100, gateway.admin, form);
    assert_eq!(gateway.ask("/health/live").status, 200);
    let mut first = &forms[0];
    assert_eq!(first.read(&mut [0; 1]).unwrap_or(0), 0, "a form that was slow gave way, without an answer");
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Headers as HPACK literals that are not indexed (RFC 7541 section 6.2.2).
fn literal(headers: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    headers.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// The preface and empty SETTINGS.
const H2_BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// More than the sockets between take.
const LONG_BYTES: usize = 24 << 20;
