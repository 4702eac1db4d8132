//! What can go wrong while sealing, while opening, and with a seed. Ids and numbers only, never secrets.

use super::{KeyId, geometry::LengthError};

/// Why something cannot be sealed: the caller's doing, save for [`SealError::Randomness`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// the operating system gave no random bytes
    #[error("no randomness from the operating system")]
    Randomness,
    /// tenant, bucket or key is longer than a 16-bit length can say
    #[error("{field} is over 65535 bytes")]
    NameTooLong {
        /// which of the three
        field: &'static str,
    },
    /// no sealed form exists for this length
    #[error("length outside of the format")]
    Length(#[from] LengthError),
    /// more or fewer plaintext bytes came than were announced
    #[error("{announced} plaintext bytes announced, {given} given")]
    LengthDiffers {
        /// as given to the constructor
        announced: u64,
        /// as pushed; for a push over the announced length, with that push
        given: u64,
    },
    /// an envelope of the other kind was given
    #[error("the envelope is of another kind")]
    WrongKind,
    /// part numbers are 1 to 9,999 (F-7)
    #[error("part number {number} is not in 1..=9999")]
    PartNumber {
        /// as given
        number: u32,
    },
    /// parts must ascend by number, and there is at least one
    #[error("parts do not ascend by number")]
    PartOrder,
    /// sealed attributes are limited
    #[error("attributes of {bytes} bytes are over the limit")]
    AttributesTooLong {
        /// as given
        bytes: usize,
    },
    /// the attributes of a completion record are text: behind a zero byte stand stream headers
    #[error("attributes with a zero byte are no text")]
    ZeroInAttributes,
    /// the place for the completion record is missing, taken or too small
    #[error("no room for the completion record")]
    NoRoomForRecord,
}

/// Why something does not open. Except for [`OpenError::WrongKey`], what is stored is not what was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// length, magic, suite, kind, mode, encoding or zero bytes of an envelope are off
    #[error("malformed envelope: {0}")]
    Malformed(&'static str),
    /// the envelope is sealed to another key
    #[error("sealed to key {envelope}, not {key}")]
    WrongKey {
        /// the recipient the envelope names
        envelope: KeyId,
        /// the key that was tried
        key: KeyId,
    },
    /// the ephemeral point has low order
    #[error("low-order ephemeral point")]
    LowOrderPoint,
    /// the envelope's tag does not match: changed, or of another tenant, bucket or name (F-3)
    #[error("envelope tag mismatch")]
    EnvelopeTag,
    /// the envelope opens but its kind is not the one asked for
    #[error("the envelope is of another kind")]
    WrongKind,
    /// no plaintext has this stored length, or the range lies outside of the plaintext
    #[error("length outside of the format")]
    Length(#[from] LengthError),
    /// a stream header is not 40 bytes that begin with 40, or its metadata is not canonical
    #[error("malformed stream header")]
    StreamHeader,
    /// a segment's tag does not match
    #[error("segment {index} fails authentication")]
    Segment {
        /// counted from 0 within its stream
        index: u32,
    },
    /// the input ended early
    #[error("cut short")]
    Cut,
    /// the input goes on after its end
    #[error("bytes after the end")]
    Trailing,
    /// a part header is malformed or not the expected one
    #[error("malformed or unexpected part header")]
    PartHeader,
    /// bytes that must be zero are not (F-9)
    #[error("slack of a part is not zero")]
    Slack,
    /// no completion record where it must be, or one that is malformed
    #[error("malformed completion record: {0}")]
    Completion(&'static str),
    /// the parts are not those of the completion record (F-5)
    #[error("parts differ from the completion record")]
    PartsDiffer,
    /// sealed attributes are not canonical base64url
    #[error("malformed sealed attributes")]
    Attributes,
    /// what tells a customer's key from another is not canonical base64url of 16 bytes
    #[error("malformed check of a customer's key")]
    CustomerKeyCheck,
}

/// Why a text is not a key seed. Never holds any of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeedError {
    /// not standard base64 with padding
    #[error("not base64")]
    NotBase64,
    /// fewer than 32 bytes
    #[error("{bytes} bytes, at least 32 needed")]
    TooShort {
        /// after decoding
        bytes: usize,
    },
    /// the operating system gave no random bytes
    #[error("no randomness from the operating system")]
    Randomness,
}
