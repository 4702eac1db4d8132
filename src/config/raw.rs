//! The configuration as it is written: one struct per section, every field documented for the published JSON Schema.
//!
//! These shapes only say what may be written. What it means is decided by the conversions beside them
//! ([`super::crypto`], [`super::tenants`], [`super::sections`]). Serializing them shows the effective configuration with
//! secrets masked.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::backend::RawBackend;
use super::cluster::RawCluster;
use super::duration::GoDuration;
use super::operation::{RawAudit, RawListen, RawTelemetry};
use crate::keys::secret::SecretText;

/// The sections of the gateway's two configuration files. They may hold sections of other programs beside these.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[derive(Default)]
#[schemars(rename = "Configuration")]
pub(super) struct RawConfig {
    /// How tenants' encryption keys are found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) crypto: Option<RawCrypto>,
    /// The service that knows the tenants, for `remote-multi-keys`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) coordinator: Option<RawCoordinator>,
    /// Which gateways belong together.
    pub(super) cluster: RawCluster,
    /// Who may use the gateway. Without it there is one tenant, `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tenants: Option<Vec<RawTenant>>,
    /// Where sealed objects are stored.
    pub(super) backend: RawBackend,
    /// The addresses to listen on.
    pub(super) listen: RawListen,
    /// How much may be under way at once.
    pub(super) limits: RawLimits,
    /// What requests may carry: how they may be signed, and whether they may bring keys of their own.
    pub(super) auth: RawAuth,
    /// Audit records.
    pub(super) audit: RawAudit,
    /// Logs.
    pub(super) telemetry: RawTelemetry,
}

/// How tenants' encryption keys are found. Which fields apply depends on `mode`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Crypto")]
pub(super) struct RawCrypto {
    /// `single-key`, `local-multi-keys` or `remote-multi-keys`.
    #[serde(default = "single_key")]
    pub(super) mode: String,
    /// The longest time between two refreshes of the keys. Required in both multi modes; 1h is a good choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) update_period: Option<GoDuration>,
    /// The seed of the one key of `single-key`: base64 of at least 32 bytes, for example of `openssl rand -base64 48`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_seed: Option<SecretText>,
    /// The seeds of tenants, by tenant id: all of them in `local-multi-keys`, the first choice for private tenants in
    /// `remote-multi-keys`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tenant_keys: Option<BTreeMap<String, RawTenantKeys>>,
    /// The tenant whose key serves tenants that have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) default_key: Option<String>,
    /// The KMS that holds the keys of private tenants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kms_config: Option<RawKms>,
    /// The file of customer fragments; `/opt/fragments/customer_fragments.json` if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer_fragments_file: Option<String>,
    /// The version of the completion records that multipart objects are written with: 1 (default), or 2, which also tells
    /// apart the attempts at each part. All versions are read, but a gateway before 0.2 reads version 1 alone: 2 is for
    /// when no such gateway runs any more. Counts after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2))]
    pub(super) record_version: Option<u8>,
    /// How many keys that no source names any more stay per tenant, for opening.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retired_keys_max: Option<u32>,
    /// What a pre-active key does: `refuse` (default), or `open` what it sealed. It never seals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pre_active: Option<String>,
    /// How long keys seal that their source did not confirm; then they only open. At least twice `update_period`;
    /// without limit if absent. Only in `remote-multi-keys`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seal_max_age: Option<GoDuration>,
    /// What a definite "no such key" of the KMS does to a key that was good: `keep` (default) or `revoke`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) on_key_missing: Option<String>,
    /// A file that keeps keys and tenants, sealed, over a restart while the Coordinator or the KMS is out. Only in
    /// `remote-multi-keys`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) snapshot_file: Option<String>,
    /// What the snapshot is sealed with: base64 of at least 32 bytes, for the snapshot alone. The environment variable
    /// `SEALGATE_SNAPSHOT_KEY` stands in for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) snapshot_key: Option<SecretText>,
    /// A snapshot whose keys the Coordinator last confirmed longer ago than this is not used; 168h if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) snapshot_max_age: Option<GoDuration>,
}

/// The keys of one tenant: a base64 seed, or versions of it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "TenantKeys")]
pub(super) enum RawTenantKeys {
    /// One seed: base64 of at least 32 bytes.
    Seed(SecretText),
    /// Several versions, or a customer fragment.
    Versions(RawKeyVersions),
}

/// The versions of a tenant's seed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "KeyVersions")]
pub(super) struct RawKeyVersions {
    /// The customer fragment that is joined to every seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fragment_id: Option<String>,
    /// The seeds; exactly one of several is primary.
    pub(super) keys: Vec<RawKeyVersion>,
}

/// One version of a tenant's seed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "KeyVersion")]
pub(super) struct RawKeyVersion {
    /// Unique within the tenant.
    pub(super) version: u32,
    /// Base64 of at least 32 bytes.
    pub(super) seed: SecretText,
    /// Whether new objects are sealed with it; every version opens.
    #[serde(default)]
    pub(super) primary: bool,
    /// `active` (default), `pre-active`, `deactivated` or `compromised`: only an active version seals, and no other one in
    /// the place of a primary one that is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<String>,
}

/// A KMS that speaks KMIP 1.4.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
#[schemars(rename = "Kms")]
pub(super) struct RawKms {
    /// The server.
    pub(super) kmip: RawKmip,
    /// How to reach it: mutual TLS.
    pub(super) tls: RawKmsTls,
}

