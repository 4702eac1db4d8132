//! Bytes of an index row, written and read in order.
//!
//! Whole numbers are LEB128 (7 bits a byte, least first), texts and byte strings are their length and then themselves.
//! Reading never panics: a row that ends early or holds no UTF-8 is [`BackendError::Damaged`].

use std::collections::BTreeMap;

use crate::backend::{BackendError, Result};

/// Writes a row.
#[derive(Default)]
pub(super) struct Encoder(Vec<u8>);

impl Encoder {
    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(super) fn fixed(&mut self, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(value);
        self
    }

    pub(super) fn number(&mut self, mut value: u64) -> &mut Self {
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                return self.byte(low & 0x7f);
            }
            self.byte(low | 0x80);
        }
    }

    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        self.number(value.len() as u64).fixed(value.as_bytes())
    }

    /// One byte that says whether there is a text, and the text.
    pub(super) fn optional(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            None => self.byte(0),
            Some(text) => self.byte(1).text(text),
        }
    }

    pub(super) fn pairs<'a>(&mut self, pairs: impl ExactSizeIterator<Item = (&'a String, &'a String)>) -> &mut Self {
        self.number(pairs.len() as u64);
        for (name, value) in pairs {
            self.text(name).text(value);
        }
        self
    }
}

/// Reads a row.
pub(super) struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    pub(super) fn new(row: &'a [u8]) -> Self {
        Self(row)
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.0.split_first().ok_or_else(damaged)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk().ok_or_else(damaged)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn number(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(damaged())
    }

    pub(super) fn small<T: TryFrom<u64>>(&mut self) -> Result<T> {
        T::try_from(self.number()?).map_err(|_| damaged())
    }

    pub(super) fn text(&mut self) -> Result<&'a str> {
        let length = self.small()?;
        let (text, rest) = self.0.split_at_checked(length).ok_or_else(damaged)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| damaged())
    }

    pub(super) fn optional(&mut self) -> Result<Option<String>> {
        match self.byte()? {
            0 => Ok(None),
            1 => Ok(Some(self.text()?.to_owned())),
            _ => Err(damaged()),
        }
    }

    pub(super) fn map(&mut self) -> Result<BTreeMap<String, String>> {
        (0..self.number()?).map(|_| Ok((self.text()?.to_owned(), self.text()?.to_owned()))).collect()
    }

    pub(super) fn pairs(&mut self) -> Result<Vec<(String, String)>> {
        (0..self.number()?).map(|_| Ok((self.text()?.to_owned(), self.text()?.to_owned()))).collect()
    }
}

/// What every misread row is.
pub(super) fn damaged() -> BackendError {
    BackendError::Damaged("a row of the index does not decode".to_owned())
}
