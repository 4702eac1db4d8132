//! Lists versions and delete markers: by key, newest first within a key.
//!
//! Two walks are merged: the current objects and everything older. Of one key the current object comes first. Common
//! prefixes are stepped over in both by a new seek.
//!
//! A page may begin within a key, behind a version that was deleted since: what is older than it still follows, even
//! if it became the current object by that. Behind a null version that is gone nothing is known of the place, so the
//! key is shown from its newest version again rather than cut short.

use std::iter::Peekable;
use std::ops::Bound;

use redb::Range;

use super::list::PAGE_MAX;
use super::lookup::{self, Wanted};
use super::records::{ObjectHead, VersionRecord, is_marker};
use super::rollup::{From, Rollup};
use super::tables::{Bytes, KeyAndSeq, KeyOfBucket, Snapshot, View};
use crate::backend::{ListVersionsRequest, ListedVersion, Result, VersionId, VersionsPage};

/// One page.
pub(super) fn page(snapshot: &Snapshot, request: &ListVersionsRequest) -> Result<VersionsPage> {
    let bucket = snapshot.bucket(&request.bucket)?.id;
    let rollup = Rollup::new(&request.prefix, request.delimiter.as_deref());
    let mut merge = Merge::start(snapshot, bucket, &rollup, &Start::of(snapshot, bucket, request, &rollup)?)?;
    let mut page = VersionsPage::default();
    let max = request.max.min(PAGE_MAX);
    for left in (0..max).rev() {
        let Some(entry) = merge.next()? else { break };
        if left == 0 && merge.next()?.is_some() {
            page.next = Some(entry.markers());
        }
        match entry {
            Entry::Version(version) => page.versions.push(version),
            Entry::Prefix(prefix) => page.common_prefixes.push(prefix),
        }
    }
    Ok(page)
}

enum Entry {
    Version(ListedVersion),
    Prefix(String),
}

impl Entry {
    fn markers(&self) -> (String, Option<VersionId>) {
        match self {
            Self::Version(version) => (version.key.clone(), Some(version.version_id.clone())),
            Self::Prefix(prefix) => (prefix.clone(), None),
        }
    }
}

/// Where a page begins: at a key, and within it behind this seq.
struct Start {
    from: From,
    behind: Option<u64>,
}

impl Start {
    fn of(view: &Snapshot, bucket: u64, request: &ListVersionsRequest, rollup: &Rollup<'_>) -> Result<Self> {
        let from_prefix = From::At(request.prefix.clone());
        let plain = |from: From| Self { from: from.max(from_prefix.clone()), behind: None };
        let Some(key) = &request.key_marker else { return Ok(plain(from_prefix.clone())) };
        if rollup.common_prefix(key) == Some(key) {
            return Ok(plain(From::behind(key)));
        }
        let version = request.version_id_marker.as_ref().filter(|id| !id.as_str().is_empty());
        let Some(version) = version.filter(|_| key.starts_with(&request.prefix)) else {
            return Ok(plain(From::After(key.clone())));
        };
        let behind = match Wanted::parse(version)? {
            Wanted::Named(name) => name.seq,
            Wanted::Null => {
                lookup::find(view, bucket, key, Wanted::Null)?.map_or(u64::MAX, |found| found.record.version().seq)
            }
        };
        Ok(Self { from: From::At(key.clone()), behind: Some(behind) })
    }
}

struct Merge<'a> {
    snapshot: &'a Snapshot,
    bucket: u64,
    rollup: &'a Rollup<'a>,
    current: Peekable<Rows<KeyOfBucket>>,
    older: Peekable<Rows<KeyAndSeq>>,
    /// the key whose newest version was shown, or stands before the page
    begun: Option<String>,
}

impl<'a> Merge<'a> {
    fn start(snapshot: &'a Snapshot, bucket: u64, rollup: &'a Rollup<'a>, start: &Start) -> Result<Self> {
        let (current, older) = seek(snapshot, bucket, start)?;
        let mut merge = Self { snapshot, bucket, rollup, current, older, begun: None };
        if let (From::At(key), Some(behind)) = (&start.from, start.behind) {
            let is_shown = |row: &Row| row.key == *key && row.version.seq >= behind;
            let current_shown = merge.current.next_if(|row| row.as_ref().is_ok_and(is_shown)).is_some();
            let newest = snapshot.newest_older_version(bucket, key)?.map(|newest| newest.version().seq);
            if current_shown || newest.is_some_and(|newest| newest >= behind) {
                merge.begun = Some(key.clone());
            }
        }
        Ok(merge)
    }

