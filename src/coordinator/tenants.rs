//! [`Tenants`]: what can be asked of tenants and done with them, whoever asks and wherever they lie.
//!
//! Every change names what it expects to find (`Precondition`), so that two administrators cannot undo each other's
//! work unawares. What a change generates (a seed, a secret access key) is in its answer, that once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::check;
use super::kek::{KekError, Keks, Place};
use super::reading::{Reader, to_json};
use super::record::{Record, SealedKey};
use super::store::{Expected, Row, Store, StoreError, Write};
use crate::coordinator_api::{
    AccessKeySpec, KeyState, KeyVersion, Rotation, Tenant, TenantAccessKey, TenantPatch, TenantSpec, TenantStatus,
};
use crate::tenant::{BucketPrefix, TenantId};

/// The tenants of a database.
pub struct Tenants {
    store: Arc<dyn Store>,
    keks: Arc<Keks>,
    /// whether every row has its tag; once that was so, it stays so
    is_tagged: AtomicBool,
}

/// What a change expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precondition {
    /// no such tenant
    Absent,
    /// the tenant as it was at this revision
    Revision(u64),
    /// the tenant, however it is
    Present,
    /// something that is never so, such as a revision of another epoch
    Never,
}

impl Tenants {
    /// Opens the tenants of a database, if these are its keys.
    ///
    /// # Errors
    /// [`TenantsError`] if the database cannot be asked or knows other keys.
    pub async fn open(store: Arc<dyn Store>, keks: Keks) -> Result<Self, TenantsError> {
        let state = store.refresh().await?;
        let place = if state.is_tagged { Place::TaggedCheck } else { Place::Check };
        let check = store.kek_check(&keks.seal(place, CHECK_TEXT)?).await?;
        // the text says it too, so that nobody can take the tags out of force by a number in the database
        let is_tagged = keks.open(Place::TaggedCheck, &check).is_ok();
        if !is_tagged {
            keks.open(Place::Check, &check)?;
            if state.is_tagged {
                return Err(TenantsError::Untagged);
            }
        }
        if !state.is_tagged {
            tracing::warn!(
                "the records of the database are not tagged yet: run `sealgate coordinator migrate` once all coordinators \
                 are of this version"
            );
        }
        Ok(Self { store, keks: Arc::new(keks), is_tagged: AtomicBool::new(is_tagged) })
    }

    /// Where they lie.
    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// What reads their rows.
    pub(super) fn reader(&self) -> Reader {
        if self.store.watch().borrow().is_tagged {
            self.is_tagged.store(true, Ordering::Relaxed);
        }
        Reader { keks: Arc::clone(&self.keks), is_tagged: self.is_tagged.load(Ordering::Relaxed) }
    }

    pub(super) fn keks(&self) -> &Arc<Keks> {
        &self.keks
    }

    /// Makes a tenant, or puts one in the place of another.
    pub(super) async fn put(
        &self,
        id: &TenantId,
        spec: TenantSpec,
        condition: Precondition,
    ) -> Result<Tenant, TenantsError> {
        if spec.id.as_deref().is_some_and(|said| said != id.as_str()) {
            return Err(check::wrong("id", "is another one than in the path"));
        }
        let status = servable(spec.status)?;
        if condition == Precondition::Absent {
            return self.create(id, spec, status).await;
        }
        if !spec.keys.is_empty() || spec.key_seed.is_some() || !spec.access_keys.is_empty() {
            return Err(TenantsError::KeysStay);
        }
        let replaced = self.change(id, condition, |record| {
            let same_prefix = spec.bucket_prefix.as_ref().is_none_or(|asked| *asked == record.bucket_prefix);
            let same_kind = spec.zero_knowledge == record.zero_knowledge && spec.fragment_id == record.fragment_id;
            if !same_prefix || !same_kind {
                return Err(TenantsError::Unchangeable);
            }
            record.status = status;
            Ok(())
        });
        Ok(replaced.await?.0)
    }

    /// Changes what can be changed.
    pub(super) async fn patch(
        &self,
        id: &TenantId,
        patch: TenantPatch,
        condition: Precondition,
    ) -> Result<Tenant, TenantsError> {
        let status = patch.status.map(servable).transpose()?;
        let changed = self.change(id, condition, |record| {
            record.status = status.unwrap_or(record.status);
            Ok(())
        });
        Ok(changed.await?.0)
    }

    /// Adds a version, which is primary from now on.
    pub(super) async fn rotate(
        &self,
        id: &TenantId,
        rotation: Rotation,
        condition: Precondition,
    ) -> Result<Tenant, TenantsError> {
        let (seed, is_new) = match rotation.seed {
            Some(seed) => (seed, false),
            None => (check::new_seed()?, true),
        };
        let changed = self.change(id, condition, |record| {
            if record.zero_knowledge {
                return Err(TenantsError::Private);
            }
            check::at_most(record.keys.len() + 1, check::KEYS_MAX, "keys")?;
            let newest = record.keys.iter().map(|key| key.version).max().unwrap_or(0);
            let version = newest.checked_add(1).ok_or_else(|| check::wrong("keys", "no version is left"))?;
            let sealed = check::seal_seed(&self.keks, id, version, &seed)?;
            record.keys.iter_mut().for_each(|key| key.primary = false);
            record.keys.insert(
                0,
                SealedKey { version, sealed, primary: true, state: KeyState::Active, created_at: check::now() },
            );
            Ok(version)
        });
        let (mut tenant, version) = changed.await?;
        if is_new && let Some(key) = tenant.keys.iter_mut().find(|key| key.version == version) {
            key.seed = Some(seed);
        }
        Ok(tenant)
    }

