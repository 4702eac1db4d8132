//! [`ToldAccessKeys`]: the access keys that the Coordinator told of: a packed table, and what changed since it was made.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::AccessKey;
use super::table::Table;
use crate::backend::BucketName;
use crate::tenant::{BucketPrefix, TenantId};

/// The access keys of the Coordinator's tenants at one moment. Cloning shares the table.
#[derive(Clone, Default)]
pub struct ToldAccessKeys {
    base: Arc<Table>,
    /// tenants whose part of the table no longer holds, and what holds in its place
    late: HashMap<TenantId, Arc<Late>>,
    by_id: HashMap<Arc<str>, Arc<AccessKey>>,
}

struct Late {
    prefix: BucketPrefix,
    keys: Vec<Arc<AccessKey>>,
}

/// Builds a whole list.
#[derive(Default)]
pub struct ToldList(Table);

impl ToldList {
    /// A tenant and its access keys. Each tenant comes once.
    pub fn tenant(&mut self, tenant: &TenantId, prefix: &BucketPrefix, keys: &[AccessKey]) {
        self.0.push(tenant, prefix, keys);
    }

    /// The list as it can be asked. Warns of tenants that would share buckets, and of access keys of one id: they are
    /// left out.
    #[must_use]
    pub fn finish(self) -> ToldAccessKeys {
        let (base, left_out) = self.0.indexed();
        for tenant in left_out.tenants.iter().take(WARNED_MAX) {
            tracing::warn!(%tenant, "the tenant is refused: its bucket_prefix begins, or is, that of another");
        }
        if left_out.tenants.len() > WARNED_MAX || left_out.access_keys > 0 {
            let (tenants, access_keys) = (left_out.tenants.len(), left_out.access_keys);
            tracing::warn!(tenants, access_keys, "left out: overlapping bucket prefixes, repeated access key ids");
        }
        ToldAccessKeys { base: Arc::new(base), ..ToldAccessKeys::default() }
    }
}

impl ToldAccessKeys {
    /// This list in which a tenant has these access keys, and no others.
    pub fn set(&mut self, tenant: &TenantId, prefix: &BucketPrefix, keys: Vec<AccessKey>) {
        self.remove(tenant);
        let mut kept = Vec::with_capacity(keys.len());
        if !keys.is_empty()
            && let Some(other) = self.overlapping(tenant, prefix)
        {
            tracing::warn!(%tenant, %other, "the tenant is refused: its bucket_prefix overlaps that of another");
        } else {
            for key in keys {
                let id = Arc::clone(&key.principal.access_key_id);
                if self.find(&id).is_some() {
                    tracing::warn!(%tenant, access_key = %id, "the access key is left out: another tenant has one of its id");
                    continue;
                }
                let key = Arc::new(key);
                self.by_id.insert(id, Arc::clone(&key));
                kept.push(key);
            }
        }
        self.late.insert(tenant.clone(), Arc::new(Late { prefix: prefix.clone(), keys: kept }));
        self.fold_if_many();
    }

    /// This list without a tenant.
    pub fn remove(&mut self, tenant: &TenantId) {
        let none = Arc::new(Late { prefix: BucketPrefix::empty(), keys: Vec::new() });
        if let Some(before) = self.late.insert(tenant.clone(), none) {
            before.keys.iter().for_each(|key| drop(self.by_id.remove(&key.principal.access_key_id)));
        }
        self.fold_if_many();
    }

    /// The access key of this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Arc<AccessKey>> {
        if let Some(key) = self.by_id.get(id) {
            return Some(Arc::clone(key));
        }
        let key = self.base.find(id)?;
        (!self.late.contains_key(&key.principal.tenant)).then(|| Arc::new(key))
    }

    /// Whether a bucket of the store is that of a tenant with access keys. One that is gone may count for a while.
    pub(super) fn owns(&self, bucket: &BucketName) -> bool {
        let owns = |late: &Arc<Late>| !late.keys.is_empty() && bucket.as_str().starts_with(late.prefix.as_str());
        self.base.owns(bucket.as_str()) || self.late.values().any(owns)
    }

    /// About how many access keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.base.len() + self.by_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every tenant with its access keys.
    pub fn iter(&self) -> impl Iterator<Item = (TenantId, BucketPrefix, Vec<AccessKey>)> {
        let late = self.late.iter().map(|(tenant, late)| {
            let keys = late.keys.iter().map(|key| key.duplicate()).collect();
            (tenant.clone(), late.prefix.clone(), keys)
        });
        self.base.iter().filter(|(tenant, ..)| !self.late.contains_key(tenant)).chain(late)
    }

    fn overlapping(&self, tenant: &TenantId, prefix: &BucketPrefix) -> Option<TenantId> {
        let of_base = self.base.overlapping(tenant, prefix).filter(|other| !self.late.contains_key(other));
        of_base.or_else(|| {
            let overlaps = |late: &Late| !late.keys.is_empty() && late.prefix.overlaps(prefix);
            self.late.iter().find(|(other, late)| *other != tenant && overlaps(late)).map(|(other, _)| other.clone())
        })
    }

    fn fold_if_many(&mut self) {
        if self.late.len() < LATE_MAX {
            return;
        }
        let mut list = ToldList::default();
        let mut seen = HashSet::new();
        for (tenant, prefix, keys) in self.iter() {
            if seen.insert(tenant.clone()) {
                list.tenant(&tenant, &prefix, &keys);
            }
        }
        *self = list.finish();
    }
}

impl std::fmt::Debug for ToldAccessKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToldAccessKeys").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// So many changed tenants are folded into the table.
const LATE_MAX: usize = 1024;
const WARNED_MAX: usize = 10;
