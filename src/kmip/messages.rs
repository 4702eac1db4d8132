//! The three questions put to a KMS and the reading of its answers (OASIS KMIP 1.4, sections 4.9, 4.11, 4.12 and 7).
//!
//! A request carries one operation, protocol version 1.4, and no time stamp (servers refuse one that their clock does
//! not share). An answer is taken only if it is one response to that operation, of version 1.4, and says success;
//! fields are looked up by tag, so that what a server adds is skipped, and one that occurs twice is refused.
//!
//! Whether the object is the one asked for is checked here for the identifier and the type; the name is
//! [`super::lookup`]'s.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{
    error::{DecodeError, KmsError, PayloadError, Refusal, Version},
    fields::{
        ATTRIBUTE, ATTRIBUTE_NAME, ATTRIBUTE_VALUE, BATCH_COUNT, BATCH_ITEM, KEY_BLOCK, KEY_COMPRESSION_TYPE,
        KEY_FORMAT_TYPE, KEY_MATERIAL, KEY_VALUE, KEY_WRAPPING_DATA, MAXIMUM_ITEMS, NAME_TYPE, NAME_VALUE, OBJECT_TYPE,
        OPERATION, PROTOCOL_VERSION, REQUEST_HEADER, REQUEST_MESSAGE, REQUEST_PAYLOAD, RESPONSE_HEADER,
        RESPONSE_MESSAGE, RESPONSE_PAYLOAD, RESULT_MESSAGE, RESULT_REASON, RESULT_STATUS, SECRET_DATA, TIME_STAMP,
        UNIQUE_IDENTIFIER, VERSION_MAJOR, VERSION_MINOR,
    },
    ttlv::{self, Item, Limits, Structure, Value, Writer},
};
use crate::seal::Seed;

/// What an answer may cost. The largest of 167 recorded ones has 1,448 bytes, depth 9 and 79 items.
pub const ANSWER_LIMITS: Limits = Limits { bytes_max: 64 << 10, depth_max: 16, items_max: 1024 };

/// The length in bytes of the answer that begins with `header`.
///
/// # Errors
/// [`KmsError::Decode`] if it is no response message or over [`ANSWER_LIMITS`].
pub fn answer_bytes(header: [u8; ttlv::HEADER_BYTES]) -> Result<usize, KmsError> {
    Ok(ttlv::message_bytes(header, RESPONSE_MESSAGE.tag, &ANSWER_LIMITS).map_err(DecodeError::Ttlv)?)
}

/// The operations asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Finds identifiers by attributes.
    Locate = 0x08,
    /// Gives an object.
    Get = 0x0A,
    /// Gives attributes of an object.
    GetAttributes = 0x0B,
}

/// The KMS's identifier of an object: never empty, since a server may answer an empty one with any object.
#[derive(Clone, PartialEq, Eq)]
pub struct UniqueId(String);

impl UniqueId {
    fn read(value: Value<'_>) -> Result<Self, PayloadError> {
        let Value::TextString(id) = value else { return Err(UNIQUE_IDENTIFIER.wrong().into()) };
        if id.is_empty() { Err(PayloadError::EmptyIdentifier) } else { Ok(Self(id.to_owned())) }
    }
}

/// Where an object is in its life (KMIP 1.4, section 3.22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// Active, or not said.
    Active,
    /// Not yet in use: the operator has to activate it.
    PreActive,
    /// The operator ended its use; still given for opening what it sealed.
    Deactivated,
    /// The operator says others may know it; still given for opening what it sealed.
    Compromised,
    /// Gone for good.
    Destroyed,
    /// None of these, or not said which: it is not active.
    NotActive,
}

/// What Get Attributes tells.
#[derive(Debug)]
pub(super) struct Attributes {
    pub(super) names: Vec<String>,
    pub(super) lifecycle: Lifecycle,
}

/// Asks for at most `objects_max` Secret Data objects that bear exactly this name.
pub(super) fn locate(name: &str, objects_max: i32) -> Vec<u8> {
    locate_with(name, objects_max, |_| {})
}

/// The same, of objects that are active.
pub(super) fn locate_active(name: &str, objects_max: i32) -> Vec<u8> {
    locate_with(name, objects_max, |payload| {
        ATTRIBUTE.put_structure(payload, |attribute| {
            ATTRIBUTE_NAME.put_text(attribute, "State");
            ATTRIBUTE_VALUE.put_enumeration(attribute, ACTIVE);
        });
    })
}

fn locate_with(name: &str, objects_max: i32, more: impl FnOnce(&mut Writer)) -> Vec<u8> {
    request(Operation::Locate, |payload| {
        MAXIMUM_ITEMS.put_integer(payload, objects_max);
        ATTRIBUTE.put_structure(payload, |attribute| {
            ATTRIBUTE_NAME.put_text(attribute, "Name");
            ATTRIBUTE_VALUE.put_structure(attribute, |value| {
                NAME_VALUE.put_text(value, name);
                NAME_TYPE.put_enumeration(value, UNINTERPRETED_TEXT);
            });
        });
        ATTRIBUTE.put_structure(payload, |attribute| {
            ATTRIBUTE_NAME.put_text(attribute, "Object Type");
            ATTRIBUTE_VALUE.put_enumeration(attribute, SECRET_DATA_TYPE);
        });
        more(payload);
    })
}

