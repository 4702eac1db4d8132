//! The `backend` section: what may be written, and from there to typed settings.

use std::path::PathBuf;
use std::time::Duration;

use aws_credential_types::Credentials;
use http::Uri;
use http::uri::Scheme;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::GoDuration;
use super::error::Problem;
use crate::backend::BucketName;
use crate::backend::s3::{
    ATTEMPTS_MAX, CredentialsFrom, Endpoint, KnownFeatures, Pool, S3Settings, TenantCredentials, Timeouts,
};
use crate::keys::secret::SecretText;
use crate::tenant::BucketPrefix;

/// Where sealed objects are stored. Which fields apply depends on `type`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Backend")]
pub(super) struct RawBackend {
    /// `local` or `s3`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// The folder of a local store; `./sealgate-data` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    /// The address of an S3 store: `https://host` or `http://host:port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) endpoint: Option<String>,
    /// The region to sign for; `us-east-1` if absent, or with ambient credentials that of the ambient AWS configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) region: Option<String>,
    /// The access key id; the ambient AWS chain if absent: environment, profile, web identity, container, instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) access_key_id: Option<String>,
    /// The secret access key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret_access_key: Option<SecretText>,
    /// Whether buckets are named in the path (the default) rather than in the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path_style: Option<bool>,
    /// A file with the authorities that may sign the store's certificate, PEM; the system's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ca_file: Option<String>,
    /// How long to wait for the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timeouts: Option<RawTimeouts>,
    /// Connections without a request that are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pool: Option<RawPool>,
    /// How often a call that can be repeated is tried in all; 3 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attempts_max: Option<u32>,
    /// Whether a body that is not held waits for the store to want it (`Expect: 100-continue`), so that what is refused at
    /// once is refused before a byte of it was sent; false if absent. Not for a store that makes an empty object of a
    /// request that is cut behind its head. A store that does not answer is not asked again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expect_continue: Option<bool>,
    /// Whether a body that is not held is followed by its checksum (CRC64NVME), for the store to check; false if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trailer_checksum: Option<bool>,
    /// What the store has or lacks; what is absent is found out at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) features: Option<RawFeatures>,
    /// Other credentials for the buckets of some tenants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tenants: Option<Vec<RawTenantCredentials>>,
    /// The bucket in which multipart uploads under way keep their records.
    pub(super) staging_bucket: String,
}

/// How long to wait for an S3 store. A transfer may take as long as it moves.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "BackendTimeouts")]
pub(super) struct RawTimeouts {
    /// For a connection; 5s if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    connect: Option<GoDuration>,
    /// From the end of a request to the first byte of its answer; 1m if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte: Option<GoDuration>,
    /// As `first_byte`, for copies and completed uploads; 10m if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy: Option<GoDuration>,
    /// Between two pieces of an answer; 30s if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    idle: Option<GoDuration>,
}

/// Connections without a request that are kept.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "BackendPool")]
pub(super) struct RawPool {
    /// At most so many; 256 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_max: Option<u32>,
    /// Closed after so long; 20s if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_timeout: Option<GoDuration>,
}

/// What an S3 store has (true) or lacks (false). What it lacks is refused, rather than promised and not held to.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "BackendFeatures")]
pub(super) struct RawFeatures {
    /// It holds to `If-Match` and `If-None-Match` of `PutObject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    conditional_puts: Option<bool>,
    /// It holds to those of `CompleteMultipartUpload`.
    #[serde(skip_serializing_if = "Option::is_none")]
    conditional_completes: Option<bool>,
    /// It holds to those of `CopyObject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    conditional_copies: Option<bool>,
    /// It holds to `If-Match` of `DeleteObject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    conditional_deletes: Option<bool>,
    /// It takes the entity tags of these in quotes; without it they are sent without.
    #[serde(skip_serializing_if = "Option::is_none")]
    quoted_tags: Option<bool>,
    /// Entity tags of multipart objects end in the count of parts; without it multipart uploads are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    part_counts: Option<bool>,
    /// It copies parts of an upload from objects; without it such parts go through the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    part_copies: Option<bool>,
    /// It tells requests about settings (`?cors`, `?acl`, …) from those about the bucket or object itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<bool>,
    /// It keeps versions of objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    versioning: Option<bool>,
    /// It locks versions of objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    object_lock: Option<bool>,
    /// It keeps tags of objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<bool>,
    /// It takes a checksum behind a body and refuses a body of another one; else `trailer_checksum` is as if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    trailer_checksums: Option<bool>,
    /// It answers `Expect: 100-continue`; else `expect_continue` is as if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    expect_continue: Option<bool>,
}

