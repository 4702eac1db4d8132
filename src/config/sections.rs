//! The sections `listen`, `limits` and `auth`: from text to typed settings.

use std::net::SocketAddr;

use super::error::Problem;
use super::raw::{RawAuth, RawConfig, RawLimits, RawListen};

/// The addresses to listen on; port 0 picks a free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// S3 clients
    pub s3: SocketAddr,
    /// health, metrics and status
    pub admin: SocketAddr,
}

/// How much may be under way at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// requests
    pub in_flight_requests_max: u32,
    /// bytes of bodies held
    pub in_flight_bytes_max: u64,
}

/// How requests may be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth {
    /// presigned URLs of signature version 2 are let through
    pub allow_sigv2_presigned: bool,
}

/// The addresses; what is wrong is added to `problems`.
pub(super) fn listen(raw: &RawListen, problems: &mut Vec<Problem>) -> Option<Listen> {
    let mut address = |text: &str, path: &str| {
        let address = text.parse::<SocketAddr>().ok();
        if address.is_none() {
            problems.push(value(path, "must be an IP address and a port, such as 127.0.0.1:8000 or [::]:8000"));
        }
        address
    };
    let (s3, admin) = (address(&raw.s3, "listen.s3"), address(&raw.admin, "listen.admin"));
    if s3.is_some_and(|s3| !s3.ip().is_loopback()) && !raw.allow_plain_http {
        let reason = "is open to the network without TLS; set listen.allow_plain_http if TLS ends before the gateway";
        problems.push(value("listen.s3", reason));
    }
    if s3 == admin && s3.is_some_and(|s3| s3.port() != 0) {
        problems.push(value("listen.admin", "must not be the address of listen.s3"));
    }
    Some(Listen { s3: s3?, admin: admin? })
}

/// The limits; what is wrong is added to `problems`.
pub(super) fn limits(raw: &RawLimits, problems: &mut Vec<Problem>) -> Limits {
    if raw.in_flight_requests_max == 0 {
        problems.push(value("limits.in_flight_requests_max", "must be at least 1"));
    }
    if raw.in_flight_bytes_max < IN_FLIGHT_BYTES_MIN {
        problems.push(value("limits.in_flight_bytes_max", "must be at least 1048576 (1 MiB)"));
    }
    let RawLimits { in_flight_requests_max, in_flight_bytes_max } = *raw;
    Limits { in_flight_requests_max, in_flight_bytes_max }
}

/// The rules of signing.
pub(super) fn auth(raw: &RawAuth) -> Auth {
    Auth { allow_sigv2_presigned: raw.allow_sigv2_presigned }
}

/// Refuses what can be written down but is not done yet, rather than ignoring it.
pub(super) fn refuse_unserved(raw: &RawConfig, problems: &mut Vec<Problem>) {
    for (section, fields) in [("audit", &raw.audit), ("telemetry", &raw.telemetry)] {
        for field in fields.keys() {
            problems.push(Problem::NotAvailable { path: format!("{section}.{field}") });
        }
    }
}

fn value(path: &str, reason: &str) -> Problem {
    Problem::Value { path: path.into(), reason: reason.into() }
}

const IN_FLIGHT_BYTES_MIN: u64 = 1 << 20;
