//! `remote-multi-keys`: the Coordinator, the KMS, and the seeds of private tenants.

use std::time::Duration;

use super::{REMOTE, missing, pre_active_opens, refuse, seed, tenant_keys, update_period};
use crate::config::error::Problem;
use crate::config::raw::{RawConfig, RawCoordinator, RawCrypto, RawKms};
use crate::keys::coordinator::CoordinatorSettings;
use crate::keys::cycle::CycleRules;
use crate::keys::fragment::Fragments;
use crate::keys::remote::RemoteSettings;
use crate::keys::ring::usage::KeyUse;
use crate::keys::settings::{KeySettings, RETIRED_KEYS_MAX};
use crate::keys::snapshot::SnapshotSettings;
use crate::kmip::{self, PrivateKeyPem, TIMEOUT_DEFAULT, TlsConfig};
use crate::tenant::TenantId;

/// The settings; what is wrong is added to `problems`.
pub(super) fn convert(
    crypto: &RawCrypto,
    raw: &RawConfig,
    fragments: Fragments,
    problems: &mut Vec<Problem>,
) -> Option<KeySettings> {
    refuse(REMOTE, [("crypto.key_seed", crypto.key_seed.is_some())], problems);
    let period = update_period(crypto, REMOTE, problems);
    let tenants = crypto.tenant_keys.as_ref().map(|tenants| tenant_keys(tenants, problems)).unwrap_or_default();
    let default_key = crypto.default_key.as_ref().and_then(|id| {
        TenantId::new(id).map_err(|error| problems.push(value("crypto.default_key", &error.to_string()))).ok()
    });
    let kms = kms(crypto.kms_config.as_ref(), problems);
    let revoke_missing = match crypto.on_key_missing.as_deref() {
        None | Some("keep") => false,
        Some("revoke") => true,
        Some(_) => {
            problems.push(value("crypto.on_key_missing", "must be keep or revoke"));
            false
        }
    };
    let usage = KeyUse {
        pre_active_opens: pre_active_opens(crypto, problems),
        seal_age_max: seal_age_max(crypto, period, problems),
    };
    let retired_keys_max = crypto.retired_keys_max.map_or(RETIRED_KEYS_MAX, |max| max as usize);
    let snapshot = snapshot(crypto, &raw.cluster.name, problems);
    let coordinator = coordinator(raw.coordinator.as_ref(), problems);
    Some(KeySettings::RemoteMultiKeys(Box::new(RemoteSettings {
        period: period?,
        rules: CycleRules { retired_keys_max, revoke_missing, usage },
        default_key,
        tenants: tenants.into_iter().collect(),
        fragments,
        coordinator: coordinator?,
        snapshot,
        kms: kms?,
    })))
}

/// How long unconfirmed keys seal, in seconds. Keys are confirmed once a period: less than two would stop sealing for a
/// single late answer.
fn seal_age_max(crypto: &RawCrypto, period: Option<Duration>, problems: &mut Vec<Problem>) -> Option<u32> {
    let age_max = crypto.seal_max_age?.get();
    if period.is_some_and(|period| age_max < period.saturating_mul(2)) {
        problems.push(value("crypto.seal_max_age", "must be at least twice crypto.update_period"));
    }
    Some(u32::try_from(age_max.as_secs()).unwrap_or(u32::MAX))
}

/// Where keys are kept over a restart. The key is one of its own: whoever has it and the file has the keys.
fn snapshot(crypto: &RawCrypto, cluster: &str, problems: &mut Vec<Problem>) -> Option<SnapshotSettings> {
    let Some(file) = crypto.snapshot_file.as_ref().filter(|file| !file.is_empty()) else {
        for (path, is_given) in [
            ("crypto.snapshot_key", crypto.snapshot_key.is_some()),
            ("crypto.snapshot_max_age", crypto.snapshot_max_age.is_some()),
        ] {
            if is_given {
                problems.push(value(path, "needs crypto.snapshot_file"));
            }
        }
        return None;
    };
    let Some(key) = crypto.snapshot_key.as_ref().filter(|key| !key.is_empty()) else {
        missing("crypto.snapshot_key", problems);
        return None;
    };
    let key = seed(key).map_err(|reason| problems.push(value("crypto.snapshot_key", &reason))).ok()?;
    let age_max = crypto.snapshot_max_age.map_or(SNAPSHOT_AGE_MAX, super::super::duration::GoDuration::get);
    Some(SnapshotSettings { file: file.into(), key, age_max, cluster: cluster.to_owned() })
}

