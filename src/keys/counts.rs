//! [`Counts`]: what refreshes and look-ups came to since the start, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::cycle::{CycleReport, Extent};
use super::ring::KeyState;

/// Counters that only rise.
#[derive(Debug, Default)]
pub struct Counts {
    cycles: AtomicU64,
    aborted: AtomicU64,
    aborted_in_a_row: AtomicU64,
    last_success_at: AtomicU64,
    news: AtomicU64,
    surprises: AtomicU64,
    revoked: AtomicU64,
    ready: AtomicU64,
    waited: AtomicU64,
    look_ups: AtomicU64,
    look_ups_failed: AtomicU64,
    opened_not_active: [AtomicU64; KeyState::NOT_SEALING.len()],
}

macro_rules! readers {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(&self) -> u64 {
            self.$name.load(Ordering::Relaxed)
        })*
    };
}

impl Counts {
    readers! {
        /// Cycles over all tenants.
        cycles;
        /// Cycles in which the source could not be asked to the end.
        aborted;
        /// Cycles like these since the last good one.
        aborted_in_a_row;
        /// When the last good cycle began, Unix seconds; 0 before it.
        last_success_at;
        /// Cycles over what was new.
        news;
        /// Seeds that changed unannounced.
        surprises;
        /// Tenants whose keys were taken away.
        revoked;
        /// Requests whose tenant's keys were there.
        ready;
        /// Requests that had to wait for them.
        waited;
        /// Look-ups on behalf of requests.
        look_ups;
        /// Those of them that brought no key.
        look_ups_failed;
    }

    pub(super) fn count(&self, extent: Extent, report: &CycleReport) {
        match extent {
            Extent::All => &self.cycles,
            Extent::News => &self.news,
        }
        .fetch_add(1, Ordering::Relaxed);
        self.aborted.fetch_add(u64::from(!report.is_complete), Ordering::Relaxed);
        if report.is_complete {
            self.aborted_in_a_row.store(0, Ordering::Relaxed);
            self.last_success_at.store(report.began_at.into(), Ordering::Relaxed);
        } else {
            self.aborted_in_a_row.fetch_add(1, Ordering::Relaxed);
        }
        self.surprises.fetch_add(report.surprises, Ordering::Relaxed);
        self.revoked.fetch_add(report.revoked, Ordering::Relaxed);
    }

    /// Something was opened with a key of this state. Active keys are not counted.
    pub fn opened(&self, state: KeyState) {
        for (other, count) in KeyState::NOT_SEALING.iter().zip(&self.opened_not_active) {
            if *other == state {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How often something was opened with keys that are not active, by state.
    pub fn opened_not_active(&self) -> impl Iterator<Item = (KeyState, u64)> + '_ {
        let counts = self.opened_not_active.iter().map(|count| count.load(Ordering::Relaxed));
        KeyState::NOT_SEALING.into_iter().zip(counts)
    }

    pub(super) fn asked(&self, is_ready: bool) {
        if is_ready { &self.ready } else { &self.waited }.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn look_up(&self, is_found: bool) {
        self.look_ups.fetch_add(1, Ordering::Relaxed);
        self.look_ups_failed.fetch_add(u64::from(!is_found), Ordering::Relaxed);
    }
}
