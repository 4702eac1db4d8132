//! What an object's writer says of it: content headers, user metadata and tags, between the client and the backend.
//!
//! Names that start with `sealgate` are the gateway's own: a request that carries one is refused (F-1), and no answer
//! shows one.

use std::collections::BTreeMap;

use s3s::dto::{ServerSideEncryption, Tag};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use crate::backend::{Metadata, Tags};

/// The envelope: base64url, 171 characters.
pub(crate) const ENVELOPE: &str = "sealgate";
/// The stream header of a single object's body, so that a range read needs no request for it.
pub(crate) const STREAM: &str = "sealgate-stream";
/// The sealed attributes: the client's checksum.
pub(crate) const ATTRIBUTES: &str = "sealgate-attrs";
/// What tells the customer's key (SSE-C) that a body was sealed with; none where there is none.
pub(crate) const CUSTOMER_KEY: &str = "sealgate-customer-key";

/// Names and values of user metadata together, bytes (the limit of S3).
const USER_BYTES_MAX: usize = 2048;
const REDIRECT_BYTES_MAX: usize = 2048;
/// What a redirect may begin with.
const REDIRECTS: [&str; 3] = ["/", "http://", "https://"];
const TAGS_MAX: usize = 10;
const BUCKET_TAGS_MAX: usize = 50;
const TAG_KEY_CHARS_MAX: usize = 128;
const TAG_VALUE_CHARS_MAX: usize = 256;

/// Takes the content headers and user metadata out of any input that has S3's fields for them.
macro_rules! metadata_of {
    ($input:expr) => {
        $crate::s3::metadata::checked($crate::backend::Metadata {
            content_type: $input.content_type.as_ref().map(ToString::to_string),
            cache_control: $input.cache_control.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_encoding: $input.content_encoding.clone(),
            content_language: $input.content_language.clone(),
            expires: $input.expires.as_ref().map(ToString::to_string),
            website_redirect_location: $input.website_redirect_location.clone(),
            storage_class: $input.storage_class.as_ref().map(|class| class.as_str().to_owned()),
            user: $input.metadata.clone().unwrap_or_default().into_iter().collect(),
            lock: $crate::s3::lock::lock_of!($input)?,
        })
    };
}
pub(crate) use metadata_of;

/// Refuses what S3 refuses and what is ours; drops `aws-chunked`, which is about the request and not the object.
pub(crate) fn checked(mut metadata: Metadata) -> S3Result<Metadata> {
    metadata.user = metadata.user.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    if metadata.user.keys().any(|name| name.starts_with(ENVELOPE)) {
        return Err(reserved());
    }
    let bytes: usize = metadata.user.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > USER_BYTES_MAX {
        return Err(s3_error!(MetadataTooLarge));
    }
    if let Some(class) = &metadata.storage_class
        && !STORAGE_CLASSES.contains(&class.as_str())
    {
        return Err(s3_error!(InvalidStorageClass));
    }
    metadata.storage_class = metadata.storage_class.filter(|class| class != "STANDARD");
    metadata.website_redirect_location.as_deref().map_or(Ok(()), leads_somewhere)?;
    metadata.content_encoding = metadata.content_encoding.and_then(|encodings| {
        let kept: Vec<&str> =
            encodings.split(',').map(str::trim).filter(|one| !one.is_empty() && *one != "aws-chunked").collect();
        (!kept.is_empty()).then(|| kept.join(","))
    });
    Ok(metadata)
}

/// A request carries a name of the gateway's own (F-1).
pub(crate) fn reserved() -> S3Error {
    s3_error!(InvalidArgument, "Metadata names that begin with x-amz-meta-{ENVELOPE} are reserved.")
}

/// Whether a redirect leads to another object or to a site. A browser would run a location of another kind.
fn leads_somewhere(location: &str) -> S3Result<()> {
    if location.len() > REDIRECT_BYTES_MAX {
        return Err(invalid_redirect("The length of website redirect location cannot exceed 2,048 characters."));
    }
    if !REDIRECTS.iter().any(|start| location.starts_with(start)) {
        return Err(invalid_redirect(
            "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
        ));
    }
    Ok(())
}

