//! What can be wrong with a configuration. Every message names a place, none holds a value that could be secret.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::keys::fragment::FragmentsError;

/// Everything that is wrong with a configuration, at once.
#[derive(Debug)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// The problems, at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// `Ok` while nothing is wrong.
    pub(super) fn unless_empty(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [one] => one.fmt(f),
            many => {
                write!(f, "{} problems in the configuration:", many.len())?;
                many.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.problems.first().and_then(std::error::Error::source)
    }
}

/// One thing that is wrong. Paths are as in `crypto.kms_config.tls.key` and `tenants[0].id`.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// a file is there but cannot be read, or was named but is not there
    #[error("cannot read {}: {error}", file.display())]
    Read {
        /// the file
        file: PathBuf,
        /// why
        error: io::Error,
    },
    /// a file is no JSON object, or repeats a key
    #[error("{}:{line}:{column}: {reason}", file.display())]
    Json {
        /// the file
        file: PathBuf,
        /// from 1
        line: usize,
        /// from 1; 0 before the first character
        column: usize,
        /// why
        reason: String,
    },
    /// a field that does not exist
    #[error("unknown field `{path}`; {hint}")]
    Unknown {
        /// where
        path: String,
        /// the nearest known name, or all known ones
        hint: String,
    },
    /// a value of another type
    #[error("`{path}` must be {expected}, not {found}")]
    Type {
        /// where
        path: String,
        /// what it must be
        expected: String,
        /// what it is
        found: &'static str,
    },
    /// a required field is absent or empty
    #[error("missing required configuration: {path}")]
    Missing {
        /// where
        path: String,
    },
    /// a value of the right type that makes no sense
    #[error("`{path}`: {reason}")]
    Value {
        /// where
        path: String,
        /// why
        reason: String,
    },
    /// `crypto.mode` is none of the three
    #[error("invalid crypto.mode value")]
    Mode,
    /// a multi mode without its refresh period
    #[error("crypto.update_period is required in {mode}")]
    UpdatePeriodRequired {
        /// the mode
        mode: &'static str,
    },
    /// a field of another mode
    #[error("`{path}` does not apply in {mode}")]
    OtherMode {
        /// where
        path: String,
        /// the mode
        mode: String,
    },
    /// an S3 store without keys of the cluster
    #[error(
        "missing required configuration: cluster.keys; put in what `sealgate keygen --cluster` prints, the same for every gateway over this store"
    )]
    ClusterKeysRequired,
    /// remote mode without the KMS
    #[error("kms config is required")]
    KmsConfigRequired,
    /// a KMIP version other than 1.4
    #[error("unsupported KMIP version, use 1.4")]
    KmipVersion,
    /// the keys of a tenant make no sense
    #[error("tenant `{tenant}`: {reason}")]
    TenantKeys {
        /// the tenant
        tenant: String,
        /// why
        reason: String,
    },
    /// the customer fragments cannot be used
    #[error(transparent)]
    Fragments(#[from] FragmentsError),
    /// understood, but this version does not do it
    #[error("not available in this version: {path}")]
    NotAvailable {
        /// what
        path: String,
    },
}
