//! The Coordinator: a service that tells gateways of their tenants, and lets administrators change them.
//!
//! ```text
//! gateway, administrator → server (TLS, limits) → api (who may, what it means) → tenants (rules, sealing) → store
//!                                                                                                └ SQLite | PostgreSQL
//! ```
//! Seeds and secret access keys are sealed under a key-encryption key before they reach the store. Every change has a
//! revision; a gateway asks for what changed since the one it has, and waits for it. Several coordinators may share one
//! PostgreSQL. Nothing that was acknowledged is lost, whenever the process ends.

pub mod access;
mod api;
mod check;
pub mod kek;
pub mod migration;
pub mod openapi;
mod reading;
mod record;
mod reload;
mod server;
pub mod store;
pub mod tenants;
pub mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::access::AccessError;
use self::kek::Keks;
use self::reload::Files;
use self::store::{PostgresStore, SqliteStore, Store, StoreError};
use self::tenants::{Tenants, TenantsError};
use self::tls::TlsError;

/// What a coordinator must be told.
#[derive(Debug)]
pub struct Config {
    /// where to listen; port 0 picks a free one
    pub listen: SocketAddr,
    /// whether plain HTTP may be served on an address that is not a loopback one
    pub allow_plain_http: bool,
    /// the server's certificate and key, and whose client certificates are taken
    pub tls: tls::TlsFiles,
    /// the file of those who may call
    pub access: PathBuf,
    /// where tenants lie
    pub database: Database,
    /// tombstones kept before the oldest half of them goes
    pub tombstones_max: u32,
    /// begin a new epoch: after an older copy of the database was put back on purpose
    pub new_epoch: bool,
}

/// Where tenants lie.
pub enum Database {
    /// in a file
    Sqlite(PathBuf),
    /// in PostgreSQL
    Postgres {
        /// with user and password
        url: crate::coordinator_api::WireSecret,
        /// the server's authorities, PEM
        ca: Option<PathBuf>,
    },
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(file) => f.debug_tuple("Sqlite").field(file).finish(),
            Self::Postgres { .. } => f.write_str("Postgres"),
        }
    }
}

impl Database {
    /// Opens it, or makes it.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be opened.
    pub async fn open(&self, tombstones_max: u32) -> Result<Arc<dyn Store>, StoreError> {
        match self {
            Self::Sqlite(file) => {
                let file = file.clone();
                let opening = tokio::task::spawn_blocking(move || SqliteStore::open(&file, tombstones_max));
                let store = opening.await.map_err(|error| StoreError::Unavailable(error.into()))??;
                Ok(Arc::new(store))
            }
            Self::Postgres { url, ca } => {
                Ok(Arc::new(PostgresStore::connect(url.expose(), ca.as_deref(), tombstones_max).await?))
            }
        }
    }
}

/// Serves until `stopping` is true; tells `started` where.
///
/// # Errors
/// [`CoordinatorError`]: what keeps it from starting; once it serves, it does not fail.
pub async fn serve(
    config: Config,
    keks: Keks,
    stopping: watch::Receiver<bool>,
    started: impl FnOnce(SocketAddr, bool),
) -> Result<(), CoordinatorError> {
    let mut files = Files::new(&config);
    let (access, tls) = files.read().await?;
    if tls.is_none() && !config.listen.ip().is_loopback() && !config.allow_plain_http {
        return Err(CoordinatorError::PlainHttp);
    }
    let store = config.database.open(config.tombstones_max).await?;
    if config.new_epoch {
        let state = store.renew_epoch().await?;
        tracing::warn!(epoch = state.epoch, "a new epoch begins: every gateway lists anew");
    }
    let tenants = Tenants::open(store, keks).await?;
    let is_tls = tls.is_some();
    let live_tls = Arc::new(ArcSwapOption::from(tls));
    let app = Arc::new(api::Shared { tenants, access: ArcSwap::from_pointee(access), stopping: stopping.clone() });
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| CoordinatorError::Listen { address: config.listen, error })?;
    let address = listener.local_addr().map_err(|error| CoordinatorError::Listen { address: config.listen, error })?;
    let state = app.tenants.store().watch().borrow().clone();
    tracing::info!(%address, tls = is_tls, epoch = state.epoch, revision = state.revision, "serving tenants");
    started(address, is_tls);
    let reloading = tokio::spawn(reload::follow(files, Arc::clone(&app), Arc::clone(&live_tls)));
    server::serve(listener, api::router(&app), live_tls, stopping).await;
    reloading.abort();
    tracing::info!("stopped");
    Ok(())
}

/// Why a coordinator does not start.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// who may call
    #[error("the file of those who may call ({file})")]
    Access {
        /// the file
        file: String,
        /// why
        #[source]
        error: AccessError,
    },
    /// the certificates
    #[error("TLS")]
    Tls(#[from] TlsError),
    /// secrets would cross the network in clear
    #[error("plain HTTP is served on loopback addresses only; give a certificate, or allow it by name")]
    PlainHttp,
    /// the address is taken, or not ours
    #[error("cannot listen on {address}")]
    Listen {
        /// where
        address: SocketAddr,
        /// why
        #[source]
        error: std::io::Error,
    },
    /// the database
    #[error("the database")]
    Store(#[from] StoreError),
    /// the database, or the keys that were given for it
    #[error("the tenants of the database")]
    Tenants(#[from] TenantsError),
    /// reading files failed as a whole
    #[error("files cannot be read")]
    Files(#[source] tokio::task::JoinError),
}