    fn next(&mut self) -> Result<Option<Entry>> {
        let takes_current = match (key_of(self.current.peek()), key_of(self.older.peek())) {
            (Some(current), Some(older)) => current <= older,
            (_, None) => true,
            (None, Some(_)) => false,
        };
        let row = if takes_current { self.current.next() } else { self.older.next() };
        let Some(row) = row.transpose()? else { return Ok(None) };
        if !row.key.starts_with(self.rollup.prefix) {
            return Ok(None);
        }
        if let Some(prefix) = self.rollup.common_prefix(&row.key) {
            let start = Start { from: From::behind(prefix), behind: None };
            (self.current, self.older) = seek(self.snapshot, self.bucket, &start)?;
            return Ok(Some(Entry::Prefix(prefix.to_owned())));
        }
        let is_latest = self.begun.as_deref() != Some(row.key.as_str());
        if is_latest {
            self.begun = Some(row.key.clone());
        }
        Ok(Some(Entry::Version(row.listed(is_latest))))
    }
}

fn key_of(row: Option<&Result<Row>>) -> Option<&str> {
    row.map(|row| row.as_ref().map_or("", |row| row.key.as_str()))
}

/// One row of either table.
struct Row {
    key: String,
    version: super::records::Version,
    modified: super::records::Millis,
    object: Option<ObjectHead>,
}

impl Row {
    fn decode(key: &str, row: &[u8]) -> Result<Self> {
        let key = key.to_owned();
        if is_marker(row)
            && let VersionRecord::Marker(marker) = VersionRecord::decode(row)?
        {
            return Ok(Self { key, version: marker.version, modified: marker.modified, object: None });
        }
        let head = ObjectHead::decode(row)?;
        Ok(Self { key, version: head.version, modified: head.modified, object: Some(head) })
    }

    fn listed(self, is_latest: bool) -> ListedVersion {
        ListedVersion {
            version_id: self.version.id(),
            is_latest,
            last_modified: self.modified.time(),
            object: self.object.map(|head| head.listed(self.key.clone())),
            key: self.key,
        }
    }
}

/// The rows of one table from a place on.
struct Rows<K: redb::Key + 'static>(Option<Range<'static, K, Bytes>>);

impl Iterator for Rows<KeyOfBucket> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.0.as_mut()?.next()?;
        Some(row.map_err(Into::into).and_then(|(key, row)| Row::decode(key.value().1, row.value())))
    }
}

impl Iterator for Rows<KeyAndSeq> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.0.as_mut()?.next()?;
        Some(row.map_err(Into::into).and_then(|(key, row)| Row::decode(key.value().1, row.value())))
    }
}

type Walks = (Peekable<Rows<KeyOfBucket>>, Peekable<Rows<KeyAndSeq>>);

fn seek(snapshot: &Snapshot, bucket: u64, start: &Start) -> Result<Walks> {
    let (current, older) = match &start.from {
        From::At(key) => (
            Bound::Included((bucket, key.as_str())),
            match start.behind {
                None => Bound::Included((bucket, key.as_str(), 0)),
                Some(seq) => Bound::Excluded((bucket, key.as_str(), !seq)),
            },
        ),
        From::After(key) => {
            (Bound::Excluded((bucket, key.as_str())), Bound::Excluded((bucket, key.as_str(), u64::MAX)))
        }
        From::End => return Ok((Rows(None).peekable(), Rows(None).peekable())),
    };
    let current = snapshot.current()?.range((current, Bound::Excluded((bucket + 1, ""))))?;
    let older = snapshot.versions()?.range((older, Bound::Excluded((bucket + 1, "", 0))))?;
    Ok((Rows(Some(current)).peekable(), Rows(Some(older)).peekable()))
}
