//! `sealgate config check` and `sealgate config schema`.

use std::io::Write as _;

use clap::Args;

use super::ConfigFiles;
use crate::config;

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    files: ConfigFiles,
}

impl Check {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let loaded = config::load(&self.files.paths(), &|name| std::env::var(name).ok())?;
        let mut out = std::io::stdout().lock();
        if loaded.files.is_empty() {
            writeln!(out, "no configuration file: all defaults")?;
        }
        for file in &loaded.files {
            writeln!(out, "read {}", file.display())?;
        }
        for section in &loaded.foreign_sections {
            writeln!(out, "left alone: section {section}")?;
        }
        for warning in &loaded.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        writeln!(out, "in force, secrets masked:\n{}", loaded.effective)?;
        Ok(out.flush()?)
    }
}

pub(super) fn print_schema() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", config::schema::published())?;
    Ok(out.flush()?)
}
