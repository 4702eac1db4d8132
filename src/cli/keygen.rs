//! `sealgate keygen`.

use std::io::Write as _;

use clap::Args;

use crate::seal::{Seed, TenantKey};

#[derive(Debug, Args)]
pub(super) struct Keygen {
    /// Print JSON: the seed, and the id of its key
    #[arg(long)]
    json: bool,
}

impl Keygen {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let seed = Seed::generate()?;
        let text = seed.to_base64();
        let mut out = std::io::stdout().lock();
        if self.json {
            let key_id = TenantKey::from_seed(&seed).key_id();
            writeln!(out, "{{\"seed\": \"{}\", \"key_id\": \"{key_id}\"}}", text.as_str())?;
        } else {
            writeln!(out, "{}", text.as_str())?;
        }
        Ok(out.flush()?)
    }
}
