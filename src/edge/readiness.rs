//! Whether this process should be sent requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Shared by the listeners and whoever asks about health.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicU8>);

/// A time of a process's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// not serving yet
    Starting = 0,
    /// serving, but not told of any tenant yet, nor by an earlier run
    Waiting = 1,
    /// serving
    Ready = 2,
    /// still serving what comes, but asking for no more
    Draining = 3,
}

impl Readiness {
    /// The time that it is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Waiting,
            2 => Phase::Ready,
            _ => Phase::Draining,
        }
    }

    /// Goes on to a later phase; there is no way back.
    pub fn advance(&self, phase: Phase) {
        self.0.fetch_max(phase as u8, Ordering::Relaxed);
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
}
