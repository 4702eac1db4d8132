//! Multipart uploads.

use http::Method;

use super::answer::{self, About, AnswerError, broken, unavailable};
use super::call::Call;
use super::features::require;
use super::headers::{unquoted, with_metadata, with_tags};
use super::lists::{Names, common_prefixes, page_of};
use super::objects::etag;
use super::outgoing::{Outgoing, Trailer};
use super::xml::{Element, Writer, XmlError};
use super::{HELD_BYTES_MAX, S3Store, part_call, upload_call, xml_body};
use crate::backend::{
    BackendError, CompleteUpload, CreateUpload, ListUploadsRequest, ListedUpload, ObjectRef, PartInfo, PartRef,
    PartsPage, ReadConditions, Result, SealedBody, StoredETag, UploadId, UploadRef, UploadsPage, Written,
};

const UPLOAD: About = About { object: true, version: false, upload: true };
const OBJECT: About = About { object: true, version: false, upload: false };

impl S3Store {
    pub(super) async fn upload_created(&self, request: CreateUpload) -> Result<UploadId> {
        self.upload_created_for(request, self.trailer()).await
    }

    /// Begins an upload whose parts have such a trailer.
    pub(super) async fn upload_created_for(&self, request: CreateUpload, trailer: Trailer) -> Result<UploadId> {
        let CreateUpload { bucket, key, metadata, tags } = request;
        if !self.features.features().part_counts {
            return Err(BackendError::NotImplemented("multipart uploads whose length can be told"));
        }
        self.require_lock(&metadata)?;
        let call = with_metadata(Call::object(Method::POST, &bucket, &key).flag("uploads"), &metadata)?;
        let call = if trailer == Trailer::Sum {
            // parts may then have this one, and no other
            call.header("x-amz-checksum-algorithm", "CRC64NVME")?.header("x-amz-checksum-type", "FULL_OBJECT")?
        } else {
            call
        };
        let document = self.xml(&with_tags(call, &tags)?, &Outgoing::empty(), OBJECT).await?;
        let root = document.root();
        root.required("UploadId").map(UploadId::new).map_err(broken)
    }

    pub(super) async fn part_put(&self, part: &PartRef, body: SealedBody) -> Result<StoredETag> {
        let body = Outgoing::new(body, HELD_BYTES_MAX, self.trailer()).await.map_err(BackendError::Body)?;
        let response = self.uploaded(&part_call(part), &body, UPLOAD).await?;
        etag(response.headers())
    }

    pub(super) async fn upload_completed(&self, request: CompleteUpload) -> Result<Written> {
        require(self.features.features().conditional_completes, &request.conditions)?;
        let written = self.completed(request).await?;
        if written.etag.stored_parts().is_none() {
            // nobody could tell how long the object is
            return Err(unavailable(AnswerError::Lacks("a count of parts in the entity tag")));
        }
        Ok(written)
    }

    /// Completes an upload, whatever the entity tag looks like.
    pub(super) async fn completed(&self, request: CompleteUpload) -> Result<Written> {
        let CompleteUpload { upload, parts, conditions } = request;
        if !parts.is_sorted_by(|(one, _), (next, _)| one < next) {
            return Err(BackendError::InvalidPartOrder);
        }
        let document = Writer::document("CompleteMultipartUpload", |writer| {
            for (number, etag) in &parts {
                writer.element("Part", |part| {
                    part.text("PartNumber", &number.to_string());
                    part.text("ETag", &format!("\"{etag}\""));
                });
            }
        });
        let call = self.with_conditions(upload_call(Method::POST, &upload).once().long(), &conditions)?;
        let response = match self.ok(&call, &xml_body(document), UPLOAD).await {
            Err(error) => return Err(self.unmet(error, &upload.bucket, &upload.key, &conditions).await),
            Ok(response) => response,
        };
        let version_id = answer::version(response.headers());
        let document = answer::xml(response, self.waiting(&call), UPLOAD).await?;
        let root = document.root();
        if let Some(etag) = root.filled("ETag") {
            return Ok(Written { etag: StoredETag::new(unquoted(etag)), version_id });
        }
        // Ceph leaves it out the first time
        let UploadRef { bucket, key, .. } = upload;
        let object = ObjectRef { bucket, key, version_id };
        let info = self.object_head(&object, &ReadConditions::default()).await?;
        Ok(Written { etag: info.etag, version_id: object.version_id })
    }

