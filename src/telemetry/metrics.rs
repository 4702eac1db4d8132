//! [`Metrics`]: the registry, and handles that are resolved before they are needed.
//!
//! Counts of requests have their handles in a map that never changes after the start, so a request takes no lock.
//! What other parts know better (keys, certificates, upstreams) is [told](Metrics::tell) when the metrics are asked for.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::text::{encode, encode_registry};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

use super::audit::Handles;
use super::backend_calls::BackendCalls;
use super::request::Ended;
use super::spread;
use super::table::{self, Described};
use super::tally::{self, Cache, Failed};

/// A set of labels.
pub type Labels = Vec<(&'static str, String)>;
/// A counter that somebody else keeps.
pub type Counted = (&'static Described, Labels, u64);
pub use spread::Spread;
type Level = Gauge<f64, AtomicU64>;
type Levels = Family<Labels, Level>;

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    operations: HashMap<&'static str, Operation>,
    other: Operation,
    errors: HashMap<&'static str, Counter>,
    other_errors: Counter,
    /// requests whose answer has not ended
    pub in_flight: Gauge,
    /// bytes of bodies from clients
    pub received: Counter,
    /// bytes of bodies to clients
    pub sent: Counter,
    /// refused: too many requests
    pub refused_requests: Counter,
    /// refused: too many bytes
    pub refused_bytes: Counter,
    /// refused: more requests than one tenant or network may have
    pub refused_share_of_requests: Counter,
    /// refused: more bytes than one tenant or network may have
    pub refused_share_of_bytes: Counter,
    /// closed: more connections than one network may have
    pub refused_connections: Counter,
    /// closed: frames of HTTP/2 without progress
    pub refused_floods: Counter,
    /// answers that clients did not wait for
    pub cancelled: Counter,
    connections: Family<Labels, Gauge>,
    handshakes_failed: Family<Labels, Counter>,
    audit_records: Family<Labels, Counter>,
    audit_dropped: Family<Labels, Counter>,
    audit_waiting: Family<Labels, Gauge>,
    key_age: Family<Labels, Histogram, fn() -> Histogram>,
    told: HashMap<&'static str, Levels>,
    backend: BackendCalls,
}

/// The handles of one operation.
struct Operation {
    /// 1xx to 5xx
    by_class: [Counter; 5],
    duration: Histogram,
    first_byte: Histogram,
}

impl Metrics {
    /// Metrics of a gateway of this version, all at their beginning.
    #[must_use]
    pub fn new(version: &'static str) -> Self {
        let mut registry = Registry::with_prefix(table::PREFIX);
        let requests = Family::<Labels, Counter>::default();
        let duration = Family::<Labels, Histogram, fn() -> Histogram>::new_with_constructor(durations);
        let first_byte = Family::<Labels, Histogram, fn() -> Histogram>::new_with_constructor(durations);
        add(&mut registry, &table::HTTP_REQUESTS, requests.clone());
        add(&mut registry, &table::HTTP_DURATION, duration.clone());
        add(&mut registry, &table::HTTP_FIRST_BYTE, first_byte.clone());
        let operation = |name: &'static str| {
            let labels = label("operation", name);
            let of_class = |class: &str| {
                let labels = [label("operation", name), label("code_class", class)].concat();
                requests.get_or_create_owned(&labels)
            };
            Operation {
                by_class: ["1xx", "2xx", "3xx", "4xx", "5xx"].map(of_class),
                duration: duration.get_or_create_owned(&labels),
                first_byte: first_byte.get_or_create_owned(&labels),
            }
        };
        let operations = OPERATIONS.iter().map(|name| (*name, operation(name))).collect();
        let other = operation("Other");
        let bytes = family::<Counter>(&mut registry, &table::HTTP_BYTES);
        let refused = family::<Counter>(&mut registry, &table::HTTP_REFUSED);
        let key_age = Family::<Labels, Histogram, fn() -> Histogram>::new_with_constructor(ages);
        add(&mut registry, &table::KEY_AGE, key_age.clone());
        let backend = BackendCalls::new(&mut registry);
        let told = TOLD.iter().map(|described| (described.name, family::<Level>(&mut registry, described))).collect();
        let errors = family::<Counter>(&mut registry, &table::S3_ERRORS);
        let error = |code: &str| errors.get_or_create_owned(&label("code", code));
        let metrics = Self {
            operations,
            other,
            errors: ERROR_CODES.iter().map(|code| (*code, error(code))).collect(),
            other_errors: error("Other"),
            in_flight: single(&mut registry, &table::HTTP_IN_FLIGHT),
            received: bytes.get_or_create_owned(&label("direction", "received")),
            sent: bytes.get_or_create_owned(&label("direction", "sent")),
            refused_requests: refused.get_or_create_owned(&label("reason", "requests")),
            refused_bytes: refused.get_or_create_owned(&label("reason", "bytes")),
            refused_share_of_requests: refused.get_or_create_owned(&label("reason", "share_of_requests")),
            refused_share_of_bytes: refused.get_or_create_owned(&label("reason", "share_of_bytes")),
            refused_connections: refused.get_or_create_owned(&label("reason", "share_of_connections")),
            refused_floods: refused.get_or_create_owned(&label("reason", "frames")),
            cancelled: single(&mut registry, &table::HTTP_CANCELLED),
            connections: family(&mut registry, &table::CONNECTIONS),
            handshakes_failed: family(&mut registry, &table::HANDSHAKES_FAILED),
            audit_records: family(&mut registry, &table::AUDIT_RECORDS),
            audit_dropped: family(&mut registry, &table::AUDIT_DROPPED),
            audit_waiting: family(&mut registry, &table::AUDIT_QUEUE),
            key_age,
            told,
            backend,
            registry,
        };
        let mut build = label("version", version);
        build.extend(COMMIT.filter(|commit| !commit.is_empty()).map(|commit| ("commit", commit.to_owned())));
        metrics.tell(&table::BUILD, [(build, 1.0)]);
        metrics
    }

    /// A request has ended.
    pub fn request(&self, ended: &Ended) {
        let operation = self.operations.get(ended.facts.operation()).unwrap_or(&self.other);
        let class = usize::from(ended.status / 100).clamp(1, 5) - 1;
        operation.by_class[class].inc();
        if let Some(code) = &ended.error_code {
            self.errors.get(code.as_str()).unwrap_or(&self.other_errors).inc();
        }
        operation.first_byte.observe(Duration::from_micros(ended.first_byte_micros).as_secs_f64());
        operation.duration.observe(Duration::from_micros(ended.total_micros).as_secs_f64());
    }

    /// A request to the S3 store was answered, with this status, or was not.
    pub fn backend_call(&self, operation: &'static str, status: Option<u16>, took: Duration) {
        self.backend.answered(operation, status, took);
    }

    /// The handle of a listener's open connections.
    #[must_use]
    pub fn connections(&self, listener: &'static str) -> Gauge {
        self.connections.get_or_create_owned(&label("listener", listener))
    }

    /// The handle of a listener's failed handshakes.
    #[must_use]
    pub fn handshakes_failed(&self, listener: &'static str) -> Counter {
        self.handshakes_failed.get_or_create_owned(&label("listener", listener))
    }

    /// The handles of a sink of audit records.
    #[must_use]
    pub fn audit(&self, sink: &'static str) -> Handles {
        let labels = label("sink", sink);
        Handles {
            written: self.audit_records.get_or_create_owned(&labels),
            dropped: self.audit_dropped.get_or_create_owned(&labels),
            waiting: self.audit_waiting.get_or_create_owned(&labels),
        }
    }

    /// Replaces all values of a metric that others know better. Metrics that are not of this kind are left alone.
    pub fn tell(&self, metric: &Described, values: impl IntoIterator<Item = (Labels, f64)>) {
        let Some(family) = self.told.get(metric.name) else { return };
        family.clear();
        for (labels, value) in values {
            family.get_or_create_owned(&labels).set(value);
        }
    }

    /// Replaces the ages of tenants' keys, seconds.
    pub fn tell_key_ages(&self, ages: impl IntoIterator<Item = f64>) {
        self.key_age.clear();
        let histogram = self.key_age.get_or_create_owned(&Labels::new());
        ages.into_iter().for_each(|age| histogram.observe(age));
    }

    /// All metrics as `OpenMetrics` text, with counters that others keep.
    #[must_use]
    pub fn text(&self, counted: &[Counted]) -> String {
        self.text_with(counted, Vec::new())
    }

    /// The same, with histograms that others keep.
    #[must_use]
    pub fn text_with(&self, counted: &[Counted], spreads: Vec<Spread>) -> String {
        let (sealed, opened) = tally::bytes();
        let tallies = [("sealed", sealed), ("opened", opened)];
        let tallies = tallies.map(|(direction, count)| (&table::CRYPTO_BYTES, label("direction", direction), count));
        let failures =
            Failed::ALL.map(|(kind, name)| (&table::INTEGRITY_FAILURES, label("kind", name), tally::failures(kind)));
        let mut registry = Registry::with_prefix(table::PREFIX);
        let mut families = HashMap::new();
        let caches = self.caches();
        for (described, labels, count) in tallies.iter().chain(&failures).chain(&caches).chain(counted) {
            let family = families.entry(described.name).or_insert_with(|| family::<Counter>(&mut registry, described));
            family.get_or_create(labels).inc_by(*count);
        }
        spread::register(&mut registry, spreads);
        let mut text = String::new();
        let written = encode_registry(&mut text, &self.registry).and_then(|()| encode(&mut text, &registry));
        if written.is_err() {
            text.clear();
        }
        text
    }
}

