//! TTLV, the encoding of KMIP 1.4 messages (OASIS KMIP 1.4, section 9.1): bytes in, views out, no IO.
//!
//! An item is a 3-byte tag, a 1-byte type, a 4-byte length in bytes and a value padded with zeros to 8 bytes; a
//! structure's value is items again. All integers are big-endian.
//!
//! [`decode`] checks the whole message against [`Limits`] and the encoding's rules in one pass before anything is read
//! from it, and allocates nothing: an [`Item`] and everything below it borrow the message, so key bytes stay in the one
//! buffer that its owner wipes. [`Writer`] encodes. `Debug` shows lengths instead of text and bytes.

use std::fmt;

/// What a message may cost before it is looked into.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest message, in bytes.
    pub bytes_max: usize,
    /// The deepest nesting; the message itself is depth 1.
    pub depth_max: usize,
    /// The most items of all depths together.
    pub items_max: usize,
}

/// The name of an item: 24 bits, for example `42007B` for a response message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tag(u32);

impl Tag {
    /// A tag from its low 24 bits.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self(bits & 0x00FF_FFFF)
    }
}

/// A tag and its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item<'a> {
    /// What the value is.
    pub tag: Tag,
    /// The value, borrowed from the message.
    pub value: Value<'a>,
}

/// A value of one of the ten types.
#[derive(Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Type 1: items.
    Structure(Structure<'a>),
    /// Type 2.
    Integer(i32),
    /// Type 3.
    LongInteger(i64),
    /// Type 4: two's complement, big-endian, a multiple of 8 bytes.
    BigInteger(&'a [u8]),
    /// Type 5.
    Enumeration(u32),
    /// Type 6.
    Boolean(bool),
    /// Type 7.
    TextString(&'a str),
    /// Type 8.
    ByteString(&'a [u8]),
    /// Type 9: seconds since 1970.
    DateTime(i64),
    /// Type 10: seconds.
    Interval(u32),
}

/// The items of a structure; checked by [`decode`], so that walking it cannot fail.
#[derive(Clone, Copy, PartialEq)]
pub struct Structure<'a>(&'a [u8]);

impl<'a> Structure<'a> {
    /// The items in their order, one level deep.
    #[must_use]
    pub fn items(self) -> Items<'a> {
        Items(self.0)
    }
}

/// The iterator of [`Structure::items`].
#[derive(Clone, Debug)]
pub struct Items<'a>(&'a [u8]);

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let (item, rest) = split_item(self.0).ok()?;
        self.0 = rest;
        Some(item)
    }
}

/// Why bytes are not a message, or not one of acceptable size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The message is, or says it is, over the limit.
    #[error("the message has {bytes} bytes, over the limit of {max}")]
    TooLong {
        /// Its length with its header.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Structures nest too deep.
    #[error("structures nest deeper than {max}")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// Too many items.
    #[error("there are more than {max} items")]
    TooManyItems {
        /// The limit.
        max: usize,
    },
    /// The first item is another one than the message's, or no structure.
    #[error("it starts with {0}, not with the message's tag")]
    NotTheMessage(Tag),
    /// An item says it is longer than what holds it.
    #[error("an item is longer than what holds it")]
    Truncated,
    /// Bytes follow the message.
    #[error("bytes follow the message")]
    TrailingBytes,
    /// The type is none of 1 to 10.
    #[error("unknown type {0:#04x}")]
    UnknownType(u8),
    /// A value of fixed size, or a big integer, has another length.
    #[error("a value of type {0:#04x} has a wrong length")]
    BadLength(u8),
    /// Padding is not zero.
    #[error("padding is not zero")]
    BadPadding,
    /// A boolean is neither 0 nor 1.
    #[error("a boolean is neither 0 nor 1")]
    BadBoolean,
    /// Text is not UTF-8.
    #[error("text is not UTF-8")]
    BadText,
}

/// The length in bytes, with the header, of the message whose first 8 bytes are `header`: to be asked before a buffer is
/// filled.
///
/// # Errors
/// [`Error::NotTheMessage`] if it is not a structure tagged `tag`, [`Error::TooLong`] over `limits`.
pub fn message_bytes(header: [u8; HEADER_BYTES], tag: Tag, limits: &Limits) -> Result<usize, Error> {
    let (found, kind, length) = split_header(header);
    if found != tag || kind != STRUCTURE {
        return Err(Error::NotTheMessage(found));
    }
    let bytes = length.saturating_add(HEADER_BYTES);
    if bytes > limits.bytes_max {
        return Err(Error::TooLong { bytes, max: limits.bytes_max });
    }
    Ok(bytes)
}

