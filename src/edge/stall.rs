//! A clock that runs only while something is waited for.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Tells when one wait has lasted too long. Costs a timer entry from the first wait on, none before.
pub(super) struct StallClock {
    timeout: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl StallClock {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, alarm: None, waiting: false }
    }

    /// What was waited for has come.
    pub(super) fn stop(&mut self) {
        self.waiting = false;
    }

    /// It has not come yet; ready once that is so for too long.
    pub(super) fn poll_stalled(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.poll_stalled_or_late(context, None)
    }

    /// The same; ready at `latest` too, whenever the wait began.
    pub(super) fn poll_stalled_or_late(&mut self, context: &mut Context<'_>, latest: Option<Instant>) -> Poll<()> {
        let deadline = || {
            let stalled = Instant::now() + self.timeout;
            latest.map_or(stalled, |latest| latest.min(stalled))
        };
        let alarm = match &mut self.alarm {
            Some(alarm) if self.waiting => alarm,
            Some(alarm) => {
                alarm.as_mut().reset(deadline());
                alarm
            }
            none => none.insert(Box::pin(tokio::time::sleep_until(deadline()))),
        };
        self.waiting = true;
        alarm.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_wait_has_the_whole_time() {
        let mut clock = StallClock::new(Duration::from_hours(1));
        let mut context = Context::from_waker(futures::task::noop_waker_ref());
        let mut deadline_of_a_wait = |clock: &mut StallClock| {
            assert!(clock.poll_stalled(&mut context).is_pending());
            clock.alarm.as_ref().unwrap().deadline()
        };
        let first = deadline_of_a_wait(&mut clock);
        assert_eq!(deadline_of_a_wait(&mut clock), first, "still the same wait");
        clock.stop();
        assert!(deadline_of_a_wait(&mut clock) > first);
    }

    #[tokio::test]
    async fn a_wait_ends_when_its_time_is_over() {
        let mut clock = StallClock::new(Duration::from_millis(1));
        std::future::poll_fn(|context| clock.poll_stalled(context)).await;
    }
}
