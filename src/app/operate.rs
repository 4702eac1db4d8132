//! Operating what serves: listeners with or without TLS, the admin port, certificates that are renewed, and the way out.
//!
//! At SIGTERM or SIGINT the gateway is not ready at once, goes on accepting for the configured delay (balancers learn
//! of it), then accepts nothing more, gives what is in flight its time, writes the last audit records, and ends well.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::keys::LiveKeys;
use super::observe::{InForce, Observed, Observer, Reachable};
use super::reload::Follower;
use crate::admin::{self, Admin, Guard};
use crate::auth::Guarded;
use crate::backend::{Backend, BucketName};
use crate::config::{Config, Store};
use crate::edge::{self, Identity, Phase, Plain, Readiness, Surroundings, TlsFiles};
use crate::keys::settings::KeySettings;
use crate::telemetry::audit::{Audit, Flushing};
use crate::telemetry::system::Host;
use crate::telemetry::{Metrics, Telemetry};

/// What stays the same while the gateway is operated.
pub(super) struct Operation {
    telemetry: Telemetry,
    flushing: Option<Flushing>,
    readiness: Readiness,
    identity: Option<Identity>,
    edge: edge::Config,
    shutdown_delay: Duration,
    admin: SocketAddr,
    facts: Facts,
    in_force: Arc<ArcSwap<InForce>>,
    /// turns true when it is time to stop
    asked: watch::Receiver<bool>,
}

/// What is told, and does not change.
struct Facts {
    mode: &'static str,
    data: Option<PathBuf>,
    staging: BucketName,
    refresh_period: Option<Duration>,
    /// under which the admin port may be asked
    admin_hosts: Vec<String>,
}

impl Operation {
    /// Reads certificates and opens the audit sink. `effective` is the configuration in force, secrets masked.
    pub(super) fn prepare(config: &Config, effective: &str) -> anyhow::Result<Self> {
        let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
        let mut telemetry = Telemetry::new(metrics);
        let mut flushing = None;
        if let Some(settings) = &config.audit {
            let (audit, writer) = Audit::start(settings, &telemetry.metrics).context("cannot open the audit sink")?;
            telemetry.audit = Some(audit);
            flushing = Some(writer);
        }
        let files = config.listen.tls.as_ref().map(|tls| TlsFiles {
            cert: tls.cert.clone(),
            key: tls.key.clone(),
            client_ca: tls.client_ca.clone(),
        });
        let identity = files.map(Identity::open).transpose().context("listen.tls")?;
        let data = match &config.backend.store {
            Store::Local { path } => Some(path.clone()),
            Store::S3(_) => None,
        };
        let facts = Facts {
            mode: mode(&config.keys),
            data,
            staging: config.backend.staging_bucket.clone(),
            refresh_period: config.keys.period(),
            admin_hosts: config.listen.admin_hosts.iter().chain([&config.cluster.pod]).cloned().collect(),
        };
        let readiness = Readiness::default();
        readiness.stand_by(config.is_standby);
        Ok(Self {
            telemetry,
            flushing,
            readiness,
            identity,
            edge: edge_config(config),
            shutdown_delay: config.limits.shutdown_delay,
            admin: config.listen.admin,
            facts,
            in_force: Arc::new(ArcSwap::from_pointee(InForce::now(effective))),
            asked: asked_to_end()?,
        })
    }

