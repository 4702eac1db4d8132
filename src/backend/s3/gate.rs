//! What a streamed body waits for before its first byte leaves: that the store wants it (`Expect: 100-continue`, RFC 9110
//! section 10.1.1).
//!
//! A store that refuses a request by its head alone then never sees a byte of the body, and the body can be sent again. A
//! store that says nothing for a while gets the body all the same. Once an attempt has ended, its gate is closed: what is
//! left of it cannot take the body from the next one.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Sleep;

/// Between the answer to a request's head and its body. Cloning shares it.
#[derive(Clone)]
pub(super) struct Gate(Arc<Inner>);

struct Inner {
    state: AtomicU8,
    waiting: Mutex<Option<Waker>>,
}

impl Gate {
    /// A gate that waits for [`Gate::open`].
    pub(super) fn shut() -> Self {
        Self(Arc::new(Inner { state: AtomicU8::new(WAITS), waiting: Mutex::new(None) }))
    }

    /// A gate that is open from the beginning.
    pub(super) fn opened() -> Self {
        let gate = Self::shut();
        gate.open();
        gate
    }

    /// The store wants the body.
    pub(super) fn open(&self) {
        self.change(OPEN);
    }

    /// The attempt is over.
    pub(super) fn close(&self) {
        self.0.state.store(CLOSED, Ordering::Release);
        self.wake();
    }

    /// Whether the body went because nothing was heard of the store.
    pub(super) fn was_ignored(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == IGNORED
    }

    /// Waits, at most until `patience` ends. False if the body must not be sent any more.
    pub(super) fn poll_may_pass(&self, context: &mut Context<'_>, patience: Pin<&mut Sleep>) -> Poll<bool> {
        *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        match self.0.state.load(Ordering::Acquire) {
            CLOSED => return Poll::Ready(false),
            WAITS => {}
            _ => return Poll::Ready(true),
        }
        if patience.poll(context).is_pending() {
            return Poll::Pending;
        }
        self.change(IGNORED);
        Poll::Ready(self.0.state.load(Ordering::Acquire) != CLOSED)
    }

    fn change(&self, to: u8) {
        // what was decided before stays
        if self.0.state.compare_exchange(WAITS, to, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waker.wake();
        }
    }
}

/// How long a store may leave a request's head without an answer before the body goes; curl waits as long.
pub(super) const EXPECT_PATIENCE: Duration = Duration::from_secs(1);
const WAITS: u8 = 0;
const OPEN: u8 = 1;
const IGNORED: u8 = 2;
const CLOSED: u8 = 3;

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    async fn passes(gate: &Gate, patience: Duration) -> bool {
        let mut sleep = pin!(tokio::time::sleep(patience));
        std::future::poll_fn(|context| gate.poll_may_pass(context, sleep.as_mut())).await
    }

    #[tokio::test]
    async fn a_body_goes_when_the_store_wants_it() {
        let gate = Gate::shut();
        let opening = gate.clone();
        let (passed, ()) = tokio::join!(passes(&gate, Duration::from_hours(1)), async move { opening.open() });
        assert!(passed && !gate.was_ignored());
    }

    #[tokio::test]
    async fn a_body_does_not_go_once_its_attempt_is_over() {
        let gate = Gate::shut();
        let closing = gate.clone();
        let (passed, ()) = tokio::join!(passes(&gate, Duration::from_hours(1)), async move { closing.close() });
        assert!(!passed);
        gate.open();
        assert!(!passes(&gate, Duration::ZERO).await);
    }

    #[tokio::test]
    async fn a_body_goes_to_a_store_that_says_nothing() {
        let gate = Gate::shut();
        assert!(passes(&gate, Duration::ZERO).await && gate.was_ignored());
    }
}
