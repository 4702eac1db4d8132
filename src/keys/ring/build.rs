//! Builds the next ring from the last one and from what the sources say now.
//!
//! Per tenant: the new keys, else the last good ones, else none. A refresh never drops a key: what a tenant had stays
//! for opening, the newest few of them ([`RingBuilder::new`]). A tenant that no source mentions keeps its keys too.
//! Only [`RingBuilder::forget`], for an explicit revocation, takes keys away.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::index::Slots;
use super::usage::KeyUse;
use super::{KeyRing, KeyState, LATE_MAX, Late, SourceKind, TenantKeys};
use crate::seal::{KeyId, TenantKey};
use crate::tenant::TenantId;

/// A ring being built.
pub struct RingBuilder {
    last: Arc<KeyRing>,
    slots: Slots,
    retired_keys_max: usize,
    forgotten: HashSet<TenantId>,
    withheld: HashSet<TenantId>,
    fallback: Fallback,
    surprises: Vec<Surprise>,
    surprises_count: u64,
    restated: Vec<Restated>,
    usage: Option<KeyUse>,
    began_at: Option<u32>,
    is_confirmed: bool,
    is_whole: bool,
    now: u32,
}

/// Whose keys serve tenants that have none of their own.
enum Fallback {
    Nobody,
    Tenant(TenantId),
    Keys(TenantKeys),
}

/// A seed is another one although no new version of it was announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surprise {
    /// the tenant; none for the one key of all
    pub tenant: Option<TenantId>,
    /// the key that sealed until now; it still opens
    pub before: KeyId,
    /// the key that seals from now on
    pub now: KeyId,
}

/// A source says another thing of a key than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restated {
    /// the tenant
    pub tenant: TenantId,
    /// the key
    pub key: KeyId,
    /// what is said of it now
    pub state: KeyState,
}

/// A new ring, and what is to be told of it.
#[derive(Debug)]
pub struct Built {
    /// the ring
    pub ring: KeyRing,
    /// the first few seeds that changed unannounced
    pub surprises: Vec<Surprise>,
    /// how many did
    pub surprises_count: u64,
    /// the first few keys of which another state is told
    pub restated: Vec<Restated>,
}

impl RingBuilder {
    /// Starts from the last ring. At most `retired_keys_max` keys that no source names any more stay per tenant.
    #[must_use]
    pub fn new(last: Arc<KeyRing>, retired_keys_max: usize) -> Self {
        Self {
            slots: Slots::with_capacity(last.len()),
            last,
            retired_keys_max,
            forgotten: HashSet::new(),
            withheld: HashSet::new(),
            fallback: Fallback::Nobody,
            surprises: Vec::new(),
            surprises_count: 0,
            restated: Vec::new(),
            usage: None,
            began_at: None,
            is_confirmed: false,
            is_whole: false,
            now: 0,
        }
    }

    /// Keys that were confirmed before this moment count as last good ones.
    #[must_use]
    pub fn begun_at(self, now: u32) -> Self {
        Self { began_at: Some(now), now, ..self }
    }

    /// The keys of the new ring are used by these rules; without this by those of the ring in force.
    #[must_use]
    pub fn used_by(self, usage: KeyUse) -> Self {
        Self { usage: Some(usage), ..self }
    }

    /// What counts as fresh is not decided anew.
    pub fn keep_age(&mut self) {
        self.began_at = None;
    }

    /// All that the Coordinator told before is confirmed.
    pub fn confirmed(&mut self) {
        self.is_confirmed = true;
    }

    /// Every tenant there is was told of. What only the snapshot of an earlier run knows of is gone.
    pub fn whole(&mut self) {
        self.is_whole = true;
    }

    /// The keys that the tenant has in the last ring.
    #[must_use]
    pub fn last_good(&self, tenant: &TenantId) -> Option<&TenantKeys> {
        self.last.own(tenant).map(|found| found.keys)
    }

    /// The keys that served every tenant in the last ring.
    #[must_use]
    pub fn last_for_all(&self) -> Option<&TenantKeys> {
        self.last.fallback.as_ref()
    }

