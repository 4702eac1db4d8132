//! Work on every row of a database: `sealgate coordinator rewrap` and `sealgate coordinator migrate`.
//!
//! Migration gives each row of a database of the first schema its tag. What stands there is believed, this once: whoever
//! changed the database before is not found out, so the report names what was tagged. A row whose secrets do not open is
//! not tagged. When all rows are done the database is of the new schema: coordinators of the first one refuse it, and a row
//! without its tag is damaged from then on. It may be interrupted and run again.

use super::kek::{Place, Tagged};
use super::reading::{Reader, to_json};
use super::store::{Row, StoreError};
use super::tenants::{CHECK_TEXT, Tenants, TenantsError};

/// What a walk over the rows came to.
#[derive(Debug, Default)]
pub struct Walked {
    /// how many rows were written anew
    pub count: u64,
    /// tenants whose row is damaged; it was left as it is
    pub damaged: Vec<String>,
}

impl Tenants {
    /// Seals everything under the current key. Ends when all are done.
    ///
    /// # Errors
    /// [`TenantsError`]; what was done until then stays done.
    pub async fn rewrap(&self) -> Result<Walked, TenantsError> {
        let mut walked = Walked::default();
        let mut after = None;
        loop {
            let rows = self.store().all(after.as_deref(), ROWS).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.id.clone());
            for row in rows {
                match self.rewrap_row(row).await {
                    Ok(is_changed) => walked.count += u64::from(is_changed),
                    Err(TenantsError::DamagedRecord { tenant, reason }) => {
                        walked.damaged.push(format!("{tenant}: {reason}"));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        self.renew_check().await?;
        Ok(walked)
    }

    /// Gives every row its tag; tells `tagged` of each tenant whose row had none. Nothing is done in a database in which
    /// they all have one.
    ///
    /// # Errors
    /// [`TenantsError`]; what was done until then stays done.
    pub async fn migrate(&self, mut tagged: impl FnMut(&str)) -> Result<Walked, TenantsError> {
        let mut walked = Walked::default();
        if self.store().refresh().await?.is_tagged {
            return Ok(walked);
        }
        let reader = Reader { is_tagged: false, ..self.reader() };
        if !self.reader().is_tagged {
            // rows may change meanwhile, by older coordinators too: until a whole walk finds nothing to do
            loop {
                let (before, walk) = (walked.count, self.tag_all(&reader, &mut walked.count, &mut tagged).await?);
                walked.damaged = walk;
                if walked.count == before {
                    break;
                }
            }
        }
        let text = self.keks().seal(Place::TaggedCheck, CHECK_TEXT)?;
        self.store().renew_kek_check(&text).await?;
        self.store().finish_migration().await?;
        Ok(walked)
    }

    /// One walk; gives the damaged ones.
    async fn tag_all(
        &self,
        reader: &Reader,
        count: &mut u64,
        tagged: &mut impl FnMut(&str),
    ) -> Result<Vec<String>, TenantsError> {
        let (mut after, mut damaged) = (None::<String>, Vec::new());
        loop {
            let rows = self.store().all(after.as_deref(), ROWS).await?;
            let Some(last) = rows.last() else { return Ok(damaged) };
            after = Some(last.id.clone());
            for row in &rows {
                match reader.one(row, true) {
                    Err(TenantsError::DamagedRecord { tenant, reason }) => damaged.push(format!("{tenant}: {reason}")),
                    Err(error) => return Err(error),
                    Ok(_) if reader.check_tag(row).is_ok() => {}
                    Ok(_) => {
                        let tag = self.keks().tag(&row.tagged())?;
                        if self.store().retag(&row.id, row.revision, &tag).await? {
                            tagged(&row.id);
                        }
                        *count += 1;
                    }
                }
            }
        }
    }

    /// Whether there was something to do. One that is changed meanwhile is read again.
    async fn rewrap_row(&self, row: Row) -> Result<bool, TenantsError> {
        let reader = self.reader();
        let mut row = Some(row);
        for _ in 0..ATTEMPTS_MAX {
            let Some(now) = row else { return Ok(false) };
            let (id, record) = reader.record(&now)?;
            let resealed = match &record {
                None => None,
                Some(record) => record.resealed(&id, self.keks()).map_err(|error| TenantsError::DamagedRecord {
                    tenant: now.id.clone(),
                    reason: error.to_string(),
                })?,
            };
            let has_tag = !reader.is_tagged || now.tag.as_deref().is_some_and(|tag| self.keks().is_current(tag));
            if resealed.is_none() && has_tag {
                return Ok(false);
            }
            let document = match &resealed {
                None => now.document.clone(),
                Some(resealed) => Some(to_json(resealed)?),
            };
            let tag = self.keks().tag(&Tagged { document: document.as_deref(), ..now.tagged() })?;
            let is_done = match &document {
                None => self.store().retag(&now.id, now.revision, &tag).await?,
                Some(document) => self.store().reseal(&id, now.revision, document, &tag).await?,
            };
            if is_done {
                return Ok(true);
            }
            row = self.store().tenant(&id).await?;
        }
        Err(TenantsError::Store(StoreError::Conflict { current: None }))
    }

    async fn renew_check(&self) -> Result<(), TenantsError> {
        let place = if self.reader().is_tagged { Place::TaggedCheck } else { Place::Check };
        Ok(self.store().renew_kek_check(&self.keks().seal(place, CHECK_TEXT)?).await?)
    }
}

const ROWS: u32 = 500;
/// How often a row is tried, should others be quicker each time.
const ATTEMPTS_MAX: usize = 10;
