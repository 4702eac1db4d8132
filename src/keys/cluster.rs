//! The keys of the cluster while serving, and the file in which a local store keeps the one that it makes for itself.
//!
//! A local store belongs to one gateway at a time. Where the configuration names no key, the first start makes one and keeps
//! it in `cluster.json` (mode 0600) in the store's folder. Who loses the file loses uploads that are open, and no object.
//! A file that is damaged, or that others than its owner can reach, is refused, never replaced.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::private_file::{self, PrivateFileError};
use super::secret::SecretText;
use crate::seal::{ClusterKey, ClusterKeys};

/// The keys that are in force.
#[derive(Clone, Debug)]
pub struct LiveClusterKeys(Arc<ArcSwap<ClusterKeys>>);

impl LiveClusterKeys {
    /// Starts with these.
    #[must_use]
    pub fn new(keys: Arc<ClusterKeys>) -> Self {
        Self(Arc::new(ArcSwap::new(keys)))
    }

    /// The keys as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<ClusterKeys> {
        self.0.load_full()
    }

    /// Puts other keys in force.
    pub fn replace(&self, keys: Arc<ClusterKeys>) {
        self.0.store(keys);
    }
}

/// Reads the key that an earlier start kept in the folder of a local store, or makes it.
///
/// # Errors
/// [`KeptClusterKeyError`] if the folder or file cannot be made or read, or the file is damaged or too open.
pub fn kept(folder: &Path) -> Result<ClusterKeys, KeptClusterKeyError> {
    let file = folder.join(FILE_NAME);
    let at = |source| KeptClusterKeyError::Io { file: file.clone(), source };
    if !fs::exists(&file).map_err(at)? {
        let key = ClusterKey::generate().map_err(|_| KeptClusterKeyError::Randomness)?.to_base64();
        let text = Zeroizing::new(format!("{{\n  \"key\": \"{}\"\n}}\n", key.as_str()));
        private_file::write_new(folder, FILE_NAME, &text).map_err(at)?;
    }
    let text = private_file::read(&file).map_err(|error| match error {
        PrivateFileError::Io { file, source } => KeptClusterKeyError::Io { file, source },
        PrivateFileError::NoText { file } => KeptClusterKeyError::Damaged { file },
        PrivateFileError::TooOpen { file, mode } => KeptClusterKeyError::TooOpen { file, mode },
    })?;
    let kept = serde_json::from_str::<Kept>(&text).ok();
    let key = kept.and_then(|kept| ClusterKey::from_base64(kept.key.expose()));
    key.map(ClusterKeys::one).ok_or(KeptClusterKeyError::Damaged { file })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    key: SecretText,
}

/// Why there is neither a kept nor a fresh key.
#[derive(Debug, thiserror::Error)]
pub enum KeptClusterKeyError {
    /// the folder or file cannot be made or read
    #[error("cannot keep the key of the cluster in {}", file.display())]
    Io {
        /// the file
        file: PathBuf,
        /// why
        source: io::Error,
    },
    /// the file is not what was written
    #[error(
        "{} is damaged; put back a copy of it, or remove it: uploads that are open then have to begin again",
        file.display()
    )]
    Damaged {
        /// the file
        file: PathBuf,
    },
    /// others than the owner can reach the file
    #[error("{} holds a secret but has mode {mode:o}; `chmod 600` it", file.display())]
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

/// The name of the file in the folder of a local store.
pub const FILE_NAME: &str = "cluster.json";

#[cfg(test)]
mod tests;