/// Asks for the state and the names of an object.
pub(super) fn get_attributes(id: &UniqueId) -> Vec<u8> {
    request(Operation::GetAttributes, |payload| {
        UNIQUE_IDENTIFIER.put_text(payload, &id.0);
        ATTRIBUTE_NAME.put_text(payload, "State");
        ATTRIBUTE_NAME.put_text(payload, "Name");
    })
}

/// Asks for an object as it is stored: a server may fail on any format that is asked for.
pub(super) fn get(id: &UniqueId) -> Vec<u8> {
    request(Operation::Get, |payload| UNIQUE_IDENTIFIER.put_text(payload, &id.0))
}

/// What the server's clock said when it answered, whatever the answer is.
pub(super) fn time_stamp(answer: &[u8]) -> Option<SystemTime> {
    let Value::Structure(message) = ttlv::decode(answer, &ANSWER_LIMITS).ok()?.value else { return None };
    match TIME_STAMP.find(RESPONSE_HEADER.structure(message).ok()?) {
        Ok(Some(Value::DateTime(seconds))) => UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?)),
        _ => None,
    }
}

/// The identifiers that Locate found; none is an answer too.
pub(super) fn read_locate(answer: &[u8]) -> Result<Vec<UniqueId>, KmsError> {
    let Some(payload) = payload(answer, Operation::Locate)? else { return Ok(Vec::new()) };
    Ok(UNIQUE_IDENTIFIER.all(payload).map(UniqueId::read).collect::<Result<_, _>>()?)
}

/// The attributes of `id`.
pub(super) fn read_attributes(answer: &[u8], id: &UniqueId) -> Result<Attributes, KmsError> {
    let payload = payload(answer, Operation::GetAttributes)?.ok_or(PayloadError::Field(RESPONSE_PAYLOAD.wrong()))?;
    expect_id(payload, id)?;
    Ok(attributes(payload)?)
}

/// The seed in the Secret Data object `id`: base64 text in an unwrapped, uncompressed Key Block.
pub(super) fn read_get(answer: &[u8], id: &UniqueId) -> Result<Seed, KmsError> {
    let payload = payload(answer, Operation::Get)?.ok_or(PayloadError::Field(RESPONSE_PAYLOAD.wrong()))?;
    expect_id(payload, id)?;
    if OBJECT_TYPE.enumeration(payload).map_err(PayloadError::Field)? != SECRET_DATA_TYPE {
        return Err(KmsError::Mismatch { what: "object type" });
    }
    Ok(seed(key_material(payload)?)?)
}

fn attributes(payload: Structure<'_>) -> Result<Attributes, PayloadError> {
    let mut names = Vec::new();
    let mut state = None;
    for attribute in ATTRIBUTE.all(payload) {
        let Value::Structure(attribute) = attribute else { return Err(ATTRIBUTE.wrong().into()) };
        match ATTRIBUTE_NAME.text(attribute)? {
            "Name" => {
                let name = ATTRIBUTE_VALUE.structure(attribute)?;
                names.push(NAME_VALUE.text(name)?.to_owned());
            }
            // an object is in one state; of two the wrong one could be taken
            "State" if state.is_some() => return Err(ATTRIBUTE_VALUE.wrong().into()),
            "State" => state = Some(lifecycle(ATTRIBUTE_VALUE.enumeration(attribute)?)),
            _ => {}
        }
    }
    Ok(Attributes { names, lifecycle: state.unwrap_or(Lifecycle::Active) })
}

fn key_material(payload: Structure<'_>) -> Result<&[u8], PayloadError> {
    let block = KEY_BLOCK.structure(SECRET_DATA.structure(payload)?)?;
    if KEY_WRAPPING_DATA.find(block)?.is_some() {
        return Err(PayloadError::Wrapped);
    }
    if !matches!(KEY_COMPRESSION_TYPE.find(block)?, None | Some(Value::Enumeration(UNCOMPRESSED))) {
        return Err(PayloadError::Compressed);
    }
    let format = KEY_FORMAT_TYPE.enumeration(block)?;
    if format != RAW && format != OPAQUE {
        return Err(PayloadError::Format(format));
    }
    Ok(KEY_MATERIAL.bytes(KEY_VALUE.structure(block)?)?)
}

/// One trailing line break is the habit of `openssl rand -base64`; nothing else is trimmed.
fn seed(material: &[u8]) -> Result<Seed, PayloadError> {
    let line = material.strip_suffix(b"\n").unwrap_or(material);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match str::from_utf8(line) {
        Ok(text) if !text.ends_with(char::is_whitespace) => Ok(Seed::from_base64(text)?),
        _ => Err(PayloadError::NotBase64Text { bytes: material.len() }),
    }
}