/// The credentials with which the buckets of a tenant are reached.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BackendTenant")]
pub(super) struct RawTenantCredentials {
    /// What the names of the buckets start with, as `tenants[].bucket_prefix` says.
    bucket_prefix: String,
    /// The access key id.
    access_key_id: String,
    /// The secret access key.
    secret_access_key: SecretText,
}

impl Default for RawBackend {
    fn default() -> Self {
        Self {
            kind: "local".into(),
            path: None,
            endpoint: None,
            region: None,
            access_key_id: None,
            secret_access_key: None,
            path_style: None,
            ca_file: None,
            timeouts: None,
            pool: None,
            attempts_max: None,
            expect_continue: None,
            trailer_checksum: None,
            features: None,
            tenants: None,
            staging_bucket: "sealgate-staging".into(),
        }
    }
}

/// Where sealed objects are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendSettings {
    /// which store
    pub store: Store,
    /// the bucket in which multipart uploads under way keep their records; no client's bucket
    pub staging_bucket: BucketName,
}

impl BackendSettings {
    /// The ids of the access keys with which the gateway itself signs there.
    pub fn access_key_ids(&self) -> impl Iterator<Item = &str> {
        let settings = match &self.store {
            Store::Local { .. } => None,
            Store::S3(settings) => Some(settings),
        };
        settings.into_iter().flat_map(|settings| settings.access_key_ids())
    }
}

/// A store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// the embedded one
    Local {
        /// its folder
        path: PathBuf,
    },
    /// any S3-compatible one
    S3(Box<S3Settings>),
}

/// The store; what is wrong is added to `problems`.
pub(super) fn convert(raw: &mut RawBackend, problems: &mut Vec<Problem>) -> Option<BackendSettings> {
    let staging_bucket = match BucketPrefix::empty().to_backend(&raw.staging_bucket) {
        Ok(bucket) => Some(bucket),
        Err(error) => {
            problems.push(value("staging_bucket", &error.to_string()));
            None
        }
    };
    let store = match raw.kind.as_str() {
        "local" => {
            refuse_s3_fields(raw, problems);
            let path = raw.path.as_deref().unwrap_or(DATA_DIR);
            if path.is_empty() {
                problems.push(Problem::Missing { path: "backend.path".into() });
            }
            Some(Store::Local { path: path.into() })
        }
        "s3" => {
            if raw.path.is_some() {
                problems.push(Problem::OtherMode { path: "backend.path".into(), mode: "type s3".into() });
            }
            s3(raw, problems).map(|settings| Store::S3(Box::new(settings)))
        }
        _ => {
            problems.push(value("type", "must be local or s3"));
            None
        }
    };
    Some(BackendSettings { store: store?, staging_bucket: staging_bucket? })
}

fn refuse_s3_fields(raw: &RawBackend, problems: &mut Vec<Problem>) {
    let s3_fields = [
        ("endpoint", raw.endpoint.is_some()),
        ("region", raw.region.is_some()),
        ("access_key_id", raw.access_key_id.is_some()),
        ("secret_access_key", raw.secret_access_key.is_some()),
        ("path_style", raw.path_style.is_some()),
        ("ca_file", raw.ca_file.is_some()),
        ("timeouts", raw.timeouts.is_some()),
        ("pool", raw.pool.is_some()),
        ("attempts_max", raw.attempts_max.is_some()),
        ("expect_continue", raw.expect_continue.is_some()),
        ("trailer_checksum", raw.trailer_checksum.is_some()),
        ("features", raw.features.is_some()),
        ("tenants", raw.tenants.is_some()),
    ];
    for (field, _) in s3_fields.iter().filter(|(_, is_given)| *is_given) {
        problems.push(Problem::OtherMode { path: format!("backend.{field}"), mode: "type local".into() });
    }
}

fn s3(raw: &mut RawBackend, problems: &mut Vec<Problem>) -> Option<S3Settings> {
    let endpoint = endpoint(raw, problems);
    let credentials = match (raw.access_key_id.take(), raw.secret_access_key.take()) {
        (None, None) => Some(CredentialsFrom::Ambient),
        (Some(id), Some(secret)) => credentials(&id, &secret, "", problems).map(CredentialsFrom::Configuration),
        (Some(_), None) => missing("secret_access_key", problems),
        (None, Some(_)) => missing("access_key_id", problems),
    };
    let tenants = tenants(raw.tenants.take().unwrap_or_default(), problems);
    let attempts_max = raw.attempts_max.unwrap_or(ATTEMPTS_MAX);
    if !(1..=ATTEMPTS_LIMIT).contains(&attempts_max) {
        problems.push(value("attempts_max", "must be from 1 to 10"));
    }
    if raw.region.as_deref().is_some_and(str::is_empty) {
        problems.push(Problem::Missing { path: "backend.region".into() });
    }
    let settings = S3Settings {
        region: raw.region.clone(),
        tenants,
        ca_file: raw.ca_file.as_ref().map(PathBuf::from),
        timeouts: timeouts(raw.timeouts.as_ref()),
        pool: pool(raw.pool.as_ref()),
        attempts_max,
        expect_continue: raw.expect_continue.unwrap_or(false),
        trailer_checksum: raw.trailer_checksum.unwrap_or(false),
        features: features(raw.features.as_ref()),
        ..S3Settings::new(endpoint?, credentials?)
    };
    Some(settings)
}

