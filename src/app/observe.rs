//! The state of the running gateway, gathered for health checks, metrics and the status page.

mod upstreams;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::admin::status::{Certificate, Check, Health, Line, Status, StatusSource, TENANTS_MAX, Tenant, Upstream};
use crate::backend::{Backend, BucketName};
use crate::config::watch::ReloadCounts;
use crate::edge::{Identity, Phase, Readiness};
use crate::keys::Keys;
use crate::keys::calls::{COORDINATOR, KMS};
use crate::keys::cluster::LiveClusterKeys;
use crate::keys::remote::RemoteKeys;
use crate::keys::ring::SourceKind;
use crate::telemetry::Telemetry;
use crate::telemetry::log::RecentLines;
use crate::telemetry::metrics::{Counted, Labels, Spread, label};
use crate::telemetry::system::Host;
use crate::telemetry::table;

/// Everything that can be asked how it is.
pub(super) struct Observer {
    pub(super) telemetry: Telemetry,
    pub(super) readiness: Readiness,
    pub(super) keys: Arc<Keys>,
    pub(super) remote: Option<Arc<RemoteKeys>>,
    pub(super) backend: Reachable,
    pub(super) identity: Option<Identity>,
    pub(super) reloads: Arc<ReloadCounts>,
    pub(super) host: Host,
    pub(super) recent: RecentLines,
    pub(super) cluster_keys: LiveClusterKeys,
    pub(super) shares_cluster_keys: bool,
    pub(super) in_force: Arc<ArcSwap<InForce>>,
    pub(super) mode: &'static str,
    pub(super) refresh_period: Option<Duration>,
    pub(super) started_at: SystemTime,
}

/// What others know of.
pub(super) struct Observed {
    pub(super) keys: Arc<Keys>,
    /// the Coordinator and the KMS, if they are what is asked
    pub(super) remote: Option<Arc<RemoteKeys>>,
    pub(super) reloads: Arc<ReloadCounts>,
    pub(super) recent: RecentLines,
    pub(super) cluster_keys: LiveClusterKeys,
    /// whether other gateways have them too; a local store keeps one of its own
    pub(super) shares_cluster_keys: bool,
}

/// The configuration in force.
pub(super) struct InForce {
    /// of the text without secrets
    digest: String,
    since: SystemTime,
}

impl InForce {
    /// The one that is from now on.
    pub(super) fn now(effective: &str) -> Self {
        Self { digest: URL_SAFE_NO_PAD.encode(Sha256::digest(effective.as_bytes())), since: SystemTime::now() }
    }

    /// Gateways of one cluster show the same.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }
}

/// Whether the backend answered when it was last asked. Cloning shares it.
#[derive(Clone, Default)]
pub(super) struct Reachable(Arc<AtomicU8>);

impl Reachable {
    /// Asks now and then until it is dropped.
    pub(super) async fn watch(self, backend: Arc<dyn Backend>, staging: BucketName) {
        loop {
            let asked = tokio::time::timeout(PROBE_TIMEOUT, backend.list_buckets(staging.as_str())).await;
            let is_reached = matches!(asked, Ok(Ok(_)));
            let before = self.0.swap(if is_reached { 1 } else { 2 }, Ordering::Relaxed);
            if !is_reached && before != 2 {
                tracing::warn!("the backend does not answer");
            }
            tokio::time::sleep(PROBE_PERIOD).await;
        }
    }

    /// Not before it was asked.
    fn get(&self) -> Option<bool> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            answer => Some(answer == 1),
        }
    }
}

impl Observer {
    fn upstreams(&self) -> Vec<Upstream> {
        let mut asked = vec![("backend", self.backend.get())];
        if self.remote.is_some() {
            asked.extend([("coordinator", COORDINATOR.is_reached()), ("kms", KMS.is_reached())]);
        }
        asked.into_iter().filter_map(|(name, ok)| Some(Upstream { name, ok: ok? })).collect()
    }

