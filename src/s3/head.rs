//! `HeadObject`: one backend request, and no key unless a checksum or a part is asked for, or the client has its own.

use std::sync::Arc;

use s3s::dto::{ChecksumMode, HeadObjectInput, HeadObjectOutput, Timestamp};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::checksum::show_checksums;
use super::customer_key::{customer_key, show_encryption};
use super::gateway::Gateway;
use super::get::{DEFAULT_CONTENT_TYPE, kept};
use super::lock::show_lock;
use super::parts::{self, Completed};
use super::read::{Wanted, part_range, plain_len, unsatisfiable};
use super::scope::{Name, Scope};
use super::{errors, etag, metadata};
use crate::backend::ObjectInfo;
use crate::seal::{Envelope, Kind, PlainLen, PlainRange};

pub(crate) async fn head_object(
    gateway: &Gateway,
    request: S3Request<HeadObjectInput>,
) -> S3Result<S3Response<HeadObjectOutput>> {
    let scope = Scope::new(gateway, &request)?.with_keys().await;
    let overrides = overrides(&request.input)?;
    let input = request.input;
    metadata::read_names_no_encryption(&request.headers)?;
    let name = scope.name(&input.bucket, &input.key, input.expected_bucket_owner.as_deref())?;
    let name = name.with_customer_key(customer_key!(input)?);
    let conditions = etag::read_conditions(
        input.if_match.as_ref(),
        input.if_none_match.as_ref(),
        input.if_modified_since,
        input.if_unmodified_since,
    );
    let wanted = Wanted::new(input.range, input.part_number)?;
    let object = name.version(input.version_id.as_deref());
    let info = scope.backend().head(&object, &conditions).await.map_err(errors::backend)?;
    let envelope = envelope(&name, &info)?;
    let plain = plain_len(&name, &info, envelope.kind())?;
    if name.customer_key.is_some() || info.metadata.user.contains_key(metadata::CUSTOMER_KEY) {
        scope.open(&name, &info.metadata)?;
    }
    // a range of it comes next, as a rule
    gateway.part_tables.met(&object, envelope.kind(), &info.etag).await;

    let (range, completed) = match wanted {
        Wanted::All => (None, None),
        Wanted::Range(spec) => (Some(spec.resolve(plain).ok_or_else(|| unsatisfiable(plain))?), None),
        Wanted::Part(number) => {
            let completed = match envelope.kind() {
                Kind::Single => None,
                Kind::Multipart => {
                    let opened = scope.open(&name, &info.metadata)?;
                    Some(parts::completed(&scope, &name, &info, &opened, None).await?)
                }
            };
            (part_range(plain, completed.as_deref(), number)?, completed)
        }
    };
    let checksum = match input.checksum_mode.as_ref().map(ChecksumMode::as_str) {
        Some(mode) if mode.eq_ignore_ascii_case(ChecksumMode::ENABLED) && range.is_none() => {
            let opened = scope.open(&name, &info.metadata)?;
            kept(&scope, &name, &info, &opened).await?
        }
        _ => None,
    };
    let mut output = answer(info, &name, &envelope, plain, range, completed);
    if let Some(kept) = checksum {
        output.checksum_type = Some(kept.shown_type());
        show_checksums!(output, kept.shown());
    }
    let status = range.map(|_| http::StatusCode::PARTIAL_CONTENT);
    let mut response = S3Response::with_headers(output, overrides);
    response.status = status;
    Ok(response)
}

/// The envelope, not opened: an object without one is not served (F-2).
fn envelope(name: &Name, info: &ObjectInfo) -> S3Result<Envelope> {
    let text = info
        .metadata
        .user
        .get(metadata::ENVELOPE)
        .ok_or_else(|| errors::unsealable(&name.bucket, &name.key, &errors::Misfit::NoEnvelope))?;
    Envelope::from_metadata(text).map_err(|error| errors::unsealable(&name.bucket, &name.key, &error))
}

fn answer(
    info: ObjectInfo,
    name: &Name,
    envelope: &Envelope,
    plain: PlainLen,
    range: Option<PlainRange>,
    completed: Option<Arc<Completed>>,
) -> HeadObjectOutput {
    let mut stored = info.metadata;
    let lock = std::mem::take(&mut stored.lock);
    let mut output = HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: stored.cache_control,
        content_disposition: stored.content_disposition,
        content_encoding: stored.content_encoding,
        content_language: stored.content_language,
        content_length: i64::try_from(range.map_or(plain.bytes(), PlainRange::bytes)).ok(),
        content_range: range.map(|range| format!("bytes {}-{}/{}", range.first(), range.last(), plain.bytes())),
        content_type: Some(stored.content_type.unwrap_or_else(|| DEFAULT_CONTENT_TYPE.to_owned())),
        e_tag: Some(etag::shown(&info.etag)),
        expires: stored.expires,
        last_modified: Some(Timestamp::from(info.last_modified)),
        metadata: metadata::shown_user(&stored.user),
        parts_count: completed.and_then(|completed| i32::try_from(completed.client_parts()).ok()),
        storage_class: stored.storage_class.map(Into::into),
        tag_count: i32::try_from(info.tag_count).ok().filter(|count| *count > 0),
        version_id: info.version_id.map(|id| id.as_str().to_owned()),
        website_redirect_location: stored.website_redirect_location,
        ..HeadObjectOutput::default()
    };
    show_encryption!(output, name, envelope.key_id().to_string());
    show_lock!(output, lock);
    output
}

/// `response-*` overrides: the framework applies them to GET, not to HEAD.
fn overrides(input: &HeadObjectInput) -> S3Result<http::HeaderMap> {
    let mut headers = http::HeaderMap::new();
    let expires = input.response_expires.clone().map(|stamp| {
        let mut text = Vec::new();
        stamp
            .format(s3s::dto::TimestampFormat::HttpDate, &mut text)
            .map(|()| String::from_utf8_lossy(&text).into_owned())
    });
    let expires = expires.transpose().map_err(|_| s3_error!(InvalidArgument, "invalid response-expires"))?;
    for (header, value) in [
        (http::header::CACHE_CONTROL, &input.response_cache_control),
        (http::header::CONTENT_DISPOSITION, &input.response_content_disposition),
        (http::header::CONTENT_ENCODING, &input.response_content_encoding),
        (http::header::CONTENT_LANGUAGE, &input.response_content_language),
        (http::header::CONTENT_TYPE, &input.response_content_type),
        (http::header::EXPIRES, &expires),
    ] {
        if let Some(value) = value {
            let value = value.parse().map_err(|_| s3_error!(InvalidArgument, "invalid value for {header}"))?;
            headers.insert(header, value);
        }
    }
    Ok(headers)
}
