//! Asks the KMS for seeds, over few connections.
//!
//! A lookup takes a connection that an earlier one left, or makes one; lookups that follow each other, as in a refresh,
//! so share a single connection. At most [`PARALLEL_LOOKUPS_MAX`] run at once, the others wait their turn. Servers close
//! connections that were idle for a while: a lookup that meets the end of a connection which answered before starts
//! over on a fresh one, once. It may, because no request changes anything. A time-out is not tried again.

mod probe;

use std::{
    fmt, io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};
use tracing::warn;

use super::{
    config::Config,
    connection::{Connection, Connector},
    error::{KmsError, LookupError, TransportError},
    lookup::{Canary, Found, Lookup, NameCheck, Step},
    tls::{self, TlsError},
};
pub use probe::{Answering, Probe};

/// A KMS that can be asked; shared by all who ask.
pub struct Client {
    connector: Connector,
    answer_timeout: Duration,
    name_check: NameCheck,
    verifies_server: bool,
    permits: Semaphore,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Client {
    /// Reads keys and certificates; connects to nothing yet. Warns if the KMS's certificate will not be verified.
    ///
    /// # Errors
    /// [`TlsError`] if a key, a certificate, a name or a suite cannot be used.
    pub fn new(config: &Config) -> Result<Self, TlsError> {
        let connector = Connector {
            addresses: config.addresses.clone(),
            server_name: config.tls.server_name.as_deref().map(tls::server_name).transpose()?,
            tls: tls::client_config(&config.tls)?,
            timeout: config.timeout,
        };
        if config.tls.insecure_skip_verify {
            warn!(
                "the certificate of the kms is not verified (insecure_skip_verify): whoever answers can give out keys"
            );
        }
        Ok(Self {
            connector,
            answer_timeout: config.timeout,
            name_check: if config.verify_name { NameCheck::Require } else { NameCheck::Skip },
            verifies_server: !config.tls.insecure_skip_verify,
            permits: Semaphore::new(PARALLEL_LOOKUPS_MAX),
            idle: Mutex::default(),
        })
    }

    /// Whether the KMS must prove who it is; false with `insecure_skip_verify`, which a metric should tell.
    #[must_use]
    pub fn verifies_server(&self) -> bool {
        self.verifies_server
    }

    /// The seed in the Secret Data object whose Name is exactly `tenant`, and the state of the object: what a deactivated
    /// key sealed has to be opened.
    ///
    /// # Errors
    /// [`LookupError::NoSuchKey`] if the KMS says so, [`LookupError::Withheld`] if it does not give the key in its state,
    /// [`LookupError::Kms`] if it cannot be asked or its answer is not to be used.
    pub async fn lookup(&self, tenant: &str) -> Result<Found, LookupError> {
        // the semaphore is never closed, so there always is a permit
        let _permit = self.permits.acquire().await.ok();
        let mut connection = match self.take_idle() {
            Some(connection) => connection,
            None => self.open().await?,
        };
        let mut outcome = self.ask(&mut connection, tenant).await;
        if connection.has_answered() && ended(&outcome) {
            connection = self.open().await?;
            outcome = self.ask(&mut connection, tenant).await;
        }
        if let Ok(_) | Err(LookupError::NoSuchKey(_) | LookupError::Withheld { .. }) = &outcome {
            self.keep_idle(connection);
        } else if let Err(LookupError::Kms(error)) = &outcome
            && error.leaves_connection_usable()
        {
            self.keep_idle(connection);
        }
        outcome
    }

    /// Closes the connections that wait for a next lookup, as at the end of a refresh.
    pub async fn close_idle(&self) {
        let idle = std::mem::take(&mut *self.idle());
        for waiting in idle {
            waiting.connection.close().await;
        }
    }

    async fn open(&self) -> Result<Connection, KmsError> {
        let mut connection = self.connector.connect().await.map_err(KmsError::Write)?;
        if self.name_check == NameCheck::Skip {
            let (canary, request) = Canary::start(&random_name()?);
            canary.answer(connection.exchange(&request, self.answer_timeout).await?)?;
        }
        Ok(connection)
    }

    async fn ask(&self, connection: &mut Connection, tenant: &str) -> Result<Found, LookupError> {
        let (mut lookup, mut request) = Lookup::start(tenant, self.name_check);
        loop {
            match lookup.answer(connection.exchange(&request, self.answer_timeout).await?) {
                Step::Ask(next, next_request) => (lookup, request) = (next, next_request),
                Step::Done(found) => return found,
            }
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        let waiting = self.idle().pop()?;
        (waiting.since.elapsed() < IDLE_MAX).then_some(waiting.connection)
    }

    fn keep_idle(&self, connection: Connection) {
        self.idle().push(Idle { connection, since: Instant::now() });
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("connector", &self.connector).finish_non_exhaustive()
    }
}

/// A name that no object has.
fn random_name() -> Result<String, KmsError> {
    let mut name = [0; 16];
    getrandom::fill(&mut name).map_err(|error| {
        KmsError::Write(TransportError::Io { peer: "no randomness".to_owned(), source: io::Error::other(error) })
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(name)))
}

/// Whether the server ended the connection instead of answering.
fn ended(outcome: &Result<Found, LookupError>) -> bool {
    matches!(outcome, Err(LookupError::Kms(KmsError::Write(error) | KmsError::Read(error))) if error.is_closed())
}

/// The most lookups at once, and so the most connections.
pub const PARALLEL_LOOKUPS_MAX: usize = 4;
/// Servers close idle connections after 30 seconds and more; an older one is not worth the try.
const IDLE_MAX: Duration = Duration::from_secs(25);

#[cfg(test)]
mod tests;
