//! Calls to whoever holds keys, counted for the whole process: clients come and go with reloads, counts stay.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderValue;

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

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// the Coordinator: a page of the list
    List,
    /// the Coordinator: what changed; takes as long as nothing does
    Changes,
    /// the Coordinator: one tenant
    Tenant,
    /// the Coordinator: nothing, it was told of this gateway
    Heartbeat,
    /// the KMS: one tenant's key, in up to three messages
    LookUp,
}

impl Asked {
    /// Everything that can be asked, with its label.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::List, "list"),
        (Self::Changes, "changes"),
        (Self::Tenant, "tenant"),
        (Self::Heartbeat, "heartbeat"),
        (Self::LookUp, "look_up"),
    ];
}

/// How long calls took: how many at most as long as each of [`DURATIONS`], and how long they took together.
#[derive(Debug)]
pub struct Durations {
    counts: [AtomicU64; DURATIONS.len()],
    sum_micros: AtomicU64,
}

impl Durations {
    const fn new() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; DURATIONS.len()], sum_micros: AtomicU64::new(0) }
    }

    fn add(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let place = DURATIONS.iter().position(|longest| seconds <= *longest).unwrap_or(DURATIONS.len() - 1);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// For each of [`DURATIONS`], how many calls took longer than the one before it and at most so long.
    #[must_use]
    pub fn counts(&self) -> [(f64, u64); DURATIONS.len()] {
        std::array::from_fn(|place| (DURATIONS[place], self.counts[place].load(Ordering::Relaxed)))
    }

    /// How long all took together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_micros.load(Ordering::Relaxed))
    }
}

/// Calls to one upstream since the process began.
#[derive(Debug)]
pub struct Calls {
    counts: [AtomicU64; 4],
    durations: [Durations; Asked::ALL.len()],
    last_micros: AtomicU64,
    /// 0: it was not asked yet, 1: it can be reached, 2: it cannot
    reached: AtomicU8,
}

impl Calls {
    const fn new() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; 4],
            durations: [const { Durations::new() }; Asked::ALL.len()],
            last_micros: AtomicU64::new(0),
            reached: AtomicU8::new(0),
        }
    }

    /// A call has ended.
    pub(super) fn count(&self, asked: Asked, outcome: Outcome, took: Duration) {
        self.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
        self.durations[asked as usize].add(took);
        self.last_micros.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.reached.store(if outcome == Outcome::Unanswered { 2 } else { 1 }, Ordering::Relaxed);
    }

    /// How many calls ended so.
    #[must_use]
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.counts[outcome as usize].load(Ordering::Relaxed)
    }

    /// How long the calls that asked for this took.
    #[must_use]
    pub fn durations(&self, asked: Asked) -> &Durations {
        &self.durations[asked as usize]
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

/// Tells what the header `traceparent` of a request to the Coordinator is to say, if that is part of a trace.
pub static TRACE_PARENT: OnceLock<fn() -> Option<HeaderValue>> = OnceLock::new();
/// Upper bounds of what [`Durations`] counts, seconds; the last one is for whatever took longer.
pub const DURATIONS: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0, f64::INFINITY];

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
        calls.count(Asked::List, Outcome::Unanswered, Duration::from_secs(1));
        assert_eq!((calls.is_reached(), calls.last()), (Some(false), Duration::from_secs(1)));
        calls.count(Asked::Tenant, Outcome::Absent, Duration::from_millis(5));
        assert_eq!((calls.is_reached(), calls.last()), (Some(true), Duration::from_millis(5)));
        assert_eq!(Outcome::ALL.map(|(outcome, _)| calls.of(outcome)), [0, 1, 0, 1]);
    }

    #[test]
    fn durations_are_counted_by_what_was_asked_and_by_size() {
        let calls = Calls::new();
        for millis in [5, 6, 90_000] {
            calls.count(Asked::List, Outcome::Answered, Duration::from_millis(millis));
        }
        let durations = calls.durations(Asked::List);
        let counted: Vec<_> = durations.counts().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(0.005, 1), (0.01, 1), (f64::INFINITY, 1)]);
        assert_eq!(durations.sum(), Duration::from_millis(90_011));
        assert!(calls.durations(Asked::Changes).counts().iter().all(|(_, count)| *count == 0));
    }
}
