//! The key snapshot: what this gateway knows of keys and tenants, sealed to a file, so that a restart while the
//! Coordinator or the KMS is out still serves.
//!
//! ```text
//! ring, access keys, private tenants ─[record] lines of JSON→ [file] sealed as an object is → FILE (0600)
//! ```
//!
//! The file has the product's own format for single objects (`seal/SPEC.md`): sealed to the key of
//! `crypto.snapshot_key`, bound to the name of the cluster and the address of the Coordinator. It holds no seed: keys
//! stand there as they were derived, and those of the configuration not at all. Keys that a customer's fragment is in
//! count only where the same fragment is. Nothing of a file counts before the last byte of it was authenticated.
//!
//! Periods are wall clock, times seconds since 1970, lengths bytes.

mod file;
mod record;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::access::ToldAccessKeys;
use super::fragment::Fragments;
use super::remote::{Noted, Position};
use super::ring::KeyRing;
use crate::seal::{KeyId, OpenError, SealError, Seed, TenantKey};

/// Where the snapshot is, and what it is sealed with.
#[derive(Debug)]
pub struct SnapshotSettings {
    /// the file
    pub file: PathBuf,
    /// what it is sealed to
    pub key: Seed,
    /// an older one is not used
    pub age_max: Duration,
    /// the cluster that it belongs to
    pub cluster: String,
}

/// What is kept.
pub(super) struct Kept {
    pub(super) position: Position,
    /// when the Coordinator last confirmed it, Unix seconds
    pub(super) told_at: u64,
    pub(super) ring: KeyRing,
    pub(super) access_keys: ToldAccessKeys,
    pub(super) noted: Noted,
}

/// Puts the file in place of the one before, at once; whoever reads it sees one or the other.
pub(super) fn write(
    settings: &SnapshotSettings,
    coordinator: &str,
    kept: &Kept,
    fragments: &Fragments,
) -> Result<(), SnapshotError> {
    let key = TenantKey::from_seed(&settings.key);
    let mut plain_bytes = 0;
    record::write(kept, fragments, &mut |line| {
        plain_bytes += line.len() as u64;
        Ok(())
    })?;
    let binding = file::binding(&settings.cluster, coordinator)?;
    let mut sealing = file::Sealing::create(&settings.file, &key, &binding, plain_bytes)?;
    record::write(kept, fragments, &mut |line| sealing.push(line))?;
    sealing.finish()
}

/// Reads the file; none if there is none.
pub(super) fn read(
    settings: &SnapshotSettings,
    coordinator: &str,
    fragments: &Fragments,
    now: SystemTime,
) -> Result<Option<Kept>, SnapshotError> {
    let key = TenantKey::from_seed(&settings.key);
    let binding = file::binding(&settings.cluster, coordinator)?;
    let mut reading = record::Reading::new(fragments, now, settings.age_max);
    let is_there = file::open(&settings.file, &key, &binding, &mut |line| reading.line(line))?;
    if is_there { reading.finish().map(Some) } else { Ok(None) }
}

/// Why a snapshot is not written or not used. Holds nothing secret.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// the file cannot be read or written
    #[error("it cannot be read or written")]
    Io(#[from] io::Error),
    /// others than its owner can reach it
    #[error("its mode is {mode:04o}; only its owner may reach it (0600)")]
    TooOpen {
        /// its permission bits
        mode: u32,
    },
    /// the operating system or the format said no
    #[error("it cannot be sealed")]
    Seal(#[from] SealError),
    /// another `crypto.snapshot_key`
    #[error("it is sealed under key {file}, crypto.snapshot_key gives key {ours}")]
    OtherKey {
        /// the key that the file names
        file: KeyId,
        /// the configured one
        ours: KeyId,
    },
    /// changed, cut, or bound to something else
    #[error("it is damaged, or of another cluster or Coordinator")]
    Foreign(#[source] OpenError),
    /// what was sealed is not understood
    #[error("its record {number} is not understood; was it written by another version?")]
    Record {
        /// counted from 1
        number: u64,
    },
    /// too old
    #[error("it is {age_seconds} s old, older than crypto.snapshot_max_age")]
    Stale {
        /// its age
        age_seconds: u64,
    },
    /// from the future
    #[error("it was written {seconds} s after now; is the clock right?")]
    Future {
        /// how far ahead
        seconds: u64,
    },
    /// longer than any snapshot
    #[error("it is longer than {bytes_max} bytes")]
    TooLong {
        /// the limit
        bytes_max: u64,
    },
}

#[cfg(test)]
mod tests;
