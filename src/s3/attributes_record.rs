//! The sealed attributes of an object: what is known of its plaintext and must not lie at the backend in clear.
//!
//! JSON, sealed under the object's secret: in the metadata `sealgate-attrs` of a single object, in the completion
//! record of a multipart one.

use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::checksum::Kept;
use super::metadata;
use crate::backend::Metadata;
use crate::seal::{ObjectSecret, OpenError, open_attributes, seal_attributes};

/// The attributes. Unknown fields are those of a later version and are left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attributes {
    /// the checksum that the client declared or the gateway computed
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checksum: Option<Kept>,
    /// of a multipart object: the upload that made it, as the gateway names it in the staging bucket
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upload: Option<String>,
}

impl Attributes {
    /// As JSON bytes.
    pub(crate) fn to_bytes(&self) -> S3Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|_| s3_error!(InternalError))
    }

    /// From JSON bytes that were authenticated. No bytes are no attributes.
    ///
    /// # Errors
    /// [`OpenError::Attributes`] for bytes that cannot be read: they are never taken for a default (R-3).
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, OpenError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(bytes).map_err(|_| OpenError::Attributes)
    }

    /// As a metadata value.
    pub(crate) fn seal(&self, secret: &ObjectSecret) -> S3Result<String> {
        seal_attributes(secret, &self.to_bytes()?).map_err(|error| super::errors::seal(&error))
    }

    /// From the metadata of a single object; none if it has none.
    pub(crate) fn open(secret: &ObjectSecret, metadata: &Metadata) -> Result<Self, OpenError> {
        match metadata.user.get(metadata::ATTRIBUTES) {
            Some(text) => Self::from_bytes(&open_attributes(secret, text)?),
            None => Ok(Self::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authentic_bytes_that_cannot_be_read_are_an_error_and_no_default() {
        assert_eq!(Attributes::from_bytes(b"").unwrap(), Attributes::default());
        assert_eq!(Attributes::from_bytes(b"{}").unwrap(), Attributes::default());
        let wrong: [&[u8]; 5] = [
            b"{",
            b"null",
            b"\xff",
            br#"{"checksum":{"algorithm":"ROT13","value":"","composite":false}}"#,
            br#"{"upload":7}"#,
        ];
        for bytes in wrong {
            assert_eq!(Attributes::from_bytes(bytes).unwrap_err(), OpenError::Attributes, "{bytes:?}");
        }
    }
}
