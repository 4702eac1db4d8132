//! The configuration: two JSON files, merged, checked as a whole, and turned into the settings of each module.
//!
//! ```text
//! application.json (ConfigMap) ─┐                        ┌─ schema: unknown fields, types
//! application.json (Secret) ────┴─ merge, Secret wins ───┴─ per section: mode, ranges, ids ─→ Config
//! customer_fragments.json, SEALGATE_CUSTOMER_FRAGMENTS ──────────────────────────────────────┘
//! ```
//!
//! Either file may be absent. Sections of other programs may stand beside ours; ours are strict. All that is wrong is
//! reported at once, by place and without values. Periods are Go durations, sizes bytes, times RFC 3339.

mod backend;
mod cluster;
mod crypto;
mod duration;
mod error;
mod operation;
mod raw;
pub mod schema;
mod sections;
mod shape;
mod source;
mod tenants;
pub mod watch;

use std::fmt;
use std::mem::{Discriminant, discriminant};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroize as _;

use crate::keys::access::AccessKeys;
use crate::keys::fragment::{Fragments, FragmentsError};
use crate::keys::secret::SecretText;
use crate::keys::settings::KeySettings;
use crate::seal::{ClusterKeys, RecordVersion};
use crate::telemetry::audit;
pub use backend::{BackendSettings, Store};
pub use cluster::Cluster;
pub use duration::{DurationError, GoDuration};
pub use error::{ConfigError, Problem};
pub use operation::{Listen, Logging, TlsFiles};
use raw::RawConfig;
pub use sections::{Auth, Limits};
pub use source::FilePath;

/// What the gateway runs with.
#[derive(Debug)]
pub struct Config {
    /// how tenants' encryption keys are found
    pub keys: KeySettings,
    /// of the completion records that are written
    pub record_version: RecordVersion,
    /// which gateways belong together
    pub cluster: Cluster,
    /// what they seal records of their own with; none given: a local store keeps a key of its own
    pub cluster_keys: Option<Arc<ClusterKeys>>,
    /// the file that has these keys, if one is named
    pub cluster_keys_file: Option<PathBuf>,
    /// another gateway is the active one
    pub is_standby: bool,
    /// the access keys; none configured: one is generated at the first start, for the tenant `default`
    pub access_keys: Option<AccessKeys>,
    /// where sealed objects are stored
    pub backend: BackendSettings,
    /// the addresses to listen on
    pub listen: Listen,
    /// how much may be under way at once
    pub limits: Limits,
    /// what requests may carry
    pub auth: Auth,
    /// where audit records go; none: there are none
    pub audit: Option<audit::Settings>,
    /// how log lines look
    pub logging: Logging,
}

impl Config {
    /// The folder for what the first start generates; none if nothing needs to be generated.
    #[must_use]
    pub fn first_start_dir(&self) -> Option<&Path> {
        let Store::Local { path } = &self.backend.store else { return None };
        let is_told = matches!(self.keys, KeySettings::RemoteMultiKeys(_));
        (matches!(self.keys, KeySettings::Generated) || (self.access_keys.is_none() && !is_told)).then_some(path)
    }

    /// What cannot change while the gateway runs.
    #[must_use]
    pub fn fixed(&self) -> Fixed {
        Fixed {
            backend: self.backend.clone(),
            listen: self.listen.clone(),
            limits: self.limits,
            auth: self.auth,
            audit: self.audit.clone(),
            logging: self.logging.clone(),
            cluster: self.cluster.clone(),
            has_cluster_keys: self.cluster_keys.is_some(),
            mode: discriminant(&self.keys),
            record_version: self.record_version,
            has_access_keys: self.access_keys.is_some(),
        }
    }
}

/// What cannot change while the gateway runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    backend: BackendSettings,
    listen: Listen,
    limits: Limits,
    auth: Auth,
    audit: Option<audit::Settings>,
    logging: Logging,
    cluster: Cluster,
    has_cluster_keys: bool,
    mode: Discriminant<KeySettings>,
    record_version: RecordVersion,
    has_access_keys: bool,
}

