//! Metadata in headers and back.
//!
//! Texts that are not ASCII go as RFC 2047 words (`=?UTF-8?B?…?=`), as S3 itself gives them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, DATE, ETAG, EXPIRES,
    LAST_MODIFIED,
};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::answer::{self, AnswerError, unavailable};
use super::call::{Call, encode};
use crate::backend::{
    ETagMatch, Lock, Metadata, ObjectInfo, ReadConditions, Result, StoredETag, Tags, WriteConditions,
};

/// Puts metadata on a call.
pub(super) fn with_metadata(mut call: Call, metadata: &Metadata) -> Result<Call> {
    let Metadata {
        content_type,
        cache_control,
        content_disposition,
        content_encoding,
        content_language,
        expires,
        website_redirect_location,
        storage_class,
        user,
        lock: Lock { mode, retain_until, legal_hold },
    } = metadata;
    let fields = [
        (CONTENT_TYPE.as_str(), content_type),
        (CACHE_CONTROL.as_str(), cache_control),
        (CONTENT_DISPOSITION.as_str(), content_disposition),
        (CONTENT_ENCODING.as_str(), content_encoding),
        (CONTENT_LANGUAGE.as_str(), content_language),
        (EXPIRES.as_str(), expires),
        (WEBSITE_REDIRECT, website_redirect_location),
        (STORAGE_CLASS, storage_class),
        (LOCK_MODE, mode),
        (LOCK_UNTIL, retain_until),
        (LEGAL_HOLD, legal_hold),
    ];
    for (name, value) in fields {
        call = call.maybe_header(name, value.as_deref())?;
    }
    for (name, value) in user {
        call = call.header(&format!("{USER}{name}"), &word(value))?;
    }
    Ok(call)
}

/// The metadata in an answer.
pub(super) fn metadata(headers: &HeaderMap) -> Metadata {
    let field = |name: &str| lossy(headers, name).filter(|value| !value.is_empty());
    let mut user = BTreeMap::new();
    for (name, value) in headers {
        if let Some(name) = name.as_str().strip_prefix(USER) {
            user.insert(name.to_owned(), unworded(&String::from_utf8_lossy(value.as_bytes())));
        }
    }
    Metadata {
        content_type: field(CONTENT_TYPE.as_str()),
        cache_control: field(CACHE_CONTROL.as_str()),
        content_disposition: field(CONTENT_DISPOSITION.as_str()),
        content_encoding: field(CONTENT_ENCODING.as_str()).and_then(|codings| without_framing(&codings)),
        content_language: field(CONTENT_LANGUAGE.as_str()),
        expires: field(EXPIRES.as_str()),
        website_redirect_location: field(WEBSITE_REDIRECT),
        storage_class: field(STORAGE_CLASS).filter(|class| class != "STANDARD"),
        user,
        lock: Lock { mode: field(LOCK_MODE), retain_until: field(LOCK_UNTIL), legal_hold: field(LEGAL_HOLD) },
    }
}

/// The codings of the object itself: some stores keep `aws-chunked`, which was that of the request.
fn without_framing(codings: &str) -> Option<String> {
    let of_object = codings.split(',').map(str::trim).filter(|coding| !coding.eq_ignore_ascii_case("aws-chunked"));
    Some(of_object.collect::<Vec<_>>().join(",")).filter(|codings| !codings.is_empty())
}

/// What an answer to GET or HEAD says of an object of so many bytes.
pub(super) fn info(headers: &HeaderMap, stored_bytes: u64) -> Result<ObjectInfo> {
    let etag = text(headers, ETAG.as_str()).ok_or_else(|| unavailable(AnswerError::Lacks("an entity tag")))?;
    let tags = text(headers, "x-amz-tagging-count").and_then(|count| count.parse().ok());
    Ok(ObjectInfo {
        etag: StoredETag::new(unquoted(etag)),
        stored_bytes,
        last_modified: last_modified(headers).ok_or_else(|| unavailable(AnswerError::Lacks("a time")))?,
        version_id: answer::version(headers),
        metadata: metadata(headers),
        tag_count: tags.unwrap_or(0),
    })
}

/// Puts tags on a call.
pub(super) fn with_tags(call: Call, tags: &Tags) -> Result<Call> {
    if tags.is_empty() {
        return Ok(call);
    }
    call.header("x-amz-tagging", &tags_text(tags))
}

/// Tags as a query string.
pub(super) fn tags_text(tags: &Tags) -> String {
    let mut text = String::new();
    for (key, value) in tags {
        if !text.is_empty() {
            text.push('&');
        }
        encode(key, false, &mut text);
        text.push('=');
        encode(value, false, &mut text);
    }
    text
}

