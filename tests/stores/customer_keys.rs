//! Keys of customers (SSE-C), over a store that takes metadata only before a body, and parts.

use serde_json::json;

use super::customer_key::goes_up_and_comes_back;
use super::over::{STORE, backend, own_prefix, takes_parts};
use super::support::{Gateway, Request};

fn with_bucket() -> Gateway {
    let prefix = own_prefix();
    let sections = json!({"auth": {"allow_sse_c": true}, "backend": backend(STORE.endpoint(), &prefix)});
    let gateway = Gateway::with_tenant(&sections, &json!({"bucket_prefix": prefix}));
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    gateway
}

#[test]
fn objects_of_all_sizes_open_with_their_key_alone() {
    let gateway = with_bucket();
    let most = if takes_parts() { 20_000_000 } else { 700_000 };
    for bytes in [1, 3_000_000, 20_000_000].into_iter().filter(|bytes| *bytes <= most) {
        goes_up_and_comes_back(&gateway, bytes);
    }
}
