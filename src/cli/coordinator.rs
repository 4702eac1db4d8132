//! `sealgate coordinator`: the service, and what its operator needs beside it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::app::secret_output::close_to_others;
use crate::coordinator::access::{self, Scope};
use crate::coordinator::kek::Keks;
use crate::coordinator::migration::Walked;
use crate::coordinator::store::TOMBSTONES_MAX;
use crate::coordinator::tenants::Tenants;
use crate::coordinator::tls::TlsFiles;
use crate::coordinator::{self, Config, Database, openapi};
use crate::coordinator_api::WireSecret;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Coordinator {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token for a caller: prints it once, adds its hash to the access file
    Token(Token),
    /// Seal every secret of the database under the current key-encryption key. The service may be running if the database
    /// is PostgreSQL
    Rewrap(Stored),
    /// Give every record of a database of version 0.1 its tag, once all coordinators are of this version. What stands there
    /// is believed, and named. The service may be running if the database is PostgreSQL
    Migrate(Stored),
    /// Print the OpenAPI document of the API
    Openapi,
}

#[derive(Debug, Args)]
struct Serve {
    /// Address to serve on; port 0 picks a free one
    #[arg(long, env = "SEALGATE_COORDINATOR_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8002")]
    listen: SocketAddr,
    /// Who may call, JSON: tokens by their hashes, client certificates by their names; read again when it changes
    #[arg(long, env = "SEALGATE_COORDINATOR_ACCESS", value_name = "FILE", default_value = ACCESS_FILE)]
    access: PathBuf,
    /// The server's certificate and those between it and its authority, PEM; read again when it changes
    #[arg(long, env = "SEALGATE_COORDINATOR_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, PEM
    #[arg(long, env = "SEALGATE_COORDINATOR_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The authorities whose client certificates are taken, PEM; what each may do stands in the access file
    #[arg(long, env = "SEALGATE_COORDINATOR_CLIENT_CA", value_name = "FILE", requires = "tls_cert")]
    client_ca: Option<PathBuf>,
    /// Serve without TLS on an address that is not a loopback one: where TLS ends before the coordinator
    #[arg(long, env = "SEALGATE_COORDINATOR_ALLOW_PLAIN_HTTP")]
    allow_plain_http: bool,
    /// Deletions that gateways can still be told of one by one; beyond, the older half is forgotten
    #[arg(long, value_name = "N", default_value_t = TOMBSTONES_MAX, value_parser = clap::value_parser!(u32).range(1..))]
    tombstones_max: u32,
    /// Begin a new epoch. Needed once after an older copy of the database was put back: gateways refuse to go back
    /// within an epoch
    #[arg(long)]
    new_epoch: bool,
    /// What to log, to standard error: error, warn, info, debug, or per module
    #[arg(long, env = "SEALGATE_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
    #[command(flatten)]
    stored: Stored,
}

/// The database and its keys. The key-encryption key itself comes in `SEALGATE_COORDINATOR_KEK`, or in a file.
#[derive(Debug, Args)]
struct Stored {
    /// The database: a file of SQLite, or `postgresql://USER:PASSWORD@HOST/DATABASE` (better by the variable)
    #[arg(
        long,
        env = "SEALGATE_COORDINATOR_DATABASE",
        hide_env_values = true,
        value_name = "FILE|URL",
        default_value = "./sealgate-coordinator.db"
    )]
    database: String,
    /// The authorities of the PostgreSQL server, PEM [default: the system's]
    #[arg(long, env = "SEALGATE_COORDINATOR_DATABASE_CA", value_name = "FILE")]
    database_ca: Option<PathBuf>,
    /// File with the key-encryption key: base64 of 32 bytes, as `sealgate keygen` makes [default: the variable
    /// `SEALGATE_COORDINATOR_KEK`]
    #[arg(long, env = "SEALGATE_COORDINATOR_KEK_FILE", value_name = "FILE")]
    kek_file: Option<PathBuf>,
    /// File with a key-encryption key that was current before; may be given several times
    #[arg(long, value_name = "FILE")]
    old_kek_file: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct Token {
    /// Whom it is for, as it stands in logs
    #[arg(long)]
    name: String,
    /// What it allows: tenants:read, tenants:keys, tenants:write, status:write; may be given several times. A gateway
    /// needs tenants:read, tenants:keys and status:write, an administrator tenants:read and tenants:write
    #[arg(long, required = true, value_name = "SCOPE")]
    scope: Vec<Scope>,
    /// The access file; made if it is not there
    #[arg(long, env = "SEALGATE_COORDINATOR_ACCESS", value_name = "FILE", default_value = ACCESS_FILE)]
    access: PathBuf,
}