    /// A source gives the tenant these keys. The first call for a tenant counts.
    pub fn found(&mut self, tenant: &TenantId, keys: TenantKeys, source: SourceKind, now: u32) {
        let keys = match self.last_good(tenant).cloned() {
            Some(before) => self.joined(Some(tenant), &before, &keys),
            None => keys,
        };
        self.note_states(tenant, &keys);
        self.slots.push(tenant, keys, source, now);
    }

    /// A source gives no key, but says this of the one that the tenant has. The tenant keeps its keys, as fresh as they
    /// were.
    pub fn restate(&mut self, tenant: &TenantId, state: KeyState) {
        let Some((keys, source, fresh_at)) =
            self.last.own(tenant).map(|found| (found.keys.clone(), found.source, found.fresh_at))
        else {
            return;
        };
        let primary = keys.primary().key_id();
        let others: Vec<_> = keys.states().filter(|(id, _)| *id != primary).collect();
        let keys = keys.with_states(others.into_iter().chain([(primary, state)]));
        self.note_states(tenant, &keys);
        self.slots.push(tenant, keys, source, fresh_at);
    }

    /// The tenant's keys need this customer fragment. Those of the last ring without it, or with another one, are taken
    /// away: what is sealed with them could be opened without the customer.
    pub fn bound(&mut self, tenant: &TenantId, fragment: &str) {
        if self.last_good(tenant).is_some_and(|keys| keys.fragment() != Some(fragment)) {
            self.forget(tenant);
        }
    }

    /// Whether the tenant keeps what it had if nothing else is told of it.
    #[must_use]
    pub fn keeps(&self, tenant: &TenantId) -> bool {
        self.last_good(tenant).is_some() && !self.forgotten.contains(tenant)
    }

    /// Every tenant without keys of its own has these.
    pub fn found_for_all(&mut self, keys: TenantKeys) {
        let keys = match self.last_for_all().cloned() {
            Some(before) => self.joined(None, &before, &keys),
            None => keys,
        };
        self.fallback = Fallback::Keys(keys);
    }

    /// This tenant's keys serve those that have none.
    pub fn default_key(&mut self, tenant: TenantId) {
        self.fallback = Fallback::Tenant(tenant);
    }

    /// The tenant must not be served by the default key while it has none of its own.
    pub fn withhold(&mut self, tenant: &TenantId) {
        self.withheld.insert(tenant.clone());
    }

    /// Takes all keys of a tenant away: it is gone, or its key was revoked.
    pub fn forget(&mut self, tenant: &TenantId) {
        self.forgotten.insert(tenant.clone());
    }

    /// Keeps what the last ring said of tenants that this time were not all told of.
    pub fn incomplete(&mut self) {
        self.withheld.extend(self.last.withheld.iter().cloned());
        if let (Fallback::Nobody, Some(keys)) = (&self.fallback, &self.last.fallback) {
            self.fallback = Fallback::Keys(keys.clone());
        }
    }

    /// The new ring. `live` is the ring in force now: tenants that joined it while this one was built stay.
    #[must_use]
    pub fn finish(self, live: &KeyRing) -> Built {
        let fresh = self.slots.indexed();
        let mut forgotten = self.forgotten;
        if self.is_whole {
            let is_gone = |(tenant, found): &(TenantId, super::Found<'_>)| {
                found.source == SourceKind::Snapshot && fresh.find(tenant).is_none() && !self.withheld.contains(tenant)
            };
            forgotten.extend(live.entries().filter(is_gone).map(|(tenant, _)| tenant));
        }
        let changed = fresh.len() + forgotten.len() + live.late.len();
        let ring = if changed < LATE_MAX && changed < live.base.len() / 4 {
            layered(live, &fresh, &forgotten)
        } else {
            rebuilt(live, fresh, &forgotten)
        };
        let (fallback, fallback_of) = match self.fallback {
            Fallback::Nobody => (None, None),
            Fallback::Tenant(tenant) => (ring.own(&tenant).map(|found| found.keys.clone()), Some(tenant)),
            Fallback::Keys(keys) => (Some(keys), None),
        };
        let usage = self.usage.unwrap_or(live.usage);
        let withheld =
            if self.withheld == *live.withheld { Arc::clone(&live.withheld) } else { Arc::new(self.withheld) };
        let refreshed_at = self.began_at.unwrap_or(live.refreshed_at);
        let confirmed_at = if self.is_confirmed { self.now } else { live.confirmed_at };
        let ring = KeyRing { fallback, fallback_of, usage, withheld, refreshed_at, confirmed_at, ..ring };
        Built { ring, surprises: self.surprises, surprises_count: self.surprises_count, restated: self.restated }
    }

