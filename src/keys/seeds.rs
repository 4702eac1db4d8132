//! [`KeySet`]: a tenant's seeds as a source gives them, checked, and the keys that are derived from them.
//!
//! One version is primary: it seals; all open, as far as their states allow it. A set that names a customer fragment gives keys only where the gateway
//! holds that fragment; without one the seeds are used as they are. The Coordinator may bind a fragment to seeds that
//! stand elsewhere: a set that names none takes that one, and one that names another is refused.

use std::sync::Arc;

use super::fragment::{Fragment, Fragments};
use super::ring::{KeyState, TenantKeys};
use crate::seal::{Seed, TenantKey};
use crate::tenant::TenantId;

/// The seeds of one tenant; the primary one first.
#[derive(Debug)]
pub struct KeySet {
    fragment_id: Option<String>,
    seeds: Vec<VersionedSeed>,
}

/// One version of a tenant's seed.
#[derive(Debug)]
pub struct VersionedSeed {
    /// the version, unique within the tenant
    pub version: u32,
    /// the seed
    pub seed: Seed,
    /// whether it seals
    pub primary: bool,
    /// what its source says of it
    pub state: KeyState,
}

impl KeySet {
    /// The set of one seed without a fragment.
    #[must_use]
    pub fn single(seed: Seed) -> Self {
        Self::stated(seed, KeyState::Active)
    }

    /// The set of one seed in this state, without a fragment.
    #[must_use]
    pub fn stated(seed: Seed, state: KeyState) -> Self {
        Self { fragment_id: None, seeds: vec![VersionedSeed { version: 1, seed, primary: true, state }] }
    }

    /// Checks a set of versions. Of several, exactly one must be primary; a single one is so by itself.
    ///
    /// # Errors
    /// [`KeySetError`] for no seed, a repeated version, or none or two primary ones.
    pub fn new(fragment_id: Option<String>, mut seeds: Vec<VersionedSeed>) -> Result<Self, KeySetError> {
        if let [only] = seeds.as_mut_slice() {
            only.primary = true;
        }
        // the primary first, then the newest
        seeds.sort_by_key(|seed| (!seed.primary, std::cmp::Reverse(seed.version)));
        match seeds.iter().filter(|seed| seed.primary).count() {
            _ if seeds.is_empty() => return Err(KeySetError::Empty),
            1 => {}
            0 => return Err(KeySetError::NoPrimary),
            _ => return Err(KeySetError::TwoPrimaries),
        }
        let mut versions: Vec<u32> = seeds.iter().map(|seed| seed.version).collect();
        versions.sort_unstable();
        if let Some(pair) = versions.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(KeySetError::RepeatedVersion { version: pair[0] });
        }
        Ok(Self { fragment_id, seeds })
    }

    /// The fragment that the seeds need.
    #[must_use]
    pub fn fragment_id(&self) -> Option<&str> {
        self.fragment_id.as_deref()
    }

    /// The fragment that is joined to the seeds if the Coordinator binds `bound` to the tenant.
    ///
    /// # Errors
    /// [`OtherFragment`] if the set names another one.
    pub fn fragment_with<'a>(&'a self, bound: Option<&'a str>) -> Result<Option<&'a str>, OtherFragment> {
        match (self.fragment_id(), bound) {
            (Some(named), Some(bound)) if named != bound => {
                Err(OtherFragment { named: named.to_owned(), bound: bound.to_owned() })
            }
            (named, bound) => Ok(bound.or(named)),
        }
    }

    /// Derives the keys. Costs one X25519 multiplication per version.
    ///
    /// # Errors
    /// [`MissingFragment`] if this gateway does not hold the fragment that the set names.
    pub fn derive(&self, tenant: &TenantId, fragments: &Fragments) -> Result<TenantKeys, MissingFragment> {
        self.derive_anew(None, tenant.as_str(), self.fragment_id(), fragments)
    }

    /// As [`KeySet::derive`], but joined with `fragment`, and takes over those of `before` that are still the same.
    pub(super) fn derive_anew(
        &self,
        before: Option<&TenantKeys>,
        tenant: &str,
        fragment: Option<&str>,
        fragments: &Fragments,
    ) -> Result<TenantKeys, MissingFragment> {
        let fragment = match fragment {
            None => None,
            Some(id) => Some(fragments.find(id).ok_or_else(|| MissingFragment { fragment_id: id.to_owned() })?),
        };
        let key_of = |seed: &Seed| {
            let known = before.and_then(|keys| keys.all().find(|key| key.is_from(seed)));
            known.map_or_else(|| Arc::new(TenantKey::from_seed(seed)), Arc::clone)
        };
        let keys = self.seeds.iter().map(|versioned| match fragment {
            None => key_of(&versioned.seed),
            Some(fragment) => key_of(&versioned.seed.with_fragment(fragment.expose(), fragment.id(), tenant)),
        });
        let keys: Vec<Arc<TenantKey>> = keys.collect();
        let states: Vec<_> =
            keys.iter().map(|key| key.key_id()).zip(self.seeds.iter().map(|seed| seed.state)).collect();
        let mut keys = keys.into_iter();
        let Some(primary) = keys.next() else { unreachable!("a set is never empty") };
        Ok(TenantKeys::new(primary, keys).with_fragment(fragment.map(Fragment::id)).with_states(states))
    }
}

/// Why seeds make no set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// no seed at all
    #[error("there is no key")]
    Empty,
    /// none of several seals
    #[error("none of the keys is primary")]
    NoPrimary,
    /// more than one seals
    #[error("more than one key is primary")]
    TwoPrimaries,
    /// two seeds of one version
    #[error("key version {version} is given twice")]
    RepeatedVersion {
        /// the version
        version: u32,
    },
}

/// A tenant's keys need a customer fragment that this gateway does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("customer fragment `{fragment_id}` is not on this gateway")]
pub struct MissingFragment {
    /// the fragment
    pub fragment_id: String,
}

/// The configuration names another customer fragment for a tenant's keys than the Coordinator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("crypto.tenant_keys names customer fragment `{named}`, the Coordinator `{bound}`: they must be the same")]
pub struct OtherFragment {
    /// by the configuration
    pub named: String,
    /// by the Coordinator
    pub bound: String,
}

#[cfg(test)]
mod tests;
