//! [`Cycle`]: one refresh under way. A source tells it of tenants; it derives, compares, logs and counts.
//!
//! Whatever cannot be had keeps its last good value, and that never expires by itself. Failures are logged for the
//! first ten tenants of a cycle and then in one line, because a KMS that is out fails for all of them.

use std::fmt;
use std::sync::Arc;

use super::fragment::Fragments;
use super::ring::build::{Built, Restated, RingBuilder, Surprise};
use super::ring::usage::KeyUse;
use super::ring::{KeyRing, KeyState, SourceKind};
use super::seeds::KeySet;
use super::source::KeyError;
use crate::tenant::TenantId;

/// One refresh under way.
pub struct Cycle {
    builder: RingBuilder,
    rules: CycleRules,
    report: CycleReport,
    extent: Extent,
}

/// What holds for every cycle.
#[derive(Clone, Copy, Debug, Default)]
pub struct CycleRules {
    /// how many keys that no source names any more stay per tenant
    pub retired_keys_max: usize,
    /// whether a definite "no such key" takes a tenant's keys away
    pub revoke_missing: bool,
    /// what keys may be used for
    pub usage: KeyUse,
}

/// What a cycle came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CycleReport {
    /// the source's name
    pub source: &'static str,
    /// when it began, Unix seconds
    pub began_at: u32,
    /// whether the source told of all tenants
    pub is_complete: bool,
    /// tenants whose keys were confirmed
    pub fresh: u64,
    /// tenants that go on with their last good keys
    pub last_good: u64,
    /// tenants that have no key at all
    pub without: u64,
    /// tenants whose keys were taken away
    pub revoked: u64,
    /// seeds that changed unannounced
    pub surprises: u64,
    /// the first tenants whose keys could not be had, each with the reason
    pub failing: Vec<(TenantId, String)>,
}

/// What a cycle asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// every tenant
    All,
    /// what the source has heard of since the last cycle
    News,
}

impl Cycle {
    /// Starts from the ring in force. `now` is Unix seconds.
    #[must_use]
    pub fn new(last: Arc<KeyRing>, source: &'static str, rules: CycleRules, now: u32) -> Self {
        let report = CycleReport {
            source,
            began_at: now,
            is_complete: true,
            fresh: 0,
            last_good: 0,
            without: 0,
            revoked: 0,
            surprises: 0,
            failing: Vec::new(),
        };
        let builder = RingBuilder::new(last, rules.retired_keys_max).begun_at(now).used_by(rules.usage);
        Self { builder, rules, report, extent: Extent::All }
    }

    /// A cycle over what is new: all else stays as it was, and as fresh as it was.
    #[must_use]
    pub fn of_news(last: Arc<KeyRing>, source: &'static str, rules: CycleRules, now: u32) -> Self {
        let mut cycle = Self::new(last, source, rules, now);
        cycle.extent = Extent::News;
        cycle.builder.incomplete();
        cycle.builder.keep_age();
        cycle
    }

    /// What this cycle asks for.
    #[must_use]
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// When it began, Unix seconds.
    #[must_use]
    pub fn began_at(&self) -> u32 {
        self.report.began_at
    }

    /// A tenant has these seeds. Keys that it has already are not derived again.
    pub fn found(&mut self, tenant: &TenantId, seeds: &KeySet, fragments: &Fragments, source: SourceKind) {
        self.found_bound(tenant, seeds, seeds.fragment_id(), fragments, source);
    }

    /// A tenant has these seeds, joined with this customer fragment.
    pub fn found_bound(
        &mut self,
        tenant: &TenantId,
        seeds: &KeySet,
        fragment: Option<&str>,
        fragments: &Fragments,
        source: SourceKind,
    ) {
        self.bound(tenant, fragment);
        match seeds.derive_anew(self.builder.last_good(tenant), tenant.as_str(), fragment, fragments) {
            Ok(keys) => {
                self.report.fresh += 1;
                self.builder.found(tenant, keys, source, self.report.began_at);
            }
            Err(missing) => {
                self.builder.withhold(tenant);
                self.failed(tenant, &missing.into());
            }
        }
    }

    /// One seed serves all tenants.
    pub fn found_for_all(&mut self, seeds: &KeySet) {
        // one key for all cannot be any one customer's, so no fragment is joined to it
        if let Ok(keys) = seeds.derive_anew(self.builder.last_for_all(), "", None, &Fragments::default()) {
            self.report.fresh += 1;
            self.builder.found_for_all(keys);
        }
    }

