//! Prefix and delimiter of a listing: which keys are rolled up, and where to go on after them.

use crate::backend::{BackendError, Result};

/// Prefix and delimiter.
pub(super) struct Rollup<'a> {
    pub(super) prefix: &'a str,
    delimiter: Option<&'a str>,
}

impl<'a> Rollup<'a> {
    pub(super) fn new(prefix: &'a str, delimiter: Option<&'a str>) -> Self {
        Self { prefix, delimiter: delimiter.filter(|delimiter| !delimiter.is_empty()) }
    }

    /// The common prefix that a key is rolled up under.
    pub(super) fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        let rest = key.strip_prefix(self.prefix)?;
        let delimiter = self.delimiter?;
        let at = rest.find(delimiter)?;
        key.get(..self.prefix.len() + at + delimiter.len())
    }
}

/// The least text above every text that starts with `prefix`; none if there is no such text.
///
/// Texts compare as bytes of UTF-8, which is the order of code points.
pub(super) fn after_all_under(prefix: &str) -> Option<String> {
    let mut kept = prefix.to_owned();
    while let Some(last) = kept.pop() {
        let next = match last {
            // the surrogates between are no characters
            '\u{d7ff}' => Some('\u{e000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            kept.push(next);
            return Some(kept);
        }
    }
    None
}

/// Where a page of keys begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// at this key or the first above
    At(String),
    /// at the first key above this one
    After(String),
    /// nowhere: no key is left
    End,
}

impl From {
    /// Behind everything that starts with this common prefix.
    pub(super) fn behind(prefix: &str) -> Self {
        after_all_under(prefix).map_or(Self::End, Self::At)
    }

    /// The later of two.
    pub(super) fn max(self, other: Self) -> Self {
        let order = |from: &Self| match from {
            Self::At(key) => (0, key.clone(), 0),
            Self::After(key) => (0, key.clone(), 1),
            Self::End => (1, String::new(), 0),
        };
        if order(&self) < order(&other) { other } else { self }
    }

    /// This place as an opaque token.
    pub(super) fn token(&self) -> String {
        match self {
            Self::At(key) => format!("{AT}{key}"),
            Self::After(key) => format!("{AFTER}{key}"),
            Self::End => END.to_string(),
        }
    }

    /// The place of a token.
    pub(super) fn of_token(token: &str) -> Result<Self> {
        let mut rest = token.chars();
        match rest.next() {
            Some(AT) => Ok(Self::At(rest.as_str().to_owned())),
            Some(AFTER) => Ok(Self::After(rest.as_str().to_owned())),
            Some(END) => Ok(Self::End),
            _ => Err(BackendError::InvalidArgument("no token of this store".to_owned())),
        }
    }
}

const AT: char = 'a';
const AFTER: char = 'b';
const END: char = 'e';