fn coordinator(raw: Option<&RawCoordinator>, problems: &mut Vec<Problem>) -> Option<CoordinatorSettings> {
    let Some(raw) = raw.filter(|raw| !raw.url.is_empty()) else {
        missing("coordinator.url", problems);
        return None;
    };
    if !raw.url.starts_with("https://") && !raw.url.starts_with("http://") {
        problems.push(value("coordinator.url", "must be an address such as https://coordinator.example.com"));
    }
    let tls = raw.tls.as_ref();
    let file = |text: Option<&String>| text.filter(|text| !text.is_empty()).map(Into::into);
    let settings = CoordinatorSettings {
        url: raw.url.clone(),
        token_file: file(raw.token_file.as_ref()),
        ca_file: file(tls.and_then(|tls| tls.ca.as_ref())),
        cert_file: file(tls.and_then(|tls| tls.cert.as_ref())),
        key_file: file(tls.and_then(|tls| tls.key.as_ref())),
    };
    if settings.cert_file.is_some() != settings.key_file.is_some() {
        problems.push(value("coordinator.tls", "cert and key go together"));
    }
    Some(settings)
}

fn kms(raw: Option<&RawKms>, problems: &mut Vec<Problem>) -> Option<kmip::Config> {
    let is_empty = |kms: &RawKms| {
        let (kmip, tls) = (&kms.kmip, &kms.tls);
        kmip.address.is_empty() && kmip.major_version == 0 && tls.key.is_empty() && tls.cert.is_empty()
    };
    let Some(raw) = raw.filter(|kms| !is_empty(kms)) else {
        problems.push(Problem::KmsConfigRequired);
        return None;
    };
    let required = [
        ("crypto.kms_config.kmip.address", raw.kmip.address.is_empty()),
        ("crypto.kms_config.tls.cert", raw.tls.cert.is_empty()),
        ("crypto.kms_config.tls.key", raw.tls.key.is_empty()),
    ];
    for (path, is_empty) in required {
        if is_empty {
            missing(path, problems);
        }
    }
    if (raw.kmip.major_version, raw.kmip.minor_version) != (1, 4) {
        problems.push(Problem::KmipVersion);
    }
    for (at, suite) in raw.tls.cipher_suites.iter().flatten().enumerate() {
        if !CIPHER_SUITES.contains(suite) {
            let path = format!("crypto.kms_config.tls.cipher_suites[{at}]");
            problems.push(Problem::Value { path, reason: format!("unknown cipher suite {suite}") });
        }
    }
    if raw.kmip.address.is_empty() {
        return None;
    }
    let Ok(addresses) = raw.kmip.address.parse() else {
        let reason = "must be a host name and port such as kms.example.com:5696";
        problems.push(value("crypto.kms_config.kmip.address", reason));
        return None;
    };
    let timeout = raw.kmip.timeout.map_or(TIMEOUT_DEFAULT, super::super::duration::GoDuration::get);
    let tls = &raw.tls;
    Some(kmip::Config {
        addresses,
        timeout,
        verify_name: raw.kmip.verify_name,
        tls: TlsConfig {
            key: PrivateKeyPem::new(tls.key.expose().to_owned()),
            cert: tls.cert.clone(),
            ca: tls.ca.clone(),
            server_name: tls.server_name.clone(),
            cipher_suites: tls.cipher_suites.clone().unwrap_or_default(),
            insecure_skip_verify: tls.insecure_skip_verify,
        },
    })
}

fn value(path: &str, reason: &str) -> Problem {
    Problem::Value { path: path.into(), reason: reason.into() }
}

/// A week: longer than any outage that is not noticed.
const SNAPSHOT_AGE_MAX: Duration = Duration::from_hours(168);
/// TLS 1.3, then the TLS 1.2 suites with ECDHE and AES-GCM or ChaCha20-Poly1305 (IANA TLS parameters).
const CIPHER_SUITES: [u16; 9] = [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9];