impl Fixed {
    /// The parts in which another configuration differs: they count after a restart.
    #[must_use]
    pub fn changes(&self, other: &Self) -> Vec<&'static str> {
        let changed = [
            ("backend", self.backend != other.backend),
            ("listen", self.listen != other.listen),
            ("limits", self.limits != other.limits),
            ("auth", self.auth != other.auth),
            ("audit", self.audit != other.audit),
            ("telemetry", self.logging != other.logging),
            ("cluster", self.cluster != other.cluster),
            ("cluster.keys", self.has_cluster_keys != other.has_cluster_keys),
            ("crypto.mode", self.mode != other.mode),
            ("crypto.record_version", self.record_version != other.record_version),
            ("tenants", self.has_access_keys != other.has_access_keys),
        ];
        changed.into_iter().filter_map(|(name, is_changed)| is_changed.then_some(name)).collect()
    }
}

/// A configuration with what is to be said about it.
#[derive(Debug)]
pub struct Loaded {
    /// the configuration
    pub config: Config,
    /// the files that were read
    pub files: Vec<PathBuf>,
    /// what should be told to the operator, one sentence each
    pub warnings: Vec<String>,
    /// top-level sections that are not ours, left alone
    pub foreign_sections: Vec<String>,
    /// the sections as they are in force, defaults filled in and secrets masked; JSON
    pub effective: String,
    /// changes when the content of any file changes
    pub digest: Digest,
}

/// What the content of the files hashes to. Not shown: it is an oracle for what the files hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// Where the configuration stands.
#[derive(Clone, Debug)]
pub struct Paths {
    /// the file for what is no secret; a `ConfigMap` in Kubernetes
    pub config: FilePath,
    /// the file for secrets
    pub secret: FilePath,
}

impl Paths {
    /// The paths that the operator gave, by flag or environment, or else the usual ones.
    #[must_use]
    pub fn new(config: Option<PathBuf>, secret: Option<PathBuf>) -> Self {
        Self {
            config: FilePath::named_or(config, "/opt/config/application.json"),
            secret: FilePath::named_or(secret, "/opt/secret/application.json"),
        }
    }
}

/// Reads an environment variable; passed in so that tests need not change the process's own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads and checks the configuration.
///
/// # Errors
/// [`ConfigError`] with every problem that was found.
pub fn load(paths: &Paths, environment: Environment<'_>) -> Result<Loaded, ConfigError> {
    look(paths, environment).1
}

/// What the files hash to, whatever they say, and what they say.
fn look(paths: &Paths, environment: Environment<'_>) -> (Digest, Result<Loaded, ConfigError>) {
    let mut reading = Reading::default();
    let loaded = reading.load(paths, environment);
    let digest = Digest(reading.digest.finalize().into());
    (digest, loaded.map(|loaded| Loaded { digest, ..loaded }))
}

/// What piles up while files are read.
#[derive(Default)]
struct Reading {
    files: Vec<PathBuf>,
    warnings: Vec<String>,
    problems: Vec<Problem>,
    digest: Sha256,
}

impl Reading {
    fn load(&mut self, paths: &Paths, environment: Environment<'_>) -> Result<Loaded, ConfigError> {
        let plain = self.file(&paths.config);
        let secret = self.file(&paths.secret);
        ConfigError::unless_empty(std::mem::take(&mut self.problems))?;
        let secret_places = secrets_in(&plain);
        let mut merged = plain;
        source::merge(&mut merged, secret);
        let foreign_sections = take_foreign(&mut merged, &mut self.warnings);
        self.warn_of_secrets(&paths.config.path, &secret_places);
        if environment("TENANT_ENCRYPTION_KEY_MODE").is_some() {
            self.warnings.push("TENANT_ENCRYPTION_KEY_MODE is set but no longer used; crypto.mode says it".into());
        }
        let mut raw = checked(merged)?;
        self.snapshot_key(&mut raw, environment);
        let cluster_keys = self.cluster_keys(&mut raw, environment);
        let effective = serde_json::to_string_pretty(&raw).unwrap_or_default();
        let fragments = self.fragments(&raw, environment);
        let config = self.config(raw, fragments, cluster_keys, environment);
        ConfigError::unless_empty(std::mem::take(&mut self.problems))?;
        let Some(config) = config else { return Err(Problem::Missing { path: "crypto".into() }.into()) };
        let (files, warnings) = (std::mem::take(&mut self.files), std::mem::take(&mut self.warnings));
        Ok(Loaded { config, files, warnings, foreign_sections, effective, digest: Digest([0; 32]) })
    }

    fn file(&mut self, file: &FilePath) -> Map<String, Value> {
        let parsed = file.read().and_then(|text| match text {
            None => Ok(Map::new()),
            Some(text) => {
                self.note(&file.path, &text);
                source::parse(&file.path, &text)
            }
        });
        parsed.unwrap_or_else(|problem| {
            self.problems.push(problem);
            Map::new()
        })
    }

