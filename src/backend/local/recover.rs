//! Opens a store: one process at a time, a known format, no leftovers.
//!
//! ```text
//! lock          held while the store is open
//! index         the index; its row `format` says which format this is
//! blobs/        bodies, see `files`
//! tmp/          bodies on their way; emptied at each start
//! unknown/      bodies that the index does not name, by the time at which they were found
//! ```
//!
//! An index that is missing, empty, or older than the newest body is not the index of these bodies: the store does not
//! open. [`set_aside`] moves index and bodies away, for who wants to begin anew.
//!
//! A file that was placed before its transaction was lost, or whose removal was, has a number of an earlier epoch and
//! no row in the index. A thread looks for such files after the start, a folder at a time. It moves them to `unknown`,
//! since an older copy of the index looks the same, and removes them [`UNKNOWN_KEPT`] later.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use redb::{Database, ReadableTable};

use super::files::{self, BLOBS, BlobFiles};
use super::ids::{self, BlobId, IdSource};
use super::pins::Pins;
use super::tables::{META, Snapshot, Tables};
use crate::backend::BackendError;

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// another process has it open
    #[error("the store in {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// a file or folder cannot be used
    #[error("cannot use {}", path.display())]
    Io {
        /// the file or folder
        path: PathBuf,
        /// why
        source: io::Error,
    },
    /// the index cannot be opened
    #[error("cannot open the index in {}", path.display())]
    Index {
        /// the store's folder
        path: PathBuf,
        /// why
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// the store is of another version of this program
    #[error("the store in {} has format {found}, this program knows {FORMAT}", path.display())]
    Format {
        /// the store's folder
        path: PathBuf,
        /// its format
        found: u64,
    },
    /// there are bodies, but no index that names them
    #[error(
        "the store in {place} has bodies but no index, so nobody can tell whose they are; put back a copy of {place}/index, or start once with --new-store, which moves all that is there aside",
        place = .0.display()
    )]
    WithoutIndex(PathBuf),
    /// the index does not name the newest bodies
    #[error(
        "the index in {place} is older than the bodies beside it; put back its newest copy, or start once with --new-store, which moves all that is there aside",
        place = .0.display()
    )]
    OldIndex(PathBuf),
    /// the store was opened more than eight million times
    #[error("the store in {} was opened too often", .0.display())]
    Epochs(PathBuf),
}

/// A store's folder, locked until the file is closed.
pub(super) fn lock(root: &Path) -> Result<File, OpenError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { path, source }
    };
    if !root.is_dir() {
        if let Some(outer) = root.parent().filter(|outer| !outer.as_os_str().is_empty()) {
            std::fs::create_dir_all(outer).map_err(at(outer))?;
        }
        files::make_folder(root).map_err(at(root))?;
    }
    let path = root.join("lock");
    let file = open_private(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(root.to_owned())),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
    }
}

/// The index, and an epoch of its own for this opening.
pub(super) fn open_index(root: &Path) -> Result<(Database, u64), OpenError> {
    let path = root.join("index");
    let io = |source| OpenError::Io { path: root.to_owned(), source };
    let newest = files::newest_number(&root.join(BLOBS)).map_err(io)?;
    let is_empty = std::fs::metadata(&path).map_or(true, |index| index.len() == 0);
    if is_empty && newest.is_some() {
        return Err(OpenError::WithoutIndex(root.to_owned()));
    }
    // redb would create it with the mode of the umask
    let file = open_private(&path).and_then(|file| file.sync_all());
    file.and_then(|()| File::open(root)?.sync_all()).map_err(|source| OpenError::Io { path: path.clone(), source })?;
    let at = |source| OpenError::Index { path: root.to_owned(), source };
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_repair_callback(|repair| {
        tracing::warn!(percent = repair.progress() * 100.0, "the index was not closed cleanly and is checked");
    });
    let index = builder.create(&path).map_err(|e| at(Box::new(e)))?;
    let begun = begin_epoch(&index, newest).map_err(|e| at(Box::new(e)))?;
    if begun.format != FORMAT {
        return Err(OpenError::Format { path: root.to_owned(), found: begun.format });
    }
    if begun.is_old {
        return Err(OpenError::OldIndex(root.to_owned()));
    }
    if begun.epoch > ids::EPOCH_MAX {
        return Err(OpenError::Epochs(root.to_owned()));
    }
    Ok((index, begun.epoch))
}

/// What the index says of itself.
struct Begun {
    format: u64,
    epoch: u64,
    /// there are bodies of this epoch already
    is_old: bool,
}

/// Reads the format and counts the epoch up; changes nothing of an unknown format, nor where the newest body is not of
/// an earlier epoch.
fn begin_epoch(index: &Database, newest_body: Option<u64>) -> crate::backend::Result<Begun> {
    let txn = index.begin_write()?;
    let (format, epoch, is_old);
    {
        let mut meta = txn.open_table(META)?;
        format = meta.get("format")?.map_or(FORMAT, |row| row.value());
        epoch = meta.get("epoch")?.map_or(0, |row| row.value()) + 1;
        is_old = newest_body.is_some_and(|number| number >= ids::first_of_epoch(epoch));
        if format == FORMAT && !is_old {
            meta.insert("format", format)?;
            meta.insert("epoch", epoch)?;
            drop(Tables::open(&txn, &IdSource::new(epoch))?);
        }
    }
    if format == FORMAT && !is_old {
        txn.commit()?;
    } else {
        txn.abort()?;
    }
    Ok(Begun { format, epoch, is_old })
}

