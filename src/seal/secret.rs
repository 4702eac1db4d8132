//! Secrets and ids: the tenant's seed and key, the object's secret, and the public ids of both.
//!
//! Derivation (`SPEC.md`, tenant keys): `sk = SHA-256(seed)`, clamped by X25519 (RFC 7748); `pk = X25519(sk, 9)`;
//! `key_id = SHA-256("sealgate/1 key id" || pk)[0..8]`. Secrets are wiped on drop, compare in constant time, print as
//! `[secret]`, and are neither `Clone` nor `Default`.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{SealError, SeedError, random, x25519::KeyPair};

/// A tenant's key seed: at least 32 bytes of secret, as the operator or a KMS hands it over.
pub struct Seed(Zeroizing<Vec<u8>>);

impl Seed {
    /// The least length, in bytes.
    pub const BYTES_MIN: usize = 32;

    /// Takes the decoded bytes of a seed.
    ///
    /// # Errors
    /// [`SeedError::TooShort`] under 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SeedError> {
        Self::checked(Zeroizing::new(bytes.to_vec()))
    }

    /// Decodes standard base64 with padding; white space is trimmed at the end only.
    ///
    /// # Errors
    /// [`SeedError`]; it never holds any of the text.
    pub fn from_base64(text: &str) -> Result<Self, SeedError> {
        Self::checked(Zeroizing::new(STANDARD.decode(text.trim_end()).map_err(|_| SeedError::NotBase64)?))
    }

    /// A fresh seed of 32 random bytes.
    ///
    /// # Errors
    /// [`SeedError::Randomness`] when the operating system fails.
    pub fn generate() -> Result<Self, SeedError> {
        let bytes = Zeroizing::new(random::bytes::<{ Self::BYTES_MIN }>().map_err(|_| SeedError::Randomness)?);
        Self::from_bytes(bytes.as_slice())
    }

    /// The seed in standard base64, for the operator who generates one.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.expose()))
    }

    /// The seed that is only whole together with a customer's fragment:
    /// `HKDF(ikm = seed || fragment, salt = tenant, info = "sealgate/1 customer fragment" || fragment_id, 32)`.
    #[must_use]
    pub fn with_fragment(&self, fragment: &[u8], fragment_id: &str, tenant: &str) -> Self {
        let ikm = Zeroizing::new([self.expose(), fragment].concat());
        let mut seed = Zeroizing::new(vec![0; Self::BYTES_MIN]);
        expand(&ikm, tenant.as_bytes(), &[b"sealgate/1 customer fragment", fragment_id.as_bytes()], &mut seed);
        Self(seed)
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    fn checked(bytes: Zeroizing<Vec<u8>>) -> Result<Self, SeedError> {
        if bytes.len() < Self::BYTES_MIN {
            return Err(SeedError::TooShort { bytes: bytes.len() });
        }
        Ok(Self(bytes))
    }
}

/// A tenant's X25519 key pair with its id: seals to the tenant and opens what was sealed to it.
pub struct TenantKey {
    secret: Zeroizing<[u8; 32]>,
    public: [u8; 32],
    id: KeyId,
}

impl TenantKey {
    /// Derives the pair. Costs one X25519 multiplication; keep the result.
    #[must_use]
    pub fn from_seed(seed: &Seed) -> Self {
        let secret = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(seed.expose())));
        let public = *KeyPair::of(&secret).public();
        let id = Sha256::new().chain_update(b"sealgate/1 key id").chain_update(public).finalize();
        let mut key_id = [0; 8];
        key_id.copy_from_slice(&id[..8]);
        Self { secret, public, id: KeyId(key_id) }
    }

    /// Whether this is the key of `seed`; far cheaper than deriving it again, and in constant time.
    #[must_use]
    pub fn is_from(&self, seed: &Seed) -> bool {
        Zeroizing::new(<[u8; 32]>::from(Sha256::digest(seed.expose()))).ct_eq(self.secret.as_slice()).into()
    }

    /// The public id that envelopes name.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.id
    }

    pub(super) fn public(&self) -> &[u8; 32] {
        &self.public
    }

    pub(super) fn pair(&self) -> KeyPair {
        KeyPair::of(&self.secret)
    }
}

/// The 32-byte secret of one object, from which the keys of all its streams are derived.
pub struct ObjectSecret(Zeroizing<[u8; 32]>);

impl ObjectSecret {
    pub(super) fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Copies from a derived block of exactly 32 bytes.
    pub(super) fn copied(bytes: &[u8; 32]) -> Self {
        Self::new(*bytes)
    }

    /// A second copy for a state machine that outlives the borrow; not `Clone`, so that nobody copies by habit.
    pub(super) fn duplicate(&self) -> Self {
        Self(Zeroizing::new(*self.0))
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for ObjectSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for ObjectSecret {}

/// The public id of a tenant key: 8 bytes, printed in hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; 8]);

impl KeyId {
    pub(super) fn new(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The bytes as envelopes carry them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// A text is not 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key id is 16 hexadecimal digits")]
pub struct KeyIdError;

impl FromStr for KeyId {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, KeyIdError> {
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(KeyIdError);
        }
        u64::from_str_radix(text, 16).map(|id| Self(id.to_be_bytes())).map_err(|_| KeyIdError)
    }
}

/// The public id of an object: 16 random bytes, kept over copies and rewraps; for logs and audit, printed in hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObjectId([u8; 16]);

impl ObjectId {
    pub(super) fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(super) fn generate() -> Result<Self, SealError> {
        random::bytes().map(Self)
    }

    /// The bytes as envelopes carry them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Debug for ObjectSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// HKDF-SHA-256 (RFC 5869). `out` is far under the 8,160 bytes HKDF can give, so it cannot fail.
#[expect(clippy::expect_used, reason = "every caller asks for at most 96 bytes")]
pub(super) fn expand(ikm: &[u8], salt: &[u8], info: &[&[u8]], out: &mut [u8]) {
    Hkdf::<Sha256>::new(Some(salt), ikm).expand_multi_info(info, out).expect("at most 96 bytes");
}

fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests;
