//! The wiring: configuration in, a serving gateway out. The only module that knows every part.
//!
//! - `keys`: where keys come from, and how they stay fresh
//! - `operate`: listeners, the admin port, and the way out; `observe`: how everything is
//! - `reload`: what a new configuration does while serving
//! - [`secret_output`]: standard output, where it holds a secret
//! - [`doctor`]: all that a start needs, looked at before it

pub mod doctor;
mod keys;
mod observe;
mod operate;
mod reload;
pub mod secret_output;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::HeaderValue;
use s3s::{HttpError, HttpRequest, HttpResponse, S3Error};
use tokio::task::JoinSet;

use crate::auth::{self, Guarded, guard};
use crate::backend::calls::{CallObserver, continued};
use crate::backend::local::LocalStore;
use crate::backend::s3::{S3Settings, S3Store};
use crate::backend::{Backend, BackendError, BucketName};
use crate::config::watch::Watcher;
use crate::config::{self, Config, Loaded, Store};
use crate::edge::{self, RequestId, S3Handler};
use crate::keys::calls::TRACE_PARENT;
use crate::keys::cluster::{self, LiveClusterKeys};
use crate::keys::first_start::{Generated, first_start};
use crate::keys::remote::{Digest, Teller};
use crate::s3::{self, Gateway, Sweeper, sweep_hourly};
use crate::seal::ClusterKeys;
use crate::telemetry::log::RecentLines;
use crate::telemetry::{Metrics, traces};
use keys::LiveKeys;
use observe::Observed;
use operate::Operation;
use reload::{Follower, Reload};

/// What the command line says; the rest stands in the configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// where the configuration is
    pub paths: config::Paths,
    /// the local store's folder, in place of `backend.path`
    pub data: Option<PathBuf>,
    /// move aside what lies in that folder without an index that names it
    pub new_store: bool,
    /// where to listen for S3, in place of `listen.s3`
    pub listen: Option<SocketAddr>,
    /// where to listen for health, metrics and status, in place of `listen.admin`
    pub admin: Option<SocketAddr>,
    /// the last warnings and errors, for the status page
    pub recent: RecentLines,
}

/// Serves until SIGTERM or SIGINT, then lets what is in flight end.
///
/// # Errors
/// Whatever keeps the gateway from starting; once it serves, it does not fail.
pub async fn serve(options: Options) -> anyhow::Result<()> {
    operate::harden();
    // set already by an earlier start in one process
    TRACE_PARENT.set(traces::parent).ok();
    let loaded = configured(&options.paths)?;
    let watcher = Watcher::new(options.paths.clone(), Arc::new(|name| std::env::var(name).ok()), &loaded);
    let mut config = overruled(loaded.config, &options)?;
    let operation = Operation::prepare(&config, &loaded.effective)?;
    if let (true, Store::Local { path }) = (options.new_store, &config.backend.store) {
        LocalStore::set_aside(path)?;
    }
    let backend = open_observed(&config, operation.metrics()).await?;
    let generated = config.first_start_dir().map(first_start).transpose()?;
    let cluster_keys = LiveClusterKeys::new(cluster_keys(&config)?);
    let live = LiveKeys::start(&mut config, generated.as_ref()).await?;
    let staging = config.backend.staging_bucket.clone();
    create_staging(backend.as_ref(), &staging).await?;
    backend.learn(&staging).await.context("cannot find out what the store can do; say it in backend.features")?;
    let sweeping = tokio::spawn(sweep_hourly(sweeper(&backend, &config, &live)));
    let listener =
        edge::bind(config.listen.s3).with_context(|| format!("cannot listen on {} (listen.s3)", config.listen.s3))?;
    let address = listener.local_addr()?;
    let observed = Observed {
        keys: Arc::clone(&live.keys),
        remote: live.remote(),
        reloads: watcher.counts(),
        recent: options.recent,
        cluster_keys: cluster_keys.clone(),
        shares_cluster_keys: config.cluster_keys.is_some(),
    };
    let admin = operation.serve_admin(observed, &backend, &options.paths.secret.path)?;
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "serving S3");
    let mut followers = operation.followers();
    followers.push(exchanging(cluster_keys.clone()));
    let reload = Reload::new(watcher, live.clone(), followers);
    let told = operation.ready(&live);
    greet(operation.scheme(), address, admin.address, generated.as_ref())?;
    let mut following = JoinSet::new();
    if live.is_periodic() {
        following.spawn(live.clone().run());
    }
    following.spawn(told);
    following.spawn(reload.run());
    following.spawn(live.clone().tell_of(teller(&config, &operation, cluster_keys.clone())));
    let rules = auth_rules(&config);
    let gateway = Gateway::new(backend, live.keys, cluster_keys, staging)
        .allowing_sse_c(config.auth.allow_sse_c)
        .keeping_uploads_for(config.limits.upload_max_age)
        .writing_records(config.record_version);
    let forward = gateway.forward();
    let service = guard(gateway, forward, live.access_keys, rules);
    operation.serve(listener, service).await?;
    admin.end().await;
    sweeping.abort();
    following.shutdown().await;
    tracing::info!("stopped");
    Ok(())
}

