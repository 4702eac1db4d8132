//! Lists open uploads: by key, and by time of creation within a key.

use std::ops::Bound;

use redb::{Range, ReadOnlyTable};

use super::ids::Name;
use super::list::PAGE_MAX;
use super::records::UploadRecord;
use super::rollup::{From, Rollup};
use super::tables::{Bytes, KeyAndSeq, Snapshot, View};
use crate::backend::{BackendError, ListUploadsRequest, ListedUpload, Result, UploadId, UploadsPage};

/// One page.
pub(super) fn page(snapshot: &Snapshot, request: &ListUploadsRequest) -> Result<UploadsPage> {
    let bucket = snapshot.bucket(&request.bucket)?.id;
    let rollup = Rollup::new(&request.prefix, request.delimiter.as_deref());
    let table = snapshot.uploads()?;
    let mut walk = Walk { table: &table, bucket, rollup: &rollup, at: start(request, &rollup)?, rows: None };
    let mut page = UploadsPage::default();
    let max = request.max.min(PAGE_MAX);
    for left in (0..max).rev() {
        let Some(entry) = walk.next()? else { break };
        if left == 0 && walk.next()?.is_some() {
            page.next = Some(entry.markers());
        }
        match entry {
            Entry::Upload(upload) => page.uploads.push(upload),
            Entry::Prefix(prefix) => page.common_prefixes.push(prefix),
        }
    }
    Ok(page)
}

/// Where the page begins: a place among keys, and the last upload of that very key that was shown.
fn start(request: &ListUploadsRequest, rollup: &Rollup<'_>) -> Result<(From, Option<u64>)> {
    let from_prefix = From::At(request.prefix.clone());
    let Some(key) = &request.key_marker else { return Ok((from_prefix, None)) };
    let upload = request.upload_id_marker.as_ref().filter(|id| !id.as_str().is_empty());
    if rollup.common_prefix(key) == Some(key) {
        return Ok((From::behind(key).max(from_prefix), None));
    }
    if let Some(id) = upload
        && key.starts_with(&request.prefix)
    {
        let unknown = || BackendError::InvalidArgument("no upload id of this store".to_owned());
        return Ok((From::At(key.clone()), Some(Name::parse(id.as_str()).ok_or_else(unknown)?.seq)));
    }
    Ok((From::After(key.clone()).max(from_prefix), None))
}

enum Entry {
    Upload(ListedUpload),
    Prefix(String),
}

impl Entry {
    fn markers(&self) -> (String, UploadId) {
        match self {
            Self::Upload(upload) => (upload.key.clone(), upload.upload_id.clone()),
            Self::Prefix(prefix) => (prefix.clone(), UploadId::new("")),
        }
    }
}

struct Walk<'a> {
    table: &'a ReadOnlyTable<KeyAndSeq, Bytes>,
    bucket: u64,
    rollup: &'a Rollup<'a>,
    at: (From, Option<u64>),
    rows: Option<Range<'static, KeyAndSeq, Bytes>>,
}

impl Walk<'_> {
    fn next(&mut self) -> Result<Option<Entry>> {
        let rows = match &mut self.rows {
            Some(rows) => rows,
            rows => {
                let from = match &self.at {
                    (From::At(key), Some(seq)) => Bound::Excluded((self.bucket, key.as_str(), *seq)),
                    (From::At(key), None) => Bound::Included((self.bucket, key.as_str(), 0)),
                    (From::After(key), _) => Bound::Excluded((self.bucket, key.as_str(), u64::MAX)),
                    (From::End, _) => return Ok(None),
                };
                rows.insert(self.table.range((from, Bound::Excluded((self.bucket + 1, "", 0))))?)
            }
        };
        let Some((key, row)) = rows.next().transpose()? else { return Ok(None) };
        let (_, key, _) = key.value();
        if !key.starts_with(self.rollup.prefix) {
            return Ok(None);
        }
        if let Some(prefix) = self.rollup.common_prefix(key) {
            (self.at, self.rows) = ((From::behind(prefix), None), None);
            return Ok(Some(Entry::Prefix(prefix.to_owned())));
        }
        let upload = UploadRecord::decode(row.value())?;
        Ok(Some(Entry::Upload(ListedUpload {
            key: key.to_owned(),
            upload_id: upload.name.upload_id(),
            initiated: upload.created.time(),
            storage_class: upload.metadata.storage_class,
        })))
    }
}
