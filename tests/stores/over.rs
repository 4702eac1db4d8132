//! Gateways over the one store of this test program.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::real_store::RealStore;
use super::support::{Gateway, Request};

/// Started for the first test that needs it; ends with the program.
pub(crate) static STORE: LazyLock<RealStore> = LazyLock::new(RealStore::start);

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
    Gateway::configured(&backend(STORE.endpoint(), prefix), prefix)
}

/// The `backend` section of a gateway over the store, which is reached at `endpoint`.
pub(crate) fn backend(endpoint: &str, prefix: &str) -> Value {
    let (id, secret) = STORE.keys();
    json!({
        "type": "s3", "endpoint": endpoint, "access_key_id": id, "secret_access_key": secret,
        "staging_bucket": format!("staging-{prefix}x"),
    })
}

/// A gateway with one bucket, `bucket`.
pub(crate) fn with_bucket() -> Gateway {
    let gateway = gateway();
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    gateway
}

/// Whether a gateway found out at its start that the store lacks this, as its log tells.
pub(crate) fn lacks(gateway: &Gateway, what: &str) -> bool {
    gateway.log().contains(&format!("the store lacks {what}"))
}

/// Whether the store tells how many parts an object has. Else the gateway refuses uploads in parts, which is looked at.
pub(crate) fn takes_parts() -> bool {
    static TAKES: LazyLock<bool> = LazyLock::new(|| {
        let gateway = with_bucket();
        let is_lacking = lacks(&gateway, "counts of parts");
        if is_lacking {
            gateway.call(Request::new("POST", "/bucket/key?uploads")).is_error(501, "NotImplemented");
        }
        !is_lacking
    });
    *TAKES
}
