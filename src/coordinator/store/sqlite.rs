//! [`SqliteStore`]: tenants in one file, for one coordinator.
//!
//! WAL with `synchronous = FULL`: what was acknowledged survives a crash of the machine. A lock file keeps a second
//! process out, since its changes would not be noticed. One connection writes, one reads, both on the blocking pool.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension as _, Params, Transaction, TransactionBehavior, params};
use tokio::sync::watch;

use super::schema::{ADD_TAG, SCHEMA_VERSION, SQLITE, sql};
use super::{
    Expected, GATEWAYS_MAX, Heartbeat, Row, SILENT_SECONDS_MAX, State, Store, StoreError, Write, advance, after_all,
    from_unix_seconds, is_tagged, new_epoch, proper_beginnings, row_revision, to_column, to_revision, unix_seconds,
};
use crate::tenant::TenantId;

/// A database in a file.
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    known: watch::Sender<State>,
    statements: AtomicU64,
    tombstones_max: u32,
    /// held as long as the database is open
    _lock: File,
}

impl SqliteStore {
    /// Opens a database, or makes it, for its owner alone. Blocks.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be opened, or another process has it open.
    pub fn open(path: &Path, tombstones_max: u32) -> Result<Self, StoreError> {
        let lock = lock(path)?;
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| StoreError::unavailable(format!("{}: {error}", path.display())))?;
        let mut writer = connect(path)?;
        let state = found(&mut writer)?;
        let reader = Mutex::new(connect(path)?);
        let known = watch::Sender::new(state);
        let statements = AtomicU64::new(0);
        let inner = Inner { writer: Mutex::new(writer), reader, known, statements, tombstones_max, _lock: lock };
        Ok(Self { inner: Arc::new(inner) })
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Session<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let mut reader = inner.reader.lock().unwrap_or_else(PoisonError::into_inner);
            let snapshot = reader.transaction()?;
            work(&Session { connection: &snapshot, statements: &inner.statements })
        })
        .await
    }

    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Session<'_>, &Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let mut writer = inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = Transaction::new(&mut writer, TransactionBehavior::Immediate)?;
            let session = Session { connection: &transaction, statements: &inner.statements };
            let done = work(&session, &inner)?;
            let state = session.state()?;
            transaction.commit()?;
            advance(&inner.known, &state);
            Ok(done)
        })
        .await
    }
}

#[async_trait::async_trait]
impl Store for SqliteStore {
    fn watch(&self) -> watch::Receiver<State> {
        self.inner.known.subscribe()
    }

