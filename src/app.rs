//! The wiring: configuration in, a serving gateway out. The only file that knows every part.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use s3s::{HttpError, HttpRequest, HttpResponse};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::auth::{Guarded, guard};
use crate::backend::local::LocalStore;
use crate::backend::{Backend, BackendError, BucketName};
use crate::config::{self, Config, Store};
use crate::edge::{self, S3Handler};
use crate::keys::Keys;
use crate::keys::access::{AccessKey, AccessKeys, LiveAccessKeys};
use crate::keys::first_start::{Generated, first_start};
use crate::keys::secret::SecretText;
use crate::s3::{self, Gateway, sweep_hourly};
use crate::tenant::{BucketPrefix, TenantId};

/// What the command line says; the rest stands in the configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// where the configuration is
    pub paths: config::Paths,
    /// the local store's folder, in place of `backend.path`
    pub data: Option<PathBuf>,
    /// where to listen for S3, in place of `listen.s3`
    pub listen: Option<SocketAddr>,
}

/// Serves until SIGTERM or SIGINT, then lets what is in flight end.
///
/// # Errors
/// Whatever keeps the gateway from starting; once it serves, it does not fail.
pub async fn serve(options: Options) -> anyhow::Result<()> {
    let mut config = configured(&options)?;
    let backend = open_store(&config).await?;
    let generated = config.first_start_dir().map(first_start).transpose()?;
    let first = config.keys.first_ring(generated.as_ref(), SystemTime::now());
    for (tenant, missing) in &first.lacking {
        tracing::warn!(%tenant, %missing, "a tenant has no key");
    }
    let keys = Arc::new(Keys::new(first.ring));
    let access_keys = match (config.access_keys.take(), &generated) {
        (Some(keys), _) => keys,
        (None, Some(generated)) => AccessKeys::new([generated_key(generated)])?,
        (None, None) => bail!("no access keys"),
    };
    let staging = config.backend.staging_bucket.clone();
    create_staging(backend.as_ref(), &staging).await?;
    let sweeping = tokio::spawn(sweep_hourly(Arc::clone(&backend), staging.clone()));
    let gateway = Gateway::new(backend, keys, staging);

    let listener =
        TcpListener::bind(config.listen.s3).await.with_context(|| format!("cannot listen on {}", config.listen.s3))?;
    let address = listener.local_addr()?;
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "serving S3");
    greet(address, generated.as_ref())?;
    let service = guard(gateway, Arc::new(LiveAccessKeys::new(access_keys)));
    edge::serve(listener, edge::Plain, service, edge_config(&config), shutdown()?).await;
    sweeping.abort();
    tracing::info!("stopped");
    Ok(())
}

impl S3Handler for Guarded {
    async fn handle(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.call(s3::observed(request)).await
    }
}

fn configured(options: &Options) -> anyhow::Result<Config> {
    let loaded = config::load(&options.paths, &|name| std::env::var(name).ok())?;
    for file in &loaded.files {
        tracing::info!(file = %file.display(), "read configuration");
    }
    if !loaded.foreign_sections.is_empty() {
        tracing::info!(sections = loaded.foreign_sections.join(", "), "sections of other programs are left alone");
    }
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let mut config = loaded.config;
    if let Some(data) = &options.data {
        config.backend.store = Store::Local { path: data.clone() };
    }
    if let Some(listen) = options.listen {
        config.listen.s3 = listen;
    }
    Ok(config)
}

async fn open_store(config: &Config) -> anyhow::Result<Arc<dyn Backend>> {
    let Store::Local { path } = &config.backend.store;
    let path = path.clone();
    let store = tokio::task::spawn_blocking(move || LocalStore::open(&path)).await??;
    Ok(Arc::new(store))
}

/// Upload records and small last parts wait in a bucket of their own.
async fn create_staging(backend: &dyn Backend, staging: &BucketName) -> anyhow::Result<()> {
    match backend.create_bucket(staging).await {
        Ok(()) | Err(BackendError::BucketAlreadyExists) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot create the staging bucket {staging}")),
    }
}

fn generated_key(generated: &Generated) -> AccessKey {
    AccessKey::new(
        TenantId::default_tenant(),
        BucketPrefix::empty(),
        &generated.access_key_id,
        SecretText::new(generated.secret_access_key.expose().to_owned()),
    )
}

fn edge_config(config: &Config) -> edge::Config {
    edge::Config {
        in_flight_requests_max: usize::try_from(config.limits.in_flight_requests_max).unwrap_or(usize::MAX),
        ..edge::Config::default()
    }
}

/// Tells on standard output where the gateway is, and how to use it if nothing was configured.
fn greet(address: SocketAddr, generated: Option<&Generated>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "sealgate serves S3 on http://{address}")?;
    if let Some(generated) = generated {
        let state = if generated.is_new { "generated" } else { "read" };
        writeln!(
            out,
            "Seed and access key were {state}: {} (keep a copy: without it nothing opens)",
            generated.file.display()
        )?;
        writeln!(
            out,
            "Try:\n  AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={} AWS_DEFAULT_REGION=us-east-1 AWS_ENDPOINT_URL=http://{address} aws s3 mb s3://first",
            generated.access_key_id,
            generated.secret_access_key.expose(),
        )?;
    }
    out.flush()
}

/// Turns true at SIGTERM or SIGINT.
fn shutdown() -> std::io::Result<watch::Receiver<bool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: what is in flight may end");
        sender.send_replace(true);
    });
    Ok(receiver)
}
