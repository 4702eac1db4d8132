//! [`Telling`]: from the Coordinator's tenants to a cycle, access keys and the private ones among them.
//!
//! A tenant that makes no sense is named, with the reason, and keeps what it had; it never falls back to the default
//! key, and a private one with an inline seed is refused.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{RemoteSettings, failed};
use crate::coordinator_api::{KeyState, KeyVersion, Tenant, TenantAccessKey, TenantStatus, WireSecret};
use crate::keys::access::{AccessKey, ToldAccessKeys, ToldList};
use crate::keys::coordinator::{Page, Unread};
use crate::keys::cycle::Cycle;
use crate::keys::kmip::PrivateTenant;
use crate::keys::ring::SourceKind;
use crate::keys::secret::SecretText;
use crate::keys::seeds::{KeySet, VersionedSeed};
use crate::seal::Seed;
use crate::tenant::{BucketPrefix, Cidr, TenantId};

/// A list that is told page by page.
pub(super) struct Telling<'a> {
    cycle: &'a mut Cycle,
    settings: &'a RemoteSettings,
    access_keys: ToldList,
    noted: Noted,
    told: Vec<PrivateTenant>,
    /// tenants of which nothing could be made: they go on as they were
    kept: HashSet<TenantId>,
}

/// What is remembered of tenants whose keys the Coordinator's word alone does not make.
#[derive(Clone, Default)]
pub(in crate::keys) struct Noted {
    /// private tenants and the customer fragments of their seeds
    pub(in crate::keys) private: HashMap<TenantId, Option<String>>,
    /// public tenants with a customer fragment
    pub(in crate::keys) fragmented: HashMap<TenantId, String>,
    /// tenants whose record is damaged, by the Coordinator's word
    pub(in crate::keys) damaged: HashSet<TenantId>,
}

/// Changes, of which the last one of a tenant counts.
pub(super) struct Changes {
    access_keys: ToldAccessKeys,
    tenants: BTreeMap<String, Tenant>,
}

impl<'a> Telling<'a> {
    pub(super) fn of_list(cycle: &'a mut Cycle, settings: &'a RemoteSettings) -> Self {
        let (access_keys, noted, told, kept) = (ToldList::default(), Noted::default(), Vec::new(), HashSet::new());
        Self { cycle, settings, access_keys, noted, told, kept }
    }

    pub(super) fn page(&mut self, page: Page) {
        warn_of(self.cycle, &page.unread);
        let unread = page.unread.iter().filter_map(|unread| TenantId::new(unread.tenant.as_deref()?).ok());
        self.kept.extend(unread);
        for tenant in page.items {
            let (id, is_damaged) = (TenantId::new(&tenant.id), tenant.status == TenantStatus::Damaged);
            let Some(read) = read(self.cycle, self.settings, tenant) else {
                if let Ok(id) = id {
                    self.noted.damaged.extend(is_damaged.then(|| id.clone()));
                    self.kept.insert(id);
                }
                continue;
            };
            self.noted.take(&read);
            self.told.extend(read.private);
            if !read.is_deleted {
                self.access_keys.tenant(&read.id, &read.prefix, &read.access_keys);
            }
        }
    }

    /// `access_keys` and `noted` are what was told before.
    pub(super) fn finish_list(
        mut self,
        access_keys: &ToldAccessKeys,
        noted: &Noted,
    ) -> (Vec<PrivateTenant>, ToldAccessKeys, Noted) {
        self.cycle.whole();
        if !self.kept.is_empty() {
            for (tenant, prefix, keys) in access_keys.iter().filter(|(tenant, ..)| self.kept.contains(tenant)) {
                self.access_keys.tenant(&tenant, &prefix, &keys);
            }
            for tenant in &self.kept {
                self.told.extend(self.noted.keep(tenant, noted));
            }
        }
        (self.told, self.access_keys.finish(), self.noted)
    }

    pub(super) fn of_changes(before: &Arc<ToldAccessKeys>) -> Changes {
        Changes { access_keys: ToldAccessKeys::clone(before), tenants: BTreeMap::new() }
    }
}

