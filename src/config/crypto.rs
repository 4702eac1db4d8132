//! The `crypto` section: from the fields that may be written to the settings of one mode.
//!
//! The mode is plain text, and each mode takes its own fields and refuses those of the others: key material that would
//! be left unused without a word is a mistake waiting to be noticed too late.

mod remote;

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::Problem;
use super::raw::{RawConfig, RawCrypto, RawKeyVersion, RawTenantKeys};
use crate::keys::fragment::Fragments;
use crate::keys::ring::usage::KeyUse;
use crate::keys::ring::{KeyState, UnknownKeyState};
use crate::keys::secret::SecretText;
use crate::keys::seeds::{KeySet, VersionedSeed};
use crate::keys::settings::{KeySettings, LocalKeys, RETIRED_KEYS_MAX};
use crate::seal::{RecordVersion, Seed};
use crate::tenant::TenantId;

/// The key settings, or none after what is wrong was added to `problems`.
pub(super) fn convert(raw: &RawConfig, fragments: Fragments, problems: &mut Vec<Problem>) -> Option<KeySettings> {
    let Some(crypto) = &raw.crypto else {
        if raw.tenants.is_none() {
            return Some(KeySettings::Generated);
        }
        missing("crypto.key_seed", problems);
        return None;
    };
    let before = problems.len();
    if crypto.mode != REMOTE {
        refuse(&crypto.mode, [("coordinator", raw.coordinator.is_some())], problems);
    }
    let settings = match crypto.mode.as_str() {
        SINGLE => single(crypto, problems),
        LOCAL => local(crypto, fragments, problems),
        REMOTE => remote::convert(crypto, raw, fragments, problems),
        _ => {
            problems.push(Problem::Mode);
            None
        }
    };
    settings.filter(|_| problems.len() == before)
}

/// The version of completion records. The schema has refused every other number.
pub(super) fn record_version(raw: &RawConfig) -> RecordVersion {
    let number = raw.crypto.as_ref().and_then(|crypto| crypto.record_version);
    number.and_then(RecordVersion::from_number).unwrap_or_default()
}

fn single(crypto: &RawCrypto, problems: &mut Vec<Problem>) -> Option<KeySettings> {
    refuse(
        SINGLE,
        [
            ("crypto.tenant_keys", crypto.tenant_keys.is_some()),
            ("crypto.default_key", crypto.default_key.is_some()),
            ("crypto.kms_config", crypto.kms_config.is_some()),
            ("crypto.on_key_missing", crypto.on_key_missing.is_some()),
            ("crypto.pre_active", crypto.pre_active.is_some()),
            ("crypto.seal_max_age", crypto.seal_max_age.is_some()),
            ("crypto.snapshot_file", crypto.snapshot_file.is_some()),
            ("crypto.snapshot_key", crypto.snapshot_key.is_some()),
            ("crypto.snapshot_max_age", crypto.snapshot_max_age.is_some()),
        ],
        problems,
    );
    let Some(text) = crypto.key_seed.as_ref().filter(|text| !text.is_empty()) else {
        missing("crypto.key_seed", problems);
        return None;
    };
    match seed(text) {
        Ok(seed) => Some(KeySettings::SingleKey { seeds: KeySet::single(seed) }),
        Err(error) => {
            problems.push(Problem::Value { path: "crypto.key_seed".into(), reason: error });
            None
        }
    }
}

/// Decodes a seed; what is wrong with it is told without its value.
fn seed(text: &SecretText) -> Result<Seed, String> {
    let seed = Seed::from_base64(text.expose()).map_err(|error| error.to_string())?;
    if seed.expose().starts_with(EXAMPLE.as_bytes()) {
        return Err("this is the seed of the example; put in what `sealgate keygen` prints".into());
    }
    Ok(seed)
}

