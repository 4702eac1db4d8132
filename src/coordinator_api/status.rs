//! How gateways are: what each tells (heartbeat), and the Coordinator's view of all.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `POST /v1/gateways/{cluster}/{pod}/status`: what a gateway tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewayStatus {
    /// The epoch of the tenants it serves; absent before its first list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// The revision that it has applied.
    #[serde(default)]
    pub revision: u64,
    /// A digest of its configuration: gateways of one cluster must show one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_digest: Option<String>,
    /// A keyed digest of the cluster's keys that it has: gateways of one cluster must show one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_keys: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Tenants that it could not put in force, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing: Vec<FailingTenant>,
}

/// A tenant that a gateway cannot serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailingTenant {
    /// The tenant.
    pub tenant: String,
    /// Why, without secrets.
    pub reason: String,
}

/// `GET /v1/gateways`: how far each gateway has got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GatewayList {
    /// The epoch of the Coordinator.
    pub epoch: String,
    /// The newest revision.
    pub revision: u64,
    /// Clusters whose gateways show different configurations or different keys of the cluster.
    pub drifting_clusters: Vec<String>,
    /// In order of cluster and pod.
    pub items: Vec<GatewayView>,
}

/// A gateway as it was at its last heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GatewayView {
    /// The cluster that it is of.
    pub cluster: String,
    /// Its name there.
    pub pod: String,
    /// When it told.
    pub seen_at: String,
    /// How many revisions it lacks; absent if it is of another epoch.
    pub behind: Option<u64>,
    /// What it told.
    pub status: GatewayStatus,
}
