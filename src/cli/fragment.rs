//! `sealgate fragment generate` and `sealgate fragment verify`: customer fragments and their copies.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use zeroize::Zeroizing;

use crate::app::secret_output::close_to_others;
use crate::keys::fragment::{Fragment, FragmentDifference, Fragments};

#[derive(Debug, Subcommand)]
pub(super) enum FragmentCommand {
    /// Make a fragment of 32 random bytes and print the file that holds it. Who loses it loses every object of its tenants
    Generate(Generate),
    /// Show the fingerprints of a file's fragments, and whether a copy of it, such as a backup, can replace it; exit code 1
    /// if not. Values are never shown
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(super) struct Generate {
    /// A name for people
    #[arg(long)]
    name: String,
    /// What it is for
    #[arg(long, default_value = "")]
    description: String,
    /// Print the JSON alone, without the warning on standard error
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The file with the fragments
    file: PathBuf,
    /// The copy to compare with it
    #[arg(long, value_name = "FILE")]
    copy: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl FragmentCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Generate(generate) => generate.run(),
            Self::Verify(verify) => verify.run(),
        }
    }
}

impl Generate {
    fn run(self) -> anyhow::Result<()> {
        close_to_others()?;
        let fragment = Fragment::generate(&self.name, &self.description)?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", fragment.to_file().as_str())?;
        out.flush()?;
        if !self.json {
            let (id, fingerprint) = (fragment.id(), fragment.fingerprint());
            let mut err = std::io::stderr().lock();
            writeln!(err, "fragment {id}, fingerprint {fingerprint}")?;
            writeln!(err, "Keep a copy where it cannot be lost: without it no object of its tenants opens, ever.")?;
        }
        Ok(())
    }
}

impl Verify {
    fn run(self) -> anyhow::Result<()> {
        let fragments = read(&self.file)?;
        let differences = match &self.copy {
            Some(copy) => fragments.differences(&read(copy)?),
            None => Vec::new(),
        };
        let (wrong, surplus): (Vec<_>, Vec<_>) =
            differences.iter().partition(|one| !matches!(one, FragmentDifference::Surplus { .. }));
        let told: Vec<_> = wrong.iter().chain(&surplus).map(|one| describe(one)).collect();
        let mut out = std::io::stdout().lock();
        if self.json {
            let shown = fragments
                .iter()
                .map(|one| json!({ "id": one.id(), "name": one.name(), "fingerprint": one.fingerprint() }));
            let shown: Vec<_> = shown.collect();
            writeln!(out, "{:#}", json!({ "fragments": shown, "differences": told }))?;
        } else {
            for one in fragments.iter() {
                writeln!(out, "{}  {}  {}", one.fingerprint(), one.id(), one.name())?;
            }
            for difference in &told {
                writeln!(out, "{difference}")?;
            }
        }
        out.flush()?;
        if wrong.is_empty() { Ok(()) } else { bail!("the copy cannot replace the file") }
    }
}

fn read(file: &Path) -> anyhow::Result<Fragments> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map(Zeroizing::new).with_context(|| name.clone())?;
    Ok(Fragments::parse(&name, &text)?)
}

fn describe(difference: &FragmentDifference) -> String {
    match difference {
        FragmentDifference::Missing { id } => format!("{id}: missing in the copy"),
        FragmentDifference::Other { id } => format!("{id}: another value in the copy"),
        FragmentDifference::Surplus { id } => format!("{id}: in the copy alone"),
    }
}

#[cfg(test)]
mod tests;
