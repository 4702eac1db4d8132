//! Customer fragments: secrets that only the customer's gateways hold, without which a tenant's seed is not whole.
//!
//! They come in a file (or inline, from the environment) of the shape
//! `{"customer_fragments": [{"id", "value", "description", "name"}]}`, `value` in standard base64. What else a file
//! says is left alone. [`Seed::with_fragment`](crate::seal::Seed::with_fragment) joins one to a seed. Losing a fragment
//! loses every object of its tenants; [`Fragment::fingerprint`] lets copies be compared without showing the value.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::secret::SecretText;

/// The fragments that this gateway holds.
#[derive(Debug, Default)]
pub struct Fragments {
    by_id: BTreeMap<String, Fragment>,
}

impl Fragments {
    /// Reads the JSON text of one source, named `source` in errors.
    ///
    /// # Errors
    /// [`FragmentsError`] if it is not of that shape, or a fragment repeats an id or has no usable value.
    pub fn parse(source: &str, json: &str) -> Result<Self, FragmentsError> {
        let file: File = serde_json::from_str(json).map_err(|error| {
            let source = source.to_owned();
            FragmentsError::Shape { source_name: source, line: error.line(), column: error.column() }
        })?;
        let mut fragments = Self::default();
        for entry in file.customer_fragments {
            fragments.add(Fragment::new(entry)?)?;
        }
        Ok(fragments)
    }

    /// Takes in those of another source.
    ///
    /// # Errors
    /// [`FragmentsError::Repeated`] if both hold one id.
    pub fn join(&mut self, other: Self) -> Result<(), FragmentsError> {
        other.by_id.into_values().try_for_each(|fragment| self.add(fragment))
    }

    /// The fragment of this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Fragment> {
        self.by_id.get(id)
    }

    /// All of them, in order of id.
    pub fn iter(&self) -> impl Iterator<Item = &Fragment> {
        self.by_id.values()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// What differs from a copy of these fragments, such as a backup: nothing if the copy can replace the original.
    #[must_use]
    pub fn differences(&self, copy: &Self) -> Vec<FragmentDifference> {
        let missing = self.iter().filter_map(|fragment| match copy.find(&fragment.id) {
            None => Some(FragmentDifference::Missing { id: fragment.id.clone() }),
            Some(copy) if !fragment.is_same(copy) => Some(FragmentDifference::Other { id: fragment.id.clone() }),
            Some(_) => None,
        });
        let surplus = copy
            .iter()
            .filter(|fragment| self.find(&fragment.id).is_none())
            .map(|fragment| FragmentDifference::Surplus { id: fragment.id.clone() });
        missing.chain(surplus).collect()
    }

    fn add(&mut self, fragment: Fragment) -> Result<(), FragmentsError> {
        let id = fragment.id.clone();
        match self.by_id.insert(id.clone(), fragment) {
            None => Ok(()),
            Some(_) => Err(FragmentsError::Repeated { id }),
        }
    }
}

/// One fragment.
pub struct Fragment {
    id: String,
    name: String,
    description: String,
    value: Zeroizing<Vec<u8>>,
}

impl Fragment {
    /// Makes a fragment of 32 random bytes under a random id.
    ///
    /// # Errors
    /// [`FragmentsError::Randomness`] when the operating system gives none.
    pub fn generate(name: &str, description: &str) -> Result<Self, FragmentsError> {
        let mut id = [0; ID_DIGITS];
        let mut value = Zeroizing::new(vec![0; GENERATED_BYTES]);
        getrandom::fill(&mut id)
            .and_then(|()| getrandom::fill(value.as_mut_slice()))
            .map_err(|_| FragmentsError::Randomness)?;
        let digits: String = id.iter().map(|byte| char::from(ID_ALPHABET[usize::from(byte % 32)])).collect();
        Ok(Self { id: format!("cf-{digits}"), name: name.into(), description: description.into(), value })
    }

    /// Its id, which keys and errors name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name that its maker gave it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The decoded bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.value
    }

    /// The first 8 bytes of SHA-256 over the value, in hex: public.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(&*self.value);
        digest.iter().take(FINGERPRINT_BYTES).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    /// The file that holds this fragment alone, ready to be saved.
    #[must_use]
    pub fn to_file(&self) -> Zeroizing<String> {
        let value = Zeroizing::new(STANDARD.encode(&*self.value));
        let entry = Shown { id: &self.id, value: &value, description: &self.description, name: &self.name };
        let file = BTreeMap::from([("customer_fragments", [entry])]);
        Zeroizing::new(serde_json::to_string_pretty(&file).unwrap_or_default())
    }

    fn new(entry: Entry) -> Result<Self, FragmentsError> {
        let Entry { id, value, description, name } = entry;
        if id.is_empty() || id.len() > ID_BYTES_MAX || !id.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(FragmentsError::Id);
        }
        let value = match STANDARD.decode(value.expose().trim_end()) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(_) => return Err(FragmentsError::NotBase64 { id }),
        };
        if value.len() < VALUE_BYTES_MIN {
            return Err(FragmentsError::TooShort { id, bytes: value.len() });
        }
        Ok(Self { id, name, description, value })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.value.as_slice().ct_eq(other.value.as_slice()).into()
    }
}

impl fmt::Debug for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fragment({}, fingerprint {})", self.id, self.fingerprint())
    }
}

#[derive(Deserialize)]
struct File {
    customer_fragments: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    value: SecretText,
    #[serde(default)]
    description: String,
    #[serde(default)]
    name: String,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    value: &'a str,
    description: &'a str,
    name: &'a str,
}

/// How a copy of fragments differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FragmentDifference {
    /// the copy lacks it
    Missing {
        /// the fragment
        id: String,
    },
    /// the copy has another value under this id
    Other {
        /// the fragment
        id: String,
    },
    /// only the copy has it
    Surplus {
        /// the fragment
        id: String,
    },
}

impl FragmentDifference {
    /// The fragment that differs.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Missing { id } | Self::Other { id } | Self::Surplus { id } => id,
        }
    }
}

/// Why fragments cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FragmentsError {
    /// no JSON, or of another shape
    #[error("{source_name}:{line}:{column}: not of the form {{\"customer_fragments\": [{{\"id\", \"value\", ...}}]}}")]
    Shape {
        /// the file, or the name of the variable
        source_name: String,
        /// from 1
        line: usize,
        /// from 1
        column: usize,
    },
    /// a source cannot be read
    #[error("cannot read customer fragments from {file}: {reason}")]
    Read {
        /// the file
        file: String,
        /// why
        reason: String,
    },
    /// an id that is empty, longer than 128 characters, or not printable
    #[error("a customer fragment has no usable id")]
    Id,
    /// two fragments of one id
    #[error("customer fragment `{id}` is given twice")]
    Repeated {
        /// the fragment
        id: String,
    },
    /// the value is not standard base64
    #[error("customer fragment `{id}`: the value is not base64")]
    NotBase64 {
        /// the fragment
        id: String,
    },
    /// the value is too short to be a secret
    #[error("customer fragment `{id}`: the value has {bytes} bytes, at least {VALUE_BYTES_MIN} are required")]
    TooShort {
        /// the fragment
        id: String,
        /// how many bytes it has
        bytes: usize,
    },
    /// the operating system gave no random bytes
    #[error("no randomness from the operating system")]
    Randomness,
}

const GENERATED_BYTES: usize = 32;
const VALUE_BYTES_MIN: usize = 16;
const FINGERPRINT_BYTES: usize = 8;
const ID_BYTES_MAX: usize = 128;
const ID_DIGITS: usize = 18;
const ID_ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

#[cfg(test)]
mod tests;