fn local(crypto: &RawCrypto, fragments: Fragments, problems: &mut Vec<Problem>) -> Option<KeySettings> {
    refuse(
        LOCAL,
        [
            ("crypto.key_seed", crypto.key_seed.is_some()),
            ("crypto.kms_config", crypto.kms_config.is_some()),
            ("crypto.on_key_missing", crypto.on_key_missing.is_some()),
            ("crypto.seal_max_age", crypto.seal_max_age.is_some()),
            ("crypto.snapshot_file", crypto.snapshot_file.is_some()),
            ("crypto.snapshot_key", crypto.snapshot_key.is_some()),
            ("crypto.snapshot_max_age", crypto.snapshot_max_age.is_some()),
        ],
        problems,
    );
    let period = update_period(crypto, LOCAL, problems);
    let tenants = match &crypto.tenant_keys {
        Some(tenants) if !tenants.is_empty() => tenant_keys(tenants, problems),
        _ => {
            missing("crypto.tenant_keys", problems);
            Vec::new()
        }
    };
    let default_key = default_key(crypto, &tenants, problems);
    let retired_keys_max = crypto.retired_keys_max.map_or(RETIRED_KEYS_MAX, |max| max as usize);
    let usage = KeyUse { pre_active_opens: pre_active_opens(crypto, problems), seal_age_max: None };
    let period = period?;
    Some(KeySettings::LocalMultiKeys(LocalKeys { period, tenants, default_key, retired_keys_max, fragments, usage }))
}

fn pre_active_opens(crypto: &RawCrypto, problems: &mut Vec<Problem>) -> bool {
    match crypto.pre_active.as_deref() {
        None | Some("refuse") => false,
        Some("open") => true,
        Some(_) => {
            let reason = "must be refuse or open".into();
            problems.push(Problem::Value { path: "crypto.pre_active".into(), reason });
            false
        }
    }
}

/// The seeds of every tenant; what is wrong names the tenant, never the seed.
fn tenant_keys(raw: &BTreeMap<String, RawTenantKeys>, problems: &mut Vec<Problem>) -> Vec<(TenantId, KeySet)> {
    let mut tenants = Vec::with_capacity(raw.len());
    for (id, keys) in raw {
        let set = TenantId::new(id).map_err(|error| error.to_string()).and_then(|id| Ok((id, key_set(keys)?)));
        match set {
            Ok(tenant) => tenants.push(tenant),
            Err(reason) => problems.push(Problem::TenantKeys { tenant: id.clone(), reason }),
        }
    }
    tenants
}

fn key_set(raw: &RawTenantKeys) -> Result<KeySet, String> {
    let seed = |text: &SecretText| seed(text).map_err(|error| format!("seed: {error}"));
    match raw {
        RawTenantKeys::Seed(text) => seed(text).map(KeySet::single),
        RawTenantKeys::Versions(versions) => {
            let version = |raw: &RawKeyVersion| {
                let seed = seed(&raw.seed).map_err(|error| format!("key version {}: {error}", raw.version))?;
                let state = raw.state.as_deref().map_or(Ok(KeyState::Active), str::parse);
                let state =
                    state.map_err(|error: UnknownKeyState| format!("key version {}: state {error}", raw.version))?;
                Ok(VersionedSeed { version: raw.version, seed, primary: raw.primary, state })
            };
            let seeds: Vec<VersionedSeed> = versions.keys.iter().map(version).collect::<Result<_, String>>()?;
            KeySet::new(versions.fragment_id.clone(), seeds).map_err(|error| error.to_string())
        }
    }
}

fn default_key(crypto: &RawCrypto, tenants: &[(TenantId, KeySet)], problems: &mut Vec<Problem>) -> Option<TenantId> {
    let wanted = crypto.default_key.as_deref()?;
    let known = tenants.iter().find(|(id, _)| id.as_str() == wanted).map(|(id, _)| id.clone());
    let is_named = crypto.tenant_keys.as_ref().is_some_and(|tenants| tenants.contains_key(wanted));
    if known.is_none() && !is_named {
        let reason = format!("`{wanted}` is not in crypto.tenant_keys");
        problems.push(Problem::Value { path: "crypto.default_key".into(), reason });
    }
    known
}

fn update_period(crypto: &RawCrypto, mode: &'static str, problems: &mut Vec<Problem>) -> Option<Duration> {
    if crypto.update_period.is_none() {
        problems.push(Problem::UpdatePeriodRequired { mode });
    }
    crypto.update_period.map(super::duration::GoDuration::get)
}

fn refuse<const N: usize>(mode: &str, fields: [(&str, bool); N], problems: &mut Vec<Problem>) {
    for (path, is_given) in fields {
        if is_given {
            problems.push(Problem::OtherMode { path: path.into(), mode: mode.into() });
        }
    }
}

fn missing(path: &str, problems: &mut Vec<Problem>) {
    problems.push(Problem::Missing { path: path.into() });
}

/// What the secrets of the example files start with.
pub(super) const EXAMPLE: &str = "EXAMPLE-REPLACE";
const SINGLE: &str = "single-key";
const LOCAL: &str = "local-multi-keys";
const REMOTE: &str = "remote-multi-keys";
