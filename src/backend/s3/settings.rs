//! How an S3 store is reached: what the configuration says of it, typed.

use std::path::PathBuf;
use std::time::Duration;

use aws_credential_types::Credentials;
use http::uri::{Authority, Scheme};

use super::features::KnownFeatures;

/// An S3 store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Settings {
    /// where it listens
    pub endpoint: Endpoint,
    /// the region to sign for; if none, that of the ambient AWS configuration with ambient credentials, else `us-east-1`
    pub region: Option<String>,
    /// who to sign as
    pub credentials: CredentialsFrom,
    /// who to sign as for buckets whose names start so, in place of `credentials`
    pub tenants: Vec<TenantCredentials>,
    /// authorities that may sign the server's certificate, PEM; the system's if none
    pub ca_file: Option<PathBuf>,
    /// how long to wait for what
    pub timeouts: Timeouts,
    /// connections without a request that are kept
    pub pool: Pool,
    /// how often a call is tried in all
    pub attempts_max: u32,
    /// whether bodies that stream wait until the store wants them; not for a store that takes a request cut behind its head
    /// for one with an empty body
    pub expect_continue: bool,
    /// whether bodies that stream have a CRC64NVME behind them, for the store to check
    pub trailer_checksum: bool,
    /// what the store is known to have or lack
    pub features: KnownFeatures,
}

impl S3Settings {
    /// The ids of the access keys that are signed with, but for ambient ones, which change.
    pub fn access_key_ids(&self) -> impl Iterator<Item = &str> {
        let own = match &self.credentials {
            CredentialsFrom::Configuration(credentials) => Some(credentials),
            CredentialsFrom::Ambient => None,
        };
        own.into_iter().chain(self.tenants.iter().map(|tenant| &tenant.credentials)).map(Credentials::access_key_id)
    }
}

/// Where a store listens and how buckets are named there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `http` or `https`
    pub scheme: Scheme,
    /// host and port
    pub authority: Authority,
    /// buckets are named in the path rather than in the host
    pub path_style: bool,
}

/// Where credentials come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialsFrom {
    /// the configuration
    Configuration(Credentials),
    /// the ambient AWS chain: environment, profile, web identity, container, instance
    Ambient,
}

/// The credentials of one tenant at the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantCredentials {
    /// what the names of the tenant's buckets start with; never empty
    pub bucket_prefix: String,
    /// who to sign as
    pub credentials: Credentials,
}

/// How long to wait. There is no limit to a whole transfer, only to one that stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// for a connection, its TLS handshake apart
    pub connect: Duration,
    /// from the end of a request to the head of its answer; also for the store to take the next piece of a body
    pub first_byte: Duration,
    /// as `first_byte`, for calls that move a whole object within the store: copies and completed uploads
    pub copy: Duration,
    /// between two pieces of an answer
    pub idle: Duration,
}

/// Connections without a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// at most so many
    pub idle_max: u32,
    /// closed after so long; keep it under what the store grants
    pub idle_timeout: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_mins(1),
            copy: Duration::from_mins(10),
            idle: Duration::from_secs(30),
        }
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self { idle_max: 256, idle_timeout: Duration::from_secs(20) }
    }
}

impl S3Settings {
    /// A store at `endpoint`, signed for with `credentials`; everything else as it is by default.
    #[must_use]
    pub fn new(endpoint: Endpoint, credentials: CredentialsFrom) -> Self {
        Self {
            endpoint,
            region: None,
            credentials,
            tenants: Vec::new(),
            ca_file: None,
            timeouts: Timeouts::default(),
            pool: Pool::default(),
            attempts_max: ATTEMPTS_MAX,
            expect_continue: false,
            trailer_checksum: false,
            features: KnownFeatures::default(),
        }
    }
}

/// How often a call is tried unless the configuration says otherwise.
pub const ATTEMPTS_MAX: u32 = 3;
