//! [`Problem`]: the body of every answer that is an error (RFC 9457, `application/problem+json`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// A URI of the kind; `about:blank`, since `code` names it.
    #[serde(rename = "type", default = "Problem::blank")]
    pub kind: String,
    /// The kind in words.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// The kind for programs, such as `revision_gone`.
    #[serde(default)]
    pub code: String,
    /// What it was this time.
    #[serde(default)]
    pub detail: String,
}

impl Problem {
    fn blank() -> String {
        "about:blank".into()
    }

    /// A problem of this kind.
    #[must_use]
    pub fn new(status: u16, code: &str, title: &str, detail: String) -> Self {
        Self { kind: Self::blank(), title: title.into(), status, code: code.into(), detail }
    }
}
