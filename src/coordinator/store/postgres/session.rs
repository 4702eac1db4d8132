//! One connection: its statements are prepared once, and counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_postgres::{Client, Statement};

use super::super::schema::sql;
use super::super::{Row, State, StoreError, is_tagged, row_revision, to_revision};
use super::Server;

/// A connection.
pub(super) struct Session {
    client: Client,
    prepared: Prepared,
}

type Prepared = Mutex<HashMap<&'static str, Statement>>;
type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Session {
    pub(super) async fn connect(server: &Server) -> Result<Self, StoreError> {
        let (client, connection) = server.config.connect(server.tls.clone()).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "a connection to the database ended");
            }
        });
        Ok(Self { client, prepared: Prepared::default() })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) async fn query(
        &self,
        text: &'static str,
        params: Params<'_>,
        statements: &AtomicU64,
    ) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        statements.fetch_add(1, Ordering::Relaxed);
        let known = self.prepared.lock().await.get(text).cloned();
        let statement = if let Some(statement) = known {
            statement
        } else {
            let statement = self.client.prepare(text).await?;
            self.prepared.lock().await.insert(text, statement.clone());
            statement
        };
        Ok(self.client.query(&statement, params).await?)
    }

    /// A transaction; rolled back when dropped.
    pub(super) async fn begin<'a>(&'a mut self, statements: &'a AtomicU64) -> Result<Transaction<'a>, StoreError> {
        Ok(Transaction { inner: self.client.transaction().await?, prepared: &self.prepared, statements })
    }
}

/// A transaction of a connection.
pub(super) struct Transaction<'a> {
    inner: tokio_postgres::Transaction<'a>,
    prepared: &'a Prepared,
    statements: &'a AtomicU64,
}

impl Transaction<'_> {
    pub(super) async fn query(
        &self,
        text: &'static str,
        params: Params<'_>,
    ) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        Ok(self.inner.query(&self.prepare(text).await?, params).await?)
    }

    pub(super) async fn execute(&self, text: &'static str, params: Params<'_>) -> Result<u64, StoreError> {
        Ok(self.inner.execute(&self.prepare(text).await?, params).await?)
    }

    /// The first column of the first row, if there is one.
    pub(super) async fn first<T: FromSqlOwned>(
        &self,
        text: &'static str,
        params: Params<'_>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.query(text, params).await?.first().map(|row| row.try_get(0)).transpose()?)
    }

    /// The first column of the row that is always there.
    pub(super) async fn needed<T: FromSqlOwned>(
        &self,
        text: &'static str,
        params: Params<'_>,
    ) -> Result<T, StoreError> {
        self.first(text, params).await?.ok_or(StoreError::Damaged("the row of its state is missing"))
    }

    pub(super) async fn batch(&self, text: &str) -> Result<(), StoreError> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        Ok(self.inner.batch_execute(text).await?)
    }

    /// Tells all coordinators, when this commits.
    pub(super) async fn notify(&self, what: &str) -> Result<(), StoreError> {
        self.execute(NOTIFY, &[&what]).await.map(drop)
    }

    pub(super) async fn state(&self) -> Result<State, StoreError> {
        state(&self.query(sql::STATE, &[]).await?)
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        Ok(self.inner.commit().await?)
    }

    pub(super) async fn roll_back(self) -> Result<(), StoreError> {
        Ok(self.inner.rollback().await?)
    }

    async fn prepare(&self, text: &'static str) -> Result<Statement, StoreError> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let mut prepared = self.prepared.lock().await;
        if let Some(statement) = prepared.get(text) {
            return Ok(statement.clone());
        }
        let statement = self.inner.prepare(text).await?;
        prepared.insert(text, statement.clone());
        Ok(statement)
    }
}

/// Reads the row of [`sql::STATE`].
pub(super) fn state(rows: &[tokio_postgres::Row]) -> Result<State, StoreError> {
    let row = rows.first().ok_or(StoreError::Damaged("the row of its state is missing"))?;
    let (revision, floor) = (to_revision(row.try_get(1)?)?, to_revision(row.try_get(2)?)?);
    Ok(State { epoch: row.try_get(0)?, revision, floor, is_tagged: is_tagged(row.try_get(3)?)? })
}

/// Reads rows of id, revision, document, bucket prefix and tag.
pub(super) fn rows(rows: &[tokio_postgres::Row]) -> Result<Vec<Row>, StoreError> {
    let read = |row: &tokio_postgres::Row| {
        let revision = row_revision(row.try_get(1)?);
        let (document, bucket_prefix, tag) = (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
        Ok(Row { id: row.try_get(0)?, revision, document, bucket_prefix, tag })
    };
    rows.iter().map(read).collect()
}

/// The channel that [`super::listener`] listens on.
pub(super) const CHANNEL: &str = "sealgate_coordinator";
const NOTIFY: &str = "SELECT pg_notify('sealgate_coordinator', $1)";
