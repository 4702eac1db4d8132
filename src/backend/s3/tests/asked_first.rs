//! Bodies that stream wait until the store wants them, and are not lost to one that does not.

use std::io::Read as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::*;
use super::faulty::{Faulty, HEAD, listen_on, put_request, say};
use crate::backend::BackendError;
use crate::backend::contract::{body, pattern};

const BYTES: usize = 8 << 20;

/// The store, asked before bodies are sent.
async fn asking(faulty: &Faulty) -> S3Store {
    S3Store::new(S3Settings { expect_continue: true, ..faulty.settings() }).await.unwrap()
}

/// Takes the body and says that all is well.
fn take(stream: &mut TcpStream) {
    stream.read_exact(&mut vec![0; BYTES]).unwrap();
    say(stream, &format!("HTTP/1.1 200 OK\r\n{HEAD}Content-Length: 0\r\nConnection: close\r\n\r\n"));
    listen_on(stream);
}

#[tokio::test]
async fn a_store_that_refuses_the_head_gets_no_byte_of_the_body() {
    static GOT: AtomicU64 = AtomicU64::new(0);
    let faulty = Faulty::new(|stream, _| {
        say(stream, "HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        GOT.fetch_add(std::io::copy(stream, &mut std::io::sink()).unwrap_or(0), Ordering::SeqCst);
    });
    let got = asking(&faulty).await.put(put_request(), body(&pattern(1, BYTES))).await;
    assert!(matches!(got, Err(BackendError::Denied)), "{got:?}");
    assert_eq!((GOT.load(Ordering::SeqCst), faulty.attempts()), (0, 1));
}

#[tokio::test]
async fn a_stream_that_a_busy_store_did_not_want_is_sent_to_it_later() {
    let faulty = Faulty::new(|stream, attempt| {
        if attempt < 3 {
            say(stream, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return listen_on(stream);
        }
        say(stream, "HTTP/1.1 100 Continue\r\n\r\n");
        take(stream);
    });
    asking(&faulty).await.put(put_request(), body(&pattern(1, BYTES))).await.unwrap();
    assert_eq!(faulty.attempts(), 3);
}

#[tokio::test]
async fn a_store_that_says_nothing_gets_the_body_and_is_not_asked_again() {
    let faulty = Faulty::new(|stream, _| take(stream));
    let store = asking(&faulty).await;
    for _ in 0..2 {
        store.put(put_request(), body(&pattern(1, BYTES))).await.unwrap();
    }
    assert_eq!(faulty.attempts(), 2);
}

#[tokio::test]
async fn a_store_that_cannot_be_asked_gets_the_body() {
    let faulty = Faulty::new(|stream, attempt| {
        if attempt == 1 {
            say(stream, "HTTP/1.1 417 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return listen_on(stream);
        }
        take(stream);
    });
    asking(&faulty).await.put(put_request(), body(&pattern(1, BYTES))).await.unwrap();
    assert_eq!(faulty.attempts(), 2);
}
