//! [`ConfiguredKeys`]: the source for `single-key` and `local-multi-keys`, whose seeds stand in the configuration.

use std::mem::{Discriminant, discriminant};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::cycle::Cycle;
use super::first_start::Generated;
use super::ring::{SourceKind, TenantKeys};
use super::seeds::KeySet;
use super::settings::KeySettings;
use super::source::{KeyError, KeySource};
use crate::seal::Seed;
use crate::tenant::TenantId;

/// The keys that stand in the configuration; a reload replaces them.
#[derive(Debug)]
pub struct ConfiguredKeys {
    settings: ArcSwap<KeySettings>,
    generated: Option<KeySet>,
    mode: Discriminant<KeySettings>,
}

impl ConfiguredKeys {
    /// Takes over the settings. `generated` is what the first start made, for [`KeySettings::Generated`].
    ///
    /// # Errors
    /// [`NothingGenerated`] if that is needed and absent.
    pub fn new(settings: KeySettings, generated: Option<&Generated>) -> Result<Self, NothingGenerated> {
        let generated = match (&settings, generated) {
            (KeySettings::Generated, None) => return Err(NothingGenerated),
            (KeySettings::Generated, Some(generated)) => {
                let seed = Seed::from_bytes(generated.seed.expose()).map_err(|_| NothingGenerated)?;
                Some(KeySet::single(seed))
            }
            (KeySettings::SingleKey { .. } | KeySettings::LocalMultiKeys(_) | KeySettings::RemoteMultiKeys(_), _) => {
                None
            }
        };
        let mode = discriminant(&settings);
        Ok(Self { settings: ArcSwap::from_pointee(settings), generated, mode })
    }

    /// Whether keys are asked for again and again.
    #[must_use]
    pub fn is_periodic(&self) -> bool {
        self.settings.load().period().is_some()
    }

    /// Takes over settings of the same mode; they count from the next cycle on.
    ///
    /// # Errors
    /// [`RestartNeeded`] if the mode is another one; then nothing changes.
    pub fn replace(&self, settings: KeySettings) -> Result<(), RestartNeeded> {
        if discriminant(&settings) != self.mode {
            return Err(RestartNeeded);
        }
        self.settings.store(Arc::new(settings));
        Ok(())
    }
}

#[async_trait::async_trait]
impl KeySource for ConfiguredKeys {
    fn name(&self) -> &'static str {
        "configuration"
    }

    fn is_complete(&self) -> bool {
        true
    }

    async fn refresh(&self, cycle: &mut Cycle) -> Result<(), KeyError> {
        let settings = self.settings.load_full();
        match &*settings {
            KeySettings::Generated => self.generated.iter().for_each(|seeds| cycle.found_for_all(seeds)),
            KeySettings::SingleKey { seeds } => cycle.found_for_all(seeds),
            KeySettings::LocalMultiKeys(local) => {
                if let Some(tenant) = &local.default_key {
                    cycle.default_key(tenant.clone());
                }
                for (tenant, seeds) in &local.tenants {
                    cycle.found(tenant, seeds, &local.fragments, SourceKind::File);
                }
            }
            // another source's
            KeySettings::RemoteMultiKeys(_) => {}
        }
        Ok(())
    }

    async fn look_up(&self, tenant: &TenantId) -> Result<(TenantKeys, SourceKind), KeyError> {
        let settings = self.settings.load_full();
        if let KeySettings::LocalMultiKeys(local) = &*settings
            && let Some((_, seeds)) = local.tenants.iter().find(|(id, _)| id == tenant)
        {
            return Ok((seeds.derive(tenant, &local.fragments)?, SourceKind::File));
        }
        Err(KeyError::NotFound { tenant: tenant.clone() })
    }
}

/// The keys that a first start generates are needed but were not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no key is configured and none was generated")]
pub struct NothingGenerated;

/// A setting that cannot change while the gateway runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("crypto.mode changed; it counts after a restart")]
pub struct RestartNeeded;

#[cfg(test)]
mod tests;
