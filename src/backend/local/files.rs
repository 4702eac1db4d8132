//! Blobs as files.
//!
//! A blob is written to `tmp/<number>`, flushed, and renamed to `blobs/<number / 2^24>/<number / 2^12 % 2^12>/<number>`
//! (hexadecimal). Numbers ascend, so blobs written at about the same time share a folder: one flush of that folder
//! settles the renames of a whole group of writes, and a folder holds at most 4,096 entries. Folders are 0700 and
//! files 0600. Removals run on a thread of their own.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use super::ids::BlobId;

/// The folders of the blobs.
pub(super) struct BlobFiles {
    temporary: PathBuf,
    blobs: PathBuf,
    unknown: PathBuf,
    /// the folder whose own entry is known to be durable
    settled: Mutex<Option<Folder>>,
    reaper: Reaper,
}

impl BlobFiles {
    /// The blobs under the store's folder, whose subfolders are created if they are not there.
    pub(super) fn under(root: &Path) -> io::Result<Self> {
        let (temporary, blobs) = (root.join("tmp"), root.join(BLOBS));
        make_folder(&temporary)?;
        make_folder(&blobs)?;
        let reaper = Reaper::start(blobs.clone())?;
        Ok(Self { temporary, blobs, unknown: root.join("unknown"), settled: Mutex::new(None), reaper })
    }

    pub(super) fn reaper(&self) -> Reaper {
        self.reaper.clone()
    }

    pub(super) fn temporary_folder(&self) -> &Path {
        &self.temporary
    }

    pub(super) fn blobs_folder(&self) -> &Path {
        &self.blobs
    }

    /// Where bodies go that the index does not name; it need not be there.
    pub(super) fn unknown_folder(&self) -> &Path {
        &self.unknown
    }

    /// Moves a blob that nobody reads to a folder in [`Self::unknown_folder`].
    pub(super) fn move_aside(&self, blob: BlobId, folder: &Path) -> io::Result<()> {
        make_folder(&self.unknown)?;
        make_folder(folder)?;
        std::fs::rename(path_of(&self.blobs, blob), folder.join(name(blob)))
    }

    /// Begins a blob.
    pub(super) fn create(self: &Arc<Self>, blob: BlobId) -> io::Result<(File, NewFile)> {
        let path = self.temporary.join(name(blob));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Ok((file, NewFile { files: Arc::clone(self), blob, is_placed: false, is_kept: false }))
    }

    /// Opens a blob for reading.
    pub(super) fn open(&self, blob: BlobId) -> io::Result<File> {
        File::open(path_of(&self.blobs, blob))
    }

    /// Makes the entries of a folder durable, and its own and its parent's when another folder came before.
    pub(super) fn flush(&self, folder: Folder) -> io::Result<()> {
        let path = self.blobs.join(folder.path());
        File::open(&path)?.sync_all()?;
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        if *settled != Some(folder) {
            if let Some(outer) = path.parent() {
                File::open(outer)?.sync_all()?;
            }
            File::open(&self.blobs)?.sync_all()?;
            *settled = Some(folder);
        }
        Ok(())
    }

    /// Moves a finished file to its place, in a folder that is created if it is not there.
    fn place(&self, blob: BlobId) -> io::Result<()> {
        let (from, to) = (self.temporary.join(name(blob)), path_of(&self.blobs, blob));
        match std::fs::rename(&from, &to) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => return other,
        }
        let folder = self.blobs.join(Folder::of(blob).path());
        if let Some(outer) = folder.parent() {
            make_folder(outer)?;
        }
        make_folder(&folder)?;
        std::fs::rename(&from, &to)
    }
}

/// A folder of at most 4,096 blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Folder(u64);

impl Folder {
    pub(super) fn of(blob: BlobId) -> Self {
        Self(blob.number() >> 12)
    }

    fn path(self) -> PathBuf {
        [format!("{:x}", self.0 >> 12), format!("{:03x}", self.0 & 0xfff)].iter().collect()
    }
}

/// A file that is removed unless it is kept.
pub(super) struct NewFile {
    files: Arc<BlobFiles>,
    blob: BlobId,
    is_placed: bool,
    is_kept: bool,
}

