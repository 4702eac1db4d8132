//! Gateways over the one SeaweedFS of this test program.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::seaweedfs::SeaweedFs;
use super::support::{Gateway, Request};

/// Started for the first test that needs it; ends with the program.
pub(crate) static STORE: LazyLock<SeaweedFs> = LazyLock::new(SeaweedFs::start);

/// What the names of the buckets of one test start with.
pub(crate) fn own_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("t{}-", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A gateway with names of its own.
pub(crate) fn gateway() -> Gateway {
    replica(&own_prefix())
}

/// A gateway that shares its names with all others of this prefix.
pub(crate) fn replica(prefix: &str) -> Gateway {
    Gateway::configured(&STORE.backend(&format!("{prefix}staging")), prefix)
}

/// A gateway with one bucket, `bucket`.
pub(crate) fn with_bucket() -> Gateway {
    let gateway = gateway();
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    gateway
}
