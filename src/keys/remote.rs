//! [`RemoteKeys`]: the source of `remote-multi-keys`. The Coordinator tells of the tenants and the seeds of public ones;
//! the seeds of private ones (`zero_knowledge`) stand in the Secret, else in the KMS.
//!
//! ```text
//! Coordinator ─ list, changes ─┬─ public: seed ────────────────────────┬→ cycle → ring
//!                              ├─ private: Secret's tenant_keys → KMIP ┘
//!                              └─ access keys, bucket prefix ────────────→ access keys
//! ```
//!
//! A customer fragment that the Coordinator binds to a private tenant is joined to its seed, wherever that stands; the
//! Secret may name the same one, and no other.
//!
//! The KMS is never asked for a public tenant. No seed stays here: what is remembered is how far the Coordinator was
//! followed (epoch and revision, which never go back) and which tenants are private.

mod again;
mod following;
mod heartbeat;
mod keeping;
mod settings;
mod telling;

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::access::LiveAccessKeys;
use super::coordinator::{Client, CoordinatorError, Page};
use super::cycle::{Cycle, Extent};
use super::kmip::{KmsKeys, PrivateTenant};
use super::refresh::Clock;
use super::ring::{KeyRing, SourceKind, TenantKeys};
use super::source::{KeyError, KeySource};
use crate::coordinator_api::TenantStatus;
use crate::kmip;
use crate::tenant::TenantId;
pub use heartbeat::{Digest, Teller};
use keeping::Keeping;
pub use settings::RemoteSettings;
use telling::wire_keys;
pub(super) use telling::{Noted, access_key as wire_access_key};

/// The Coordinator, the Secret and the KMS as one source.
pub struct RemoteKeys {
    settings: ArcSwap<RemoteSettings>,
    client: ArcSwap<Client>,
    kms: KmsKeys,
    access_keys: Arc<LiveAccessKeys>,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
    /// a page of changes that came while nobody refreshed
    waiting: Mutex<Option<Page>>,
    /// how often in a row the Coordinator could not be asked
    failures: AtomicU32,
    keeping: Mutex<Keeping>,
    /// rung when a cycle is in force
    changed_status: Notify,
}

/// What is remembered of the Coordinator's word.
#[derive(Default)]
struct Known {
    position: Option<Position>,
    /// the list has to be read again
    must_list: bool,
    /// tenants that are asked for once more, each by itself
    again: HashSet<TenantId>,
    noted: Noted,
    /// when the Coordinator last said what holds, Unix seconds
    told_at: u64,
}

/// How far the Coordinator was followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// the life of its database
    pub epoch: String,
    /// the last revision in force
    pub revision: u64,
}

impl RemoteKeys {
    /// Reads keys and certificates; asks nobody yet. Access keys that the Coordinator tells of go into `access_keys`.
    ///
    /// # Errors
    /// [`RemoteError`] if a key, certificate or address cannot be used.
    pub fn new(
        settings: RemoteSettings,
        access_keys: Arc<LiveAccessKeys>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RemoteError> {
        let client = Client::new(&settings.coordinator)?;
        let kms = KmsKeys::new(kmip::Client::new(&settings.kms)?);
        Ok(Self::with(settings, client, kms, access_keys, clock))
    }

    fn with(
        settings: RemoteSettings,
        client: Client,
        kms: KmsKeys,
        access_keys: Arc<LiveAccessKeys>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            client: ArcSwap::from_pointee(client),
            kms,
            settings: ArcSwap::from_pointee(settings),
            access_keys,
            clock,
            known: Mutex::default(),
            waiting: Mutex::default(),
            failures: AtomicU32::new(0),
            keeping: Mutex::default(),
            changed_status: Notify::new(),
        }
    }

    /// Takes over other settings; they count from the next cycle on. What cannot be used changes nothing.
    ///
    /// # Errors
    /// [`RemoteError`] as for [`RemoteKeys::new`].
    pub fn replace(&self, settings: RemoteSettings) -> Result<(), RemoteError> {
        let before = self.settings.load_full();
        let client =
            if before.coordinator == settings.coordinator { None } else { Some(Client::new(&settings.coordinator)?) };
        if before.kms != settings.kms {
            self.kms.replace(kmip::Client::new(&settings.kms)?);
        }
        if let Some(client) = client {
            self.client.store(Arc::new(client));
        }
        self.ask_again_for(&before.fragments.differences(&settings.fragments));
        self.settings.store(Arc::new(settings));
        Ok(())
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Arc<RemoteSettings> {
        self.settings.load_full()
    }

    /// How far the Coordinator was followed; none before its first list.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.known().position.clone()
    }