    /// Adds a credential; gives it with its secret, and the tenant's new revision.
    pub(super) async fn add_access_key(
        &self,
        id: &TenantId,
        spec: AccessKeySpec,
        condition: Precondition,
    ) -> Result<(TenantAccessKey, u64), TenantsError> {
        let mut key = TenantAccessKey {
            id: spec.id.map_or_else(check::new_access_key_id, Ok)?,
            secret: Some(spec.secret.map_or_else(check::new_secret, Ok)?),
            expires_at: spec.expires_at,
            not_before: spec.not_before,
            allowed_cidrs: spec.allowed_cidrs,
            disabled: spec.disabled,
            created_at: None,
        };
        let sealed = check::access_key(&self.keks, id, &key)?;
        key.created_at = Some(sealed.created_at.clone());
        let changed = self.change(id, condition, |record| {
            check::at_most(record.access_keys.len() + 1, check::ACCESS_KEYS_MAX, "access_keys")?;
            if record.access_keys.iter().any(|other| other.id == sealed.id) {
                return Err(StoreError::AccessKeyTaken { id: sealed.id.clone() }.into());
            }
            record.access_keys.push(sealed.clone());
            Ok(())
        });
        let (tenant, ()) = changed.await?;
        Ok((key, tenant.revision))
    }

    /// Takes a credential away.
    pub(super) async fn remove_access_key(
        &self,
        id: &TenantId,
        key: &str,
        condition: Precondition,
    ) -> Result<Tenant, TenantsError> {
        let changed = self.change(id, condition, |record| {
            let before = record.access_keys.len();
            record.access_keys.retain(|other| other.id != key);
            if record.access_keys.len() == before { Err(TenantsError::NoAccessKey) } else { Ok(()) }
        });
        Ok(changed.await?.0)
    }

    /// Leaves a tombstone: the tenant's seeds are gone, and with them all that only they open. Gives its revision.
    pub(super) async fn delete(&self, id: &TenantId, condition: Precondition) -> Result<u64, TenantsError> {
        for _ in 0..ATTEMPTS_MAX {
            // also one that is damaged: to make it anew is what can be done about it
            let row = self.row(id, condition).await?;
            let write = Write {
                id: id.clone(),
                expected: Expected::Revision(row.revision),
                document: None,
                bucket_prefix: BucketPrefix::empty(),
                access_key_ids: Vec::new(),
                keks: Arc::clone(&self.keks),
            };
            match self.store.write(write).await {
                Err(StoreError::Conflict { .. }) if condition == Precondition::Present => {}
                outcome => return Ok(outcome?),
            }
        }
        Err(TenantsError::Store(StoreError::Conflict { current: None }))
    }

    async fn create(&self, id: &TenantId, spec: TenantSpec, status: TenantStatus) -> Result<Tenant, TenantsError> {
        let TenantSpec { zero_knowledge, fragment_id, mut keys, key_seed, access_keys, bucket_prefix, .. } = spec;
        if let Some(fragment) = &fragment_id {
            check::fragment_id(fragment)?;
        }
        if zero_knowledge && (!keys.is_empty() || key_seed.is_some()) {
            return Err(TenantsError::Private);
        }
        if !keys.is_empty() && key_seed.is_some() {
            return Err(check::wrong("key_seed", "either key_seed or keys"));
        }
        let mut generated = None;
        if !zero_knowledge && keys.is_empty() {
            let is_new = key_seed.is_none();
            let seed = key_seed.map_or_else(check::new_seed, Ok)?;
            if is_new {
                generated = Some(crate::coordinator_api::WireSecret::new(seed.expose().to_owned()));
            }
            keys.push(KeyVersion {
                version: 1,
                seed: Some(seed),
                primary: true,
                state: KeyState::Active,
                created_at: None,
            });
        }
        check::at_most(access_keys.len(), check::ACCESS_KEYS_MAX, "access_keys")?;
        let keys = if zero_knowledge { Vec::new() } else { check::keys(&self.keks, id, keys)? };
        let access_keys = access_keys.iter().map(|key| check::access_key(&self.keks, id, key));
        let access_keys = access_keys.collect::<Result<Vec<_>, _>>()?;
        let prefix = check::bucket_prefix(bucket_prefix.as_deref())?;
        let bucket_prefix = prefix.to_string();
        let record = Record { status, zero_knowledge, fragment_id, bucket_prefix, keys, access_keys };
        let revision = self.store.write(self.write(id, Expected::Absent, &record)?).await?;
        let mut tenant = record.to_wire(id, revision, None)?;
        if let (Some(seed), Some(key)) = (generated, tenant.keys.first_mut()) {
            key.seed = Some(seed);
        }
        Ok(tenant)
    }