impl Metrics {
    /// Tells how many entries caches have; gives how often they were asked.
    fn caches(&self) -> Vec<Counted> {
        let all = Cache::ALL.map(|(cache, name)| (label("cache", name), tally::cache(cache)));
        #[allow(clippy::cast_precision_loss, reason = "caches are far smaller than 2^53")]
        for (cache, (_, _, entries)) in &all {
            if let Some(family) = self.told.get(table::CACHE_ITEMS.name) {
                family.get_or_create_owned(cache).set(*entries as f64);
            }
        }
        let lookups = |(cache, (misses, hits, _)): (Labels, (u64, u64, u64))| {
            [("miss", misses), ("hit", hits)].map(|(result, count)| {
                (&table::CACHE_LOOKUPS, [cache.clone(), label("result", result)].concat(), count)
            })
        };
        all.into_iter().flat_map(lookups).collect()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// One label.
#[must_use]
pub fn label(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}

pub(super) fn add(registry: &mut Registry, described: &Described, metric: impl Metric) {
    let name = described.name;
    match described.unit {
        "" => registry.register(name, described.help, metric),
        "seconds" => registry.register_with_unit(name, described.help, Unit::Seconds, metric),
        "bytes" => registry.register_with_unit(name, described.help, Unit::Bytes, metric),
        unit => registry.register_with_unit(name, described.help, Unit::Other(unit.to_owned()), metric),
    }
}

fn family<M>(registry: &mut Registry, described: &Described) -> Family<Labels, M>
where
    M: Default + TypedMetric + EncodeMetric + Clone + fmt::Debug + Send + Sync + 'static,
{
    let family = Family::<Labels, M>::default();
    add(registry, described, family.clone());
    family
}

fn single<M: Metric + Default + Clone>(registry: &mut Registry, described: &Described) -> M {
    let metric = M::default();
    add(registry, described, metric.clone());
    metric
}

/// From 5 ms to 5 minutes.
pub(super) fn durations() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0])
}

