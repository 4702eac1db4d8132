//! Who a request is for: the [`TenantId`], the [`Principal`] that authentication gives, and the way between the
//! bucket names that a client sees and those of the backend.
//!
//! A tenant's buckets are told apart on the backend by a prefix: backend name = [`BucketPrefix`] + client name. The
//! mapping is a bijection on the names that start with the prefix, so listings lead back. Two tenants must not be
//! able to reach one backend name; [`BucketPrefix::overlaps`] says whether they could. Lengths are bytes.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::backend::BucketName;

/// The id of a tenant, spelled as the Coordinator spells it.
///
/// 1 to 64 characters of `A-Z a-z 0-9 . _ -`, the first a letter or digit: a UUID, or a name such as `default`. The
/// spelling is kept and compared exactly, because it is bound into every envelope and is the name of a KMS object.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// Parses an id.
    ///
    /// # Errors
    /// [`TenantIdError`] for an empty or too long id, or a character outside of the set.
    pub fn new(text: &str) -> Result<Self, TenantIdError> {
        let Some(first) = text.bytes().next() else { return Err(TenantIdError::Empty) };
        if text.len() > TENANT_ID_BYTES_MAX {
            return Err(TenantIdError::TooLong { bytes: text.len() });
        }
        let bad = |b: &u8| !b.is_ascii_alphanumeric() && !matches!(b, b'.' | b'_' | b'-');
        if !first.is_ascii_alphanumeric() || text.bytes().any(|b| bad(&b)) {
            return Err(TenantIdError::Character);
        }
        Ok(Self(text.into()))
    }

    /// The one tenant of a gateway that names none.
    #[must_use]
    pub fn default_tenant() -> Self {
        Self("default".into())
    }

    /// The id as it was spelled.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who signed a request: the result of authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// the tenant that the access key belongs to
    pub tenant: TenantId,
    /// the id of the access key, for logs and audit
    pub access_key_id: Arc<str>,
    /// where the tenant's buckets lie on the backend
    pub bucket_prefix: BucketPrefix,
}

/// What the backend names of a tenant's buckets start with; may be empty.
///
/// At most 48 characters of `a-z 0-9 . -`, the first a letter or digit, so that prefix + name can be a bucket name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketPrefix(Arc<str>);

impl BucketPrefix {
    /// Parses a prefix.
    ///
    /// # Errors
    /// [`BucketPrefixError`] for a too long prefix or a character outside of the set.
    pub fn new(text: &str) -> Result<Self, BucketPrefixError> {
        let starts_well = text.bytes().next().is_none_or(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if text.len() > PREFIX_BYTES_MAX || !starts_well || !text.bytes().all(is_bucket_byte) {
            return Err(BucketPrefixError);
        }
        Ok(Self(text.into()))
    }

    /// The prefix that changes nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self("".into())
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The backend's name of the bucket that the client calls `bucket`.
    ///
    /// # Errors
    /// [`BucketNameError`] if `bucket` is no bucket name by S3's rules, or the two together are too long.
    pub fn to_backend(&self, bucket: &str) -> Result<BucketName, BucketNameError> {
        check_bucket_name(bucket)?;
        let bytes = self.0.len() + bucket.len();
        if bytes > BUCKET_BYTES_MAX {
            return Err(BucketNameError::TooLong { bytes_max: BUCKET_BYTES_MAX - self.0.len() });
        }
        Ok(BucketName::new(format!("{}{bucket}", self.0)))
    }

    /// The client's name of a backend bucket; `None` if it is not this tenant's.
    #[must_use]
    pub fn to_client<'a>(&self, bucket: &'a BucketName) -> Option<&'a str> {
        let name = bucket.as_str().strip_prefix(&*self.0)?;
        check_bucket_name(name).is_ok().then_some(name)
    }

    /// Whether tenants with these two prefixes could name the same backend bucket: one prefix begins the other.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.starts_with(&*other.0) || other.0.starts_with(&*self.0)
    }
}

