//! [`RemoteSettings`]: what the configuration says for `remote-multi-keys`.

use std::collections::HashMap;
use std::time::Duration;

use crate::keys::coordinator::CoordinatorSettings;
use crate::keys::cycle::CycleRules;
use crate::keys::fragment::Fragments;
use crate::keys::seeds::KeySet;
use crate::keys::snapshot::SnapshotSettings;
use crate::kmip;
use crate::tenant::TenantId;

/// The settings of `remote-multi-keys`.
#[derive(Debug)]
pub struct RemoteSettings {
    /// the longest time between two polls of the Coordinator and the KMS
    pub period: Duration,
    /// how keys are kept and dropped
    pub rules: CycleRules,
    /// the tenant whose keys serve those that have none
    pub default_key: Option<TenantId>,
    /// the first choice for private tenants
    pub tenants: HashMap<TenantId, KeySet>,
    /// what customers add to seeds
    pub fragments: Fragments,
    /// where the Coordinator is
    pub coordinator: CoordinatorSettings,
    /// where the keys are kept over a restart; nowhere if it is not said
    pub snapshot: Option<SnapshotSettings>,
    /// where the KMS is
    pub kms: kmip::Config,
}
