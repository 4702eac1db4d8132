//! Keys while serving: the source that the configuration asks for, the ring that it fills, and who may sign.
//!
//! ```text
//! configuration ─→ source ─cycle→ ring, access keys ─snapshot→ request
//!      └─ reload: settings of the source, then a cycle ─↗
//! ```

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use crate::config::Config;
use crate::keys::Keys;
use crate::keys::access::{AccessKeys, LiveAccessKeys};
use crate::keys::configured::ConfiguredKeys;
use crate::keys::first_start::Generated;
use crate::keys::fragment::Fragments;
use crate::keys::refresh::{Refresher, SystemClock};
use crate::keys::remote::{RemoteKeys, Teller};
use crate::keys::ring::KeyRing;
use crate::keys::settings::KeySettings;
use crate::keys::source::KeySource;

/// Everything that has to do with keys, in force.
#[derive(Clone)]
pub(super) struct LiveKeys {
    pub(super) keys: Arc<Keys>,
    pub(super) access_keys: Arc<LiveAccessKeys>,
    source: Source,
    refresher: Arc<Refresher>,
}

#[derive(Clone)]
enum Source {
    Configured(Arc<ConfiguredKeys>),
    Remote(Arc<RemoteKeys>),
}

impl Source {
    fn as_dyn(&self) -> Arc<dyn KeySource> {
        match self {
            Self::Configured(configured) => Arc::clone(configured) as _,
            Self::Remote(remote) => Arc::clone(remote) as _,
        }
    }

    /// What an earlier run kept.
    fn restore(&self) -> Option<KeyRing> {
        match self {
            Self::Configured(_) => None,
            Self::Remote(remote) => remote.restore(),
        }
    }

    /// Takes over settings of the same mode; whether it could.
    fn replace(&self, settings: KeySettings) -> bool {
        let replaced = match (self, settings) {
            (Self::Remote(remote), KeySettings::RemoteMultiKeys(settings)) => remote.replace(*settings),
            (Self::Remote(_), _) => return false,
            (Self::Configured(configured), settings) => return configured.replace(settings).is_ok(),
        };
        match replaced {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "keys are asked for as before");
                false
            }
        }
    }
}

impl LiveKeys {
    /// Takes the settings out of the configuration and asks the source for the first time.
    pub(super) async fn start(config: &mut Config, generated: Option<&Generated>) -> anyhow::Result<Self> {
        let mut access_keys = match (config.access_keys.take(), generated) {
            (Some(keys), _) => keys,
            (None, Some(generated)) => AccessKeys::new([generated.access_key()])?,
            // the Coordinator tells of them
            (None, None) => AccessKeys::default(),
        };
        access_keys.reserve(config.backend.access_key_ids());
        access_keys.reserve_bucket(config.backend.staging_bucket.clone());
        let access_keys = Arc::new(LiveAccessKeys::new(access_keys));
        let settings = std::mem::replace(&mut config.keys, KeySettings::Generated);
        let (rules, period) = (settings.rules(), settings.period());
        tell_fragments(&settings);
        let source = match settings {
            KeySettings::RemoteMultiKeys(settings) => {
                tracing::info!(
                    "keys of private tenants lie in the kms: what it loses nobody can open; have a backup of it"
                );
                Source::Remote(Arc::new(RemoteKeys::new(*settings, Arc::clone(&access_keys), Arc::new(SystemClock))?))
            }
            settings @ (KeySettings::Generated | KeySettings::SingleKey { .. } | KeySettings::LocalMultiKeys(_)) => {
                Source::Configured(Arc::new(ConfiguredKeys::new(settings, generated).context("no key to start with")?))
            }
        };
        let keys = Keys::of(source.as_dyn(), Arc::new(SystemClock));
        let kept = source.restore();
        let is_restored = kept.is_some();
        let keys = Arc::new(match kept {
            Some(ring) => keys.beginning_with(ring.used_by(rules.usage)),
            None => keys,
        });
        let refresher = Refresher::new(Arc::clone(&keys), Arc::new(SystemClock), rules, period.unwrap_or(NEVER));
        let live = Self { keys, access_keys, source, refresher: Arc::new(refresher) };
        if is_restored {
            // who is asked may be out, and there is something to serve with: the first cycle need not be awaited
            live.refresher.wake();
        } else {
            live.refresher.cycle().await;
        }
        Ok(live)
    }

    /// The Coordinator and the KMS, if they are what is asked.
    pub(super) fn remote(&self) -> Option<Arc<RemoteKeys>> {
        match &self.source {
            Source::Configured(_) => None,
            Source::Remote(remote) => Some(Arc::clone(remote)),
        }
    }

    /// Whether the source told of tenants, if only of none, or an earlier run did.
    pub(super) fn are_told(&self) -> bool {
        match &self.source {
            Source::Configured(_) => true,
            Source::Remote(remote) => remote.position().is_some() || !self.keys.snapshot().is_empty(),
        }
    }

    /// Keeps the keys fresh until it is dropped.
    pub(super) async fn run(self) {
        self.refresher.run().await;
    }

    /// Tells the Coordinator of this gateway until it is dropped; at once over if there is none.
    pub(super) async fn tell_of(self, teller: Teller) {
        if let Source::Remote(remote) = &self.source {
            remote.tell_of(&teller, &self.keys).await;
        }
    }

    /// Whether keys are asked for again and again.
    pub(super) fn is_periodic(&self) -> bool {
        match &self.source {
            Source::Configured(configured) => configured.is_periodic(),
            Source::Remote(_) => true,
        }
    }

    /// Takes over the settings of a new configuration and has the source asked again. Requests under way keep what they
    /// began with.
    pub(super) async fn reload(&self, config: &mut Config) {
        let settings = std::mem::replace(&mut config.keys, KeySettings::Generated);
        let (rules, period) = (settings.rules(), settings.period());
        tell_fragments(&settings);
        // a mode that changed counts after a restart, and so do the keys that belong to it
        if self.source.replace(settings) {
            self.refresher.set_rules(rules);
            self.refresher.set_period(period.unwrap_or(NEVER));
            self.refresh().await;
        }
        if let Some(access_keys) = config.access_keys.take() {
            self.access_keys.replace(access_keys);
        }
    }

    /// Has the source asked again: at once, or by the loop that does so anyway.
    pub(super) async fn refresh(&self) {
        if self.is_periodic() {
            self.refresher.wake();
        } else {
            self.refresher.cycle().await;
        }
    }
}

/// Names the customer fragments with their fingerprints, so that copies can be compared; the values are never shown.
fn tell_fragments(settings: &KeySettings) {
    let held = settings.fragments().into_iter().flat_map(Fragments::iter).take(FRAGMENTS_TOLD_MAX);
    let held: Vec<_> = held.map(|fragment| format!("{} ({})", fragment.id(), fragment.fingerprint())).collect();
    if !held.is_empty() {
        tracing::info!(fragments = held.join(", "), "customer fragments, by id and fingerprint");
    }
}

const FRAGMENTS_TOLD_MAX: usize = 100;
/// A single key changes with the configuration alone.
const NEVER: Duration = Duration::from_hours(24 * 365 * 100);
