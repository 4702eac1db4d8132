//! Opens a store: one process at a time, a known format, no leftovers.
//!
//! ```text
//! lock          held while the store is open
//! index         the index; its row `format` says which format this is
//! blobs/        bodies, see `files`
//! tmp/          bodies on their way; emptied at each start
//! ```
//!
//! A file that was placed before its transaction was lost, or whose removal was, has a number of an earlier epoch and
//! no row in the index. A thread looks for such files after the start, a folder at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Database, ReadableTable};

use super::files::{self, BlobFiles};
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
    // redb would create it with the mode of the umask
    let file = open_private(&path).and_then(|file| file.sync_all());
    file.and_then(|()| File::open(root)?.sync_all()).map_err(|source| OpenError::Io { path: path.clone(), source })?;
    let at = |source| OpenError::Index { path: root.to_owned(), source };
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_repair_callback(|repair| {
        tracing::warn!(percent = repair.progress() * 100.0, "the index was not closed cleanly and is checked");
    });
    let index = builder.create(&path).map_err(|e| at(Box::new(e)))?;
    let (format, epoch) = begin_epoch(&index).map_err(|e| at(Box::new(e)))?;
    if format != FORMAT {
        return Err(OpenError::Format { path: root.to_owned(), found: format });
    }
    if epoch > ids::EPOCH_MAX {
        return Err(OpenError::Epochs(root.to_owned()));
    }
    Ok((index, epoch))
}

/// Reads the format and counts the epoch up; changes nothing of an unknown format.
fn begin_epoch(index: &Database) -> crate::backend::Result<(u64, u64)> {
    let txn = index.begin_write()?;
    let (format, epoch);
    {
        let mut meta = txn.open_table(META)?;
        format = meta.get("format")?.map_or(FORMAT, |row| row.value());
        epoch = meta.get("epoch")?.map_or(0, |row| row.value()) + 1;
        if format == FORMAT {
            meta.insert("format", format)?;
            meta.insert("epoch", epoch)?;
            drop(Tables::open(&txn, &IdSource::new(epoch))?);
        }
    }
    if format == FORMAT {
        txn.commit()?;
    } else {
        txn.abort()?;
    }
    Ok((format, epoch))
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
        // what is written now stands in folders of its own
        let now = ids::first_of_epoch(self.epoch);
        for outer in folders(self.files.blobs_folder())?.into_iter().filter(|outer| !files::may_hold_from(outer, now)) {
            for inner in folders(&outer)? {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                if let Err(error) = self.sweep_folder(&inner) {
                    tracing::warn!(folder = %inner.display(), %error, "unused files could not be looked for");
                }
            }
            drop(std::fs::remove_dir(&outer));
        }
        Ok(())
    }

    fn sweep_folder(&self, folder: &Path) -> Result<(), BackendError> {
        let mut blobs = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unavailable)? {
            let name = entry.map_err(unavailable)?.file_name();
            blobs.extend(name.to_str().and_then(files::number_in));
        }
        if blobs.is_empty() {
            drop(std::fs::remove_dir(folder));
            return Ok(());
        }
        let table = Snapshot::of(&self.index)?.files()?;
        let mut unknown = Vec::new();
        for number in blobs {
            if table.get(number)?.is_none() {
                unknown.push(BlobId::of_file(number));
            }
        }
        self.pins.retire(unknown);
        Ok(())
    }
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

/// The format of everything in the folder.
const FORMAT: u64 = 1;

/// Memory for pages of the index.
const CACHE_BYTES: usize = 256 << 20;
