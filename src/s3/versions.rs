//! Versioning of buckets and `ListObjectVersions`.

use s3s::dto::{
    BucketVersioningStatus, DeleteMarkerEntry, GetBucketVersioningInput, GetBucketVersioningOutput,
    ListObjectVersionsInput, ListObjectVersionsOutput, MFADelete, ObjectVersion, ObjectVersionStorageClass,
    PutBucketVersioningInput, PutBucketVersioningOutput, VersioningConfiguration,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::gateway::Gateway;
use super::list::view::{self, Sizes, View};
use super::scope::Scope;
use super::{body_digest, errors, etag};
use crate::backend::{ListVersionsRequest, ListedVersion, VersionId, Versioning, VersionsPage};

pub(crate) async fn list_object_versions(
    gateway: &Gateway,
    request: S3Request<ListObjectVersionsInput>,
) -> S3Result<S3Response<ListObjectVersionsOutput>> {
    let scope = Scope::new(gateway, &request)?;
    let input = request.input;
    let view = View::new(&scope.principal.tenant, input.encoding_type)?;
    let max = view::page_max(input.max_keys)?;
    let key_marker = input.key_marker.filter(|text| !text.is_empty());
    let version_marker = input.version_id_marker.filter(|text| !text.is_empty());
    if version_marker.is_some() && key_marker.is_none() {
        return Err(s3_error!(InvalidArgument, "A version-id marker cannot be specified without a key marker."));
    }
    let list = ListVersionsRequest {
        bucket: scope.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?,
        prefix: input.prefix.unwrap_or_default(),
        delimiter: input.delimiter.filter(|text| !text.is_empty()),
        key_marker,
        version_id_marker: version_marker.map(VersionId::new),
        max,
    };
    let page = page(&scope, list.clone()).await?;
    let (versions, delete_markers) = entries(&view, &input.bucket, &page.versions);
    let (next_key, next_version) = page.next.clone().unzip();
    Ok(S3Response::new(ListObjectVersionsOutput {
        is_truncated: Some(page.next.is_some()),
        next_key_marker: next_key.map(|text| view.text(&text)),
        next_version_id_marker: next_version.flatten().map(|id| id.as_str().to_owned()),
        versions: Some(versions),
        delete_markers: Some(delete_markers),
        common_prefixes: Some(view.common_prefixes(&page.common_prefixes)),
        name: Some(input.bucket),
        prefix: Some(view.text(&list.prefix)),
        delimiter: list.delimiter.map(|text| view.text(&text)),
        key_marker: Some(list.key_marker.map(|text| view.text(&text)).unwrap_or_default()),
        version_id_marker: Some(list.version_id_marker.map(|id| id.as_str().to_owned()).unwrap_or_default()),
        max_keys: Some(view::shown_max(max)),
        encoding_type: view.encoding_type(),
        request_charged: None,
    }))
}

/// The version that a write made, as its answer names it: S3 names none where versioning is suspended.
pub(crate) fn made(version_id: Option<VersionId>) -> Option<String> {
    version_id.map(|id| id.as_str().to_owned()).filter(|id| id != NULL_VERSION)
}

pub(crate) async fn get_bucket_versioning(
    gateway: &Gateway,
    request: S3Request<GetBucketVersioningInput>,
) -> S3Result<S3Response<GetBucketVersioningOutput>> {
    let scope = Scope::new(gateway, &request)?;
    let bucket = scope.bucket(&request.input.bucket, request.input.expected_bucket_owner.as_deref())?;
    let state = scope.backend().versioning(&bucket).await.map_err(errors::backend)?;
    let status = match state {
        Versioning::Unversioned => None,
        Versioning::Enabled => Some(BucketVersioningStatus::ENABLED),
        Versioning::Suspended => Some(BucketVersioningStatus::SUSPENDED),
    };
    let status = status.map(BucketVersioningStatus::from_static);
    Ok(S3Response::new(GetBucketVersioningOutput { status, ..GetBucketVersioningOutput::default() }))
}

pub(crate) async fn put_bucket_versioning(
    gateway: &Gateway,
    request: S3Request<PutBucketVersioningInput>,
) -> S3Result<S3Response<PutBucketVersioningOutput>> {
    body_digest::verify(&request)?;
    let scope = Scope::new(gateway, &request)?;
    let input = request.input;
    let bucket = scope.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let state = requested_state(&input.versioning_configuration)?;
    scope.backend().set_versioning(&bucket, state).await.map_err(errors::backend)?;
    Ok(S3Response::new(PutBucketVersioningOutput {}))
}

fn requested_state(configuration: &VersioningConfiguration) -> S3Result<Versioning> {
    if configuration.mfa_delete.as_ref().is_some_and(|mfa| mfa.as_str() != MFADelete::DISABLED) {
        return Err(s3_error!(NotImplemented, "MFA Delete is not supported."));
    }
    match configuration.status.as_ref().map(BucketVersioningStatus::as_str) {
        Some(BucketVersioningStatus::ENABLED) => Ok(Versioning::Enabled),
        Some(BucketVersioningStatus::SUSPENDED) => Ok(Versioning::Suspended),
        Some(_) => Err(s3_error!(MalformedXML)),
        None => Err(s3_error!(IllegalVersioningConfigurationException, "The Versioning element must be specified")),
    }
}

async fn page(scope: &Scope<'_>, list: ListVersionsRequest) -> S3Result<VersionsPage> {
    scope.takes_start(Some(&list.prefix))?;
    scope.takes_start(list.key_marker.as_deref())?;
    if list.max == 0 {
        scope.backend().head_bucket(&list.bucket).await.map_err(errors::backend)?;
        return Ok(VersionsPage::default());
    }
    scope.backend().list_versions(list).await.map_err(errors::backend)
}

/// Versions and delete markers, apart as in the framework's answer, each in order.
fn entries(view: &View, bucket: &str, listed: &[ListedVersion]) -> (Vec<ObjectVersion>, Vec<DeleteMarkerEntry>) {
    let (mut versions, mut markers) = (Vec::new(), Vec::new());
    let mut sizes = Sizes::default();
    for entry in listed {
        let key = Some(view.text(&entry.key));
        let version_id = Some(entry.version_id.as_str().to_owned());
        let (is_latest, owner) = (Some(entry.is_latest), Some(view.owner()));
        let last_modified = Some(entry.last_modified.into());
        match &entry.object {
            Some(object) => versions.push(ObjectVersion {
                size: Some(sizes.shown(object)),
                e_tag: Some(etag::shown(&object.etag)),
                storage_class: Some(ObjectVersionStorageClass::from(view::storage_class(object.storage_class.clone()))),
                key,
                version_id,
                is_latest,
                owner,
                last_modified,
                ..ObjectVersion::default()
            }),
            None => markers.push(DeleteMarkerEntry { key, version_id, is_latest, owner, last_modified }),
        }
    }
    sizes.report(bucket);
    (versions, markers)
}

/// The version of an object that was written while versioning was off.
const NULL_VERSION: &str = "null";

#[cfg(test)]
mod tests;
