//! `sealgate doctor`: looks at everything that a start needs, and with `--production` at what production should have.
//! It changes nothing. Exit code 1 if anything fails.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use clap::Args;
use serde::Serialize;

use super::ConfigFiles;
use crate::app;
use crate::config::{self, Config, Loaded, Store};
use crate::edge::{Identity, TlsFiles};
use crate::keys::settings::KeySettings;

#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    files: ConfigFiles,
    /// Also look for what production should have: TLS, audit records, keys from the configuration, closed files
    #[arg(long)]
    production: bool,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

/// One check.
#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    state: State,
    detail: String,
}

impl Doctor {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let paths = self.files.paths();
        let mut findings = Vec::new();
        match config::load(&paths, &|name| std::env::var(name).ok()) {
            Err(error) => findings.push(finding("configuration", State::Fail, error.to_string())),
            Ok(loaded) => {
                configuration(&loaded, &mut findings);
                secret_file(&paths.secret.path, &mut findings);
                certificate(&loaded.config, &mut findings);
                backend(&loaded.config, &mut findings)?;
                if self.production {
                    production(&loaded.config, &mut findings);
                }
            }
        }
        clock(SystemTime::now(), &mut findings);
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&findings)?)?;
        } else {
            for Finding { name, state, detail } in &findings {
                let state = match state {
                    State::Ok => "ok  ",
                    State::Warn => "warn",
                    State::Fail => "FAIL",
                };
                writeln!(out, "{state} {name}: {detail}")?;
            }
        }
        out.flush()?;
        let failed = findings.iter().filter(|finding| finding.state == State::Fail).count();
        anyhow::ensure!(failed == 0, "{failed} checks failed");
        Ok(())
    }
}

fn finding(name: &'static str, state: State, detail: impl Into<String>) -> Finding {
    Finding { name, state, detail: detail.into() }
}

fn configuration(loaded: &Loaded, findings: &mut Vec<Finding>) {
    let files: Vec<String> = loaded.files.iter().map(|file| file.display().to_string()).collect();
    let detail = if files.is_empty() { "no file: all defaults".to_owned() } else { files.join(", ") };
    findings.push(finding("configuration", State::Ok, detail));
    findings.extend(loaded.warnings.iter().map(|warning| finding("configuration", State::Warn, warning)));
}

/// Seeds and secrets are for the gateway's user and group alone.
fn secret_file(path: &Path, findings: &mut Vec<Finding>) {
    let Ok(metadata) = std::fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    let state = if mode % 0o10 == 0 { State::Ok } else { State::Fail };
    findings.push(finding("secret file", state, format!("{} has mode {mode:03o}", path.display())));
}

fn certificate(config: &Config, findings: &mut Vec<Finding>) {
    let Some(tls) = &config.listen.tls else { return };
    let files = TlsFiles { cert: tls.cert.clone(), key: tls.key.clone(), client_ca: tls.client_ca.clone() };
    findings.push(match Identity::open(files) {
        Err(error) => finding("certificate", State::Fail, error.to_string()),
        Ok(identity) => {
            let left = identity.not_after().duration_since(SystemTime::now()).unwrap_or_default();
            let state = match left {
                _ if left.is_zero() => State::Fail,
                _ if left < EXPIRES_SOON => State::Warn,
                _ => State::Ok,
            };
            finding("certificate", state, format!("expires in {} days", left.as_secs() / 86_400))
        }
    });
}

fn backend(config: &Config, findings: &mut Vec<Finding>) -> anyhow::Result<()> {
    if let Store::Local { path } = &config.backend.store {
        // opening it would lock it, and make it if it is not there
        let folder = path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
        let is_writable = !std::fs::metadata(folder)?.permissions().readonly();
        let state = if is_writable { State::Ok } else { State::Fail };
        findings.push(finding("backend", state, format!("local store in {}", path.display())));
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(async {
        let store = app::open_store(config).await?;
        let staging = config.backend.staging_bucket.as_str();
        tokio::time::timeout(BACKEND_TIMEOUT, store.list_buckets(staging)).await?.map_err(anyhow::Error::from)
    });
    findings.push(match asked {
        Ok(_) => finding("backend", State::Ok, "it answers"),
        Err(error) => finding("backend", State::Fail, format!("{error:#}")),
    });
    Ok(())
}

/// Signatures are refused if clocks differ by 15 minutes; a clock that was never set is told by its year.
fn clock(now: SystemTime, findings: &mut Vec<Finding>) {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let state = if since > LEAST_TIME { State::Ok } else { State::Fail };
    findings.push(finding("clock", state, format!("{} seconds since 1970", since.as_secs())));
}

fn production(config: &Config, findings: &mut Vec<Finding>) {
    let mut demand = |name, is_met, detail: &str| {
        findings.push(finding(name, if is_met { State::Ok } else { State::Fail }, detail));
    };
    demand("production: TLS", config.listen.tls.is_some(), "listen.tls; TLS on all hops");
    demand("production: audit", config.audit.is_some(), "audit.sink");
    let is_generated = matches!(config.keys, KeySettings::Generated) || config.access_keys.is_none();
    demand(
        "production: keys",
        !is_generated,
        "seeds and access keys stand in the configuration, with a copy elsewhere",
    );
    let is_shared = !matches!(config.backend.store, Store::Local { .. });
    demand("production: backend", is_shared, "an S3 store, so that more than one replica can serve");
    let admin_is_inside = config.listen.admin.ip().is_loopback() || config.listen.tls.is_some();
    demand("production: admin port", admin_is_inside, "loopback or TLS");
}

const EXPIRES_SOON: Duration = Duration::from_hours(24 * 30);
const BACKEND_TIMEOUT: Duration = Duration::from_secs(20);
/// A second into the year 2026.
const LEAST_TIME: Duration = Duration::from_secs(1_767_225_601);
