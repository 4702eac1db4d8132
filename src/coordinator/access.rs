//! Who may call: bearer tokens and client certificates, each with its scopes, from one JSON file.
//!
//! ```json
//! {"tokens": [{"name": "gateway-eu", "sha256": "<64 hex digits>", "scopes": ["tenants:read", "tenants:keys"]}],
//!  "certificates": [{"name": "gateway-us", "identity": "uri:spiffe://example/gateway", "scopes": ["tenants:read"]}]}
//! ```
//! Tokens are random and long, so one SHA-256 of each is all that is kept. A token is compared with every entry, in a
//! time that does not tell which it is like. An identity is `cn:…` of the subject, or `dns:…`, `uri:…`, `email:…` of the
//! alternative names of a certificate that the client authority signed, compared exactly.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::SystemTime;

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
use zeroize::Zeroizing;

use crate::coordinator_api::{SCOPE_STATUS_WRITE, SCOPE_TENANTS_KEYS, SCOPE_TENANTS_READ, SCOPE_TENANTS_WRITE};

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// list and read tenants, without their secrets
    #[serde(rename = "tenants:read")]
    TenantsRead,
    /// see seeds and secret access keys in what may be read
    #[serde(rename = "tenants:keys")]
    TenantsKeys,
    /// create, change, rotate and delete
    #[serde(rename = "tenants:write")]
    TenantsWrite,
    /// tell how a gateway is
    #[serde(rename = "status:write")]
    StatusWrite,
}

impl Scope {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::TenantsRead, Self::TenantsKeys, Self::TenantsWrite, Self::StatusWrite];

    /// Its name in files and errors.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TenantsRead => SCOPE_TENANTS_READ,
            Self::TenantsKeys => SCOPE_TENANTS_KEYS,
            Self::TenantsWrite => SCOPE_TENANTS_WRITE,
            Self::StatusWrite => SCOPE_STATUS_WRITE,
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = AccessError;

    fn from_str(text: &str) -> Result<Self, AccessError> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(AccessError::Scope)
    }
}

/// Someone who proved who he is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// the name in the file, for logs
    pub(super) name: String,
    scopes: BTreeSet<Scope>,
}

impl Caller {
    pub(super) fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// All who may call.
#[derive(Debug, Default)]
pub struct Access {
    tokens: Vec<Token>,
    certificates: Vec<Certificate>,
}

#[derive(Debug)]
struct Token {
    hash: [u8; HASH_BYTES],
    expires_at: Option<SystemTime>,
    caller: Caller,
}

#[derive(Debug)]
struct Certificate {
    identity: String,
    caller: Caller,
}

impl Access {
    /// Reads the file's text.
    ///
    /// # Errors
    /// [`AccessError`] tells the place.
    pub fn parse(json: &[u8]) -> Result<Self, AccessError> {
        let file: File = serde_json::from_slice(json)
            .map_err(|error| AccessError::Shape { line: error.line(), column: error.column() })?;
        let mut access = Self::default();
        for token in file.tokens {
            let name = token.name;
            let hash = from_hex(&token.sha256).ok_or_else(|| AccessError::Hash { name: name.clone() })?;
            let expires_at = match token.expires_at {
                None => None,
                Some(text) => match OffsetDateTime::parse(&text, &Rfc3339) {
                    Ok(time) => Some(time.into()),
                    Err(_) => return Err(AccessError::Time { name }),
                },
            };
            if access.tokens.iter().any(|other| other.hash == hash) {
                return Err(AccessError::Repeated { name });
            }
            access.tokens.push(Token { hash, expires_at, caller: Caller { name, scopes: token.scopes } });
        }
        for entry in file.certificates {
            let kinds = ["cn:", "dns:", "uri:", "email:"];
            if !kinds.iter().any(|kind| entry.identity.len() > kind.len() && entry.identity.starts_with(kind)) {
                return Err(AccessError::Identity { name: entry.name });
            }
            let caller = Caller { name: entry.name, scopes: entry.scopes };
            access.certificates.push(Certificate { identity: entry.identity, caller });
        }
        Ok(access)
    }

    /// Who shows this token.
    pub(super) fn by_token(&self, token: &str, now: SystemTime) -> Option<&Caller> {
        let hash: [u8; HASH_BYTES] = Sha256::digest(token.as_bytes()).into();
        let mut found = None;
        for known in &self.tokens {
            // all of them are looked at, whichever it is
            if known.hash.ct_eq(&hash).into() {
                found = Some(known);
            }
        }
        found.filter(|token| token.expires_at.is_none_or(|end| now < end)).map(|token| &token.caller)
    }