/// Puts the conditions of a write on a call; entity tags are in quotes, as HTTP wants them, or not.
pub(super) fn with_write_conditions(call: Call, conditions: &WriteConditions, in_quotes: bool) -> Result<Call> {
    let WriteConditions { if_match, if_none_match } = conditions;
    let written = |wanted: Option<&ETagMatch>| match wanted {
        Some(ETagMatch::Is(etag)) if !in_quotes => Some(etag.as_str().to_owned()),
        wanted => matching(wanted),
    };
    call.maybe_header("if-match", written(if_match.as_ref()).as_deref())?
        .maybe_header("if-none-match", written(if_none_match.as_ref()).as_deref())
}

/// Puts the conditions of a read on a call; their names get `prefix`.
pub(super) fn with_read_conditions(call: Call, prefix: &str, conditions: &ReadConditions) -> Result<Call> {
    let ReadConditions { if_match, if_none_match, if_modified_since, if_unmodified_since } = conditions;
    let name = |name| format!("{prefix}{name}");
    call.maybe_header(&name("if-match"), matching(if_match.as_ref()).as_deref())?
        .maybe_header(&name("if-none-match"), matching(if_none_match.as_ref()).as_deref())?
        .maybe_header(&name("if-modified-since"), if_modified_since.map(http_date).as_deref())?
        .maybe_header(&name("if-unmodified-since"), if_unmodified_since.map(http_date).as_deref())
}

fn matching(wanted: Option<&ETagMatch>) -> Option<String> {
    match wanted? {
        ETagMatch::Any => Some("*".to_owned()),
        ETagMatch::Is(etag) => Some(format!("\"{etag}\"")),
    }
}

/// A header as text, if it is one.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn lossy(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned())
}

/// An entity tag without its quotes.
pub(super) fn unquoted(etag: &str) -> &str {
    etag.trim().trim_matches('"')
}

/// `Last-Modified`.
pub(super) fn last_modified(headers: &HeaderMap) -> Option<SystemTime> {
    OffsetDateTime::parse(text(headers, LAST_MODIFIED.as_str())?, &Rfc2822).ok().map(SystemTime::from)
}

/// `Date`: when the answer was made.
pub(super) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    OffsetDateTime::parse(text(headers, DATE.as_str())?, &Rfc2822).ok().map(SystemTime::from)
}

/// A time as HTTP writes it, in whole seconds.
fn http_date(time: SystemTime) -> String {
    let text = OffsetDateTime::from(time).format(&Rfc2822).unwrap_or_default();
    text.replace("+0000", "GMT")
}

fn word(value: &str) -> String {
    if value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return value.to_owned();
    }
    format!("{WORD_START}{}{WORD_END}", STANDARD.encode(value))
}

fn unworded(value: &str) -> String {
    let coded = value.strip_prefix(WORD_START).and_then(|rest| rest.strip_suffix(WORD_END));
    let decoded = coded.and_then(|coded| String::from_utf8(STANDARD.decode(coded).ok()?).ok());
    decoded.unwrap_or_else(|| value.to_owned())
}

const USER: &str = "x-amz-meta-";
const STORAGE_CLASS: &str = "x-amz-storage-class";
const LOCK_MODE: &str = "x-amz-object-lock-mode";
const LOCK_UNTIL: &str = "x-amz-object-lock-retain-until-date";
const LEGAL_HOLD: &str = "x-amz-object-lock-legal-hold";
const WEBSITE_REDIRECT: &str = "x-amz-website-redirect-location";
const WORD_START: &str = "=?UTF-8?B?";
const WORD_END: &str = "?=";

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn times_are_written_and_read_as_http_has_them() {
        let time = UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(http_date(time), "Sun, 06 Nov 1994 08:49:37 GMT");
        let headers = HeaderMap::from_iter([(LAST_MODIFIED, "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap())]);
        assert_eq!(last_modified(&headers), Some(time));
    }

    #[test]
    fn the_framing_of_a_request_is_no_coding_of_the_object() {
        assert_eq!(without_framing("aws-chunked"), None);
        assert_eq!(without_framing("aws-chunked, gzip").as_deref(), Some("gzip"));
        assert_eq!(without_framing("gzip,br").as_deref(), Some("gzip,br"));
    }

    #[test]
    fn metadata_that_is_not_ascii_comes_back() {
        for text in ["plain", "é", "日本", "a\u{7f}b", ""] {
            assert_eq!(unworded(&word(text)), text);
        }
    }

    #[test]
    fn tags_are_encoded() {
        let tags = vec![("a b".to_owned(), "1&2".to_owned()), ("ü".to_owned(), String::new())];
        assert_eq!(tags_text(&tags), "a%20b=1%262&%C3%BC=");
    }
}
