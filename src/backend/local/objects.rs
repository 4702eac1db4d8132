//! Writes of objects, as changes of the tables. Each checks everything before its first change.

use super::conditions::{check_delete, check_source, check_write};
use super::ids::random;
use super::lookup::{self, Wanted};
use super::receive::NewBody;
use super::records::{Body, BucketRecord, ETag, MarkerRecord, Millis, ObjectRecord, VersionRecord};
use super::tables::{Tables, View};
use crate::backend::{
    BackendError, BucketName, Copied, CopyRequest, CopyTags, Deleted, ETagMatch, Metadata, ObjectRef, PutRequest,
    Result, StoredETag, Tags, VersionId, WriteConditions, Written,
};

/// An object to be written; what it lacks is known at the commit.
pub(super) struct NewObject {
    pub(super) etag: ETag,
    pub(super) bytes: u64,
    pub(super) body: Body,
    pub(super) metadata: Metadata,
    pub(super) tags: Tags,
}

/// An entity tag that no other write has.
pub(super) fn fresh_etag() -> Result<ETag> {
    Ok(ETag { digest: random()?, parts: 0 })
}

/// Whether a write of that name may go on; a first look, before its body is taken in.
pub(super) fn may_write(view: &impl View, bucket: &BucketName, key: &str, conditions: &WriteConditions) -> Result<()> {
    let bucket = view.bucket(bucket)?;
    if conditions.if_match.is_none() && conditions.if_none_match.is_none() {
        return Ok(());
    }
    check_write(conditions, current_etag(view, bucket.id, key)?.as_ref())
}

fn current_etag(view: &impl View, bucket: u64, key: &str) -> Result<Option<StoredETag>> {
    Ok(view.current_object(bucket, key)?.map(|object| object.etag.stored()))
}

impl Tables<'_> {
    /// Stores an object whose body was taken in.
    pub(super) fn put(&mut self, request: &PutRequest, body: &NewBody) -> Result<Written> {
        may_write(self, &request.bucket, &request.key, &request.conditions)?;
        let bucket = self.bucket(&request.bucket)?;
        let new = NewObject {
            etag: fresh_etag()?,
            bytes: body.bytes(),
            body: self.enter(body)?,
            metadata: request.metadata.clone(),
            tags: request.tags.clone(),
        };
        let object = self.place(&bucket, &request.key, new)?;
        Ok(Written { etag: object.etag.stored(), version_id: bucket.shown(object.version) })
    }

    /// Makes an object the newest version of its key.
    pub(super) fn place(&mut self, bucket: &BucketRecord, key: &str, new: NewObject) -> Result<ObjectRecord> {
        let object = ObjectRecord {
            version: self.next_version(bucket)?,
            etag: new.etag,
            bytes: new.bytes,
            modified: Millis::now(),
            body: new.body,
            metadata: new.metadata,
            tags: new.tags,
        };
        let record = VersionRecord::Object(object);
        self.add_newest(bucket, key, &record)?;
        match record {
            VersionRecord::Object(object) => Ok(object),
            VersionRecord::Marker(_) => Err(super::codec::damaged()),
        }
    }

    /// Copies an object: the new one uses the same body.
    pub(super) fn copy(&mut self, request: &CopyRequest) -> Result<Copied> {
        let (_, source) = lookup::object(self, &request.source)?;
        check_source(&request.source_conditions, &source)?;
        may_write(self, &request.bucket, &request.key, &request.conditions)?;
        let bucket = self.bucket(&request.bucket)?;
        let etag = fresh_etag()?;
        self.retain(source.body)?;
        let new = NewObject {
            etag,
            bytes: source.bytes,
            body: source.body,
            metadata: request.metadata.clone(),
            tags: match &request.tags {
                CopyTags::Keep => source.tags,
                CopyTags::Replace(tags) => tags.clone(),
            },
        };
        let object = self.place(&bucket, &request.key, new)?;
        Ok(Copied {
            etag: object.etag.stored(),
            last_modified: object.modified.time(),
            version_id: bucket.shown(object.version),
        })
    }

    /// Deletes a version, or the current object, or lays a marker over it.
    pub(super) fn delete(&mut self, object: &ObjectRef, if_match: Option<&ETagMatch>) -> Result<Deleted> {
        let bucket = self.bucket(&object.bucket)?;
        match &object.version_id {
            Some(id) => self.delete_version(&bucket, &object.key, id, if_match),
            None => self.delete_current(&bucket, &object.key, if_match),
        }
    }

    fn delete_version(
        &mut self,
        bucket: &BucketRecord,
        key: &str,
        id: &VersionId,
        if_match: Option<&ETagMatch>,
    ) -> Result<Deleted> {
        let found = lookup::find(self, bucket.id, key, Wanted::parse(id)?)?;
        let delete_marker = matches!(found.as_ref().map(|found| &found.record), Some(VersionRecord::Marker(_)));
        if let Some(wanted) = if_match {
            let etag = match found.as_ref().map(|found| &found.record) {
                Some(VersionRecord::Object(object)) => Some(object.etag.stored()),
                Some(VersionRecord::Marker(_)) | None => None,
            };
            check_delete(wanted, etag.as_ref())?;
        }
        if let Some(found) = found {
            self.remove_version(bucket, key, &found)?;
        }
        Ok(Deleted { delete_marker, version_id: Some(id.clone()) })
    }

    fn delete_current(&mut self, bucket: &BucketRecord, key: &str, if_match: Option<&ETagMatch>) -> Result<Deleted> {
        if let Some(wanted) = if_match {
            check_delete(wanted, current_etag(self, bucket.id, key)?.as_ref())?;
        }
        let version = self.next_version(bucket)?;
        if bucket.shown(version).is_none() {
            if let Some(found) = lookup::find(self, bucket.id, key, Wanted::Null)? {
                self.remove_version(bucket, key, &found)?;
            }
            return Ok(Deleted::default());
        }
        let marker = MarkerRecord { version, modified: Millis::now() };
        self.add_newest(bucket, key, &VersionRecord::Marker(marker))?;
        Ok(Deleted { delete_marker: true, version_id: Some(version.id()) })
    }

    /// Replaces the tags of a version.
    pub(super) fn set_tags(&mut self, object: &ObjectRef, tags: &Tags) -> Result<Option<VersionId>> {
        let (bucket, mut record) = lookup::object(self, object)?;
        record.tags.clone_from(tags);
        let version = record.version;
        let is_current = self.current_object(bucket.id, &object.key)?.is_some_and(|now| now.version == version);
        if is_current {
            self.current.insert((bucket.id, object.key.as_str()), record.encode().as_slice())?;
        } else {
            self.put_older(bucket.id, &object.key, &VersionRecord::Object(record))?;
        }
        Ok(bucket.shown(version))
    }
}

/// Checks a key: S3 takes 1 to 1,024 bytes.
pub(super) fn check_key(key: &str) -> Result<()> {
    if (1..=1024).contains(&key.len()) {
        return Ok(());
    }
    Err(BackendError::InvalidArgument("a key has 1 to 1,024 bytes".to_owned()))
}

/// Offset and length of a source's range, whose offsets both count.
pub(super) fn source_range(range: Option<(u64, u64)>, stored_bytes: u64) -> Result<(u64, u64)> {
    match range {
        None => Ok((0, stored_bytes)),
        Some((first, last)) if first <= last && last < stored_bytes => Ok((first, last - first + 1)),
        Some(_) => Err(BackendError::RangeNotSatisfiable { stored_bytes }),
    }
}
