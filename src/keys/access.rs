//! Access keys: which tenant a request is for, and the secret that must have signed it.
//!
//! [`AccessKeys`] is an immutable snapshot: the configured ones, which come first, and those that the Coordinator
//! [told](ToldAccessKeys) of. [`LiveAccessKeys`] is the handle in which a reload swaps the former, a refresh the latter. Being found is not being
//! admitted: [`AccessKey::admits`] checks time, address and whether the key is switched off, after the signature was
//! found right, so that only who knows the secret learns why.

mod table;
mod told;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;

use super::secret::SecretText;
use crate::backend::BucketName;
use crate::tenant::{BucketPrefix, Cidr, Principal, TenantId};
pub use told::{ToldAccessKeys, ToldList};

/// The access keys of all tenants at one moment.
#[derive(Clone, Default)]
pub struct AccessKeys {
    configured: Arc<Configured>,
    told: Arc<ToldAccessKeys>,
    public_buckets: Arc<HashMap<String, Principal>>,
    /// of the gateway itself at other servers
    reserved: Arc<[String]>,
    /// nobody's bucket
    staging: Option<BucketName>,
}

#[derive(Default)]
struct Configured {
    by_id: HashMap<Arc<str>, Arc<AccessKey>>,
    /// whose buckets begin so; the configuration sees to it that no prefix begins another
    prefixes: BTreeMap<BucketPrefix, TenantId>,
}

impl AccessKeys {
    /// Takes over the keys.
    ///
    /// # Errors
    /// [`RepeatedAccessKey`] when two have one id.
    pub fn new(keys: impl IntoIterator<Item = AccessKey>) -> Result<Self, RepeatedAccessKey> {
        let mut configured = Configured::default();
        for key in keys {
            let id = Arc::clone(&key.principal.access_key_id);
            configured.prefixes.insert(key.principal.bucket_prefix.clone(), key.principal.tenant.clone());
            if configured.by_id.insert(Arc::clone(&id), Arc::new(key)).is_some() {
                return Err(RepeatedAccessKey { id });
            }
        }
        Ok(Self { configured: Arc::new(configured), ..Self::default() })
    }

    /// Lets anyone read the objects of a tenant's bucket, by the name that clients say.
    ///
    /// # Errors
    /// [`RepeatedPublicBucket`] when another tenant has made one of this name public: whose it is could not be told.
    pub fn make_public(
        &mut self,
        tenant: &TenantId,
        prefix: &BucketPrefix,
        bucket: &str,
    ) -> Result<(), RepeatedPublicBucket> {
        let principal =
            Principal { tenant: tenant.clone(), access_key_id: ANONYMOUS.into(), bucket_prefix: prefix.clone() };
        match Arc::make_mut(&mut self.public_buckets).insert(bucket.to_owned(), principal) {
            Some(other) if other.tenant != *tenant => {
                Err(RepeatedPublicBucket { bucket: bucket.to_owned(), other: other.tenant })
            }
            _ => Ok(()),
        }
    }

    /// Sees to it that nobody is let in with these ids: they are the gateway's own at other servers.
    pub fn reserve<'a>(&mut self, ids: impl IntoIterator<Item = &'a str>) {
        self.reserved = ids.into_iter().map(str::to_owned).collect();
    }

    /// Sees to it that no tenant is served whose buckets could be this one: it is nobody's.
    pub fn reserve_bucket(&mut self, staging: BucketName) {
        self.staging = Some(staging);
    }

    /// Whether a bucket of the store is that of a tenant with access keys.
    #[must_use]
    pub fn owns(&self, bucket: &BucketName) -> bool {
        let mut prefixes = self.configured.prefixes.keys();
        prefixes.any(|prefix| bucket.as_str().starts_with(prefix.as_str())) || self.told.owns(bucket)
    }

    /// Who reads from a public bucket without signing.
    #[must_use]
    pub fn public_bucket(&self, bucket: &str) -> Option<&Principal> {
        self.public_buckets.get(bucket)
    }

    /// The key of this id. One that the Coordinator told of is refused if its tenant would share buckets with one that
    /// is configured, or if it is one of the gateway's own.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Arc<AccessKey>> {
        if let Some(key) = self.configured.by_id.get(id) {
            return Some(Arc::clone(key));
        }
        let key = self.told.find(id)?;
        if self.reserved.iter().any(|own| own == id) {
            tracing::warn!(tenant = %key.principal.tenant, access_key = id, "refused: the gateway's own access key at the store");
            return None;
        }
        let prefix = key.principal.bucket_prefix.as_str();
        if !prefix.is_empty() && self.staging.as_ref().is_some_and(|staging| staging.as_str().starts_with(prefix)) {
            tracing::warn!(tenant = %key.principal.tenant, "refused: its bucket_prefix begins the name of the staging bucket");
            return None;
        }
        if let Some(other) = self.configured.overlapping(&key.principal) {
            tracing::warn!(tenant = %key.principal.tenant, %other, "refused: its bucket_prefix overlaps that of a configured tenant");
            return None;
        }
        Some(key)
    }

    /// Those that stand in the configuration.
    pub fn configured(&self) -> impl Iterator<Item = &AccessKey> {
        self.configured.by_id.values().map(AsRef::as_ref)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.configured.by_id.len() + self.told.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.configured.by_id.is_empty() && self.told.is_empty()
    }
}

