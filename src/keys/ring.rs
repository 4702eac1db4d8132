//! The key ring: every tenant's keys at one moment, in one immutable snapshot.
//!
//! A request takes one [`KeyRing`] and keeps it; a refresh builds a whole new one beside it ([`build`]) and swaps it in.
//! The new ring shares the [`TenantKey`]s that did not change.
//!
//! Memory matters at 1,000,000 tenants: a tenant costs one 40-byte slot, 2 bytes of index and one shared key (88 bytes
//! with its counts), no text of its own if its id is a UUID. Lookup is one hash and, on average, two slots looked at. A few
//! changed tenants lie over the table as a layer of their own, so that a change costs what changed and not the whole.
//! Times are Unix seconds.

pub mod build;
mod index;
pub mod usage;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

pub use crate::coordinator_api::{KeyState, UnknownKeyState};
use crate::seal::{KeyId, TenantKey};
use crate::tenant::TenantId;
use index::{Found, Slots};
use usage::KeyUse;

/// All tenants' keys at one moment. Cloning shares them.
#[derive(Clone)]
pub struct KeyRing {
    base: Arc<Slots>,
    /// what changed since `base` was built, none for what went; few, folded into the next one
    late: HashMap<TenantId, Option<Late>>,
    /// how many have keys of their own
    tenants: usize,
    /// the keys of tenants that have none of their own
    fallback: Option<TenantKeys>,
    /// the tenant whose keys `fallback` are, if they are one's
    fallback_of: Option<TenantId>,
    /// by which rules keys are used
    usage: KeyUse,
    /// tenants that must not use `fallback`: private ones, whose own key is missing
    withheld: Arc<HashSet<TenantId>>,
    /// when the last refresh began
    refreshed_at: u32,
    /// when the Coordinator last said that what it told before still holds
    confirmed_at: u32,
}

