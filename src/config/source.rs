//! From files to one JSON value: reading, refusing repeated keys, and merging.
//!
//! Objects merge recursively, anything else is replaced, and the second file (the Secret) wins. A key that occurs twice
//! in one object is an error, because JSON readers silently take the last: two tenants of one id would lose a key.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::error::Problem;

/// One of the two files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath {
    /// where it is
    pub path: PathBuf,
    /// whether the operator named it; then it must be there
    pub is_named: bool,
}

impl FilePath {
    /// The path that the operator gave, or else the usual one.
    #[must_use]
    pub fn named_or(named: Option<PathBuf>, usual: &str) -> Self {
        let is_named = named.is_some();
        Self { path: named.unwrap_or_else(|| usual.into()), is_named }
    }

    /// The file's text, or none if it may be absent and is.
    pub(super) fn read(&self) -> Result<Option<Zeroizing<String>>, Problem> {
        match read_text(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.is_named => Ok(None),
            Err(error) => Err(Problem::Read { file: self.path.clone(), error }),
        }
    }
}

/// Reads a text of bounded length in one allocation, so that no copy of a secret stays behind.
pub(crate) fn read_text(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is larger than 256 MiB"));
    }
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(bytes).unwrap_or(0) + 1));
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Parses a file's text into an object.
pub(super) fn parse(file: &Path, text: &str) -> Result<Map<String, Value>, Problem> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Unique.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match value {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Problem::Json { file: file.into(), line: 1, column: 1, reason: "not a JSON object".into() }),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let text = error.to_string();
            let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason).to_owned();
            Err(Problem::Json { file: file.into(), line, column, reason })
        }
    }
}

/// Lays `over` upon `base`.
pub(super) fn merge(base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Reads any JSON value in which no object has a key twice.
struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("`{key}` occurs twice in one object")));
            }
            let value = entries.next_value_seed(Self)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

const FILE_BYTES_MAX: u64 = 256 << 20;

#[cfg(test)]
mod tests;
