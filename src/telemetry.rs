//! What the process tells of itself.
//!
//! - [`table`]: the names of all metrics; [`metrics`]: the metrics; [`exposition`]: their text
//! - [`tally`]: counts from the middle of bodies, where no handle reaches
//! - [`system`]: CPU, memory, load, disk and network, of the container if there is one
//! - [`request`]: what is known of a request by its end
//! - [`audit`]: one JSON record a request, through a bounded queue to a sink
//! - [`log`]: the log lines; [`traces`]: spans for a collector, if there is one
//!
//! Nothing here holds a body, a secret or a signature. On the way of a body there are relaxed atomic additions only:
//! handles are looked up once a request.

pub mod audit;
mod backend_calls;
pub mod exposition;
pub mod log;
pub mod metrics;
pub mod request;
mod spread;
pub mod system;
pub mod table;
pub mod tally;
pub mod traces;

use std::sync::Arc;

pub use audit::Audit;
pub use metrics::Metrics;

/// What is told to: metrics, and audit records if they are on.
#[derive(Clone)]
pub struct Telemetry {
    /// counts and durations
    pub metrics: Arc<Metrics>,
    /// where records of requests go
    pub audit: Option<Audit>,
}

impl Telemetry {
    /// Metrics alone.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, audit: None }
    }
}
