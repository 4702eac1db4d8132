//! Keeps files that are being read until their readers are done.
//!
//! A reader enters, looks the object up, pins the files it will read, and leaves. A writer retires files after the
//! commit that dropped their last use: it waits until those who entered have pinned, so a reader either sees the
//! index without the file or has pinned it. What nobody pins is removed at once, the rest with its last reader.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use super::files::Reaper;
use super::ids::BlobId;

/// Which files are being read.
pub(super) struct Pins {
    gate: RwLock<()>,
    held: Mutex<HashMap<BlobId, Held>>,
    reaper: Reaper,
}

#[derive(Default)]
struct Held {
    readers: usize,
    retired: bool,
}

impl Pins {
    pub(super) fn new(reaper: Reaper) -> Self {
        Self { gate: RwLock::new(()), held: Mutex::default(), reaper }
    }

    /// Holds retirement off between a lookup and its pins; short.
    pub(super) fn enter(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps these files until the answer is dropped.
    pub(super) fn pin(self: &Arc<Self>, _entered: &RwLockReadGuard<'_, ()>, files: Vec<BlobId>) -> Pinned {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for file in &files {
            held.entry(*file).or_default().readers += 1;
        }
        drop(held);
        Pinned { pins: Arc::clone(self), files }
    }

    /// Removes files that the index no longer names, once they are not read.
    pub(super) fn retire(&self, files: Vec<BlobId>) {
        if files.is_empty() {
            return;
        }
        drop(self.gate.write().unwrap_or_else(PoisonError::into_inner));
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for file in files {
            match held.get_mut(&file) {
                Some(held) => held.retired = true,
                None => self.reaper.remove(file),
            }
        }
    }

    /// Those of the files, which the index does not name, that nobody reads.
    pub(super) fn unread(&self, files: Vec<BlobId>) -> Vec<BlobId> {
        drop(self.gate.write().unwrap_or_else(PoisonError::into_inner));
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        files.into_iter().filter(|file| !held.contains_key(file)).collect()
    }

    fn unpin(&self, files: &[BlobId]) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for file in files {
            let Some(entry) = held.get_mut(file) else { continue };
            entry.readers -= 1;
            if entry.readers == 0 {
                if entry.retired {
                    self.reaper.remove(*file);
                }
                held.remove(file);
            }
        }
    }
}

/// Files that stay while this lives.
pub(super) struct Pinned {
    pins: Arc<Pins>,
    files: Vec<BlobId>,
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.pins.unpin(&self.files);
    }
}
