//! What the admin port shows. Ids, times and counts; never a secret.

use serde::Serialize;

/// Whoever knows how the gateway is.
pub trait StatusSource: Send + Sync + 'static {
    /// All checks.
    fn health(&self) -> Health;
    /// Everything for the page.
    fn status(&self) -> Status;
    /// The metrics as `OpenMetrics` text. May take a moment.
    fn metrics(&self) -> String;
}

/// The outcome of all checks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// `ok` or `failing`
    pub status: &'static str,
    /// the checks
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// what is checked
    pub name: &'static str,
    /// whether it is well
    pub ok: bool,
    /// a sentence about it
    pub detail: String,
}

impl Health {
    /// The outcome of these checks.
    #[must_use]
    pub fn of(checks: Vec<Check>) -> Self {
        let status = if checks.iter().all(|check| check.ok) { "ok" } else { "failing" };
        Self { status, checks }
    }

    /// Whether no check fails.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.status == "ok"
    }
}

/// Everything that the page shows. Times are Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    /// the program's version
    pub version: &'static str,
    /// the key mode
    pub mode: &'static str,
    /// `starting`, `ready` or `draining`
    pub phase: &'static str,
    /// when the process began
    pub started_at: u64,
    /// now
    pub now: u64,
    /// digest of the configuration in force, without secrets
    pub config_digest: String,
    /// all checks
    pub health: Health,
    /// where tenants' keys come from
    pub key_source: &'static str,
    /// the key that seals for tenants that have none of their own
    pub default_key_id: Option<String>,
    /// ids of the cluster's keys, the one that seals first
    pub cluster_keys: Vec<String>,
    /// how many tenants have keys of their own
    pub tenants_total: usize,
    /// the first of them
    pub tenants: Vec<Tenant>,
    /// what stands behind
    pub upstreams: Vec<Upstream>,
    /// certificates
    pub certificates: Vec<Certificate>,
    /// bytes of bodies since the start
    pub received_bytes: u64,
    /// bytes of bodies since the start
    pub sent_bytes: u64,
    /// requests under way
    pub in_flight: i64,
    /// the last warnings and errors
    pub recent: Vec<Line>,
}

/// A tenant's keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tenant {
    /// the tenant
    pub id: String,
    /// the key that seals
    pub key_id: String,
    /// what its source says of it; only an active one seals
    pub key_state: &'static str,
    /// how many further keys open
    pub retired: usize,
    /// where they came from
    pub source: &'static str,
    /// when the source last confirmed them
    pub fresh_at: u64,
    /// the customer fragment that is joined to its seeds
    pub fragment: Option<String>,
    /// `fresh`, or `last good` if the last refresh did not confirm them
    pub freshness: &'static str,
}

/// Something that the gateway depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Upstream {
    /// its name
    pub name: &'static str,
    /// whether it could be reached when it was last asked
    pub ok: bool,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// whose
    pub name: &'static str,
    /// when it expires
    pub not_after: u64,
}

/// A log line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// when
    pub at: u64,
    /// `WARN` or `ERROR`
    pub level: &'static str,
    /// what
    pub text: String,
}

/// So many tenants are listed.
pub const TENANTS_MAX: usize = 500;
