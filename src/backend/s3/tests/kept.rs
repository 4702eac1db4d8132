//! A connection serves one request after the other, unless an answer was left in its middle or the store closed it.

use std::net::{Shutdown, TcpStream};
use std::sync::Barrier;

use futures::StreamExt as _;
use tokio::sync::Notify;

use super::super::*;
use super::faulty::{Faulty, HEAD, Script, get_request, listen_on, object, put_request, read_head, say};
use crate::backend::contract::{body, collect};

/// Answers every request of a connection with so many bytes, of which some are kept back.
fn answer_each(stream: &mut TcpStream, bytes: usize, kept_back: usize) {
    loop {
        let sent = "x".repeat(bytes - kept_back);
        say(stream, &format!("HTTP/1.1 200 OK\r\n{HEAD}Content-Length: {bytes}\r\n\r\n{sent}"));
        if !read_head(stream) {
            return;
        }
    }
}

#[tokio::test]
async fn bodies_that_are_read_leave_the_connection_for_the_next() {
    let scripts: [Script; 2] = [|stream, _| answer_each(stream, 5, 0), |stream, _| answer_each(stream, 3 << 20, 0)];
    for script in scripts {
        let faulty = Faulty::new(script);
        let store = faulty.store().await;
        for _ in 0..3 {
            collect(store.get(get_request(None)).await.unwrap().stream).await.unwrap();
        }
        assert_eq!(faulty.attempts(), 1);
    }
}

#[tokio::test]
async fn answers_without_a_body_leave_the_connection_for_the_next() {
    let faulty = Faulty::new(|stream, _| {
        loop {
            say(stream, &format!("HTTP/1.1 200 OK\r\n{HEAD}Content-Length: 7000\r\n\r\n"));
            if !read_head(stream) {
                return;
            }
        }
    });
    let store = faulty.store().await;
    for _ in 0..3 {
        store.head(&object(), &ReadConditions::default()).await.unwrap();
    }
    assert_eq!(faulty.attempts(), 1);
}

/// Nobody asks for what is behind the headers.
#[tokio::test]
async fn an_empty_body_of_unknown_length_leaves_the_connection_for_the_next() {
    let faulty = Faulty::new(|stream, _| {
        loop {
            std::io::copy(&mut std::io::Read::take(&mut *stream, 5), &mut std::io::sink()).unwrap();
            say(stream, &format!("HTTP/1.1 200 OK\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
            if !read_head(stream) {
                return;
            }
        }
    });
    let store = faulty.store().await;
    for _ in 0..3 {
        store.put(put_request(), body(b"bytes")).await.unwrap();
    }
    assert_eq!(faulty.attempts(), 1);
}

#[tokio::test]
async fn a_body_that_is_left_in_its_middle_takes_its_connection_along() {
    let faulty = Faulty::new(|stream, _| answer_each(stream, 8 << 20, 4 << 20));
    let store = faulty.store().await;
    for _ in 0..3 {
        let mut stream = store.get(get_request(None)).await.unwrap().stream;
        assert!(!stream.next().await.unwrap().unwrap().is_empty());
    }
    assert_eq!(faulty.attempts(), 3);
}

#[tokio::test]
async fn a_connection_that_the_store_closed_is_passed_over() {
    // it is closed while it waits, not before
    static WAITS: Barrier = Barrier::new(2);
    static CLOSED: Notify = Notify::const_new();
    let faulty = Faulty::new(|stream, _| {
        say(stream, &format!("HTTP/1.1 200 OK\r\n{HEAD}Content-Length: 0\r\n\r\n"));
        WAITS.wait();
        stream.shutdown(Shutdown::Write).unwrap();
        CLOSED.notify_one();
        listen_on(stream);
    });
    let once = S3Settings { attempts_max: 1, ..faulty.settings() };
    let address = once.endpoint.authority.to_string();
    let store = S3Store::new(once).await.unwrap();
    for _ in 0..3 {
        store.put(put_request(), body(b"")).await.unwrap();
        WAITS.wait();
        CLOSED.notified().await;
        // the runtime hears of what happened before this
        tokio::net::TcpStream::connect(&address).await.unwrap();
    }
    assert_eq!(faulty.attempts(), 3);
}
