//! [`KmsKeys`]: the seeds of private tenants that lie in a KMS, asked for over KMIP.
//!
//! A KMS cannot tell which tenants there are, so this is no [`KeySource`](super::source::KeySource) of its own: the
//! source that knows the private tenants asks it for those that the configuration has no seed of, in a cycle all of
//! them ([`KmsKeys::refresh`]), for a request a single one ([`KmsKeys::look_up`]).
//!
//! "No such key" becomes [`KeyError::PrivateNotFound`], all else [`KeyError::Source`]. A KMS that is out would cost a
//! time-out per tenant; after a few unanswered look-ups in a row the rest of the cycle is not asked for.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use futures::{StreamExt, stream};

use super::calls::{Asked, KMS, Outcome};
use super::cycle::Cycle;
use super::fragment::Fragments;
use super::ring::{KeyState, SourceKind, TenantKeys};
use super::seeds::KeySet;
use super::source::KeyError;
use crate::kmip::{Client, Found, Lifecycle, LookupError, PARALLEL_LOOKUPS_MAX};
use crate::tenant::TenantId;

/// A KMS to ask; a reload replaces it.
pub struct KmsKeys {
    kms: ArcSwap<Box<dyn Kms>>,
}

/// A tenant whose seed lies in the KMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateTenant {
    /// its id, which is the Name of the object
    pub id: TenantId,
    /// the customer fragment that is joined to the seed
    pub fragment_id: Option<String>,
}

/// Whoever answers for a seed.
#[async_trait::async_trait]
pub trait Kms: Send + Sync + 'static {
    /// The seed of a tenant, and its state.
    ///
    /// # Errors
    /// [`LookupError`], which tells "no such key" from "cannot be asked".
    async fn lookup(&self, tenant: &str) -> Result<Found, LookupError>;

    /// No lookup follows for a while.
    async fn rest(&self);
}

impl KmsKeys {
    /// Asks this KMS.
    #[must_use]
    pub fn new(kms: impl Kms) -> Self {
        Self { kms: ArcSwap::from_pointee(Box::new(kms)) }
    }

    /// Asks another one from now on; look-ups under way stay with theirs.
    pub fn replace(&self, kms: impl Kms) {
        self.kms.store(Arc::new(Box::new(kms)));
    }

    /// The keys of one tenant.
    ///
    /// # Errors
    /// [`KeyError`]: there are none, the KMS cannot be asked, or the fragment is not here.
    pub async fn look_up(
        &self,
        tenant: &PrivateTenant,
        fragments: &Fragments,
    ) -> Result<(TenantKeys, SourceKind), KeyError> {
        let answer = counted(&**self.kms.load_full(), tenant).await;
        let keys =
            key_set(tenant, answer)?.derive_anew(None, tenant.id.as_str(), tenant.fragment_id.as_deref(), fragments)?;
        Ok((keys, SourceKind::Kms))
    }

    /// Tells the cycle of these tenants, each with its keys or with why there are none. Some are asked for at once.
    pub async fn refresh(&self, cycle: &mut Cycle, tenants: &[PrivateTenant], fragments: &Fragments) {
        let kms = self.kms.load_full();
        let mut answers = stream::iter(0..tenants.len())
            .map(|number| counted(&**kms, &tenants[number]))
            .buffered(PARALLEL_LOOKUPS_MAX);
        let mut unanswered = 0;
        for tenant in tenants {
            let answer = if unanswered < UNANSWERED_MAX { answers.next().await } else { None };
            unanswered = match &answer {
                Some(Err(LookupError::Kms(error))) if error.is_unanswered() => unanswered + 1,
                Some(_) => 0,
                None => unanswered,
            };
            cycle.private(&tenant.id);
            let fragment = tenant.fragment_id.as_deref();
            cycle.bound(&tenant.id, fragment);
            match answer.map_or_else(|| Err(not_asked()), |answer| key_set(tenant, answer)) {
                Ok(seeds) => cycle.found_bound(&tenant.id, &seeds, fragment, fragments, SourceKind::Kms),
                Err(error) => cycle.failed(&tenant.id, &error),
            }
        }
        drop(answers);
        kms.rest().await;
    }
}

async fn counted(kms: &dyn Kms, tenant: &PrivateTenant) -> Result<Found, LookupError> {
    let began = Instant::now();
    let answer = kms.lookup(tenant.id.as_str()).await;
    let outcome = match &answer {
        Ok(_) => Outcome::Answered,
        Err(LookupError::NoSuchKey(_)) => Outcome::Absent,
        Err(LookupError::Kms(error)) if error.is_unanswered() => Outcome::Unanswered,
        Err(LookupError::Withheld { .. } | LookupError::Kms(_)) => Outcome::Refused,
    };
    KMS.count(Asked::LookUp, outcome, began.elapsed());
    answer
}

fn key_set(tenant: &PrivateTenant, answer: Result<Found, LookupError>) -> Result<KeySet, KeyError> {
    let found = answer.map_err(|error| match error {
        LookupError::NoSuchKey(_) => KeyError::PrivateNotFound { tenant: tenant.id.clone() },
        LookupError::Withheld { lifecycle, refusal } => {
            KeyError::Withheld { state: state(lifecycle), error: refusal.to_string().into() }
        }
        LookupError::Kms(error) => {
            if error.is_security_event() {
                tracing::error!(%error, "the kms offered a wrong key for tenant {}", tenant.id);
            }
            failed(error)
        }
    })?;
    Ok(KeySet::stated(found.seed, state(found.lifecycle)))
}

/// What follows from the object's state; a destroyed one has no seed.
fn state(lifecycle: Lifecycle) -> KeyState {
    match lifecycle {
        Lifecycle::Active => KeyState::Active,
        Lifecycle::PreActive => KeyState::PreActive,
        Lifecycle::Deactivated => KeyState::Deactivated,
        Lifecycle::Compromised => KeyState::Compromised,
        Lifecycle::Destroyed | Lifecycle::NotActive => KeyState::Unknown,
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> KeyError {
    KeyError::Source { source_name: "kms", error: error.into() }
}

fn not_asked() -> KeyError {
    failed("not asked, as it did not answer for the tenants before")
}

#[async_trait::async_trait]
impl Kms for Client {
    async fn lookup(&self, tenant: &str) -> Result<Found, LookupError> {
        Self::lookup(self, tenant).await
    }

    async fn rest(&self) {
        self.close_idle().await;
    }
}

impl fmt::Debug for KmsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsKeys").finish_non_exhaustive()
    }
}

/// As many look-ups may go unanswered in a row.
const UNANSWERED_MAX: usize = 2 * PARALLEL_LOOKUPS_MAX;

#[cfg(test)]
mod tests;
