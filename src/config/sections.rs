//! The sections `backend`, `listen`, `limits` and `auth`: from text to typed settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::error::Problem;
use super::raw::{RawAuth, RawBackend, RawConfig, RawLimits, RawListen};
use crate::backend::BucketName;
use crate::tenant::BucketPrefix;

/// Where sealed objects are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendSettings {
    /// which store
    pub store: Store,
    /// the bucket in which multipart uploads under way keep their records; no client's bucket
    pub staging_bucket: BucketName,
}

/// A store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// the embedded one
    Local {
        /// its folder
        path: PathBuf,
    },
}

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

/// The store; what is wrong is added to `problems`.
pub(super) fn backend(raw: &RawBackend, problems: &mut Vec<Problem>) -> Option<BackendSettings> {
    let staging_bucket = match BucketPrefix::empty().to_backend(&raw.staging_bucket) {
        Ok(bucket) => Some(bucket),
        Err(error) => {
            problems.push(value("backend.staging_bucket", &error.to_string()));
            None
        }
    };
    let s3_fields = [
        ("endpoint", raw.endpoint.is_some()),
        ("region", raw.region.is_some()),
        ("access_key_id", raw.access_key_id.is_some()),
        ("secret_access_key", raw.secret_access_key.is_some()),
        ("path_style", raw.path_style.is_some()),
    ];
    match raw.kind.as_str() {
        "local" => {
            for (field, _) in s3_fields.iter().filter(|(_, is_given)| *is_given) {
                problems.push(Problem::OtherMode { path: format!("backend.{field}"), mode: "type local".into() });
            }
            let path = raw.path.as_deref().unwrap_or(DATA_DIR);
            if path.is_empty() {
                problems.push(Problem::Missing { path: "backend.path".into() });
            }
            Some(BackendSettings { store: Store::Local { path: path.into() }, staging_bucket: staging_bucket? })
        }
        "s3" => {
            problems.push(Problem::NotAvailable { path: "backend.type s3".into() });
            None
        }
        _ => {
            problems.push(value("backend.type", "must be local or s3"));
            None
        }
    }
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

/// The rules of signing; what is wrong is added to `problems`.
pub(super) fn auth(raw: &RawAuth, problems: &mut Vec<Problem>) -> Auth {
    if raw.allow_sigv2_presigned {
        problems.push(Problem::NotAvailable { path: "auth.allow_sigv2_presigned".into() });
    }
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

const DATA_DIR: &str = "./sealgate-data";
const IN_FLIGHT_BYTES_MIN: u64 = 1 << 20;
