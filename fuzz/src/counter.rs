//! AES-256 in counter mode in portable code, in place of `src/seal/counter.rs`.

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};

/// A key.
pub(super) struct CounterMode([u8; 32]);

impl CounterMode {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(*key)
    }

    /// Encrypts or decrypts the bytes that lie at `offset` of what begins with the counter block `first`.
    pub(super) fn apply(&self, first: [u8; 16], offset: u64, bytes: &mut [u8]) {
        let mut cipher = Ctr128BE::<Aes256>::new(&self.0.into(), &first.into());
        cipher.seek(offset);
        cipher.apply_keystream(bytes);
    }
}
