//! `sealgate keygen`.

use std::io::Write as _;

use clap::Args;

use crate::app::secret_output::close_to_others;
use crate::seal::{ClusterKey, Seed, TenantKey};

#[derive(Debug, Args)]
pub(super) struct Keygen {
    /// Print JSON: the seed or key, and the id of the key
    #[arg(long)]
    json: bool,
    /// Print a key of the cluster, for cluster.keys, instead of a seed: 32 random bytes as base64
    #[arg(long)]
    cluster: bool,
}

impl Keygen {
    pub(super) fn run(self) -> anyhow::Result<()> {
        close_to_others()?;
        let (field, text, key_id) = if self.cluster {
            let key = ClusterKey::generate()?;
            ("key", key.to_base64(), key.id().to_string())
        } else {
            let seed = Seed::generate()?;
            ("seed", seed.to_base64(), TenantKey::from_seed(&seed).key_id().to_string())
        };
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{{\"{field}\": \"{}\", \"key_id\": \"{key_id}\"}}", text.as_str())?;
        } else {
            writeln!(out, "{}", text.as_str())?;
        }
        Ok(out.flush()?)
    }
}