impl S3Handler for Guarded {
    async fn handle(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let id = request.extensions().get::<RequestId>().map(|id| id.as_str().into());
        let refused = |error: S3Error| error.to_http_response().map_err(|e| HttpError::from_std_error(Box::new(e)));
        let request = match s3::prepared(request) {
            Ok(request) => request,
            Err(error) => return refused(error),
        };
        let end = s3::BodyEnd::of(&request);
        let answer = continued(id, self.call(request)).await?;
        match end.verdict(answer.status()) {
            Some(error) => refused(error),
            None => Ok(answer),
        }
    }
}

/// Counts requests to the store.
struct StoreCalls(Arc<Metrics>);

impl CallObserver for StoreCalls {
    fn answered(&self, operation: &'static str, status: Option<u16>, took: Duration) {
        self.0.backend_call(operation, status, took);
    }

    fn trace_parent(&self) -> Option<HeaderValue> {
        traces::parent()
    }
}

fn configured(paths: &config::Paths) -> anyhow::Result<Loaded> {
    let loaded = config::load(paths, &|name| std::env::var(name).ok())?;
    for file in &loaded.files {
        tracing::info!(file = %file.display(), "read configuration");
    }
    if !loaded.foreign_sections.is_empty() {
        tracing::info!(sections = loaded.foreign_sections.join(", "), "sections of other programs are left alone");
    }
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok(loaded)
}

/// What the command line says wins.
fn overruled(mut config: Config, options: &Options) -> anyhow::Result<Config> {
    if let Some(data) = &options.data {
        match &mut config.backend.store {
            Store::Local { path } => path.clone_from(data),
            Store::S3(_) => tracing::warn!("--data is not used: it is the folder of a local store, and this one is S3"),
        }
    }
    if let Some(listen) = options.listen {
        config.listen.s3 = listen;
    }
    if let Some(admin) = options.admin {
        config.listen.admin = admin;
    }
    for (address, flag) in [(options.listen, "--listen"), (options.admin, "--admin")] {
        let is_open = address.is_some_and(|address| !address.ip().is_loopback());
        anyhow::ensure!(
            !is_open || config.listen.tls.is_some() || config.listen.allow_plain_http,
            "{flag} is open to the network without TLS; set listen.tls, or listen.allow_plain_http if TLS ends before the gateway"
        );
    }
    Ok(config)
}

/// The store that the configuration names.
async fn open_store(config: &Config) -> anyhow::Result<Arc<dyn Backend>> {
    open(config, None).await
}

/// The same; requests to it are counted.
async fn open_observed(config: &Config, metrics: &Arc<Metrics>) -> anyhow::Result<Arc<dyn Backend>> {
    open(config, Some(Arc::new(StoreCalls(Arc::clone(metrics))))).await
}

