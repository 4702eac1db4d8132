//! Counts and durations of requests to the S3 store. An operation gets its metrics with its first request.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::metrics::{Labels, OPERATIONS, add, durations, label};
use super::table;

pub(super) struct BackendCalls {
    requests: Family<Labels, Counter>,
    duration: Family<Labels, Histogram, fn() -> Histogram>,
    operations: HashMap<&'static str, OnceLock<Operation>>,
    other: OnceLock<Operation>,
}

/// The handles of one operation.
struct Operation {
    /// no answer, then 1xx to 5xx
    by_outcome: [Counter; 6],
    duration: Histogram,
}

impl BackendCalls {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let requests = Family::<Labels, Counter>::default();
        let duration = Family::<Labels, Histogram, fn() -> Histogram>::new_with_constructor(durations);
        add(registry, &table::BACKEND_REQUESTS, requests.clone());
        add(registry, &table::BACKEND_DURATION, duration.clone());
        let operations = OPERATIONS.iter().map(|name| (*name, OnceLock::new())).collect();
        Self { requests, duration, operations, other: OnceLock::new() }
    }

    pub(super) fn answered(&self, operation: &'static str, status: Option<u16>, took: Duration) {
        let handles = match self.operations.get(operation) {
            Some(handles) => handles.get_or_init(|| self.handles(operation)),
            None => self.other.get_or_init(|| self.handles("Other")),
        };
        let outcome = status.map_or(0, |status| usize::from(status / 100).clamp(1, 5));
        handles.by_outcome[outcome].inc();
        handles.duration.observe(took.as_secs_f64());
    }

    fn handles(&self, operation: &str) -> Operation {
        let of_outcome = |outcome: &str| {
            let labels = [label("operation", operation), label("outcome", outcome)].concat();
            self.requests.get_or_create_owned(&labels)
        };
        Operation {
            by_outcome: ["none", "1xx", "2xx", "3xx", "4xx", "5xx"].map(of_outcome),
            duration: self.duration.get_or_create_owned(&label("operation", operation)),
        }
    }
}
