//! What a connection is doing, as far as limits go: whether it is idle, and how much came on it without any progress.
//!
//! Frames of HTTP/2 that ask for nothing (PRIORITY, PING, SETTINGS, `WINDOW_UPDATE`, empty DATA, streams that are reset at
//! once) cost their sender little; the HTTP library bounds some kinds of them. So every byte that comes uses up an
//! allowance, and progress earns it back: a byte of a body that was taken or sent, an answer, and time.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// One open connection.
pub struct Connection {
    began: Instant,
    /// requests whose answer has not ended
    busy: AtomicU32,
    /// milliseconds from the beginning to when the last of them ended
    idle_since: AtomicU64,
    /// bytes of allowance earned since it was last looked at
    earned: AtomicU64,
    is_flooded: AtomicBool,
    /// answers of HTTP/2 under way
    sending: Mutex<Vec<Weak<Sending>>>,
    pub(super) given_up: Notify,
}

/// Marks a connection as busy.
pub struct Busy(Arc<Connection>);

/// An answer under way on a connection of HTTP/2, where a client can stop reading one and go on with others.
pub(super) struct Sending {
    began: Instant,
    /// when the client last took some of it, in milliseconds; [`Sending::OURS`] while there is nothing to take
    moved_at: AtomicU64,
}

impl Sending {
    const OURS: u64 = u64::MAX;

    /// It was asked for more, and there is some or not.
    pub(super) fn moved(&self, is_there: bool) {
        self.moved_at.store(if is_there { millis(self.began) } else { Self::OURS }, Ordering::Relaxed);
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Connection {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            busy: AtomicU32::new(0),
            idle_since: AtomicU64::new(0),
            earned: AtomicU64::new(0),
            is_flooded: AtomicBool::new(false),
            sending: Mutex::default(),
            given_up: Notify::new(),
        }
    }

    /// A request begins; it ends when the mark is dropped.
    pub fn begin(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// An answer of HTTP/2 that is to be watched.
    pub(super) fn sending(&self) -> Arc<Sending> {
        let new = Arc::new(Sending { began: self.began, moved_at: AtomicU64::new(Sending::OURS) });
        let mut all = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == all.capacity() {
            all.retain(|one| one.strong_count() > 0);
        }
        all.push(Arc::downgrade(&new));
        new
    }

    /// Whether a client has left an answer waiting for so long.
    pub(super) fn has_stalled(&self, timeout: Duration) -> bool {
        let timeout = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let latest = millis(self.began).checked_sub(timeout);
        let all = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        let mut moved = all.iter().filter_map(Weak::upgrade).map(|one| one.moved_at.load(Ordering::Relaxed));
        latest.is_some_and(|latest| moved.any(|at| at <= latest))
    }

    /// Whether nobody would miss it.
    pub(super) fn is_idle(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0
    }

    /// Since when it has been idle.
    pub(super) fn idle_since(&self) -> Instant {
        self.began + Duration::from_millis(self.idle_since.load(Ordering::Relaxed))
    }

    #[cfg(test)]
    pub(super) fn touch_for_test(&self, millis: u64) {
        self.idle_since.store(millis, Ordering::Relaxed);
    }

    /// Too much came without progress.
    pub(super) fn was_flooded(&self) {
        self.is_flooded.store(true, Ordering::Relaxed);
    }

    /// Whether that is why it ended.
    pub(super) fn is_flooded(&self) -> bool {
        self.is_flooded.load(Ordering::Relaxed)
    }

    /// Bytes of a body were taken.
    pub(super) fn took(&self, bytes: usize) {
        self.earned.fetch_add(bytes as u64 * EARNED_BY_BODY_BYTE, Ordering::Relaxed);
    }

    /// Bytes of an answer were given to be sent.
    pub(super) fn sent(&self, bytes: usize) {
        self.earned.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A request was answered.
    pub(super) fn answered(&self) {
        self.earned.fetch_add(EARNED_BY_ANSWER, Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.idle_since.store(millis(self.0.began), Ordering::Relaxed);
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many bytes may still come without progress.
pub(super) struct Allowance {
    left: u64,
    at: Instant,
}

impl Allowance {
    pub(super) fn new() -> Self {
        Self { left: ALLOWANCE_BYTES, at: Instant::now() }
    }

    /// So many bytes came. False once they were too many.
    pub(super) fn spend(&mut self, bytes: usize, connection: &Connection) -> bool {
        let earned = connection.earned.swap(0, Ordering::Relaxed);
        self.left = self.left.saturating_add(earned).min(ALLOWANCE_BYTES);
        if self.left < ALLOWANCE_BYTES / 2 {
            let seconds = self.at.elapsed().as_secs();
            if seconds > 0 {
                self.at = Instant::now();
                self.left = self.left.saturating_add(seconds * EARNED_BY_SECOND).min(ALLOWANCE_BYTES);
            }
        }
        match self.left.checked_sub(bytes as u64) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

/// The network that connections are counted by; connections of one share what they may take.
pub(super) fn network(address: IpAddr) -> IpAddr {
    crate::body::budget::network(address)
}

/// Heads of as many streams as a connection may have, none answered yet, and a body's window.
const ALLOWANCE_BYTES: u64 = 3 << 20;
/// A frame of DATA has a head of 9 bytes.
const EARNED_BY_BODY_BYTE: u64 = 4;
/// The head of a long request.
const EARNED_BY_ANSWER: u64 = 16 << 10;
const EARNED_BY_SECOND: u64 = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_the_client_does_not_take_has_stalled() {
        let connection = Connection::new();
        let (read, left) = (connection.sending(), connection.sending());
        assert!(!connection.has_stalled(Duration::ZERO), "nothing is there to be taken");
        left.moved(true);
        assert!(connection.has_stalled(Duration::ZERO) && !connection.has_stalled(Duration::from_hours(1)));
        left.moved(false);
        assert!(!connection.has_stalled(Duration::ZERO), "it waits for us");
        left.moved(true);
        drop(left);
        assert!(!connection.has_stalled(Duration::ZERO), "it has ended");
        drop(read);
    }

    #[test]
    fn bytes_that_bring_nothing_use_up_the_allowance() {
        let (connection, mut allowance) = (Connection::new(), Allowance::new());
        let frames = (0..1_000_000).take_while(|_| allowance.spend(14, &connection)).count() as u64;
        assert!(frames <= ALLOWANCE_BYTES / 14 + 1, "{frames}");
    }

    #[test]
    fn progress_earns_it_back() {
        let (connection, mut allowance) = (Connection::new(), Allowance::new());
        for _ in 0..10_000 {
            connection.took(16_384);
            assert!(allowance.spend(16_384 + 9, &connection), "an upload is progress");
        }
        for _ in 0..10_000 {
            connection.answered();
            assert!(allowance.spend(8_192, &connection), "so are requests that are answered");
        }
        for _ in 0..10_000 {
            connection.sent(32_768);
            assert!(allowance.spend(26, &connection), "and a download");
        }
    }

    #[test]
    fn bodies_in_pieces_of_one_byte_are_no_progress() {
        let (connection, mut allowance) = (Connection::new(), Allowance::new());
        let frames = (0..1_000_000).take_while(|_| {
            connection.took(1);
            allowance.spend(10, &connection)
        });
        assert!(frames.count() < 1_000_000);
    }

    #[test]
    fn a_connection_is_idle_once_all_its_requests_have_ended() {
        let connection = Arc::new(Connection::new());
        let (first, second) = (connection.begin(), connection.begin());
        drop(first);
        assert!(!connection.is_idle());
        drop(second);
        assert!(connection.is_idle());
    }
}
