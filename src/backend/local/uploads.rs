//! Multipart uploads.

use redb::ReadableTable;
use sha2::{Digest, Sha256};

use super::conditions::check_source;
use super::ids::Name;
use super::list::PAGE_MAX;
use super::lookup;
use super::objects::{NewObject, fresh_etag, may_write, source_range};
use super::receive::NewBody;
use super::records::{Body, ETag, Millis, PartRecord, UploadRecord};
use super::tables::{Snapshot, Tables, View};
use crate::backend::{
    BackendError, CompleteUpload, CopiedPart, CreateUpload, PartInfo, PartRef, PartSource, PartsPage, Result,
    StoredETag, UploadId, UploadRef, Written,
};

impl Tables<'_> {
    pub(super) fn create_upload(&mut self, request: &CreateUpload) -> Result<UploadId> {
        let bucket = self.bucket(&request.bucket)?;
        let record = UploadRecord {
            name: Name::new(self.ids.next())?,
            created: Millis::now(),
            metadata: request.metadata.clone(),
            tags: request.tags.clone(),
        };
        let key = (bucket.id, request.key.as_str(), record.name.seq);
        self.uploads.insert(key, record.encode().as_slice())?;
        Ok(record.name.upload_id())
    }

    /// Enters a part whose body was taken in.
    pub(super) fn put_part(&mut self, part: &PartRef, body: &NewBody) -> Result<StoredETag> {
        let (_, upload) = self.upload(&part.upload)?;
        let etag = fresh_etag()?;
        let body = (self.enter(body)?, body.bytes());
        self.enter_part(&upload, part.number, etag, body)?;
        Ok(etag.stored())
    }

    /// Enters a part that is a range of an object.
    pub(super) fn copy_part(&mut self, part: &PartRef, source: &PartSource) -> Result<CopiedPart> {
        let (_, upload) = self.upload(&part.upload)?;
        let (_, object) = lookup::object(self, &source.object)?;
        check_source(&source.conditions, &object)?;
        let (first, bytes) = source_range(source.range, object.bytes)?;
        let etag = fresh_etag()?;
        let body = self.share(object.body, object.bytes, first, bytes)?;
        let modified = self.enter_part(&upload, part.number, etag, (body, bytes))?;
        Ok(CopiedPart { etag: etag.stored(), last_modified: modified.time() })
    }

    fn enter_part(&mut self, upload: &UploadRecord, number: u32, etag: ETag, body: (Body, u64)) -> Result<Millis> {
        let part = PartRecord { etag, bytes: body.1, modified: Millis::now(), body: body.0 };
        let replaced = self.parts.insert((upload.name.seq, number), part.encode().as_slice())?;
        let replaced = replaced.map(|row| PartRecord::decode(row.value())).transpose()?;
        if let Some(replaced) = replaced {
            self.release(replaced.body)?;
        }
        Ok(part.modified)
    }

    /// Makes an object of the named parts.
    pub(super) fn complete_upload(&mut self, request: &CompleteUpload) -> Result<Written> {
        let (bucket, upload) = self.upload(&request.upload)?;
        let parts = self.named_parts(&upload, &request.parts)?;
        may_write(self, &request.upload.bucket, &request.upload.key, &request.conditions)?;
        let mut bytes = 0_u64;
        let mut digest = Sha256::new();
        for part in &parts {
            bytes = bytes.checked_add(part.bytes).ok_or_else(super::codec::damaged)?;
            digest.update(part.etag.digest);
        }
        let digest = digest.finalize();
        let digest = digest.first_chunk().copied().ok_or_else(super::codec::damaged)?;
        let bodies: Vec<_> = parts.iter().map(|part| (part.body, part.bytes)).collect();
        let new = NewObject {
            etag: ETag { digest, parts: u32::try_from(parts.len()).unwrap_or(u32::MAX) },
            bytes,
            body: self.join(&bodies)?,
            metadata: upload.metadata.clone(),
            tags: upload.tags.clone(),
        };
        for (number, _) in &request.parts {
            self.parts.remove((upload.name.seq, *number))?;
        }
        self.drop_upload(bucket.id, &request.upload.key, upload.name.seq)?;
        let object = self.place(&bucket, &request.upload.key, new)?;
        Ok(Written { etag: object.etag.stored(), version_id: bucket.shown(object.version) })
    }

    fn named_parts(&self, upload: &UploadRecord, named: &[(u32, StoredETag)]) -> Result<Vec<PartRecord>> {
        if named.is_empty() {
            return Err(BackendError::InvalidArgument("no part is named".to_owned()));
        }
        if !named.is_sorted_by(|(one, _), (next, _)| one < next) {
            return Err(BackendError::InvalidPartOrder);
        }
        let part = |(number, etag): &(u32, StoredETag)| {
            let row = self.parts.get((upload.name.seq, *number))?;
            let part = row.map(|row| PartRecord::decode(row.value())).transpose()?;
            let invalid = BackendError::InvalidPart { number: *number };
            part.filter(|part| part.etag.stored() == *etag).ok_or(invalid)
        };
        named.iter().map(part).collect()
    }

    pub(super) fn abort_upload(&mut self, upload: &UploadRef) -> Result<()> {
        let (bucket, record) = self.upload(upload)?;
        self.drop_upload(bucket.id, &upload.key, record.name.seq)
    }

    /// Drops every open upload of a bucket.
    pub(super) fn drop_uploads(&mut self, bucket: u64) -> Result<()> {
        let open = self.uploads.range((bucket, "", 0)..(bucket + 1, "", 0))?;
        let open = open.map(|row| {
            let (key, _) = row?;
            let (_, key, seq) = key.value();
            Ok((key.to_owned(), seq))
        });
        let open = open.collect::<Result<Vec<_>>>()?;
        open.iter().try_for_each(|(key, seq)| self.drop_upload(bucket, key, *seq))
    }

    /// Drops an upload and the parts it still has.
    fn drop_upload(&mut self, bucket: u64, key: &str, seq: u64) -> Result<()> {
        self.uploads.remove((bucket, key, seq))?;
        let left = self.parts.range((seq, 0)..=(seq, u32::MAX))?;
        let left = left.map(|row| {
            let (key, row) = row?;
            Ok((key.value(), PartRecord::decode(row.value())?))
        });
        for (key, part) in left.collect::<Result<Vec<_>>>()? {
            self.parts.remove(key)?;
            self.release(part.body)?;
        }
        Ok(())
    }
}

/// One page of the parts above `after`.
pub(super) fn list_parts(snapshot: &Snapshot, upload: &UploadRef, after: u32, max: u32) -> Result<PartsPage> {
    let (_, upload) = snapshot.upload(upload)?;
    let max = max.min(PAGE_MAX);
    let mut page = PartsPage::default();
    let table = snapshot.parts()?;
    let Some(from) = after.checked_add(1) else { return Ok(page) };
    let rows = table.range((upload.name.seq, from)..=(upload.name.seq, u32::MAX))?;
    for (left, row) in (0..=max).rev().zip(rows) {
        if left == 0 {
            page.truncated = max > 0;
            break;
        }
        let (key, row) = row?;
        let part = PartRecord::decode(row.value())?;
        page.parts.push(PartInfo {
            number: key.value().1,
            etag: part.etag.stored(),
            stored_bytes: part.bytes,
            last_modified: part.modified.time(),
        });
    }
    Ok(page)
}

/// Checks a part's number.
pub(super) fn check_number(number: u32) -> Result<()> {
    if (1..=10_000).contains(&number) {
        return Ok(());
    }
    Err(BackendError::InvalidArgument("part numbers are 1 to 10,000".to_owned()))
}
