//! `ListMultipartUploads`.

use s3s::dto::{
    Initiator, ListMultipartUploadsInput, ListMultipartUploadsOutput, MultipartUpload, StorageClass, Timestamp,
};
use s3s::{S3Request, S3Response, S3Result};

use super::list_parts::{initiator, limit};
use crate::backend::{ListUploadsRequest, ListedUpload, UploadId};
use crate::s3::errors;
use crate::s3::gateway::Gateway;
use crate::s3::list::view::View;
use crate::s3::scope::Scope;

pub(crate) async fn list_multipart_uploads(
    gateway: &Gateway,
    request: S3Request<ListMultipartUploadsInput>,
) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
    let scope = Scope::new(gateway, &request)?;
    let input = request.input;
    let max = limit("max-uploads", input.max_uploads)?;
    let view = View::new(&scope.principal.tenant, input.encoding_type)?;
    let bucket = scope.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let non_empty = |text: Option<String>| text.filter(|text| !text.is_empty());
    let key_marker = non_empty(input.key_marker.clone());
    let list = ListUploadsRequest {
        bucket,
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: non_empty(input.delimiter.clone()),
        // S3 ignores the upload without the key
        upload_id_marker: key_marker.as_ref().and(non_empty(input.upload_id_marker.clone())).map(UploadId::new),
        key_marker,
        max: u32::try_from(max).unwrap_or(u32::MAX),
    };
    scope.takes_start(Some(&list.prefix))?;
    scope.takes_start(list.key_marker.as_deref())?;
    let page = scope.backend().list_uploads(list).await.map_err(errors::backend)?;
    let initiator = initiator(&scope.principal.tenant);
    let (next_key, next_upload) = page.next.unzip();
    let text = |text: Option<String>| view.text(&text.unwrap_or_default());
    Ok(S3Response::new(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: Some(text(input.prefix)),
        delimiter: input.delimiter.map(|delimiter| view.text(&delimiter)),
        encoding_type: view.encoding_type(),
        key_marker: Some(text(input.key_marker)),
        upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
        max_uploads: i32::try_from(max).ok(),
        is_truncated: Some(next_key.is_some()),
        next_key_marker: next_key.map(|key| view.text(&key)),
        next_upload_id_marker: next_upload.map(|id| id.as_str().to_owned()),
        common_prefixes: Some(view.common_prefixes(&page.common_prefixes)),
        uploads: Some(page.uploads.into_iter().map(|upload| shown(upload, &view, &initiator)).collect()),
        ..ListMultipartUploadsOutput::default()
    }))
}

fn shown(upload: ListedUpload, view: &View, initiator: &Initiator) -> MultipartUpload {
    let class = upload.storage_class.unwrap_or_else(|| StorageClass::STANDARD.to_owned());
    MultipartUpload {
        key: Some(view.text(&upload.key)),
        upload_id: Some(upload.upload_id.as_str().to_owned()),
        initiated: Some(Timestamp::from(upload.initiated)),
        initiator: Some(initiator.clone()),
        owner: Some(view.owner()),
        storage_class: Some(StorageClass::from(class)),
        ..MultipartUpload::default()
    }
}
