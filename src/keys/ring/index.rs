//! The packed table under a [`KeyRing`](super::KeyRing): slots in one array, found through an open-addressing index.
//!
//! The index holds slot numbers plus one (0 is free) at a load of 2/3 and is probed linearly, from a place that a keyed
//! hash gives, so that who can choose tenant ids cannot choose collisions. A UUID in its canonical spelling is kept as
//! 16 bytes; any other id as offset and length in one shared text.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use super::{SourceKind, TenantKeys};
use crate::tenant::TenantId;

/// An immutable table of tenants.
#[derive(Default)]
pub(super) struct Slots {
    entries: Vec<Slot>,
    index: Box<[u32]>,
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

/// Where probing ends.
enum Probe<'a> {
    Slot(&'a Slot),
    Free(usize),
}

/// An id as the table keeps it.
#[derive(PartialEq, Eq, Hash)]
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

    /// Builds the index. Of two entries for one tenant the first stays.
    pub(super) fn indexed(mut self) -> Self {
        self.entries.shrink_to_fit();
        self.texts.shrink_to_fit();
        let places = self.entries.len() + self.entries.len() / 2 + 1;
        self.index = vec![0; places].into_boxed_slice();
        let mut repeated = HashSet::new();
        for number in 0..self.entries.len() {
            let id = self.id(&self.entries[number]);
            match self.probe(&id) {
                Probe::Slot(_) => {
                    repeated.insert(number);
                }
                Probe::Free(place) => self.index[place] = u32::try_from(number + 1).unwrap_or(0),
            }
        }
        if repeated.is_empty() {
            return self;
        }
        let mut number = 0..;
        self.entries.retain(|_| number.next().is_none_or(|number| !repeated.contains(&number)));
        self.indexed()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn find(&self, tenant: &TenantId) -> Option<Found<'_>> {
        if self.index.is_empty() {
            return None;
        }
        match self.probe(&Id::of(tenant.as_str())) {
            Probe::Slot(slot) => Some(Found { keys: &slot.keys, source: slot.source, fresh_at: slot.fresh_at }),
            Probe::Free(_) => None,
        }
    }

    /// The slot of an id, or the free place where it would be noted. Ends, because a third of the places is free.
    fn probe(&self, id: &Id<'_>) -> Probe<'_> {
        let places = self.index.len();
        let mut place = self.place(id, places);
        while let Some(number) = self.index[place].checked_sub(1) {
            match self.entries.get(number as usize) {
                Some(slot) if self.id(slot) == *id => return Probe::Slot(slot),
                _ => place = (place + 1) % places,
            }
        }
        Probe::Free(place)
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

    /// The first place to probe: the hash scaled to the number of places.
    fn place(&self, id: &Id<'_>, places: usize) -> usize {
        let scaled = (u128::from(self.hasher.hash_one(id)) * places as u128) >> 64;
        usize::try_from(scaled).unwrap_or(0)
    }
}

/// The bytes of a UUID in its canonical spelling: lower case, four dashes. Another spelling is another tenant.
fn canonical_uuid(text: &str) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 16];
    let mut digits = 0;
    for (at, &byte) in text.iter().enumerate() {
        if DASHES.contains(&at) {
            if byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        bytes[digits / 2] = bytes[digits / 2] << 4 | digit;
        digits += 1;
    }
    Some(bytes)
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

/// What a slot takes.
#[cfg(test)]
pub(super) const SLOT_BYTES: usize = size_of::<Slot>();
