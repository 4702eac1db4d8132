//! Lists current objects.
//!
//! One walk over the keys from the start of the page. A common prefix is entered once and then stepped over by a new
//! seek behind it, so a page costs its entries, not the keys under its prefixes or before it.

use std::ops::Bound;

use redb::{Range, ReadOnlyTable};

use super::records::ObjectHead;
use super::rollup::{From, Rollup};
use super::tables::{Bytes, KeyOfBucket, Snapshot, View};
use crate::backend::{ListPage, ListRequest, ListStart, ListedObject, Result};

/// One page.
pub(super) fn page(snapshot: &Snapshot, request: &ListRequest) -> Result<ListPage> {
    let bucket = snapshot.bucket(&request.bucket)?.id;
    let rollup = Rollup::new(&request.prefix, request.delimiter.as_deref());
    let table = snapshot.current()?;
    let mut walk = Walk { table: &table, bucket, rollup: &rollup, at: start(request, &rollup)?, rows: None };
    let mut page = ListPage::default();
    let max = request.max.min(PAGE_MAX);
    for left in (0..max).rev() {
        let Some(entry) = walk.next()? else { break };
        if left == 0 && walk.next()?.is_some() {
            let (token, marker) = entry.resume();
            (page.next_token, page.next_marker) = (Some(token.token()), Some(marker));
        }
        match entry {
            Entry::Object(object) => page.objects.push(object),
            Entry::Prefix(prefix) => page.common_prefixes.push(prefix),
        }
    }
    Ok(page)
}

fn start(request: &ListRequest, rollup: &Rollup<'_>) -> Result<From> {
    let start = match &request.start {
        ListStart::Beginning => From::At(String::new()),
        ListStart::AfterKey(key) => From::After(key.clone()),
        ListStart::AfterEntry(entry) if rollup.common_prefix(entry) == Some(entry) => From::behind(entry),
        ListStart::AfterEntry(entry) => From::After(entry.clone()),
        ListStart::Token(token) => From::of_token(token)?,
    };
    Ok(start.max(From::At(request.prefix.clone())))
}

enum Entry {
    Object(ListedObject),
    Prefix(String),
}

impl Entry {
    /// Where the page behind this entry begins, and the entry's name.
    fn resume(&self) -> (From, String) {
        match self {
            Self::Object(object) => (From::After(object.key.clone()), object.key.clone()),
            Self::Prefix(prefix) => (From::behind(prefix), prefix.clone()),
        }
    }
}

struct Walk<'a> {
    table: &'a ReadOnlyTable<KeyOfBucket, Bytes>,
    bucket: u64,
    rollup: &'a Rollup<'a>,
    /// where the rows begin if there are none yet
    at: From,
    rows: Option<Range<'static, KeyOfBucket, Bytes>>,
}

impl Walk<'_> {
    fn next(&mut self) -> Result<Option<Entry>> {
        let rows = match &mut self.rows {
            Some(rows) => rows,
            rows => {
                let from = match &self.at {
                    From::At(key) => Bound::Included((self.bucket, key.as_str())),
                    From::After(key) => Bound::Excluded((self.bucket, key.as_str())),
                    From::End => return Ok(None),
                };
                rows.insert(self.table.range((from, Bound::Excluded((self.bucket + 1, ""))))?)
            }
        };
        let Some((key, row)) = rows.next().transpose()? else { return Ok(None) };
        let (_, key) = key.value();
        if !key.starts_with(self.rollup.prefix) {
            return Ok(None);
        }
        if let Some(prefix) = self.rollup.common_prefix(key) {
            (self.at, self.rows) = (From::behind(prefix), None);
            return Ok(Some(Entry::Prefix(prefix.to_owned())));
        }
        Ok(Some(Entry::Object(ObjectHead::decode(row.value())?.listed(key.to_owned()))))
    }
}

/// Entries of a page, at most.
pub(super) const PAGE_MAX: u32 = 1000;