impl Coordinator {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.command {
            None => self.serve.run(),
            Some(Command::Token(token)) => token.run(),
            Some(Command::Rewrap(stored)) => rewrap(&stored),
            Some(Command::Migrate(stored)) => migrate(&stored),
            Some(Command::Openapi) => {
                let mut out = std::io::stdout().lock();
                out.write_all(openapi::generated().as_bytes())?;
                Ok(out.flush()?)
            }
        }
    }
}

impl Serve {
    fn run(self) -> anyhow::Result<()> {
        super::serve::log_to_stderr(&self.log)?;
        let keks = self.stored.keks()?;
        let config = Config {
            listen: self.listen,
            allow_plain_http: self.allow_plain_http,
            tls: TlsFiles { ca: self.client_ca, cert: self.tls_cert, key: self.tls_key },
            access: self.access,
            database: self.stored.database(),
            tombstones_max: self.tombstones_max,
            new_epoch: self.new_epoch,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async { Ok(coordinator::serve(config, keks, shutdown()?, greet).await?) })
    }
}

impl Stored {
    fn database(&self) -> Database {
        let is_url = ["postgresql://", "postgres://"].iter().any(|scheme| self.database.starts_with(scheme));
        if is_url {
            Database::Postgres { url: WireSecret::new(self.database.clone()), ca: self.database_ca.clone() }
        } else {
            Database::Sqlite(PathBuf::from(&self.database))
        }
    }

    fn keks(&self) -> anyhow::Result<Keks> {
        let current = match (&self.kek_file, std::env::var("SEALGATE_COORDINATOR_KEK")) {
            (Some(file), _) => read_secret(file)?,
            (None, Ok(text)) => Zeroizing::new(text),
            (None, Err(_)) => bail!(
                "no key-encryption key: put one, made by `sealgate keygen`, into SEALGATE_COORDINATOR_KEK or a file that \
                 --kek-file names; keep a copy, without it no seed of the database opens"
            ),
        };
        let old = self.old_kek_file.iter().map(|file| read_secret(file)).collect::<Result<Vec<_>, _>>()?;
        Ok(Keks::from_base64(&current, old.iter().map(|text| text.as_str()))?)
    }
}

impl Token {
    fn run(self) -> anyhow::Result<()> {
        close_to_others()?;
        let (token, entry) = access::new_token(&self.name, &self.scope)?;
        access::add_to_file(&self.access, &entry)?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", token.as_str())?;
        Ok(out.flush()?)
    }
}

fn rewrap(stored: &Stored) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let walked = runtime.block_on(async {
        let store = stored.database().open(TOMBSTONES_MAX).await?;
        Ok::<_, anyhow::Error>(Tenants::open(store, stored.keks()?).await?.rewrap().await?)
    })?;
    let mut out = std::io::stdout().lock();
    if walked.damaged.is_empty() {
        writeln!(out, "{} tenants sealed anew; the old key-encryption keys are no longer needed", walked.count)?;
    } else {
        writeln!(out, "{} tenants sealed anew", walked.count)?;
    }
    out.flush()?;
    refuse_damaged(&walked)
}

fn migrate(stored: &Stored) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut out = std::io::stdout().lock();
    let mut told = Ok(());
    let walked = runtime.block_on(async {
        let store = stored.database().open(TOMBSTONES_MAX).await?;
        let tenants = Tenants::open(store, stored.keks()?).await?;
        let tell = |tenant: &str| {
            if told.is_ok() {
                told = writeln!(out, "{tenant}: tagged as it stands");
            }
        };
        Ok::<_, anyhow::Error>(tenants.migrate(tell).await?)
    })?;
    told?;
    writeln!(out, "{} records tagged. What was changed before is not found out: compare what you doubt", walked.count)?;
    out.flush()?;
    refuse_damaged(&walked)
}

/// Ends with a failure if records are damaged, and names them.
fn refuse_damaged(walked: &Walked) -> anyhow::Result<()> {
    if walked.damaged.is_empty() {
        return Ok(());
    }
    bail!("{} records are damaged and were left as they are:\n{}", walked.damaged.len(), walked.damaged.join("\n"))
}

/// A small file with a secret in it.
pub(super) fn read_secret(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    let text = std::fs::read_to_string(file).map(Zeroizing::new);
    let text = text.with_context(|| file.display().to_string())?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// Tells on standard output where the coordinator is.
fn greet(address: SocketAddr, is_tls: bool) {
    let scheme = if is_tls { "https" } else { "http" };
    let mut out = std::io::stdout().lock();
    // nobody listening there is no reason not to serve
    let _closed = writeln!(out, "sealgate coordinator serves on {scheme}://{address}").and_then(|()| out.flush());
}

/// Turns true at SIGTERM or SIGINT.
fn shutdown() -> std::io::Result<watch::Receiver<bool>> {
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

const ACCESS_FILE: &str = "./sealgate-coordinator-access.json";
