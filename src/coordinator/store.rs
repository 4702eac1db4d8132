//! [`Store`]: where tenants lie. A row is a document that holds sealed secrets only; the store never sees a seed.
//!
//! Every change gets the next revision of the database, in the order in which changes become visible. A deleted tenant
//! leaves a tombstone; when there are too many, the oldest go, and the *floor* tells up to which revision: who is below
//! it must list again. The epoch is made with the database; revisions of another one mean nothing here.
//!
//! Each write brings a tag over the whole row (`Write::tag`). A database of the first schema has rows without one, or with
//! one that an older coordinator left: there [`State::is_tagged`] is false until `sealgate coordinator migrate` ran.

mod postgres;
mod schema;
mod sqlite;

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;

use super::kek::{KekError, Keks, Tagged};
use crate::tenant::{BucketPrefix, TenantId};

/// A database of tenants.
#[async_trait::async_trait]
pub trait Store: Send + Sync + 'static {
    /// The state as it is known without asking the database, and its changes, this process's own and others'.
    fn watch(&self) -> watch::Receiver<State>;

    /// The state as the database has it now.
    async fn refresh(&self) -> Result<State, StoreError>;

    /// A tenant that is there.
    async fn tenant(&self, id: &TenantId) -> Result<Option<Row>, StoreError>;

    /// At most `limit` tenants that are there, in order of id, from the first one after `after`.
    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<Row>, StoreError>;

    /// At most `limit` rows above a revision, tombstones too, in order of revision.
    ///
    /// # Errors
    /// [`StoreError::Gone`] if `since` is below the floor.
    async fn changes(&self, since: u64, limit: u32) -> Result<Vec<Row>, StoreError>;

    /// Puts a document in place, or a tombstone; gives the new revision. Durable when it returns.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the tenant is not as expected; [`StoreError::PrefixTaken`],
    /// [`StoreError::AccessKeyTaken`] if it stands in another one's way.
    async fn write(&self, write: Write) -> Result<u64, StoreError>;

    /// Puts another text of the same document in place, and its tag, without a new revision; false if it was changed
    /// meanwhile.
    async fn reseal(&self, id: &TenantId, revision: u64, document: &str, tag: &str) -> Result<bool, StoreError>;

    /// At most `limit` rows in order of id, tombstones too, from the first one after `after`.
    async fn all(&self, after: Option<&str>, limit: u32) -> Result<Vec<Row>, StoreError>;

    /// Puts another tag of the same row in place; false if the row was changed meanwhile.
    async fn retag(&self, id: &str, revision: u64, tag: &str) -> Result<bool, StoreError>;

    /// All rows have their tags from now on: older coordinators refuse the database.
    async fn finish_migration(&self) -> Result<(), StoreError>;

    /// The text by which the database knows its key-encryption keys: `fresh` if there was none.
    async fn kek_check(&self, fresh: &str) -> Result<String, StoreError>;

    /// Puts another such text in place.
    async fn renew_kek_check(&self, fresh: &str) -> Result<(), StoreError>;

    /// Begins a new epoch; gives it.
    async fn renew_epoch(&self) -> Result<State, StoreError>;

    /// Keeps what a gateway told of itself, in place of what it told before.
    ///
    /// # Errors
    /// [`StoreError::TooManyGateways`] beyond [`GATEWAYS_MAX`].
    async fn report(&self, heartbeat: Heartbeat) -> Result<(), StoreError>;

    /// What gateways told since `since`, in order of cluster and pod.
    async fn gateways(&self, since: SystemTime) -> Result<Vec<Heartbeat>, StoreError>;

    /// How many statements were sent to the database so far.
    fn statements(&self) -> u64;
}

/// Where the database stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// the life of the database
    pub epoch: String,
    /// of the newest change
    pub revision: u64,
    /// changes up to here can no longer be told one by one
    pub floor: u64,
    /// whether every row has its tag
    pub is_tagged: bool,
}

/// A tenant, or what is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// the tenant
    pub id: String,
    /// of its last change
    pub revision: u64,
    /// JSON; none: it was deleted
    pub document: Option<String>,
    /// what the document says too, as the store looks for it
    pub bucket_prefix: Option<String>,
    /// of the whole row
    pub tag: Option<String>,
}

impl Row {
    pub(super) fn tagged(&self) -> Tagged<'_> {
        let (document, bucket_prefix) = (self.document.as_deref(), self.bucket_prefix.as_deref());
        Tagged { id: &self.id, revision: self.revision, document, bucket_prefix }
    }
}

/// A change of a tenant.
#[derive(Clone, Debug)]
pub struct Write {
    /// the tenant
    pub id: TenantId,
    /// how it must be now
    pub expected: Expected,
    /// JSON; none: delete it
    pub document: Option<String>,
    /// must not overlap with that of another tenant, which is looked at when the tenant is new
    pub bucket_prefix: BucketPrefix,
    /// unique among all tenants
    pub access_key_ids: Vec<String>,
    /// what the row is tagged with
    pub keks: Arc<Keks>,
}

