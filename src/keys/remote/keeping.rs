//! Keeping what was told over a restart: the [snapshot] is written after cycles and read once.
//!
//! After a restart the list is read anew as soon as the Coordinator can be asked; until then what was kept is in force.
//! How far the Coordinator was followed is kept too, so that it cannot go back over a restart either.

use std::sync::Arc;
use std::time::SystemTime;

use super::{Known, RemoteKeys};
use crate::keys::cycle::causes;
use crate::keys::remote::Noted;
use crate::keys::ring::KeyRing;
use crate::keys::ring::build::RingBuilder;
use crate::keys::settings::unix_seconds;
use crate::keys::snapshot::{self, Kept};

/// How the writing goes.
#[derive(Default)]
pub(super) struct Keeping {
    /// not again before this moment
    pub(super) not_before: Option<SystemTime>,
    has_failed: bool,
}

impl RemoteKeys {
    /// Puts in force what an earlier run kept, and gives its keys; none if nothing was kept, or nothing of use.
    #[must_use]
    pub fn restore(&self) -> Option<KeyRing> {
        let settings = self.settings.load_full();
        let snapshot = settings.snapshot.as_ref()?;
        let file = snapshot.file.display();
        let now = self.clock.now();
        let kept = match snapshot::read(snapshot, &settings.coordinator.url, &settings.fragments, now) {
            Ok(Some(kept)) => kept,
            Ok(None) => {
                tracing::info!(%file, "there is no key snapshot yet");
                return None;
            }
            Err(error) => {
                tracing::warn!(%file, error = causes(&error), "the key snapshot is not used");
                return None;
            }
        };
        let Kept { position, told_at, ring, access_keys, noted } = kept;
        let ring = without_unbound(ring, &noted);
        let age_seconds = u64::from(unix_seconds(now)).saturating_sub(told_at);
        tracing::info!(%file, tenants = ring.len(), age_seconds, "serving with the key snapshot until keys are told anew");
        self.access_keys.tell(access_keys);
        *self.known() = Known { position: Some(position), must_list: true, told_at, noted, ..Known::default() };
        Some(ring)
    }

    /// Writes what is in force now, unless the last time was a moment ago or took long: writing takes at most a
    /// twentieth of the time.
    pub(super) async fn keep(&self, ring: &KeyRing) {
        let settings = self.settings.load_full();
        let (Some(_), Some(kept)) = (&settings.snapshot, self.to_keep(ring)) else { return };
        let began = self.clock.now();
        if self.keeping().not_before.is_some_and(|moment| began < moment) {
            return;
        }
        let writing = tokio::task::spawn_blocking(move || {
            let Some(snapshot) = &settings.snapshot else { return Ok(()) };
            let (coordinator, fragments) = (&settings.coordinator.url, &settings.fragments);
            snapshot::write(snapshot, coordinator, &kept, fragments).map_err(|error| (snapshot.file.clone(), error))
        });
        let Ok(written) = writing.await else { return };
        let ended = self.clock.now();
        let mut keeping = self.keeping();
        keeping.not_before = Some(ended + ended.duration_since(began).unwrap_or_default() * PAUSE_PER_WRITE);
        match written {
            Ok(()) => keeping.has_failed = false,
            Err((file, error)) => {
                if !keeping.has_failed {
                    tracing::warn!(file = %file.display(), error = causes(&error), "the key snapshot is not written");
                }
                keeping.has_failed = true;
            }
        }
    }

    /// Nothing before the Coordinator's first word.
    fn to_keep(&self, ring: &KeyRing) -> Option<Kept> {
        let known = self.known();
        let position = known.position.clone()?;
        let (told_at, noted) = (known.told_at, known.noted.clone());
        drop(known);
        let access_keys = self.access_keys.told().as_ref().clone();
        Some(Kept { position, told_at, ring: ring.clone(), access_keys, noted })
    }
}

/// Without the keys that lack a customer fragment which was bound to their tenant before they could be told anew.
fn without_unbound(ring: KeyRing, noted: &Noted) -> KeyRing {
    let private = noted.private.iter().filter_map(|(tenant, fragment)| Some((tenant, fragment.as_ref()?)));
    let ring = Arc::new(ring);
    let mut builder = RingBuilder::new(Arc::clone(&ring), usize::MAX);
    builder.incomplete();
    builder.keep_age();
    private.chain(&noted.fragmented).for_each(|(tenant, fragment)| builder.bound(tenant, fragment));
    builder.finish(&ring).ring
}

const PAUSE_PER_WRITE: u32 = 20;