    /// Who has a certificate of one of these identities; the first entry of the file that fits.
    pub(super) fn by_identities(&self, identities: &[String]) -> Option<&Caller> {
        self.certificates.iter().find(|entry| identities.contains(&entry.identity)).map(|entry| &entry.caller)
    }
}

/// The identities in a certificate (DER); none if it cannot be read.
pub(super) fn identities(certificate: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let names = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let mut found: Vec<_> = names.map(|name| format!("cn:{name}")).collect();
    if let Ok(Some(alternatives)) = certificate.subject_alternative_name() {
        for name in &alternatives.value.general_names {
            if let GeneralName::DNSName(name) = name {
                found.push(format!("dns:{name}"));
            } else if let GeneralName::URI(uri) = name {
                found.push(format!("uri:{uri}"));
            } else if let GeneralName::RFC822Name(address) = name {
                found.push(format!("email:{address}"));
            }
        }
    }
    found
}

/// A fresh token, and the entry that admits it.
///
/// # Errors
/// [`AccessError::Randomness`] when the operating system gives none.
pub fn new_token(name: &str, scopes: &[Scope]) -> Result<(Zeroizing<String>, serde_json::Value), AccessError> {
    let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
    getrandom::fill(&mut *bytes).map_err(|_| AccessError::Randomness)?;
    let token = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(*bytes);
    let token = Zeroizing::new(format!("sgc_{token}"));
    let hash: String =
        Sha256::digest(token.as_bytes()).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let scopes: BTreeSet<_> = scopes.iter().copied().collect();
    Ok((token, serde_json::json!({ "name": name, "sha256": hash, "scopes": scopes })))
}

/// Adds an entry for a token to the file, or makes the file, for its owner alone; never leaves half a file.
///
/// # Errors
/// [`AccessError`] if the file is there and is none of these.
pub fn add_to_file(file: &Path, entry: &serde_json::Value) -> Result<(), AccessError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let failed = |error: std::io::Error| AccessError::File { file: file.display().to_string(), error };
    let mut content = match std::fs::read(file) {
        Ok(text) => {
            Access::parse(&text)?;
            serde_json::from_slice(&text).map_err(|_| AccessError::Shape { line: 0, column: 0 })?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => serde_json::json!({}),
        Err(error) => return Err(failed(error)),
    };
    if content["tokens"].is_null() {
        content["tokens"] = serde_json::json!([]);
    }
    if let Some(tokens) = content["tokens"].as_array_mut() {
        tokens.push(entry.clone());
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let mut options = std::fs::OpenOptions::new();
    let written = options.write(true).create_new(true).mode(0o600).open(&name).and_then(|mut new| {
        writeln!(new, "{content:#}")?;
        new.sync_all()?;
        std::fs::rename(&name, file)
    });
    written.map_err(failed)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    tokens: Vec<RawToken>,
    #[serde(default)]
    certificates: Vec<RawCertificate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawToken {
    name: String,
    sha256: String,
    scopes: BTreeSet<Scope>,
    #[serde(default)]
    expires_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCertificate {
    name: String,
    identity: String,
    scopes: BTreeSet<Scope>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// no JSON, or of another shape
    #[error("line {line}, column {column}: not of the form {{\"tokens\": [{{\"name\", \"sha256\", \"scopes\"}}], …}}")]
    Shape {
        /// from 1
        line: usize,
        /// from 1
        column: usize,
    },
    /// no hash
    #[error("token `{name}`: sha256 is 64 hexadecimal digits")]
    Hash {
        /// whose
        name: String,
    },
    /// no time
    #[error("token `{name}`: expires_at is a time such as 2030-01-31T00:00:00Z")]
    Time {
        /// whose
        name: String,
    },
    /// the same token twice
    #[error("token `{name}` is given twice")]
    Repeated {
        /// whose
        name: String,
    },
    /// no identity
    #[error("certificate `{name}`: identity starts with cn:, dns:, uri: or email:")]
    Identity {
        /// whose
        name: String,
    },
    /// no scope
    #[error("a scope is one of tenants:read, tenants:keys, tenants:write and status:write")]
    Scope,
    /// the file cannot be read or written
    #[error("{file}")]
    File {
        /// the file
        file: String,
        /// why
        #[source]
        error: std::io::Error,
    },
    /// the operating system gave no random bytes
    #[error("no randomness from the operating system")]
    Randomness,
}

fn from_hex(text: &str) -> Option<[u8; HASH_BYTES]> {
    if text.len() != 2 * HASH_BYTES || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; HASH_BYTES];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

const HASH_BYTES: usize = 32;
const TOKEN_BYTES: usize = 32;

#[cfg(test)]
mod tests;
