//! [`Watcher`]: tells of a new configuration when the files change.
//!
//! The *folders* are watched, because Kubernetes replaces a mounted file by renaming the `..data` link beside it. A change
//! of a file that is read, or of a link on the way to it, is a hint to read again; what counts is whether the content
//! differs. What else lies in these folders, such as the log, is nothing to look at: one line would cause the next. The
//! files are also read now and then without a hint, for file systems that give none. A configuration with a mistake is
//! warned of once and counted, and the last good one stays.

mod names;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use self::names::{Names, is_hint};
use super::{Digest, Fixed, Loaded, Paths};

/// Waits for the configuration to change.
pub struct Watcher {
    paths: Paths,
    environment: OwnedEnvironment,
    poll_period: Duration,
    /// the content that was last looked at, good or bad
    seen: Digest,
    files: Vec<PathBuf>,
    running: Fixed,
    counts: Arc<ReloadCounts>,
    hints: mpsc::Receiver<()>,
    /// sends the hints; also when nothing is watched, so that the channel stays open
    hint: mpsc::Sender<()>,
    folders: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    /// whose changes are hints
    names: Arc<ArcSwap<Names>>,
}

/// Reads an environment variable, for as long as the watcher lives.
pub type OwnedEnvironment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// How reloads went, for metrics.
#[derive(Debug, Default)]
pub struct ReloadCounts {
    reloaded: AtomicU64,
    refused: AtomicU64,
    waiting: ArcSwap<Vec<&'static str>>,
}

impl ReloadCounts {
    /// Configurations that replaced the one before.
    #[must_use]
    pub fn reloaded(&self) -> u64 {
        self.reloaded.load(Ordering::Relaxed)
    }

    /// What changed in the files but counts after a restart only.
    #[must_use]
    pub fn restart_needed(&self) -> Arc<Vec<&'static str>> {
        self.waiting.load_full()
    }

    /// Configurations with a mistake.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Watcher {
    /// Watches the files of a configuration that is in force.
    #[must_use]
    pub fn new(paths: Paths, environment: OwnedEnvironment, in_force: &Loaded) -> Self {
        let mut watcher = Self::polling(paths, environment, in_force, POLL_PERIOD);
        let (hint, names) = (watcher.hint.clone(), Arc::clone(&watcher.names));
        // nothing is logged here, and a full channel holds a hint already
        let tell = move |event| {
            if is_hint(&event, &names.load()) {
                let _full = hint.try_send(());
            }
        };
        match notify::recommended_watcher(tell) {
            Ok(folders) => watcher.folders = Some(folders),
            Err(error) => tracing::warn!(%error, "configuration files are read every 30 s, but not watched"),
        }
        watcher.watch_folders();
        watcher
    }

    /// How reloads went.
    #[must_use]
    pub fn counts(&self) -> Arc<ReloadCounts> {
        Arc::clone(&self.counts)
    }

    /// Returns the next configuration without a mistake. May be dropped and called again.
    pub async fn changed(&mut self) -> Loaded {
        loop {
            tokio::select! {
                _ = self.hints.recv() => tokio::time::sleep(SETTLE_PERIOD).await,
                () = tokio::time::sleep(self.poll_period) => {}
            }
            if let Some(loaded) = self.look().await {
                return loaded;
            }
        }
    }

    fn polling(paths: Paths, environment: OwnedEnvironment, in_force: &Loaded, poll_period: Duration) -> Self {
        let (hint, hints) = mpsc::channel(1);
        Self {
            paths,
            environment,
            poll_period,
            seen: in_force.digest,
            files: in_force.files.clone(),
            running: in_force.config.fixed(),
            counts: Arc::default(),
            hints,
            hint,
            folders: None,
            watched: BTreeSet::new(),
            names: Arc::default(),
        }
    }

    /// Reads the files now; a configuration if it differs from what was seen last and has no mistake.
    pub async fn look(&mut self) -> Option<Loaded> {
        let (paths, environment) = (self.paths.clone(), Arc::clone(&self.environment));
        let (names, files) = (Arc::clone(&self.names), self.files.clone());
        let reading = tokio::task::spawn_blocking(move || {
            // before the files, so that a link that changes meanwhile is a hint again
            names.store(Arc::new(names::of(&paths, &files)));
            super::look(&paths, &*environment)
        });
        let (digest, loaded) = reading.await.ok()?;
        if digest == self.seen {
            return None;
        }
        self.seen = digest;
        match loaded {
            Err(error) => self.refuse(&error),
            Ok(loaded) => match self.files.iter().find(|file| !loaded.files.contains(file) && self.is_ours(file)) {
                Some(gone) => self.refuse(&format_args!("{} is gone", gone.display())),
                None => return Some(self.accept(loaded)),
            },
        }
        None
    }

    fn refuse(&self, why: &dyn std::fmt::Display) {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        tracing::warn!("the configuration stays as it was: {why}");
    }

    fn accept(&mut self, loaded: Loaded) -> Loaded {
        self.counts.reloaded.fetch_add(1, Ordering::Relaxed);
        tracing::info!("the configuration changed");
        let waiting = self.running.changes(&loaded.config.fixed());
        for part in &waiting {
            tracing::warn!("`{part}` changed; it counts after a restart");
        }
        self.counts.waiting.store(Arc::new(waiting));
        self.files.clone_from(&loaded.files);
        self.watch_folders();
        loaded
    }

    /// The two configuration files; one that vanishes is a mistake rather than an empty configuration.
    fn is_ours(&self, file: &Path) -> bool {
        file == self.paths.config.path || file == self.paths.secret.path
    }

    /// Watches the folder of every file; one that cannot be watched is polled only.
    fn watch_folders(&mut self) {
        let Some(watcher) = &mut self.folders else { return };
        let ours = [&self.paths.config.path, &self.paths.secret.path];
        self.names.store(Arc::new(names::of(&self.paths, &self.files)));
        for file in ours.into_iter().chain(&self.files) {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if !self.watched.contains(folder) && watcher.watch(folder, RecursiveMode::NonRecursive).is_ok() {
                self.watched.insert(folder.to_owned());
            }
        }
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").field("watched", &self.watched).field("counts", &self.counts).finish_non_exhaustive()
    }
}

const POLL_PERIOD: Duration = Duration::from_secs(30);
/// Editors and copies write in several steps; the first event comes before the last byte.
const SETTLE_PERIOD: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
