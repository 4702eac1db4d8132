//! Tags of objects and buckets. They are not sealed: the backend needs them in clear for its own rules.

use s3s::dto::{
    DeleteBucketTaggingInput, DeleteBucketTaggingOutput, DeleteObjectTaggingInput, DeleteObjectTaggingOutput,
    GetBucketTaggingInput, GetBucketTaggingOutput, GetObjectTaggingInput, GetObjectTaggingOutput,
    PutBucketTaggingInput, PutBucketTaggingOutput, PutObjectTaggingInput, PutObjectTaggingOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use super::gateway::Gateway;
use super::scope::Scope;
use super::{body_digest, errors, metadata};
use crate::backend::{Tags, VersionId};

pub(crate) async fn get_object_tagging(
    gateway: &Gateway,
    request: S3Request<GetObjectTaggingInput>,
) -> S3Result<S3Response<GetObjectTaggingOutput>> {
    let scope = Scope::new(gateway, &request)?;
    let input = request.input;
    let name = scope.name(&input.bucket, &input.key, input.expected_bucket_owner.as_deref())?;
    let object = name.version(input.version_id.as_deref());
    let (tags, version_id) = scope.backend().tags(&object).await.map_err(errors::backend)?;
    let (tag_set, version_id) = (metadata::shown_tags(tags), version_id.as_ref().map(shown_version));
    Ok(S3Response::new(GetObjectTaggingOutput { tag_set, version_id }))
}

pub(crate) async fn put_object_tagging(
    gateway: &Gateway,
    request: S3Request<PutObjectTaggingInput>,
) -> S3Result<S3Response<PutObjectTaggingOutput>> {
    body_digest::verify(&request)?;
    let scope = Scope::new(gateway, &request)?;
    let input = request.input;
    let name = scope.name(&input.bucket, &input.key, input.expected_bucket_owner.as_deref())?;
    let tags = metadata::object_tags(input.tagging.tag_set)?;
    let object = name.version(input.version_id.as_deref());
    let version_id = scope.backend().set_tags(&object, tags).await.map_err(errors::backend)?;
    Ok(S3Response::new(PutObjectTaggingOutput { version_id: version_id.as_ref().map(shown_version) }))
}

pub(crate) async fn delete_object_tagging(
    gateway: &Gateway,
    request: S3Request<DeleteObjectTaggingInput>,
) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
    let scope = Scope::new(gateway, &request)?;
    let input = request.input;
    let name = scope.name(&input.bucket, &input.key, input.expected_bucket_owner.as_deref())?;
    let object = name.version(input.version_id.as_deref());
    let version_id = scope.backend().set_tags(&object, Tags::new()).await.map_err(errors::backend)?;
    Ok(S3Response::new(DeleteObjectTaggingOutput { version_id: version_id.as_ref().map(shown_version) }))
}

pub(crate) async fn get_bucket_tagging(
    gateway: &Gateway,
    request: S3Request<GetBucketTaggingInput>,
) -> S3Result<S3Response<GetBucketTaggingOutput>> {
    let scope = Scope::new(gateway, &request)?;
    let bucket = scope.bucket(&request.input.bucket, request.input.expected_bucket_owner.as_deref())?;
    let tags = scope.backend().bucket_tags(&bucket).await.map_err(errors::backend)?;
    Ok(S3Response::new(GetBucketTaggingOutput { tag_set: metadata::shown_tags(tags) }))
}

pub(crate) async fn put_bucket_tagging(
    gateway: &Gateway,
    request: S3Request<PutBucketTaggingInput>,
) -> S3Result<S3Response<PutBucketTaggingOutput>> {
    body_digest::verify(&request)?;
    let scope = Scope::new(gateway, &request)?;
    let input = request.input;
    let bucket = scope.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let tags = metadata::bucket_tags(input.tagging.tag_set)?;
    scope.backend().set_bucket_tags(&bucket, Some(tags)).await.map_err(errors::backend)?;
    Ok(S3Response::new(PutBucketTaggingOutput {}))
}

pub(crate) async fn delete_bucket_tagging(
    gateway: &Gateway,
    request: S3Request<DeleteBucketTaggingInput>,
) -> S3Result<S3Response<DeleteBucketTaggingOutput>> {
    let scope = Scope::new(gateway, &request)?;
    let bucket = scope.bucket(&request.input.bucket, request.input.expected_bucket_owner.as_deref())?;
    scope.backend().set_bucket_tags(&bucket, None).await.map_err(errors::backend)?;
    Ok(S3Response::new(DeleteBucketTaggingOutput {}))
}

fn shown_version(version_id: &VersionId) -> String {
    version_id.as_str().to_owned()
}

#[cfg(test)]
mod tests;
