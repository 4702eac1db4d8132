//! A store that stalls, cuts, lies and fails: what comes of it is a clear error, never a short success.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::super::*;
use super::settings;
use crate::backend::contract::{body, body_of, collect, pattern};
use crate::backend::{BackendError, Metadata, StoredRange, WriteConditions};

/// What the store does with one connection after it has read a request's head.
pub(super) type Script = fn(&mut TcpStream, attempt: u32);

/// Serves each connection by the script; counts them.
pub(super) struct Faulty {
    address: SocketAddr,
    attempts: Arc<AtomicU32>,
}

impl Faulty {
    pub(super) fn new(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, attempts) = (listener.local_addr().unwrap(), Arc::new(AtomicU32::new(0)));
        let counted = Arc::clone(&attempts);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    if read_head(&mut stream) {
                        let attempt = counted.fetch_add(1, Ordering::SeqCst) + 1;
                        script(&mut stream, attempt);
                    }
                });
            }
        });
        Self { address, attempts }
    }

    pub(super) async fn store(&self) -> S3Store {
        S3Store::new(self.settings()).await.unwrap()
    }

    pub(super) fn settings(&self) -> S3Settings {
        let timeouts = Timeouts {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_millis(300),
            copy: Duration::from_millis(300),
            idle: Duration::from_millis(300),
        };
        S3Settings { timeouts, ..settings(&self.address.to_string(), "id", "secret") }
    }

    pub(super) fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::SeqCst)
    }
}

/// Whether a whole head came.
pub(super) fn read_head(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_exact(&mut byte).is_err() {
            return false;
        }
        head.push(byte[0]);
    }
    true
}

pub(super) fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).ok();
}

/// Reads on until the other side has enough.
pub(super) fn listen_on(stream: &mut TcpStream) {
    std::io::copy(stream, &mut std::io::sink()).ok();
}

pub(super) const HEAD: &str =
    "ETag: \"0123456789abcdef0123456789abcdef\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

pub(super) fn object() -> ObjectRef {
    ObjectRef { bucket: BucketName::new("b"), key: "k".to_owned(), version_id: None }
}

pub(super) fn get_request(range: Option<StoredRange>) -> GetRequest {
    GetRequest { object: object(), range, conditions: ReadConditions::default() }
}

pub(super) fn put_request() -> PutRequest {
    PutRequest {
        bucket: BucketName::new("b"),
        key: "k".to_owned(),
        metadata: Metadata::default(),
        tags: Vec::new(),
        conditions: WriteConditions::default(),
    }
}

/// What became of a read, head or body.
async fn read(script: Script) -> Result<Vec<u8>> {
    let fetched = Faulty::new(script).store().await.get(get_request(None)).await?;
    collect(fetched.stream).await
}

#[tokio::test]
async fn a_cut_body_is_an_error() {
    let got =
        read(|stream, _| say(stream, &format!("HTTP/1.1 200 OK\r\n{HEAD}Content-Length: 100\r\n\r\nonly this"))).await;
    assert!(matches!(got, Err(BackendError::Body(_))), "{got:?}");
}

#[tokio::test]
async fn a_body_that_stands_still_is_an_error() {
    let got = read(|stream, _| {
        say(stream, &format!("HTTP/1.1 200 OK\r\n{HEAD}Content-Length: 100\r\n\r\nonly this"));
        listen_on(stream);
    })
    .await;
    assert!(matches!(got, Err(BackendError::Body(_))), "{got:?}");
}

#[tokio::test]
async fn a_body_without_a_length_is_refused() {
    let got = read(|stream, _| say(stream, &format!("HTTP/1.1 200 OK\r\n{HEAD}\r\nto the end"))).await;
    assert!(matches!(got, Err(BackendError::Unavailable(_))), "{got:?}");
}

#[tokio::test]
async fn another_range_than_asked_for_is_refused() {
    let faulty = Faulty::new(|stream, _| {
        say(
            stream,
            &format!("HTTP/1.1 206 P\r\n{HEAD}Content-Range: bytes 5-14/100\r\nContent-Length: 10\r\n\r\n0123456789"),
        );
    });
    let range = Some(StoredRange::Bounded { first: 0, last: 9 });
    let got = faulty.store().await.get(get_request(range)).await.map(drop);
    assert!(matches!(got, Err(BackendError::Unavailable(_))), "{got:?}");
}

#[tokio::test]
async fn no_answer_is_an_error_in_time() {
    let faulty = Faulty::new(|stream, _| listen_on(stream));
    let got = faulty.store().await.head(&object(), &ReadConditions::default()).await;
    assert!(matches!(got, Err(BackendError::Unavailable(_))), "{got:?}");
    assert_eq!(faulty.attempts(), 3);
}

#[tokio::test]
async fn nobody_there_is_an_error() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let store = S3Store::new(settings(&address.to_string(), "id", "secret")).await.unwrap();
    assert!(matches!(store.get(get_request(None)).await.map(drop), Err(BackendError::Unavailable(_))));
}

