//! What keys may be used for: their states, and how long ago their source was heard.
//!
//! | state | seals | opens |
//! |---|---|---|
//! | active | yes | yes |
//! | pre-active | no | only with `crypto.pre_active: open` |
//! | deactivated, compromised, a state that is not known | no | yes |
//!
//! No other key takes the place of a primary one that must not seal. With `crypto.seal_max_age` a tenant whose keys the
//! source has not confirmed for that long seals no more, and goes on opening: its key may have been revoked meanwhile.

use std::time::SystemTime;

use super::{KeyRing, KeyState, TenantKeys};
use crate::keys::settings::unix_seconds;
use crate::seal::{KeyId, TenantKey};
use crate::tenant::TenantId;

/// By which rules keys are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyUse {
    /// whether pre-active keys open
    pub pre_active_opens: bool,
    /// keys that were confirmed longer ago than this, in seconds, do not seal
    pub seal_age_max: Option<u32>,
}

/// Why a key is not to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// the tenant has no keys at all
    #[error("the tenant has none")]
    NoKeys,
    /// the tenant has no key of this id
    #[error("the object is sealed for key {0}")]
    OtherKey(KeyId),
    /// the source says that it is not to be used so
    #[error("key {key} is {state}")]
    State {
        /// the key
        key: KeyId,
        /// what the source says of it
        state: KeyState,
    },
    /// no source names it any more: it is kept for opening
    #[error("no source names key {0} any more")]
    Unnamed(KeyId),
    /// nobody confirmed the keys for too long
    #[error("its keys were last confirmed {age_seconds} s ago, longer than crypto.seal_max_age")]
    Stale {
        /// how long ago
        age_seconds: u32,
    },
}

impl KeyRing {
    /// The key that new objects of a tenant are sealed to.
    ///
    /// # Errors
    /// [`Unusable`] if there is none, or it must not seal.
    pub fn sealing(&self, tenant: &TenantId, now: SystemTime) -> Result<&TenantKey, Unusable> {
        let keys = self.tenant(tenant).ok_or(Unusable::NoKeys)?;
        self.check(tenant, keys.primary().key_id(), keys, now)?;
        Ok(keys.primary())
    }

    /// Whether more may be sealed under an envelope that was made for the key of this id: it must be one that a source
    /// still names (F-27).
    ///
    /// # Errors
    /// [`Unusable`] if the key is not there, or must not seal.
    pub fn check_seals(&self, tenant: &TenantId, id: KeyId, now: SystemTime) -> Result<(), Unusable> {
        let keys = self.tenant(tenant).ok_or(Unusable::NoKeys)?;
        keys.find(id).ok_or(Unusable::OtherKey(id))?;
        if !keys.is_named(id) {
            return Err(Unusable::Unnamed(id));
        }
        self.check(tenant, id, keys, now)
    }

    /// The key of a tenant that opens what was sealed to the key of this id, and what is said of it.
    ///
    /// # Errors
    /// [`Unusable`] if there is none, or it must not open.
    pub fn opening(&self, tenant: &TenantId, id: KeyId) -> Result<(&TenantKey, KeyState), Unusable> {
        let keys = self.tenant(tenant).ok_or(Unusable::NoKeys)?;
        let key = keys.find(id).ok_or(Unusable::OtherKey(id))?;
        let state = keys.state(id);
        if state == KeyState::PreActive && !self.usage.pre_active_opens {
            return Err(Unusable::State { key: id, state });
        }
        Ok((key, state))
    }

    /// Whether pre-active keys open.
    #[must_use]
    pub fn opens_pre_active(&self) -> bool {
        self.usage.pre_active_opens
    }

    /// The same ring, its keys used by these rules.
    #[must_use]
    pub fn used_by(self, usage: KeyUse) -> Self {
        Self { usage, ..self }
    }

    fn check(&self, tenant: &TenantId, key: KeyId, keys: &TenantKeys, now: SystemTime) -> Result<(), Unusable> {
        let state = keys.state(key);
        if !state.is_active() {
            return Err(Unusable::State { key, state });
        }
        let Some(age_max) = self.usage.seal_age_max else { return Ok(()) };
        // the default key is as fresh as the tenant's that it is; the one key of all stands in the configuration
        let found = self.own(tenant).or_else(|| self.own(self.fallback_of.as_ref()?));
        let age_seconds = found.map_or(0, |found| unix_seconds(now).saturating_sub(self.fresh_at(&found)));
        if age_seconds > age_max { Err(Unusable::Stale { age_seconds }) } else { Ok(()) }
    }
}