impl KeyRing {
    /// A ring without any key.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            base: Arc::default(),
            late: HashMap::new(),
            tenants: 0,
            fallback: None,
            fallback_of: None,
            usage: KeyUse::default(),
            withheld: Arc::default(),
            refreshed_at: 0,
            confirmed_at: 0,
        }
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

    /// The keys of tenants that have none of their own: all of them in `single-key` mode.
    #[must_use]
    pub fn fallback(&self) -> Option<&TenantKeys> {
        self.fallback.as_ref()
    }

    /// How many tenants have keys of their own.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tenants
    }

    /// Whether no tenant has keys of its own.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is known of each tenant with keys of its own, in no order.
    pub fn statuses(&self) -> impl Iterator<Item = TenantStatus> + '_ {
        self.entries().map(|(id, found)| self.status_of(id, found))
    }

    /// What is known of one tenant with keys of its own.
    #[must_use]
    pub fn status(&self, tenant: &TenantId) -> Option<TenantStatus> {
        self.own(tenant).map(|found| self.status_of(tenant.clone(), found))
    }

    /// This ring with one more tenant, or with other keys for one. Costs what changed lately, not the whole ring, but for
    /// every 1,024th time.
    #[must_use]
    pub fn with_tenant(&self, tenant: &TenantId, keys: TenantKeys, source: SourceKind, now: u32) -> Self {
        let mut ring = self.clone();
        ring.set(tenant, Some(Late { keys, source, fresh_at: now }));
        ring.folded_if_many()
    }

    /// Whether a tenant has keys of its own.
    #[must_use]
    pub fn has_own(&self, tenant: &TenantId) -> bool {
        self.own(tenant).is_some()
    }

    /// Every tenant's own keys, with where they came from and when they were confirmed, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = (TenantId, &TenantKeys, SourceKind, u32)> {
        self.entries().map(|(id, found)| (id, found.keys, found.source, found.fresh_at))
    }

    /// The tenants that the default key must not serve.
    pub(super) fn withheld(&self) -> impl Iterator<Item = &TenantId> {
        self.withheld.iter()
    }

    fn own(&self, tenant: &TenantId) -> Option<Found<'_>> {
        if !self.late.is_empty()
            && let Some(late) = self.late.get(tenant)
        {
            return late.as_ref().map(Late::found);
        }
        self.base.find(tenant)
    }

    fn entries(&self) -> impl Iterator<Item = (TenantId, Found<'_>)> {
        let late = self.late.iter().filter_map(|(id, late)| Some((id.clone(), late.as_ref()?.found())));
        late.chain(self.base.iter().filter(|(id, _)| !self.late.contains_key(id)))
    }

    fn set(&mut self, tenant: &TenantId, late: Option<Late>) {
        self.tenants -= usize::from(self.has_own(tenant));
        self.tenants += usize::from(late.is_some());
        self.late.insert(tenant.clone(), late);
    }

    fn folded_if_many(self) -> Self {
        if self.late.len() < LATE_MAX {
            return self;
        }
        let mut base = Slots::with_capacity(self.tenants);
        for (tenant, found) in self.entries() {
            base.push(&tenant, found.keys.clone(), found.source, found.fresh_at);
        }
        Self { base: Arc::new(base.indexed()), late: HashMap::new(), ..self }
    }

    /// When the source last confirmed a tenant's keys.
    fn fresh_at(&self, found: &Found<'_>) -> u32 {
        match found.source {
            SourceKind::Coordinator => found.fresh_at.max(self.confirmed_at),
            SourceKind::File | SourceKind::Kms | SourceKind::Snapshot => found.fresh_at,
        }
    }

    fn status_of(&self, tenant: TenantId, found: Found<'_>) -> TenantStatus {
        let fresh_at = self.fresh_at(&found);
        TenantStatus {
            tenant,
            sealing: found.keys.primary().key_id(),
            state: found.keys.state(found.keys.primary().key_id()),
            retired: found.keys.more.as_ref().map_or(0, |more| more.retired.len()),
            source: found.source,
            fragment: found.keys.fragment().map(Arc::from),
            fresh_at,
            is_fresh: fresh_at >= self.refreshed_at,
        }
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

/// One tenant's keys: the primary one seals, all open, as far as their states allow it ([`usage`]). Cloning shares them.
#[derive(Clone)]
pub struct TenantKeys {
    primary: Arc<TenantKey>,
    more: Option<Arc<More>>,
}

/// What few tenants have; one thin pointer in the slot.
#[derive(Clone, Default)]
struct More {
    /// keys that open only
    retired: Vec<Arc<TenantKey>>,
    /// how many of them, from the first, a source still names
    named: usize,
    /// the customer fragment in the keys
    fragment: Option<Box<str>>,
    /// the keys that are not active
    states: Box<[(KeyId, KeyState)]>,
}

impl TenantKeys {
    /// Keys of which `primary` seals, and older versions that a source names. One of the same id counts once. All are
    /// active.
    #[must_use]
    pub fn new(primary: Arc<TenantKey>, older: impl IntoIterator<Item = Arc<TenantKey>>) -> Self {
        Self { primary, more: None }.joined(older, true)
    }

    /// The same, with keys that no source names any more; they are kept for opening.
    #[must_use]
    pub fn keeping(self, kept: impl IntoIterator<Item = Arc<TenantKey>>) -> Self {
        self.joined(kept, false)
    }

    fn joined(self, keys: impl IntoIterator<Item = Arc<TenantKey>>, are_named: bool) -> Self {
        let mut more = self.more();
        for key in keys {
            let id = key.key_id();
            if id != self.primary.key_id() && more.retired.iter().all(|other| other.key_id() != id) {
                more.retired.push(key);
                more.named += usize::from(are_named);
            }
        }
        more.retired.shrink_to_fit();
        Self { more: more.if_any(), ..self }
    }

    /// The same, noted as made with this customer fragment.
    #[must_use]
    pub fn with_fragment(self, fragment: Option<&str>) -> Self {
        let more = More { fragment: fragment.map(Box::from), ..self.more() };
        Self { more: more.if_any(), ..self }
    }

    /// The same with what sources say of the keys; those that are not named are active. Of two words the first counts.
    #[must_use]
    pub fn with_states(self, states: impl IntoIterator<Item = (KeyId, KeyState)>) -> Self {
        let states = states.into_iter().filter(|(_, state)| !state.is_active()).collect();
        let more = More { states, ..self.more() };
        Self { more: more.if_any(), ..self }
    }

    /// What is said of the key of this id.
    #[must_use]
    pub fn state(&self, id: KeyId) -> KeyState {
        let states = self.more.as_ref().map_or(&[][..], |more| &more.states);
        states.iter().find(|(other, _)| *other == id).map_or(KeyState::Active, |(_, state)| *state)
    }

    /// The ids and states of the keys that are not active.
    pub(super) fn states(&self) -> impl Iterator<Item = (KeyId, KeyState)> + '_ {
        self.more.iter().flat_map(|more| more.states.iter().copied())
    }

    fn more(&self) -> More {
        self.more.as_deref().cloned().unwrap_or_default()
    }

    /// The customer fragment in the keys.
    #[must_use]
    pub fn fragment(&self) -> Option<&str> {
        self.more.as_ref()?.fragment.as_deref()
    }

    /// The key that new objects are sealed to, if its state allows it: [`KeyRing::sealing`] gives it for that.
    #[must_use]
    pub fn primary(&self) -> &TenantKey {
        &self.primary
    }

    /// The key of this id, whatever its state: [`KeyRing::opening`] gives it for opening.
    #[must_use]
    pub fn find(&self, id: KeyId) -> Option<&TenantKey> {
        self.all().find(|key| key.key_id() == id).map(|key| &**key)
    }

    /// Whether a source names the key of this id: as the one that seals, or as an older version.
    #[must_use]
    pub fn is_named(&self, id: KeyId) -> bool {
        self.named().any(|key| key.key_id() == id)
    }

    /// The keys that a source names, the primary one first.
    pub(super) fn named(&self) -> impl Iterator<Item = &Arc<TenantKey>> {
        let older = self.more.iter().flat_map(|more| more.retired.iter().take(more.named));
        std::iter::once(&self.primary).chain(older)
    }

    /// The ids of all keys, the primary one first.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.all().map(|key| key.key_id())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<TenantKey>> {
        std::iter::once(&self.primary).chain(self.more.iter().flat_map(|more| &more.retired))
    }
}

impl More {
    fn if_any(self) -> Option<Arc<Self>> {
        (!self.retired.is_empty() || self.fragment.is_some() || !self.states.is_empty()).then(|| Arc::new(self))
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
    /// the primary key
    pub sealing: KeyId,
    /// what the source says of it: unless it is active, the tenant's objects are opened and none is sealed
    pub state: KeyState,
    /// how many further keys open
    pub retired: usize,
    /// where they came from
    pub source: SourceKind,
    /// the customer fragment in them
    pub fragment: Option<Arc<str>>,
    /// when the source last confirmed them, Unix seconds
    pub fresh_at: u32,
    /// whether the last refresh confirmed them; if not, they are the last good ones
    pub is_fresh: bool,
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

/// So many changed tenants are folded into the base.
const LATE_MAX: usize = 1024;

#[cfg(test)]
mod tests;
