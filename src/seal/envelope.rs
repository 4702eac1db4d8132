//! The envelope: 128 bytes that carry one object's secret to one tenant, bound to one name.
//!
//! ECIES over X25519, HKDF-SHA-256 and HMAC-SHA-256; layout and derivation in `SPEC.md`. An [`Envelope`] is always well
//! formed; whether it is genuine is known once [`Envelope::open`] has checked its tag (F-3).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    Binding, KeyId, ObjectId, ObjectSecret, OpenError, SealError, TenantKey, counter::CounterMode, random,
    secret::expand, x25519::KeyPair,
};

/// Whether the body is one stream or parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// one PUT
    Single,
    /// a multipart upload
    Multipart,
}

/// How the envelope carries the object's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// derived from the key agreement: every fresh upload
    Derived,
    /// encrypted under it: after a copy, a rename or a rewrap
    Wrapped,
}

/// A well-formed envelope.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope([u8; Envelope::BYTES]);

impl Envelope {
    /// The length of every envelope.
    pub const BYTES: usize = 128;
    /// What [`OpenError::Malformed`] calls the suite: one that is not known here may be that of a later version.
    pub const SUITE_FIELD: &'static str = "suite";

    /// Makes an envelope and a fresh object secret with it (mode 0). Every call draws a new ephemeral key (F-4).
    ///
    /// # Errors
    /// [`SealError::Randomness`].
    pub fn seal(kind: Kind, to: &TenantKey, binding: &Binding) -> Result<(Self, ObjectSecret), SealError> {
        let agreement = Agreement::fresh(to)?;
        let envelope = Self::written(kind, to, &agreement, None, ObjectId::generate()?, binding);
        Ok((envelope, ObjectSecret::copied(agreement.derived())))
    }

    /// Wraps the secret of an existing object for a new recipient or name (mode 1), keeping its id.
    ///
    /// # Errors
    /// [`SealError::Randomness`].
    pub fn wrap(
        kind: Kind,
        to: &TenantKey,
        binding: &Binding,
        secret: &ObjectSecret,
        object_id: ObjectId,
    ) -> Result<Self, SealError> {
        let agreement = Agreement::fresh(to)?;
        let wrapped = agreement.wrap(secret.expose());
        Ok(Self::written(kind, to, &agreement, Some(&wrapped), object_id, binding))
    }

    /// Checks the tag (F-3) and gives the object's secret.
    ///
    /// # Errors
    /// [`OpenError::WrongKey`] when it is sealed to another key, [`OpenError::LowOrderPoint`], and
    /// [`OpenError::EnvelopeTag`] when it was changed or is bound to another tenant, bucket or name.
    pub fn open(&self, key: &TenantKey, binding: &Binding) -> Result<ObjectSecret, OpenError> {
        if self.key_id() != key.key_id() {
            return Err(OpenError::WrongKey { envelope: self.key_id(), key: key.key_id() });
        }
        let epk = self.field::<32>(EPK);
        let shared = key.pair().agree(&epk).ok_or(OpenError::LowOrderPoint)?;
        let agreement = Agreement::new(&shared, epk, key);
        agreement.mac(&self.0[..TAG], binding).verify_slice(&self.0[TAG..]).map_err(|_| OpenError::EnvelopeTag)?;
        Ok(match self.mode() {
            Mode::Derived => ObjectSecret::copied(agreement.derived()),
            Mode::Wrapped => ObjectSecret::copied(&agreement.wrap(&self.field(WRAPPED))),
        })
    }

    /// Reads an envelope from its 128 bytes. Its suite byte is the only place a suite is taken from (F-14).
    ///
    /// # Errors
    /// [`OpenError::Malformed`] says which field.
    pub fn parse(bytes: &[u8]) -> Result<Self, OpenError> {
        let bytes: [u8; Self::BYTES] = bytes.try_into().map_err(|_| OpenError::Malformed("length"))?;
        if bytes[..4] != MAGIC {
            return Err(OpenError::Malformed("magic"));
        }
        if bytes[4] != SUITE {
            return Err(OpenError::Malformed(Self::SUITE_FIELD));
        }
        if !matches!(bytes[5], SINGLE | MULTIPART) {
            return Err(OpenError::Malformed("kind"));
        }
        if !matches!(bytes[6], DERIVED | WRAPPED_MODE) {
            return Err(OpenError::Malformed("mode"));
        }
        if bytes[7] != 0 || (bytes[6] == DERIVED && bytes[WRAPPED..OBJECT_ID] != [0; 32]) {
            return Err(OpenError::Malformed("zero bytes"));
        }
        Ok(Self(bytes))
    }

