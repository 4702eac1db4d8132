//! `ListObjects`, versions 1 and 2: one backend call each; sizes are plain by arithmetic ([`view`]).

pub(crate) mod view;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::{
    ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, Object, ObjectStorageClass,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use self::view::View;
use super::errors;
use super::gateway::Gateway;
use super::scope::Scope;
use crate::backend::{ListPage, ListRequest, ListStart, ListedObject};

pub(crate) async fn list_objects(
    gateway: &Gateway,
    request: S3Request<ListObjectsInput>,
) -> S3Result<S3Response<ListObjectsOutput>> {
    let scope = Scope::new(gateway, &request)?;
    let input = request.input;
    let view = View::new(&scope.principal.tenant, input.encoding_type)?;
    let max = view::page_max(input.max_keys)?;
    let marker = input.marker.unwrap_or_default();
    let list = ListRequest {
        bucket: scope.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?,
        prefix: input.prefix.unwrap_or_default(),
        delimiter: input.delimiter.filter(|text| !text.is_empty()),
        start: if marker.is_empty() { ListStart::Beginning } else { ListStart::AfterEntry(marker.clone()) },
        max,
    };
    let page = page(&scope, list.clone()).await?;
    let contents = objects(&view, &input.bucket, page.objects, true);
    Ok(S3Response::new(ListObjectsOutput {
        is_truncated: Some(page.next_marker.is_some()),
        // S3 gives it with a delimiter only; without one the last key serves
        next_marker: page.next_marker.filter(|_| list.delimiter.is_some()).map(|text| view.text(&text)),
        contents: Some(contents),
        common_prefixes: Some(view.common_prefixes(&page.common_prefixes)),
        name: Some(input.bucket),
        prefix: Some(view.first_version_prefix(&list.prefix)),
        marker: Some(view.text(&marker)),
        delimiter: list.delimiter.map(|text| view.text(&text)),
        max_keys: Some(view::shown_max(max)),
        encoding_type: view.encoding_type(),
        request_charged: None,
    }))
}

pub(crate) async fn list_objects_v2(
    gateway: &Gateway,
    request: S3Request<ListObjectsV2Input>,
) -> S3Result<S3Response<ListObjectsV2Output>> {
    let scope = Scope::new(gateway, &request)?;
    let input = request.input;
    let view = View::new(&scope.principal.tenant, input.encoding_type)?;
    let max = view::page_max(input.max_keys)?;
    let list = ListRequest {
        bucket: scope.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?,
        prefix: input.prefix.unwrap_or_default(),
        delimiter: input.delimiter.filter(|text| !text.is_empty()),
        start: start(input.continuation_token.as_deref(), input.start_after.as_deref())?,
        max,
    };
    let page = page(&scope, list.clone()).await?;
    let key_count = page.objects.len() + page.common_prefixes.len();
    let contents = objects(&view, &input.bucket, page.objects, input.fetch_owner == Some(true));
    Ok(S3Response::new(ListObjectsV2Output {
        key_count: i32::try_from(key_count).ok(),
        is_truncated: Some(page.next_token.is_some()),
        next_continuation_token: page.next_token.as_deref().map(shown_token),
        contents: Some(contents),
        common_prefixes: Some(view.common_prefixes(&page.common_prefixes)),
        continuation_token: input.continuation_token,
        name: Some(input.bucket),
        prefix: Some(view.text(&list.prefix)),
        start_after: input.start_after.map(|text| view.text(&text)),
        delimiter: list.delimiter.map(|text| view.text(&text)),
        max_keys: Some(view::shown_max(max)),
        encoding_type: view.encoding_type(),
        request_charged: None,
    }))
}

/// One page. A page of no entries still says whether the bucket is there.
async fn page(scope: &Scope<'_>, list: ListRequest) -> S3Result<ListPage> {
    scope.takes_start(Some(&list.prefix))?;
    scope.takes_start(match &list.start {
        ListStart::Beginning => None,
        ListStart::AfterKey(key) | ListStart::AfterEntry(key) => Some(key),
        // a store that has no tokens of its own goes on from a key
        ListStart::Token(token) => token.split_once(':').map(|(_, token)| token),
    })?;
    if list.max == 0 {
        scope.backend().head_bucket(&list.bucket).await.map_err(errors::backend)?;
        return Ok(ListPage::default());
    }
    scope.backend().list(list).await.map_err(errors::backend)
}

fn objects(view: &View, bucket: &str, listed: Vec<ListedObject>, with_owner: bool) -> Vec<Object> {
    let mut sizes = view::Sizes::default();
    let objects = listed.into_iter().map(|object| object_shown(view, &mut sizes, object, with_owner)).collect();
    sizes.report(bucket);
    objects
}

fn object_shown(view: &View, sizes: &mut view::Sizes, object: ListedObject, with_owner: bool) -> Object {
    Object {
        size: Some(sizes.shown(&object)),
        key: Some(view.text_of(object.key)),
        e_tag: Some(super::etag::shown_of(object.etag)),
        last_modified: Some(object.last_modified.into()),
        storage_class: Some(ObjectStorageClass::from(view::storage_class(object.storage_class))),
        owner: with_owner.then(|| view.owner()),
        ..Object::default()
    }
}

/// A token wins over `start-after`; an empty one is none.
fn start(token: Option<&str>, start_after: Option<&str>) -> S3Result<ListStart> {
    match (token.filter(|text| !text.is_empty()), start_after.filter(|text| !text.is_empty())) {
        (Some(token), _) => stored_token(token).map(ListStart::Token),
        (None, Some(key)) => Ok(ListStart::AfterKey(key.to_owned())),
        (None, None) => Ok(ListStart::Beginning),
    }
}

/// The backend's token, opaque to the client and safe in XML and queries.
pub(crate) fn shown_token(stored: &str) -> String {
    URL_SAFE_NO_PAD.encode(stored)
}

/// The backend's token that a client gives back.
pub(crate) fn stored_token(shown: &str) -> S3Result<String> {
    URL_SAFE_NO_PAD
        .decode(shown)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}

#[cfg(test)]
mod tests;
