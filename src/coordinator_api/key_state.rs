//! [`KeyState`]: where a key is in its life, as the Coordinator, a configuration or a KMS tells it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a source says of a key. Only an active key seals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// it seals and opens; also if nothing is said
    #[default]
    Active,
    /// it is not in use yet: it does not seal, and it opens only where a setting allows it
    PreActive,
    /// its use has ended: it opens and never seals
    Deactivated,
    /// others may know it: it opens and never seals
    Compromised,
    /// a word that this version does not know: it opens and never seals
    #[serde(other)]
    Unknown,
}

impl KeyState {
    /// Its name in files, metrics and log lines.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::PreActive => "pre-active",
            Self::Deactivated => "deactivated",
            Self::Compromised => "compromised",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it is the usual one, of which nothing has to be said.
    #[must_use]
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    pub fn is_active(&self) -> bool {
        *self == Self::Active
    }

    /// The states that keep a key from sealing.
    pub const NOT_SEALING: [Self; 4] = [Self::PreActive, Self::Deactivated, Self::Compromised, Self::Unknown];
}

impl std::fmt::Display for KeyState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for KeyState {
    type Err = UnknownKeyState;

    /// Takes the words that may be written; `unknown` is none of them.
    fn from_str(text: &str) -> Result<Self, UnknownKeyState> {
        let words = [Self::Active, Self::PreActive, Self::Deactivated, Self::Compromised];
        words.into_iter().find(|state| state.as_str() == text).ok_or(UnknownKeyState)
    }
}

/// No state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be active, pre-active, deactivated or compromised")]
pub struct UnknownKeyState;