impl Noted {
    /// In place of what was noted of the tenant before.
    fn take(&mut self, read: &Read) {
        self.damaged.remove(&read.id);
        self.private.remove(&read.id);
        self.fragmented.remove(&read.id);
        if let Some(private) = &read.private {
            self.private.insert(read.id.clone(), private.fragment_id.clone());
        } else if let Some(fragment) = &read.fragment {
            self.fragmented.insert(read.id.clone(), fragment.clone());
        }
    }
}

impl Noted {
    /// Takes over what was noted of a tenant before; gives it if it is a private one.
    fn keep(&mut self, tenant: &TenantId, before: &Self) -> Option<PrivateTenant> {
        if let Some(fragment) = before.fragmented.get(tenant) {
            self.fragmented.insert(tenant.clone(), fragment.clone());
        }
        let fragment_id = before.private.get(tenant)?.clone();
        self.private.insert(tenant.clone(), fragment_id.clone());
        Some(PrivateTenant { id: tenant.clone(), fragment_id })
    }
}

impl Changes {
    pub(super) fn collect(&mut self, cycle: &mut Cycle, page: Page) {
        warn_of(cycle, &page.unread);
        self.tenants.extend(page.items.into_iter().map(|tenant| (tenant.id.clone(), tenant)));
    }

    /// How many tenants changed so far.
    pub(super) fn len(&self) -> usize {
        self.tenants.len()
    }

    pub(super) fn finish_changes(
        mut self,
        cycle: &mut Cycle,
        settings: &RemoteSettings,
        noted: &mut Noted,
    ) -> (Vec<PrivateTenant>, ToldAccessKeys) {
        let mut told = Vec::new();
        for tenant in self.tenants.into_values() {
            let damaged = (tenant.status == TenantStatus::Damaged).then(|| TenantId::new(&tenant.id).ok()).flatten();
            noted.damaged.extend(damaged);
            let Some(read) = read(cycle, settings, tenant) else { continue };
            noted.take(&read);
            told.extend(read.private);
            if read.is_deleted {
                self.access_keys.remove(&read.id);
            } else {
                self.access_keys.set(&read.id, &read.prefix, read.access_keys);
            }
        }
        (told, self.access_keys)
    }
}

/// A tenant that makes sense.
pub(super) struct Read {
    id: TenantId,
    prefix: BucketPrefix,
    is_deleted: bool,
    private: Option<PrivateTenant>,
    /// the customer fragment of a public tenant
    fragment: Option<String>,
    access_keys: Vec<AccessKey>,
}

/// Tells the cycle of a public tenant's keys; a private one's are asked for later.
pub(super) fn read(cycle: &mut Cycle, settings: &RemoteSettings, mut tenant: Tenant) -> Option<Read> {
    let (id, prefix) = match tenant.check() {
        Ok(checked) => checked,
        Err(error) => {
            refuse(cycle, &tenant.id, error.into());
            return None;
        }
    };
    if tenant.status == TenantStatus::Damaged {
        refuse(cycle, id.as_str(), "its record is damaged in the coordinator's database".into());
        return None;
    }
    if tenant.status == TenantStatus::Deleted {
        cycle.gone(&id);
        return Some(Read { id, prefix, is_deleted: true, private: None, fragment: None, access_keys: Vec::new() });
    }
    let is_active = tenant.status == TenantStatus::Active;
    let access_keys = std::mem::take(&mut tenant.access_keys);
    let access_keys = access_keys.into_iter().filter_map(|key| access_key(&id, &prefix, key, is_active)).collect();
    if tenant.zero_knowledge {
        cycle.private(&id);
        cycle.bound(&id, tenant.fragment_id.as_deref());
        let private = Some(PrivateTenant { id: id.clone(), fragment_id: tenant.fragment_id });
        return Some(Read { id, prefix, is_deleted: false, private, fragment: None, access_keys });
    }
    let fragment = tenant.fragment_id.clone();
    cycle.bound(&id, fragment.as_deref());
    match wire_keys(tenant) {
        Ok(seeds) => cycle.found(&id, &seeds, &settings.fragments, SourceKind::Coordinator),
        Err(reason) => refuse(cycle, id.as_str(), reason.into()),
    }
    Some(Read { id, prefix, is_deleted: false, private: None, fragment, access_keys })
}

