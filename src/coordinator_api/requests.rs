//! What administrators send. Read strictly: an unknown field is refused.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{KeyVersion, TenantAccessKey, TenantStatus, WireSecret};

/// `PUT /v1/tenants/{id}`: a tenant as it shall be.
///
/// Keys and access keys can be brought along by a new tenant only; those of one that is there have calls of their own,
/// and stay. A new public tenant without a seed gets one.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantSpec {
    /// The id once more; may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `active` if absent.
    #[serde(default)]
    pub status: TenantStatus,
    /// Whether the seeds are kept from the Coordinator. Cannot be changed.
    #[serde(default)]
    pub zero_knowledge: bool,
    /// The customer fragment that is joined to each seed. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragment_id: Option<String>,
    /// Seeds to bring along, exactly one of them primary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyVersion>,
    /// One seed to bring along, in place of `keys`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_seed: Option<WireSecret>,
    /// Credentials to bring along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_keys: Vec<TenantAccessKey>,
    /// What its bucket names start with on the backend; a random one for a new tenant if absent, else as it was. Cannot
    /// be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_prefix: Option<String>,
}

/// `PATCH /v1/tenants/{id}` (JSON Merge Patch, RFC 7396): what can be changed of a tenant.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantPatch {
    /// `active` or `suspended`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TenantStatus>,
}

/// `POST /v1/tenants/{id}/keys:rotate`: a new primary version; those before stay for opening.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The new seed; a random one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<WireSecret>,
}

/// `POST /v1/tenants/{id}/access-keys`: a new credential.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessKeySpec {
    /// The access key id; a random one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The secret access key; a random one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<WireSecret>,
    /// Refused from this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Refused before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// Refused from other addresses than these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_cidrs: Vec<String>,
    /// Refused altogether.
    #[serde(default)]
    pub disabled: bool,
}
