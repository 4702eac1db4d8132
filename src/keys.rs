//! Keys of tenants: where they come from, how they stay fresh, and the snapshots that a request reads.
//!
//! ```text
//! source ─tells→ cycle ─derives, compares, keeps the last good→ ring ─snapshot→ request
//!    └──────────── look_up: one tenant that no cycle told of ───↗
//! ```
//!
//! - [`source`]: the seam to wherever keys come from; [`configured`]: the configuration itself; [`remote`]: the
//!   [`coordinator`], the Secret and a KMS ([`kmip`])
//! - [`refresh`], [`cycle`]: asking again and again, and what comes of it
//! - [`ring`]: every tenant's encryption keys at one moment
//! - [`seeds`]: the seeds of a tenant and the keys derived from them; [`fragment`]: what customers add to them
//! - [`access`]: the access keys that requests are signed with
//! - [`snapshot`]: the ring over a restart while nobody can be asked
//! - [`first_start`]: what is generated when nothing is configured
//! - [`cluster`]: the keys that the gateways of a cluster share for records of their own
//! - [`counts`]: what all that came to; [`calls`]: how often who was asked
//! - [`settings`]: what the configuration says of keys
//! - [`secret`]: text that must not be seen
//!
//! A request takes one snapshot ([`Keys::serving`]) and keeps it to its end; a refresh swaps in a whole new one.

pub mod access;
pub mod calls;
pub mod cluster;
pub mod configured;
pub mod coordinator;
pub mod counts;
pub mod cycle;
pub mod first_start;
pub mod fragment;
pub mod kmip;
mod private_file;
pub mod refresh;
pub mod remote;
pub mod ring;
pub mod secret;
pub mod seeds;
pub mod settings;
pub mod snapshot;
pub mod source;
#[cfg(test)]
mod testing;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::Mutex;

use crate::tenant::TenantId;
use counts::Counts;
use cycle::{Chain, Cycle, CycleReport, Extent};
use refresh::{Clock, SystemClock};
use ring::build::Restated;
use ring::{KeyRing, KeyState, SourceKind, TenantKeys};
use settings::unix_seconds;
use source::{KeyError, KeySource};

/// The live key ring.
pub struct Keys {
    ring: ArcSwap<KeyRing>,
    /// held by whoever makes the next ring out of the one in force
    writing: Mutex<()>,
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    /// tenants that were looked up a moment ago, each by one request for all that waited
    looked_up: moka::future::Cache<TenantId, Result<(), Arc<KeyError>>>,
    last_cycle: ArcSwapOption<CycleReport>,
    counts: Counts,
}

impl Keys {
    /// Keys that never change: this ring and nothing to ask.
    #[must_use]
    pub fn new(ring: KeyRing) -> Self {
        let keys = Self::of(Arc::new(Nowhere), Arc::new(SystemClock));
        keys.ring.store(Arc::new(ring));
        keys
    }

    /// Keys of a source; none before the first [cycle](refresh::Refresher::cycle).
    #[must_use]
    pub fn of(source: Arc<dyn KeySource>, clock: Arc<dyn Clock>) -> Self {
        Self {
            ring: ArcSwap::from_pointee(KeyRing::empty()),
            writing: Mutex::new(()),
            source,
            clock,
            looked_up: moka::future::Cache::builder()
                .max_capacity(LOOKED_UP_MAX)
                .time_to_live(LOOKED_UP_PERIOD)
                .build(),
            last_cycle: ArcSwapOption::empty(),
            counts: Counts::default(),
        }
    }

    /// The same, beginning with a ring that an earlier run kept.
    #[must_use]
    pub fn beginning_with(self, ring: KeyRing) -> Self {
        self.ring.store(Arc::new(ring));
        self
    }