    fn note(&mut self, path: &Path, text: &str) {
        self.digest.update((text.len() as u64).to_be_bytes());
        self.digest.update(text);
        self.files.push(path.to_owned());
    }

    /// The environment's key of the snapshot, where the files have none.
    fn snapshot_key(&mut self, raw: &mut RawConfig, environment: Environment<'_>) {
        if let Some(crypto) = &mut raw.crypto
            && crypto.snapshot_file.is_some()
            && crypto.snapshot_key.is_none()
            && let Some(text) = environment(SNAPSHOT_KEY_VARIABLE)
        {
            self.digest.update(text.as_bytes());
            crypto.snapshot_key = Some(SecretText::new(text));
        }
    }

    /// The keys of the cluster, from the one place that has them.
    fn cluster_keys(&mut self, raw: &mut RawConfig, environment: Environment<'_>) -> Option<Arc<ClusterKeys>> {
        if let Some(keys) = &raw.cluster.keys {
            if raw.cluster.keys_file.is_some() {
                self.problems.push(sections::value("cluster.keys_file", "does not apply beside cluster.keys"));
            }
            return cluster::keys(keys, "cluster.keys", &mut self.problems);
        }
        if let Some(path) = raw.cluster.keys_path() {
            return match source::read_text(&path) {
                Ok(text) => {
                    self.note(&path, &text);
                    cluster::keys(&cluster::of_text(&text), "cluster.keys_file", &mut self.problems)
                }
                Err(error) => {
                    self.problems.push(Problem::Read { file: path, error });
                    None
                }
            };
        }
        let text = zeroize::Zeroizing::new(environment(CLUSTER_KEYS_VARIABLE)?);
        self.digest.update(text.as_bytes());
        let keys = cluster::of_text(&text);
        let cluster_keys = cluster::keys(&keys, CLUSTER_KEYS_VARIABLE, &mut self.problems);
        raw.cluster.keys = Some(keys);
        cluster_keys
    }

    /// The fragments of the file and of the environment together.
    fn fragments(&mut self, raw: &RawConfig, environment: Environment<'_>) -> Fragments {
        let named = raw.crypto.as_ref().and_then(|crypto| crypto.customer_fragments_file.clone());
        let file = FilePath::named_or(named.map(PathBuf::from), FRAGMENTS_FILE);
        let name = file.path.display().to_string();
        let of_file = match file.read() {
            Ok(None) => Ok(Fragments::default()),
            Ok(Some(text)) => {
                self.note(&file.path, &text);
                Fragments::parse(&name, &text)
            }
            Err(problem) => Err(FragmentsError::Read { file: name, reason: problem.to_string() }),
        };
        let of_environment = match environment(FRAGMENTS_VARIABLE) {
            None => Ok(Fragments::default()),
            Some(text) => {
                let text = zeroize::Zeroizing::new(text);
                self.digest.update(text.as_bytes());
                Fragments::parse(FRAGMENTS_VARIABLE, &text)
            }
        };
        let joined = of_file.and_then(|mut fragments| fragments.join(of_environment?).map(|()| fragments));
        joined.unwrap_or_else(|error| {
            self.problems.push(Problem::Fragments(error));
            Fragments::default()
        })
    }

