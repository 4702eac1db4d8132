//! The files that the gateway has stored, seen from outside: as whoever holds the disks sees them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::gateway::Gateway;

impl Gateway {
    /// The files that came into the store while `write` ran: the stored bodies.
    pub(crate) fn files_stored_by(&self, write: impl FnOnce()) -> Vec<PathBuf> {
        let before: BTreeSet<_> = files_under(&self.data()).into_iter().collect();
        write();
        files_under(&self.data()).into_iter().filter(|file| !before.contains(file)).collect()
    }

    /// The one file that came into the store while `write` ran.
    pub(crate) fn file_stored_by(&self, write: impl FnOnce()) -> PathBuf {
        let files = self.files_stored_by(write);
        let [file] = files.as_slice() else { panic!("expected one new file: {files:?}") };
        file.clone()
    }

    /// The stored files that contain these bytes anywhere. What goes while we look is no longer stored: bodies of
    /// an aborted upload are removed behind its answer.
    pub(crate) fn files_containing(&self, needle: &[u8]) -> Vec<PathBuf> {
        let finder = |file: &PathBuf| present(fs::read(file)).is_some_and(|bytes| contains(&bytes, needle));
        files_under(&self.data()).into_iter().filter(finder).collect()
    }

    /// How many bytes all stored files have.
    pub(crate) fn stored_bytes(&self) -> u64 {
        files_under(&self.data()).iter().filter_map(|file| present(fs::metadata(file))).map(|about| about.len()).sum()
    }
}

/// Whether `needle` stands anywhere in `hay`.
pub(crate) fn contains(hay: &[u8], needle: &[u8]) -> bool {
    let Some((&first, rest)) = needle.split_first() else { return true };
    // Most bytes are not the first one: look at the others only where it stands.
    hay.iter().enumerate().any(|(at, &byte)| byte == first && hay[at + 1..].starts_with(rest))
}

/// What was read of a file, unless the file has gone meanwhile.
fn present<T>(read: std::io::Result<T>) -> Option<T> {
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        read => Some(read.unwrap()),
    }
}

/// All files below a folder, at any depth.
fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_under(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}
