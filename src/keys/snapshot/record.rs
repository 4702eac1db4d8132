//! The lines of a snapshot: a head, then one JSON object a line, in no order that matters.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zeroize::Zeroizing;

use super::{Kept, SnapshotError};
use crate::coordinator_api::{TenantAccessKey, WireSecret};
use crate::keys::access::{AccessKey, ToldList};
use crate::keys::fragment::Fragments;
use crate::keys::remote::{Noted, Position, wire_access_key};
use crate::keys::ring::build::RingBuilder;
use crate::keys::ring::{KeyRing, KeyState, SourceKind, TenantKeys};
use crate::seal::TenantKey;
use crate::tenant::{BucketPrefix, TenantId};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    Head {
        version: u32,
        epoch: String,
        revision: u64,
        told_at: u64,
    },
    Keys {
        tenant: String,
        fresh_at: u32,
        fragment: Option<Mark>,
        keys: Vec<WireSecret>,
        /// of each key in turn; none if all are active
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        states: Vec<KeyState>,
    },
    Access {
        tenant: String,
        prefix: String,
        access_keys: Vec<TenantAccessKey>,
    },
    Private {
        tenant: String,
        fragment_id: Option<String>,
    },
    Fragmented {
        tenant: String,
        fragment_id: String,
    },
    /// the default key must not serve it
    Withheld {
        tenant: String,
    },
}

/// The customer fragment in keys, and which value it had.
#[derive(Serialize, Deserialize)]
struct Mark {
    id: String,
    fingerprint: String,
}

/// Takes a line with its end.
type Out<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), SnapshotError>;

/// Writes all lines. Two calls for the same things write the same.
pub(super) fn write(kept: &Kept, fragments: &Fragments, out: Out<'_>) -> Result<(), SnapshotError> {
    let mut writer = Writer { line: Zeroizing::new(Vec::with_capacity(LINE_BYTES)), out };
    let Position { epoch, revision } = kept.position.clone();
    writer.put(&Record::Head { version: VERSION, epoch, revision, told_at: kept.told_at })?;
    for (tenant, keys, source, fresh_at) in kept.ring.all() {
        // what stands in the configuration is there after a restart too
        if source != SourceKind::File
            && let Some(record) = keys_of(&tenant, keys, fresh_at, fragments)
        {
            writer.put(&record)?;
        }
    }
    for (tenant, prefix, keys) in kept.access_keys.iter().filter(|(_, _, keys)| !keys.is_empty()) {
        let access_keys = keys.iter().map(on_the_wire).collect();
        let (tenant, prefix) = (tenant.as_str().to_owned(), prefix.as_str().to_owned());
        writer.put(&Record::Access { tenant, prefix, access_keys })?;
    }
    for (tenant, fragment_id) in &kept.noted.private {
        writer.put(&Record::Private { tenant: tenant.as_str().to_owned(), fragment_id: fragment_id.clone() })?;
    }
    for (tenant, fragment_id) in &kept.noted.fragmented {
        writer.put(&Record::Fragmented { tenant: tenant.as_str().to_owned(), fragment_id: fragment_id.clone() })?;
    }
    for tenant in kept.ring.withheld() {
        writer.put(&Record::Withheld { tenant: tenant.as_str().to_owned() })?;
    }
    Ok(())
}

struct Writer<'a> {
    line: Zeroizing<Vec<u8>>,
    out: Out<'a>,
}

impl Writer<'_> {
    fn put(&mut self, record: &Record) -> Result<(), SnapshotError> {
        self.line.clear();
        serde_json::to_writer(&mut *self.line, record).map_err(std::io::Error::from)?;
        self.line.push(b'\n');
        (self.out)(&self.line)
    }
}

/// None for keys whose fragment is not here any more: they must not outlive it.
fn keys_of(tenant: &TenantId, keys: &TenantKeys, fresh_at: u32, fragments: &Fragments) -> Option<Record> {
    let fragment = match keys.fragment() {
        None => None,
        Some(id) => Some(Mark { id: id.to_owned(), fingerprint: fragments.find(id)?.fingerprint() }),
    };
    let text = |key: &Arc<TenantKey>| WireSecret::new(STANDARD.encode(key.expose()));
    let states =
        if keys.states().next().is_none() { Vec::new() } else { keys.key_ids().map(|id| keys.state(id)).collect() };
    let (tenant, texts) = (tenant.as_str().to_owned(), keys.all().map(text).collect());
    Some(Record::Keys { tenant, fresh_at, fragment, keys: texts, states })
}

fn on_the_wire(key: &AccessKey) -> TenantAccessKey {
    let text = |time: SystemTime| OffsetDateTime::from(time).format(&Rfc3339).ok();
    TenantAccessKey {
        id: key.principal.access_key_id.to_string(),
        secret: Some(WireSecret::new(key.secret.expose().to_owned())),
        expires_at: key.expires_at.and_then(text),
        not_before: key.not_before.and_then(text),
        allowed_cidrs: key.allowed_cidrs.iter().map(ToString::to_string).collect(),
        disabled: key.disabled,
        created_at: None,
    }
}

