//! Buckets.

use redb::ReadableTable;

use super::records::{BucketRecord, Millis};
use super::tables::{Snapshot, Tables, View};
use crate::backend::{BackendError, BucketInfo, BucketName, Result, Tags, Versioning};

impl Tables<'_> {
    pub(super) fn create_bucket(&mut self, name: &BucketName) -> Result<()> {
        if self.buckets.get(name.as_str())?.is_some() {
            return Err(BackendError::BucketAlreadyExists);
        }
        let record = BucketRecord {
            id: self.ids.next(),
            created: Millis::now(),
            versioning: Versioning::Unversioned,
            tags: None,
        };
        self.put_bucket(name, &record)
    }

    /// Deletes a bucket that holds no version, and its open uploads with it.
    pub(super) fn delete_bucket(&mut self, name: &BucketName) -> Result<()> {
        let id = self.bucket(name)?.id;
        let is_empty = self.current.range((id, "")..(id + 1, ""))?.next().is_none()
            && self.versions.range((id, "", 0)..(id + 1, "", 0))?.next().is_none();
        if !is_empty {
            return Err(BackendError::BucketNotEmpty);
        }
        self.drop_uploads(id)?;
        self.buckets.remove(name.as_str())?;
        Ok(())
    }

    pub(super) fn set_versioning(&mut self, name: &BucketName, state: Versioning) -> Result<()> {
        let mut record = self.bucket(name)?;
        if state == Versioning::Unversioned && record.versioning != state {
            return Err(BackendError::InvalidArgument("versioning can be suspended, not undone".to_owned()));
        }
        record.versioning = state;
        self.put_bucket(name, &record)
    }

    pub(super) fn set_bucket_tags(&mut self, name: &BucketName, tags: Option<&Tags>) -> Result<()> {
        let mut record = self.bucket(name)?;
        record.tags = tags.cloned();
        self.put_bucket(name, &record)
    }

    fn put_bucket(&mut self, name: &BucketName, record: &BucketRecord) -> Result<()> {
        self.buckets.insert(name.as_str(), record.encode().as_slice())?;
        Ok(())
    }
}

/// The buckets whose names start with `prefix`, in order.
pub(super) fn list(snapshot: &Snapshot, prefix: &str) -> Result<Vec<BucketInfo>> {
    let table = snapshot.buckets()?;
    let mut buckets = Vec::new();
    for row in table.range(prefix..)? {
        let (name, row) = row?;
        if !name.value().starts_with(prefix) {
            break;
        }
        buckets.push(info(name.value(), &BucketRecord::decode(row.value())?));
    }
    Ok(buckets)
}

/// What is told of a bucket.
pub(super) fn info(name: &str, record: &BucketRecord) -> BucketInfo {
    BucketInfo { name: BucketName::new(name), created: record.created.time() }
}
