//! Counts of the whole process from places that no handle reaches: in the middle of sealing and opening. Each is one
//! relaxed addition; the metrics read them when they are asked for.

use std::sync::atomic::{AtomicU64, Ordering};

/// What failed authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// the envelope: changed, of another object, or missing
    Envelope,
    /// a segment of a body
    Segment,
    /// lengths, parts or the completion record
    Structure,
}

impl Failed {
    /// Every kind, with its label.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Envelope, "envelope"), (Self::Segment, "segment"), (Self::Structure, "structure")];
}

/// Plaintext bytes were sealed.
pub fn sealed(bytes: usize) {
    SEALED.fetch_add(bytes as u64, Ordering::Relaxed);
}

/// Plaintext bytes were opened.
pub fn opened(bytes: usize) {
    OPENED.fetch_add(bytes as u64, Ordering::Relaxed);
}

/// A stored object failed authentication.
pub fn failed(what: Failed) {
    FAILURES[what as usize].fetch_add(1, Ordering::Relaxed);
}

/// Something that is kept so that the store need not be asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// where the parts of multipart objects lie
    PartTables,
    /// records of uploads under way
    Uploads,
}

impl Cache {
    /// Every cache, with its label.
    pub const ALL: [(Self, &'static str); 2] = [(Self::PartTables, "part_tables"), (Self::Uploads, "uploads")];
}

/// A cache was asked; it has so many entries.
pub fn looked_up(cache: Cache, is_hit: bool, entries: u64) {
    CACHE_LOOKUPS[cache as usize][usize::from(is_hit)].fetch_add(1, Ordering::Relaxed);
    CACHE_ENTRIES[cache as usize].store(entries, Ordering::Relaxed);
}

/// Misses, hits, and entries when it was last asked.
pub(super) fn cache(cache: Cache) -> (u64, u64, u64) {
    let [misses, hits] = &CACHE_LOOKUPS[cache as usize];
    let entries = &CACHE_ENTRIES[cache as usize];
    (misses.load(Ordering::Relaxed), hits.load(Ordering::Relaxed), entries.load(Ordering::Relaxed))
}

/// Bytes sealed and bytes opened since the process began.
pub(super) fn bytes() -> (u64, u64) {
    (SEALED.load(Ordering::Relaxed), OPENED.load(Ordering::Relaxed))
}

pub(super) fn failures(what: Failed) -> u64 {
    FAILURES[what as usize].load(Ordering::Relaxed)
}

static SEALED: AtomicU64 = AtomicU64::new(0);
static OPENED: AtomicU64 = AtomicU64::new(0);
static CACHE_LOOKUPS: [[AtomicU64; 2]; 2] = [const { [const { AtomicU64::new(0) }; 2] }; 2];
static CACHE_ENTRIES: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
static FAILURES: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_adds_up() {
        let (sealed_before, opened_before) = bytes();
        sealed(3);
        opened(4);
        let (sealed_after, opened_after) = bytes();
        assert!(sealed_after >= sealed_before + 3 && opened_after >= opened_before + 4);
    }
}
