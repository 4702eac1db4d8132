//! X25519 (RFC 7748) by AWS-LC, whose assembly takes less than half the time of portable code.

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use zeroize::Zeroizing;

/// A secret with its public key, ready for an agreement.
pub(super) struct KeyPair {
    private: PrivateKey,
    public: [u8; 32],
}

impl KeyPair {
    /// Any 32 bytes are a secret; they are clamped where they are used. Costs one multiplication of the base point.
    #[expect(clippy::expect_used, reason = "32 bytes are all it takes; only memory could be lacking")]
    pub(super) fn of(secret: &[u8; 32]) -> Self {
        let private = PrivateKey::from_private_key(&X25519, secret).expect("32 bytes are a secret key");
        let key = private.compute_public_key().expect("a secret key has a public one");
        let mut public = [0; 32];
        public.copy_from_slice(key.as_ref());
        Self { private, public }
    }

    /// The public key.
    pub(super) fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// The secret shared with the owner of `peer`; none if that is a point of low order, with which anyone shares it.
    pub(super) fn agree(&self, peer: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
        agree(&self.private, UnparsedPublicKey::new(&X25519, peer), (), |shared| {
            let mut bytes = Zeroizing::new([0; 32]);
            bytes.copy_from_slice(shared);
            Ok(bytes)
        })
        .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7748, section 6.1.
    #[test]
    fn both_sides_share_the_secret_of_the_standard() {
        let bytes = |hex: &str| -> [u8; 32] {
            std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
        };
        let alice = KeyPair::of(&bytes("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
        let bob = KeyPair::of(&bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
        assert_eq!(bob.public(), &bytes("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
        let shared = bytes("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        assert_eq!(alice.agree(bob.public()).unwrap().as_slice(), &shared);
        assert_eq!(bob.agree(alice.public()).unwrap().as_slice(), &shared);
    }

    #[test]
    fn a_point_of_low_order_shares_nothing() {
        let mut one = [0; 32];
        assert!(KeyPair::of(&[7; 32]).agree(&one).is_none());
        one[0] = 1;
        assert!(KeyPair::of(&[7; 32]).agree(&one).is_none());
    }
}