    fn certificates(&self) -> Vec<Certificate> {
        let listener = self.identity.as_ref().map(|identity| ("listener", identity.not_after()));
        let shown = self.remote.as_ref().map(|remote| upstreams::certificates(&remote.settings()));
        let all = listener.into_iter().chain(shown.into_iter().flatten());
        all.map(|(name, end)| Certificate { name, not_after: unix(end) }).collect()
    }

    fn key_check(&self) -> Check {
        let (ok, detail) = match self.keys.last_cycle() {
            None => (true, "keys that do not change".to_owned()),
            Some(cycle) if !cycle.is_complete => (false, format!("the {} could not be asked", cycle.source)),
            Some(cycle) => {
                (cycle.last_good == 0, format!("{} without a key, {} not refreshed", cycle.without, cycle.last_good))
            }
        };
        Check { name: "keys", ok, detail }
    }

    /// The list may hold times: it can come to one at which none seals.
    fn cluster_check(&self) -> Check {
        let sealing = self.cluster_keys.snapshot().sealing(SystemTime::now()).map(|key| key.id().to_string());
        let detail = sealing.as_ref().map_or_else(
            || "no key of cluster.keys seals now: uploads cannot begin".to_owned(),
            |id| format!("{id} seals records of uploads"),
        );
        Check { name: "cluster keys", ok: sealing.is_some(), detail }
    }

    fn tell_keys(&self) {
        let metrics = &self.telemetry.metrics;
        let one = |metric, value: f64| metrics.tell(metric, [(Labels::new(), value)]);
        let ring = self.keys.snapshot();
        one(&table::TENANTS_WITH_KEY, float(ring.len() as u64));
        metrics.tell(&table::CACHE_ITEMS, [(label("cache", "tenant_keys"), float(ring.len() as u64))]);
        if let Some(period) = self.refresh_period {
            one(&table::KEYS_INTERVAL, period.as_secs_f64());
        }
        let now = unix(SystemTime::now());
        metrics.tell_key_ages(ring.statuses().map(|tenant| float(now.saturating_sub(tenant.fresh_at.into()))));
        metrics.tell(&table::TENANTS_OPEN_ONLY, upstreams::not_sealing(&ring));
        if let Some(cycle) = self.keys.last_cycle() {
            one(&table::TENANTS_WITHOUT_KEY, float(cycle.without));
            one(&table::TENANTS_LAST_GOOD, float(cycle.last_good));
            let (counts, source) = (self.keys.counts(), label("source", cycle.source));
            metrics.tell(&table::KEYS_FAILURES, [(source.clone(), float(counts.aborted_in_a_row()))]);
            // keys that stand in the configuration do not grow stale
            if self.refresh_period.is_some() && counts.last_success_at() > 0 {
                metrics.tell(&table::KEYS_LAST_SUCCESS, [(source, float(counts.last_success_at()))]);
            }
        }
    }

    fn counted(&self) -> Vec<Counted> {
        let mut counted = self.host.tell(&self.telemetry.metrics);
        counted.push((&table::CONFIG_RELOADS, label("result", "ok"), self.reloads.reloaded()));
        counted.push((&table::CONFIG_RELOADS, label("result", "refused"), self.reloads.refused()));
        counted.extend(upstreams::of_keys(self.keys.counts(), self.keys.source_name()));
        if self.remote.is_some() {
            counted.extend(upstreams::calls());
        }
        counted
    }
}

impl Observer {
    fn spreads(&self) -> Vec<Spread> {
        if self.remote.is_some() { upstreams::durations() } else { Vec::new() }
    }
}

impl StatusSource for Observer {
    fn health(&self) -> Health {
        let phase = self.readiness.phase();
        let mut checks = vec![Check { name: "serving", ok: phase == Phase::Ready, detail: phase.name().to_owned() }];
        checks.push(self.key_check());
        checks.push(self.cluster_check());
        for Upstream { name, ok } in self.upstreams() {
            let detail = if ok { "it answers" } else { "it does not answer" };
            checks.push(Check { name, ok, detail: detail.to_owned() });
        }
        let now = unix(SystemTime::now());
        for certificate in self.certificates() {
            let days = certificate.not_after.saturating_sub(now) / 86_400;
            let detail = format!("{} expires in {days} days", certificate.name);
            checks.push(Check { name: "certificate", ok: certificate.not_after > now, detail });
        }
        Health::of(checks)
    }

