//! `sealgate serve`.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use tracing_subscriber::EnvFilter;

use super::ConfigFiles;
use crate::app;

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
    /// What to log, to standard error: error, warn, info, debug, or per module, such as `sealgate::s3=debug`
    #[arg(long, env = "SEALGATE_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<()> {
        log_to_stderr(&self.log)?;
        let options = app::Options { paths: self.files.paths(), data: self.data, listen: self.listen };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(app::serve(options))
    }
}

/// The framework logs every refused request as an error, and requests with their signatures when asked for more: it
/// stays silent.
pub(super) fn log_to_stderr(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)?.add_directive("s3s=off".parse()?);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}
