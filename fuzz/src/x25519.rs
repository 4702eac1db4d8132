//! X25519 in portable code, in place of `src/seal/x25519.rs`.

use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

/// A secret with its public key, ready for an agreement.
pub(super) struct KeyPair {
    secret: StaticSecret,
    public: PublicKey,
}

impl KeyPair {
    /// Any 32 bytes are a secret.
    pub(super) fn of(secret: &[u8; 32]) -> Self {
        let secret = StaticSecret::from(*secret);
        Self { public: PublicKey::from(&secret), secret }
    }

    /// The public key.
    pub(super) fn public(&self) -> &[u8; 32] {
        self.public.as_bytes()
    }

    /// The secret shared with the owner of `peer`; none if that is a point of low order.
    pub(super) fn agree(&self, peer: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
        let shared = self.secret.diffie_hellman(&PublicKey::from(*peer));
        shared.was_contributory().then(|| Zeroizing::new(shared.to_bytes()))
    }
}
