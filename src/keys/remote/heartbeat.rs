//! Telling the Coordinator how this gateway is: how far it has followed, which tenants it cannot serve, and a digest of
//! its configuration and of the cluster's keys, so that gateways that fall behind or differ are seen (`GET /v1/gateways`).
//!
//! A heartbeat goes out every minute, varied by a tenth, and a second after anything changed. One that is not taken is
//! warned of once and tried again; nothing depends on it.

use std::time::Duration;

use super::RemoteKeys;
use crate::coordinator_api::{FailingTenant, GatewayStatus};
use crate::keys::Keys;
use crate::keys::cycle::causes;
use crate::keys::refresh::varied;

/// Who tells, and what only others know of it.
pub struct Teller {
    /// the cluster's name
    pub cluster: String,
    /// this gateway's name in it
    pub pod: String,
    /// its version
    pub version: &'static str,
    /// a digest of the configuration in force
    pub config_digest: Digest,
    /// a keyed digest of the cluster's keys in force; none if a local store keeps a key of its own, which no other has
    pub cluster_keys: Option<Digest>,
}

/// Tells a digest as it is at the moment.
pub type Digest = Box<dyn Fn() -> String + Send + Sync>;

impl RemoteKeys {
    /// Tells of this gateway for ever.
    pub async fn tell_of(&self, teller: &Teller, keys: &Keys) {
        let mut has_failed = false;
        loop {
            // asked for before what is told is looked at, so that no change is missed
            let changed = self.changed_status.notified();
            let told = self.client.load_full().tell(&teller.cluster, &teller.pod, &self.status(teller, keys)).await;
            match told {
                Ok(()) => has_failed = false,
                Err(error) if !has_failed => {
                    has_failed = true;
                    let error = causes(&error);
                    tracing::warn!(%error, "the coordinator does not take this gateway's heartbeat; trying again");
                }
                Err(_) => {}
            }
            self.clock.sleep(PAUSE).await;
            tokio::select! {
                () = self.clock.sleep(varied(PERIOD)) => {}
                () = changed => {}
            }
        }
    }

    fn status(&self, teller: &Teller, keys: &Keys) -> GatewayStatus {
        let position = self.position();
        let cycle = keys.last_cycle();
        let failing = cycle.iter().flat_map(|cycle| &cycle.failing).take(FAILING_MAX);
        GatewayStatus {
            revision: position.as_ref().map_or(0, |position| position.revision),
            epoch: position.map(|position| position.epoch),
            config_digest: Some((teller.config_digest)()),
            cluster_keys: teller.cluster_keys.as_ref().map(|digest| digest()),
            version: Some(teller.version.to_owned()),
            failing: failing.map(|(tenant, reason)| failing_tenant(tenant.as_str(), reason)).collect(),
        }
    }
}

fn failing_tenant(tenant: &str, reason: &str) -> FailingTenant {
    let reason = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
    FailingTenant { tenant: tenant.to_owned(), reason: reason.to_owned() }
}

impl std::fmt::Debug for Teller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Teller").field("cluster", &self.cluster).field("pod", &self.pod).finish_non_exhaustive()
    }
}

const PERIOD: Duration = Duration::from_mins(1);
/// The shortest time between two heartbeats.
const PAUSE: Duration = Duration::from_secs(1);
/// As many, and as long, as the Coordinator takes.
const FAILING_MAX: usize = 100;
const REASON_BYTES_MAX: usize = 512;