/// 503 twice, then well.
fn busy_at_first(stream: &mut TcpStream, attempt: u32) {
    if attempt < 3 {
        say(stream, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    } else {
        say(stream, &format!("HTTP/1.1 200 OK\r\n{HEAD}Content-Length: 0\r\nConnection: close\r\n\r\n"));
    }
    listen_on(stream);
}

#[tokio::test]
async fn a_busy_store_is_asked_again() {
    let faulty = Faulty::new(busy_at_first);
    faulty.store().await.get(get_request(None)).await.unwrap();
    assert_eq!(faulty.attempts(), 3);
}

#[tokio::test]
async fn a_held_body_is_sent_again() {
    let faulty = Faulty::new(busy_at_first);
    faulty.store().await.put(put_request(), body(b"bytes")).await.unwrap();
    assert_eq!(faulty.attempts(), 3);
}

#[tokio::test]
async fn a_body_that_began_to_stream_is_not_sent_again() {
    let faulty = Faulty::new(|stream, _| {
        let mut some = vec![0; 70_000];
        stream.read_exact(&mut some).unwrap();
        say(stream, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        listen_on(stream);
    });
    let got = faulty.store().await.put(put_request(), body(&pattern(1, 8 << 20))).await;
    assert!(matches!(got, Err(BackendError::Unavailable(_))), "{got:?}");
    assert_eq!(faulty.attempts(), 1);
}

#[tokio::test]
async fn success_before_the_body_is_whole_is_not_believed() {
    let faulty = Faulty::new(|stream, _| {
        say(stream, &format!("HTTP/1.1 200 OK\r\n{HEAD}Content-Length: 0\r\n\r\n"));
        listen_on(stream);
    });
    let pieces = futures::stream::iter([Ok(Bytes::from(vec![1; 50_000]))]);
    let stream = futures::StreamExt::chain(pieces, futures::stream::pending());
    let body = SealedBody { bytes: 8 << 20, stream: Box::pin(stream), late_metadata: None };
    let got = faulty.store().await.put(put_request(), body).await;
    assert!(matches!(got, Err(BackendError::Unavailable(_))), "{got:?}");
}

#[tokio::test]
async fn a_body_that_never_begins_opens_no_request() {
    let faulty = Faulty::new(listen_on_all);
    let broken = body_of(8 << 20, vec![Err("the client is gone".into())]);
    let got = faulty.store().await.put(put_request(), broken).await;
    assert!(matches!(got, Err(BackendError::Body(_))), "{got:?}");
    assert_eq!(faulty.attempts(), 0);
}

fn listen_on_all(stream: &mut TcpStream, _: u32) {
    listen_on(stream);
}

#[tokio::test]
async fn an_error_in_an_answer_of_success_is_an_error() {
    let faulty = Faulty::new(|stream, _| {
        let text = "<Error><Code>InternalError</Code></Error>";
        say(stream, &format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n   {text}", text.len() + 3));
        listen_on(stream);
    });
    let upload = UploadRef { bucket: BucketName::new("b"), key: "k".to_owned(), upload_id: UploadId::new("u") };
    let parts = vec![(1, StoredETag::new("e"))];
    let request = CompleteUpload { upload, parts, conditions: WriteConditions::default() };
    let got = faulty.store().await.complete_upload(request).await;
    assert!(matches!(got, Err(BackendError::Unavailable(_))), "{got:?}");
    assert_eq!(faulty.attempts(), 1);
}

#[tokio::test]
async fn a_call_that_cannot_be_repeated_is_made_once() {
    let faulty = Faulty::new(|stream, _| {
        say(stream, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        listen_on(stream);
    });
    let request = CreateUpload {
        bucket: BucketName::new("b"),
        key: "k".to_owned(),
        metadata: Metadata::default(),
        tags: Vec::new(),
    };
    assert!(faulty.store().await.create_upload(request).await.is_err());
    assert_eq!(faulty.attempts(), 1);
    assert!(faulty.store().await.get(get_request(None)).await.is_err());
    assert_eq!(faulty.attempts(), 4);
}

/// Answers with status 403 and this document.
fn refuse(stream: &mut TcpStream, text: &str) {
    say(stream, &format!("HTTP/1.1 403 No\r\nContent-Length: {}\r\n\r\n{text}", text.len()));
    listen_on(stream);
}

#[tokio::test]
async fn the_wrong_keys_are_not_the_clients_fault() {
    let got = read(|stream, _| {
        refuse(stream, "<Error><Code>InvalidAccessKeyId</Code><Message>your key AKIA</Message></Error>");
    })
    .await;
    assert!(matches!(got, Err(BackendError::Unavailable(_))), "{got:?}");
}

#[tokio::test]
async fn what_the_store_refuses_for_reasons_of_its_own_keeps_its_code() {
    let got = read(|stream, _| {
        refuse(stream, "<Error><Code>QuotaExceeded</Code><Message>of the bucket t1-photos</Message></Error>");
    })
    .await;
    let Err(BackendError::Refused { code, status }) = got else { panic!("{got:?}") };
    assert_eq!((code.as_str(), status.as_u16()), ("QuotaExceeded", 403));
    let got = read(|stream, _| {
        refuse(stream, "<Error><Code>no code, t1-photos</Code></Error>");
    })
    .await;
    assert!(matches!(got, Err(BackendError::Unavailable(_))), "{got:?}");
}

#[tokio::test]
async fn an_error_tells_what_the_store_calls_the_request() {
    let got = read(|stream, _| {
        say(stream, "HTTP/1.1 500 Oh\r\nx-amz-request-id: STORE-7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        listen_on(stream);
    })
    .await;
    let Err(BackendError::Unavailable(error)) = got else { panic!("{got:?}") };
    assert!(error.to_string().contains("STORE-7"), "{error}");
}
