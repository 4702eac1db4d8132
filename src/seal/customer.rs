//! A key that the client brings with each request (SSE-C): a body sealed with it opens with the tenant's key and this one
//! together, and with neither alone.
//!
//! `body secret (32) || check (16) = HKDF(ikm = secret || customer key, salt = "", info = "sealgate/1 customer key", L = 48)`.
//! The body secret takes the place of the object's secret in the streams of bodies and parts, and nowhere else: what a
//! gateway must write or read without the client's key stays under the object's secret.

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{ObjectSecret, OpenError, secret::expand};

/// A client's own key: 32 bytes.
pub struct CustomerKey(Zeroizing<[u8; KEY_BYTES]>);

impl CustomerKey {
    /// From standard base64 with padding; `None` unless it is of 32 bytes.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        if bytes.len() != KEY_BYTES {
            return None;
        }
        key.copy_from_slice(&bytes);
        Some(Self(key))
    }

    /// The secret of the body of the object with `secret`, and what tells this key from another.
    #[must_use]
    pub fn join(&self, secret: &ObjectSecret) -> (ObjectSecret, CustomerKeyCheck) {
        let mut ikm = Zeroizing::new([0; 2 * KEY_BYTES]);
        ikm[..KEY_BYTES].copy_from_slice(secret.expose());
        ikm[KEY_BYTES..].copy_from_slice(self.0.as_slice());
        let mut okm = Zeroizing::new([0; KEY_BYTES + CHECK_BYTES]);
        expand(ikm.as_slice(), &[], &[INFO], okm.as_mut_slice());
        let (mut body, mut check) = (Zeroizing::new([0; KEY_BYTES]), [0; CHECK_BYTES]);
        body.copy_from_slice(&okm[..KEY_BYTES]);
        check.copy_from_slice(&okm[KEY_BYTES..]);
        (ObjectSecret::copied(&body), CustomerKeyCheck(check))
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl PartialEq for CustomerKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for CustomerKey {}

impl std::fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

/// Tells whether a customer's key is the one that an object was sealed with: 16 bytes, of which nothing about the key
/// follows. Compares in constant time.
#[derive(Clone, Copy, Debug)]
pub struct CustomerKeyCheck([u8; CHECK_BYTES]);

impl CustomerKeyCheck {
    /// As a metadata value: base64url without padding, 22 characters.
    #[must_use]
    pub fn to_metadata(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// From a metadata value.
    ///
    /// # Errors
    /// [`OpenError::CustomerKeyCheck`] when it is no canonical base64url of 16 bytes.
    pub fn from_metadata(text: &str) -> Result<Self, OpenError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| OpenError::CustomerKeyCheck)?;
        bytes.try_into().map(Self).map_err(|_| OpenError::CustomerKeyCheck)
    }
}

impl PartialEq for CustomerKeyCheck {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for CustomerKeyCheck {}

const KEY_BYTES: usize = 32;
const CHECK_BYTES: usize = 16;
const INFO: &[u8] = b"sealgate/1 customer key";

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=";
    const OTHER: &str = "6b+WOZ1T3cqZMxgThRcXAQBrS5mXKdDUphvpxptl9/4=";

    #[test]
    fn a_key_has_32_bytes() {
        assert!(CustomerKey::from_base64(KEY).is_some());
        for wrong in ["", "AAAA", KEY.trim_end_matches('='), "cE8=", &format!("{KEY}{KEY}"), &format!(" {KEY}")] {
            assert!(CustomerKey::from_base64(wrong).is_none(), "{wrong}");
        }
    }

    /// Computed with `openssl kdf -keylen 48 -kdfopt digest:SHA256 -kdfopt hexkey:<secret || key> -kdfopt info:… HKDF`.
    #[test]
    fn the_body_secret_is_that_of_the_specification() {
        let (body, check) = CustomerKey::from_base64(KEY).unwrap().join(&ObjectSecret::new([7; 32]));
        assert_eq!(STANDARD.encode(body.expose()), "ZlyK58eMYRr8Gt3XB1LflMxLwi8jFkrE3G3k+dCYBsI=");
        assert_eq!(check.to_metadata(), "4rqQS6_wnlBVR2H93phGkQ");
    }

    #[test]
    fn another_key_or_another_object_gives_another_body_secret_and_check() {
        let of = |key: &str, secret| CustomerKey::from_base64(key).unwrap().join(&ObjectSecret::new([secret; 32]));
        let (body, check) = of(KEY, 1);
        assert!(of(KEY, 1) == (body.duplicate(), check));
        for (other_body, other_check) in [of(OTHER, 1), of(KEY, 2)] {
            assert!(other_body != body && other_check != check);
        }
        assert!(body != ObjectSecret::new([1; 32]));
    }

    #[test]
    fn a_check_is_read_in_its_one_spelling() {
        let (_, check) = CustomerKey::from_base64(KEY).unwrap().join(&ObjectSecret::new([7; 32]));
        let text = check.to_metadata();
        assert!(CustomerKeyCheck::from_metadata(&text).unwrap() == check);
        for wrong in ["", &text[1..], &format!("{text}="), &format!("{text}AA"), "?"] {
            assert!(CustomerKeyCheck::from_metadata(wrong).is_err(), "{wrong}");
        }
    }
}