impl NewFile {
    pub(super) fn blob(&self) -> BlobId {
        self.blob
    }

    /// Flushes the file and moves it to its place. The move is durable after [`BlobFiles::flush`].
    pub(super) fn place(&mut self, file: &File) -> io::Result<()> {
        file.sync_data()?;
        self.files.place(self.blob)?;
        self.is_placed = true;
        Ok(())
    }

    /// Leaves the file where it is.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.is_kept {
        } else if self.is_placed {
            self.files.reaper.remove(self.blob);
        } else {
            self.files.reaper.remove_path(self.files.temporary.join(name(self.blob)));
        }
    }
}

/// Removes files on a thread of its own, which ends when its last handle is dropped.
#[derive(Clone)]
pub(super) struct Reaper {
    queue: mpsc::Sender<Order>,
    blobs: Arc<Path>,
}

enum Order {
    Remove(PathBuf),
    #[cfg(test)]
    Answer(mpsc::Sender<()>),
}

impl Reaper {
    fn start(blobs: PathBuf) -> io::Result<Self> {
        let (queue, orders) = mpsc::channel();
        std::thread::Builder::new().name("blob-reaper".to_owned()).spawn(move || {
            for order in orders {
                match order {
                    Order::Remove(path) => remove(&path),
                    #[cfg(test)]
                    Order::Answer(answer) => drop(answer.send(())),
                }
            }
        })?;
        Ok(Self { queue, blobs: blobs.into() })
    }

    pub(super) fn remove(&self, blob: BlobId) {
        self.remove_path(path_of(&self.blobs, blob));
    }

    fn remove_path(&self, path: PathBuf) {
        if self.queue.send(Order::Remove(path)).is_err() {
            tracing::warn!("the thread that removes blobs has ended; the next start removes them");
        }
    }

    /// Waits until everything ordered so far is removed.
    #[cfg(test)]
    pub(super) fn settle(&self) {
        let (answer, answered) = mpsc::channel();
        self.queue.send(Order::Answer(answer)).unwrap();
        answered.recv().unwrap();
    }
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "a file that is no longer used could not be removed");
        }
        _ => {}
    }
}

/// Creates a folder of mode 0700 if it is not there, and makes its entry durable.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => match path.parent() {
            None => Ok(()),
            Some(outer) if outer.as_os_str().is_empty() => File::open(".")?.sync_all(),
            Some(outer) => File::open(outer)?.sync_all(),
        },
    }
}

/// Writes pieces one after the other.
pub(super) fn write_pieces(mut file: &File, pieces: &[bytes::Bytes]) -> io::Result<()> {
    pieces.iter().try_for_each(|piece| file.write_all(piece))
}

pub(super) fn path_of(blobs: &Path, blob: BlobId) -> PathBuf {
    blobs.join(Folder::of(blob).path()).join(name(blob))
}

/// Whether an outer folder may hold blobs of this number or above.
pub(super) fn may_hold_from(outer: &Path, number: u64) -> bool {
    let name = outer.file_name().and_then(|name| name.to_str());
    name.and_then(|name| u64::from_str_radix(name, 16).ok()).is_none_or(|outer| outer >= number >> 24)
}

/// The highest number of a blob in this folder, which need not be there.
pub(super) fn newest_number(blobs: &Path) -> io::Result<Option<u64>> {
    for outer in numbered(blobs)? {
        for inner in numbered(&outer)? {
            let newest = numbered(&inner)?.into_iter().find_map(|file| number_in(file.file_name()?.to_str()?));
            if newest.is_some() {
                return Ok(newest);
            }
        }
    }
    Ok(None)
}

/// What a folder holds under hexadecimal names, the highest first.
fn numbered(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| u64::from_str_radix(name.to_str()?, 16).ok());
        found.extend(number.map(|number| (number, path)));
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The number in a blob's file name, if it is one.
pub(super) fn number_in(name: &str) -> Option<u64> {
    if name.len() == 16 { u64::from_str_radix(name, 16).ok() } else { None }
}

fn name(blob: BlobId) -> String {
    format!("{:016x}", blob.number())
}

/// The folder of the blobs in the store's.
pub(super) const BLOBS: &str = "blobs";
