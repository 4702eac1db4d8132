//! What a [`super::Client`] must be told of a KMS: where it listens, how long it may take, how both sides prove who they
//! are. What is written in configuration files, and that only KMIP 1.4 can be asked for, is `config`'s to check.

use std::{fmt, str::FromStr, time::Duration};

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A KMS and the way to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Config {
    /// The servers, tried in this order.
    pub addresses: Addresses,
    /// The limit for a connection to one address, and for each request with its answer; [`TIMEOUT_DEFAULT`] unless
    /// there is a reason.
    pub timeout: Duration,
    /// Whether an object's Name is read back before its key is taken. Must be true, unless the server refuses Get
    /// Attributes.
    pub verify_name: bool,
    /// How both sides prove who they are.
    pub tls: TlsConfig,
}

/// How both sides prove who they are.
#[derive(Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// The private key of `cert`.
    pub key: PrivateKeyPem,
    /// The client's certificate, and those between it and its authority, in PEM.
    pub cert: String,
    /// The authorities of the KMS's certificate, in PEM; those of the system if none is said.
    pub ca: Option<String>,
    /// The name or IP address in the KMS's certificate; that of the address if none is said.
    pub server_name: Option<String>,
    /// The TLS suites to offer, by their numbers; all that are safe if none is said.
    pub cipher_suites: Vec<u16>,
    /// Takes any certificate of the KMS. For tests only.
    pub insecure_skip_verify: bool,
}

/// Servers in the order in which they are tried: 1 to 16.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses(Vec<Address>);

impl Addresses {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Address> {
        self.0.iter()
    }
}

impl FromStr for Addresses {
    type Err = AddressError;

    /// Parses `host:port`, or several with commas between them.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let addresses = text.split(',').map(|text| text.trim().parse()).collect::<Result<Vec<_>, _>>()?;
        if addresses.len() > ADDRESSES_MAX {
            return Err(AddressError::TooMany);
        }
        Ok(Self(addresses))
    }
}

/// Where a KMS listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl FromStr for Address {
    type Err = AddressError;

    /// Parses `host:port` or `[IPv6]:port`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError::NotHostAndPort(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_ip = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':');
        let is_fine = bracketed.map_or_else(|| host.chars().all(is_host), |host| host.chars().all(is_ip));
        let host = bracketed.unwrap_or(host);
        let port = port.parse().map_err(|_| wrong())?;
        if host.is_empty() || !is_fine || port == 0 {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

/// Why a text holds no addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// One of them is none.
    #[error("`{0}` is not a host name and port such as kms.example.com:5696")]
    NotHostAndPort(String),
    /// There is a limit.
    #[error("more than {ADDRESSES_MAX} addresses")]
    TooMany,
}

/// A private key in PEM, as PKCS#8, PKCS#1 or SEC1; never shown, wiped when dropped.
pub struct PrivateKeyPem(Zeroizing<String>);

impl PrivateKeyPem {
    /// Takes the PEM text; whether it holds a key is seen when a client is made of it.
    #[must_use]
    pub fn new(pem: String) -> Self {
        Self(Zeroizing::new(pem))
    }

    /// The PEM text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for PrivateKeyPem {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for PrivateKeyPem {}

impl fmt::Debug for PrivateKeyPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// What a KMS gets if nobody says otherwise: some take seconds over a listing.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
const ADDRESSES_MAX: usize = 16;

#[cfg(test)]
mod tests;
