//! What is generated when nothing is configured: a key seed and one access key, so that the gateway can be tried with
//! one command.
//!
//! They are made once, kept in `first-start.json` (mode 0600) in the data folder, and read again at later starts. Who
//! loses the file loses the objects sealed under its seed. A file that is damaged, or that others than its owner can
//! reach, is refused, never replaced. The key of the cluster lies beside it, see [`cluster`](super::cluster).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::access::AccessKey;
use super::private_file::{self, PrivateFileError};
use super::secret::SecretText;
use crate::seal::Seed;
use crate::tenant::{BucketPrefix, TenantId};

/// The generated seed and access key.
#[derive(Debug)]
pub struct Generated {
    /// the seed of the one encryption key
    pub seed: Seed,
    /// the access key id: 20 letters and digits
    pub access_key_id: String,
    /// the secret access key: 40 characters
    pub secret_access_key: SecretText,
    /// where they are kept
    pub file: PathBuf,
    /// whether this start made them
    pub is_new: bool,
}

impl Generated {
    /// The access key, for the one tenant of a gateway that names none.
    #[must_use]
    pub fn access_key(&self) -> AccessKey {
        let secret = SecretText::new(self.secret_access_key.expose().to_owned());
        AccessKey::new(TenantId::default_tenant(), BucketPrefix::empty(), &self.access_key_id, secret)
    }
}

/// Reads what an earlier start generated, or generates it.
///
/// # Errors
/// [`FirstStartError`] if the folder or file cannot be made or read, or the file is damaged or too open.
pub fn first_start(data_dir: &Path) -> Result<Generated, FirstStartError> {
    let file = data_dir.join(FILE_NAME);
    let at = |source| FirstStartError::Io { file: file.clone(), source };
    let is_new = if fs::exists(&file).map_err(at)? {
        false
    } else {
        private_file::write_new(data_dir, FILE_NAME, &generate()?).map_err(at)?
    };
    let kept = private_file::read(&file).map_err(|error| match error {
        PrivateFileError::Io { file, source } => FirstStartError::Io { file, source },
        PrivateFileError::NoText { file } => FirstStartError::Damaged { file },
        PrivateFileError::TooOpen { file, mode } => FirstStartError::TooOpen { file, mode },
    })?;
    let damaged = || FirstStartError::Damaged { file: file.clone() };
    let kept: Kept = serde_json::from_str(&kept).map_err(|_| damaged())?;
    let seed = Seed::from_base64(kept.key_seed.expose()).map_err(|_| damaged())?;
    if kept.access_key_id.is_empty() || kept.secret_access_key.is_empty() {
        return Err(damaged());
    }
    let (access_key_id, secret_access_key) = (kept.access_key_id, kept.secret_access_key);
    Ok(Generated { seed, access_key_id, secret_access_key, file, is_new })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    key_seed: SecretText,
    access_key_id: String,
    secret_access_key: SecretText,
}

fn generate() -> Result<Zeroizing<String>, FirstStartError> {
    let seed = Seed::generate().map_err(|_| FirstStartError::Randomness)?.to_base64();
    let id: String = random::<18>()?.iter().map(|byte| char::from(ID_ALPHABET[usize::from(byte % 32)])).collect();
    let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(random::<30>()?.as_slice()));
    let (seed, secret) = (seed.as_str(), secret.as_str());
    Ok(Zeroizing::new(format!(
        "{{\n  \"key_seed\": \"{seed}\",\n  \"access_key_id\": \"SG{id}\",\n  \"secret_access_key\": \"{secret}\"\n}}\n"
    )))
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, FirstStartError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes).map_err(|_| FirstStartError::Randomness)?;
    Ok(bytes)
}

/// Why there is neither a kept nor a generated key.
#[derive(Debug, thiserror::Error)]
pub enum FirstStartError {
    /// the folder or file cannot be made or read
    #[error("cannot keep the generated keys in {}", file.display())]
    Io {
        /// the file
        file: PathBuf,
        /// why
        source: io::Error,
    },
    /// the file is not what was written
    #[error(
        "{} is damaged; put back a copy of it: without it the objects sealed under its seed cannot be opened",
        file.display()
    )]
    Damaged {
        /// the file
        file: PathBuf,
    },
    /// others than the owner can reach the file
    #[error("{} holds secrets but has mode {mode:o}; `chmod 600` it", file.display())]
    TooOpen {
        /// the file
        file: PathBuf,
        /// its permission bits
        mode: u32,
    },
    /// the operating system gave no random bytes
    #[error("no randomness from the operating system")]
    Randomness,
}

/// The name of the file in the data folder.
pub const FILE_NAME: &str = "first-start.json";
const ID_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

#[cfg(test)]
mod tests;
