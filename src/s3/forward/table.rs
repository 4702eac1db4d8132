//! Which operations are about a setting that the store keeps: the one list.
//!
//! Everything that is not in it is the verbs' matter. What the query of such a request says besides the word that names
//! the setting is nothing, or the version of the object.

use std::borrow::Cow;

use http::{Method, Uri};

use crate::backend::Setting;

/// An operation about a setting.
#[derive(Debug)]
pub(super) struct Operation {
    /// as the framework's trait names it
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with the framework's operations"))]
    pub(super) name: &'static str,
    pub(super) method: Method,
    pub(super) setting: Setting,
}

/// The bucket and key in a path, decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) bucket: String,
    pub(super) key: Option<String>,
}

/// What the query says besides the word.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) version_id: Option<String>,
    /// a name that means nothing here
    pub(super) unknown: Option<String>,
}

const fn op(name: &'static str, method: Method, setting: Setting) -> Operation {
    Operation { name, method, setting }
}

/// All of them.
pub(super) const OPERATIONS: &[Operation] = &[
    op("get_bucket_lifecycle_configuration", Method::GET, Setting::Lifecycle),
    op("put_bucket_lifecycle_configuration", Method::PUT, Setting::Lifecycle),
    op("delete_bucket_lifecycle", Method::DELETE, Setting::Lifecycle),
    op("get_object_lock_configuration", Method::GET, Setting::ObjectLock),
    op("put_object_lock_configuration", Method::PUT, Setting::ObjectLock),
    op("get_object_retention", Method::GET, Setting::Retention),
    op("put_object_retention", Method::PUT, Setting::Retention),
    op("get_object_legal_hold", Method::GET, Setting::LegalHold),
    op("put_object_legal_hold", Method::PUT, Setting::LegalHold),
    op("get_bucket_request_payment", Method::GET, Setting::RequestPayment),
    op("put_bucket_request_payment", Method::PUT, Setting::RequestPayment),
    op("get_bucket_accelerate_configuration", Method::GET, Setting::Accelerate),
    op("put_bucket_accelerate_configuration", Method::PUT, Setting::Accelerate),
];

/// The operation of a request, if it is one of these.
pub(super) fn operation(method: &Method, uri: &Uri) -> Option<&'static Operation> {
    let of_object = target(uri)?.key.is_some();
    let mut named = names(uri).filter_map(|name| setting(&name));
    let (setting, None) = (named.next()?, named.next()) else { return None };
    if is_of_objects(setting) != of_object {
        return None;
    }
    OPERATIONS.iter().find(|one| one.method == *method && one.setting == setting)
}

/// What the query says besides the word that names the setting, and besides the client's signature.
pub(super) fn rest(uri: &Uri, of: Setting) -> Rest {
    let mut rest = Rest { version_id: None, unknown: None };
    for (name, value) in pairs(uri) {
        match &*name {
            name if setting(name) == Some(of) || name == "x-id" || name.starts_with("X-Amz-") => {}
            "versionId" if is_of_objects(of) => rest.version_id = Some(value.into_owned()),
            name => rest.unknown = Some(name.to_owned()),
        }
    }
    rest
}

/// What a path names.
pub(super) fn target(uri: &Uri) -> Option<Target> {
    let (bucket, key) = uri.path().strip_prefix('/').map(|path| path.split_once('/').unwrap_or((path, "")))?;
    let key = Some(key).filter(|key| !key.is_empty()).map(decoded);
    Some(Target { bucket: decoded(bucket)?, key: key.map_or(Some(None), |key| key.map(Some))? })
        .filter(|target| !target.bucket.is_empty())
}

/// The setting that a word in a query names.
fn setting(word: &str) -> Option<Setting> {
    match word {
        "lifecycle" => Some(Setting::Lifecycle),
        "object-lock" => Some(Setting::ObjectLock),
        "accelerate" => Some(Setting::Accelerate),
        "requestPayment" => Some(Setting::RequestPayment),
        "retention" => Some(Setting::Retention),
        "legal-hold" => Some(Setting::LegalHold),
        _ => None,
    }
}

pub(super) fn is_of_objects(setting: Setting) -> bool {
    matches!(setting, Setting::Retention | Setting::LegalHold)
}

fn names(uri: &Uri) -> impl Iterator<Item = Cow<'_, str>> {
    pairs(uri).map(|(name, _)| name)
}

fn pairs(uri: &Uri) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
}

/// Undoes percent-encoding; `None` if what comes out is no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = tail.split_first_chunk::<2>()?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}