    async fn refresh(&self) -> Result<State, StoreError> {
        #[allow(
            clippy::redundant_closure_for_method_calls,
            reason = "the method is not general enough in its lifetime"
        )]
        let state = self.read(|session| session.state()).await?;
        advance(&self.inner.known, &state);
        Ok(state)
    }

    async fn tenant(&self, id: &TenantId) -> Result<Option<Row>, StoreError> {
        let id = id.clone();
        self.read(move |session| Ok(session.rows(sql::TENANT, [id.as_str()])?.pop())).await
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<Row>, StoreError> {
        let after = after.unwrap_or_default().to_owned();
        self.read(move |session| session.rows(sql::LIST, params![after, limit])).await
    }

    async fn changes(&self, since: u64, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.read(move |session| {
            if session.state()?.floor > since {
                return Err(StoreError::Gone);
            }
            session.rows(sql::CHANGES, params![to_column(since)?, limit])
        })
        .await
    }

    async fn write(&self, write: Write) -> Result<u64, StoreError> {
        self.change(move |session, inner| session.write(&write, inner.tombstones_max)).await
    }

    async fn reseal(&self, id: &TenantId, revision: u64, document: &str, tag: &str) -> Result<bool, StoreError> {
        let (id, document, tag) = (id.clone(), document.to_owned(), tag.to_owned());
        self.change(move |session, _| {
            let changed = session.execute(sql::RESEAL, params![document, tag, id.as_str(), to_column(revision)?])?;
            Ok(changed == 1)
        })
        .await
    }

    async fn all(&self, after: Option<&str>, limit: u32) -> Result<Vec<Row>, StoreError> {
        let after = after.unwrap_or_default().to_owned();
        self.read(move |session| session.rows(sql::ALL, params![after, limit])).await
    }

    async fn retag(&self, id: &str, revision: u64, tag: &str) -> Result<bool, StoreError> {
        let (id, tag) = (id.to_owned(), tag.to_owned());
        self.change(move |session, _| Ok(session.execute(sql::RETAG, params![tag, id, to_column(revision)?])? == 1))
            .await
    }

    async fn finish_migration(&self) -> Result<(), StoreError> {
        self.change(|session, _| session.execute(sql::SET_SCHEMA, [SCHEMA_VERSION]).map(drop)).await
    }

    async fn kek_check(&self, fresh: &str) -> Result<String, StoreError> {
        let fresh = fresh.to_owned();
        self.change(move |session, _| session.one(sql::SET_CHECK, [fresh])).await
    }

    async fn renew_kek_check(&self, fresh: &str) -> Result<(), StoreError> {
        let fresh = fresh.to_owned();
        self.change(move |session, _| session.execute(sql::RENEW_CHECK, [fresh]).map(drop)).await
    }

    async fn renew_epoch(&self) -> Result<State, StoreError> {
        let epoch = new_epoch()?;
        self.change(move |session, _| session.execute(sql::RENEW_EPOCH, [epoch]).map(drop)).await?;
        Ok(self.inner.known.borrow().clone())
    }

    async fn report(&self, heartbeat: Heartbeat) -> Result<(), StoreError> {
        self.change(move |session, _| {
            let Heartbeat { cluster, pod, seen_at, status } = heartbeat;
            let seen_at = unix_seconds(seen_at);
            session.execute(sql::DROP_SILENT, [seen_at - SILENT_SECONDS_MAX])?;
            let others: i64 = session.one(sql::COUNT_GATEWAYS, params![cluster, pod])?;
            if others >= i64::from(GATEWAYS_MAX) {
                return Err(StoreError::TooManyGateways);
            }
            session.execute(sql::REPORT, params![cluster, pod, seen_at, status]).map(drop)
        })
        .await
    }

    async fn gateways(&self, since: SystemTime) -> Result<Vec<Heartbeat>, StoreError> {
        self.read(move |session| {
            let mut statement = session.prepare(sql::GATEWAYS)?;
            let told = statement.query_map([unix_seconds(since)], |row| {
                let seen_at = from_unix_seconds(row.get(2)?);
                Ok(Heartbeat { cluster: row.get(0)?, pod: row.get(1)?, seen_at, status: row.get(3)? })
            })?;
            Ok(told.collect::<Result<_, _>>()?)
        })
        .await
    }

    fn statements(&self) -> u64 {
        self.inner.statements.load(Ordering::Relaxed)
    }
}

/// A transaction, and the count of its statements.
struct Session<'a> {
    connection: &'a Connection,
    statements: &'a AtomicU64,
}