/// A KMIP server.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Kmip")]
pub(super) struct RawKmip {
    /// Host name and port, `kms.example.com:5696`; several, with commas between them, are tried in this order.
    pub(super) address: String,
    /// Must be 1.
    pub(super) major_version: u32,
    /// Must be 4.
    pub(super) minor_version: u32,
    /// The longest time for a connection, and for each answer; 10s if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timeout: Option<GoDuration>,
    /// Whether an object's Name is read back before its key is taken. Only for a server that refuses Get Attributes:
    /// false.
    pub(super) verify_name: bool,
}

impl Default for RawKmip {
    fn default() -> Self {
        Self { address: String::new(), major_version: 0, minor_version: 0, timeout: None, verify_name: true }
    }
}

/// TLS towards the KMS.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "KmsTls")]
pub(super) struct RawKmsTls {
    /// The client's private key, PEM.
    pub(super) key: SecretText,
    /// The client's certificate, PEM.
    pub(super) cert: String,
    /// The authorities that may sign the server's certificate, PEM; the system's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ca: Option<String>,
    /// The name that the server's certificate must have; the host of the address if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_name: Option<String>,
    /// The cipher suites that may be used, as TLS numbers; a safe default if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cipher_suites: Option<Vec<u16>>,
    /// Accepts any server certificate. For tests only.
    pub(super) insecure_skip_verify: bool,
}

impl Default for RawKmsTls {
    fn default() -> Self {
        let key = SecretText::new(String::new());
        Self { key, cert: String::new(), ca: None, server_name: None, cipher_suites: None, insecure_skip_verify: false }
    }
}

/// The Coordinator.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Coordinator")]
pub(super) struct RawCoordinator {
    /// Its address, `https://...`.
    pub(super) url: String,
    /// The file that holds the bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token_file: Option<String>,
    /// TLS files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tls: Option<RawCoordinatorTls>,
}

/// TLS files towards the Coordinator, PEM.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "CoordinatorTls")]
pub(super) struct RawCoordinatorTls {
    /// The authorities that may sign the server's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ca: Option<String>,
    /// The client's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cert: Option<String>,
    /// The client's private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
}

/// A tenant: its access keys and where its buckets lie.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tenant")]
pub(super) struct RawTenant {
    /// 1 to 64 letters, digits, `.`, `_` and `-`; often a UUID.
    pub(super) id: String,
    /// The access keys that act for it.
    #[serde(default)]
    pub(super) access_keys: Vec<RawAccessKey>,
    /// What its bucket names start with on the backend. No tenant's prefix may begin another's.
    #[serde(default)]
    pub(super) bucket_prefix: String,
    /// Its buckets whose objects anyone may read without signing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) public_read_buckets: Vec<String>,
}

/// An access key.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AccessKey")]
pub(super) struct RawAccessKey {
    /// The access key id.
    pub(super) id: String,
    /// The secret access key.
    pub(super) secret: SecretText,
    /// Refused from this time on (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<String>,
    /// Refused before this time (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) not_before: Option<String>,
    /// Refused from other addresses than these, such as `192.0.2.0/24`; from anywhere if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) allowed_cidrs: Vec<String>,
    /// Refused altogether.
    #[serde(default)]
    pub(super) disabled: bool,
    /// What the key may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<Value>,
}

/// How much may be under way at once; what is beyond is answered 503 `SlowDown`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Limits")]
pub(super) struct RawLimits {
    /// Requests.
    pub(super) in_flight_requests_max: u32,
    /// Bytes of bodies held by the gateway.
    pub(super) in_flight_bytes_max: u64,
    /// Open connections; for further ones idle ones give way, or they wait.
    pub(super) connections_max: u32,
    /// How long the fields of a form or a document in XML may take to come, beside a second for each 16 KiB.
    pub(super) document_timeout: GoDuration,
    /// At the end, how long requests under way may take to end.
    pub(super) drain_timeout: GoDuration,
    /// At the end, how long requests are still accepted while the gateway says that it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shutdown_delay: Option<GoDuration>,
    /// How long a multipart upload may be open; then it takes no more parts, cannot be completed, and is aborted.
    pub(super) upload_max_age: GoDuration,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            in_flight_requests_max: 1024,
            in_flight_bytes_max: 256 << 20,
            connections_max: 10_000,
            document_timeout: GoDuration::of_seconds(30),
            drain_timeout: GoDuration::of_seconds(30),
            shutdown_delay: None,
            upload_max_age: GoDuration::of_seconds(30 * 24 * 3600),
        }
    }
}

/// What requests may carry: how they may be signed, and whether they may bring keys of their own.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Auth")]
pub(super) struct RawAuth {
    /// Accepts presigned URLs of the old signature version 2.
    pub(super) allow_sigv2_presigned: bool,
    /// Accepts customer-provided keys (SSE-C) for new objects: such an object opens with the tenant's key and the client's
    /// together. Objects that were written with one can be read in any case.
    pub(super) allow_sse_c: bool,
}

fn single_key() -> String {
    "single-key".into()
}

impl<'de> Deserialize<'de> for RawTenantKeys {
    /// By hand, because an untagged enum would copy the seeds on its way.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RawTenantKeys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a seed or versions of it")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RawTenantKeys, E> {
                self.visit_string(text.to_owned())
            }

            fn visit_string<E>(self, text: String) -> Result<RawTenantKeys, E> {
                Ok(RawTenantKeys::Seed(SecretText::new(text)))
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<RawTenantKeys, A::Error> {
                RawKeyVersions::deserialize(MapAccessDeserializer::new(entries)).map(RawTenantKeys::Versions)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
