//! Buckets: create, delete, head, list, location.
//!
//! A client sees its own names only; [`Principal`](crate::tenant::Principal) maps them. Every bucket is in `us-east-1`: a
//! `LocationConstraint` is taken and has no effect, as where the data lies is the backend's matter.

use s3s::dto::{
    Bucket, BucketCannedACL, CreateBucketInput, CreateBucketOutput, DeleteBucketInput, DeleteBucketOutput,
    GetBucketLocationInput, GetBucketLocationOutput, HeadBucketInput, HeadBucketOutput, ListBucketsInput,
    ListBucketsOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::gateway::Gateway;
use super::list::{shown_token, stored_token, view};
use super::scope::Scope;
use super::{acl, bucket_settings};
use super::{errors, metadata};
use crate::backend::{
    BackendError, BucketInfo, BucketName as StoredName, ListRequest, ListStart, ListUploadsRequest,
    ListVersionsRequest, NewBucket, Result as BackendResult, Tags, UploadRef,
};

/// The region that is named where S3 names one.
const REGION: &str = "us-east-1";

pub(crate) async fn list_buckets(
    gateway: &Gateway,
    request: S3Request<ListBucketsInput>,
) -> S3Result<S3Response<ListBucketsOutput>> {
    let scope = Scope::new(gateway, &request)?;
    let input = request.input;
    let max = max_buckets(input.max_buckets)?;
    let after = input.continuation_token.as_deref().filter(|text| !text.is_empty()).map(stored_token).transpose()?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let stored_prefix = format!("{}{prefix}", scope.principal.bucket_prefix);
    let stored = scope.backend().list_buckets(&stored_prefix).await.map_err(errors::backend)?;
    let here = input.bucket_region.is_none_or(|region| region == REGION);
    let mut shown = stored
        .iter()
        .filter(|bucket| here && bucket.name != gateway.staging)
        .filter_map(|bucket| bucket_shown(&scope, bucket))
        .filter(|bucket| after.as_ref().is_none_or(|after| bucket.name.as_ref() > Some(after)));
    let buckets: Vec<Bucket> = shown.by_ref().take(max).collect();
    let more = shown.next().is_some();
    let last = buckets.last().and_then(|bucket| bucket.name.as_deref());
    Ok(S3Response::new(ListBucketsOutput {
        continuation_token: last.filter(|_| more).map(shown_token),
        owner: Some(view::owner(&scope.principal.tenant)),
        prefix: input.prefix,
        buckets: Some(buckets),
    }))
}

pub(crate) async fn create_bucket(
    gateway: &Gateway,
    request: S3Request<CreateBucketInput>,
) -> S3Result<S3Response<CreateBucketOutput>> {
    let scope = Scope::new(gateway, &request)?;
    let input = request.input;
    let stored = scope.bucket(&input.bucket, None)?;
    let tags = requested_tags(&input)?;
    let wanted = requested(&input)?;
    scope.backend().create_bucket_with(&stored, &wanted).await.map_err(errors::backend)?;
    if !tags.is_empty() {
        scope.backend().set_bucket_tags(&stored, Some(tags)).await.map_err(errors::backend)?;
    }
    let location = Some(format!("/{}", input.bucket));
    Ok(S3Response::new(CreateBucketOutput { location, ..CreateBucketOutput::default() }))
}

/// Deletes an empty bucket. As in S3, open multipart uploads do not keep it from being empty: they are aborted.
pub(crate) async fn delete_bucket(
    gateway: &Gateway,
    request: S3Request<DeleteBucketInput>,
) -> S3Result<S3Response<DeleteBucketOutput>> {
    let scope = Scope::new(gateway, &request)?;
    let input = request.input;
    let stored = scope.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let mut deleted = scope.backend().delete_bucket(&stored).await;
    if matches!(deleted, Err(BackendError::BucketNotEmpty)) && has_no_version(&scope, &stored).await? {
        abort_uploads(&scope, &stored).await?;
        deleted = scope.backend().delete_bucket(&stored).await;
    }
    deleted.map_err(errors::backend)?;
    Ok(S3Response::new(DeleteBucketOutput {}))
}

pub(crate) async fn head_bucket(
    gateway: &Gateway,
    request: S3Request<HeadBucketInput>,
) -> S3Result<S3Response<HeadBucketOutput>> {
    let scope = Scope::new(gateway, &request)?;
    let stored = scope.bucket(&request.input.bucket, request.input.expected_bucket_owner.as_deref())?;
    scope.backend().head_bucket(&stored).await.map_err(errors::backend)?;
    let bucket_region = Some(REGION.to_owned());
    Ok(S3Response::new(HeadBucketOutput { bucket_region, ..HeadBucketOutput::default() }))
}

/// An empty constraint, which is how S3 says `us-east-1`.
pub(crate) async fn get_bucket_location(
    gateway: &Gateway,
    request: S3Request<GetBucketLocationInput>,
) -> S3Result<S3Response<GetBucketLocationOutput>> {
    let scope = Scope::new(gateway, &request)?;
    let stored = scope.bucket(&request.input.bucket, request.input.expected_bucket_owner.as_deref())?;
    scope.backend().head_bucket(&stored).await.map_err(errors::backend)?;
    Ok(S3Response::new(GetBucketLocationOutput::default()))
}

fn max_buckets(asked: Option<i32>) -> S3Result<usize> {
    match asked.map(usize::try_from) {
        None => Ok(BUCKETS_MAX),
        Some(Ok(max @ 1..=BUCKETS_MAX)) => Ok(max),
        Some(_) => Err(s3_error!(InvalidArgument, "Argument max-buckets must be an integer between 1 and 10000")),
    }
}

/// A bucket under the tenant's name for it; `None` if it is not the tenant's.
fn bucket_shown(scope: &Scope<'_>, bucket: &BucketInfo) -> Option<Bucket> {
    let name = scope.principal.bucket_prefix.to_client(&bucket.name)?;
    Some(Bucket {
        name: Some(name.to_owned()),
        creation_date: Some(bucket.created.into()),
        bucket_region: Some(REGION.to_owned()),
        ..Bucket::default()
    })
}

/// What the new bucket shall have beside tags; refused is what no bucket has here.
fn requested(input: &CreateBucketInput) -> S3Result<NewBucket> {
    let grants = [
        &input.grant_full_control,
        &input.grant_read,
        &input.grant_read_acp,
        &input.grant_write,
        &input.grant_write_acp,
    ];
    acl::changes_nothing(input.acl.as_ref().map(BucketCannedACL::as_str), &grants)?;
    bucket_settings::ownership_is_so(input.object_ownership.as_ref())?;
    Ok(NewBucket { object_lock: input.object_lock_enabled_for_bucket == Some(true) })
}

/// The tags that the new bucket shall have.
fn requested_tags(input: &CreateBucketInput) -> S3Result<Tags> {
    let Some(configuration) = &input.create_bucket_configuration else { return Ok(Tags::new()) };
    if configuration.bucket.is_some() || configuration.location.is_some() {
        return Err(s3_error!(NotImplemented, "Directory buckets are not supported."));
    }
    metadata::bucket_tags(configuration.tags.clone().unwrap_or_default())
}

/// A store without versions is asked for objects.
async fn has_no_version(scope: &Scope<'_>, bucket: &StoredName) -> S3Result<bool> {
    let list = ListVersionsRequest {
        bucket: bucket.clone(),
        prefix: String::new(),
        delimiter: None,
        key_marker: None,
        version_id_marker: None,
        max: 1,
    };
    match scope.backend().list_versions(list).await {
        Ok(page) => Ok(page.versions.is_empty()),
        Err(BackendError::NotImplemented(_)) => {
            let start = ListStart::Beginning;
            let list = ListRequest { bucket: bucket.clone(), prefix: String::new(), delimiter: None, start, max: 1 };
            Ok(scope.backend().list(list).await.map_err(errors::backend)?.objects.is_empty())
        }
        Err(error) => Err(errors::backend(error)),
    }
}

/// Aborts every upload that is open, page by page, up to [`UPLOADS_PAGES_MAX`]. What they left in the staging bucket is
/// the sweeper's.
async fn abort_uploads(scope: &Scope<'_>, bucket: &StoredName) -> S3Result<()> {
    let mut list = ListUploadsRequest {
        bucket: bucket.clone(),
        prefix: String::new(),
        delimiter: None,
        key_marker: None,
        upload_id_marker: None,
        max: UPLOADS_PAGE,
    };
    for _ in 0..UPLOADS_PAGES_MAX {
        let page = scope.backend().list_uploads(list.clone()).await.map_err(errors::backend)?;
        for upload in page.uploads {
            let upload = UploadRef { bucket: bucket.clone(), key: upload.key, upload_id: upload.upload_id };
            aborted(scope.backend().abort_upload(&upload).await)?;
        }
        let Some((key, upload_id)) = page.next else { return Ok(()) };
        (list.key_marker, list.upload_id_marker) = (Some(key), Some(upload_id));
    }
    // a store whose list has no end keeps the bucket
    Err(s3_error!(ServiceUnavailable, "The bucket has too many open uploads; please try again."))
}

/// An upload that someone else ended meanwhile is as good.
fn aborted(outcome: BackendResult<()>) -> S3Result<()> {
    match outcome {
        Ok(()) | Err(BackendError::NoSuchUpload) => Ok(()),
        Err(error) => Err(errors::backend(error)),
    }
}

const BUCKETS_MAX: usize = 10_000;
const UPLOADS_PAGE: u32 = 1_000;
const UPLOADS_PAGES_MAX: u32 = 100;

#[cfg(test)]
mod tests;