    /// How many tenants have a damaged record, by the Coordinator's word.
    #[must_use]
    pub fn damaged(&self) -> usize {
        self.known().noted.damaged.len()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keeping(&self) -> MutexGuard<'_, Keeping> {
        self.keeping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Page>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the cycle of private tenants: the Secret's keys first, then the KMS's.
    async fn private(&self, cycle: &mut Cycle, settings: &RemoteSettings, tenants: Vec<PrivateTenant>) {
        let mut of_kms = Vec::new();
        for tenant in tenants {
            match settings.tenants.get(&tenant.id) {
                Some(seeds) => {
                    cycle.private(&tenant.id);
                    let bound = tenant.fragment_id.as_deref();
                    cycle.bound(&tenant.id, bound);
                    match seeds.fragment_with(bound) {
                        Ok(fragment) => {
                            let source = SourceKind::File;
                            cycle.found_bound(&tenant.id, seeds, fragment, &settings.fragments, source);
                        }
                        Err(other) => cycle.failed(&tenant.id, &other.into()),
                    }
                }
                None => of_kms.push(tenant),
            }
        }
        if !of_kms.is_empty() {
            self.kms.refresh(cycle, &of_kms, &settings.fragments).await;
        }
    }

    /// A tenant that no cycle told of, as the Coordinator knows it: a private one, or the keys of a public one.
    async fn asked(&self, tenant: &TenantId, settings: &RemoteSettings) -> Result<Asked, KeyError> {
        let told = self.client.load_full().tenant(tenant.as_str()).await.map_err(|error| self.failed(error))?;
        let not_found = || KeyError::NotFound { tenant: tenant.clone() };
        let told = told.filter(|told| told.id == tenant.as_str()).ok_or_else(not_found)?;
        told.check().map_err(|error| failed(error.into()))?;
        if told.status == TenantStatus::Deleted {
            return Err(not_found());
        }
        if told.status == TenantStatus::Damaged {
            return Err(failed("the tenant's record is damaged in the coordinator's database".into()));
        }
        if told.zero_knowledge {
            let private = PrivateTenant { id: tenant.clone(), fragment_id: told.fragment_id };
            self.known().noted.private.insert(tenant.clone(), private.fragment_id.clone());
            return Ok(Asked::Private(private));
        }
        if let Some(fragment) = &told.fragment_id {
            self.known().noted.fragmented.insert(tenant.clone(), fragment.clone());
        }
        let seeds = wire_keys(told).map_err(|reason| failed(reason.into()))?;
        Ok(Asked::Public(seeds.derive(tenant, &settings.fragments)?))
    }

    /// Counts a failure of the Coordinator, for the next wait.
    fn failed(&self, error: CoordinatorError) -> KeyError {
        self.failures.fetch_add(1, Ordering::Relaxed);
        failed(error.into())
    }
}

enum Asked {
    Private(PrivateTenant),
    Public(TenantKeys),
}

#[async_trait::async_trait]
impl KeySource for RemoteKeys {
    fn name(&self) -> &'static str {
        NAME
    }

    fn is_complete(&self) -> bool {
        false
    }

    async fn refresh(&self, cycle: &mut Cycle) -> Result<(), KeyError> {
        let settings = self.settings.load_full();
        if let Some(tenant) = &settings.default_key {
            cycle.default_key(tenant.clone());
        }
        let followed = self.follow(cycle, &settings).await;
        let told = match &followed {
            Ok(told) => told.clone(),
            Err(_) => Vec::new(),
        };
        if followed.is_ok() {
            self.ask_again(cycle, &settings).await;
        }
        let private = match cycle.extent() {
            Extent::News => told,
            Extent::All => {
                let known = self.known();
                let tenant = |(id, fragment_id): (&TenantId, &Option<String>)| PrivateTenant {
                    id: id.clone(),
                    fragment_id: fragment_id.clone(),
                };
                known.noted.private.iter().map(tenant).collect()
            }
        };
        self.private(cycle, &settings, private).await;
        followed.map(drop).map_err(|error| self.failed(error))
    }

    async fn changed(&self) -> Extent {
        self.news().await
    }

    async fn installed(&self, ring: &KeyRing, _extent: Extent) {
        self.changed_status.notify_one();
        self.keep(ring).await;
    }

    async fn look_up(&self, tenant: &TenantId) -> Result<(TenantKeys, SourceKind), KeyError> {
        let settings = self.settings.load_full();
        let private = self.known().noted.private.get(tenant).cloned();
        let private = match private {
            Some(fragment_id) => PrivateTenant { id: tenant.clone(), fragment_id },
            None => match self.asked(tenant, &settings).await? {
                Asked::Public(keys) => return Ok((keys, SourceKind::Coordinator)),
                Asked::Private(private) => private,
            },
        };
        match settings.tenants.get(tenant) {
            Some(seeds) => {
                let fragment = seeds.fragment_with(private.fragment_id.as_deref())?;
                let keys = seeds.derive_anew(None, tenant.as_str(), fragment, &settings.fragments)?;
                Ok((keys, SourceKind::File))
            }
            None => self.kms.look_up(&private, &settings.fragments).await,
        }
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys").field("position", &self.position()).finish_non_exhaustive()
    }
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> KeyError {
    KeyError::Source { source_name: NAME, error }
}

/// Why the source cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// the Coordinator's settings
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
    /// the KMS's settings
    #[error("crypto.kms_config: {0}")]
    Kms(#[from] kmip::TlsError),
}

const NAME: &str = "coordinator";

#[cfg(test)]
mod tests;
