//! Copies within the store.

use std::time::SystemTime;

use http::Method;

use super::answer::{self, About, broken};
use super::call::{Call, encode};
use super::features::require;
use super::headers::{tags_text, unquoted, with_metadata, with_read_conditions};
use super::outgoing::Outgoing;
use super::xml::Element;
use super::{S3Store, part_call};
use crate::backend::{
    BackendError, Copied, CopiedPart, CopyRequest, CopyTags, GetRequest, ObjectRef, PartRef, PartSource,
    ReadConditions, Result, SealedBody, StoredETag, StoredRange,
};

const COPY: About = About { object: true, version: false, upload: false };

impl S3Store {
    pub(super) async fn object_copied(&self, request: CopyRequest) -> Result<Copied> {
        let CopyRequest { source, source_conditions, bucket, key, metadata, tags, conditions } = request;
        require(self.features.features().conditional_copies, &conditions)?;
        self.require_lock(&metadata)?;
        let call = Call::object(Method::PUT, &bucket, &key).long().once().header(COPY_SOURCE, &source_text(&source))?;
        let call = with_metadata(call, &metadata)?.header("x-amz-metadata-directive", "REPLACE")?;
        let call = match tags {
            CopyTags::Keep => call,
            CopyTags::Replace(tags) => {
                call.header("x-amz-tagging-directive", "REPLACE")?.header("x-amz-tagging", &tags_text(&tags))?
            }
        };
        let call = of_the_source(call, &source_conditions)?;
        let call = self.with_conditions(call, &conditions)?;
        let response = self.ok(&call, &Outgoing::empty(), COPY).await.map_err(of_source)?;
        let version_id = answer::version(response.headers());
        let document = answer::xml(response, self.waiting(&call), COPY).await.map_err(of_source)?;
        let root = document.root();
        Ok(Copied { etag: etag(root)?, last_modified: root.time("LastModified").map_err(broken)?, version_id })
    }

    /// Copies a part; where the store does not, it is read and sent again as it is stored.
    pub(super) async fn part_copied(&self, part: &PartRef, source: PartSource) -> Result<CopiedPart> {
        if self.features.features().part_copies {
            return self.part_copied_within(part, source).await;
        }
        let PartSource { object, range, conditions } = source;
        let range = range.map(|(first, last)| StoredRange::Bounded { first, last });
        let fetched = self.object_get(GetRequest { object, range, conditions }).await.map_err(of_source)?;
        let body = SealedBody { bytes: fetched.bytes, stream: fetched.stream, late_metadata: None };
        let etag = self.part_put(part, body).await?;
        Ok(CopiedPart { etag, last_modified: SystemTime::now() })
    }

    pub(super) async fn part_copied_within(&self, part: &PartRef, source: PartSource) -> Result<CopiedPart> {
        let PartSource { object, range, conditions } = source;
        let call = part_call(part).long().header(COPY_SOURCE, &source_text(&object))?;
        let range = range.map(|(first, last)| format!("bytes={first}-{last}"));
        let call = call.maybe_header("x-amz-copy-source-range", range.as_deref())?;
        let call = of_the_source(call, &conditions)?;
        let document = self.xml(&call, &Outgoing::empty(), COPY).await.map_err(of_source)?;
        let root = document.root();
        Ok(CopiedPart { etag: etag(root)?, last_modified: root.time("LastModified").map_err(broken)? })
    }
}

/// Puts the conditions of a copy's source on a call. Ceph looks for them under names of its own, which mean nothing to
/// others; without them it would copy whatever the source has become meanwhile.
fn of_the_source(call: Call, conditions: &ReadConditions) -> Result<Call> {
    let call = with_read_conditions(call, "x-amz-copy-source-", conditions)?;
    with_read_conditions(call, "x-amz-copy-", conditions)
}

/// A condition of the source that does not hold is `PreconditionFailed`, whichever it was.
fn of_source(error: BackendError) -> BackendError {
    if matches!(error, BackendError::NotModified { .. }) { BackendError::PreconditionFailed } else { error }
}

fn etag(root: Element<'_>) -> Result<StoredETag> {
    root.required("ETag").map(|etag| StoredETag::new(unquoted(etag))).map_err(broken)
}

/// `bucket/key`, encoded, with its version.
fn source_text(source: &ObjectRef) -> String {
    let mut text = String::new();
    encode(source.bucket.as_str(), false, &mut text);
    text.push('/');
    encode(&source.key, true, &mut text);
    if let Some(version) = &source.version_id {
        text.push_str("?versionId=");
        encode(version.as_str(), false, &mut text);
    }
    text
}

const COPY_SOURCE: &str = "x-amz-copy-source";
