//! Keys: whether whoever holds them can be asked, and whether every tenant has one.

use std::time::Duration;

use super::{Findings, causes, certificates};
use crate::app::keys::LiveKeys;
use crate::config::Config;
use crate::edge::first_end;
use crate::keys::coordinator::{self, CoordinatorSettings};
use crate::keys::cycle::CycleReport;
use crate::keys::first_start::{FILE_NAME, first_start};
use crate::keys::ring::KeyRing;
use crate::keys::settings::KeySettings;
use crate::kmip;

/// Takes the key settings out of the configuration.
pub(super) async fn examine(config: &mut Config, findings: &mut Findings) {
    if let KeySettings::RemoteMultiKeys(remote) = &config.keys {
        kms(&remote.kms, findings).await;
        ask_coordinator(&remote.coordinator, findings).await;
        for fragment in remote.fragments.iter() {
            let told =
                format!("{} has the fingerprint {}; compare it with the copy", fragment.id(), fragment.fingerprint());
            findings.ok("customer fragments", told);
        }
    }
    let generated = match config.first_start_dir() {
        Some(folder) if !folder.join(FILE_NAME).exists() => {
            findings.ok("keys", format!("the first start makes a seed and an access key in {}", folder.display()));
            return;
        }
        Some(folder) => match first_start(folder) {
            Ok(generated) => Some(generated),
            Err(error) => return findings.fail("keys", causes(&error)),
        },
        None => None,
    };
    match tokio::time::timeout(KEYS_TIMEOUT, LiveKeys::start(config, generated.as_ref())).await {
        Err(_) => findings.fail("keys", format!("not all had come within {KEYS_TIMEOUT:?}")),
        Ok(Err(error)) => findings.fail("keys", format!("{error:#}")),
        Ok(Ok(live)) => {
            if let Some(cycle) = live.keys.last_cycle() {
                report(&cycle, live.keys.snapshot().len(), findings);
            }
            states(&live.keys.snapshot(), findings);
            match live.access_keys.snapshot().len() {
                0 => findings.warn("access keys", "there is none: every request is refused"),
                count => findings.ok("access keys", format!("{count} in all")),
            }
        }
    }
}

fn report(cycle: &CycleReport, tenants: usize, findings: &mut Findings) {
    if !cycle.is_complete {
        return findings.fail("keys", format!("the {} could not be asked to the end", cycle.source));
    }
    for (tenant, reason) in cycle.failing.iter().take(FAILING_NAMED_MAX) {
        findings.fail("keys", format!("tenant {tenant}: {reason}"));
    }
    if cycle.without == 0 {
        let whose = match (cycle.source, tenants) {
            ("configuration", 0) => "one key for all tenants".to_owned(),
            _ => format!("{tenants} tenants have keys of their own"),
        };
        findings.ok("keys", whose);
    } else {
        findings.fail("keys", format!("{} tenants have no key, {tenants} have", cycle.without));
    }
}

/// Names the tenants whose uploads fail because of the state of their key.
fn states(ring: &KeyRing, findings: &mut Findings) {
    let mut not_sealing = ring.statuses().filter(|tenant| !tenant.state.is_active());
    for tenant in not_sealing.by_ref().take(FAILING_NAMED_MAX) {
        let (key, state) = (tenant.sealing, tenant.state);
        findings.fail("keys", format!("tenant {}: key {key} is {state} and seals nothing", tenant.tenant));
    }
    match not_sealing.count() {
        0 => {}
        more => findings.fail("keys", format!("{more} more tenants have keys that seal nothing")),
    }
}

async fn kms(config: &kmip::Config, findings: &mut Findings) {
    let client = match kmip::Client::new(config) {
        Ok(client) => client,
        Err(error) => return findings.fail("kms", format!("crypto.kms_config: {}", causes(&error))),
    };
    for kmip::Probe { address, outcome } in client.probe().await {
        match outcome {
            Err(error) => findings.fail("kms", format!("{address}: {}", causes(&error))),
            Ok(answering) => {
                findings.ok("kms", format!("{address} answers over {} as KMIP 1.4", answering.tls));
                if let Some(end) = first_end(&answering.certificates) {
                    certificates::ends(&format!("of the kms at {address}"), end, findings);
                }
                findings.clock("kms", answering.clock);
            }
        }
    }
    if !client.verifies_server() {
        findings
            .warn("kms", "its certificate is not verified (insecure_skip_verify): whoever answers can give out keys");
    }
}

async fn ask_coordinator(settings: &CoordinatorSettings, findings: &mut Findings) {
    let client = match coordinator::Client::new(settings) {
        Ok(client) => client,
        Err(error) => return findings.fail("coordinator", causes(&error)),
    };
    match client.probe().await {
        Err(error) => findings.fail("coordinator", format!("{}: {}", settings.url, causes(&error))),
        Ok(answering) => {
            findings.ok("coordinator", format!("{} answers, at revision {}", settings.url, answering.revision));
            findings.clock("coordinator", answering.clock);
        }
    }
}

const KEYS_TIMEOUT: Duration = Duration::from_mins(5);
const FAILING_NAMED_MAX: usize = 10;
