//! `GetObject`.

use s3s::dto::{ChecksumMode, GetObjectInput, GetObjectOutput, Timestamp};
use s3s::{S3Request, S3Response, S3Result};

use super::attributes_record::Attributes;
use super::checksum::{Kept, show_checksums};
use super::customer_key::{customer_key, show_encryption};
use super::gateway::Gateway;
use super::lock::show_lock;
use super::read::{Reading, Wanted, read};
use super::scope::{Name, Opened, Scope};
use super::{errors, etag, metadata, parts};
use crate::backend::ObjectInfo;
use crate::seal::Kind;

pub(crate) async fn get_object(
    gateway: &Gateway,
    request: S3Request<GetObjectInput>,
) -> S3Result<S3Response<GetObjectOutput>> {
    let scope = Scope::new(gateway, &request)?.with_keys().await;
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
    let reading = read(&scope, &name, input.version_id.as_deref(), conditions, wanted).await?;

    let whole = reading.range.is_none_or(|range| range.bytes() == reading.plain.bytes());
    let checksum = match input.checksum_mode.as_ref().map(ChecksumMode::as_str) {
        Some(mode) if mode.eq_ignore_ascii_case(ChecksumMode::ENABLED) && whole => {
            kept(&scope, &name, &reading.info, &reading.opened).await?
        }
        _ => None,
    };
    Ok(answer(reading, &name, wanted, checksum))
}

/// The checksum of the plaintext that the object was stored with.
pub(crate) async fn kept(scope: &Scope<'_>, name: &Name, info: &ObjectInfo, opened: &Opened) -> S3Result<Option<Kept>> {
    match opened.envelope.kind() {
        Kind::Single => Attributes::open(&opened.secret, &info.metadata)
            .map(|attributes| attributes.checksum)
            .map_err(|error| errors::unsealable(&name.bucket, &name.key, &error)),
        Kind::Multipart => Ok(parts::completed(scope, name, info, opened, None).await?.attributes.checksum.clone()),
    }
}

fn answer(reading: Reading, name: &Name, wanted: Wanted, checksum: Option<Kept>) -> S3Response<GetObjectOutput> {
    let Reading { info, opened, plain, range, body, completed } = reading;
    let bytes = range.map_or(plain.bytes(), crate::seal::PlainRange::bytes);
    let mut stored = info.metadata;
    let lock = std::mem::take(&mut stored.lock);
    let mut output = GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        body: Some(body),
        cache_control: stored.cache_control,
        content_disposition: stored.content_disposition,
        content_encoding: stored.content_encoding,
        content_language: stored.content_language,
        content_length: i64::try_from(bytes).ok(),
        content_range: range.map(|range| format!("bytes {}-{}/{}", range.first(), range.last(), plain.bytes())),
        content_type: Some(stored.content_type.unwrap_or_else(|| DEFAULT_CONTENT_TYPE.to_owned())),
        e_tag: Some(etag::shown(&info.etag)),
        expires: stored.expires,
        last_modified: Some(Timestamp::from(info.last_modified)),
        metadata: metadata::shown_user(&stored.user),
        parts_count: match wanted {
            Wanted::Part(_) => completed.and_then(|completed| i32::try_from(completed.client_parts()).ok()),
            Wanted::All | Wanted::Range(_) => None,
        },
        storage_class: stored.storage_class.map(Into::into),
        tag_count: i32::try_from(info.tag_count).ok().filter(|count| *count > 0),
        version_id: info.version_id.map(|id| id.as_str().to_owned()),
        website_redirect_location: stored.website_redirect_location,
        ..GetObjectOutput::default()
    };
    show_encryption!(output, name, opened.envelope.key_id().to_string());
    show_lock!(output, lock);
    if let Some(kept) = checksum {
        output.checksum_type = Some(kept.shown_type());
        show_checksums!(output, kept.shown());
    }
    S3Response::new(output)
}

/// What S3 says of an object whose writer named no type.
pub(crate) const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";