async fn open(config: &Config, observer: Option<Arc<dyn CallObserver>>) -> anyhow::Result<Arc<dyn Backend>> {
    match &config.backend.store {
        Store::Local { path } => {
            let path = path.clone();
            let store = tokio::task::spawn_blocking(move || LocalStore::open(&path)).await??;
            Ok(Arc::new(store))
        }
        Store::S3(settings) => {
            tracing::info!(endpoint = %settings.endpoint.authority, "storing to S3");
            Ok(Arc::new(S3Store::observed(S3Settings::clone(settings), observer).await?))
        }
    }
}

/// The keys of the cluster: those of the configuration, else the one that a local store keeps.
fn cluster_keys(config: &Config) -> anyhow::Result<Arc<ClusterKeys>> {
    match (&config.cluster_keys, &config.backend.store) {
        (Some(keys), _) => Ok(Arc::clone(keys)),
        (None, Store::Local { path }) => Ok(Arc::new(cluster::kept(path)?)),
        (None, Store::S3(_)) => Err(config::Problem::ClusterKeysRequired.into()),
    }
}

/// What ends uploads that nobody can end.
fn sweeper(backend: &Arc<dyn Backend>, config: &Config, live: &LiveKeys) -> Sweeper {
    let access_keys = Arc::clone(&live.access_keys);
    Sweeper {
        backend: Arc::clone(backend),
        staging: config.backend.staging_bucket.clone(),
        upload_max_age: config.limits.upload_max_age,
        is_tenants: Arc::new(move |bucket| access_keys.snapshot().owns(bucket)),
    }
}

/// Puts other keys of the cluster in force when the configuration has others.
fn exchanging(live: LiveClusterKeys) -> Follower {
    Box::new(move |config, _effective| {
        if let Some(keys) = &config.cluster_keys {
            live.replace(Arc::clone(keys));
        }
    })
}

/// Upload records and small last parts wait in a bucket of their own.
async fn create_staging(backend: &dyn Backend, staging: &BucketName) -> anyhow::Result<()> {
    match backend.create_bucket(staging).await {
        Ok(()) | Err(BackendError::BucketAlreadyExists) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot create the staging bucket {staging}")),
    }
}

/// The file that guards the metrics, beside the Secret's file; it may be absent.
fn metrics_secret(secret_file: &Path) -> PathBuf {
    secret_file.with_file_name("metrics-secret-header-value")
}

fn auth_rules(config: &Config) -> auth::Rules {
    auth::Rules { sigv2_presigned: config.auth.allow_sigv2_presigned }
}

/// What the Coordinator is told of this gateway.
fn teller(config: &Config, operation: &Operation, cluster_keys: LiveClusterKeys) -> Teller {
    Teller {
        cluster: config.cluster.name.clone(),
        pod: config.cluster.pod.clone(),
        version: env!("CARGO_PKG_VERSION"),
        config_digest: operation.config_digest(),
        cluster_keys: config
            .cluster_keys
            .as_ref()
            .map(|_| -> Digest { Box::new(move || cluster_keys.snapshot().digest()) }),
    }
}

/// Tells on standard output where the gateway is, and how to use it if nothing was configured.
fn greet(scheme: &str, address: SocketAddr, admin: SocketAddr, generated: Option<&Generated>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "sealgate serves S3 on {scheme}://{address}, status on {scheme}://{admin}")?;
    if let Some(generated) = generated {
        let state = if generated.is_new { "generated" } else { "read" };
        writeln!(
            out,
            "Seed and access key were {state}: {} (keep a copy: without it nothing opens)",
            generated.file.display()
        )?;
        let secret = match secret_output::close_to_others() {
            Ok(()) => generated.secret_access_key.expose(),
            Err(error) => {
                tracing::warn!("the secret access key is not printed: {error:#}");
                "…"
            }
        };
        writeln!(
            out,
            "Try:\n  AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={} AWS_DEFAULT_REGION=us-east-1 AWS_ENDPOINT_URL={scheme}://{address} aws s3 mb s3://first",
            generated.access_key_id, secret,
        )?;
    }
    out.flush()
}