/// Moves index and bodies to names that end in the time, so that a new store can begin in the folder.
///
/// # Errors
/// [`OpenError`] if another process has the store open, or the folder cannot be written.
pub(super) fn set_aside(root: &Path) -> Result<(), OpenError> {
    let _lock = lock(root)?;
    for name in ["index", BLOBS] {
        let from = root.join(name);
        if from.exists() {
            let to = root.join(format!("{name}.{}", seconds_now()));
            tracing::warn!(from = %from.display(), to = %to.display(), "moved aside for a new store");
            std::fs::rename(&from, &to).map_err(|source| OpenError::Io { path: from, source })?;
        }
    }
    File::open(root).and_then(|root| root.sync_all()).map_err(|source| OpenError::Io { path: root.to_owned(), source })
}

/// Removes what uploads left that had not ended.
pub(super) fn empty_temporary_folder(files: &BlobFiles) -> Result<(), OpenError> {
    let path = files.temporary_folder();
    let at = |source| OpenError::Io { path: path.to_owned(), source };
    for entry in std::fs::read_dir(path).map_err(at)? {
        files::remove(&entry.map_err(at)?.path());
    }
    Ok(())
}

/// Looks for files of earlier epochs that the index does not know.
pub(super) struct Sweep {
    pub(super) index: Arc<Database>,
    pub(super) files: Arc<BlobFiles>,
    pub(super) pins: Arc<Pins>,
    pub(super) epoch: u64,
    pub(super) stop: Arc<AtomicBool>,
}

impl Sweep {
    /// Looks through all folders; a folder that cannot be read is left for the next start.
    pub(super) fn run(&self) {
        if let Err(error) = self.sweep() {
            tracing::warn!(%error, "unused files could not be looked for");
        }
    }

    fn sweep(&self) -> Result<(), BackendError> {
        self.forget_unknown()?;
        let aside = self.files.unknown_folder().join(seconds_now().to_string());
        let mut moved = 0_u64;
        // what is written now stands in folders of its own
        let now = ids::first_of_epoch(self.epoch);
        for outer in folders(self.files.blobs_folder())?.into_iter().filter(|outer| !files::may_hold_from(outer, now)) {
            for inner in folders(&outer)? {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                match self.sweep_folder(&inner, &aside) {
                    Ok(count) => moved += count,
                    Err(error) => {
                        tracing::warn!(folder = %inner.display(), %error, "unused files could not be looked for");
                    }
                }
            }
            drop(std::fs::remove_dir(&outer));
        }
        if moved > 0 {
            tracing::warn!(
                files = moved,
                folder = %aside.display(),
                "bodies that the index does not name were moved aside: writes that never ended, or the index is an older copy"
            );
        }
        Ok(())
    }

    /// Moves what the index does not name; how many files that were.
    fn sweep_folder(&self, folder: &Path, aside: &Path) -> Result<u64, BackendError> {
        let mut blobs = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unavailable)? {
            let name = entry.map_err(unavailable)?.file_name();
            blobs.extend(name.to_str().and_then(files::number_in));
        }
        if blobs.is_empty() {
            drop(std::fs::remove_dir(folder));
            return Ok(0);
        }
        let table = Snapshot::of(&self.index)?.files()?;
        let mut unknown = Vec::new();
        for number in blobs {
            if table.get(number)?.is_none() {
                unknown.push(BlobId::of_file(number));
            }
        }
        let mut moved = 0;
        for blob in self.pins.unread(unknown) {
            match self.files.move_aside(blob, aside) {
                Ok(()) => moved += 1,
                // its object was deleted a moment ago
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unavailable(error)),
            }
        }
        Ok(moved)
    }

    /// Removes what was moved aside long ago.
    fn forget_unknown(&self) -> Result<(), BackendError> {
        let oldest = seconds_now().saturating_sub(UNKNOWN_KEPT.as_secs());
        let unknown = self.files.unknown_folder();
        if !unknown.exists() {
            return Ok(());
        }
        for folder in folders(unknown)? {
            let name = folder.file_name().and_then(|name| name.to_str());
            if name.and_then(|name| name.parse::<u64>().ok()).is_some_and(|found| found < oldest) {
                tracing::warn!(folder = %folder.display(), "removing bodies that the index has not named for 30 days");
                std::fs::remove_dir_all(&folder).map_err(unavailable)?;
            }
        }
        Ok(())
    }
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn folders(path: &Path) -> Result<Vec<PathBuf>, BackendError> {
    let entries = std::fs::read_dir(path).map_err(unavailable)?;
    let mut folders = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>().map_err(unavailable)?;
    folders.sort();
    Ok(folders)
}

fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn unavailable(error: io::Error) -> BackendError {
    BackendError::Unavailable(Box::new(error))
}

/// How long bodies that the index does not name are kept.
const UNKNOWN_KEPT: Duration = Duration::from_hours(30 * 24);

/// The format of everything in the folder.
const FORMAT: u64 = 1;

/// Memory for pages of the index.
const CACHE_BYTES: usize = 256 << 20;