    /// The keys as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// A snapshot in which this tenant has keys. One that no cycle told of is looked up, by one request for all that
    /// wait for it; that there are none is remembered for five seconds, because clients retry.
    ///
    /// # Errors
    /// [`KeyError`] if the tenant has no keys.
    pub async fn serving(&self, tenant: &TenantId) -> Result<Arc<KeyRing>, Arc<KeyError>> {
        let ring = self.snapshot();
        let is_ready = ring.has_own(tenant) || (self.source.is_complete() && ring.tenant(tenant).is_some());
        self.counts.asked(is_ready);
        if is_ready {
            return Ok(ring);
        }
        let outcome = self.looked_up.get_with_by_ref(tenant, self.look_up(tenant)).await;
        let ring = self.snapshot();
        match outcome {
            _ if ring.has_own(tenant) => Ok(ring),
            Err(error) if error.allows_default() && ring.tenant(tenant).is_some() => Ok(ring),
            Err(error) => Err(error),
            // found a moment ago, but taken away since
            Ok(()) => Err(Arc::new(KeyError::NotFound { tenant: tenant.clone() })),
        }
    }

    /// What cycles and look-ups came to since the start.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The name of what keys are asked of.
    #[must_use]
    pub fn source_name(&self) -> &'static str {
        self.source.name()
    }

    /// What the last cycle over all tenants came to; none before the first one.
    #[must_use]
    pub fn last_cycle(&self) -> Option<Arc<CycleReport>> {
        self.last_cycle.load_full()
    }

    /// Puts the outcome of a cycle in force; requests under way keep their snapshots.
    async fn install(&self, cycle: Cycle) -> CycleReport {
        let _writing = self.writing.lock().await;
        let extent = cycle.extent();
        let (ring, report) = cycle.finish(self.snapshot()).await;
        let replaced = self.ring.swap(Arc::clone(&ring));
        if !Arc::ptr_eq(&replaced, &ring) {
            free_later(replaced);
        }
        self.counts.count(extent, &report);
        if extent == Extent::All {
            self.last_cycle.store(Some(Arc::new(report.clone())));
        }
        report
    }

    async fn look_up(&self, tenant: &TenantId) -> Result<(), Arc<KeyError>> {
        let answer = self.source.look_up(tenant).await;
        self.counts.look_up(answer.is_ok());
        let (keys, source) = answer.map_err(|error| {
            let chain = Chain(&error);
            tracing::warn!(error = %chain, "failed to get key for tenant {tenant}");
            Arc::new(error)
        })?;
        let _writing = self.writing.lock().await;
        let now = unix_seconds(self.clock.now());
        let ring = self.snapshot();
        // not kept, so that the key works soon after it was activated
        let state = keys.state(keys.primary().key_id());
        if state == KeyState::PreActive && !ring.opens_pre_active() {
            let error = KeyError::Withheld { state, error: "activate it at its source".into() };
            tracing::warn!(error = %Chain(&error), "failed to get key for tenant {tenant}");
            return Err(Arc::new(error));
        }
        // a cycle may have been quicker, and knows more
        if !ring.has_own(tenant) {
            for (key, state) in keys.states() {
                cycle::tell_state(&Restated { tenant: tenant.clone(), key, state });
            }
            self.ring.store(Arc::new(ring.with_tenant(tenant, keys, source, now)));
        }
        Ok(())
    }

    fn source(&self) -> &Arc<dyn KeySource> {
        &self.source
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("ring", &self.snapshot())
            .field("source", &self.source.name())
            .finish_non_exhaustive()
    }
}

/// Frees a ring that is no longer in force. A large one takes long, so that neither the last request that has it does so
/// nor a thread that serves.
fn free_later(ring: Arc<KeyRing>) {
    tokio::spawn(async move {
        while Arc::strong_count(&ring) > 1 {
            tokio::time::sleep(FREE_PERIOD).await;
        }
        tokio::task::spawn_blocking(move || drop(ring)).await
    });
}

/// The source of keys that never change.
struct Nowhere;

#[async_trait::async_trait]
impl KeySource for Nowhere {
    fn name(&self) -> &'static str {
        "nowhere"
    }

    fn is_complete(&self) -> bool {
        true
    }

    async fn refresh(&self, cycle: &mut Cycle) -> Result<(), KeyError> {
        cycle.unchanged();
        Ok(())
    }

    async fn look_up(&self, tenant: &TenantId) -> Result<(TenantKeys, SourceKind), KeyError> {
        Err(KeyError::NotFound { tenant: tenant.clone() })
    }
}

const LOOKED_UP_MAX: u64 = 10_000;
const LOOKED_UP_PERIOD: Duration = Duration::from_secs(5);
const FREE_PERIOD: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
