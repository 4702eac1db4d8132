//! Which operations are passed on: the one list, by method, by what they are about, and by the word in the query that
//! names them.
//!
//! A request is one of these only if its query has nothing but that word and what belongs to it: a request that could
//! also be read as another operation is left to the verbs.

use http::{Method, Uri};

use self::About::{Bucket, Object};

/// What an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Bucket,
    Object,
}

/// An operation that is passed on.
#[derive(Debug)]
pub(super) struct Operation {
    /// as the framework's trait names it
    pub(super) name: &'static str,
    pub(super) method: Method,
    pub(super) about: About,
    /// the word in the query
    pub(super) word: &'static str,
}

/// The bucket and key in a path, decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) bucket: String,
    pub(super) key: Option<String>,
}

const fn op(name: &'static str, method: Method, about: About, word: &'static str) -> Operation {
    Operation { name, method, about, word }
}

/// All of them.
pub(super) const FORWARDED: &[Operation] = &[
    op("get_bucket_acl", Method::GET, Bucket, "acl"),
    op("put_bucket_acl", Method::PUT, Bucket, "acl"),
    op("get_object_acl", Method::GET, Object, "acl"),
    op("put_object_acl", Method::PUT, Object, "acl"),
    op("get_bucket_policy", Method::GET, Bucket, "policy"),
    op("put_bucket_policy", Method::PUT, Bucket, "policy"),
    op("delete_bucket_policy", Method::DELETE, Bucket, "policy"),
    op("get_bucket_policy_status", Method::GET, Bucket, "policyStatus"),
    op("get_bucket_lifecycle_configuration", Method::GET, Bucket, "lifecycle"),
    op("put_bucket_lifecycle_configuration", Method::PUT, Bucket, "lifecycle"),
    op("delete_bucket_lifecycle", Method::DELETE, Bucket, "lifecycle"),
    op("get_bucket_cors", Method::GET, Bucket, "cors"),
    op("put_bucket_cors", Method::PUT, Bucket, "cors"),
    op("delete_bucket_cors", Method::DELETE, Bucket, "cors"),
    op("get_object_lock_configuration", Method::GET, Bucket, "object-lock"),
    op("put_object_lock_configuration", Method::PUT, Bucket, "object-lock"),
    op("get_object_retention", Method::GET, Object, "retention"),
    op("put_object_retention", Method::PUT, Object, "retention"),
    op("get_object_legal_hold", Method::GET, Object, "legal-hold"),
    op("put_object_legal_hold", Method::PUT, Object, "legal-hold"),
    op("get_bucket_notification_configuration", Method::GET, Bucket, "notification"),
    op("put_bucket_notification_configuration", Method::PUT, Bucket, "notification"),
    op("get_bucket_website", Method::GET, Bucket, "website"),
    op("put_bucket_website", Method::PUT, Bucket, "website"),
    op("delete_bucket_website", Method::DELETE, Bucket, "website"),
    op("get_bucket_replication", Method::GET, Bucket, "replication"),
    op("put_bucket_replication", Method::PUT, Bucket, "replication"),
    op("delete_bucket_replication", Method::DELETE, Bucket, "replication"),
    op("get_bucket_logging", Method::GET, Bucket, "logging"),
    op("put_bucket_logging", Method::PUT, Bucket, "logging"),
    op("get_bucket_encryption", Method::GET, Bucket, "encryption"),
    op("put_bucket_encryption", Method::PUT, Bucket, "encryption"),
    op("delete_bucket_encryption", Method::DELETE, Bucket, "encryption"),
    op("get_bucket_request_payment", Method::GET, Bucket, "requestPayment"),
    op("put_bucket_request_payment", Method::PUT, Bucket, "requestPayment"),
    op("get_bucket_accelerate_configuration", Method::GET, Bucket, "accelerate"),
    op("put_bucket_accelerate_configuration", Method::PUT, Bucket, "accelerate"),
    op("get_bucket_ownership_controls", Method::GET, Bucket, "ownershipControls"),
    op("put_bucket_ownership_controls", Method::PUT, Bucket, "ownershipControls"),
    op("delete_bucket_ownership_controls", Method::DELETE, Bucket, "ownershipControls"),
    op("get_public_access_block", Method::GET, Bucket, "publicAccessBlock"),
    op("put_public_access_block", Method::PUT, Bucket, "publicAccessBlock"),
    op("delete_public_access_block", Method::DELETE, Bucket, "publicAccessBlock"),
];

/// The operation of a request, if it is one of these.
pub(super) fn operation(method: &Method, uri: &Uri) -> Option<&'static Operation> {
    let about = if target(uri)?.key.is_some() { Object } else { Bucket };
    let words: Vec<&str> = fields(uri).map(|field| field.split('=').next().unwrap_or(field)).collect();
    let mut named = words.iter().copied().filter(|word| !is_beside(word, about));
    let word = named.next()?;
    if named.next().is_some() {
        return None;
    }
    FORWARDED.iter().find(|one| one.method == *method && one.about == about && one.word == word)
}

/// The query as it is passed on: without the client's signature and the SDK's name of the operation.
pub(super) fn query(uri: &Uri) -> String {
    let kept = fields(uri).filter(|field| {
        let word = field.split('=').next().unwrap_or(field);
        !word.starts_with("X-Amz-") && word != "x-id"
    });
    kept.collect::<Vec<_>>().join("&")
}

/// What a path names.
pub(super) fn target(uri: &Uri) -> Option<Target> {
    let (bucket, key) = uri.path().strip_prefix('/').map(|path| path.split_once('/').unwrap_or((path, "")))?;
    let key = Some(key).filter(|key| !key.is_empty()).map(decoded);
    Some(Target { bucket: decoded(bucket)?, key: key.map_or(Some(None), |key| key.map(Some))? })
        .filter(|target| !target.bucket.is_empty())
}

fn fields(uri: &Uri) -> impl Iterator<Item = &str> {
    uri.query().unwrap_or_default().split('&').filter(|field| !field.is_empty())
}

/// Words that name no operation.
fn is_beside(word: &str, about: About) -> bool {
    word.starts_with("X-Amz-") || word == "x-id" || (word == "versionId" && about == Object)
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
