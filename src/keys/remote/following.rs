//! Following the Coordinator: its list first, then what changed since; never back.
//!
//! Between cycles a request waits at the Coordinator for news (long poll). While it cannot be asked, the wait doubles
//! from one second to one minute, varied by half, so that replicas do not return together. The list is read again
//! after 410 Gone, after another epoch, and after a restart over a snapshot. Changes are put in force some thousand at a
//! time and a list is told page by page, so that neither is ever held as a whole.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::telling::Telling;
use super::{Known, Position, RemoteKeys, RemoteSettings};
use crate::keys::coordinator::{CoordinatorError, Page};
use crate::keys::cycle::{Cycle, Extent};
use crate::keys::kmip::PrivateTenant;
use crate::keys::settings::unix_seconds;

impl RemoteKeys {
    /// Tells the cycle what the Coordinator says, and puts its access keys in force; gives the private tenants that it
    /// told of.
    pub(super) async fn follow(
        &self,
        cycle: &mut Cycle,
        settings: &RemoteSettings,
    ) -> Result<Vec<PrivateTenant>, CoordinatorError> {
        if let Some(client) = self.client.load().renewed()? {
            tracing::info!("the coordinator's TLS files changed");
            self.client.store(client.into());
        }
        let position = match &*self.known() {
            Known { must_list: true, .. } => None,
            known => known.position.clone(),
        };
        let followed = match position {
            None => self.list(cycle, settings).await,
            Some(position) => match self.changes(cycle, settings, position).await {
                Err(CoordinatorError::Gone) => {
                    tracing::info!("the coordinator cannot tell what changed; reading its list again");
                    self.list(cycle, settings).await
                }
                followed => followed,
            },
        }?;
        self.failures.store(0, Ordering::Relaxed);
        self.known().told_at = unix_seconds(self.clock.now()).into();
        Ok(followed)
    }

    async fn list(&self, cycle: &mut Cycle, settings: &RemoteSettings) -> Result<Vec<PrivateTenant>, CoordinatorError> {
        self.waiting().take();
        let before = self.known().position.clone();
        let client = self.client.load_full();
        let mut page = client.list(None).await?;
        let position = Position { epoch: page.epoch.clone(), revision: page.revision };
        never_back(before.as_ref(), &position)?;
        let mut telling = Telling::of_list(cycle, settings);
        let mut last_cursor = None;
        for pages in 1.. {
            let cursor = page.next_cursor.take();
            telling.page(page);
            let Some(cursor) = cursor else { break };
            if pages >= LIST_PAGES_MAX || last_cursor.replace(cursor.clone()).as_ref() == Some(&cursor) {
                return Err(CoordinatorError::Shape("a list without an end".to_owned()));
            }
            tokio::task::yield_now().await;
            page = client.list(Some(&cursor)).await?;
            if (page.epoch.as_str(), page.revision) != (position.epoch.as_str(), position.revision) {
                return Err(CoordinatorError::Moved);
            }
        }
        let noted_before = self.known().noted.clone();
        let (told, access_keys, noted) = telling.finish_list(&self.access_keys.told(), &noted_before);
        self.access_keys.tell(access_keys);
        tracing::info!(epoch = position.epoch, revision = position.revision, "read the coordinator's list");
        // the list told all anew, those with other fragments among them
        *self.known() = Known { position: Some(position), noted, ..Known::default() };
        Ok(told)
    }

    async fn changes(
        &self,
        cycle: &mut Cycle,
        settings: &RemoteSettings,
        mut position: Position,
    ) -> Result<Vec<PrivateTenant>, CoordinatorError> {
        let client = self.client.load_full();
        let mut telling = Telling::of_changes(&self.access_keys.told());
        let mut page = self.waiting().take();
        let has_more = loop {
            let next = match page.take() {
                Some(page) => Some(page),
                None => client.changes(&position.epoch, position.revision, None).await?,
            };
            let Some(next) = next else { break false };
            let told = follows(&position, &next)?;
            let has_more = next.more;
            if has_more && told.revision == position.revision {
                return Err(CoordinatorError::Shape("changes that come to no end".to_owned()));
            }
            position = told;
            telling.collect(cycle, next);
            if !has_more || telling.len() >= CHANGES_MAX {
                break has_more;
            }
        };
        if has_more {
            cycle.unchanged();
        } else {
            cycle.confirmed();
        }
        let (told, access_keys) = telling.finish_changes(cycle, settings, &mut self.known().noted);
        self.access_keys.tell(access_keys);
        self.known().position = Some(position);
        Ok(told)
    }

    /// Returns when there is something new to be told.
    pub(super) async fn news(&self) -> Extent {
        loop {
            if self.waiting().is_some() {
                return Extent::News;
            }
            let position = match &*self.known() {
                Known { must_list: true, .. } => None,
                known => known.position.clone(),
            };
            let Some(position) = position else {
                self.clock.sleep(backoff(self.failures.load(Ordering::Relaxed))).await;
                return Extent::All;
            };
            let client = self.client.load_full();
            match client.changes(&position.epoch, position.revision, Some(POLL_WAIT)).await {
                Ok(None) => self.failures.store(0, Ordering::Relaxed),
                Ok(Some(page)) => {
                    *self.waiting() = Some(page);
                    return Extent::News;
                }
                Err(CoordinatorError::Gone) => {
                    self.known().must_list = true;
                    return Extent::All;
                }
                Err(error) => {
                    let failures = self.failures.fetch_add(1, Ordering::Relaxed);
                    if failures == 0 {
                        let error = crate::keys::cycle::causes(&error);
                        tracing::warn!(%error, "the coordinator cannot be asked for news; trying again");
                    }
                    self.clock.sleep(backoff(failures)).await;
                }
            }
        }
    }
}

/// Where a page of changes leads to.
fn follows(position: &Position, page: &Page) -> Result<Position, CoordinatorError> {
    if page.epoch != position.epoch {
        return Err(CoordinatorError::Gone);
    }
    let next = Position { epoch: page.epoch.clone(), revision: page.revision };
    never_back(Some(position), &next)?;
    Ok(next)
}

/// A revision of one epoch only grows: an old copy of the database must not bring back what was changed.
fn never_back(known: Option<&Position>, told: &Position) -> Result<(), CoordinatorError> {
    match known {
        Some(known) if known.epoch == told.epoch && told.revision < known.revision => {
            Err(CoordinatorError::WentBack { known: known.revision, told: told.revision })
        }
        Some(known) if known.epoch != told.epoch => {
            tracing::warn!(before = known.epoch, now = told.epoch, "the coordinator has another epoch");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The wait after so many failures in a row: from half of it to all of it.
fn backoff(failures: u32) -> Duration {
    let longest = (BACKOFF_MIN * 2u32.saturating_pow(failures.min(10))).min(BACKOFF_MAX);
    let mut random = [0; 4];
    // without randomness replicas may return together, which is no reason not to
    if getrandom::fill(&mut random).is_err() {
        return longest;
    }
    longest.mul_f64(0.5 + f64::from(u32::from_be_bytes(random)) / f64::from(u32::MAX) / 2.0)
}

/// So many changes are put in force together; the rest follows in a cycle of its own.
const CHANGES_MAX: usize = 10_000;
/// How long the Coordinator may hold a poll.
const POLL_WAIT: Duration = Duration::from_secs(55);
const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_mins(1);
/// Of 2,000 tenants each.
const LIST_PAGES_MAX: u32 = 10_000;
