//! The JSON that the Coordinator and its clients exchange: tenants, pages of them, statuses of gateways, errors.
//!
//! Both sides name this module, so that they cannot drift apart. Answers are read leniently (an unknown field is left
//! alone: the other side may be newer), requests strictly. A tenant is checked on its own by [`Tenant::check`], so that
//! one that makes no sense does not take the others of its page with it. Times are RFC 3339 text in UTC, seeds standard
//! base64. Secrets are [`WireSecret`]s: shown to nobody but the other side.

mod key_state;
mod page;
mod problem;
mod requests;
mod secret;
mod status;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use key_state::{KeyState, UnknownKeyState};
pub use page::{PageHead, TenantPage};
pub use problem::Problem;
pub use requests::{AccessKeySpec, Rotation, TenantPatch, TenantSpec};
pub use secret::WireSecret;
pub use status::{FailingTenant, GatewayList, GatewayStatus, GatewayView};

use crate::tenant::{BucketPrefix, BucketPrefixError, TenantId, TenantIdError};

/// A tenant as the Coordinator tells of it. The least that is understood is `{id, zero_knowledge, key_seed}`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Tenant {
    /// The id, spelled as it is bound into sealed objects: a UUID, or a name.
    pub id: String,
    /// The revision of the database at which the tenant was last changed.
    #[serde(default)]
    pub revision: u64,
    /// Whether it is served.
    #[serde(default)]
    pub status: TenantStatus,
    /// Whether its seeds are kept from the Coordinator: in the gateway's Secret, or in the customer's KMS.
    pub zero_knowledge: bool,
    /// The customer fragment that is joined to each of its seeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragment_id: Option<String>,
    /// Its seeds; empty for a private tenant. Seeds are absent without the scope `tenants:keys`.
    #[serde(default)]
    pub keys: Vec<KeyVersion>,
    /// One seed, in place of `keys`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_seed: Option<WireSecret>,
    /// The credentials that act for it. Secrets are absent without the scope `tenants:keys`.
    #[serde(default)]
    pub access_keys: Vec<TenantAccessKey>,
    /// What its bucket names start with on the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_prefix: Option<String>,
}

/// Whether a tenant is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TenantStatus {
    /// it is
    #[default]
    Active,
    /// its requests are refused; nothing of it is lost
    Suspended,
    /// it is gone: a tombstone, which holds nothing but id and revision
    Deleted,
    /// its record is damaged: nothing is known of it but id and revision, and what was known before goes on to hold
    Damaged,
    /// a word that this version does not know; to be treated as [`TenantStatus::Suspended`]
    #[serde(other)]
    Unknown,
}

/// One version of a tenant's seed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct KeyVersion {
    /// The version, unique within the tenant, from 1.
    pub version: u32,
    /// The seed: standard base64 of at least 32 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<WireSecret>,
    /// Whether it seals; all versions open.
    #[serde(default)]
    pub primary: bool,
    /// Where it is in its life; `active` if absent. A primary version of another state does not seal, and nor does any
    /// other version in its place.
    #[serde(default, skip_serializing_if = "KeyState::is_active")]
    pub state: KeyState,
    /// When it was added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

/// A credential of a tenant.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct TenantAccessKey {
    /// The access key id, unique among all tenants.
    pub id: String,
    /// The secret access key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<WireSecret>,
    /// Refused from this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Refused before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// Refused from other addresses than these, such as `192.0.2.0/24`; from anywhere if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_cidrs: Vec<String>,
    /// Refused altogether.
    #[serde(default)]
    pub disabled: bool,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

impl Tenant {
    /// The tombstone of a tenant that was deleted at this revision.
    #[must_use]
    pub fn tombstone(id: String, revision: u64) -> Self {
        Self {
            id,
            revision,
            status: TenantStatus::Deleted,
            zero_knowledge: false,
            fragment_id: None,
            keys: Vec::new(),
            key_seed: None,
            access_keys: Vec::new(),
            bucket_prefix: None,
        }
    }

    /// A tenant whose record cannot be trusted.
    #[must_use]
    pub fn damaged(id: String, revision: u64) -> Self {
        Self { status: TenantStatus::Damaged, ..Self::tombstone(id, revision) }
    }

    /// Whether the tenant makes sense by itself; gives its id and where its buckets lie. What a seed decodes to is not
    /// looked at.
    ///
    /// # Errors
    /// [`TenantError`]; it holds nothing secret.
    pub fn check(&self) -> Result<(TenantId, BucketPrefix), TenantError> {
        let id = TenantId::new(&self.id)?;
        let prefix = BucketPrefix::new(self.bucket_prefix.as_deref().unwrap_or_default())?;
        if self.zero_knowledge && (self.key_seed.is_some() || !self.keys.is_empty()) {
            return Err(TenantError::PrivateWithSeed);
        }
        if self.key_seed.is_some() && !self.keys.is_empty() {
            return Err(TenantError::SeedTwice);
        }
        Ok((id, prefix))
    }
}

/// Why a tenant makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TenantError {
    /// the id
    #[error(transparent)]
    Id(#[from] TenantIdError),
    /// the prefix
    #[error(transparent)]
    Prefix(#[from] BucketPrefixError),
    /// a private tenant's seeds are nothing for the Coordinator
    #[error("a private tenant (zero_knowledge) must not have an inline seed")]
    PrivateWithSeed,
    /// `key_seed` is short for one version; both together contradict each other
    #[error("a tenant has either key_seed or keys")]
    SeedTwice,
}

/// May list and read tenants, without their secrets.
pub const SCOPE_TENANTS_READ: &str = "tenants:read";
/// Sees seeds and secret access keys in what it may read.
pub const SCOPE_TENANTS_KEYS: &str = "tenants:keys";
/// May create, change, rotate and delete.
pub const SCOPE_TENANTS_WRITE: &str = "tenants:write";
/// May tell how a gateway is.
pub const SCOPE_STATUS_WRITE: &str = "status:write";
/// The media type of pages as lines: a [`PageHead`], then one [`Tenant`] a line.
pub const NDJSON: &str = "application/x-ndjson";
/// The media type of a [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";
/// The most tenants of a page.
pub const PAGE_ITEMS_MAX: u32 = 10_000;
/// The longest time that a poll may wait, seconds.
pub const WAIT_SECONDS_MAX: u64 = 300;

#[cfg(test)]
mod tests;
