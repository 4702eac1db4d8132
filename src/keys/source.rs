//! [`KeySource`]: the seam to wherever keys come from: the configuration, the Coordinator, a KMS.
//!
//! A source tells a [`Cycle`] of every tenant it knows, and can be asked for one tenant that no cycle told of. It does
//! not keep, compare or time anything; that is the same for all sources and lies in [`super::cycle`] and
//! [`super::refresh`].

use std::error::Error;

use super::cycle::{Cycle, Extent};
use super::ring::{KeyRing, KeyState, SourceKind, TenantKeys};
use super::seeds::{MissingFragment, OtherFragment};
use crate::tenant::TenantId;

/// Somewhere that keys come from.
#[async_trait::async_trait]
pub trait KeySource: Send + Sync + 'static {
    /// Its name, for logs and metrics.
    fn name(&self) -> &'static str;

    /// Whether a cycle tells of every tenant there is. If not, a tenant without keys is looked up before the default
    /// key may serve it: it could be a private one.
    fn is_complete(&self) -> bool;

    /// Tells of every tenant, or of what is [new](Cycle::extent). Yields now and then if there are many.
    ///
    /// # Errors
    /// [`KeyError`] if the source cannot be asked; what it had told until then counts, all else stays as it was.
    async fn refresh(&self, cycle: &mut Cycle) -> Result<(), KeyError>;

    /// Returns when there is something to be told, and what to ask for. May be dropped and called again.
    async fn changed(&self) -> Extent {
        std::future::pending().await
    }

    /// A cycle's outcome is in force.
    async fn installed(&self, _ring: &KeyRing, _extent: Extent) {}

    /// The keys of one tenant, asked for by a request.
    ///
    /// # Errors
    /// [`KeyError`]: there are none, or the source cannot be asked.
    async fn look_up(&self, tenant: &TenantId) -> Result<(TenantKeys, SourceKind), KeyError>;
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// nobody knows a key of this tenant
    #[error("key not found for tenantID {tenant}")]
    NotFound {
        /// the tenant
        tenant: TenantId,
    },
    /// neither the configuration nor the KMS knows a key of this private tenant
    #[error("key not found for private tenantID {tenant}")]
    PrivateNotFound {
        /// the tenant
        tenant: TenantId,
    },
    /// the key is there, but the customer's fragment of it is not
    #[error(transparent)]
    Fragment(#[from] MissingFragment),
    /// two sources name different fragments
    #[error(transparent)]
    OtherFragment(#[from] OtherFragment),
    /// the key is there, but the state that it is in does not allow to use it
    #[error("the key is {state} and is not used")]
    Withheld {
        /// the state
        state: KeyState,
        /// what the source says, or what to do
        #[source]
        error: Box<dyn Error + Send + Sync>,
    },
    /// the source could not be asked, or its answer made no sense
    #[error("cannot get keys from the {source_name}")]
    Source {
        /// which source
        source_name: &'static str,
        /// why
        #[source]
        error: Box<dyn Error + Send + Sync>,
    },
}

impl KeyError {
    /// Whether the default key may serve instead: never for a private tenant.
    #[must_use]
    pub fn allows_default(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// The state that keeps the key from being used, if that is why.
    #[must_use]
    pub fn state(&self) -> Option<KeyState> {
        if let Self::Withheld { state, .. } = self { Some(*state) } else { None }
    }

    /// Whether the answer is that there is no such key, as opposed to no answer.
    #[must_use]
    pub fn is_definite(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::PrivateNotFound { .. })
    }
}
