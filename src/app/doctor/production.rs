//! What production should have, beyond what works. A failure is what must not be; a warning what deserves a reason.

use std::time::Duration;

use rustix::process::{Resource, geteuid, getrlimit};

use super::{Findings, State};
use crate::app::metrics_secret;
use crate::config::{Cluster, Config, Paths, Store};
use crate::keys::settings::KeySettings;
use crate::telemetry::log::Format;

pub(super) fn examine(config: &Config, paths: &Paths, findings: &mut Findings) {
    transport(config, findings);
    admin_port(config, paths, findings);
    identities(config, findings);
    cluster(config, findings);
    process(config, findings);
    let mut demand = |name, is_met, detail: &str| findings.add(name, met(is_met, State::Fail), detail);
    demand("production: audit", config.audit.is_some(), "audit.sink says where records go");
    let is_generated = matches!(config.keys, KeySettings::Generated) || config.access_keys.is_none();
    let is_told = matches!(config.keys, KeySettings::RemoteMultiKeys(_));
    demand(
        "production: keys",
        !is_generated || is_told,
        "seeds and access keys stand in the configuration or with the Coordinator, with a copy elsewhere",
    );
    let is_shared = !matches!(config.backend.store, Store::Local { .. });
    demand("production: backend", is_shared, "an S3 store, so that two replicas and more can serve");
}

/// TLS on every hop.
fn transport(config: &Config, findings: &mut Findings) {
    let mut hop = |name, is_met, detail: &str| findings.add(name, met(is_met, State::Fail), detail);
    hop("production: TLS", config.listen.tls.is_some(), "listen.tls, also behind a balancer: TLS on every hop");
    if let Store::S3(settings) = &config.backend.store {
        let is_tls = settings.endpoint.scheme == http::uri::Scheme::HTTPS;
        hop("production: TLS to the store", is_tls, "backend.endpoint begins with https://");
    }
    if let KeySettings::RemoteMultiKeys(remote) = &config.keys {
        let is_tls = remote.coordinator.url.starts_with("https://");
        hop("production: TLS to the coordinator", is_tls, "coordinator.url begins with https://");
        let is_proven = remote.coordinator.token_file.is_some() || remote.coordinator.cert_file.is_some();
        hop("production: identity", is_proven, "coordinator.token_file or coordinator.tls.cert proves who this is");
        let is_verified = !remote.kms.tls.insecure_skip_verify;
        hop("production: TLS to the kms", is_verified, "its certificate is verified: no insecure_skip_verify");
    }
}

fn admin_port(config: &Config, paths: &Paths, findings: &mut Findings) {
    let is_inside = config.listen.admin.ip().is_loopback();
    let is_closed = is_inside || config.listen.tls.is_some();
    findings.add("production: admin port", met(is_closed, State::Fail), "on a loopback address, or with TLS");
    let guard = metrics_secret(&paths.secret.path);
    let is_guarded = is_inside || guard.exists();
    let detail = format!("metrics are guarded, and the status page can be read from elsewhere, by {}", guard.display());
    findings.add("production: metrics", met(is_guarded, State::Warn), detail);
}

/// Who may ask, and from where.
fn identities(config: &Config, findings: &mut Findings) {
    let mut wish = |name, is_met, detail: String| findings.add(name, met(is_met, State::Warn), detail);
    if let Some(keys) = &config.access_keys {
        let unlimited = keys.configured().filter(|key| key.expires_at.is_none()).count();
        let detail = format!("expires_at is set, so that keys are changed; {unlimited} without it");
        wish("production: access keys expire", unlimited == 0, detail);
        let anywhere = keys.configured().filter(|key| key.allowed_cidrs.is_empty()).count();
        let detail = format!("allowed_cidrs is set; {anywhere} without it");
        wish("production: access keys are bound to networks", anywhere == 0, detail);
    }
    let is_modern = !config.auth.allow_sigv2_presigned;
    wish("production: signatures", is_modern, "version 4 alone: no auth.allow_sigv2_presigned".to_owned());
}

/// One gateway among others: what they are called together, and how soon each learns of a changed key.
fn cluster(config: &Config, findings: &mut Findings) {
    let mut wish = |name, is_met, detail: String| findings.add(name, met(is_met, State::Warn), detail);
    let is_named = config.cluster.name != Cluster::UNNAMED;
    wish("production: cluster", is_named, "cluster.name tells this cluster's gateways from another's".to_owned());
    if let Some(period) = config.keys.period() {
        let detail = format!("crypto.update_period is from 1m to 24h, 1h as a rule; it is {} s", period.as_secs());
        wish("production: refresh", (REFRESH_MIN..=REFRESH_MAX).contains(&period), detail);
    }
}

/// The process and its end.
fn process(config: &Config, findings: &mut Findings) {
    let mut wish = |name, is_met, detail: String| findings.add(name, met(is_met, State::Warn), detail);
    wish("production: user", !geteuid().is_root(), "a user of its own, not root".to_owned());
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // one of the client, one to the store
    let needed = u64::from(config.limits.connections_max) * 2 + FILES_OF_ITS_OWN;
    let detail = format!("{needed} open files for limits.connections_max; this shell allows {files}");
    wish("production: open files", files >= needed, detail);
    let has_delay = !config.limits.shutdown_delay.is_zero();
    let detail = "limits.shutdown_delay gives balancers time to learn that the gateway ends".to_owned();
    wish("production: shutdown", has_delay, detail);
    let is_json = config.logging.format == Some(Format::Json);
    wish("production: logs", is_json, "telemetry.log_format is json, for whoever collects them".to_owned());
}

fn met(is_met: bool, otherwise: State) -> State {
    if is_met { State::Ok } else { otherwise }
}

const FILES_OF_ITS_OWN: u64 = 100;
const REFRESH_MIN: Duration = Duration::from_mins(1);
const REFRESH_MAX: Duration = Duration::from_hours(24);
