//! The packed table of the access keys that the Coordinator told of: many of them, few changes.
//!
//! Texts lie one behind the other in wiped chunks, entries are 16 bytes, the index holds entry numbers plus one at a
//! load of 2/3 and is probed linearly from a keyed hash. An [`AccessKey`] is made when one is found. At 1,000,000 tenants
//! with one access key each this is about 150 bytes a tenant.
//!
//! No tenant may reach a bucket of another: of two prefixes of which one begins the other, the shorter one's tenant is
//! refused, of two equal ones the later tenant.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::{AccessKey, SecretText};
use crate::tenant::{BucketPrefix, Cidr, TenantId};

/// An immutable table of tenants and their access keys.
#[derive(Default)]
pub(super) struct Table {
    texts: Texts,
    tenants: Vec<TenantEntry>,
    keys: Vec<KeyEntry>,
    index: Box<[u32]>,
    hasher: RandomState,
    conditions: HashMap<u32, Conditions>,
    /// the tenants that are served, in order of their prefixes, of which none begins another
    by_prefix: Box<[u32]>,
}

#[derive(Clone, Copy)]
struct TenantEntry {
    at: u64,
    id_bytes: u8,
    prefix_bytes: u8,
    is_refused: bool,
}

struct KeyEntry {
    at: u64,
    tenant: u32,
    secret_bytes: u16,
    id_bytes: u8,
}

/// What few access keys have.
struct Conditions {
    expires_at: Option<SystemTime>,
    not_before: Option<SystemTime>,
    allowed_cidrs: Vec<Cidr>,
    disabled: bool,
}

/// What a finished table leaves out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// tenants whose prefix another tenant's prefix begins with, or equals
    pub(super) tenants: Vec<TenantId>,
    /// access keys whose id another tenant has
    pub(super) access_keys: u64,
}

impl Table {
    /// Appends a tenant with its access keys. Nothing is found before [`Table::indexed`].
    pub(super) fn push(&mut self, tenant: &TenantId, prefix: &BucketPrefix, keys: &[AccessKey]) {
        let number = self.tenants.len();
        let (id, prefix) = (tenant.as_str(), prefix.as_str());
        // the types bound ids and prefixes far below 256 bytes
        let (Ok(id_bytes), Ok(prefix_bytes)) = (u8::try_from(id.len()), u8::try_from(prefix.len())) else { return };
        let Ok(tenant) = u32::try_from(number) else { return };
        let at = self.texts.push(&[id.as_bytes(), prefix.as_bytes()]);
        self.tenants.push(TenantEntry { at, id_bytes, prefix_bytes, is_refused: false });
        for key in keys {
            let (id, secret) = (&*key.principal.access_key_id, key.secret.expose());
            let (Ok(id_bytes), Ok(secret_bytes)) = (u8::try_from(id.len()), u16::try_from(secret.len())) else {
                continue;
            };
            if key.is_conditional()
                && let Ok(number) = u32::try_from(self.keys.len())
            {
                self.conditions.insert(number, Conditions::of(key));
            }
            let at = self.texts.push(&[id.as_bytes(), secret.as_bytes()]);
            self.keys.push(KeyEntry { at, tenant, secret_bytes, id_bytes });
        }
    }

    /// Builds the index; tells what it leaves out.
    pub(super) fn indexed(mut self) -> (Self, LeftOut) {
        self.keys.shrink_to_fit();
        self.tenants.shrink_to_fit();
        let mut left_out = LeftOut { tenants: self.refuse_overlaps(), access_keys: 0 };
        self.index = vec![0; self.keys.len() + self.keys.len() / 2 + 1].into_boxed_slice();
        for number in 0..self.keys.len() {
            match self.probe(self.key_id(&self.keys[number])) {
                Ok(_) => left_out.access_keys += 1,
                Err(place) => self.index[place] = u32::try_from(number + 1).unwrap_or(0),
            }
        }
        (self, left_out)
    }