/// Reads a whole message.
///
/// # Errors
/// [`Error`], whose variants are the rules; nothing of the message is handed out then.
pub fn decode<'a>(message: &'a [u8], limits: &Limits) -> Result<Item<'a>, Error> {
    if message.len() > limits.bytes_max {
        return Err(Error::TooLong { bytes: message.len(), max: limits.bytes_max });
    }
    let (item, rest) = split_item(message)?;
    if !rest.is_empty() {
        return Err(Error::TrailingBytes);
    }
    let mut items_left = limits.items_max;
    check(&item, limits, 1, &mut items_left)?;
    Ok(item)
}

/// Encodes a message from its outermost structure inwards.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// The bytes of a message tagged `tag` with what `fill` writes into it.
    #[must_use]
    pub fn message(tag: Tag, fill: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut writer = Self::default();
        writer.structure(tag, fill);
        writer.into_bytes()
    }

    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// A structure with what `fill` writes into it.
    pub fn structure(&mut self, tag: Tag, fill: impl FnOnce(&mut Self)) {
        self.header(tag, STRUCTURE, 0);
        let start = self.0.len();
        fill(self);
        let length = length_field(self.0.len() - start);
        if let Some(field) = self.0.get_mut(start - LENGTH_BYTES..start) {
            field.copy_from_slice(&length);
        }
    }

    /// A 32-bit number.
    pub fn integer(&mut self, tag: Tag, value: i32) {
        self.item(&Item { tag, value: Value::Integer(value) });
    }

    /// One of a list of choices.
    pub fn enumeration(&mut self, tag: Tag, value: u32) {
        self.item(&Item { tag, value: Value::Enumeration(value) });
    }

    /// UTF-8 text.
    pub fn text(&mut self, tag: Tag, value: &str) {
        self.item(&Item { tag, value: Value::TextString(value) });
    }

    /// Any item, a structure with all that is in it.
    pub fn item(&mut self, item: &Item<'_>) {
        let tag = item.tag;
        match item.value {
            Value::Structure(inner) => self.structure(tag, |writer| inner.items().for_each(|item| writer.item(&item))),
            Value::Integer(value) => self.primitive(tag, INTEGER, &value.to_be_bytes()),
            Value::LongInteger(value) => self.primitive(tag, LONG_INTEGER, &value.to_be_bytes()),
            Value::BigInteger(value) => self.primitive(tag, BIG_INTEGER, value),
            Value::Enumeration(value) => self.primitive(tag, ENUMERATION, &value.to_be_bytes()),
            Value::Boolean(value) => self.primitive(tag, BOOLEAN, &u64::from(value).to_be_bytes()),
            Value::TextString(value) => self.primitive(tag, TEXT_STRING, value.as_bytes()),
            Value::ByteString(value) => self.primitive(tag, BYTE_STRING, value),
            Value::DateTime(value) => self.primitive(tag, DATE_TIME, &value.to_be_bytes()),
            Value::Interval(value) => self.primitive(tag, INTERVAL, &value.to_be_bytes()),
        }
    }

    fn primitive(&mut self, tag: Tag, kind: u8, value: &[u8]) {
        self.header(tag, kind, value.len());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(ALIGN_BYTES), 0);
    }

    fn header(&mut self, tag: Tag, kind: u8, length: usize) {
        let [_, tag @ ..] = tag.0.to_be_bytes();
        self.0.extend_from_slice(&tag);
        self.0.push(kind);
        self.0.extend_from_slice(&length_field(length));
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06X}", self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Structure(inner) => inner.fmt(f),
            Self::Integer(value) => write!(f, "Integer({value})"),
            Self::LongInteger(value) => write!(f, "LongInteger({value})"),
            Self::BigInteger(value) => write!(f, "BigInteger({} bytes)", value.len()),
            Self::Enumeration(value) => write!(f, "Enumeration({value:#x})"),
            Self::Boolean(value) => write!(f, "Boolean({value})"),
            Self::TextString(value) => write!(f, "TextString({} bytes)", value.len()),
            Self::ByteString(value) => write!(f, "ByteString({} bytes)", value.len()),
            Self::DateTime(value) => write!(f, "DateTime({value})"),
            Self::Interval(value) => write!(f, "Interval({value})"),
        }
    }
}