fn invalid_redirect(what: &'static str) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom("InvalidRedirectLocation".into()), what);
    error.set_status_code(http::StatusCode::BAD_REQUEST);
    error
}

/// The user metadata that a client may see.
pub(crate) fn shown_user(user: &BTreeMap<String, String>) -> Option<s3s::dto::Metadata> {
    let shown: s3s::dto::Metadata = user
        .iter()
        .filter(|(name, _)| !name.starts_with(ENVELOPE))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    (!shown.is_empty()).then_some(shown)
}

/// `x-amz-tagging`: a URL-encoded query string. The set is kept in order of keys: a header gives it no other.
pub(crate) fn header_tags(header: Option<&str>) -> S3Result<Tags> {
    let Some(header) = header else { return Ok(Tags::new()) };
    let mut tags: Tags =
        form_urlencoded::parse(header.as_bytes()).map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
    tags.sort();
    checked_tags(tags, TAGS_MAX)
}

/// A tag set of an object, from XML.
pub(crate) fn object_tags(set: Vec<Tag>) -> S3Result<Tags> {
    checked_tags(pairs(set), TAGS_MAX)
}

/// A tag set of a bucket, from XML.
pub(crate) fn bucket_tags(set: Vec<Tag>) -> S3Result<Tags> {
    checked_tags(pairs(set), BUCKET_TAGS_MAX)
}

/// Tags for XML.
pub(crate) fn shown_tags(tags: Tags) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag { key: Some(key), value: Some(value) }).collect()
}

fn pairs(set: Vec<Tag>) -> Tags {
    set.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())).collect()
}

/// Tag rules of S3: count, lengths, no key twice.
fn checked_tags(tags: Tags, max: usize) -> S3Result<Tags> {
    if tags.len() > max {
        return Err(s3_error!(InvalidTag, "Object tags cannot be greater than {max}"));
    }
    for (index, (key, value)) in tags.iter().enumerate() {
        if key.is_empty() || key.chars().count() > TAG_KEY_CHARS_MAX {
            return Err(s3_error!(InvalidTag, "The TagKey you have provided is invalid"));
        }
        if value.chars().count() > TAG_VALUE_CHARS_MAX {
            return Err(s3_error!(InvalidTag, "The TagValue you have provided is invalid"));
        }
        if tags[..index].iter().any(|(earlier, _)| earlier == key) {
            return Err(s3_error!(InvalidTag, "Cannot provide multiple Tags with the same key"));
        }
    }
    Ok(tags)
}

/// Encryption headers of a read: the object is opened whatever they say, so S3 refuses them as a mistake.
pub(crate) fn read_names_no_encryption(headers: &http::HeaderMap) -> S3Result<()> {
    let named = ["x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"];
    if named.iter().any(|name| headers.contains_key(*name)) {
        return Err(s3_error!(
            InvalidArgument,
            "x-amz-server-side-encryption header is not supported for this operation."
        ));
    }
    Ok(())
}

/// The encryption headers of a write, but for a [customer's key](super::customer_key): SSE-S3 and SSE-KMS are what the
/// gateway does anyway and are accepted when they make sense.
pub(crate) fn encryption_is_sensible(requested: Option<&ServerSideEncryption>, kms_key: Option<&str>) -> S3Result<()> {
    match requested.map(ServerSideEncryption::as_str) {
        None | Some(ServerSideEncryption::AES256) if kms_key.is_some() => Err(s3_error!(
            InvalidArgument,
            "x-amz-server-side-encryption-aws-kms-key-id needs x-amz-server-side-encryption: aws:kms."
        )),
        None
        | Some(ServerSideEncryption::AES256 | ServerSideEncryption::AWS_KMS | ServerSideEncryption::AWS_KMS_DSSE) => {
            Ok(())
        }
        Some(_) => Err(s3_error!(InvalidArgument, "The encryption method specified is not supported.")),
    }
}

const STORAGE_CLASSES: &[&str] = &[
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "OUTPOSTS",
    "GLACIER_IR",
    "SNOW",
    "EXPRESS_ONEZONE",
];

#[cfg(test)]
mod tests;
