//! Numbers that are never given twice, and the names made of them.
//!
//! A number is `epoch (23 bits) || counter (40 bits)`, top bit clear. The epoch grows by one with every opening of the
//! store and is durable before the first number is given, so numbers ascend over the store's whole life although the
//! counter lives in memory. A blob kept inside the index has the top bit set.
//!
//! Versions and uploads are shown to clients as 32 hex digits: the number, then 64 random bits that must match too.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::backend::{BackendError, Result, UploadId, VersionId};

/// Gives numbers.
pub(super) struct IdSource {
    next: AtomicU64,
}

impl IdSource {
    pub(super) fn new(epoch: u64) -> Self {
        Self { next: AtomicU64::new(first_of_epoch(epoch)) }
    }

    /// A number above every number given before.
    pub(super) fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

/// The least number of an epoch.
pub(super) fn first_of_epoch(epoch: u64) -> u64 {
    epoch << COUNTER_BITS
}

/// A blob: a file, or a row of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct BlobId(u64);

impl BlobId {
    pub(super) fn of_file(number: u64) -> Self {
        Self(number)
    }

    pub(super) fn of_row(number: u64) -> Self {
        Self(number | IN_INDEX)
    }

    pub(super) fn from_stored(number: u64) -> Self {
        Self(number)
    }

    pub(super) fn number(self) -> u64 {
        self.0
    }

    pub(super) fn is_in_index(self) -> bool {
        self.0 & IN_INDEX != 0
    }
}

/// A number and its random companion, as clients see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) seq: u64,
    pub(super) random: u64,
}

impl Name {
    pub(super) fn new(seq: u64) -> Result<Self> {
        Ok(Self { seq, random: u64::from_be_bytes(random()?) })
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_name = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let (seq, random) = text.split_at_checked(16).filter(|_| is_name)?;
        let number = |digits| u64::from_str_radix(digits, 16).ok();
        Some(Self { seq: number(seq)?, random: number(random)? })
    }

    fn text(self) -> String {
        format!("{:016x}{:016x}", self.seq, self.random)
    }

    pub(super) fn version_id(self) -> VersionId {
        VersionId::new(self.text())
    }

    pub(super) fn upload_id(self) -> UploadId {
        UploadId::new(self.text())
    }
}

/// Random bytes of the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| BackendError::Unavailable(e.to_string().into()))?;
    Ok(bytes)
}

const COUNTER_BITS: u32 = 40;
const IN_INDEX: u64 = 1 << 63;

/// The last epoch that fits.
pub(super) const EPOCH_MAX: u64 = (1 << 23) - 1;
