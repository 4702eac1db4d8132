//! What a lookup ends in when it brings no key. [`NoSuchKey`] is the KMS's own, definite word; [`KmsError`] says that
//! it could not be asked, or that its answer is not to be used. The two are never one type, because a gateway may act on
//! the first and must sit out the second.
//!
//! Texts name tenants, identifiers and numbers; never a byte of a key. What a server wrote is shown without control
//! characters and cut at 200 characters.

use std::{fmt, io};

use super::{
    fields::FieldError,
    messages::{Lifecycle, Operation},
    ttlv,
};
use crate::seal::SeedError;

/// Why there is no seed.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The KMS has no key for the tenant.
    #[error(transparent)]
    NoSuchKey(#[from] NoSuchKey),
    /// The KMS has the key, but does not give it out in the state that it is in.
    #[error("the key is {lifecycle}; kms refused {refusal}")]
    Withheld {
        /// the state
        lifecycle: Lifecycle,
        /// the server's refusal
        refusal: Refusal,
    },
    /// The KMS could not be asked, or its answer is not to be used.
    #[error(transparent)]
    Kms(#[from] KmsError),
}

/// The KMS's definite answer that it has no key for a tenant, or that it destroyed it.
///
/// A server may hide from a client what the client may not see; it then says the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key not found for private tenantID {tenant}")]
pub struct NoSuchKey {
    /// The tenant asked for.
    pub tenant: String,
}

/// Why the KMS gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    /// No connection, or the request did not get out.
    #[error("error writing kms request")]
    Write(#[source] TransportError),
    /// The connection ended or went silent before the whole answer was in. With TLS 1.3 a server that refuses the
    /// client's certificate is seen here, not while connecting.
    #[error("error reading kms response")]
    Read(#[source] TransportError),
    /// The answer is no KMIP response to what was asked.
    #[error("error decoding kms response")]
    Decode(#[from] DecodeError),
    /// The answer is a KMIP response whose payload does not hold what it must.
    #[error("error decoding kms response payload")]
    Payload(#[from] PayloadError),
    /// The server speaks another version of KMIP.
    #[error("unsupported KMIP version, use 1.4: the server answered {version}{text}")]
    UnsupportedVersion {
        /// The version of its answer.
        version: Version,
        /// What it wrote, with a leading blank, or nothing.
        text: ServerText,
    },
    /// More than one object bears the tenant's name; choosing one could seal to a key that nobody keeps.
    #[error("ambiguous key for tenant {tenant}: {objects} KMIP objects bear its name, there must be one")]
    Ambiguous {
        /// The tenant asked for.
        tenant: String,
        /// How many; the count stops at a limit.
        objects: usize,
    },
    /// The object is another one than asked for: a fault of the server that would hand out another tenant's key.
    #[error("kms answered with an object that is not the one asked for (its {what} differs)")]
    Mismatch {
        /// In what it differs.
        what: &'static str,
    },
    /// The server understood and refused.
    #[error("kms refused {0}")]
    Refused(Refusal),
}

impl KmsError {
    /// Whether the server handed out something that it must not: worth an audit entry, not only a log line.
    #[must_use]
    pub fn is_security_event(&self) -> bool {
        matches!(self, Self::Mismatch { .. })
    }

    /// Whether the server did not answer at all, so that asking for another tenant would hardly go better.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        matches!(self, Self::Write(_) | Self::Read(_))
    }

    pub(super) fn unsupported(version: Version, text: &str) -> Self {
        Self::UnsupportedVersion { version, text: ServerText::new(text) }
    }

    /// Whether the connection is still in step after this, so that the next question may use it.
    pub(super) fn leaves_connection_usable(&self) -> bool {
        match self {
            Self::Payload(_) | Self::Ambiguous { .. } | Self::Refused(_) => true,
            Self::Write(_)
            | Self::Read(_)
            | Self::Decode(_)
            | Self::UnsupportedVersion { .. }
            | Self::Mismatch { .. } => false,
        }
    }
}

/// What happened to the connection.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No address could be connected to; each with its reason.
    #[error("no connection to the kms: {0}")]
    Unreachable(String),
    /// The time for a whole request and its answer is over.
    #[error("{peer}: no answer within {limit:?}")]
    Timeout {
        /// The server's address.
        peer: String,
        /// The limit.
        limit: std::time::Duration,
    },
    /// Reading or writing failed.
    #[error("the connection to {peer} failed")]
    Io {
        /// The server's address.
        peer: String,
        /// Why.
        source: io::Error,
    },
}

impl TransportError {
    /// Whether the server ended the connection, as it does with idle ones.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Io { source, .. } if matches!(
            source.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::NotConnected
        ))
    }
}

