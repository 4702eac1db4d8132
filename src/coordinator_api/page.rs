//! Pages of tenants: of a full list, and of what changed since a revision.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tenant;

/// One page. Of a list: some tenants in order of id. Of changes: what changed since a revision, in order of revision,
/// deletions as tombstones.
///
/// Every page of a list carries the revision at which the list began; a tenant that was changed since then may stand
/// there as it is now. Asking for the changes since that revision makes the list whole.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct TenantPage {
    /// The life of this database: revisions of another epoch say nothing.
    pub epoch: String,
    /// Who has seen this page (of a list: all pages) is up to date to this revision.
    pub revision: u64,
    /// The tenants.
    pub items: Vec<Tenant>,
    /// What to ask the next page of a list with; absent on the last one.
    #[serde(default)]
    pub next_cursor: Option<String>,
    /// Of changes: whether there are more to be had at once.
    #[serde(default)]
    pub more: bool,
}

/// The first line of a page as lines (NDJSON): all but the items, which follow one a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PageHead {
    /// As in a page.
    pub epoch: String,
    /// As in a page.
    pub revision: u64,
    /// How many lines follow.
    pub count: u64,
    /// As in a page.
    #[serde(default)]
    pub next_cursor: Option<String>,
    /// As in a page.
    #[serde(default)]
    pub more: bool,
}

impl TenantPage {
    /// The first line of this page as lines.
    #[must_use]
    pub fn head(&self) -> PageHead {
        PageHead {
            epoch: self.epoch.clone(),
            revision: self.revision,
            count: self.items.len() as u64,
            next_cursor: self.next_cursor.clone(),
            more: self.more,
        }
    }
}
