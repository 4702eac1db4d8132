//! Key-encryption keys: seeds and secret access keys are AES-256-GCM ciphertext in the database.
//!
//! A sealed text is base64 of `key id (8 bytes) || nonce (12, random) || ciphertext || tag (16)`. The associated data
//! binds it to its place (tenant, kind, version or access key id), so that one cannot be moved to another. Whole rows are
//! tagged likewise: what is sealed is a digest of every column, bound to tenant and revision. The key id is
//! `SHA-256("sealgate/1 coordinator kek id" || key)[0..8]`. To rotate, make a new key current and keep the old one readable
//! until `sealgate coordinator rewrap` has sealed everything anew. Random nonces allow for 2^32 secrets under one key.

use std::fmt;

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::tenant::TenantId;

/// The keys of one database: one seals, all open.
pub struct Keks {
    current: Kek,
    old: Vec<Kek>,
}

/// Where a sealed text belongs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    /// a tenant's seed of this version
    Seed(&'a TenantId, u32),
    /// the secret of a tenant's access key of this id
    AccessKey(&'a TenantId, &'a str),
    /// all of a tenant's row at this revision
    Row(&'a str, u64),
    /// the text by which a database knows its keys
    Check,
    /// the same in a database all of whose rows are tagged
    TaggedCheck,
}

impl Keks {
    /// Takes the keys as base64 of 32 bytes each: the current one, and those that still open.
    ///
    /// # Errors
    /// [`KekError::Key`] if one is no such text; it is not shown.
    pub fn from_base64<'a>(current: &str, old: impl IntoIterator<Item = &'a str>) -> Result<Self, KekError> {
        let old = old.into_iter().map(Kek::from_base64).collect::<Result<_, _>>()?;
        Ok(Self { current: Kek::from_base64(current)?, old })
    }

    /// Seals a secret for its place.
    pub(super) fn seal(&self, place: Place<'_>, secret: &[u8]) -> Result<String, KekError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| KekError::Randomness)?;
        let payload = Payload { msg: secret, aad: &place.associated_data() };
        let sealed = self.current.cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_| KekError::Damaged)?;
        Ok(STANDARD.encode([&self.current.id[..], &nonce, &sealed].concat()))
    }

    /// Opens what was sealed for this place.
    pub(super) fn open(&self, place: Place<'_>, sealed: &str) -> Result<Zeroizing<Vec<u8>>, KekError> {
        let bytes = STANDARD.decode(sealed).map_err(|_| KekError::Damaged)?;
        let (id, rest) = bytes.split_first_chunk::<ID_BYTES>().ok_or(KekError::Damaged)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(KekError::Damaged)?;
        let kek = self.find(*id).ok_or_else(|| KekError::Unknown { id: hex(id) })?;
        let payload = Payload { msg: sealed, aad: &place.associated_data() };
        kek.cipher.decrypt(&Nonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| KekError::Damaged)
    }

    /// The tag of a row: whoever changes one of its columns, or moves it to another tenant or revision, cannot make it.
    /// A row and its tag of an earlier revision together are not told from the row of that revision.
    pub(super) fn tag(&self, row: &Tagged<'_>) -> Result<String, KekError> {
        self.seal(Place::Row(row.id, row.revision), &row.digest())
    }

    /// Whether a row is as it was tagged.
    pub(super) fn check_tag(&self, row: &Tagged<'_>, tag: &str) -> Result<(), KekError> {
        let digest = self.open(Place::Row(row.id, row.revision), tag)?;
        if *digest == row.digest() { Ok(()) } else { Err(KekError::Damaged) }
    }

    /// Whether a text is sealed under the current key.
    pub(super) fn is_current(&self, sealed: &str) -> bool {
        STANDARD.decode(sealed).is_ok_and(|bytes| bytes.starts_with(&self.current.id))
    }

    fn find(&self, id: [u8; ID_BYTES]) -> Option<&Kek> {
        std::iter::once(&self.current).chain(&self.old).find(|kek| kek.id == id)
    }
}

impl fmt::Debug for Keks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = std::iter::once(&self.current).chain(&self.old).map(|kek| hex(&kek.id)).collect();
        f.debug_tuple("Keks").field(&ids).finish()
    }
}

/// What the tag of a row covers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tagged<'a> {
    pub(super) id: &'a str,
    pub(super) revision: u64,
    /// none for a tombstone
    pub(super) document: Option<&'a str>,
    pub(super) bucket_prefix: Option<&'a str>,
}

impl Tagged<'_> {
    /// Unambiguous: each column is preceded by whether it is there and by its length.
    fn digest(&self) -> Vec<u8> {
        let mut digest = Sha256::new().chain_update(b"sealgate/1 coordinator row");
        for column in [self.document, self.bucket_prefix] {
            let bytes = column.unwrap_or_default().as_bytes();
            digest.update([u8::from(column.is_some())]);
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        }
        digest.finalize().to_vec()
    }
}

impl Place<'_> {
    /// Unambiguous: neither ids nor numbers contain the byte between them.
    fn associated_data(self) -> Vec<u8> {
        let place = match self {
            Self::Seed(tenant, version) => format!("seed\0{tenant}\0{version}"),
            Self::AccessKey(tenant, id) => format!("access key\0{tenant}\0{id}"),
            Self::Row(id, revision) => format!("row\0{id}\0{revision}"),
            Self::Check => "check".to_owned(),
            Self::TaggedCheck => "check of tagged rows".to_owned(),
        };
        format!("sealgate/1 coordinator\0{place}").into_bytes()
    }
}

struct Kek {
    id: [u8; ID_BYTES],
    cipher: Aes256Gcm,
}

impl Kek {
    fn from_base64(text: &str) -> Result<Self, KekError> {
        let key = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| KekError::Key)?);
        if key.len() != KEY_BYTES {
            return Err(KekError::Key);
        }
        let cipher = Aes256Gcm::new_from_slice(&key).map_err(|_| KekError::Key)?;
        let digest = Sha256::new().chain_update(b"sealgate/1 coordinator kek id").chain_update(&*key).finalize();
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&digest[..ID_BYTES]);
        Ok(Self { id, cipher })
    }
}

/// Why a secret of the database cannot be sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KekError {
    /// a key is unusable
    #[error("a key-encryption key is base64 of exactly 32 bytes (`sealgate keygen` makes one)")]
    Key,
    /// sealed under a key that was not given
    #[error("a secret of the database is sealed under key-encryption key {id}, which was not given")]
    Unknown {
        /// the key's id
        id: String,
    },
    /// changed, or moved from another place
    #[error("a secret of the database is damaged or not in its place")]
    Damaged,
    /// the operating system gave no random bytes
    #[error("no randomness from the operating system")]
    Randomness,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

const KEY_BYTES: usize = 32;
const ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 12;

#[cfg(test)]
mod tests;