impl fmt::Debug for AccessKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKeys")
            .field("configured", &self.configured.by_id.keys())
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}

impl Configured {
    /// The configured tenant with whom this one would share buckets.
    fn overlapping(&self, principal: &Principal) -> Option<&TenantId> {
        let prefix = &principal.bucket_prefix;
        let before = self.prefixes.range(..=prefix).next_back();
        let after = self.prefixes.range(prefix..).next();
        let overlaps =
            |(other, tenant): &(&BucketPrefix, &TenantId)| other.overlaps(prefix) && **tenant != principal.tenant;
        before.into_iter().chain(after).find(overlaps).map(|(_, tenant)| tenant)
    }
}

/// One access key.
#[derive(Debug)]
pub struct AccessKey {
    /// who signs with it
    pub principal: Principal,
    /// the secret access key
    pub secret: SecretText,
    /// refused from this moment on
    pub expires_at: Option<SystemTime>,
    /// refused before this moment
    pub not_before: Option<SystemTime>,
    /// refused from other addresses; none given: from anywhere
    pub allowed_cidrs: Vec<Cidr>,
    /// refused altogether
    pub disabled: bool,
}

impl AccessKey {
    /// A key without conditions.
    #[must_use]
    pub fn new(tenant: TenantId, bucket_prefix: BucketPrefix, id: &str, secret: SecretText) -> Self {
        let principal = Principal { tenant, access_key_id: id.into(), bucket_prefix };
        Self { principal, secret, expires_at: None, not_before: None, allowed_cidrs: Vec::new(), disabled: false }
    }

    /// Whether anything restricts it.
    fn is_conditional(&self) -> bool {
        self.expires_at.is_some() || self.not_before.is_some() || !self.allowed_cidrs.is_empty() || self.disabled
    }

    /// A second one; not `Clone`, so that nobody copies a secret by habit.
    fn duplicate(&self) -> Self {
        Self {
            principal: self.principal.clone(),
            secret: SecretText::new(self.secret.expose().to_owned()),
            allowed_cidrs: self.allowed_cidrs.clone(),
            ..*self
        }
    }

    /// Whether a request that it signed may go on, at this time and from this address.
    ///
    /// # Errors
    /// [`AccessRefusal`]: the condition that does not hold.
    pub fn admits(&self, now: SystemTime, peer: Option<IpAddr>) -> Result<(), AccessRefusal> {
        if self.disabled {
            return Err(AccessRefusal::Disabled);
        }
        if self.expires_at.is_some_and(|end| now >= end) {
            return Err(AccessRefusal::Expired);
        }
        if self.not_before.is_some_and(|start| now < start) {
            return Err(AccessRefusal::NotYetValid);
        }
        let inside = |peer| self.allowed_cidrs.iter().any(|range| range.contains(peer));
        if !self.allowed_cidrs.is_empty() && !peer.is_some_and(inside) {
            return Err(AccessRefusal::Address);
        }
        Ok(())
    }
}

/// The access keys that are in force.
#[derive(Debug)]
pub struct LiveAccessKeys(ArcSwap<AccessKeys>);

impl LiveAccessKeys {
    /// Starts with these.
    #[must_use]
    pub fn new(keys: AccessKeys) -> Self {
        Self(ArcSwap::from_pointee(keys))
    }

    /// The keys as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<AccessKeys> {
        self.0.load_full()
    }

    /// Puts other configured keys in force; what the Coordinator told stays.
    pub fn replace(&self, keys: AccessKeys) {
        let AccessKeys { configured, public_buckets, .. } = keys;
        self.0.rcu(|now| AccessKeys {
            configured: Arc::clone(&configured),
            public_buckets: Arc::clone(&public_buckets),
            told: Arc::clone(&now.told),
            reserved: Arc::clone(&now.reserved),
            staging: now.staging.clone(),
        });
    }

    /// What the Coordinator told.
    #[must_use]
    pub fn told(&self) -> Arc<ToldAccessKeys> {
        Arc::clone(&self.0.load().told)
    }

    /// Puts in force what the Coordinator tells now; the configured keys stay.
    pub fn tell(&self, told: ToldAccessKeys) {
        let told = Arc::new(told);
        self.0.rcu(|now| AccessKeys { told: Arc::clone(&told), ..AccessKeys::clone(now) });
    }
}

/// Why a known access key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessRefusal {
    /// it is switched off
    #[error("the access key is disabled")]
    Disabled,
    /// its time is over
    #[error("the access key has expired")]
    Expired,
    /// its time has not begun
    #[error("the access key is not valid yet")]
    NotYetValid,
    /// the client's address is not among those allowed
    #[error("the access key may not be used from this address")]
    Address,
}

/// Two access keys have one id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("access key id `{id}` is given twice")]
pub struct RepeatedAccessKey {
    /// the id
    pub id: Arc<str>,
}

/// Two tenants make a bucket of one name public.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bucket `{bucket}` is public for tenant `{other}` too")]
pub struct RepeatedPublicBucket {
    /// the bucket
    pub bucket: String,
    /// the other tenant
    pub other: TenantId,
}

/// Stands for the access key id of a request without one; no access key can have it.
const ANONYMOUS: &str = "(anonymous)";

#[cfg(test)]
mod tests;
