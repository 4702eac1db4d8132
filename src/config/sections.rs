//! The sections `limits`, `auth` and `cluster`: from text to typed settings.

use std::time::Duration;

use super::duration::GoDuration;
use super::error::Problem;
use super::raw::{RawAuth, RawCluster, RawLimits};

/// How much may be under way at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// requests
    pub in_flight_requests_max: u32,
    /// bytes of bodies held
    pub in_flight_bytes_max: u64,
    /// open connections
    pub connections_max: u32,
    /// for a form's fields or a document to come, beside what its length takes
    pub document_timeout: Duration,
    /// at the end, for requests under way
    pub drain_timeout: Duration,
    /// at the end, before new requests are no longer accepted
    pub shutdown_delay: Duration,
}

/// What requests may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth {
    /// presigned URLs of signature version 2 are let through
    pub allow_sigv2_presigned: bool,
    /// customer-provided keys (SSE-C) are let through for new objects
    pub allow_sse_c: bool,
}

/// Which gateways belong together, and which of them this one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// the cluster's name
    pub name: String,
    /// this gateway's name in it
    pub pod: String,
}

impl Cluster {
    /// The name of a cluster that was given none.
    pub const UNNAMED: &str = "default";
}

/// The limits; what is wrong is added to `problems`.
pub(super) fn limits(raw: &RawLimits, problems: &mut Vec<Problem>) -> Limits {
    if raw.in_flight_requests_max == 0 {
        problems.push(value("limits.in_flight_requests_max", "must be at least 1"));
    }
    if raw.in_flight_bytes_max < IN_FLIGHT_BYTES_MIN {
        problems.push(value("limits.in_flight_bytes_max", "must be at least 1048576 (1 MiB)"));
    }
    if raw.connections_max == 0 {
        problems.push(value("limits.connections_max", "must be at least 1"));
    }
    if raw.document_timeout.get() < DOCUMENT_TIMEOUT_MIN {
        problems.push(value("limits.document_timeout", "must be at least 1s"));
    }
    Limits {
        document_timeout: raw.document_timeout.get(),
        in_flight_requests_max: raw.in_flight_requests_max,
        in_flight_bytes_max: raw.in_flight_bytes_max,
        connections_max: raw.connections_max,
        drain_timeout: raw.drain_timeout.get(),
        shutdown_delay: raw.shutdown_delay.map_or(Duration::ZERO, GoDuration::get),
    }
}

/// What requests may carry.
pub(super) fn auth(raw: &RawAuth) -> Auth {
    Auth { allow_sigv2_presigned: raw.allow_sigv2_presigned, allow_sse_c: raw.allow_sse_c }
}

/// The names; what is wrong is added to `problems`.
pub(super) fn cluster(raw: &RawCluster, environment: super::Environment<'_>, problems: &mut Vec<Problem>) -> Cluster {
    let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    let is_name = |text: &str| {
        let is_fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_fine)
    };
    if !is_name(&raw.name) {
        problems.push(value("cluster.name", "must be 1 to 128 letters, digits, `-`, `_` and `.`"));
    }
    // not of the configuration, which is the same for all of a cluster
    let pod = environment(POD_VARIABLE)
        .filter(|name| is_name(name))
        .or_else(host)
        .filter(|name| is_name(name))
        .unwrap_or_else(|| "gateway".to_owned());
    Cluster { name: raw.name.clone(), pod }
}

pub(super) fn value(path: &str, reason: &str) -> Problem {
    Problem::Value { path: path.into(), reason: reason.into() }
}

/// Names this gateway in its cluster; without it the host's name does.
const POD_VARIABLE: &str = "POD_NAME";
const NAME_BYTES_MAX: usize = 128;
const DOCUMENT_TIMEOUT_MIN: Duration = Duration::from_secs(1);
const IN_FLIGHT_BYTES_MIN: u64 = 1 << 20;
