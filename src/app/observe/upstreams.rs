//! Who keys are asked of: how often, with what result, and how far they can be trusted.

use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::float;
use crate::edge::first_end;
use crate::keys::calls::{Asked, COORDINATOR, Calls, KMS, Outcome};
use crate::keys::counts::Counts;
use crate::keys::remote::{RemoteKeys, RemoteSettings};
use crate::keys::ring::{KeyRing, KeyState};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{Counted, Labels, Spread, label};
use crate::telemetry::table;

/// What refreshes and look-ups came to.
pub(super) fn of_keys(counts: &Counts, source: &str) -> Vec<Counted> {
    let refreshes = |result, count| {
        let labels = [label("source", source), label("result", result)].concat();
        (&table::KEYS_REFRESHES, labels, count)
    };
    let cache = |result| [label("cache", "tenant_keys"), label("result", result)].concat();
    let mut counted = vec![
        refreshes("ok", counts.cycles().saturating_sub(counts.aborted())),
        refreshes("failed", counts.aborted()),
        (&table::KEYS_LOOKUPS, label("result", "found"), counts.look_ups().saturating_sub(counts.look_ups_failed())),
        (&table::KEYS_LOOKUPS, label("result", "failed"), counts.look_ups_failed()),
        (&table::CACHE_LOOKUPS, cache("hit"), counts.ready()),
        (&table::CACHE_LOOKUPS, cache("miss"), counts.waited()),
        (&table::KEYS_SURPRISES, Labels::new(), counts.surprises()),
        (&table::KEYS_REVOKED, Labels::new(), counts.revoked()),
    ];
    let opened = counts.opened_not_active();
    counted
        .extend(opened.map(|(state, count)| (&table::KEYS_OPENED_NOT_ACTIVE, label("state", state.as_str()), count)));
    counted
}

/// How many tenants' primary keys do not seal, by state; also the states of none, so that an alert can end.
pub(super) fn not_sealing(ring: &KeyRing) -> Vec<(Labels, f64)> {
    let mut counts = KeyState::NOT_SEALING.map(|state| (state, 0));
    for tenant in ring.statuses() {
        counts.iter_mut().filter(|(state, _)| *state == tenant.state).for_each(|(_, count)| *count += 1);
    }
    counts.into_iter().map(|(state, count)| (label("state", state.as_str()), float(count))).collect()
}

/// Calls to the Coordinator and the KMS by result.
pub(super) fn calls() -> Vec<Counted> {
    let of =
        |metric, calls: &Calls| Outcome::ALL.map(|(outcome, name)| (metric, label("result", name), calls.of(outcome)));
    [of(&table::COORDINATOR_REQUESTS, &COORDINATOR), of(&table::KMS_REQUESTS, &KMS)].concat()
}

/// How long calls to the Coordinator and the KMS took.
pub(super) fn durations() -> Vec<Spread> {
    let of = |metric, calls: &'static Calls, asked: Asked, name| {
        let durations = calls.durations(asked);
        let buckets = durations.counts().to_vec();
        Spread { metric, labels: label("operation", name), buckets, sum: durations.sum().as_secs_f64() }
    };
    let spread = |(asked, name)| match asked {
        Asked::LookUp => of(&table::KMS_DURATION, &KMS, asked, name),
        Asked::List | Asked::Changes | Asked::Tenant | Asked::Heartbeat => {
            of(&table::COORDINATOR_DURATION, &COORDINATOR, asked, name)
        }
    };
    Asked::ALL.map(spread).into()
}

/// What goes up and down.
pub(super) fn tell(metrics: &Metrics, remote: &RemoteKeys) {
    if let Some(position) = remote.position() {
        metrics.tell(&table::COORDINATOR_REVISION, [(Labels::new(), float(position.revision))]);
    }
    metrics.tell(&table::COORDINATOR_DAMAGED, [(Labels::new(), float(remote.damaged() as u64))]);
    if KMS.is_reached().is_some() {
        metrics.tell(&table::KMS_LAST_DURATION, [(Labels::new(), KMS.last().as_secs_f64())]);
    }
    let is_insecure = remote.settings().kms.tls.insecure_skip_verify;
    metrics.tell(&table::INSECURE_TLS, [(label("upstream", "kms"), if is_insecure { 1.0 } else { 0.0 })]);
}

/// The certificates that the gateway shows, with their ends.
pub(super) fn certificates(settings: &RemoteSettings) -> Vec<(&'static str, SystemTime)> {
    let kms = end(settings.kms.tls.cert.as_bytes()).map(|end| ("kms_client", end));
    let file = settings.coordinator.cert_file.as_ref().and_then(|file| std::fs::read(file).ok());
    let coordinator = file.and_then(|pem| end(&pem)).map(|end| ("coordinator_client", end));
    kms.into_iter().chain(coordinator).collect()
}

fn end(pem: &[u8]) -> Option<SystemTime> {
    first_end(&CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().ok()?)
}
