//! The packed table under a [`KeyRing`](super::KeyRing): slots in one array, ordered by bucket.
//!
//! A keyed hash gives the bucket, so that who can choose tenant ids cannot choose collisions. Where each bucket begins is few
//! bytes a tenant, and its slots lie side by side: of a million tenants, one is found with one or two cache misses. A UUID in
//! its canonical spelling is kept as 16 bytes; any other id as offset and length in one shared text.

use std::hash::{BuildHasher, RandomState};
use std::mem;

use super::{SourceKind, TenantKeys};
use crate::tenant::TenantId;

/// An immutable table of tenants.
#[derive(Default)]
pub(super) struct Slots {
    entries: Vec<Slot>,
    /// the first slot of each bucket, and the end of the last; none before [`Slots::indexed`]
    starts: Vec<u32>,
    texts: String,
    hasher: RandomState,
}

/// A tenant's entry.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) keys: &'a TenantKeys,
    pub(super) source: SourceKind,
    pub(super) fresh_at: u32,
}

struct Slot {
    keys: TenantKeys,
    id: [u8; 16],
    fresh_at: u32,
    is_uuid: bool,
    source: SourceKind,
}

/// An id as the table keeps it.
#[derive(PartialEq, Eq)]
enum Id<'a> {
    Uuid([u8; 16]),
    Text(&'a str),
}

impl<'a> Id<'a> {
    fn of(text: &'a str) -> Self {
        canonical_uuid(text).map_or(Self::Text(text), Self::Uuid)
    }
}

impl Slots {
    /// Takes over entries; the index comes with [`Slots::indexed`].
    pub(super) fn with_capacity(tenants: usize) -> Self {
        Self { entries: Vec::with_capacity(tenants), ..Self::default() }
    }

    /// Appends an entry. It cannot be found before [`Slots::indexed`].
    pub(super) fn push(&mut self, tenant: &TenantId, keys: TenantKeys, source: SourceKind, fresh_at: u32) {
        let (id, is_uuid) = match Id::of(tenant.as_str()) {
            Id::Uuid(bytes) => (bytes, true),
            Id::Text(text) => {
                let mut id = [0; 16];
                id[..8].copy_from_slice(&(self.texts.len() as u64).to_be_bytes());
                id[8..].copy_from_slice(&(text.len() as u64).to_be_bytes());
                self.texts.push_str(text);
                (id, false)
            }
        };
        self.entries.push(Slot { keys, id, fresh_at, is_uuid, source });
    }

    /// Orders the entries. Of two for one tenant the first stays.
    pub(super) fn indexed(mut self) -> Self {
        let buckets = self.entries.len() / SLOTS_A_BUCKET + 1;
        let mut entries = mem::take(&mut self.entries);
        entries.sort_by_cached_key(|slot| self.bucket(&self.id(slot), buckets));
        let mut starts = Vec::with_capacity(buckets + 1);
        let mut kept = 0;
        for number in 0..entries.len() {
            let id = self.id(&entries[number]);
            let bucket = self.bucket(&id, buckets);
            while starts.len() <= bucket {
                starts.push(kept);
            }
            if !entries[starts[bucket] as usize..kept as usize].iter().any(|slot| self.id(slot) == id) {
                entries.swap(kept as usize, number);
                kept += 1;
            }
        }
        starts.resize(buckets + 1, kept);
        entries.truncate(kept as usize);
        entries.shrink_to_fit();
        self.texts.shrink_to_fit();
        Self { entries, starts, ..self }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn find(&self, tenant: &TenantId) -> Option<Found<'_>> {
        let id = Id::of(tenant.as_str());
        let bucket = self.bucket(&id, self.starts.len().checked_sub(1)?);
        let &[start, end] = self.starts.get(bucket..)?.first_chunk()?;
        let slots = self.entries.get(start as usize..end as usize)?;
        let slot = slots.iter().find(|slot| self.id(slot) == id)?;
        Some(Found { keys: &slot.keys, source: slot.source, fresh_at: slot.fresh_at })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (TenantId, Found<'_>)> {
        self.entries.iter().filter_map(|slot| {
            let text = match self.id(slot) {
                Id::Uuid(bytes) => TenantId::new(&uuid_text(&bytes)),
                Id::Text(text) => TenantId::new(text),
            };
            // every text here came from a tenant id, so none is left out
            Some((text.ok()?, Found { keys: &slot.keys, source: slot.source, fresh_at: slot.fresh_at }))
        })
    }

    fn id(&self, slot: &Slot) -> Id<'_> {
        if slot.is_uuid {
            return Id::Uuid(slot.id);
        }
        let (offset, length) = slot.id.split_at(8);
        let number = |bytes: &[u8]| bytes.iter().fold(0usize, |n, byte| n << 8 | usize::from(*byte));
        let offset = number(offset);
        Id::Text(self.texts.get(offset..offset + number(length)).unwrap_or_default())
    }

    /// The hash of an id, scaled to the number of buckets.
    fn bucket(&self, id: &Id<'_>, buckets: usize) -> usize {
        let hash = match id {
            Id::Uuid(bytes) => self.hasher.hash_one(u128::from_ne_bytes(*bytes)),
            Id::Text(text) => self.hasher.hash_one(text),
        };
        let scaled = (u128::from(hash) * buckets as u128) >> 64;
        usize::try_from(scaled).unwrap_or(0)
    }
}

/// The bytes of a UUID in its canonical spelling: lower case, four dashes. Another spelling is another tenant.
fn canonical_uuid(text: &str) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
    let mut digits = 0;
    let bytes = DIGITS.map(|at| {
        let [high, low] = [text[at], text[at + 1]].map(|digit| HEX[usize::from(digit)]);
        digits |= high | low;
        high << 4 | low
    });
    (digits < 16 && DASHES.iter().all(|&at| text[at] == b'-')).then_some(bytes)
}

fn uuid_text(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for byte in bytes {
        if DASHES.contains(&text.len()) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}

const DASHES: [usize; 4] = [8, 13, 18, 23];
/// where the two digits of each byte are
const DIGITS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
/// what a character is worth; 16 and more if it is no digit
const HEX: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    values
};
/// fewer would be more places to note, more would be more slots to look at
const SLOTS_A_BUCKET: usize = 2;

/// What a slot takes.
#[cfg(test)]
pub(super) const SLOT_BYTES: usize = size_of::<Slot>();
