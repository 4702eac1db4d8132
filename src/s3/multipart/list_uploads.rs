//! `ListMultipartUploads`.
//!
//! Each upload is shown under the id that its client was given, which takes a look at its record; one without a usable record
//! under an id that Abort alone takes.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _};
use s3s::dto::{
    Initiator, ListMultipartUploadsInput, ListMultipartUploadsOutput, MultipartUpload, StorageClass, Timestamp,
};
use s3s::{S3Request, S3Response, S3Result};

use super::list_parts::{initiator, limit};
use super::uploads::without_record;
use crate::backend::{BucketName, ListUploadsRequest, ListedUpload, UploadId};
use crate::s3::errors;
use crate::s3::gateway::Gateway;
use crate::s3::list::view::View;
use crate::s3::scope::{Name, Scope};
use crate::seal::store_upload_id;

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
    // of an older version if it has nothing of ours behind it
    let stored = |id: String| UploadId::new(store_upload_id(&id).map_or(id.clone(), str::to_owned));
    let list = ListUploadsRequest {
        bucket: bucket.clone(),
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: non_empty(input.delimiter.clone()),
        // S3 ignores the upload without the key
        upload_id_marker: key_marker.as_ref().and(non_empty(input.upload_id_marker.clone())).map(stored),
        key_marker,
        max: u32::try_from(max).unwrap_or(u32::MAX),
    };
    scope.takes_start(Some(&list.prefix))?;
    scope.takes_start(list.key_marker.as_deref())?;
    let page = scope.backend().list_uploads(list).await.map_err(errors::backend)?;
    let ids = shown_ids(&scope, (&input.bucket, &bucket), &page.uploads).await?;
    let (next_key, next_upload) = page.next.unzip();
    // the store's id counts in a marker
    let next_upload = next_upload.map(|id| {
        let mut shown = page.uploads.iter().zip(&ids).rev();
        let of_page = shown.find(|(upload, _)| upload.upload_id == id && Some(&upload.key) == next_key.as_ref());
        of_page.map_or_else(|| without_record(&id), |(_, shown)| shown.as_ref().to_owned())
    });
    let initiator = initiator(&scope.principal.tenant);
    let text = |text: Option<String>| view.text(&text.unwrap_or_default());
    let uploads = page.uploads.into_iter().zip(&ids).map(|(upload, id)| shown(upload, id, &view, &initiator)).collect();
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
        next_upload_id_marker: next_upload,
        common_prefixes: Some(view.common_prefixes(&page.common_prefixes)),
        uploads: Some(uploads),
        ..ListMultipartUploadsOutput::default()
    }))
}

/// The ids under which uploads of a bucket are shown: of the client's name, and the stored one.
async fn shown_ids(
    scope: &Scope<'_>,
    (bucket, stored): (&str, &BucketName),
    uploads: &[ListedUpload],
) -> S3Result<Vec<Arc<str>>> {
    let mut asked: Vec<BoxFuture<'_, S3Result<Arc<str>>>> = Vec::with_capacity(uploads.len());
    for ListedUpload { key, upload_id, .. } in uploads {
        let (bucket, stored) = (bucket.to_owned(), stored.clone());
        let name = Name { bucket, key: key.clone(), stored, customer_key: None };
        asked.push(Box::pin(async move { scope.gateway.uploads.shown_id(scope, &name, upload_id).await }));
    }
    futures::stream::iter(asked).buffered(RECORDS_AT_ONCE).try_collect().await
}

fn shown(upload: ListedUpload, id: &str, view: &View, initiator: &Initiator) -> MultipartUpload {
    let class = upload.storage_class.unwrap_or_else(|| StorageClass::STANDARD.to_owned());
    MultipartUpload {
        key: Some(view.text(&upload.key)),
        upload_id: Some(id.to_owned()),
        initiated: Some(Timestamp::from(upload.initiated)),
        initiator: Some(initiator.clone()),
        owner: Some(view.owner()),
        storage_class: Some(StorageClass::from(class)),
        ..MultipartUpload::default()
    }
}

/// Records that are asked for at the same time.
const RECORDS_AT_ONCE: usize = 16;
