//! The id of a request: in its log lines, in `x-amz-request-id`, and in the body of an error.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// 20 upper-case hex digits, different for every request of this and, as good as surely, of any other process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where ids come from: a counter, hashed under a key that the operating system gave this process, so that ids neither
/// repeat nor tell how many requests there were.
pub(super) struct RequestIds {
    keys: [RandomState; 2],
    next: AtomicU64,
    host_id: String,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        let keys = [RandomState::new(), RandomState::new()];
        let host: Vec<u8> = (0..4_u8).flat_map(|n| keys[0].hash_one(("host", n)).to_be_bytes()).collect();
        Self { keys, next: AtomicU64::new(0), host_id: STANDARD.encode(host) }
    }

    pub(super) fn next(&self) -> RequestId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let [high, low] = &self.keys;
        RequestId(format!("{:016X}{:04X}", high.hash_one(number), low.hash_one(number) & 0xFFFF).into())
    }

    /// `x-amz-id-2`: which process answered; logged at its start.
    pub(super) fn host_id(&self) -> &str {
        &self.host_id
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_of_one_shape_and_do_not_repeat() {
        let ids = RequestIds::new();
        let seen: HashSet<RequestId> = (0..10_000).map(|_| ids.next()).collect();
        assert_eq!(seen.len(), 10_000);
        assert!(seen.iter().all(|id| id.as_str().len() == 20 && id.as_str().bytes().all(|b| b.is_ascii_hexdigit())));
    }

    #[test]
    fn two_processes_have_different_ids_and_names() {
        let (one, other) = (RequestIds::new(), RequestIds::new());
        assert_ne!(one.next(), other.next());
        assert_ne!(one.host_id(), other.host_id());
    }
}
