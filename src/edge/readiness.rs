//! Whether this process should be sent requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Shared by the listeners and whoever asks about health.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Life>);

#[derive(Debug, Default)]
struct Life {
    phase: AtomicU8,
    is_standby: AtomicBool,
}

/// A time of a process's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// not serving yet
    Starting = 0,
    /// serving, but not told of any tenant yet, nor by an earlier run
    Waiting = 1,
    /// serving what comes, but asking for nothing: another gateway is the active one
    Standby = 2,
    /// serving
    Ready = 3,
    /// still serving what comes, but asking for no more
    Draining = 4,
}

impl Phase {
    /// In words, as probes and people are told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Waiting => "waiting for tenants",
            Self::Standby => "standby",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

impl Readiness {
    /// The time that it is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.0.phase.load(Ordering::Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Waiting,
            2 | 3 if self.0.is_standby.load(Ordering::Relaxed) => Phase::Standby,
            2 | 3 => Phase::Ready,
            _ => Phase::Draining,
        }
    }

    /// Goes on to a later phase; there is no way back.
    pub fn advance(&self, phase: Phase) {
        self.0.phase.fetch_max(phase as u8, Ordering::Relaxed);
    }

    /// From now on it is in standby while it would be ready, or is not.
    pub fn stand_by(&self, is_standby: bool) {
        self.0.is_standby.store(is_standby, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_way_back() {
        let readiness = Readiness::default();
        assert_eq!(readiness.phase(), Phase::Starting);
        readiness.clone().advance(Phase::Draining);
        readiness.advance(Phase::Ready);
        assert_eq!(readiness.phase(), Phase::Draining);
    }

    #[test]
    fn standby_goes_and_comes_while_it_would_be_ready() {
        let readiness = Readiness::default();
        readiness.stand_by(true);
        assert_eq!(readiness.phase(), Phase::Starting);
        readiness.advance(Phase::Ready);
        assert_eq!(readiness.phase(), Phase::Standby);
        readiness.stand_by(false);
        assert_eq!(readiness.phase(), Phase::Ready);
        readiness.stand_by(true);
        readiness.advance(Phase::Draining);
        assert_eq!(readiness.phase(), Phase::Draining);
    }
}
