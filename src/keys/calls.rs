//! Calls to whoever holds keys, counted for the whole process: clients come and go with reloads, counts stay.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// it answered what was asked
    Answered,
    /// it answered that there is no such key
    Absent,
    /// it answered, but not what was asked
    Refused,
    /// it did not answer
    Unanswered,
}

impl Outcome {
    /// Every outcome, with its label.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Answered, "answered"),
        (Self::Absent, "absent"),
        (Self::Refused, "refused"),
        (Self::Unanswered, "unanswered"),
    ];
}

/// Calls to one upstream since the process began.
#[derive(Debug)]
pub struct Calls {
    counts: [AtomicU64; 4],
    last_micros: AtomicU64,
    /// 0: it was not asked yet, 1: it can be reached, 2: it cannot
    reached: AtomicU8,
}

impl Calls {
    const fn new() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; 4], last_micros: AtomicU64::new(0), reached: AtomicU8::new(0) }
    }

    /// A call has ended.
    pub(super) fn count(&self, outcome: Outcome, took: Duration) {
        self.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
        self.last_micros.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.reached.store(if outcome == Outcome::Unanswered { 2 } else { 1 }, Ordering::Relaxed);
    }

    /// How many calls ended so.
    #[must_use]
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.counts[outcome as usize].load(Ordering::Relaxed)
    }

    /// How long the last call took.
    #[must_use]
    pub fn last(&self) -> Duration {
        Duration::from_micros(self.last_micros.load(Ordering::Relaxed))
    }

    /// Whether it could be reached when it was last asked; none before that.
    #[must_use]
    pub fn is_reached(&self) -> Option<bool> {
        match self.reached.load(Ordering::Relaxed) {
            0 => None,
            reached => Some(reached == 1),
        }
    }
}

/// Requests to the Coordinator; one that waits for news takes as long as there is none.
pub static COORDINATOR: Calls = Calls::new();
/// Look-ups in the KMS, each of one tenant's key.
pub static KMS: Calls = Calls::new();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_what_came_of_them() {
        let calls = Calls::new();
        assert_eq!(calls.is_reached(), None);
        calls.count(Outcome::Unanswered, Duration::from_secs(1));
        assert_eq!((calls.is_reached(), calls.last()), (Some(false), Duration::from_secs(1)));
        calls.count(Outcome::Absent, Duration::from_millis(5));
        assert_eq!((calls.is_reached(), calls.last()), (Some(true), Duration::from_millis(5)));
        assert_eq!(Outcome::ALL.map(|(outcome, _)| calls.of(outcome)), [0, 1, 0, 1]);
    }
}