    fn config(
        &mut self,
        mut raw: RawConfig,
        fragments: Fragments,
        cluster_keys: Option<Arc<ClusterKeys>>,
        environment: Environment<'_>,
    ) -> Option<Config> {
        let problems = &mut self.problems;
        let keys = crypto::convert(&raw, fragments, problems);
        let record_version = crypto::record_version(&raw);
        let backend = backend::convert(&mut raw.backend, problems);
        let listen = operation::listen(&raw.listen, problems);
        let audit = operation::audit(&raw.audit, problems);
        let logging = operation::logging(&raw.telemetry, problems);
        let limits = sections::limits(&raw.limits, problems);
        let auth = sections::auth(&raw.auth);
        let cluster = cluster::names(&raw.cluster, environment, problems);
        if let (Some(tenants), Some(backend)) = (&raw.tenants, &backend) {
            tenants::leave_alone(&backend.staging_bucket, tenants, problems);
        }
        let access_keys = raw.tenants.take().map(|tenants| tenants::convert(tenants, problems));
        let is_shared = backend.as_ref().is_some_and(|backend| matches!(backend.store, Store::S3(_)));
        let is_generated = matches!(keys, Some(KeySettings::Generated));
        let is_told = matches!(keys, Some(KeySettings::RemoteMultiKeys(_)));
        let has_nobody = access_keys.is_none() && !is_told;
        for (path, is_missing) in [("crypto.key_seed", is_generated), ("tenants", has_nobody)] {
            // what the first start generates would be another on every replica
            if is_shared && is_missing {
                problems.push(Problem::Missing { path: path.into() });
            }
        }
        // a mistake in them is told already
        let has_cluster_keys = raw.cluster.keys.is_some() || raw.cluster.keys_file.is_some();
        if is_shared && !has_cluster_keys {
            problems.push(Problem::ClusterKeysRequired);
        }
        for id in backend.iter().flat_map(BackendSettings::access_key_ids) {
            if access_keys.as_ref().is_some_and(|keys| keys.find(id).is_some()) {
                let reason =
                    format!("the access key `{id}` is the gateway's own at the store: give the tenant another");
                problems.push(Problem::Value { path: "tenants".into(), reason });
            }
        }
        if access_keys.as_ref().is_some_and(AccessKeys::is_empty) && problems.is_empty() {
            self.warnings.push("no tenant has an access key: every request will be refused".into());
        }
        let period = raw.crypto.as_ref().and_then(|crypto| crypto.update_period);
        if period.is_some_and(|period| period.get() < PERIOD_WARN) {
            self.warnings.push("crypto.update_period is under 10s; 1h is a good choice".into());
        }
        Some(Config {
            keys: keys?,
            record_version,
            cluster,
            cluster_keys,
            cluster_keys_file: raw.cluster.keys_path(),
            is_standby: raw.cluster.standby,
            access_keys,
            backend: backend?,
            listen: listen?,
            limits,
            auth,
            audit,
            logging,
        })
    }

    /// Secrets belong into the other file, which fewer can read.
    fn warn_of_secrets(&mut self, file: &Path, places: &[String]) {
        if !places.is_empty() {
            let places = places.join(", ");
            self.warnings.push(format!("secret material in non-secret file {}: {places}", file.display()));
        }
    }
}

/// The sections as they may be written, from JSON in which nothing unknown or of a wrong type is left.
fn checked(mut merged: Map<String, Value>) -> Result<RawConfig, ConfigError> {
    let mut problems = Vec::new();
    let value = Value::Object(std::mem::take(&mut merged));
    shape::check(schema::of_config(), &value, "", &mut problems);
    if let Err(error) = ConfigError::unless_empty(problems) {
        wipe(value);
        return Err(error);
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        Problem::Value { path, reason: error.into_inner().to_string() }.into()
    })
}

/// Takes the sections of others out and returns their names; warns of one that looks like a misspelt one of ours.
fn take_foreign(merged: &mut Map<String, Value>, warnings: &mut Vec<String>) -> Vec<String> {
    let ours = schema::section_names();
    let foreign: Vec<String> = merged.keys().filter(|name| !ours.contains(&name.as_str())).cloned().collect();
    for name in &foreign {
        if let Some(meant) = shape::nearest(name, ours.iter().copied()) {
            warnings.push(format!("the section `{name}` is not used; did you mean `{meant}`?"));
        }
        if let Some(section) = merged.remove(name) {
            wipe(section);
        }
    }
    foreign
}

fn secrets_in(plain: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    for (section, value) in plain {
        if let Some(schema) = schema::section(section) {
            shape::secrets(schema, value, section, &mut found);
        }
    }
    found
}

/// Overwrites the texts of a value that is not needed any more.
fn wipe(value: Value) {
    match value {
        Value::String(mut text) => text.zeroize(),
        Value::Array(items) => items.into_iter().for_each(wipe),
        Value::Object(object) => object.into_iter().for_each(|(_, value)| wipe(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The variable that can hold the JSON of customer fragments, where no file can be mounted.
pub const FRAGMENTS_VARIABLE: &str = "SEALGATE_CUSTOMER_FRAGMENTS";
/// The variable that can hold `crypto.snapshot_key`.
pub const SNAPSHOT_KEY_VARIABLE: &str = "SEALGATE_SNAPSHOT_KEY";
/// The variable that can hold the keys of the cluster, apart by white space.
pub const CLUSTER_KEYS_VARIABLE: &str = "SEALGATE_CLUSTER_KEYS";
const FRAGMENTS_FILE: &str = "/opt/fragments/customer_fragments.json";
const PERIOD_WARN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
