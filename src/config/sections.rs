//! The sections `limits` and `auth`: from text to typed settings.

use std::time::Duration;

use super::duration::GoDuration;
use super::error::Problem;
use super::raw::{RawAuth, RawLimits};

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
    /// how long a multipart upload may be open
    pub upload_max_age: Duration,
}

/// What requests may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth {
    /// presigned URLs of signature version 2 are let through
    pub allow_sigv2_presigned: bool,
    /// customer-provided keys (SSE-C) are let through for new objects
    pub allow_sse_c: bool,
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
    if raw.upload_max_age.get() < UPLOAD_AGE_MIN {
        problems.push(value("limits.upload_max_age", "must be at least 1s; 720h is a good choice"));
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
        upload_max_age: raw.upload_max_age.get(),
        shutdown_delay: raw.shutdown_delay.map_or(Duration::ZERO, GoDuration::get),
    }
}

/// What requests may carry.
pub(super) fn auth(raw: &RawAuth) -> Auth {
    Auth { allow_sigv2_presigned: raw.allow_sigv2_presigned, allow_sse_c: raw.allow_sse_c }
}

pub(super) fn value(path: &str, reason: &str) -> Problem {
    Problem::Value { path: path.into(), reason: reason.into() }
}

const UPLOAD_AGE_MIN: Duration = Duration::from_secs(1);
const DOCUMENT_TIMEOUT_MIN: Duration = Duration::from_secs(1);
const IN_FLIGHT_BYTES_MIN: u64 = 1 << 20;