    /// Reads an envelope from the metadata value `sealgate`.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] for anything but canonical base64url without padding of a well-formed envelope.
    pub fn from_metadata(text: &str) -> Result<Self, OpenError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| OpenError::Malformed("base64url"))?;
        Self::parse(&bytes)
    }

    /// The metadata value: base64url without padding, 171 characters.
    #[must_use]
    pub fn to_metadata(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// Single or multipart.
    #[must_use]
    pub fn kind(&self) -> Kind {
        if self.0[5] == SINGLE { Kind::Single } else { Kind::Multipart }
    }

    /// Derived or wrapped.
    #[must_use]
    pub fn mode(&self) -> Mode {
        if self.0[6] == DERIVED { Mode::Derived } else { Mode::Wrapped }
    }

    /// The key it is sealed to; a ring is asked for this one.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        KeyId::new(self.field(KEY_ID))
    }

    /// The object's id.
    #[must_use]
    pub fn object_id(&self) -> ObjectId {
        ObjectId::new(self.field(OBJECT_ID))
    }

    fn written(
        kind: Kind,
        to: &TenantKey,
        agreement: &Agreement,
        wrapped: Option<&[u8; 32]>,
        object_id: ObjectId,
        binding: &Binding,
    ) -> Self {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = SUITE;
        bytes[5] = match kind {
            Kind::Single => SINGLE,
            Kind::Multipart => MULTIPART,
        };
        bytes[6] = if wrapped.is_some() { WRAPPED_MODE } else { DERIVED };
        bytes[KEY_ID..EPK].copy_from_slice(to.key_id().as_bytes());
        bytes[EPK..WRAPPED].copy_from_slice(&agreement.epk);
        bytes[WRAPPED..OBJECT_ID].copy_from_slice(wrapped.unwrap_or(&[0; 32]));
        bytes[OBJECT_ID..TAG].copy_from_slice(object_id.as_bytes());
        let tag = agreement.mac(&bytes[..TAG], binding).finalize().into_bytes();
        bytes[TAG..].copy_from_slice(&tag);
        Self(bytes)
    }

    fn field<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut field = [0; N];
        field.copy_from_slice(&self.0[offset..offset + N]);
        field
    }
}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Envelope")
            .field("kind", &self.kind())
            .field("mode", &self.mode())
            .field("key_id", &self.key_id())
            .field("object_id", &self.object_id())
            .finish_non_exhaustive()
    }
}

/// The three keys of one key agreement: `derived || wrap_key || tag_key`.
struct Agreement {
    epk: [u8; 32],
    okm: Zeroizing<[u8; 96]>,
}

impl Agreement {
    fn fresh(to: &TenantKey) -> Result<Self, SealError> {
        let ephemeral = KeyPair::of(&Zeroizing::new(random::bytes::<32>()?));
        // a tenant's key is made from a secret, so it is never of low order
        let shared = ephemeral.agree(to.public()).ok_or(SealError::Randomness)?;
        Ok(Self::new(&shared, *ephemeral.public(), to))
    }

    fn new(shared: &[u8; 32], epk: [u8; 32], recipient: &TenantKey) -> Self {
        let mut okm = Zeroizing::new([0; 96]);
        let salt = [epk, *recipient.public()].concat();
        expand(shared, &salt, &[b"sealgate/1 ecies"], okm.as_mut_slice());
        Self { epk, okm }
    }

    fn derived(&self) -> &[u8; 32] {
        self.key(0)
    }

    /// XORs with the wrap key's stream; its own inverse.
    fn wrap(&self, secret: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        let mut wrapped = Zeroizing::new(*secret);
        CounterMode::new(self.key(1)).apply([0; 16], 0, wrapped.as_mut_slice());
        wrapped
    }

    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn mac(&self, fields: &[u8], binding: &Binding) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(self.key(2)).expect("any length");
        mac.chain_update(fields).chain_update(binding.as_bytes())
    }

    fn key(&self, index: usize) -> &[u8; 32] {
        &self.okm.as_chunks::<32>().0[index]
    }
}

const MAGIC: [u8; 4] = *b"SGE1";
const SUITE: u8 = 1;
const SINGLE: u8 = 1;
const MULTIPART: u8 = 2;
const DERIVED: u8 = 0;
const WRAPPED_MODE: u8 = 1;

/// Offsets of the fields; each field ends where the next begins.
const KEY_ID: usize = 8;
const EPK: usize = 16;
const WRAPPED: usize = 48;
const OBJECT_ID: usize = 80;
const TAG: usize = 96;

#[cfg(test)]
mod tests;