fn endpoint(raw: &RawBackend, problems: &mut Vec<Problem>) -> Option<Endpoint> {
    let Some(text) = raw.endpoint.as_deref().filter(|text| !text.is_empty()) else {
        return missing("endpoint", problems);
    };
    let parts = text.parse::<Uri>().ok().map(Uri::into_parts);
    let endpoint = parts.and_then(|parts| {
        let is_bare = parts.path_and_query.is_none_or(|path| path.as_str() == "/");
        let authority = parts.authority.filter(|authority| is_bare && !authority.as_str().contains('@'))?;
        let scheme = parts.scheme.filter(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme))?;
        Some(Endpoint { scheme, authority, path_style: raw.path_style.unwrap_or(true) })
    });
    if endpoint.is_none() {
        problems.push(value("endpoint", "must be https://host[:port] or http://host[:port], without a path"));
    }
    endpoint
}

fn tenants(raw: Vec<RawTenantCredentials>, problems: &mut Vec<Problem>) -> Vec<TenantCredentials> {
    let mut tenants = Vec::new();
    for (at, tenant) in raw.into_iter().enumerate() {
        let place = format!("tenants[{at}].");
        if tenant.bucket_prefix.is_empty() || BucketPrefix::new(&tenant.bucket_prefix).is_err() {
            problems.push(value(&format!("{place}bucket_prefix"), "must be the bucket prefix of a tenant"));
            continue;
        }
        let own = credentials(&tenant.access_key_id, &tenant.secret_access_key, &place, problems);
        tenants.extend(own.map(|credentials| TenantCredentials { bucket_prefix: tenant.bucket_prefix, credentials }));
    }
    tenants
}

fn credentials(id: &str, secret: &SecretText, place: &str, problems: &mut Vec<Problem>) -> Option<Credentials> {
    if id.is_empty() {
        return missing(&format!("{place}access_key_id"), problems);
    }
    if secret.is_empty() {
        return missing(&format!("{place}secret_access_key"), problems);
    }
    Some(Credentials::new(id, secret.expose(), None, None, "configuration"))
}

fn timeouts(raw: Option<&RawTimeouts>) -> Timeouts {
    let mut timeouts = Timeouts::default();
    if let Some(raw) = raw {
        set(&mut timeouts.connect, raw.connect);
        set(&mut timeouts.first_byte, raw.first_byte);
        set(&mut timeouts.copy, raw.copy);
        set(&mut timeouts.idle, raw.idle);
    }
    timeouts
}

fn features(raw: Option<&RawFeatures>) -> KnownFeatures {
    raw.map_or_else(KnownFeatures::default, |raw| KnownFeatures {
        conditional_puts: raw.conditional_puts,
        conditional_completes: raw.conditional_completes,
        conditional_copies: raw.conditional_copies,
        conditional_deletes: raw.conditional_deletes,
        quoted_tags: raw.quoted_tags,
        part_counts: raw.part_counts,
        part_copies: raw.part_copies,
        settings: raw.settings,
        versioning: raw.versioning,
        object_lock: raw.object_lock,
        tags: raw.tags,
        trailer_checksums: raw.trailer_checksums,
        expect_continue: raw.expect_continue,
    })
}

fn pool(raw: Option<&RawPool>) -> Pool {
    let mut pool = Pool::default();
    if let Some(raw) = raw {
        pool.idle_max = raw.idle_max.unwrap_or(pool.idle_max);
        set(&mut pool.idle_timeout, raw.idle_timeout);
    }
    pool
}

fn set(duration: &mut Duration, given: Option<GoDuration>) {
    *duration = given.map_or(*duration, GoDuration::get);
}

fn missing<T>(field: &str, problems: &mut Vec<Problem>) -> Option<T> {
    problems.push(Problem::Missing { path: format!("backend.{field}") });
    None
}

fn value(field: &str, reason: &str) -> Problem {
    Problem::Value { path: format!("backend.{field}"), reason: reason.into() }
}

const DATA_DIR: &str = "./sealgate-data";
/// The most tries of one call that may be asked for.
const ATTEMPTS_LIMIT: u32 = 10;

#[cfg(test)]
mod tests;