fn lifecycle(state: u32) -> Lifecycle {
    match state {
        1 => Lifecycle::PreActive,
        ACTIVE => Lifecycle::Active,
        3 => Lifecycle::Deactivated,
        4 => Lifecycle::Compromised,
        5 | 6 => Lifecycle::Destroyed,
        _ => Lifecycle::NotActive,
    }
}

fn request(operation: Operation, payload: impl FnOnce(&mut Writer)) -> Vec<u8> {
    Writer::message(REQUEST_MESSAGE.tag, |message| {
        REQUEST_HEADER.put_structure(message, |header| {
            PROTOCOL_VERSION.put_structure(header, |version| {
                VERSION_MAJOR.put_integer(version, Version::OURS.major);
                VERSION_MINOR.put_integer(version, Version::OURS.minor);
            });
            BATCH_COUNT.put_integer(header, 1);
        });
        BATCH_ITEM.put_structure(message, |item| {
            OPERATION.put_enumeration(item, operation as u32);
            REQUEST_PAYLOAD.put_structure(item, payload);
        });
    })
}

/// The payload of the one response in `answer`, if it has one; the response is a success of `operation`.
fn payload(answer: &[u8], operation: Operation) -> Result<Option<Structure<'_>>, KmsError> {
    let response = Response::read(answer)?;
    if response.status != SUCCESS {
        return Err(response.refusal(operation));
    }
    if response.version != Version::OURS {
        return Err(KmsError::unsupported(response.version, ""));
    }
    Ok(response.payload(operation)?)
}

/// The header and the one batch item of an answer.
struct Response<'a> {
    version: Version,
    status: u32,
    item: Structure<'a>,
}

impl<'a> Response<'a> {
    fn read(answer: &'a [u8]) -> Result<Self, DecodeError> {
        let message = match ttlv::decode(answer, &ANSWER_LIMITS)? {
            Item { tag, value: Value::Structure(message) } if tag == RESPONSE_MESSAGE.tag => message,
            other => return Err(ttlv::Error::NotTheMessage(other.tag).into()),
        };
        let version = PROTOCOL_VERSION.structure(RESPONSE_HEADER.structure(message)?)?;
        let version = Version { major: VERSION_MAJOR.integer(version)?, minor: VERSION_MINOR.integer(version)? };
        let item = BATCH_ITEM.structure(message)?;
        Ok(Self { version, status: RESULT_STATUS.enumeration(item)?, item })
    }

    fn payload(&self, operation: Operation) -> Result<Option<Structure<'a>>, DecodeError> {
        if OPERATION.enumeration(self.item)? != operation as u32 {
            return Err(DecodeError::OtherOperation);
        }
        match RESPONSE_PAYLOAD.find(self.item)? {
            None => Ok(None),
            Some(Value::Structure(payload)) => Ok(Some(payload)),
            Some(_) => Err(RESPONSE_PAYLOAD.wrong().into()),
        }
    }

    /// A server that does not speak 1.4 answers in a version of its own that the message is invalid.
    fn refusal(&self, operation: Operation) -> KmsError {
        let reason = RESULT_REASON.enumeration(self.item).ok();
        let text = RESULT_MESSAGE.text(self.item).unwrap_or_default();
        match reason {
            Some(UNSUPPORTED_VERSION) => KmsError::unsupported(self.version, text),
            Some(INVALID_MESSAGE) if self.version != Version::OURS => KmsError::unsupported(self.version, text),
            _ => KmsError::Refused(Refusal::new(operation, self.status, reason, text)),
        }
    }
}

fn expect_id(payload: Structure<'_>, id: &UniqueId) -> Result<(), KmsError> {
    if UNIQUE_IDENTIFIER.text(payload).map_err(PayloadError::Field)? != id.0 {
        return Err(KmsError::Mismatch { what: "unique identifier" });
    }
    Ok(())
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Locate => "Locate",
            Self::Get => "Get",
            Self::GetAttributes => "Get Attributes",
        })
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::PreActive => "pre-active",
            Self::Deactivated => "deactivated",
            Self::Compromised => "compromised",
            Self::Destroyed => "destroyed",
            Self::NotActive => "not active",
        })
    }
}

impl fmt::Debug for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

const UNINTERPRETED_TEXT: u32 = 1;
const SECRET_DATA_TYPE: u32 = 7;
/// Of the States, the one in which a key seals.
const ACTIVE: u32 = 2;
const RAW: u32 = 1;
const OPAQUE: u32 = 2;
/// Of the Key Compression Types, which are about elliptic curve points, the one that means none.
const UNCOMPRESSED: u32 = 1;
const SUCCESS: u32 = 0;
const INVALID_MESSAGE: u32 = 0x04;
const UNSUPPORTED_VERSION: u32 = 0x3F;

#[cfg(test)]
mod tests;
