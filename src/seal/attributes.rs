//! Sealed attributes: what must travel with an object but not be readable on the backend, such as the checksums of the
//! plaintext. Stored as the metadata value `sealgate-attrs`: base64url of `STREAM[secret, "sealgate/1 attributes"]`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    ObjectSecret, OpenError, SealError,
    stream::{open_whole, seal_whole},
};

/// The longest attributes, in bytes, that can be sealed: they must fit the backend's metadata.
pub const ATTRIBUTES_BYTES_MAX: usize = 32_768;

/// Seals attributes into a metadata value without padding. Each call draws a fresh stream header.
///
/// # Errors
/// [`SealError::AttributesTooLong`] over [`ATTRIBUTES_BYTES_MAX`], [`SealError::Randomness`].
pub fn seal_attributes(secret: &ObjectSecret, attributes: &[u8]) -> Result<String, SealError> {
    if attributes.len() > ATTRIBUTES_BYTES_MAX {
        return Err(SealError::AttributesTooLong { bytes: attributes.len() });
    }
    Ok(URL_SAFE_NO_PAD.encode(seal_whole(secret, AAD, attributes)?))
}

/// Opens a metadata value.
///
/// # Errors
/// [`OpenError::Attributes`] when it is not canonical base64url, [`OpenError`] when it is not what was sealed.
pub fn open_attributes(secret: &ObjectSecret, metadata: &str) -> Result<Vec<u8>, OpenError> {
    let sealed = URL_SAFE_NO_PAD.decode(metadata).map_err(|_| OpenError::Attributes)?;
    Ok(open_whole(secret, AAD, &sealed)?.to_vec())
}

const AAD: &[u8] = b"sealgate/1 attributes";

#[cfg(test)]
mod tests;
