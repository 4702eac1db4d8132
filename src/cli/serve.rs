//! `sealgate serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::ConfigFiles;
use crate::telemetry::log::{self, Format, RecentLines};
use crate::telemetry::traces::Traces;
use crate::{app, config};

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    files: ConfigFiles,
    /// Folder of the local store, in place of backend.path [default: ./sealgate-data]
    #[arg(long, env = "SEALGATE_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address to serve S3 on, in place of listen.s3; port 0 picks a free one [default: 127.0.0.1:8000]
    #[arg(long, env = "SEALGATE_LISTEN", value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Address of health, metrics and status, in place of listen.admin; port 0 picks a free one
    /// [default: 127.0.0.1:8001]
    #[arg(long, env = "SEALGATE_ADMIN", value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
    /// Begin a new local store where the bodies have no index, or an older one. What is there is moved aside
    #[arg(long)]
    new_store: bool,
    /// What to log, to standard error: error, warn, info, debug, or per module, such as `sealgate::s3=debug`
    #[arg(long, env = "SEALGATE_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
    /// How log lines look: text or json
    #[arg(long, env = "SEALGATE_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: String,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let paths = self.files.paths();
        let recent = RecentLines::default();
        let logging = config::load(&paths, &|name| std::env::var(name).ok()).map(|loaded| loaded.config.logging);
        // a configuration with a mistake is told of when it is read in earnest
        let logging = logging.unwrap_or_default();
        let format = match (logging.format, self.log_format.as_str()) {
            (Some(format), _) => format,
            (None, "text") => Format::Text,
            (None, "json") => Format::Json,
            (None, _) => anyhow::bail!("--log-format must be text or json"),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let traces = logging.traces.as_ref().map(|settings| {
            let _within = runtime.enter();
            Traces::start(settings, env!("CARGO_PKG_VERSION"))
        });
        let traces = traces.transpose().context("telemetry.traces")?;
        log::start(logging.filter.as_deref().unwrap_or(&self.log), format, &recent, traces.as_ref())?;
        let (data, listen, admin) = (self.data, self.listen, self.admin);
        let options = app::Options { paths, data, new_store: self.new_store, listen, admin, recent };
        let served = runtime.block_on(app::serve(options));
        if let Some(traces) = traces {
            traces.end();
        }
        served
    }
}

/// Logs lines of text, for commands without a configuration of logging.
pub(super) fn log_to_stderr(filter: &str) -> anyhow::Result<()> {
    Ok(log::start(filter, Format::Text, &RecentLines::default(), None)?)
}
