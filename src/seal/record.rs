//! Records: what gateways keep for themselves at the store, sealed under a key of their cluster (`SPEC.md`, records).
//!
//! `record = "SGR1" || key id (8) || salt (32) || AES-256-GCM[key](fields)`, with a key of its own for each record:
//! `HKDF(cluster key, salt, "sealgate record" || u16 length || type || u16 length || tenant || u16 length || name, L = 32)`.
//! So a record opens under its own type, tenant and name alone. The nonce is zero: no key is used twice.
//!
//! No tenant's key opens or makes one. Whoever writes to the store can take a record away or bring an older one of the
//! same name back; whoever reads must know what an older one would mean.

use std::fmt;
use std::time::SystemTime;

use aes_gcm::aead::Aead as _;
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::cluster_key::{ClusterKey, ClusterKeyId, ClusterKeys};
use super::{random, secret::expand};

/// What a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// an upload that is open
    Upload,
    /// what is known of a stored part; short, so that it fits the name of an object
    Note,
}

impl RecordKind {
    /// The word in the format.
    fn word(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Note => "note",
        }
    }

    /// The longest fields, in bytes.
    #[must_use]
    pub fn fields_bytes_max(self) -> usize {
        match self {
            Self::Upload => 65_536,
            Self::Note => 131,
        }
    }

    /// The longest record, in bytes.
    #[must_use]
    pub fn record_bytes_max(self) -> usize {
        self.fields_bytes_max() + OVERHEAD_BYTES
    }
}

/// Which record it is. No two records of one cluster have the same, but for later states of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordName {
    kind: RecordKind,
    tenant: String,
    name: String,
}

impl RecordName {
    /// The record of a tenant's thing that these words name. Each word goes in with its length in bytes, as in
    /// `6:bucket,3:key,`, so that no two lists of words make one name.
    #[must_use]
    pub fn new(kind: RecordKind, tenant: &str, words: &[&str]) -> Self {
        let words: Vec<String> = words.iter().map(|word| format!("{}:{word},", word.len())).collect();
        Self { kind, tenant: tenant.to_owned(), name: words.concat() }
    }
}

impl ClusterKeys {
    /// Seals a record. `now` decides which key does.
    ///
    /// # Errors
    /// [`RecordError`] if no key seals now, the fields or the name are too long, or there is no randomness.
    pub fn seal_record(&self, name: &RecordName, fields: &[u8], now: SystemTime) -> Result<Vec<u8>, RecordError> {
        if fields.len() > name.kind.fields_bytes_max() {
            return Err(RecordError::TooLong);
        }
        let key = self.sealing(now).ok_or(RecordError::NoSealingKey)?;
        let salt = random::bytes::<SALT_BYTES>().map_err(|_| RecordError::Randomness)?;
        let sealed =
            cipher(key, &salt, name)?.encrypt(&Nonce::from(NONCE), fields).map_err(|_| RecordError::TooLong)?;
        Ok([MAGIC, key.id().as_bytes(), &salt, &sealed].concat())
    }

    /// Opens a record: the fields that were sealed for this name.
    ///
    /// # Errors
    /// [`RecordError`]; the record is then as good as none.
    pub fn open_record(
        &self,
        name: &RecordName,
        record: &[u8],
        now: SystemTime,
    ) -> Result<Zeroizing<Vec<u8>>, RecordError> {
        if record.len() > name.kind.record_bytes_max() {
            return Err(RecordError::TooLong);
        }
        let (id, rest) = split(record).ok_or(RecordError::Malformed)?;
        let (salt, sealed) = rest.split_first_chunk::<SALT_BYTES>().ok_or(RecordError::Malformed)?;
        let key = self.opening(id, now).ok_or(RecordError::UnknownKey { id })?;
        let opened = cipher(key, salt, name)?.decrypt(&Nonce::from(NONCE), sealed);
        opened.map(Zeroizing::new).map_err(|_| RecordError::NotAuthentic)
    }
}

/// The key that a record names; `None` if it is none.
#[must_use]
pub fn record_key_id(record: &[u8]) -> Option<ClusterKeyId> {
    split(record).map(|(id, _)| id)
}

