//! Why the Coordinator gave no usable answer. Texts name files, statuses and positions; never a token, a seed or a
//! secret. What a server wrote is shown without control characters and cut at 200 characters.

use std::error::Error;
use std::path::PathBuf;

use crate::coordinator_api::Problem;

/// Why the Coordinator gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// a setting makes no sense
    #[error("coordinator.{field}: {reason}")]
    Setting {
        /// which
        field: &'static str,
        /// why
        reason: String,
    },
    /// a file cannot be read
    #[error("cannot read {}", file.display())]
    File {
        /// the file
        file: PathBuf,
        /// why
        #[source]
        error: std::io::Error,
    },
    /// there is no connection, or it broke
    #[error("error asking the coordinator")]
    Transport(#[source] Box<dyn Error + Send + Sync>),
    /// no answer, or no end of it
    #[error("the coordinator did not answer in time")]
    Timeout,
    /// the answer is larger than a page may be
    #[error("the coordinator's answer is larger than {bytes_max} bytes")]
    TooLarge {
        /// the limit
        bytes_max: usize,
    },
    /// an answer that is an error
    #[error("the coordinator refused: {status} {text}")]
    Refused {
        /// the HTTP status
        status: u16,
        /// what it wrote
        text: String,
    },
    /// what changed since then cannot be told any more
    #[error("the coordinator cannot tell what changed since then; the list is read again")]
    Gone,
    /// not what was agreed on
    #[error("the coordinator's answer is not understood: {0}")]
    Shape(String),
    /// it is older than what was seen of it before
    #[error("the coordinator went back: revision {told} of an epoch that was at {known}; it is not followed")]
    WentBack {
        /// what is known
        known: u64,
        /// what it told
        told: u64,
    },
    /// it changed while it was read
    #[error("the coordinator changed while its list was read")]
    Moved,
}

impl CoordinatorError {
    /// An error of JSON: where, not what, because what could be secret.
    pub(super) fn json(error: &serde_json::Error) -> Self {
        Self::Shape(place(error))
    }

    /// What an answer with an error status says.
    pub(super) fn refused(status: u16, body: &[u8]) -> Self {
        let said = serde_json::from_slice::<Problem>(body).map(|problem| {
            let Problem { code, title, detail, .. } = problem;
            [code, title, detail].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
        });
        Self::Refused { status, text: shown(&said.unwrap_or_default()) }
    }
}

/// Where JSON is wrong.
pub(super) fn place(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Io => "unreadable",
        serde_json::error::Category::Syntax => "not JSON",
        serde_json::error::Category::Data => "JSON of another shape",
        serde_json::error::Category::Eof => "cut",
    };
    format!("{kind} at line {}, column {}", error.line(), error.column())
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect()
}

const TEXT_CHARS_MAX: usize = 200;
