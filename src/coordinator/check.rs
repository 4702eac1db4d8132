//! What administrators may ask for: each part of a request is checked here, and made into what is kept.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zeroize::Zeroizing;

use super::kek::{Keks, Place};
use super::record::{SealedAccessKey, SealedKey};
use super::tenants::TenantsError;
use crate::coordinator_api::{KeyState, KeyVersion, TenantAccessKey, UnknownKeyState, WireSecret};
use crate::seal::Seed;
use crate::tenant::{BucketPrefix, Cidr, TenantId};

/// The versions that a new tenant brings along: one of them is primary.
pub(super) fn keys(keks: &Keks, id: &TenantId, versions: Vec<KeyVersion>) -> Result<Vec<SealedKey>, TenantsError> {
    at_most(versions.len(), KEYS_MAX, "keys")?;
    let is_single = versions.len() == 1;
    let mut sealed: Vec<SealedKey> = Vec::with_capacity(versions.len());
    for key in versions {
        if key.version == 0 || sealed.iter().any(|other| other.version == key.version) {
            return Err(wrong("keys", "versions are unique and start at 1"));
        }
        let seed = key.seed.ok_or_else(|| wrong("keys", "each version needs its seed"))?;
        sealed.push(SealedKey {
            version: key.version,
            sealed: seal_seed(keks, id, key.version, &seed)?,
            primary: key.primary || is_single,
            state: match key.state {
                KeyState::Unknown => return Err(wrong("keys.state", &UnknownKeyState.to_string())),
                known @ (KeyState::Active | KeyState::PreActive | KeyState::Deactivated | KeyState::Compromised) => {
                    known
                }
            },
            created_at: match key.created_at {
                Some(text) => time("keys.created_at", &text)?,
                None => now(),
            },
        });
    }
    match sealed.iter().filter(|key| key.primary).count() {
        1 => Ok(sealed),
        _ => Err(wrong("keys", "exactly one version is primary")),
    }
}

/// Seals a seed, if it is one.
pub(super) fn seal_seed(keks: &Keks, id: &TenantId, version: u32, seed: &WireSecret) -> Result<String, TenantsError> {
    at_most(seed.expose().len(), SECRET_BYTES_MAX, "seed")?;
    let seed = Seed::from_base64(seed.expose()).map_err(|error| wrong("seed", &error.to_string()))?;
    Ok(keks.seal(Place::Seed(id, version), seed.to_base64().as_bytes())?)
}

/// Checks and seals a credential.
pub(super) fn access_key(keks: &Keks, id: &TenantId, key: &TenantAccessKey) -> Result<SealedAccessKey, TenantsError> {
    let is_id_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if key.id.is_empty() || key.id.len() > ACCESS_KEY_ID_BYTES_MAX || !key.id.bytes().all(is_id_byte) {
        return Err(wrong("access_keys.id", "1 to 128 letters, digits, `-`, `_` and `.`"));
    }
    let secret = key.secret.as_ref().ok_or_else(|| wrong("access_keys.secret", "is missing"))?.expose();
    at_most(secret.len(), SECRET_BYTES_MAX, "access_keys.secret")?;
    if secret.len() < SECRET_BYTES_MIN || !secret.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(wrong("access_keys.secret", "at least 16 printable characters, no space"));
    }
    at_most(key.allowed_cidrs.len(), CIDRS_MAX, "access_keys.allowed_cidrs")?;
    for range in &key.allowed_cidrs {
        range.parse::<Cidr>().map_err(|error| wrong("access_keys.allowed_cidrs", &error.to_string()))?;
    }
    Ok(SealedAccessKey {
        id: key.id.clone(),
        sealed: keks.seal(Place::AccessKey(id, &key.id), secret.as_bytes())?,
        expires_at: key.expires_at.as_deref().map(|text| time("access_keys.expires_at", text)).transpose()?,
        not_before: key.not_before.as_deref().map(|text| time("access_keys.not_before", text)).transpose()?,
        allowed_cidrs: key.allowed_cidrs.clone(),
        disabled: key.disabled,
        created_at: match &key.created_at {
            Some(text) => time("access_keys.created_at", text)?,
            None => now(),
        },
    })
}

/// A fragment's id, by the rules of fragment files.
pub(super) fn fragment_id(id: &str) -> Result<(), TenantsError> {
    let is_fine = (1..=FRAGMENT_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    if is_fine { Ok(()) } else { Err(wrong("fragment_id", "1 to 128 printable characters")) }
}

/// The prefix that was asked for, or a random one: 12 characters and a dash leave 50 for the tenant's own names.
pub(super) fn bucket_prefix(asked: Option<&str>) -> Result<BucketPrefix, TenantsError> {
    let text = match asked {
        Some(text) => text.to_owned(),
        None => format!("{}-", random_digits::<12>(b"abcdefghijklmnopqrstuvwxyz234567")?),
    };
    BucketPrefix::new(&text).map_err(|error| wrong("bucket_prefix", &error.to_string()))
}

/// A fresh access key id.
pub(super) fn new_access_key_id() -> Result<String, TenantsError> {
    Ok(format!("SG{}", random_digits::<18>(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")?))
}

/// A fresh secret access key: 240 bits.
pub(super) fn new_secret() -> Result<WireSecret, TenantsError> {
    use base64::Engine as _;
    let mut bytes = Zeroizing::new([0; 30]);
    getrandom::fill(&mut *bytes).map_err(|_| TenantsError::Randomness)?;
    Ok(WireSecret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(*bytes)))
}

/// A fresh seed.
pub(super) fn new_seed() -> Result<WireSecret, TenantsError> {
    let seed = Seed::generate().map_err(|_| TenantsError::Randomness)?;
    Ok(WireSecret::new(seed.to_base64().as_str().to_owned()))
}

/// Now, to the second, as RFC 3339.
pub(super) fn now() -> String {
    let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    now.format(&Rfc3339).unwrap_or_default()
}

/// That there are not too many of something.
pub(super) fn at_most(count: usize, max: usize, field: &str) -> Result<(), TenantsError> {
    if count <= max { Ok(()) } else { Err(wrong(field, &format!("{count} are more than {max}"))) }
}

pub(super) fn wrong(field: &str, reason: &str) -> TenantsError {
    TenantsError::Invalid { field: field.to_owned(), reason: reason.to_owned() }
}

fn time(field: &str, text: &str) -> Result<String, TenantsError> {
    match OffsetDateTime::parse(text, &Rfc3339) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(wrong(field, "a time such as 2030-01-31T00:00:00Z")),
    }
}

/// Digits of an alphabet of 32.
fn random_digits<const N: usize>(alphabet: &[u8; 32]) -> Result<String, TenantsError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| TenantsError::Randomness)?;
    Ok(bytes.iter().map(|byte| char::from(alphabet[usize::from(byte % 32)])).collect())
}

/// Versions of one tenant's seed.
pub(super) const KEYS_MAX: usize = 100;
/// Credentials of one tenant.
pub(super) const ACCESS_KEYS_MAX: usize = 100;
const CIDRS_MAX: usize = 100;
const ACCESS_KEY_ID_BYTES_MAX: usize = 128;
const FRAGMENT_ID_BYTES_MAX: usize = 128;
const SECRET_BYTES_MIN: usize = 16;
const SECRET_BYTES_MAX: usize = 1024;