    /// Notes the keys of which another thing is said than in the last ring, where a key that was not there was active.
    fn note_states(&mut self, tenant: &TenantId, keys: &TenantKeys) {
        let before = self.last_good(tenant);
        let state_before = |key: KeyId| before.map_or(KeyState::Active, |before| before.state(key));
        let changed = keys.key_ids().map(|key| (key, keys.state(key))).filter(|(key, now)| state_before(*key) != *now);
        let room = RESTATED_MAX.saturating_sub(self.restated.len());
        let changed: Vec<_> = changed.take(room).collect();
        self.restated.extend(changed.into_iter().map(|(key, state)| Restated { tenant: tenant.clone(), key, state }));
    }

    /// The new keys with what the tenant had before behind them.
    fn joined(&mut self, tenant: Option<&TenantId>, before: &TenantKeys, now: &TenantKeys) -> TenantKeys {
        let are_named = |keys: &TenantKeys| keys.named().map(|key| key.key_id()).collect::<Vec<_>>();
        if before.key_ids().eq(now.key_ids())
            && are_named(before) == are_named(now)
            && now.key_ids().all(|id| before.state(id) == now.state(id))
        {
            return before.clone();
        }
        if now.find(before.primary().key_id()).is_none() {
            self.surprises_count += 1;
            if self.surprises.len() < SURPRISES_MAX {
                let (before, now) = (before.primary().key_id(), now.primary().key_id());
                self.surprises.push(Surprise { tenant: tenant.cloned(), before, now });
            }
        }
        let dropped = before.all().filter(|key| now.find(key.key_id()).is_none());
        let kept: Vec<Arc<TenantKey>> = dropped.take(self.retired_keys_max).map(Arc::clone).collect();
        let states: Vec<_> = now.states().chain(before.states().filter(|(id, _)| now.find(*id).is_none())).collect();
        now.clone().keeping(kept).with_states(states)
    }
}

/// The ring in force with a few changes over its table.
fn layered(live: &KeyRing, fresh: &Slots, forgotten: &HashSet<TenantId>) -> KeyRing {
    let mut ring = live.clone();
    for (tenant, found) in fresh.iter() {
        let late = Late { keys: found.keys.clone(), source: found.source, fresh_at: found.fresh_at };
        ring.set(&tenant, Some(late));
    }
    for tenant in forgotten {
        if fresh.find(tenant).is_none() && ring.has_own(tenant) {
            ring.set(tenant, None);
        }
    }
    ring
}

/// A table of its own: what was found, and what the ring in force has beyond it.
fn rebuilt(live: &KeyRing, fresh: Slots, forgotten: &HashSet<TenantId>) -> KeyRing {
    let mut carried =
        live.entries().filter(|(tenant, _)| fresh.find(tenant).is_none() && !forgotten.contains(tenant)).peekable();
    let base = if carried.peek().is_none() {
        drop(carried);
        fresh
    } else {
        let mut all = Slots::with_capacity(fresh.len());
        for (tenant, found) in fresh.iter().chain(carried) {
            all.push(&tenant, found.keys.clone(), found.source, found.fresh_at);
        }
        all.indexed()
    };
    let (tenants, late) = (base.len(), HashMap::new());
    KeyRing { base: Arc::new(base), late, tenants, ..live.clone() }
}

/// So many changed states are named.
const RESTATED_MAX: usize = 10;
/// So many changed seeds are named; the rest is counted.
const SURPRISES_MAX: usize = 10;