    /// Changes a tenant that is as expected; gives it, without its secrets, and what `edit` gave. An edit that expects
    /// nothing is done again if it was overtaken.
    async fn change<T>(
        &self,
        id: &TenantId,
        condition: Precondition,
        mut edit: impl FnMut(&mut Record) -> Result<T, TenantsError>,
    ) -> Result<(Tenant, T), TenantsError> {
        for _ in 0..ATTEMPTS_MAX {
            let (mut record, revision) = self.find(id, condition).await?;
            let done = edit(&mut record)?;
            match self.store.write(self.write(id, Expected::Revision(revision), &record)?).await {
                Ok(revision) => return Ok((record.to_wire(id, revision, None)?, done)),
                Err(StoreError::Conflict { .. }) if condition == Precondition::Present => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(TenantsError::Store(StoreError::Conflict { current: None }))
    }

    fn write(&self, id: &TenantId, expected: Expected, record: &Record) -> Result<Write, TenantsError> {
        let has_states = record.keys.iter().any(|key| !key.state.is_active());
        if has_states && !self.reader().is_tagged {
            return Err(check::wrong(
                "keys.state",
                "needs `sealgate coordinator migrate`: older coordinators know none",
            ));
        }
        let bucket_prefix = BucketPrefix::new(&record.bucket_prefix);
        Ok(Write {
            id: id.clone(),
            expected,
            document: Some(to_json(record)?),
            bucket_prefix: bucket_prefix.map_err(|_| StoreError::Damaged("a tenant's bucket prefix is none"))?,
            access_key_ids: record.access_keys.iter().map(|key| key.id.clone()).collect(),
            keks: Arc::clone(&self.keks),
        })
    }

    async fn find(&self, id: &TenantId, condition: Precondition) -> Result<(Record, u64), TenantsError> {
        let row = self.row(id, condition).await?;
        let (_, record) = self.reader().record(&row)?;
        Ok((record.ok_or(TenantsError::NoTenant)?, row.revision))
    }

    async fn row(&self, id: &TenantId, condition: Precondition) -> Result<Row, TenantsError> {
        let row = self.store.tenant(id).await?;
        let current = row.as_ref().map(|row| row.revision);
        let conflict = || TenantsError::Store(StoreError::Conflict { current });
        match (condition, &row) {
            (Precondition::Present, None) => return Err(TenantsError::NoTenant),
            (Precondition::Revision(expected), Some(row)) if expected == row.revision => {}
            (Precondition::Present, Some(_)) => {}
            _ => return Err(conflict()),
        }
        row.ok_or_else(conflict)
    }
}

fn servable(status: TenantStatus) -> Result<TenantStatus, TenantsError> {
    match status {
        TenantStatus::Active | TenantStatus::Suspended => Ok(status),
        TenantStatus::Deleted | TenantStatus::Damaged | TenantStatus::Unknown => {
            Err(check::wrong("status", "active or suspended; DELETE deletes a tenant"))
        }
    }
}

/// Why tenants are not as asked.
#[derive(Debug, thiserror::Error)]
pub enum TenantsError {
    /// nobody has this id
    #[error("there is no such tenant")]
    NoTenant,
    /// the tenant has no such access key
    #[error("the tenant has no such access key")]
    NoAccessKey,
    /// a part of the request makes no sense
    #[error("{field}: {reason}")]
    Invalid {
        /// which part
        field: String,
        /// why; nothing secret
        reason: String,
    },
    /// seeds of a private tenant are nothing for the Coordinator
    #[error("a private tenant's seeds are not kept here")]
    Private,
    /// a tenant that is there keeps its keys
    #[error("keys and access keys of an existing tenant are changed by their own calls")]
    KeysStay,
    /// what sealed objects depend on
    #[error("zero_knowledge, fragment_id and bucket_prefix of an existing tenant cannot be changed")]
    Unchangeable,
    /// the tag, the document or a secret of the tenant's row
    #[error("the record of tenant {tenant} is damaged: {reason}")]
    DamagedRecord {
        /// the tenant
        tenant: String,
        /// what is wrong; nothing secret
        reason: String,
    },
    /// the schema says what the text by which the database knows its keys does not
    #[error("the schema of the database says that its records are tagged, and its check of keys that they are not")]
    Untagged,
    /// the secrets of the database
    #[error(transparent)]
    Kek(#[from] KekError),
    /// the database
    #[error(transparent)]
    Store(#[from] StoreError),
    /// the operating system gave no random bytes
    #[error("no randomness from the operating system")]
    Randomness,
}

/// How often a change that expects nothing is tried, should others be quicker each time.
const ATTEMPTS_MAX: usize = 10;
/// What is sealed for a database to know its keys by.
pub(super) const CHECK_TEXT: &[u8] = b"sealgate coordinator";