impl Write {
    /// The bucket prefix as the row has it: none in a tombstone.
    fn prefix(&self) -> Option<&str> {
        self.document.is_some().then_some(self.bucket_prefix.as_str())
    }

    /// The tag of the row at the revision that the change gets.
    fn tag(&self, revision: u64) -> Result<String, StoreError> {
        let (document, bucket_prefix) = (self.document.as_deref(), self.prefix());
        Ok(self.keks.tag(&Tagged { id: self.id.as_str(), revision, document, bucket_prefix })?)
    }
}

/// How a tenant must be for a change to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// not there
    Absent,
    /// there, last changed at this revision
    Revision(u64),
}

impl Expected {
    /// Whether a tenant of this revision, or none, is so.
    fn check(self, current: Option<u64>) -> Result<(), StoreError> {
        let holds = match self {
            Self::Absent => current.is_none(),
            Self::Revision(revision) => current == Some(revision),
        };
        if holds { Ok(()) } else { Err(StoreError::Conflict { current }) }
    }
}

/// What a gateway told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// the cluster that it is of
    pub cluster: String,
    /// its name there
    pub pod: String,
    /// when, to the second
    pub seen_at: SystemTime,
    /// JSON
    pub status: String,
}

/// Why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// the tenant is not as the change expected it
    #[error("the tenant was changed meanwhile")]
    Conflict {
        /// its revision; none: it is not there
        current: Option<u64>,
    },
    /// the changes since that revision are no longer known
    #[error("changes since this revision are no longer kept")]
    Gone,
    /// another tenant's buckets could have the same names
    #[error("the bucket prefix overlaps with that of tenant {other}")]
    PrefixTaken {
        /// the other one
        other: String,
    },
    /// another tenant has an access key of this id
    #[error("access key id `{id}` is taken")]
    AccessKeyTaken {
        /// the id
        id: String,
    },
    /// too many gateways told of themselves
    #[error("more than {GATEWAYS_MAX} gateways")]
    TooManyGateways,
    /// another process has the database open
    #[error("{file} is in use by another coordinator; several share PostgreSQL, not a file")]
    InUse {
        /// the lock
        file: String,
    },
    /// the database holds what no version of this program writes
    #[error("the database is damaged: {0}")]
    Damaged(&'static str),
    /// a tag cannot be made
    #[error(transparent)]
    Tag(#[from] KekError),
    /// the database is of a newer version of this program
    #[error("the database has schema version {found}, this program knows up to {known}")]
    Schema {
        /// of the database
        found: i64,
        /// of the program
        known: i64,
    },
    /// the database cannot be asked; the same may work later
    #[error("the database cannot be asked")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(error.into())
    }
}

/// Moves the known state forward; an answer that was overtaken changes nothing.
fn advance(known: &watch::Sender<State>, state: &State) {
    known.send_if_modified(|known| {
        let is_newer = known.epoch != state.epoch
            || state.revision > known.revision
            || state.floor > known.floor
            || state.is_tagged != known.is_tagged;
        if is_newer {
            known.clone_from(state);
        }
        is_newer
    });
}

/// Whether the rows of a database of this schema have tags.
fn is_tagged(schema: i64) -> Result<bool, StoreError> {
    match schema {
        schema::UNTAGGED => Ok(false),
        schema::SCHEMA_VERSION => Ok(true),
        found => Err(StoreError::Schema { found, known: schema::SCHEMA_VERSION }),
    }
}

/// A column's revision as far as it is one. What is none is 0, which no row has: its tag tells.
fn row_revision(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}

/// All texts that begin `prefix`, but itself: whoever has one of them as prefix overlaps.
fn proper_beginnings(prefix: &str) -> Vec<&str> {
    (0..prefix.len()).filter_map(|end| prefix.get(..end)).collect()
}

/// The first text after all that begin with `prefix`: prefixes are made of bytes below `{`.
fn after_all(prefix: &str) -> String {
    format!("{prefix}{{")
}

fn new_epoch() -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| StoreError::Damaged("no randomness from the operating system"))?;
    Ok(bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")))
}

fn unix_seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn from_unix_seconds(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

fn to_column(revision: u64) -> Result<i64, StoreError> {
    i64::try_from(revision).map_err(|_| StoreError::Damaged("a revision over 2^63"))
}

fn to_revision(column: i64) -> Result<u64, StoreError> {
    u64::try_from(column).map_err(|_| StoreError::Damaged("a negative revision"))
}

/// Tombstones kept before the oldest half of them goes.
pub const TOMBSTONES_MAX: u32 = 10_000;
/// Gateways that are kept account of.
pub const GATEWAYS_MAX: u32 = 10_000;
/// A gateway that has been silent for a week is forgotten.
const SILENT_SECONDS_MAX: i64 = 7 * 24 * 3600;

#[cfg(test)]
mod tests;
