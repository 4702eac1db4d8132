//! What the tests of keys share: a source that says what it is told to, a clock that is moved by hand, captured logs.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Semaphore, mpsc};

use super::cycle::Cycle;
use super::fragment::Fragments;
use super::refresh::Clock;
use super::ring::{SourceKind, TenantKeys};
use super::seeds::KeySet;
use super::source::{KeyError, KeySource};
use crate::seal::{KeyId, Seed, TenantKey};
use crate::tenant::TenantId;

pub(super) fn tenant(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

pub(super) fn seed(number: u8) -> Seed {
    Seed::from_bytes(&[number; 32]).unwrap()
}

pub(super) fn key_id(number: u8) -> KeyId {
    TenantKey::from_seed(&seed(number)).key_id()
}

/// What a source says of a tenant.
#[derive(Clone, Copy)]
pub(super) enum Says {
    /// this seed
    Seed(u8),
    /// there is no key
    Missing,
    /// no answer
    Silence,
}

/// A source that says what it is told to.
pub(super) struct Scripted {
    pub(super) says: Mutex<BTreeMap<String, Says>>,
    pub(super) is_complete: bool,
    pub(super) is_down: Mutex<bool>,
    pub(super) lookups: AtomicUsize,
    /// a look-up takes one before it answers
    pub(super) permits: Semaphore,
}

impl Scripted {
    pub(super) fn new(says: &[(&str, Says)]) -> Self {
        let says = says.iter().map(|(tenant, says)| ((*tenant).to_owned(), *says)).collect();
        Self {
            says: Mutex::new(says),
            is_complete: false,
            is_down: Mutex::new(false),
            lookups: AtomicUsize::new(0),
            permits: Semaphore::new(1_000_000),
        }
    }

    pub(super) fn say(&self, tenant: &str, says: Says) {
        self.says.lock().unwrap().insert(tenant.to_owned(), says);
    }

    pub(super) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }
}

fn silence() -> KeyError {
    KeyError::Source { source_name: "script", error: "connection refused".into() }
}

#[async_trait::async_trait]
impl KeySource for Scripted {
    fn name(&self) -> &'static str {
        "script"
    }

    fn is_complete(&self) -> bool {
        self.is_complete
    }

    async fn refresh(&self, cycle: &mut Cycle) -> Result<(), KeyError> {
        if *self.is_down.lock().unwrap() {
            return Err(silence());
        }
        for (id, says) in &*self.says.lock().unwrap() {
            let tenant = tenant(id);
            match says {
                Says::Seed(number) => {
                    cycle.found(&tenant, &KeySet::single(seed(*number)), &Fragments::default(), SourceKind::Kms);
                }
                Says::Missing => cycle.failed(&tenant, &KeyError::PrivateNotFound { tenant: tenant.clone() }),
                Says::Silence => cycle.failed(&tenant, &silence()),
            }
        }
        Ok(())
    }

    async fn look_up(&self, tenant: &TenantId) -> Result<(TenantKeys, SourceKind), KeyError> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        self.permits.acquire().await.unwrap().forget();
        let says = self.says.lock().unwrap().get(tenant.as_str()).copied();
        match says {
            Some(Says::Seed(number)) => {
                Ok((KeySet::single(seed(number)).derive(tenant, &Fragments::default())?, SourceKind::Kms))
            }
            Some(Says::Missing) => Err(KeyError::PrivateNotFound { tenant: tenant.clone() }),
            None => Err(KeyError::NotFound { tenant: tenant.clone() }),
            Some(Says::Silence) => Err(silence()),
        }
    }
}

/// A clock that is moved by hand: every sleep is reported, and ends when the test says so.
pub(super) struct HandClock {
    now: Mutex<SystemTime>,
    slept: mpsc::UnboundedSender<Duration>,
    rung: Semaphore,
}

impl HandClock {
    pub(super) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<Duration>) {
        let (slept, sleeps) = mpsc::unbounded_channel();
        let now = Mutex::new(UNIX_EPOCH + Duration::from_secs(1000));
        (Arc::new(Self { now, slept, rung: Semaphore::new(0) }), sleeps)
    }

    /// Moves the time on and ends one sleep.
    pub(super) fn ring(&self, after: Duration) {
        *self.now.lock().unwrap() += after;
        self.rung.add_permits(1);
    }
}

#[async_trait::async_trait]
impl Clock for HandClock {
    fn now(&self) -> SystemTime {
        *self.now.lock().unwrap()
    }

    async fn sleep(&self, period: Duration) {
        self.slept.send(period).unwrap();
        self.rung.acquire().await.unwrap().forget();
    }
}

/// Log lines of this thread from now on, until the guard goes.
pub(super) struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Log {
    pub(super) fn capture() -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let sink = Sink(Arc::clone(&text));
        let subscriber =
            tracing_subscriber::fmt().with_writer(move || sink.clone()).with_ansi(false).without_time().finish();
        Self { text, _guard: tracing::subscriber::set_default(subscriber) }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        String::from_utf8(self.text.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }

    pub(super) fn count(&self, part: &str) -> usize {
        self.lines().iter().filter(|line| line.contains(part)).count()
    }
}

#[derive(Clone)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