impl Session<'_> {
    /// The one place through which statements go.
    fn prepare(&self, text: &str) -> Result<rusqlite::CachedStatement<'_>, StoreError> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        Ok(self.connection.prepare_cached(text)?)
    }

    fn execute(&self, text: &str, params: impl Params) -> Result<usize, StoreError> {
        Ok(self.prepare(text)?.execute(params)?)
    }

    /// The first column of the one row.
    fn one<T: rusqlite::types::FromSql>(&self, text: &str, params: impl Params) -> Result<T, StoreError> {
        Ok(self.prepare(text)?.query_row(params, |row| row.get(0))?)
    }

    /// The first column of a row, if there is one.
    fn first<T: rusqlite::types::FromSql>(&self, text: &str, params: impl Params) -> Result<Option<T>, StoreError> {
        Ok(self.prepare(text)?.query_row(params, |row| row.get(0)).optional()?)
    }

    fn rows(&self, text: &str, params: impl Params) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.prepare(text)?;
        let mut rows = statement.query(params)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let text = |column| -> Result<Option<String>, StoreError> {
                // what is no text fails alone, by its tag, and not the rows beside it
                let bytes = row.get_ref(column)?.as_bytes_or_null().map_err(StoreError::unavailable)?;
                Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
            };
            found.push(Row {
                id: text(0)?.unwrap_or_default(),
                revision: row_revision(row.get(1)?),
                document: text(2)?,
                bucket_prefix: text(3)?,
                tag: text(4)?,
            });
        }
        Ok(found)
    }

    fn state(&self) -> Result<State, StoreError> {
        let mut statement = self.prepare(sql::STATE)?;
        let (epoch, revision, floor, version): (String, i64, i64, i64) =
            statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        let (revision, floor) = (to_revision(revision)?, to_revision(floor)?);
        Ok(State { epoch, revision, floor, is_tagged: is_tagged(version)? })
    }

    fn write(&self, write: &Write, tombstones_max: u32) -> Result<u64, StoreError> {
        let id = write.id.as_str();
        let mut current = self.prepare(sql::CURRENT)?;
        let row: Option<(i64, bool)> = current.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        drop(current);
        let is_tombstone = row.is_some_and(|(_, deleted)| deleted);
        let there = row.filter(|(_, deleted)| !deleted).map(|(revision, _)| to_revision(revision)).transpose()?;
        write.expected.check(there)?;
        if write.expected == Expected::Absent {
            self.check_prefix(write.bucket_prefix.as_str())?;
        }
        let revision: i64 = self.one(sql::NEXT_REVISION, [])?;
        let tag = write.tag(to_revision(revision)?)?;
        self.execute(sql::PUT, params![id, revision, write.document, write.prefix(), tag])?;
        self.execute(sql::FORGET_KEYS, [id])?;
        for key in &write.access_key_ids {
            if self.execute(sql::ADD_KEY, [key, id])? == 0 {
                return Err(StoreError::AccessKeyTaken { id: key.clone() });
            }
        }
        let tombstones = i64::from(write.document.is_none()) - i64::from(is_tombstone);
        if tombstones != 0 && self.one::<i64>(sql::COUNT_TOMBSTONES, [tombstones])? > i64::from(tombstones_max) {
            self.compact(tombstones_max)?;
        }
        to_revision(revision)
    }

    fn check_prefix(&self, prefix: &str) -> Result<(), StoreError> {
        let mut other: Option<String> = self.first(sql::LONGER_PREFIX, [prefix, &after_all(prefix)])?;
        for beginning in proper_beginnings(prefix) {
            if other.is_none() {
                other = self.first(sql::SAME_PREFIX, [beginning])?;
            }
        }
        other.map_or(Ok(()), |other| Err(StoreError::PrefixTaken { other }))
    }

    /// Forgets the older half of the tombstones.
    fn compact(&self, tombstones_max: u32) -> Result<(), StoreError> {
        let Some(floor) = self.first::<i64>(sql::OLD_TOMBSTONE, [tombstones_max / 2])? else { return Ok(()) };
        let gone = self.execute(sql::COMPACT, [floor])?;
        let gone = i64::try_from(gone).map_err(|_| StoreError::Damaged("more rows than a database has"))?;
        self.execute(sql::RAISE_FLOOR, [floor, gone]).map(drop)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(StoreError::unavailable)?
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let told = |error: std::io::Error| StoreError::unavailable(format!("{}: {error}", name.display()));
    let lock = OpenOptions::new().append(true).create(true).mode(0o600).open(&name).map_err(told)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { file: path.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(told(error)),
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// The state; makes the tables of a new database.
fn found(connection: &mut Connection) -> Result<State, StoreError> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let exists = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'coordinator'";
    if transaction.query_row(exists, [], |row| row.get::<_, i64>(0))? == 0 {
        transaction.execute_batch(SQLITE)?;
        transaction.execute(sql::FOUND, params![SCHEMA_VERSION, new_epoch()?])?;
    }
    let state = Session { connection: &transaction, statements: &AtomicU64::new(0) }.state()?;
    let has_tag = "SELECT count(*) FROM pragma_table_info('tenants') WHERE name = 'tag'";
    if transaction.query_row(has_tag, [], |row| row.get::<_, i64>(0))? == 0 {
        transaction.execute_batch(ADD_TAG)?;
    }
    transaction.commit()?;
    Ok(state)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::unavailable(error)
    }
}
