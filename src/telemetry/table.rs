//! The names of all metrics, with unit and help: the one place that they stand in. Prometheus conventions: base units,
//! `_total` for what only grows, no label whose values clients choose.

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described {
    /// without the prefix `sealgate_`, the unit, and `_total`
    pub name: &'static str,
    /// the base unit, or nothing
    pub unit: &'static str,
    /// what it counts or tells
    pub kind: Kind,
    /// one sentence, without a full stop
    pub help: &'static str,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// only grows
    Counter,
    /// goes up and down
    Gauge,
    /// counts observations by size
    Histogram,
}

impl Described {
    /// The name in queries: `sealgate_http_requests_total`.
    #[must_use]
    pub fn full_name(&self) -> String {
        let mut name = format!("{PREFIX}_{}", self.name);
        if !self.unit.is_empty() {
            name = format!("{name}_{}", self.unit);
        }
        if self.kind == Kind::Counter {
            name.push_str("_total");
        }
        name
    }
}

const fn counter(name: &'static str, unit: &'static str, help: &'static str) -> Described {
    Described { name, unit, kind: Kind::Counter, help }
}

const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Described {
    Described { name, unit, kind: Kind::Gauge, help }
}

const fn histogram(name: &'static str, unit: &'static str, help: &'static str) -> Described {
    Described { name, unit, kind: Kind::Histogram, help }
}

/// What every name begins with.
pub const PREFIX: &str = "sealgate";