    /// This tenant's keys serve those that have none.
    pub fn default_key(&mut self, tenant: TenantId) {
        self.builder.default_key(tenant);
    }

    /// The default key must never serve this tenant.
    pub fn private(&mut self, tenant: &TenantId) {
        self.builder.withhold(tenant);
    }

    /// The tenant's keys are made with this customer fragment: it keeps none that are not.
    pub fn bound(&mut self, tenant: &TenantId, fragment: Option<&str>) {
        if let Some(fragment) = fragment {
            self.builder.bound(tenant, fragment);
        }
    }

    /// Nothing is new.
    pub fn unchanged(&mut self) {
        self.builder.incomplete();
    }

    /// The Coordinator says that whatever it told before still holds.
    pub fn confirmed(&mut self) {
        self.builder.incomplete();
        self.builder.confirmed();
    }

    /// The source has told of every tenant there is.
    pub fn whole(&mut self) {
        self.builder.whole();
    }

    /// A tenant is gone.
    pub fn gone(&mut self, tenant: &TenantId) {
        self.builder.forget(tenant);
    }

    /// A tenant's keys could not be had.
    pub fn failed(&mut self, tenant: &TenantId, error: &KeyError) {
        let had_keys = self.builder.keeps(tenant);
        let told = self.report.last_good + self.report.without + self.report.revoked;
        let chain = Chain(error);
        if told < FAILURES_NAMED_MAX {
            tracing::warn!(error = %chain, "periodical update: failed to get key for tenant {tenant}");
        }
        if self.report.failing.len() < FAILING_KEPT_MAX {
            self.report.failing.push((tenant.clone(), chain.to_string()));
        }
        if !had_keys {
            self.report.without += 1;
        } else if self.rules.revoke_missing && error.is_definite() {
            tracing::error!("the key of tenant {tenant} was revoked: its objects can no longer be opened here");
            self.report.revoked += 1;
            self.builder.forget(tenant);
        } else {
            self.report.last_good += 1;
            if let Some(state) = error.state() {
                self.builder.restate(tenant, state);
            }
        }
    }

    /// The source could not be asked to the end.
    pub(super) fn aborted(&mut self, error: &KeyError) {
        let error = Chain(error);
        tracing::warn!(%error, "periodical update: keys stay as they were");
        self.report.is_complete = false;
        self.builder.incomplete();
    }

    /// The new ring over the one in force, and what is to be told. A large ring takes long to build, so that is not done
    /// on a thread that serves.
    pub(super) async fn finish(self, live: Arc<KeyRing>) -> (Arc<KeyRing>, CycleReport) {
        let Self { builder, mut report, .. } = self;
        let failures = report.last_good + report.without + report.revoked;
        if failures > FAILURES_NAMED_MAX {
            tracing::warn!("periodical update: failed to get keys for {failures} tenants in all");
        }
        let last = Arc::clone(&live);
        let Ok(Built { ring, surprises, surprises_count, restated }) =
            tokio::task::spawn_blocking(move || builder.finish(&last)).await
        else {
            tracing::error!("periodical update: no new ring came of it; keys stay as they were");
            report.is_complete = false;
            return (live, report);
        };
        for Surprise { tenant, before, now } in surprises {
            let tenant = tenant.map_or_else(|| "(all)".to_owned(), |tenant| tenant.to_string());
            tracing::warn!(
                tenant,
                %before,
                %now,
                "the seed changed without a new version: sealing under the new key, the old one opens still"
            );
        }
        report.surprises = surprises_count;
        restated.iter().for_each(tell_state);
        (Arc::new(ring), report)
    }
}

impl fmt::Debug for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}

/// Tells of a key whose state changed, once per change.
pub(super) fn tell_state(Restated { tenant, key, state }: &Restated) {
    match state {
        KeyState::Active => tracing::info!(%tenant, %key, "the key is active: it may seal and open"),
        KeyState::PreActive => {
            tracing::warn!(%tenant, %key, "the key is pre-active: it seals nothing; activate it at its source");
        }
        KeyState::Deactivated | KeyState::Compromised | KeyState::Unknown => {
            tracing::warn!(%tenant, %key, %state, "the key is not active: it opens what it sealed and seals nothing");
        }
    }
}

/// An error with its causes, in one line.
pub(super) struct Chain<'a>(pub(super) &'a KeyError);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&causes(self.0))
    }
}

/// An error with its causes, in one line.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

const FAILURES_NAMED_MAX: u64 = 10;
/// So many failing tenants are remembered until the next cycle.
const FAILING_KEPT_MAX: usize = 100;