/// Why bytes are no KMIP response to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The encoding is broken or over a limit.
    #[error(transparent)]
    Ttlv(#[from] ttlv::Error),
    /// The frame of the response lacks a field; a response to several requests is one too.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// It answers another operation.
    #[error("it answers another operation")]
    OtherOperation,
}

/// Why a payload holds no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// A field is not as it must be.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// An empty identifier, which a server may take for any object.
    #[error("Unique Identifier is empty")]
    EmptyIdentifier,
    /// The key is wrapped by another key.
    #[error("the key is wrapped")]
    Wrapped,
    /// The key is compressed.
    #[error("the key is compressed")]
    Compressed,
    /// Neither Raw nor Opaque.
    #[error("Key Format Type {0:#x} is neither Raw nor Opaque")]
    Format(u32),
    /// Raw bytes, or text with blanks at its end: often the decoded seed instead of the base64 text itself.
    #[error("the key value is not base64 text ({bytes} bytes): store the base64 string itself")]
    NotBase64Text {
        /// How long the key material is.
        bytes: usize,
    },
    /// Text, but no seed.
    #[error(transparent)]
    Seed(#[from] SeedError),
}

/// A server's refusal in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    operation: Operation,
    status: u32,
    reason: Option<u32>,
    text: ServerText,
}

impl Refusal {
    pub(crate) fn new(operation: Operation, status: u32, reason: Option<u32>, text: &str) -> Self {
        Self { operation, status, reason, text: ServerText::new(text) }
    }

    /// What was asked.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The Result Reason, if the server gave one (KMIP 1.4, section 9.1.3.2.29).
    #[must_use]
    pub fn reason(&self) -> Option<u32> {
        self.reason
    }

    /// Whether the server says that it gives no object in this state.
    #[must_use]
    pub fn is_about_state(&self) -> bool {
        self.status == FAILED && self.reason == Some(WRONG_LIFECYCLE_STATE)
    }

    /// Whether the server says that there is no such object. Some give the codes of KMIP 2 at version 1.4.
    #[must_use]
    pub fn is_no_such_object(&self) -> bool {
        self.status == FAILED && matches!(self.reason, Some(ITEM_NOT_FOUND | OBJECT_DESTROYED | OBJECT_NOT_FOUND))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.operation)?;
        match self.reason {
            Some(reason) => write!(f, "{} ({reason:#04x})", reason_name(reason))?,
            None => write!(f, "status {}", self.status)?,
        }
        if self.operation == Operation::GetAttributes
            && matches!(self.reason, Some(OPERATION_NOT_SUPPORTED | PERMISSION_DENIED))
        {
            f.write_str("; the client needs the permission Get Attributes, or kmip.verify_name must be false")?;
        }
        self.text.fmt(f)
    }
}

/// A version of KMIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Before the dot.
    pub major: i32,
    /// After the dot.
    pub minor: i32,
}

impl Version {
    /// The one spoken here.
    pub const OURS: Self = Self { major: 1, minor: 4 };
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What a server wrote, safe to show in a log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerText(String);

impl ServerText {
    fn new(text: &str) -> Self {
        Self(text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect())
    }
}

impl fmt::Display for ServerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " ({})", self.0) }
    }
}

fn reason_name(reason: u32) -> &'static str {
    match reason {
        ITEM_NOT_FOUND => "Item Not Found",
        0x02 => "Response Too Large",
        0x03 => "Authentication Not Successful, see the client certificate",
        0x04 => "Invalid Message",
        OPERATION_NOT_SUPPORTED => "Operation Not Supported",
        0x06 => "Missing Data",
        0x07 => "Invalid Field",
        0x08 => "Feature Not Supported",
        0x0A => "Cryptographic Failure",
        0x0B => "Illegal Operation",
        PERMISSION_DENIED => "Permission Denied",
        0x0D => "Object Archived",
        0x10 => "Key Format Type Not Supported",
        0x13 => "Key Value Not Present",
        OBJECT_DESTROYED => "Object Destroyed",
        OBJECT_NOT_FOUND => "Object Not Found",
        WRONG_LIFECYCLE_STATE => "Wrong Key Lifecycle State",
        0x100 => "General Failure",
        _ => "reason",
    }
}

const TEXT_CHARS_MAX: usize = 200;
const FAILED: u32 = 1;
const ITEM_NOT_FOUND: u32 = 0x01;
const OPERATION_NOT_SUPPORTED: u32 = 0x05;
const PERMISSION_DENIED: u32 = 0x0C;
const OBJECT_DESTROYED: u32 = 0x36;
const OBJECT_NOT_FOUND: u32 = 0x37;
const WRONG_LIFECYCLE_STATE: u32 = 0x43;
