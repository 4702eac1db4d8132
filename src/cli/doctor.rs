//! `sealgate doctor`: looks at everything that a start needs, and with `--production` at what production should have.
//! Exit code 1 if anything fails.

use std::io::Write as _;

use clap::Args;

use super::ConfigFiles;
use crate::app::doctor::{Extent, Finding, State, examine};

#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    files: ConfigFiles,
    /// Also look for what production should have: TLS on every hop, audit records, keys with a copy, closed files
    #[arg(long)]
    production: bool,
    /// Write nothing to the store: leave out the sealed object that goes there and back
    #[arg(long)]
    read_only: bool,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let extent = Extent { production: self.production, round_trip: !self.read_only };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let findings = runtime.block_on(examine(&self.files.paths(), extent));
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
