//! [`Reader`]: from rows to tenants. A row is believed if its tag says that it is as it was written, and its document can be
//! read. One that is not fails alone: it is named, and the rows beside it are told.

use std::sync::Arc;

use super::kek::{KekError, Keks};
use super::record::Record;
use super::store::{Row, StoreError};
use super::tenants::TenantsError;
use crate::coordinator_api::Tenant;
use crate::tenant::TenantId;

/// What reads the rows of a database.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) keks: Arc<Keks>,
    /// whether every row must have its tag
    pub(super) is_tagged: bool,
}

impl Reader {
    /// As clients see them; secrets are there if `with_secrets`. Of one that is damaged no more than that is told. Blocks
    /// for a time that grows with their number.
    pub(super) fn all(&self, rows: &[Row], with_secrets: bool) -> Vec<Tenant> {
        let mut damaged = 0;
        let mut tenants = Vec::with_capacity(rows.len());
        for row in rows {
            tenants.push(self.one(row, with_secrets).unwrap_or_else(|error| {
                damaged += 1;
                if damaged <= NAMED_MAX {
                    tracing::error!(revision = row.revision, "{error}");
                }
                Tenant::damaged(row.id.clone(), row.revision)
            }));
        }
        if damaged > NAMED_MAX {
            tracing::error!("{damaged} records of a page are damaged");
        }
        tenants
    }

    /// One of them.
    ///
    /// # Errors
    /// [`TenantsError::DamagedRecord`].
    pub(super) fn one(&self, row: &Row, with_secrets: bool) -> Result<Tenant, TenantsError> {
        let (id, Some(record)) = self.record(row)? else {
            return Ok(Tenant::tombstone(row.id.clone(), row.revision));
        };
        let opens = with_secrets.then_some(&*self.keks);
        record.to_wire(&id, row.revision, opens).map_err(|error| damaged(row, &error.to_string()))
    }

    /// A row's id and record; none for a tombstone.
    ///
    /// # Errors
    /// [`TenantsError::DamagedRecord`].
    pub(super) fn record(&self, row: &Row) -> Result<(TenantId, Option<Record>), TenantsError> {
        if self.is_tagged {
            self.check_tag(row).map_err(|error| damaged(row, &error.to_string()))?;
        }
        let id = TenantId::new(&row.id).map_err(|_| damaged(row, "its id is none"))?;
        let record: Option<Record> = match &row.document {
            None => None,
            Some(text) => Some(serde_json::from_str(text).map_err(|_| damaged(row, "it cannot be read"))?),
        };
        if record.as_ref().is_some_and(|record| row.bucket_prefix.as_ref() != Some(&record.bucket_prefix)) {
            return Err(damaged(row, "its bucket prefix stands there in two forms"));
        }
        Ok((id, record))
    }

    /// Whether the row has its tag.
    pub(super) fn check_tag(&self, row: &Row) -> Result<(), KekError> {
        self.keks.check_tag(&row.tagged(), row.tag.as_deref().ok_or(KekError::Damaged)?)
    }
}

fn damaged(row: &Row, reason: &str) -> TenantsError {
    let tenant = row.id.chars().filter(|c| !c.is_control()).take(ID_CHARS_MAX).collect();
    TenantsError::DamagedRecord { tenant, reason: reason.to_owned() }
}

pub(super) fn to_json(record: &Record) -> Result<String, TenantsError> {
    serde_json::to_string(record).map_err(|_| StoreError::Damaged("a tenant cannot be written as JSON").into())
}

const NAMED_MAX: usize = 10;
const ID_CHARS_MAX: usize = 128;
