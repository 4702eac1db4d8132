//! What the configuration says about keys, checked: [`KeySettings`], and the first ring that follows from it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::cycle::CycleRules;
use super::first_start::Generated;
use super::fragment::Fragments;
use super::remote::RemoteSettings;
use super::ring::build::RingBuilder;
use super::ring::usage::KeyUse;
use super::ring::{KeyRing, SourceKind, TenantKeys};
use super::seeds::{KeySet, MissingFragment};
use crate::seal::TenantKey;
use crate::tenant::TenantId;

/// Where keys come from: the mode and what belongs to it.
#[derive(Debug)]
pub enum KeySettings {
    /// nothing is configured: the seed is generated at the first start
    Generated,
    /// one key for all tenants
    SingleKey {
        /// its seed
        seeds: KeySet,
    },
    /// the keys stand in the configuration
    LocalMultiKeys(LocalKeys),
    /// the Coordinator, the Secret and a KMS
    RemoteMultiKeys(Box<RemoteSettings>),
}

/// The keys of `local-multi-keys`.
#[derive(Debug)]
pub struct LocalKeys {
    /// how often they are looked at again
    pub period: Duration,
    /// the seeds, by tenant
    pub tenants: Vec<(TenantId, KeySet)>,
    /// the tenant whose keys serve those that have none
    pub default_key: Option<TenantId>,
    /// how many keys that no source names any more stay per tenant
    pub retired_keys_max: usize,
    /// what customers add to seeds
    pub fragments: Fragments,
    /// what keys may be used for
    pub usage: KeyUse,
}

/// The first ring of a gateway.
#[derive(Debug)]
pub struct FirstRing {
    /// the keys
    pub ring: KeyRing,
    /// the tenants that have none, because this gateway lacks their customer fragment
    pub lacking: Vec<(TenantId, MissingFragment)>,
}

impl KeySettings {
    /// By which rules keys are refreshed.
    #[must_use]
    pub fn rules(&self) -> CycleRules {
        match self {
            Self::Generated | Self::SingleKey { .. } => {
                CycleRules { retired_keys_max: RETIRED_KEYS_MAX, ..CycleRules::default() }
            }
            Self::LocalMultiKeys(local) => {
                CycleRules { retired_keys_max: local.retired_keys_max, usage: local.usage, ..CycleRules::default() }
            }
            Self::RemoteMultiKeys(remote) => remote.rules,
        }
    }

    /// How often keys are asked for; never for one key, which changes with the configuration alone.
    #[must_use]
    pub fn period(&self) -> Option<Duration> {
        match self {
            Self::Generated | Self::SingleKey { .. } => None,
            Self::LocalMultiKeys(local) => Some(local.period),
            Self::RemoteMultiKeys(remote) => Some(remote.period),
        }
    }

    /// The customer fragments that this gateway holds, if the mode knows of any.
    #[must_use]
    pub fn fragments(&self) -> Option<&Fragments> {
        match self {
            Self::Generated | Self::SingleKey { .. } => None,
            Self::LocalMultiKeys(local) => Some(&local.fragments),
            Self::RemoteMultiKeys(remote) => Some(&remote.fragments),
        }
    }

    /// The ring to start with. `generated` is what the first start made; needed for [`KeySettings::Generated`] alone.
    #[must_use]
    pub fn first_ring(&self, generated: Option<&Generated>, now: SystemTime) -> FirstRing {
        let one_key = |key| KeyRing::one_key(TenantKeys::new(Arc::new(key), []));
        let ring = match self {
            Self::Generated => {
                generated.map_or_else(KeyRing::empty, |generated| one_key(TenantKey::from_seed(&generated.seed)))
            }
            Self::SingleKey { seeds } => seeds
                .derive(&TenantId::default_tenant(), &Fragments::default())
                .map_or_else(|_| KeyRing::empty(), KeyRing::one_key),
            Self::LocalMultiKeys(local) => return local.first_ring(now),
            Self::RemoteMultiKeys(_) => KeyRing::empty(),
        };
        FirstRing { ring, lacking: Vec::new() }
    }
}

impl LocalKeys {
    fn first_ring(&self, now: SystemTime) -> FirstRing {
        let last = Arc::new(KeyRing::empty());
        let mut builder = RingBuilder::new(Arc::clone(&last), self.retired_keys_max).used_by(self.usage);
        if let Some(tenant) = &self.default_key {
            builder.default_key(tenant.clone());
        }
        let mut lacking = Vec::new();
        for (tenant, set) in &self.tenants {
            match set.derive(tenant, &self.fragments) {
                Ok(keys) => builder.found(tenant, keys, SourceKind::File, unix_seconds(now)),
                Err(missing) => {
                    builder.withhold(tenant);
                    lacking.push((tenant.clone(), missing));
                }
            }
        }
        FirstRing { ring: builder.finish(&last).ring, lacking }
    }
}

/// Seconds since 1970; a clock before that reads 0, one after 2106 the last value.
pub(super) fn unix_seconds(time: SystemTime) -> u32 {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// What is kept per tenant if the configuration does not say.
pub const RETIRED_KEYS_MAX: usize = 8;