/// What was read so far.
pub(super) struct Reading<'a> {
    fragments: &'a Fragments,
    now: SystemTime,
    age_max: Duration,
    lines: u64,
    head: Option<(Position, u64)>,
    ring: RingBuilder,
    access_keys: ToldList,
    noted: Noted,
}

impl<'a> Reading<'a> {
    pub(super) fn new(fragments: &'a Fragments, now: SystemTime, age_max: Duration) -> Self {
        Self {
            fragments,
            now,
            age_max,
            lines: 0,
            head: None,
            ring: RingBuilder::new(Arc::new(KeyRing::empty()), usize::MAX),
            access_keys: ToldList::default(),
            noted: Noted::default(),
        }
    }

    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), SnapshotError> {
        self.lines += 1;
        let senseless = SnapshotError::Record { number: self.lines };
        let Ok(record) = serde_json::from_slice(line) else { return Err(senseless) };
        if self.head.is_some() {
            return self.take(record).ok_or(senseless);
        }
        let Record::Head { version: VERSION, epoch, revision, told_at } = record else { return Err(senseless) };
        self.check_age(told_at)?;
        self.head = Some((Position { epoch, revision }, told_at));
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Kept, SnapshotError> {
        let Some((position, told_at)) = self.head else { return Err(SnapshotError::Record { number: 1 }) };
        let ring = self.ring.finish(&KeyRing::empty()).ring;
        let access_keys = self.access_keys.finish();
        Ok(Kept { position, told_at, ring, access_keys, noted: self.noted })
    }

    /// None if it makes no sense.
    fn take(&mut self, record: Record) -> Option<()> {
        match record {
            Record::Head { .. } => return None,
            Record::Keys { tenant, fresh_at, fragment, keys, states } => {
                let tenant = TenantId::new(&tenant).ok()?;
                let keys = restored(&keys, &states)?.with_fragment(fragment.as_ref().map(|mark| mark.id.as_str()));
                if fragment.is_none_or(|mark| self.has(&mark)) {
                    self.ring.found(&tenant, keys, SourceKind::Snapshot, fresh_at);
                } else {
                    self.ring.withhold(&tenant);
                }
            }
            Record::Access { tenant, prefix, access_keys } => {
                let (tenant, prefix) = (TenantId::new(&tenant).ok()?, BucketPrefix::new(&prefix).ok()?);
                let keys = access_keys.into_iter().map(|key| wire_access_key(&tenant, &prefix, key, true));
                let keys = keys.collect::<Option<Vec<_>>>()?;
                self.access_keys.tenant(&tenant, &prefix, &keys);
            }
            Record::Private { tenant, fragment_id } => {
                let tenant = TenantId::new(&tenant).ok()?;
                self.ring.withhold(&tenant);
                self.noted.private.insert(tenant, fragment_id);
            }
            Record::Fragmented { tenant, fragment_id } => {
                self.noted.fragmented.insert(TenantId::new(&tenant).ok()?, fragment_id);
            }
            Record::Withheld { tenant } => self.ring.withhold(&TenantId::new(&tenant).ok()?),
        }
        Some(())
    }

    fn has(&self, mark: &Mark) -> bool {
        self.fragments.find(&mark.id).is_some_and(|fragment| fragment.fingerprint() == mark.fingerprint)
    }

    fn check_age(&self, told_at: u64) -> Result<(), SnapshotError> {
        let now = self.now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if told_at > now.saturating_add(SKEW_SECONDS) {
            return Err(SnapshotError::Future { seconds: told_at - now });
        }
        let age_seconds = now.saturating_sub(told_at);
        if age_seconds > self.age_max.as_secs() {
            return Err(SnapshotError::Stale { age_seconds });
        }
        Ok(())
    }
}

/// None if a key is none, or not each has its state.
fn restored(keys: &[WireSecret], states: &[KeyState]) -> Option<TenantKeys> {
    if !states.is_empty() && states.len() != keys.len() {
        return None;
    }
    let keys = keys.iter().map(|text| {
        let bytes = Zeroizing::new(STANDARD.decode(text.expose()).ok()?);
        Some(Arc::new(TenantKey::from_kept(bytes.as_slice().try_into().ok()?)))
    });
    let keys = keys.collect::<Option<Vec<_>>>()?;
    let states: Vec<_> = keys.iter().map(|key: &Arc<TenantKey>| key.key_id()).zip(states.iter().copied()).collect();
    let mut keys = keys.into_iter();
    // which of them a source names is not known before it was asked
    Some(TenantKeys::new(keys.next()?, []).keeping(keys).with_states(states))
}

const VERSION: u32 = 1;
/// A longer line grows the buffer.
const LINE_BYTES: usize = 16 << 10;
/// Clocks of one machine may go back by so much.
const SKEW_SECONDS: u64 = 300;
