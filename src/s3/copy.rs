//! `CopyObject`: a new envelope around the same secret; bodies stay where they are.
//!
//! The source is opened under its own name and its first segment under its secret ([`mod@source`]), the secret is wrapped for the
//! target's name (mode 1), and the backend copies the stored body with new metadata. The source's entity tag is pinned in between, so what was opened is what is copied.
//! Only a copy that changes the customer's key is sealed anew.

use std::time::SystemTime;

use s3s::dto::{CopyObjectInput, CopyObjectOutput, CopyObjectResult, MetadataDirective, TaggingDirective, Timestamp};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use self::source::{prove, source_beginning};
use super::acl::object_acl_changes_nothing;
use super::checksum::{Kept, show_checksums};
use super::customer_key::{self, customer_key, show_encryption, source_customer_key};
use super::gateway::Gateway;
use super::lock::{self, lock_of};
use super::metadata::{self, metadata_of};
use super::pin::pinned;
use super::read::plain_len;
use super::scope::{Name, Opened, Scope};
use super::{errors, etag, get, versions};
use crate::backend::{Copied, CopyRequest, CopyTags, Metadata, ObjectInfo, Tags, VersionId, WriteConditions, Written};
use crate::seal::{Envelope, Kind};

mod multipart;
mod resealed;
mod source;

pub(crate) use source::{source, source_info};

/// The largest object that one `CopyObject` may copy, plaintext bytes (the limit of S3).
const COPY_BYTES_MAX: u64 = 5 << 30;

pub(crate) async fn copy_object(
    gateway: &Gateway,
    request: S3Request<CopyObjectInput>,
) -> S3Result<S3Response<CopyObjectOutput>> {
    let scope = Scope::new(gateway, &request)?.with_keys().await;
    let input = request.input;
    metadata::encryption_is_sensible(input.server_side_encryption.as_ref(), input.ssekms_key_id.as_deref())?;
    let customer_key = customer_key!(input)?;
    customer_key::may_be_used(gateway, customer_key.as_ref(), input.server_side_encryption.as_ref())?;
    object_acl_changes_nothing!(input)?;
    lock::is_kept(scope.backend(), &lock_of!(input)?)?;
    let target = scope.name(&input.bucket, &input.key, input.expected_bucket_owner.as_deref())?;
    let target = target.with_customer_key(customer_key);
    let (source, version_id) = source(&scope, &input.copy_source, input.expected_source_bucket_owner.as_deref())?;
    let source = source.with_customer_key(source_customer_key!(input)?);
    let conditions = etag::read_conditions(
        input.copy_source_if_match.as_ref(),
        input.copy_source_if_none_match.as_ref(),
        input.copy_source_if_modified_since.clone(),
        input.copy_source_if_unmodified_since.clone(),
    );
    let (info, beginning) = source_beginning(&scope, &source, version_id.as_deref(), &conditions).await?;
    let opened = scope.open(&source, &info.metadata)?;
    let plain = plain_len(&source, &info, opened.envelope.kind())?;
    if plain.bytes() > COPY_BYTES_MAX {
        return Err(s3_error!(
            InvalidRequest,
            "The specified copy source is larger than the maximum allowable size for a copy source: {COPY_BYTES_MAX}"
        ));
    }
    let copy = Copy {
        metadata: target_metadata(&input, &source, &target, version_id.as_deref(), &info)?,
        tags: match input.tagging_directive.as_ref().map(TaggingDirective::as_str) {
            Some(TaggingDirective::REPLACE) => CopyTags::Replace(metadata::header_tags(input.tagging.as_deref())?),
            _ => CopyTags::Keep,
        },
        conditions: etag::write_conditions(input.if_match.as_ref(), input.if_none_match.as_ref()),
    };
    let kept = get::kept(&scope, &source, &info, &opened).await?;
    if source.customer_key != target.customer_key {
        let kept = kept.filter(|kept| !kept.composite);
        let copied = resealed::copy(&scope, (&source, &info), &target, copy, kept.as_ref()).await?;
        return answer(&scope, &target, &info, copied, kept);
    }
    prove(&scope, &source, (&info, &opened), plain, beginning).await?;
    // before the copy, which would have what does not open too
    let kept = get::kept(&scope, &source, &info, &opened).await?;
    let copied = match opened.envelope.kind() {
        Kind::Single => copy_single(&scope, &source, &info, &opened, &target, copy).await?,
        Kind::Multipart => multipart::copy_multipart(&scope, &source, &info, &opened, &target, copy).await?,
    };
    answer(&scope, &target, &info, copied, kept)
}

/// What the new object is to have, beside the body.
pub(crate) struct Copy {
    /// without the gateway's own entries
    pub(crate) metadata: Metadata,
    pub(crate) tags: CopyTags,
    pub(crate) conditions: WriteConditions,
}