    /// The access key of this id, made anew, unless its tenant is refused.
    pub(super) fn find(&self, id: &str) -> Option<AccessKey> {
        if self.index.is_empty() || id.is_empty() {
            return None;
        }
        let number = self.probe(id.as_bytes()).ok()?;
        self.key(number)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether the bucket's name begins with a tenant's prefix. The last prefix that is not behind the name is the only one
    /// that can begin it, because none begins another.
    pub(super) fn owns(&self, bucket: &str) -> bool {
        let place = self.by_prefix.partition_point(|number| self.prefix(*number) <= bucket.as_bytes());
        let last = place.checked_sub(1).and_then(|place| self.by_prefix.get(place));
        last.is_some_and(|number| bucket.as_bytes().starts_with(self.prefix(*number)))
    }

    /// The tenant other than `own` with whom one of this prefix would share buckets.
    pub(super) fn overlapping(&self, own: &TenantId, prefix: &BucketPrefix) -> Option<TenantId> {
        let place = self.by_prefix.partition_point(|number| self.prefix(*number) < prefix.as_str().as_bytes());
        let beside = [place.checked_sub(1), Some(place), Some(place + 1)];
        beside.into_iter().flatten().filter_map(|place| self.by_prefix.get(place)).find_map(|number| {
            let (id, other) = self.tenant(*number)?;
            (id != *own && other.overlaps(prefix)).then_some(id)
        })
    }

    /// Every tenant with its access keys, as pushed; also those that are refused.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TenantId, BucketPrefix, Vec<AccessKey>)> {
        let mut keys = 0;
        (0..self.tenants.len()).filter_map(move |number| {
            let number = u32::try_from(number).ok()?;
            let (id, prefix) = self.tenant(number)?;
            let mut own = Vec::new();
            while self.keys.get(keys).is_some_and(|key| key.tenant == number) {
                own.extend(self.made(keys));
                keys += 1;
            }
            Some((id, prefix, own))
        })
    }

    /// The place of a key, or the free place where it would be noted.
    fn probe(&self, id: &[u8]) -> Result<usize, usize> {
        let places = self.index.len();
        let scaled = (u128::from(self.hasher.hash_one(id)) * places as u128) >> 64;
        let mut place = usize::try_from(scaled).unwrap_or(0);
        while let Some(number) = self.index[place].checked_sub(1) {
            let number = number as usize;
            match self.keys.get(number) {
                Some(key) if self.key_id(key) == id => return Ok(number),
                _ => place = (place + 1) % places,
            }
        }
        Err(place)
    }

    fn key(&self, number: usize) -> Option<AccessKey> {
        let tenant = self.tenants.get(self.keys.get(number)?.tenant as usize)?;
        if tenant.is_refused { None } else { self.made(number) }
    }

    fn made(&self, number: usize) -> Option<AccessKey> {
        let entry = self.keys.get(number)?;
        let (tenant, prefix) = self.tenant(entry.tenant)?;
        let (id_bytes, secret_bytes) = (usize::from(entry.id_bytes), usize::from(entry.secret_bytes));
        let (id, secret) = self.texts.get(entry.at, id_bytes + secret_bytes)?.split_at_checked(id_bytes)?;
        let secret = SecretText::new(std::str::from_utf8(secret).ok()?.to_owned());
        let mut key = AccessKey::new(tenant, prefix, std::str::from_utf8(id).ok()?, secret);
        if let Some(conditions) = u32::try_from(number).ok().and_then(|number| self.conditions.get(&number)) {
            conditions.put_on(&mut key);
        }
        Some(key)
    }

    fn key_id(&self, entry: &KeyEntry) -> &[u8] {
        self.texts.get(entry.at, entry.id_bytes.into()).unwrap_or_default()
    }

