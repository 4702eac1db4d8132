//! Following the configuration while serving: a change of the files, or SIGHUP, puts a new one in force.
//!
//! Keys, tenants and access keys come first; then every [`Follower`] gets the configuration. What cannot change while
//! serving is told by the watcher, by name. A configuration with a mistake changes nothing.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::keys::LiveKeys;
use crate::config::watch::Watcher;
use crate::config::{Config, Loaded};

/// Takes over its part of a new configuration; the text is all of it, secrets masked.
pub(super) type Follower = Box<dyn Fn(&Config, &str) + Send + Sync>;

/// The configuration that is followed, and what follows it.
pub(super) struct Reload {
    watcher: Watcher,
    keys: LiveKeys,
    followers: Vec<Follower>,
    /// heard from the beginning: until then SIGHUP ends the process
    hangups: Option<Signal>,
}

impl Reload {
    /// Follows what the watcher tells of.
    pub(super) fn new(watcher: Watcher, keys: LiveKeys, followers: Vec<Follower>) -> Self {
        let hangups = match signal(SignalKind::hangup()) {
            Ok(hangups) => Some(hangups),
            Err(error) => {
                tracing::warn!(%error, "SIGHUP is not heard; the files are watched all the same");
                None
            }
        };
        Self { watcher, keys, followers, hangups }
    }

    /// Follows until it is dropped.
    pub(super) async fn run(mut self) {
        loop {
            let heard = async {
                match &mut self.hangups {
                    Some(hangups) => hangups.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                loaded = self.watcher.changed() => self.apply(loaded).await,
                _ = heard => {
                    tracing::info!("SIGHUP: reading the configuration and asking for keys again");
                    match self.watcher.look().await {
                        Some(loaded) => self.apply(loaded).await,
                        None => self.keys.refresh().await,
                    }
                }
            }
        }
    }

    async fn apply(&self, loaded: Loaded) {
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let mut config = loaded.config;
        self.keys.reload(&mut config).await;
        self.followers.iter().for_each(|follow| follow(&config, &loaded.effective));
        tracing::info!("the new configuration is in force");
    }
}