/// The envelope of the copy: the same secret and object id, for the target's name, to the tenant's current key.
pub(crate) fn rewrapped(scope: &Scope<'_>, opened: &Opened, target: &Name) -> S3Result<Envelope> {
    let object_id = opened.envelope.object_id();
    let kind = opened.envelope.kind();
    Envelope::wrap(kind, scope.sealing_key()?, &scope.binding(target)?, &opened.secret, object_id)
        .map_err(|error| errors::seal(&error))
}

/// Takes over what belongs to the secret, which stays.
fn keep(metadata: &mut Metadata, source: &ObjectInfo, names: &[&str]) {
    for name in names {
        if let Some(value) = source.metadata.user.get(*name) {
            metadata.user.insert((*name).to_owned(), value.clone());
        }
    }
}

/// The tags of the new object.
async fn tags_of(scope: &Scope<'_>, source: &Name, info: &ObjectInfo, wanted: CopyTags) -> S3Result<Tags> {
    match wanted {
        CopyTags::Replace(tags) => Ok(tags),
        CopyTags::Keep if info.tag_count == 0 => Ok(Tags::new()),
        CopyTags::Keep => {
            let (object, _) = pinned(source, info);
            scope.backend().tags(&object).await.map(|(tags, _)| tags).map_err(errors::backend)
        }
    }
}

/// What became of a copy that the backend did not make in one step.
async fn copied(scope: &Scope<'_>, target: &Name, written: Written) -> Copied {
    let version_id = written.version_id.as_ref().map(VersionId::as_str);
    // The copy is there; the time is a detail.
    let last_modified =
        scope.head(target, version_id).await.map_or_else(|_| SystemTime::now(), |new| new.last_modified);
    Copied { etag: written.etag, last_modified, version_id: written.version_id }
}

async fn copy_single(
    scope: &Scope<'_>,
    source: &Name,
    info: &ObjectInfo,
    opened: &Opened,
    target: &Name,
    copy: Copy,
) -> S3Result<Copied> {
    let Copy { mut metadata, tags, conditions } = copy;
    metadata.user.insert(metadata::ENVELOPE.to_owned(), rewrapped(scope, opened, target)?.to_metadata());
    keep(&mut metadata, info, &[metadata::STREAM, metadata::ATTRIBUTES, metadata::CUSTOMER_KEY]);
    let (object, source_conditions) = pinned(source, info);
    let request = CopyRequest {
        source: object,
        source_conditions,
        bucket: target.stored.clone(),
        key: target.key.clone(),
        metadata,
        tags,
        conditions,
    };
    scope.backend().copy(request).await.map_err(errors::backend)
}

/// The source's metadata or the request's, as the directive says.
fn target_metadata(
    input: &CopyObjectInput,
    source: &Name,
    target: &Name,
    version_id: Option<&str>,
    info: &ObjectInfo,
) -> S3Result<Metadata> {
    let replaces = match input.metadata_directive.as_ref().map(MetadataDirective::as_str) {
        Some(MetadataDirective::REPLACE) => true,
        None | Some(MetadataDirective::COPY) => false,
        Some(_) => return Err(s3_error!(InvalidArgument, "Unknown metadata directive.")),
    };
    let changes = replaces
        || input.storage_class.is_some()
        || input.website_redirect_location.is_some()
        || input.server_side_encryption.is_some()
        || input.sse_customer_algorithm.is_some()
        || source.customer_key != target.customer_key
        || version_id.is_some();
    if source.stored == target.stored && source.key == target.key && !changes {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the \
             object's metadata, storage class, website redirect location or encryption attributes."
        ));
    }
    let asked = metadata_of!(input)?;
    if replaces {
        return Ok(asked);
    }
    let mut kept = info.metadata.clone();
    kept.user.retain(|name, _| !name.starts_with(metadata::ENVELOPE));
    kept.storage_class = asked.storage_class;
    kept.lock = asked.lock;
    kept.website_redirect_location = asked.website_redirect_location;
    Ok(kept)
}

fn answer(
    scope: &Scope<'_>,
    target: &Name,
    info: &ObjectInfo,
    copied: Copied,
    kept: Option<Kept>,
) -> S3Result<S3Response<CopyObjectOutput>> {
    let mut result = CopyObjectResult {
        e_tag: Some(etag::shown(&copied.etag)),
        last_modified: Some(Timestamp::from(copied.last_modified)),
        ..CopyObjectResult::default()
    };
    if let Some(kept) = kept {
        result.checksum_type = Some(kept.shown_type());
        show_checksums!(result, kept.shown());
    }
    let mut output = CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: info.version_id.as_ref().map(|id| id.as_str().to_owned()),
        version_id: versions::made(copied.version_id),
        ..CopyObjectOutput::default()
    };
    show_encryption!(output, target, scope.sealing_key()?.key_id().to_string());
    Ok(S3Response::new(output))
}
