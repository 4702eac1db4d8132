//! [`Refresher`]: asks the source again every period and puts the outcome in force.
//!
//! The period is varied by a tenth, so that replicas do not ask together. [`Refresher::wake`] starts a cycle at once,
//! after a reload. Time comes from a [`Clock`] and the loop is a future that the caller spawns and drops.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::Keys;
use super::cycle::{Cycle, CycleReport, CycleRules, Extent};
use super::settings::unix_seconds;
use super::source::KeySource;

/// Keeps [`Keys`] fresh.
pub struct Refresher {
    keys: Arc<Keys>,
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    rules: ArcSwap<CycleRules>,
    period_nanos: AtomicU64,
    woken: Notify,
}

impl Refresher {
    /// Refreshes `keys` from the source that they came with every `period`.
    #[must_use]
    pub fn new(keys: Arc<Keys>, clock: Arc<dyn Clock>, rules: CycleRules, period: Duration) -> Self {
        let source = Arc::clone(keys.source());
        let rules = ArcSwap::from_pointee(rules);
        let refresher = Self { keys, source, clock, rules, period_nanos: AtomicU64::new(0), woken: Notify::new() };
        refresher.set_period(period);
        refresher
    }

    /// One cycle: asks the source for every tenant and puts the outcome in force.
    pub async fn cycle(&self) -> CycleReport {
        self.cycle_over(Extent::All).await
    }

    async fn cycle_over(&self, extent: Extent) -> CycleReport {
        let now = unix_seconds(self.clock.now());
        let (last, name, rules) = (self.keys.snapshot(), self.source.name(), **self.rules.load());
        let mut cycle = match extent {
            Extent::All => Cycle::new(last, name, rules, now),
            Extent::News => Cycle::of_news(last, name, rules, now),
        };
        if let Err(error) = self.source.refresh(&mut cycle).await {
            cycle.aborted(&error);
        }
        let report = self.keys.install(cycle).await;
        self.source.installed(&self.keys.snapshot(), extent).await;
        report
    }

    /// Refreshes for ever.
    pub async fn run(&self) {
        tracing::info!("Starting Keys Client update routine");
        let mut wait = Box::pin(self.clock.sleep(self.next_wait()));
        loop {
            let extent = tokio::select! {
                () = &mut wait => Extent::All,
                () = self.woken.notified() => Extent::All,
                extent = self.source.changed() => extent,
            };
            self.cycle_over(extent).await;
            if extent == Extent::All {
                wait = Box::pin(self.clock.sleep(self.next_wait()));
            }
        }
    }

    /// Starts a cycle now, or right after the one under way.
    pub fn wake(&self) {
        self.woken.notify_one();
    }

    /// Holds from the next wait on.
    pub fn set_period(&self, period: Duration) {
        self.period_nanos.store(u64::try_from(period.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Holds from the next cycle on.
    pub fn set_rules(&self, rules: CycleRules) {
        self.rules.store(Arc::new(rules));
    }

    fn next_wait(&self) -> Duration {
        varied(Duration::from_nanos(self.period_nanos.load(Ordering::Relaxed)))
    }
}

/// The period, more or less a tenth of it.
pub(super) fn varied(period: Duration) -> Duration {
    let nanos = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
    let spread = nanos / 5;
    let mut random = [0; 8];
    // without randomness replicas may ask together, which is no reason not to ask
    if getrandom::fill(&mut random).is_err() {
        return period;
    }
    let share = (u128::from(u64::from_be_bytes(random)) * u128::from(spread)) >> 64;
    Duration::from_nanos((nanos - spread / 2).saturating_add(u64::try_from(share).unwrap_or(0)))
}

/// Where time comes from.
#[async_trait::async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The time of day.
    fn now(&self) -> SystemTime;
    /// Returns after `period`.
    async fn sleep(&self, period: Duration);
}

/// The computer's own clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

#[async_trait::async_trait]
impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    async fn sleep(&self, period: Duration) {
        tokio::time::sleep(period).await;
    }
}

#[cfg(test)]
mod tests;
