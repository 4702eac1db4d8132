//! `DeleteObject` and `DeleteObjects`.

use s3s::dto::{
    Delete, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, Error,
    ObjectIdentifier,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::gateway::Gateway;
use super::scope::Scope;
use super::{body_digest, dots, errors, etag, lock};
use crate::backend::{self, DeleteItem, Deleted, ETagMatch, VersionId};

pub(crate) async fn delete_object(
    gateway: &Gateway,
    request: S3Request<DeleteObjectInput>,
) -> S3Result<S3Response<DeleteObjectOutput>> {
    let scope = Scope::new(gateway, &request)?;
    let input = request.input;
    if input.if_match_last_modified_time.is_some() || input.if_match_size.is_some() {
        return Err(directory_buckets_only());
    }
    version_is_not_empty(input.version_id.as_deref())?;
    let name = scope.name(&input.bucket, &input.key, input.expected_bucket_owner.as_deref())?;
    let object = name.version(input.version_id.as_deref());
    let governance = lock::governance(input.bypass_governance_retention);
    let if_match = input.if_match.as_ref().map(etag::matching);
    let deleted = scope.backend().delete(&object, if_match, governance).await.map_err(errors::backend)?;
    Ok(S3Response::new(DeleteObjectOutput {
        delete_marker: deleted.delete_marker.then_some(true),
        version_id: deleted.version_id.as_ref().map(shown_version),
        request_charged: None,
    }))
}

pub(crate) async fn delete_objects(
    gateway: &Gateway,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    body_digest::verify(&request)?;
    let scope = Scope::new(gateway, &request)?;
    let input = request.input;
    let bucket = scope.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let governance = lock::governance(input.bypass_governance_retention);
    let Delete { objects, quiet } = input.delete;
    if objects.is_empty() || objects.len() > OBJECTS_MAX {
        return Err(s3_error!(MalformedXML));
    }
    let mut answers = Answers { quiet: quiet == Some(true), ..Answers::default() };
    let mut items = Vec::with_capacity(objects.len());
    for object in objects {
        match item(&scope, &object) {
            Ok(item) => items.push(item),
            Err(refused) => answers.refuse(object.key, object.version_id, &refused),
        }
    }
    let outcomes = scope.backend().delete_many(&bucket, items.clone(), governance).await.map_err(errors::backend)?;
    for (item, outcome) in items.into_iter().zip(outcomes) {
        answers.add(item, outcome);
    }
    Ok(S3Response::new(DeleteObjectsOutput {
        deleted: Some(answers.deleted),
        errors: Some(answers.errors),
        request_charged: None,
    }))
}

/// What was deleted and what was not.
#[derive(Default)]
struct Answers {
    quiet: bool,
    deleted: Vec<DeletedObject>,
    errors: Vec<Error>,
}

impl Answers {
    fn add(&mut self, item: DeleteItem, outcome: backend::Result<Deleted>) {
        let requested = item.version_id.as_ref().map(shown_version);
        match outcome {
            Ok(_) if self.quiet => {}
            Ok(deleted) => self.deleted.push(DeletedObject {
                key: Some(item.key),
                delete_marker: deleted.delete_marker.then_some(true),
                delete_marker_version_id: deleted
                    .version_id
                    .as_ref()
                    .filter(|_| deleted.delete_marker)
                    .map(shown_version),
                version_id: requested,
            }),
            Err(error) => self.refuse(item.key, requested, &errors::backend(error)),
        }
    }

    fn refuse(&mut self, key: String, version_id: Option<String>, error: &s3s::S3Error) {
        self.errors.push(Error {
            code: Some(error.code().as_str().to_owned()),
            message: error.message().map(str::to_owned),
            key: Some(key),
            version_id,
        });
    }
}

fn item(scope: &Scope<'_>, object: &ObjectIdentifier) -> S3Result<DeleteItem> {
    if object.last_modified_time.is_some() || object.size.is_some() {
        return Err(directory_buckets_only());
    }
    if object.key.is_empty() {
        return Err(s3_error!(UserKeyMustBeSpecified));
    }
    if object.key.len() > KEY_BYTES_MAX {
        return Err(s3_error!(KeyTooLongError));
    }
    scope.takes_key(&object.key)?;
    version_is_not_empty(object.version_id.as_deref())?;
    if object.version_id.as_deref().is_some_and(dots::are_in_id) {
        return Err(s3_error!(InvalidArgument, "Invalid version id specified"));
    }
    Ok(DeleteItem {
        key: object.key.clone(),
        version_id: object.version_id.as_deref().map(VersionId::new),
        if_match: object.e_tag.as_ref().map(|tag| ETagMatch::Is(etag::stored(tag.value()))),
    })
}

/// An empty version id must not be taken for none: that would delete another thing than was meant.
fn version_is_not_empty(version_id: Option<&str>) -> S3Result<()> {
    match version_id {
        Some("") => Err(s3_error!(InvalidArgument, "Version id cannot be the empty string")),
        _ => Ok(()),
    }
}

fn directory_buckets_only() -> s3s::S3Error {
    s3_error!(NotImplemented, "Conditions on the size or the time of an object are for directory buckets.")
}

fn shown_version(version_id: &VersionId) -> String {
    version_id.as_str().to_owned()
}

const OBJECTS_MAX: usize = 1_000;
const KEY_BYTES_MAX: usize = 1_024;

#[cfg(test)]
mod tests;
