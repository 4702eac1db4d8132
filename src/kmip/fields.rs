//! The fields of KMIP messages by name (OASIS KMIP 1.4, section 9.1.3.1), and how they are taken out of a structure:
//! by tag, whatever their order and whatever else is there; one that occurs twice, or of another type, is refused.

use super::ttlv::{Structure, Tag, Value, Writer};

/// A tag with the name it has in the specification.
pub(super) struct Field {
    pub(super) tag: Tag,
    name: &'static str,
}

impl Field {
    const fn new(tag: u32, name: &'static str) -> Self {
        Self { tag: Tag::new(tag), name }
    }

    /// The only value of this field in `inside`, if there is one.
    pub(super) fn find<'a>(&self, inside: Structure<'a>) -> Result<Option<Value<'a>>, FieldError> {
        let mut found = inside.items().filter(|item| item.tag == self.tag);
        let first = found.next().map(|item| item.value);
        if found.next().is_some() { Err(FieldError(self.name)) } else { Ok(first) }
    }

    pub(super) fn structure<'a>(&self, inside: Structure<'a>) -> Result<Structure<'a>, FieldError> {
        match self.find(inside)? {
            Some(Value::Structure(value)) => Ok(value),
            _ => Err(FieldError(self.name)),
        }
    }

    pub(super) fn text<'a>(&self, inside: Structure<'a>) -> Result<&'a str, FieldError> {
        match self.find(inside)? {
            Some(Value::TextString(value)) => Ok(value),
            _ => Err(FieldError(self.name)),
        }
    }

    pub(super) fn bytes<'a>(&self, inside: Structure<'a>) -> Result<&'a [u8], FieldError> {
        match self.find(inside)? {
            Some(Value::ByteString(value)) => Ok(value),
            _ => Err(FieldError(self.name)),
        }
    }

    pub(super) fn enumeration(&self, inside: Structure<'_>) -> Result<u32, FieldError> {
        match self.find(inside)? {
            Some(Value::Enumeration(value)) => Ok(value),
            _ => Err(FieldError(self.name)),
        }
    }

    pub(super) fn integer(&self, inside: Structure<'_>) -> Result<i32, FieldError> {
        match self.find(inside)? {
            Some(Value::Integer(value)) => Ok(value),
            _ => Err(FieldError(self.name)),
        }
    }

    /// Every value of this field in `inside`.
    pub(super) fn all<'a>(&self, inside: Structure<'a>) -> impl Iterator<Item = Value<'a>> {
        inside.items().filter(|item| item.tag == self.tag).map(|item| item.value)
    }

    /// What every failure of this field says.
    pub(super) fn wrong(&self) -> FieldError {
        FieldError(self.name)
    }

    pub(super) fn put_structure(&self, writer: &mut Writer, fill: impl FnOnce(&mut Writer)) {
        writer.structure(self.tag, fill);
    }

    pub(super) fn put_text(&self, writer: &mut Writer, value: &str) {
        writer.text(self.tag, value);
    }

    pub(super) fn put_enumeration(&self, writer: &mut Writer, value: u32) {
        writer.enumeration(self.tag, value);
    }

    pub(super) fn put_integer(&self, writer: &mut Writer, value: i32) {
        writer.integer(self.tag, value);
    }
}

/// A field is not there, is there twice, or is of another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is missing, repeated or of another type")]
pub struct FieldError(&'static str);

pub(super) const ATTRIBUTE: Field = Field::new(0x42_0008, "Attribute");
pub(super) const ATTRIBUTE_NAME: Field = Field::new(0x42_000A, "Attribute Name");
pub(super) const ATTRIBUTE_VALUE: Field = Field::new(0x42_000B, "Attribute Value");
pub(super) const BATCH_COUNT: Field = Field::new(0x42_000D, "Batch Count");
pub(super) const BATCH_ITEM: Field = Field::new(0x42_000F, "Batch Item");
pub(super) const KEY_BLOCK: Field = Field::new(0x42_0040, "Key Block");
pub(super) const KEY_COMPRESSION_TYPE: Field = Field::new(0x42_0041, "Key Compression Type");
pub(super) const KEY_FORMAT_TYPE: Field = Field::new(0x42_0042, "Key Format Type");
pub(super) const KEY_MATERIAL: Field = Field::new(0x42_0043, "Key Material");
pub(super) const KEY_VALUE: Field = Field::new(0x42_0045, "Key Value");
pub(super) const KEY_WRAPPING_DATA: Field = Field::new(0x42_0046, "Key Wrapping Data");
pub(super) const MAXIMUM_ITEMS: Field = Field::new(0x42_004F, "Maximum Items");
pub(super) const NAME_TYPE: Field = Field::new(0x42_0054, "Name Type");
pub(super) const NAME_VALUE: Field = Field::new(0x42_0055, "Name Value");
pub(super) const OBJECT_TYPE: Field = Field::new(0x42_0057, "Object Type");
pub(super) const OPERATION: Field = Field::new(0x42_005C, "Operation");
pub(super) const PROTOCOL_VERSION: Field = Field::new(0x42_0069, "Protocol Version");
pub(super) const VERSION_MAJOR: Field = Field::new(0x42_006A, "Protocol Version Major");
pub(super) const VERSION_MINOR: Field = Field::new(0x42_006B, "Protocol Version Minor");
pub(super) const REQUEST_HEADER: Field = Field::new(0x42_0077, "Request Header");
pub(super) const REQUEST_MESSAGE: Field = Field::new(0x42_0078, "Request Message");
pub(super) const REQUEST_PAYLOAD: Field = Field::new(0x42_0079, "Request Payload");
pub(super) const RESPONSE_HEADER: Field = Field::new(0x42_007A, "Response Header");
pub(super) const RESPONSE_MESSAGE: Field = Field::new(0x42_007B, "Response Message");
pub(super) const RESPONSE_PAYLOAD: Field = Field::new(0x42_007C, "Response Payload");
pub(super) const RESULT_MESSAGE: Field = Field::new(0x42_007D, "Result Message");
pub(super) const RESULT_REASON: Field = Field::new(0x42_007E, "Result Reason");
pub(super) const RESULT_STATUS: Field = Field::new(0x42_007F, "Result Status");
pub(super) const SECRET_DATA: Field = Field::new(0x42_0085, "Secret Data");
pub(super) const TIME_STAMP: Field = Field::new(0x42_0092, "Time Stamp");
pub(super) const UNIQUE_IDENTIFIER: Field = Field::new(0x42_0094, "Unique Identifier");