/// The id of an upload that its client sees: `<the store's>.<c>`, where
/// `c = base64url(H("sealgate upload" || u16 length || the store's id || record)[0..16])` (F-26). `None` if the store's id is
/// longer than a 16-bit length can say.
#[must_use]
pub fn record_upload_id(store_id: &str, record: &[u8]) -> Option<String> {
    let length = u16::try_from(store_id.len()).ok()?;
    let mut digest = Sha256::new().chain_update(b"sealgate upload").chain_update(length.to_be_bytes());
    digest.update(store_id);
    digest.update(record);
    let digest: [u8; 32] = digest.finalize().into();
    let commitment: &[u8; COMMITMENT_BYTES] = digest.first_chunk()?;
    Some(format!("{store_id}.{}", URL_SAFE_NO_PAD.encode(commitment)))
}

/// Whether a client's upload id is that of this upload with this record; takes a time that depends on lengths only.
#[must_use]
pub fn is_upload_id_of(id: &str, store_id: &str, record: &[u8]) -> bool {
    record_upload_id(store_id, record).is_some_and(|own| own.as_bytes().ct_eq(id.as_bytes()).into())
}

/// The store's id within a client's: what stands before the last dot, if what follows can be that of a record, or is the
/// `x` of an upload without a usable record.
#[must_use]
pub fn store_upload_id(id: &str) -> Option<&str> {
    let (store_id, rest) = id.rsplit_once('.')?;
    let is_word = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
    let is_ours = rest == "x" || rest.len() == COMMITMENT_CHARACTERS && rest.bytes().all(is_word);
    (is_ours && !store_id.is_empty()).then_some(store_id)
}

fn split(record: &[u8]) -> Option<(ClusterKeyId, &[u8])> {
    let (id, rest) = record.strip_prefix(MAGIC)?.split_first_chunk()?;
    Some((ClusterKeyId::new(*id), rest))
}

fn cipher(key: &ClusterKey, salt: &[u8; SALT_BYTES], name: &RecordName) -> Result<Aes256Gcm, RecordError> {
    let length = |text: &str| u16::try_from(text.len()).map(u16::to_be_bytes).map_err(|_| RecordError::TooLong);
    let texts = [name.kind.word(), name.tenant.as_str(), name.name.as_str()];
    let [kind, tenant, words] = [length(texts[0])?, length(texts[1])?, length(texts[2])?];
    let info: [&[u8]; 7] =
        [LABEL, &kind, texts[0].as_bytes(), &tenant, texts[1].as_bytes(), &words, texts[2].as_bytes()];
    let mut derived = Zeroizing::new([0; 32]);
    expand(key.expose(), salt, &info, derived.as_mut_slice());
    Aes256Gcm::new_from_slice(derived.as_slice()).map_err(|_| RecordError::Malformed)
}

/// Why a record cannot be sealed or opened. Ids only, never secrets.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// the operating system gave no random bytes
    #[error("no randomness from the operating system")]
    Randomness,
    /// the cluster has no key whose time to seal has come
    #[error("no key of the cluster seals now")]
    NoSealingKey,
    /// the fields, the name or the record are longer than the format allows
    #[error("a record or its name is too long")]
    TooLong,
    /// not the bytes of a record
    #[error("not a record")]
    Malformed,
    /// sealed under a key that the cluster does not have, or no longer
    #[error("sealed under the cluster key {id}, which is not in cluster.keys")]
    UnknownKey {
        /// the key
        id: ClusterKeyId,
    },
    /// changed, or of another type, tenant or name
    #[error("the record fails authentication under its name")]
    NotAuthentic,
}

impl fmt::Debug for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const MAGIC: &[u8] = b"SGR1";
const LABEL: &[u8] = b"sealgate record";
const SALT_BYTES: usize = 32;
const NONCE: [u8; 12] = [0; 12];
const COMMITMENT_BYTES: usize = 16;
const COMMITMENT_CHARACTERS: usize = 22;
const OVERHEAD_BYTES: usize = 4 + ClusterKeyId::BYTES + SALT_BYTES + 16;

#[cfg(test)]
mod tests;
