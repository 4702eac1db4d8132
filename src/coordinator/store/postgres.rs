//! [`PostgresStore`]: tenants in PostgreSQL, for several coordinators.
//!
//! Writers queue at the one row that holds the revision, so that revisions become visible in their order. A commit
//! notifies every coordinator that listens; each then reads that row, and so learns what it needs for polls that find
//! nothing new. Two connections are kept: reads share one (they are pipelined), writes take turns at the other.

mod listener;
mod session;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::session::{Session, Transaction};
use super::schema::{ADD_TAG, POSTGRES, SCHEMA_VERSION, sql};
use super::{
    Expected, GATEWAYS_MAX, Heartbeat, Row, SILENT_SECONDS_MAX, State, Store, StoreError, Write, advance, after_all,
    from_unix_seconds, new_epoch, proper_beginnings, to_column, to_revision, unix_seconds,
};
use crate::coordinator::tls::{self, TlsFiles};
use crate::tenant::TenantId;

/// A database on a server.
pub struct PostgresStore {
    inner: Arc<Inner>,
    listening: JoinHandle<()>,
}

struct Inner {
    server: Server,
    reading: Mutex<Option<Arc<Session>>>,
    writing: Mutex<Option<Session>>,
    known: watch::Sender<State>,
    statements: AtomicU64,
    tombstones_max: u32,
}

/// Where the database is.
struct Server {
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
}

impl PostgresStore {
    /// Connects to `postgresql://user:password@host:port/database`, and makes the tables if there are none. TLS is
    /// required to a host that is not this one, unless the URL says `sslmode=disable`; `ca` names the server's
    /// authorities if the system does not know them.
    ///
    /// # Errors
    /// [`StoreError`]; the URL, which has a password in it, is in none.
    pub async fn connect(url: &str, ca: Option<&Path>, tombstones_max: u32) -> Result<Self, StoreError> {
        let files = TlsFiles { ca: ca.map(Path::to_owned), ..TlsFiles::default() };
        let mut config: tokio_postgres::Config =
            url.parse().map_err(|_| StoreError::unavailable("the URL of the database cannot be understood"))?;
        if config.get_ssl_mode() == SslMode::Prefer {
            let is_here = config.get_hosts().iter().all(is_this_host);
            config.ssl_mode(if is_here { SslMode::Disable } else { SslMode::Require });
        }
        config.application_name("sealgate coordinator").connect_timeout(CONNECT_TIMEOUT);
        let tls = tls::client_config(&files).map_err(StoreError::unavailable)?;
        let server = Server { config, tls: MakeRustlsConnect::new(tls) };
        let statements = AtomicU64::new(0);
        let mut session = Session::connect(&server).await?;
        let state = found(session.begin(&statements).await?).await?;
        let inner = Arc::new(Inner {
            server,
            reading: Mutex::new(None),
            writing: Mutex::new(Some(session)),
            known: watch::Sender::new(state),
            statements,
            tombstones_max,
        });
        let listening = tokio::spawn(listener::listen(Arc::clone(&inner)));
        Ok(Self { inner, listening })
    }

    /// Does some work in a transaction, and learns the state that it left.
    async fn change<T>(
        &self,
        work: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let inner = &*self.inner;
        in_time(async {
            let mut writing = inner.writing.lock().await;
            // taken out, so that a connection in an unknown state is not used again
            let mut session = match writing.take().filter(|session| !session.is_closed()) {
                Some(session) => session,
                None => Session::connect(&inner.server).await?,
            };
            let transaction = session.begin(&inner.statements).await?;
            let outcome = match work(&transaction).await {
                Ok(done) => {
                    let state = transaction.state().await?;
                    transaction.commit().await?;
                    advance(&inner.known, &state);
                    Ok(done)
                }
                Err(error) => transaction.roll_back().await.and(Err(error)),
            };
            *writing = Some(session);
            outcome
        })
        .await
    }
}

impl Inner {
    async fn reading(&self) -> Result<Arc<Session>, StoreError> {
        let mut reading = self.reading.lock().await;
        match &*reading {
            Some(session) if !session.is_closed() => Ok(Arc::clone(session)),
            _ => {
                let session = Arc::new(Session::connect(&self.server).await?);
                *reading = Some(Arc::clone(&session));
                Ok(session)
            }
        }
    }

    async fn read(
        &self,
        text: &'static str,
        params: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        in_time(async { self.reading().await?.query(text, params, &self.statements).await }).await
    }

    async fn refresh(&self) -> Result<State, StoreError> {
        let state = session::state(&self.read(sql::STATE, &[]).await?)?;
        advance(&self.known, &state);
        Ok(state)
    }
}

