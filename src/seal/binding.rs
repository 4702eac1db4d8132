//! What an envelope is bound to: the tenant, the bucket and the object's name, as the client sees them.

use sha2::{Digest, Sha256};

use super::SealError;

/// `SHA-256("sealgate/1 binding" || u16 len || tenant || u16 len || bucket || u16 len || key)`: part of every
/// envelope's tag, so an envelope opens under its own name only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding([u8; 32]);

impl Binding {
    /// Binds to the tenant's id as the Coordinator spells it, and to bucket and key as the client sees them.
    ///
    /// # Errors
    /// [`SealError::NameTooLong`] when one of them is over 65,535 bytes.
    pub fn new(tenant: &str, bucket: &str, key: &str) -> Result<Self, SealError> {
        let mut hash = Sha256::new_with_prefix(b"sealgate/1 binding");
        for (field, name) in [("tenant", tenant), ("bucket", bucket), ("key", key)] {
            let bytes = u16::try_from(name.len()).map_err(|_| SealError::NameTooLong { field })?;
            hash.update(bytes.to_be_bytes());
            hash.update(name.as_bytes());
        }
        Ok(Self(hash.finalize().into()))
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}
