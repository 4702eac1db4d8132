//! The key ring: every tenant's keys at one moment, in one immutable snapshot.
//!
//! A request takes one [`KeyRing`] and keeps it; a refresh builds a whole new one beside it ([`build`]) and swaps it in.
//! The new ring shares the [`TenantKey`]s that did not change.
//!
//! Memory matters at 1,000,000 tenants: a tenant costs one 40-byte slot, 6 bytes of index and one shared key (88 bytes
//! with its counts), no text of its own if its id is a UUID. Lookup is one hash and, on average, two probes.
//! Times are Unix seconds.

pub mod build;
mod index;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::seal::{KeyId, TenantKey};
use crate::tenant::TenantId;
use index::{Found, Slots};

/// All tenants' keys at one moment. Cloning shares them.
#[derive(Clone)]
pub struct KeyRing {
    base: Arc<Slots>,
    /// tenants first seen since `base` was built; few, folded into the next one
    late: HashMap<TenantId, Late>,
    /// the keys of tenants that have none of their own
    fallback: Option<TenantKeys>,
    /// tenants that must not use `fallback`: private ones, whose own key is missing
    withheld: HashSet<TenantId>,
}

impl KeyRing {
    /// A ring without any key.
    #[must_use]
    pub fn empty() -> Self {
        Self { base: Arc::new(Slots::default()), late: HashMap::new(), fallback: None, withheld: HashSet::new() }
    }

    /// A ring in which every tenant has the same keys: `single-key` mode.
    #[must_use]
    pub fn one_key(keys: TenantKeys) -> Self {
        Self { fallback: Some(keys), ..Self::empty() }
    }

    /// The keys that serve a tenant: its own, else those of the default key, else none.
    #[must_use]
    pub fn tenant(&self, tenant: &TenantId) -> Option<&TenantKeys> {
        self.own(tenant).map(|found| found.keys).or_else(|| {
            let fallback = self.fallback.as_ref()?;
            (!self.withheld.contains(tenant)).then_some(fallback)
        })
    }

    /// How many tenants have keys of their own.
    #[must_use]
    pub fn len(&self) -> usize {
        self.base.len() + self.late.len()
    }

    /// Whether no tenant has keys of its own.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is known of each tenant with keys of its own, in no order.
    pub fn statuses(&self) -> impl Iterator<Item = TenantStatus> + '_ {
        let late = self.late.iter().map(|(id, late)| TenantStatus::new(id.clone(), late.found()));
        self.base.iter().map(|(id, found)| TenantStatus::new(id, found)).chain(late)
    }

    /// This ring with one more tenant, or with other keys for one. Costs what arrived late so far, not the whole ring,
    /// but for every 1,024th time.
    #[must_use]
    pub fn with_tenant(&self, tenant: &TenantId, keys: TenantKeys, source: SourceKind, now: u32) -> Self {
        let mut late = self.late.clone();
        late.insert(tenant.clone(), Late { keys, source, fresh_at: now });
        let base = if late.len() < LATE_MAX && !self.base.contains(tenant) {
            Arc::clone(&self.base)
        } else {
            Arc::new(Slots::folded(&self.base, late.drain()))
        };
        Self { base, late, fallback: self.fallback.clone(), withheld: self.withheld.clone() }
    }

    /// Whether a tenant has keys of its own.
    #[must_use]
    pub fn has_own(&self, tenant: &TenantId) -> bool {
        self.own(tenant).is_some()
    }

    fn own(&self, tenant: &TenantId) -> Option<Found<'_>> {
        self.base.find(tenant).or_else(|| self.late.get(tenant).map(Late::found))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("tenants", &self.len())
            .field("fallback", &self.fallback)
            .finish_non_exhaustive()
    }
}

/// One tenant's keys: one seals, all open. Cloning shares them.
#[derive(Clone)]
pub struct TenantKeys {
    sealing: Arc<TenantKey>,
    retired: Option<Arc<Retired>>,
}

/// Keys that open only; one thin pointer in the slot, because nearly every tenant has none.
struct Retired(Vec<Arc<TenantKey>>);

impl TenantKeys {
    /// Keys of which `sealing` seals. One of the same id among `retired` counts once.
    #[must_use]
    pub fn new(sealing: Arc<TenantKey>, retired: impl IntoIterator<Item = Arc<TenantKey>>) -> Self {
        let mut others: Vec<Arc<TenantKey>> = Vec::new();
        for key in retired {
            if key.key_id() != sealing.key_id() && others.iter().all(|other| other.key_id() != key.key_id()) {
                others.push(key);
            }
        }
        others.shrink_to_fit();
        Self { sealing, retired: (!others.is_empty()).then(|| Arc::new(Retired(others))) }
    }

    /// The key that new objects are sealed to.
    #[must_use]
    pub fn sealing(&self) -> &TenantKey {
        &self.sealing
    }

    /// The key of this id; every key of the tenant opens.
    #[must_use]
    pub fn opening(&self, id: KeyId) -> Option<&TenantKey> {
        self.all().find(|key| key.key_id() == id).map(|key| &**key)
    }

    /// The ids of all keys, the sealing one first.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.all().map(|key| key.key_id())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<TenantKey>> {
        std::iter::once(&self.sealing).chain(self.retired.iter().flat_map(|retired| &retired.0))
    }
}

impl fmt::Debug for TenantKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.key_ids()).finish()
    }
}

/// Where a tenant's keys came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// `tenant_keys` of the configuration
    File,
    /// the Coordinator's answer
    Coordinator,
    /// the KMS
    Kms,
    /// the snapshot file of an earlier run
    Snapshot,
}

/// What is known of a tenant, for the status page and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantStatus {
    /// the tenant
    pub tenant: TenantId,
    /// the key that seals
    pub sealing: KeyId,
    /// how many further keys open
    pub retired: usize,
    /// where they came from
    pub source: SourceKind,
    /// when the source last confirmed them, Unix seconds
    pub fresh_at: u32,
}

impl TenantStatus {
    fn new(tenant: TenantId, found: Found<'_>) -> Self {
        let retired = found.keys.retired.as_ref().map_or(0, |retired| retired.0.len());
        let sealing = found.keys.sealing.key_id();
        Self { tenant, sealing, retired, source: found.source, fresh_at: found.fresh_at }
    }
}

#[derive(Clone)]
struct Late {
    keys: TenantKeys,
    source: SourceKind,
    fresh_at: u32,
}

impl Late {
    fn found(&self) -> Found<'_> {
        Found { keys: &self.keys, source: self.source, fresh_at: self.fresh_at }
    }
}

/// So many late tenants are folded into the base.
const LATE_MAX: usize = 1024;

#[cfg(test)]
mod tests;
