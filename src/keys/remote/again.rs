//! Asking for single tenants again: those whose customer fragment came, went or changed. Seeds are not kept, so keys with
//! another fragment have to be told anew; the rest of the list need not be.

use std::collections::HashSet;

use futures::{StreamExt as _, stream};

use super::telling::read;
use super::{RemoteKeys, RemoteSettings};
use crate::keys::cycle::{Cycle, causes};
use crate::keys::fragment::FragmentDifference;

impl RemoteKeys {
    /// Notes the public tenants of these fragments. Private ones are asked for in every cycle anyway.
    pub(super) fn ask_again_for(&self, differences: &[FragmentDifference]) {
        let changed: HashSet<&str> = differences.iter().map(FragmentDifference::id).collect();
        let mut known = self.known();
        let concerned = known.noted.fragmented.iter().filter(|(_, fragment)| changed.contains(fragment.as_str()));
        let concerned: Vec<_> = concerned.map(|(tenant, _)| tenant.clone()).collect();
        known.again.extend(concerned);
        if known.again.len() > AGAIN_MAX {
            known.again.clear();
            known.must_list = true;
        }
    }

    /// Tells the cycle of the tenants noted so. One that cannot be had is asked for in the next cycle too.
    pub(super) async fn ask_again(&self, cycle: &mut Cycle, settings: &RemoteSettings) {
        let again = std::mem::take(&mut self.known().again);
        let client = self.client.load_full();
        let mut answers = stream::iter(again)
            .map(|id| async {
                let told = client.tenant(id.as_str()).await;
                (id, told)
            })
            .buffered(PARALLEL_MAX);
        while let Some((id, told)) = answers.next().await {
            match told {
                Ok(Some(told)) if told.id == id.as_str() => drop(read(cycle, settings, told)),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(tenant = %id, error = causes(&error), "a tenant cannot be asked for again yet");
                    self.known().again.insert(id);
                }
            }
        }
    }
}

/// For more the whole list is cheaper.
const AGAIN_MAX: usize = 1_000;
const PARALLEL_MAX: usize = 8;