/// A range of addresses, as `192.0.2.0/24` or `2001:db8::/32`; a bare address is a range of one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: u128,
    mask: u128,
    v4: bool,
}

impl Cidr {
    /// Whether `address` is in the range. An IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (bits, v4) = address_bits(address.to_canonical());
        v4 == self.v4 && bits & self.mask == self.network
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    /// Refuses an address with bits outside of its mask: it is mostly a slip, and the wider reading would allow more.
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
        let address: IpAddr = address.parse().map_err(|_| CidrError)?;
        let (network, v4) = address_bits(address);
        let bits_max = if v4 { 32 } else { 128 };
        let bits: u32 = match length {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().map_err(|_| CidrError)?,
            Some(_) => return Err(CidrError),
            None => bits_max,
        };
        let host_bits = bits_max.checked_sub(bits).ok_or(CidrError)?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        if network & !mask != 0 {
            return Err(CidrError);
        }
        Ok(Self { network, mask, v4 })
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Cidr {
    /// As it can be read again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ones = self.mask.count_ones();
        match u32::try_from(self.network) {
            Ok(v4) if self.v4 => write!(f, "{}/{}", std::net::Ipv4Addr::from(v4), ones.saturating_sub(96)),
            _ => write!(f, "{}/{ones}", std::net::Ipv6Addr::from(self.network)),
        }
    }
}

fn address_bits(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), true),
        IpAddr::V6(v6) => (v6.to_bits(), false),
    }
}

/// S3's rules for names of general purpose buckets.
fn check_bucket_name(name: &str) -> Result<(), BucketNameError> {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let shaped = (3..=BUCKET_BYTES_MAX).contains(&name.len())
        && name.bytes().all(is_bucket_byte)
        && edge(name.bytes().next())
        && edge(name.bytes().next_back());
    if !shaped || name.contains("..") || name.parse::<std::net::Ipv4Addr>().is_ok() {
        return Err(BucketNameError::Invalid);
    }
    Ok(())
}

fn is_bucket_byte(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-')
}

macro_rules! text_traits {
    ($name:ident, $error:ident) => {
        impl TryFrom<String> for $name {
            type Error = $error;
            fn try_from(text: String) -> Result<Self, $error> {
                Self::new(&text)
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }
        impl FromStr for $name {
            type Err = $error;
            fn from_str(text: &str) -> Result<Self, $error> {
                Self::new(text)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }
    };
}
text_traits!(TenantId, TenantIdError);
text_traits!(BucketPrefix, BucketPrefixError);

/// Why a text is no tenant id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TenantIdError {
    /// no character at all
    #[error("a tenant id must not be empty")]
    Empty,
    /// too many characters
    #[error("a tenant id has at most {TENANT_ID_BYTES_MAX} characters, this one has {bytes}")]
    TooLong {
        /// how many it has
        bytes: usize,
    },
    /// a character outside of the set
    #[error("a tenant id is made of letters, digits, `.`, `_` and `-`, and starts with a letter or digit")]
    Character,
}

/// A text is no bucket prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a bucket prefix is at most {PREFIX_BYTES_MAX} of `a-z`, `0-9`, `.` and `-`, and starts with a letter or digit"
)]
pub struct BucketPrefixError;

/// Why a client's bucket name cannot be mapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BucketNameError {
    /// no bucket name by S3's rules
    #[error("not a valid bucket name")]
    Invalid,
    /// too long together with the tenant's prefix
    #[error("a bucket name of this tenant has at most {bytes_max} characters")]
    TooLong {
        /// the most that fits
        bytes_max: usize,
    },
}

/// A text is no range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address range such as 192.0.2.0/24, without bits outside of the mask")]
pub struct CidrError;

const TENANT_ID_BYTES_MAX: usize = 64;
const BUCKET_BYTES_MAX: usize = 63;
const PREFIX_BYTES_MAX: usize = 48;

#[cfg(test)]
mod tests;
