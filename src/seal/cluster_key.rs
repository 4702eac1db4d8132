//! The keys of a cluster: the gateways that serve the same objects share them, and nobody else has them. They seal what
//! the gateways keep for themselves, see [`record`](super::record).
//!
//! A cluster has a list: the first key whose time has come seals, all whose time has not run out open. To change the key,
//! add the new one behind, tell every gateway, put it first, and tell them again. No key follows from a key of a tenant.

use std::fmt;
use std::time::SystemTime;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{SealError, random};

/// One key: 32 random bytes.
pub struct ClusterKey {
    key: Zeroizing<[u8; Self::BYTES]>,
    id: ClusterKeyId,
}

impl ClusterKey {
    /// The length, in bytes.
    pub const BYTES: usize = 32;

    /// Takes the bytes of a key.
    #[must_use]
    pub fn from_bytes(key: Zeroizing<[u8; Self::BYTES]>) -> Self {
        let digest = Sha256::new().chain_update(b"sealgate record kid").chain_update(key.as_slice()).finalize();
        let mut id = [0; ClusterKeyId::BYTES];
        id.copy_from_slice(&digest[..ClusterKeyId::BYTES]);
        Self { key, id: ClusterKeyId(id) }
    }

    /// From standard base64 with padding, without white space; `None` unless it is of exactly 32 bytes.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
        let mut key = Zeroizing::new([0; Self::BYTES]);
        if bytes.len() != key.len() {
            return None;
        }
        key.copy_from_slice(&bytes);
        Some(Self::from_bytes(key))
    }

    /// A fresh key.
    ///
    /// # Errors
    /// [`SealError::Randomness`] when the operating system fails.
    pub fn generate() -> Result<Self, SealError> {
        Ok(Self::from_bytes(Zeroizing::new(random::bytes()?)))
    }

    /// The key in standard base64, for the operator who generates one.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.key.as_slice()))
    }

    /// The public id that records name.
    #[must_use]
    pub fn id(&self) -> ClusterKeyId {
        self.id
    }

    pub(super) fn expose(&self) -> &[u8; Self::BYTES] {
        &self.key
    }
}

impl PartialEq for ClusterKey {
    fn eq(&self, other: &Self) -> bool {
        self.key.ct_eq(other.key.as_slice()).into()
    }
}

impl Eq for ClusterKey {}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The public id of a cluster's key: 8 bytes, printed in hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterKeyId([u8; Self::BYTES]);

impl ClusterKeyId {
    pub(super) const BYTES: usize = 8;

    pub(super) fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Display for ClusterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ClusterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A key with the times between which it is used.
#[derive(Debug, PartialEq, Eq)]
pub struct TimedClusterKey {
    /// the key
    pub key: ClusterKey,
    /// it does not seal before; always if absent
    pub seals_from: Option<SystemTime>,
    /// it neither seals nor opens from then on; never if absent
    pub opens_until: Option<SystemTime>,
}

impl TimedClusterKey {
    fn opens(&self, now: SystemTime) -> bool {
        self.opens_until.is_none_or(|until| now < until)
    }

    fn seals(&self, now: SystemTime) -> bool {
        self.opens(now) && self.seals_from.is_none_or(|from| now >= from)
    }
}

impl From<ClusterKey> for TimedClusterKey {
    fn from(key: ClusterKey) -> Self {
        Self { key, seals_from: None, opens_until: None }
    }
}

/// The keys of a cluster, in order.
#[derive(Debug, PartialEq, Eq)]
pub struct ClusterKeys(Vec<TimedClusterKey>);

impl ClusterKeys {
    /// The most keys of a cluster.
    pub const COUNT_MAX: usize = 16;

    /// Takes the keys in their order.
    ///
    /// # Errors
    /// [`ClusterKeysError`] if there is none, one twice, or too many.
    pub fn new(keys: Vec<TimedClusterKey>) -> Result<Self, ClusterKeysError> {
        if keys.is_empty() {
            return Err(ClusterKeysError::None);
        }
        if keys.len() > Self::COUNT_MAX {
            return Err(ClusterKeysError::TooMany);
        }
        for (at, key) in keys.iter().enumerate() {
            if keys.iter().take(at).any(|earlier| earlier.key == key.key) {
                return Err(ClusterKeysError::Twice { at });
            }
        }
        Ok(Self(keys))
    }

    /// A list of one key that is always used.
    #[must_use]
    pub fn one(key: ClusterKey) -> Self {
        Self(vec![key.into()])
    }

    /// The key that seals at `now`; `None` if no key's time has come, or all have run out.
    #[must_use]
    pub fn sealing(&self, now: SystemTime) -> Option<&ClusterKey> {
        self.0.iter().find(|timed| timed.seals(now)).map(|timed| &timed.key)
    }

    /// The key with this id, if it opens at `now`.
    pub(super) fn opening(&self, id: ClusterKeyId, now: SystemTime) -> Option<&ClusterKey> {
        self.0.iter().find(|timed| timed.key.id == id && timed.opens(now)).map(|timed| &timed.key)
    }

    /// Whether what this key sealed can be opened at `now`.
    #[must_use]
    pub fn opens(&self, id: ClusterKeyId, now: SystemTime) -> bool {
        self.opening(id, now).is_some()
    }

    /// The ids of the keys, in their order.
    pub fn ids(&self) -> impl Iterator<Item = ClusterKeyId> {
        self.0.iter().map(|timed| timed.key.id)
    }

    /// By what two gateways see whether they have the same keys in the same order, with the same times: 16 hex digits.
    /// Keyed with the first key, so that nothing can be tried against it.
    #[must_use]
    pub fn digest(&self) -> String {
        let Some(first) = self.0.first() else { return String::new() };
        let Ok(mut digest) = Hmac::<Sha256>::new_from_slice(first.key.expose()) else { return String::new() };
        digest.update(b"sealgate cluster keys");
        for timed in &self.0 {
            digest.update(timed.key.id.as_bytes());
            digest.update(&seconds(timed.seals_from).to_be_bytes());
            digest.update(&seconds(timed.opens_until).to_be_bytes());
        }
        let digest = digest.finalize().into_bytes();
        digest.first_chunk().map(|first| format!("{:016x}", u64::from_be_bytes(*first))).unwrap_or_default()
    }
}

/// Since 1970; a time that is absent counts as a second that no time has.
fn seconds(time: Option<SystemTime>) -> u64 {
    let since = time.map(|time| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs());
    since.unwrap_or(u64::MAX)
}

/// Why keys make no list. Never holds any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterKeysError {
    /// there is none
    #[error("no key")]
    None,
    /// a key is given twice
    #[error("key {} is given a second time", at + 1)]
    Twice {
        /// its place, counted from 0
        at: usize,
    },
    /// there are too many
    #[error("more than {} keys", ClusterKeys::COUNT_MAX)]
    TooMany,
}

#[cfg(test)]
mod tests;