    fn prefix(&self, number: u32) -> &[u8] {
        let Some(entry) = self.tenants.get(number as usize) else { return &[] };
        self.texts.get(entry.at + u64::from(entry.id_bytes), entry.prefix_bytes.into()).unwrap_or_default()
    }

    fn tenant(&self, number: u32) -> Option<(TenantId, BucketPrefix)> {
        let entry = self.tenants.get(number as usize)?;
        let id = std::str::from_utf8(self.texts.get(entry.at, entry.id_bytes.into())?).ok()?;
        let prefix = std::str::from_utf8(self.prefix(number)).ok()?;
        Some((TenantId::new(id).ok()?, BucketPrefix::new(prefix).ok()?))
    }

    /// Sorts the tenants by prefix and refuses those that would share buckets.
    fn refuse_overlaps(&mut self) -> Vec<TenantId> {
        let has_keys: std::collections::HashSet<u32> = self.keys.iter().map(|key| key.tenant).collect();
        let mut sorted: Vec<u32> = has_keys.into_iter().collect();
        sorted.sort_unstable_by(|a, b| self.prefix(*a).cmp(self.prefix(*b)).then(a.cmp(b)));
        let mut refused = Vec::new();
        for (place, number) in sorted.iter().enumerate() {
            let own = self.prefix(*number);
            let same = place > 0 && self.prefix(sorted[place - 1]) == own;
            let next = sorted[place + 1..].iter().map(|number| self.prefix(*number)).find(|next| *next != own);
            if same || next.is_some_and(|next| next.starts_with(own)) {
                refused.push(*number);
            }
        }
        for number in &refused {
            if let Some(tenant) = self.tenants.get_mut(*number as usize) {
                tenant.is_refused = true;
            }
        }
        sorted.retain(|number| self.tenants.get(*number as usize).is_some_and(|tenant| !tenant.is_refused));
        self.by_prefix = sorted.into_boxed_slice();
        refused.into_iter().filter_map(|number| Some(self.tenant(number)?.0)).collect()
    }
}

impl Conditions {
    fn of(key: &AccessKey) -> Self {
        Self {
            expires_at: key.expires_at,
            not_before: key.not_before,
            allowed_cidrs: key.allowed_cidrs.clone(),
            disabled: key.disabled,
        }
    }

    fn put_on(&self, key: &mut AccessKey) {
        (key.expires_at, key.not_before, key.disabled) = (self.expires_at, self.not_before, self.disabled);
        key.allowed_cidrs.clone_from(&self.allowed_cidrs);
    }
}

/// Bytes one behind the other, in chunks that never move and are wiped.
#[derive(Default)]
struct Texts {
    chunks: Vec<Zeroizing<Vec<u8>>>,
}

impl Texts {
    /// Appends these parts as one text; says where.
    fn push(&mut self, parts: &[&[u8]]) -> u64 {
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        if self.chunks.last().is_none_or(|chunk| chunk.capacity() - chunk.len() < bytes) {
            let size = (CHUNK_BYTES_MIN << self.chunks.len().min(CHUNK_DOUBLINGS)).max(bytes);
            self.chunks.push(Zeroizing::new(Vec::with_capacity(size)));
        }
        let number = self.chunks.len() - 1;
        let Some(chunk) = self.chunks.last_mut() else { return 0 };
        let at = ((number as u64) << 32) | chunk.len() as u64;
        for part in parts {
            chunk.extend_from_slice(part);
        }
        at
    }

    fn get(&self, at: u64, bytes: usize) -> Option<&[u8]> {
        let (number, start) = (usize::try_from(at >> 32).ok()?, usize::try_from(at & u64::from(u32::MAX)).ok()?);
        self.chunks.get(number)?.get(start..start + bytes)
    }
}

const CHUNK_BYTES_MIN: usize = 4 << 10;
/// Up to 1 MiB.
const CHUNK_DOUBLINGS: usize = 8;

#[cfg(test)]
mod tests;