#[async_trait::async_trait]
impl Store for PostgresStore {
    fn watch(&self) -> watch::Receiver<State> {
        self.inner.known.subscribe()
    }

    async fn refresh(&self) -> Result<State, StoreError> {
        self.inner.refresh().await
    }

    async fn tenant(&self, id: &TenantId) -> Result<Option<Row>, StoreError> {
        Ok(session::rows(&self.inner.read(sql::TENANT, &[&id.as_str()]).await?)?.pop())
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<Row>, StoreError> {
        let after = after.unwrap_or_default();
        session::rows(&self.inner.read(sql::LIST, &[&after, &i64::from(limit)]).await?)
    }

    async fn changes(&self, since: u64, limit: u32) -> Result<Vec<Row>, StoreError> {
        let rows = self.inner.read(sql::CHANGES, &[&to_column(since)?, &i64::from(limit)]).await?;
        // asked afterwards: a tombstone that was missing above has raised the floor before
        if self.inner.refresh().await?.floor > since {
            return Err(StoreError::Gone);
        }
        session::rows(&rows)
    }

    async fn write(&self, write: Write) -> Result<u64, StoreError> {
        let tombstones_max = self.inner.tombstones_max;
        self.change(async |transaction| put(transaction, &write, tombstones_max).await).await
    }

    async fn reseal(&self, id: &TenantId, revision: u64, document: &str, tag: &str) -> Result<bool, StoreError> {
        let revision = to_column(revision)?;
        self.change(async |transaction| {
            Ok(transaction.execute(sql::RESEAL, &[&document, &tag, &id.as_str(), &revision]).await? == 1)
        })
        .await
    }

    async fn all(&self, after: Option<&str>, limit: u32) -> Result<Vec<Row>, StoreError> {
        let after = after.unwrap_or_default();
        session::rows(&self.inner.read(sql::ALL, &[&after, &i64::from(limit)]).await?)
    }

    async fn retag(&self, id: &str, revision: u64, tag: &str) -> Result<bool, StoreError> {
        let revision = to_column(revision)?;
        self.change(async |transaction| Ok(transaction.execute(sql::RETAG, &[&tag, &id, &revision]).await? == 1)).await
    }

    async fn finish_migration(&self) -> Result<(), StoreError> {
        self.change(async |transaction| {
            transaction.execute(sql::SET_SCHEMA, &[&SCHEMA_VERSION]).await?;
            transaction.notify("migrated").await
        })
        .await
    }

    async fn kek_check(&self, fresh: &str) -> Result<String, StoreError> {
        self.change(async |transaction| {
            let check: Option<String> = transaction.first(sql::SET_CHECK, &[&fresh]).await?;
            check.ok_or(StoreError::Damaged("the row of its state is missing"))
        })
        .await
    }

    async fn renew_kek_check(&self, fresh: &str) -> Result<(), StoreError> {
        self.change(async |transaction| transaction.execute(sql::RENEW_CHECK, &[&fresh]).await.map(drop)).await
    }

    async fn renew_epoch(&self) -> Result<State, StoreError> {
        let epoch = new_epoch()?;
        self.change(async |transaction| {
            transaction.execute(sql::RENEW_EPOCH, &[&epoch]).await?;
            transaction.notify(&epoch).await
        })
        .await?;
        Ok(self.inner.known.borrow().clone())
    }

    async fn report(&self, heartbeat: Heartbeat) -> Result<(), StoreError> {
        let Heartbeat { cluster, pod, seen_at, status } = heartbeat;
        let seen_at = unix_seconds(seen_at);
        self.change(async |transaction| {
            transaction.execute(sql::DROP_SILENT, &[&(seen_at - SILENT_SECONDS_MAX)]).await?;
            let others: Option<i64> = transaction.first(sql::COUNT_GATEWAYS, &[&cluster, &pod]).await?;
            if others.unwrap_or(0) >= i64::from(GATEWAYS_MAX) {
                return Err(StoreError::TooManyGateways);
            }
            transaction.execute(sql::REPORT, &[&cluster, &pod, &seen_at, &status]).await.map(drop)
        })
        .await
    }

    async fn gateways(&self, since: SystemTime) -> Result<Vec<Heartbeat>, StoreError> {
        let rows = self.inner.read(sql::GATEWAYS, &[&unix_seconds(since)]).await?;
        let told = rows.iter().map(|row| {
            let seen_at = from_unix_seconds(row.try_get(2)?);
            Ok(Heartbeat { cluster: row.try_get(0)?, pod: row.try_get(1)?, seen_at, status: row.try_get(3)? })
        });
        told.collect()
    }

    fn statements(&self) -> u64 {
        self.inner.statements.load(Ordering::Relaxed)
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Makes the tables, unless another coordinator did or is about to.
async fn found(transaction: Transaction<'_>) -> Result<State, StoreError> {
    transaction.batch(&format!("SELECT pg_advisory_xact_lock({FOUNDING_LOCK})")).await?;
    let exists: Option<bool> = transaction.first("SELECT to_regclass('coordinator') IS NOT NULL", &[]).await?;
    if exists != Some(true) {
        transaction.batch(POSTGRES).await?;
        transaction.execute(sql::FOUND, &[&SCHEMA_VERSION, &new_epoch()?]).await?;
    }
    let state = transaction.state().await?;
    let has_tag: Option<i64> = transaction.first(HAS_TAG, &[]).await?;
    if has_tag == Some(0) {
        transaction.batch(ADD_TAG).await?;
    }
    transaction.commit().await?;
    Ok(state)
}

async fn put(transaction: &Transaction<'_>, write: &Write, tombstones_max: u32) -> Result<u64, StoreError> {
    let id = write.id.as_str();
    // first, because it is what writers queue at: what is read after it is what the one before has left
    let revision: i64 = transaction.needed(sql::NEXT_REVISION, &[]).await?;
    let row = transaction.query(sql::CURRENT, &[&id]).await?;
    let row: Option<(i64, bool)> =
        row.first().map(|row| Ok::<_, StoreError>((row.try_get(0)?, row.try_get(1)?))).transpose()?;
    let is_tombstone = row.is_some_and(|(_, deleted)| deleted);
    let there = row.filter(|(_, deleted)| !deleted).map(|(revision, _)| to_revision(revision)).transpose()?;
    write.expected.check(there)?;
    let prefix = write.bucket_prefix.as_str();
    if write.expected == Expected::Absent {
        check_prefix(transaction, prefix).await?;
    }
    let tag = write.tag(to_revision(revision)?)?;
    transaction.execute(sql::PUT, &[&id, &revision, &write.document, &write.prefix(), &tag]).await?;
    transaction.execute(sql::FORGET_KEYS, &[&id]).await?;
    for key in &write.access_key_ids {
        if transaction.execute(sql::ADD_KEY, &[key, &id]).await? == 0 {
            return Err(StoreError::AccessKeyTaken { id: key.clone() });
        }
    }
    let tombstones = i64::from(write.document.is_none()) - i64::from(is_tombstone);
    if tombstones != 0 {
        let count: i64 = transaction.needed(sql::COUNT_TOMBSTONES, &[&tombstones]).await?;
        if count > i64::from(tombstones_max) {
            compact(transaction, tombstones_max).await?;
        }
    }
    transaction.notify(&revision.to_string()).await?;
    to_revision(revision)
}

async fn check_prefix(transaction: &Transaction<'_>, prefix: &str) -> Result<(), StoreError> {
    let mut other: Option<String> = transaction.first(sql::LONGER_PREFIX, &[&prefix, &after_all(prefix)]).await?;
    for beginning in proper_beginnings(prefix) {
        if other.is_none() {
            other = transaction.first(sql::SAME_PREFIX, &[&beginning]).await?;
        }
    }
    other.map_or(Ok(()), |other| Err(StoreError::PrefixTaken { other }))
}

/// Forgets the older half of the tombstones.
async fn compact(transaction: &Transaction<'_>, tombstones_max: u32) -> Result<(), StoreError> {
    let kept = i64::from(tombstones_max / 2);
    let Some(floor) = transaction.first::<i64>(sql::OLD_TOMBSTONE, &[&kept]).await? else { return Ok(()) };
    let gone = transaction.execute(sql::COMPACT, &[&floor]).await?;
    transaction.execute(sql::RAISE_FLOOR, &[&floor, &to_column(gone)?]).await.map(drop)
}

/// An answer, or the end of patience: a server that is gone without a word must not hold a request for ever.
async fn in_time<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match tokio::time::timeout(ANSWER_TIMEOUT, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(StoreError::unavailable("no answer within 30 s")),
    }
}

fn is_this_host(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::unavailable(error)
    }
}

const HAS_TAG: &str = "SELECT count(*) FROM pg_attribute \
     WHERE attrelid = to_regclass('tenants') AND attname = 'tag' AND NOT attisdropped";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// any number that is the same in every coordinator
const FOUNDING_LOCK: i64 = 0x5EA1_6A7E;