macro_rules! table {
    ($($(#[$doc:meta])* $id:ident = $described:expr;)*) => {
        $($(#[$doc])* #[doc = "A metric."]
        pub const $id: Described = $described;)*
        /// Every metric, in the order of the exposition.
        pub const ALL: &[Described] = &[$($id),*];
    };
}

table! {
    // requests
    HTTP_REQUESTS = counter("http_requests", "", "Answered requests by operation and class of status code");
    HTTP_DURATION = histogram("http_request_duration", "seconds", "From a request's head to the last byte of its answer");
    HTTP_FIRST_BYTE = histogram("http_first_byte", "seconds", "From a request's head to the head of its answer");
    HTTP_IN_FLIGHT = gauge("http_requests_in_flight", "", "Requests whose answer has not ended");
    HTTP_BYTES = counter("http", "bytes", "Bytes of bodies received from and sent to clients");
    HTTP_REFUSED = counter("http_refused", "", "Requests refused because a limit was reached");
    HTTP_CANCELLED = counter("http_cancelled", "", "Answers that clients did not wait for");
    S3_ERRORS = counter("s3_errors", "", "Answers that are errors by S3 error code");
    CONNECTIONS = gauge("connections_open", "", "Open connections by listener");
    HANDSHAKES_FAILED = counter("tls_handshake_failures", "", "Connections that ended before HTTP, by listener");
    // sealing
    CRYPTO_BYTES = counter("crypto", "bytes", "Plaintext bytes sealed and opened");
    INTEGRITY_FAILURES = counter("crypto_integrity_failures", "", "Stored objects that failed authentication, by what failed");
    // keys
    KEYS_INTERVAL = gauge("keys_refresh_interval", "seconds", "The configured time between two refreshes of keys");
    KEYS_LAST_SUCCESS = gauge("keys_last_refresh_success_timestamp", "seconds", "When the source last told of all keys, Unix time");
    KEYS_FAILURES = gauge("keys_consecutive_refresh_failures", "", "Refreshes that failed since the last good one");
    TENANTS_WITH_KEY = gauge("tenants_with_key", "", "Tenants that have a key of their own");
    TENANTS_WITHOUT_KEY = gauge("tenants_without_key", "", "Tenants that have no key: their requests fail");
    TENANTS_OPEN_ONLY = gauge("tenants_not_sealing", "", "Tenants whose key is in a state that does not seal, by state: their uploads fail");
    TENANTS_LAST_GOOD = gauge("tenants_on_last_good_key", "", "Tenants whose key could not be refreshed");
    KEY_AGE = histogram("key_age", "seconds", "Time since the source last confirmed a tenant's key, over all tenants");
    KEYS_REFRESHES = counter("keys_refreshes", "", "Refreshes of all keys by source and result");
    KEYS_LOOKUPS = counter("keys_lookups", "", "Keys of single tenants that requests had to wait for, by result");
    KEYS_SURPRISES = counter("keys_changed_unannounced", "", "Seeds that changed without a new version");
    KEYS_REVOKED = counter("keys_revoked", "", "Tenants whose keys were taken away because the KMS no longer has them");
    KEYS_OPENED_NOT_ACTIVE = counter("keys_opened_not_active", "", "Envelopes opened with keys that are not active, by state of the key");
    // what stands behind
    BACKEND_REQUESTS = counter("backend_requests", "", "Requests to the S3 store by operation and outcome: the class of the status code, or none without an answer");
    BACKEND_DURATION = histogram("backend_request_duration", "seconds", "From a request to the S3 store to the head of its answer");
    COORDINATOR_REQUESTS = counter("coordinator_requests", "", "Requests to the Coordinator by result");
    COORDINATOR_DURATION = histogram("coordinator_request_duration", "seconds", "From a request to the Coordinator to the end of its answer, by operation; one for changes waits for them");
    COORDINATOR_REVISION = gauge("coordinator_revision", "", "How far the Coordinator's changes were followed");
    COORDINATOR_DAMAGED = gauge("coordinator_tenants_damaged", "", "Tenants whose record is damaged in the Coordinator's database: they go on as they were");
    KMS_REQUESTS = counter("kms_requests", "", "Look-ups of tenants' keys in the KMS by result");
    KMS_DURATION = histogram("kms_request_duration", "seconds", "From the first message of a look-up in the KMS to its end, by operation");
    KMS_LAST_DURATION = gauge("kms_last_request_duration", "seconds", "How long the last look-up in the KMS took");
    INSECURE_TLS = gauge("insecure_tls", "", "Whether the certificate of an upstream is not verified, 1 or 0");
    CACHE_ITEMS = gauge("cache_items", "", "Entries by cache");
    CACHE_LOOKUPS = counter("cache_lookups", "", "Look-ups by cache and whether there was an entry");
    UPSTREAM = gauge("upstream_connection_status", "", "Whether an upstream could be reached when it was last asked, 1 or 0");
    HEALTH = gauge("healthcheck_status", "", "Whether all checks of /health are well, 1 or 0");
    // the process
    BUILD = gauge("build_info", "", "Always 1; the version is a label, and so is the commit if the build was told of it");
    CONFIG = gauge("config_info", "", "Always 1; the digest of the configuration in force, without secrets, is a label");
    CLUSTER_KEYS = gauge("cluster_keys_info", "", "Always 1; a keyed digest of the cluster's keys in force is a label");
    CONFIG_RELOADS = counter("config_reloads", "", "Changed configurations by what became of them");
    CONFIG_LOADED = gauge("config_last_reload_success_timestamp", "seconds", "When the configuration in force was read, Unix time");
    CERTIFICATE_END = gauge("tls_certificate_not_after_timestamp", "seconds", "When a certificate expires, Unix time");
    AUDIT_RECORDS = counter("audit_records", "", "Audit records written by sink");
    AUDIT_DROPPED = counter("audit_dropped", "", "Audit records lost by sink");
    AUDIT_QUEUE = gauge("audit_queue_length", "", "Audit records that wait to be written, by sink");
    // the machine, or the part of it that the process may use
    CPU_USED = gauge("system_cpu_used", "ratio", "CPU time in use of what the process may use, 0 to 1, since the last scrape");
    CPU_LIMIT = gauge("system_cpu_limit", "cores", "CPUs that the process may use");
    MEMORY_USED = gauge("system_memory_used", "bytes", "Memory in use by the container, or else by the process");
    MEMORY_LIMIT = gauge("system_memory_limit", "bytes", "Memory that the container may use, or else of the machine");
    LOAD = gauge("system_load", "", "Processes that run or wait to, over 1, 5 and 15 minutes");
    DISK_FREE = gauge("system_disk_free", "bytes", "Free space of the volume of the local store");
    DISK_SIZE = gauge("system_disk_size", "bytes", "Size of the volume of the local store");
    NETWORK = counter("system_network", "bytes", "Bytes over all network interfaces but loopback");
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_in_the_alphabet_of_prometheus() {
        let names: HashSet<String> = ALL.iter().map(Described::full_name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(
            names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'))
        );
    }

    #[test]
    fn full_names_have_unit_and_total_last() {
        assert_eq!(HTTP_REQUESTS.full_name(), "sealgate_http_requests_total");
        assert_eq!(HTTP_BYTES.full_name(), "sealgate_http_bytes_total");
        assert_eq!(HTTP_DURATION.full_name(), "sealgate_http_request_duration_seconds");
    }
}