    /// What is counted.
    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.telemetry.metrics
    }

    /// `https` or `http`.
    pub(super) fn scheme(&self) -> &'static str {
        if self.identity.is_some() { "https" } else { "http" }
    }

    /// Tells the digest of the configuration in force, now and later.
    pub(super) fn config_digest(&self) -> Box<dyn Fn() -> String + Send + Sync> {
        let in_force = Arc::clone(&self.in_force);
        Box::new(move || in_force.load().digest().to_owned())
    }

    /// What a new configuration changes here.
    pub(super) fn followers(&self) -> Vec<Follower> {
        let (in_force, identity, readiness) =
            (Arc::clone(&self.in_force), self.identity.clone(), self.readiness.clone());
        vec![Box::new(move |config, effective| {
            readiness.stand_by(config.is_standby);
            in_force.store(Arc::new(InForce::now(effective)));
            if let Some(Err(error)) = identity.as_ref().map(Identity::reload) {
                tracing::warn!(%error, "the certificate in force stays");
            }
        })]
    }

    /// Serves the admin port until [`AdminPort::end`]. The metrics secret lies beside `secret_file`.
    pub(super) fn serve_admin(
        &self,
        of: Observed,
        backend: &Arc<dyn Backend>,
        secret_file: &Path,
    ) -> anyhow::Result<AdminPort> {
        let reachable = Reachable::default();
        let probing = tokio::spawn(reachable.clone().watch(Arc::clone(backend), self.facts.staging.clone()));
        let Observed { keys, remote, reloads, recent, cluster_keys, shares_cluster_keys } = of;
        let observer = Observer {
            telemetry: Telemetry::new(Arc::clone(&self.telemetry.metrics)),
            readiness: self.readiness.clone(),
            keys,
            remote,
            backend: reachable,
            identity: self.identity.clone(),
            reloads,
            host: Host::new(self.facts.data.clone()),
            recent,
            cluster_keys,
            shares_cluster_keys,
            in_force: Arc::clone(&self.in_force),
            mode: self.facts.mode,
            refresh_period: self.facts.refresh_period,
            started_at: SystemTime::now(),
        };
        let guard = Guard::new(super::metrics_secret(secret_file), self.facts.admin_hosts.clone())
            .context("the status page has no keys for its sessions")?;
        let is_tls = self.identity.is_some();
        let admin = Admin { readiness: self.readiness.clone(), source: Arc::new(observer), guard, is_tls };
        let router = admin::router(admin);
        let listener =
            edge::bind(self.admin).with_context(|| format!("cannot listen on {} (listen.admin)", self.admin))?;
        let address = listener.local_addr()?;
        tracing::info!(%address, "serving health, metrics and status");
        let (down, receiver) = watch::channel(false);
        // probes and browsers have no client certificates
        let serving = match self.identity.as_ref().map(Identity::for_any_client).transpose()? {
            None => tokio::spawn(admin::serve(listener, Plain, router, receiver)),
            Some(identity) => tokio::spawn(admin::serve(listener, Renewed::follow(identity), router, receiver)),
        };
        Ok(AdminPort { address, down, serving, probing })
    }

    /// From now on requests are asked for, as soon as there is somebody to serve; those that come before
    /// [`Operation::serve`] wait for it.
    pub(super) fn ready(&self, keys: &LiveKeys) -> impl Future<Output = ()> + Send + use<> {
        let (readiness, keys) = (self.readiness.clone(), keys.clone());
        readiness.advance(if keys.are_told() { Phase::Ready } else { Phase::Waiting });
        async move {
            while !keys.are_told() {
                tokio::time::sleep(TOLD_PERIOD).await;
            }
            readiness.advance(Phase::Ready);
        }
    }

    /// Serves S3 until it is time to stop, and to the end of what is in flight.
    pub(super) async fn serve(mut self, listener: TcpListener, service: Guarded) -> std::io::Result<()> {
        let (down, receiver) = watch::channel(false);
        let (mut asked, readiness, delay) = (self.asked.clone(), self.readiness.clone(), self.shutdown_delay);
        tokio::spawn(async move {
            if asked.wait_for(|asked| *asked).await.is_ok() {
                readiness.advance(Phase::Draining);
                tokio::time::sleep(delay).await;
            }
            down.send_replace(true);
        });
        let around = Surroundings { telemetry: self.telemetry.clone(), readiness: self.readiness.clone() };
        match self.identity.take() {
            None => edge::serve(listener, Plain, service, self.edge, around, receiver).await,
            Some(identity) => {
                edge::serve(listener, Renewed::follow(identity), service, self.edge, around, receiver).await;
            }
        }
        drop(self.telemetry);
        if let Some(flushing) = self.flushing {
            // every request has ended, so every record is in the queue
            tokio::task::spawn_blocking(|| flushing.wait()).await?;
        }
        Ok(())
    }
}

/// How often it is looked whether the source of keys told of tenants.
const TOLD_PERIOD: Duration = Duration::from_millis(200);

/// The admin port while it serves.
pub(super) struct AdminPort {
    pub(super) address: SocketAddr,
    down: watch::Sender<bool>,
    serving: JoinHandle<()>,
    probing: JoinHandle<()>,
}

impl AdminPort {
    /// Ends it.
    pub(super) async fn end(self) {
        self.probing.abort();
        self.down.send_replace(true);
        let _ended = self.serving.await;
    }
}

/// A certificate whose files are read again now and then.
struct Renewed {
    identity: Identity,
    following: JoinHandle<()>,
}

impl Renewed {
    fn follow(identity: Identity) -> Self {
        let followed = identity.clone();
        let following = tokio::spawn(async move {
            loop {
                tokio::time::sleep(CERTIFICATE_PERIOD).await;
                let again = followed.clone();
                match tokio::task::spawn_blocking(move || again.reload()).await {
                    Ok(Ok(true)) => tracing::info!("a renewed certificate is in force"),
                    Ok(Ok(false)) | Err(_) => {}
                    Ok(Err(error)) => {
                        let cause = std::error::Error::source(&error).map(ToString::to_string);
                        tracing::warn!(%error, cause, "the certificate in force stays");
                    }
                }
            }
        });
        Self { identity, following }
    }
}

impl Drop for Renewed {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl edge::Handshake for Renewed {
    type Transport = <Identity as edge::Handshake>::Transport;

    async fn shake(&self, connection: tokio::net::TcpStream) -> std::io::Result<Self::Transport> {
        self.identity.shake(connection).await
    }

    fn version(transport: &Self::Transport) -> Option<&'static str> {
        Identity::version(transport)
    }
}

/// No core file and no debugger gets at the keys in memory. Where the system refuses, the gateway goes on and says so.
pub(super) fn harden() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core files cannot be turned off");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "this process can be dumped and traced");
    }
}

fn mode(keys: &KeySettings) -> &'static str {
    match keys {
        KeySettings::Generated => "generated at the first start",
        KeySettings::SingleKey { .. } => "single-key",
        KeySettings::LocalMultiKeys(_) => "local-multi-keys",
        KeySettings::RemoteMultiKeys(_) => "remote-multi-keys",
    }
}

fn edge_config(config: &Config) -> edge::Config {
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    edge::Config {
        connections_max: count(config.limits.connections_max),
        in_flight_requests_max: count(config.limits.in_flight_requests_max),
        in_flight_bytes_max: config.limits.in_flight_bytes_max,
        document_timeout: config.limits.document_timeout,
        drain_timeout: config.limits.drain_timeout,
        proxy_protocol_from: config.listen.proxy_protocol_from.clone(),
        forwarded_from: config.listen.forwarded_from.clone(),
        ..edge::Config::default()
    }
}

/// Turns true at SIGTERM or SIGINT.
fn asked_to_end() -> std::io::Result<watch::Receiver<bool>> {
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

/// How often certificate files are looked at.
const CERTIFICATE_PERIOD: Duration = Duration::from_secs(10);
