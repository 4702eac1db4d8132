//! [`Record`]: a tenant as the database holds it: JSON in which every secret is sealed.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::kek::{KekError, Keks, Place};
use crate::coordinator_api::{KeyState, KeyVersion, Tenant, TenantAccessKey, TenantStatus, WireSecret};
use crate::tenant::TenantId;

/// A tenant, its secrets sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) status: TenantStatus,
    pub(super) zero_knowledge: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fragment_id: Option<String>,
    pub(super) bucket_prefix: String,
    #[serde(default)]
    pub(super) keys: Vec<SealedKey>,
    #[serde(default)]
    pub(super) access_keys: Vec<SealedAccessKey>,
}

/// A version of the seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SealedKey {
    pub(super) version: u32,
    pub(super) sealed: String,
    pub(super) primary: bool,
    #[serde(default, skip_serializing_if = "KeyState::is_active")]
    pub(super) state: KeyState,
    pub(super) created_at: String,
}

/// A credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SealedAccessKey {
    pub(super) id: String,
    pub(super) sealed: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) not_before: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) allowed_cidrs: Vec<String>,
    #[serde(default)]
    pub(super) disabled: bool,
    pub(super) created_at: String,
}

impl Record {
    /// The tenant as clients see it; its secrets are there if they may be opened.
    pub(super) fn to_wire(&self, id: &TenantId, revision: u64, opens: Option<&Keks>) -> Result<Tenant, KekError> {
        let keys = self.keys.iter().map(|key| {
            Ok(KeyVersion {
                version: key.version,
                seed: opens.map(|keks| seed(keks, id, key)).transpose()?,
                primary: key.primary,
                state: key.state,
                created_at: Some(key.created_at.clone()),
            })
        });
        let access_keys = self.access_keys.iter().map(|key| {
            Ok(TenantAccessKey {
                id: key.id.clone(),
                secret: opens.map(|keks| secret(keks, id, key)).transpose()?,
                expires_at: key.expires_at.clone(),
                not_before: key.not_before.clone(),
                allowed_cidrs: key.allowed_cidrs.clone(),
                disabled: key.disabled,
                created_at: Some(key.created_at.clone()),
            })
        });
        Ok(Tenant {
            id: id.to_string(),
            revision,
            status: self.status,
            zero_knowledge: self.zero_knowledge,
            fragment_id: self.fragment_id.clone(),
            keys: keys.collect::<Result<_, KekError>>()?,
            key_seed: None,
            access_keys: access_keys.collect::<Result<_, KekError>>()?,
            bucket_prefix: Some(self.bucket_prefix.clone()),
        })
    }

    /// The same with every secret sealed under the current key; none if they all are.
    pub(super) fn resealed(&self, id: &TenantId, keks: &Keks) -> Result<Option<Self>, KekError> {
        let mut record = self.clone();
        let mut is_changed = false;
        for key in record.keys.iter_mut().filter(|key| !keks.is_current(&key.sealed)) {
            let place = Place::Seed(id, key.version);
            key.sealed = keks.seal(place, &keks.open(place, &key.sealed)?)?;
            is_changed = true;
        }
        for key in record.access_keys.iter_mut().filter(|key| !keks.is_current(&key.sealed)) {
            let place = Place::AccessKey(id, &key.id);
            key.sealed = keks.seal(place, &keks.open(place, &key.sealed)?)?;
            is_changed = true;
        }
        Ok(is_changed.then_some(record))
    }
}

fn seed(keks: &Keks, id: &TenantId, key: &SealedKey) -> Result<WireSecret, KekError> {
    text(keks.open(Place::Seed(id, key.version), &key.sealed)?)
}

fn secret(keks: &Keks, id: &TenantId, key: &SealedAccessKey) -> Result<WireSecret, KekError> {
    text(keks.open(Place::AccessKey(id, &key.id), &key.sealed)?)
}

/// What is sealed is text: a seed in base64, a secret access key.
fn text(mut bytes: Zeroizing<Vec<u8>>) -> Result<WireSecret, KekError> {
    String::from_utf8(std::mem::take(&mut *bytes)).map(WireSecret::new).map_err(|_| KekError::Damaged)
}
