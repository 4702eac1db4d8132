//! The edge: sockets in, one framework call per request, and the limits that keep a stranger from using up the process.
//!
//! [`serve`] accepts connections (HTTP/1.1, and HTTP/2 by prior knowledge or ALPN), each in its own task:
//!
//! ```text
//! socket → a place → PROXY header → Handshake (TLS or plain) → Bounded (bytes without progress)
//!   → Timed (first bytes, stalled writes) → hyper → Front → the framework
//! ```
//!
//! `Front` gives every request its id, log span, headers and its share of the budget (`body::budget`), answers
//! `/_/health` and CORS preflights, and counts the request until the last byte of its answer. Authentication admits it. Error bodies get what the framework leaves out of them.
//! What can grow is bounded by [`Config`]. Durations are wall clock; lengths are bytes.

mod answer;
mod bounded;
mod chunks;
mod connection;
mod error_body;
mod front;
mod listener;
mod places;
mod proxy;
mod readiness;
mod request_body;
mod request_id;
mod socket;
mod stall;
mod timed;
mod tls;

use std::time::Duration;

pub use connection::Connection;
pub use front::S3Handler;
pub use listener::{Handshake, Plain, serve};
pub use places::{Place, Places};
pub use readiness::{Phase, Readiness};
pub use request_id::RequestId;
pub use socket::bind;
pub use timed::Timed;
pub use tls::{Identity, TlsError, TlsFiles, first_end};

use ipnet::IpNet;

use crate::telemetry::Telemetry;

/// What the edge tells of itself, and what it is told.
#[derive(Clone)]
pub struct Surroundings {
    /// metrics and audit
    pub telemetry: Telemetry,
    /// whether requests are asked for
    pub readiness: Readiness,
}

/// The limits of the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// open connections; for further ones idle ones give way, or they wait
    pub connections_max: usize,
    /// requests whose answer has not ended; further ones get 503 `SlowDown`
    pub in_flight_requests_max: usize,
    /// memory for the bodies of these; further requests get 503 `SlowDown`
    pub in_flight_bytes_max: u64,
    /// open streams of one HTTP/2 connection
    pub h2_streams_max: u32,
    /// from a connection's start to the end of its TLS handshake
    pub handshake_timeout: Duration,
    /// from there until it is clear which protocol the client speaks
    pub first_bytes_timeout: Duration,
    /// for a whole request head; also how long an idle HTTP/1.1 connection is kept (longer than the pools of common
    /// clients keep theirs, so that it is they who close)
    pub head_timeout: Duration,
    /// without a byte of a request body: the request fails with `RequestTimeout`
    pub body_stall_timeout: Duration,
    /// for a form's fields or a whole document in XML, beside what its length takes at a slow pace
    pub document_timeout: Duration,
    /// without room in the socket for a byte of an answer: the connection is closed
    pub write_stall_timeout: Duration,
    /// between pings on a silent HTTP/2 connection
    pub h2_ping_period: Duration,
    /// for the answer to a ping
    pub h2_ping_timeout: Duration,
    /// at shutdown, for requests in flight to end
    pub drain_timeout: Duration,
    /// whose connections begin with a PROXY protocol header
    pub proxy_protocol_from: Vec<IpNet>,
    /// whose `X-Forwarded-For` is believed
    pub forwarded_from: Vec<IpNet>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            in_flight_requests_max: 1_024,
            in_flight_bytes_max: 256 << 20,
            h2_streams_max: 128,
            handshake_timeout: Duration::from_secs(10),
            first_bytes_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(75),
            body_stall_timeout: Duration::from_mins(1),
            document_timeout: Duration::from_secs(30),
            write_stall_timeout: Duration::from_mins(5),
            h2_ping_period: Duration::from_secs(30),
            h2_ping_timeout: Duration::from_secs(20),
            drain_timeout: Duration::from_secs(30),
            proxy_protocol_from: Vec::new(),
            forwarded_from: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