    pub(super) async fn upload_aborted(&self, upload: &UploadRef) -> Result<()> {
        self.ok(&upload_call(Method::DELETE, upload), &Outgoing::empty(), UPLOAD).await.map(drop)
    }

    pub(super) async fn parts_listed(&self, upload: &UploadRef, after: u32, max: u32) -> Result<PartsPage> {
        let call = upload_call(Method::GET, upload)
            .query("part-number-marker", &after.to_string())
            .query("max-parts", &max.to_string());
        let document = self.xml(&call, &Outgoing::empty(), UPLOAD).await?;
        let root = document.root();
        let page = parts_page(root).map_err(broken)?;
        let numbers = std::iter::once(after).chain(page.parts.iter().map(|part| part.number));
        let is_in_order = numbers.is_sorted_by(|one, next| one < next);
        if !is_in_order || page.parts.last().is_some_and(|last| last.number > PART_NUMBER_MAX) {
            return Err(unavailable(AnswerError::Outside));
        }
        // else whoever asks for all pages would do so for ever
        if page.truncated && page.parts.last().is_none_or(|part| part.number <= after) {
            return Err(unavailable(AnswerError::Again));
        }
        Ok(page)
    }

    pub(super) async fn uploads_listed(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        let ListUploadsRequest { bucket, prefix, delimiter, key_marker, upload_id_marker, max } = request;
        if max == 0 {
            return Ok(UploadsPage::default());
        }
        let call = page_of(Call::bucket(Method::GET, &bucket).flag("uploads"), &prefix, delimiter.as_deref())
            .query("max-uploads", &max.to_string())
            .maybe_query("key-marker", key_marker.as_deref())
            .maybe_query("upload-id-marker", upload_id_marker.as_ref().map(UploadId::as_str));
        let document = self.xml(&call, &Outgoing::empty(), About::default()).await?;
        let root = document.root();
        let mut page = uploads_page(root).map_err(broken)?;
        // some stores pass over it, and a client may go on to abort what it gets
        page.uploads.retain(|upload| upload.key.starts_with(&prefix));
        page.common_prefixes.retain(|common| common.starts_with(&prefix));
        if page
            .next
            .as_ref()
            .is_some_and(|(key, id)| (Some(key), Some(id)) == (key_marker.as_ref(), upload_id_marker.as_ref()))
        {
            return Err(unavailable(AnswerError::Again));
        }
        Ok(page)
    }
}

/// The highest that S3 knows.
const PART_NUMBER_MAX: u32 = 10_000;

fn parts_page(root: Element<'_>) -> std::result::Result<PartsPage, XmlError> {
    let mut parts = Vec::new();
    for entry in root.all("Part") {
        parts.push(PartInfo {
            number: entry.number("PartNumber")?.try_into().map_err(|_| XmlError)?,
            etag: StoredETag::new(unquoted(entry.required("ETag")?)),
            stored_bytes: entry.number("Size")?,
            last_modified: entry.time("LastModified")?,
        });
    }
    Ok(PartsPage { parts, truncated: root.is_true("IsTruncated") })
}

fn uploads_page(root: Element<'_>) -> std::result::Result<UploadsPage, XmlError> {
    let names = Names::of(root);
    let mut uploads = Vec::new();
    for entry in root.all("Upload") {
        uploads.push(ListedUpload {
            key: names.plain(entry.required("Key")?),
            upload_id: UploadId::new(entry.required("UploadId")?),
            initiated: entry.time("Initiated")?,
            storage_class: entry.filled("StorageClass").filter(|class| *class != "STANDARD").map(str::to_owned),
        });
    }
    let next = root
        .filled("NextKeyMarker")
        .filter(|_| root.is_true("IsTruncated"))
        .map(|key| (names.plain(key), UploadId::new(root.text("NextUploadIdMarker").unwrap_or_default())));
    Ok(UploadsPage { uploads, common_prefixes: common_prefixes(&names, root)?, next })
}