    fn status(&self) -> Status {
        let ring = self.keys.snapshot();
        let cycle = self.keys.last_cycle();
        let fresh_since = cycle.as_ref().map_or(0, |cycle| cycle.began_at);
        let tenants = ring.statuses().take(TENANTS_MAX).map(|tenant| Tenant {
            id: tenant.tenant.to_string(),
            key_id: tenant.sealing.to_string(),
            key_state: tenant.state.as_str(),
            retired: tenant.retired,
            source: kind(tenant.source),
            fresh_at: tenant.fresh_at.into(),
            fragment: tenant.fragment.as_deref().map(str::to_owned),
            freshness: if tenant.fresh_at >= fresh_since { "fresh" } else { "last good" },
        });
        let mut tenants: Vec<Tenant> = tenants.collect();
        tenants.sort_by(|a, b| a.id.cmp(&b.id));
        let recent = self.recent.newest_first().into_iter();
        Status {
            version: env!("CARGO_PKG_VERSION"),
            mode: self.mode,
            phase: self.readiness.phase().name(),
            started_at: unix(self.started_at),
            now: unix(SystemTime::now()),
            config_digest: self.in_force.load().digest.clone(),
            health: self.health(),
            key_source: cycle.map_or("configuration", |cycle| cycle.source),
            default_key_id: ring.fallback().map(|keys| keys.primary().key_id().to_string()),
            cluster_keys: self.cluster_keys.snapshot().ids().map(|id| id.to_string()).collect(),
            tenants_total: ring.len(),
            tenants,
            upstreams: self.upstreams(),
            certificates: self.certificates(),
            received_bytes: self.telemetry.metrics.received.get(),
            sent_bytes: self.telemetry.metrics.sent.get(),
            in_flight: self.telemetry.metrics.in_flight.get(),
            recent: recent.map(|line| Line { at: unix(line.at), level: line.level, text: line.text }).collect(),
        }
    }

    fn metrics(&self) -> String {
        let metrics = &self.telemetry.metrics;
        self.tell_keys();
        let flag = |ok: bool| if ok { 1.0 } else { 0.0 };
        metrics.tell(&table::UPSTREAM, self.upstreams().iter().map(|one| (label("upstream", one.name), flag(one.ok))));
        metrics.tell(&table::HEALTH, [(Labels::new(), flag(self.health().is_well()))]);
        let in_force = self.in_force.load();
        metrics.tell(&table::CONFIG, [(label("digest", &in_force.digest), 1.0)]);
        let shared = self.shares_cluster_keys.then(|| self.cluster_keys.snapshot().digest());
        metrics.tell(&table::CLUSTER_KEYS, shared.iter().map(|digest| (label("digest", digest), 1.0)));
        metrics.tell(&table::CONFIG_LOADED, [(Labels::new(), float(unix(in_force.since)))]);
        let certificates = self.certificates();
        let ends = certificates.iter().map(|one| (label("certificate", one.name), float(one.not_after)));
        metrics.tell(&table::CERTIFICATE_END, ends);
        if let Some(remote) = &self.remote {
            upstreams::tell(metrics, remote);
        }
        metrics.text_with(&self.counted(), self.spreads())
    }
}

fn kind(source: SourceKind) -> &'static str {
    match source {
        SourceKind::File => "file",
        SourceKind::Coordinator => "coordinator",
        SourceKind::Kms => "kms",
        SourceKind::Snapshot => "snapshot",
    }
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[allow(clippy::cast_precision_loss, reason = "a metric of 2^53 and more may be off by one")]
fn float(number: u64) -> f64 {
    number as f64
}

const PROBE_PERIOD: Duration = Duration::from_secs(15);
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