impl fmt::Debug for Structure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.items()).finish()
    }
}

/// Walks all items; recursion ends at `limits.depth_max`.
fn check(item: &Item<'_>, limits: &Limits, depth: usize, items_left: &mut usize) -> Result<(), Error> {
    if depth > limits.depth_max {
        return Err(Error::TooDeep { max: limits.depth_max });
    }
    *items_left = items_left.checked_sub(1).ok_or(Error::TooManyItems { max: limits.items_max })?;
    let Value::Structure(Structure(mut rest)) = item.value else { return Ok(()) };
    while !rest.is_empty() {
        let (inner, after) = split_item(rest)?;
        check(&inner, limits, depth + 1, items_left)?;
        rest = after;
    }
    Ok(())
}

/// One item and the bytes after it. A structure's own items are not looked at.
fn split_item(bytes: &[u8]) -> Result<(Item<'_>, &[u8]), Error> {
    let (header, rest) = bytes.split_first_chunk().ok_or(Error::Truncated)?;
    let (tag, kind, length) = split_header(*header);
    let padded = length.checked_next_multiple_of(ALIGN_BYTES).ok_or(Error::Truncated)?;
    let (value, rest) = rest.split_at_checked(padded).ok_or(Error::Truncated)?;
    let (value, padding) = value.split_at_checked(length).ok_or(Error::Truncated)?;
    if padding.iter().any(|byte| *byte != 0) {
        return Err(Error::BadPadding);
    }
    Ok((Item { tag, value: value_of(kind, value)? }, rest))
}

fn value_of(kind: u8, value: &[u8]) -> Result<Value<'_>, Error> {
    let four = || <[u8; 4]>::try_from(value).map_err(|_| Error::BadLength(kind));
    let eight = || <[u8; 8]>::try_from(value).map_err(|_| Error::BadLength(kind));
    Ok(match kind {
        STRUCTURE => Value::Structure(Structure(value)),
        INTEGER => Value::Integer(i32::from_be_bytes(four()?)),
        LONG_INTEGER => Value::LongInteger(i64::from_be_bytes(eight()?)),
        BIG_INTEGER if !value.is_empty() && value.len().is_multiple_of(ALIGN_BYTES) => Value::BigInteger(value),
        BIG_INTEGER => return Err(Error::BadLength(kind)),
        ENUMERATION => Value::Enumeration(u32::from_be_bytes(four()?)),
        BOOLEAN => match u64::from_be_bytes(eight()?) {
            0 => Value::Boolean(false),
            1 => Value::Boolean(true),
            _ => return Err(Error::BadBoolean),
        },
        TEXT_STRING => Value::TextString(str::from_utf8(value).map_err(|_| Error::BadText)?),
        BYTE_STRING => Value::ByteString(value),
        DATE_TIME => Value::DateTime(i64::from_be_bytes(eight()?)),
        INTERVAL => Value::Interval(u32::from_be_bytes(four()?)),
        unknown => return Err(Error::UnknownType(unknown)),
    })
}

fn split_header(header: [u8; HEADER_BYTES]) -> (Tag, u8, usize) {
    let [tag0, tag1, tag2, kind, length @ ..] = header;
    // a length that the machine cannot count is longer than anything that could hold it
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    (Tag::new(u32::from_be_bytes([0, tag0, tag1, tag2])), kind, length)
}

/// Requests are a few hundred bytes; one over 4 GiB would be sent with a length the other side refuses.
fn length_field(length: usize) -> [u8; LENGTH_BYTES] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// Tag, type and length.
pub const HEADER_BYTES: usize = 8;
const LENGTH_BYTES: usize = 4;
const ALIGN_BYTES: usize = 8;

const STRUCTURE: u8 = 0x01;
const INTEGER: u8 = 0x02;
const LONG_INTEGER: u8 = 0x03;
const BIG_INTEGER: u8 = 0x04;
const ENUMERATION: u8 = 0x05;
const BOOLEAN: u8 = 0x06;
const TEXT_STRING: u8 = 0x07;
const BYTE_STRING: u8 = 0x08;
const DATE_TIME: u8 = 0x09;
const INTERVAL: u8 = 0x0A;

#[cfg(test)]
mod tests;