fn refuse(cycle: &mut Cycle, id: &str, error: Box<dyn std::error::Error + Send + Sync>) {
    if let Ok(id) = TenantId::new(id) {
        cycle.private(&id);
        cycle.failed(&id, &failed(error));
    } else {
        tracing::warn!(%error, "the coordinator told of a tenant that makes no sense");
    }
}

/// What cannot be read keeps the keys that it had, and the default key does not serve it: it could be private.
fn warn_of(cycle: &mut Cycle, unread: &[Unread]) {
    let named = unread.iter().filter_map(|unread| TenantId::new(unread.tenant.as_deref()?).ok());
    named.for_each(|tenant| cycle.private(&tenant));
    for Unread { tenant, reason } in unread.iter().take(WARNED_MAX) {
        tracing::warn!(tenant = tenant.as_deref().unwrap_or("?"), %reason, "the coordinator told of a tenant that makes no sense");
    }
}

/// A public tenant's seeds.
pub(super) fn wire_keys(tenant: Tenant) -> Result<KeySet, String> {
    let seed = |text: Option<WireSecret>| {
        let text = text.ok_or("its seed is not told; does the token have the scope tenants:keys?")?;
        Seed::from_base64(text.expose()).map_err(|error| format!("seed: {error}"))
    };
    let mut versions = Vec::with_capacity(tenant.keys.len().max(1));
    if let Some(text) = tenant.key_seed {
        versions.push(VersionedSeed { version: 1, seed: seed(Some(text))?, primary: true, state: KeyState::Active });
    }
    for key in tenant.keys {
        let KeyVersion { version, seed: text, primary, state, .. } = key;
        versions.push(VersionedSeed { version, seed: seed(text)?, primary, state });
    }
    KeySet::new(tenant.fragment_id, versions).map_err(|error| error.to_string())
}

/// An access key; one that makes no sense is left out, because what restricts it might not be understood.
pub(in crate::keys) fn access_key(
    id: &TenantId,
    prefix: &BucketPrefix,
    wire: TenantAccessKey,
    is_active: bool,
) -> Option<AccessKey> {
    let left_out = |reason: &str| {
        tracing::warn!(tenant = %id, access_key = %wire.id.escape_debug(), reason, "an access key is left out");
    };
    let is_fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if wire.id.is_empty() || wire.id.len() > ID_BYTES_MAX || !wire.id.bytes().all(is_fine) {
        left_out("its id is not 1 to 128 letters, digits, `-`, `_` and `.`");
        return None;
    }
    let moment = |text: &Option<String>| match text {
        None => Some(None),
        Some(text) => OffsetDateTime::parse(text, &Rfc3339).ok().map(|time| Some(SystemTime::from(time))),
    };
    let cidrs: Result<Vec<Cidr>, _> = wire.allowed_cidrs.iter().map(|text| text.parse()).collect();
    let (Some(expires_at), Some(not_before), Ok(allowed_cidrs)) =
        (moment(&wire.expires_at), moment(&wire.not_before), cidrs)
    else {
        left_out("a time or an address range is not understood");
        return None;
    };
    if wire.secret.as_ref().is_none_or(|secret| secret.expose().len() > SECRET_BYTES_MAX) {
        left_out("its secret is not told, or too long; does the token have the scope tenants:keys?");
        return None;
    }
    let disabled = wire.disabled || !is_active;
    let secret = SecretText::new(wire.secret.map(WireSecret::into_text)?);
    let key = AccessKey::new(id.clone(), prefix.clone(), &wire.id, secret);
    Some(AccessKey { expires_at, not_before, allowed_cidrs, disabled, ..key })
}

const ID_BYTES_MAX: usize = 128;
const SECRET_BYTES_MAX: usize = 1024;
const WARNED_MAX: usize = 10;