/// From a minute to a month.
fn ages() -> Histogram {
    Histogram::new([60.0, 300.0, 900.0, 3_600.0, 10_800.0, 43_200.0, 86_400.0, 604_800.0, 2_592_000.0])
}

/// What the program was built of, if whoever built it says so.
const COMMIT: Option<&str> = option_env!("SEALGATE_COMMIT");

/// What others know better.
const TOLD: &[Described] = &[
    table::KEYS_INTERVAL,
    table::KEYS_LAST_SUCCESS,
    table::KEYS_FAILURES,
    table::TENANTS_WITH_KEY,
    table::TENANTS_WITHOUT_KEY,
    table::TENANTS_OPEN_ONLY,
    table::TENANTS_LAST_GOOD,
    table::UPSTREAM,
    table::COORDINATOR_REVISION,
    table::COORDINATOR_DAMAGED,
    table::KMS_LAST_DURATION,
    table::INSECURE_TLS,
    table::CACHE_ITEMS,
    table::HEALTH,
    table::BUILD,
    table::CONFIG,
    table::CLUSTER_KEYS,
    table::CONFIG_LOADED,
    table::CERTIFICATE_END,
    table::CPU_USED,
    table::CPU_LIMIT,
    table::MEMORY_USED,
    table::MEMORY_LIMIT,
    table::LOAD,
    table::DISK_FREE,
    table::DISK_SIZE,
];

/// The operations that are counted under their own names; all others are `Other`.
pub(super) const OPERATIONS: &[&str] = &[
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateBucket",
    "CreateMultipartUpload",
    "DeleteBucket",
    "DeleteObject",
    "DeleteObjects",
    "DeleteObjectTagging",
    "GetBucketLocation",
    "GetBucketVersioning",
    "GetObject",
    "GetObjectAttributes",
    "GetObjectTagging",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListMultipartUploads",
    "ListObjects",
    "ListObjectsV2",
    "ListObjectVersions",
    "ListParts",
    "PostObject",
    "PutBucketVersioning",
    "PutObject",
    "PutObjectTagging",
    "Unknown",
    "UploadPart",
    "UploadPartCopy",
];

/// The error codes that are counted under their own names; all others are `Other`.
const ERROR_CODES: &[&str] = &[
    "AccessDenied",
    "BadDigest",
    "BucketAlreadyExists",
    "BucketAlreadyOwnedByYou",
    "BucketNotEmpty",
    "EntityTooLarge",
    "EntityTooSmall",
    "ExpiredToken",
    "IncompleteBody",
    "InternalError",
    "InvalidAccessKeyId",
    "InvalidArgument",
    "InvalidPart",
    "InvalidRange",
    "InvalidRequest",
    "InvalidToken",
    "MalformedXML",
    "MethodNotAllowed",
    "NoSuchBucket",
    "NoSuchKey",
    "NoSuchUpload",
    "NoSuchVersion",
    "NotImplemented",
    "PreconditionFailed",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "ServiceUnavailable",
    "SignatureDoesNotMatch",
    "SlowDown",
    "XAmzContentSHA256Mismatch",
];

#[cfg(test)]
mod tests;
