//! What is looked at of every request before the framework reads it: names that are the gateway's own (F-1), a query that
//! could be read in two ways, ids that no store ever gave, and the ends of bodies.
//!
//! The framework picks an operation by the words in a query and passes over what is left. Here each word must belong to
//! the method and to what the path names, and there is one of them at most.

use std::borrow::Cow;

use http::Method;
use s3s::{HttpRequest, S3Error, S3Result, s3_error};

use super::{body_digest, dots, framing, metadata};

/// Prepares a request for the framework.
///
/// # Errors
/// Why it is refused.
pub fn prepared(request: HttpRequest) -> S3Result<HttpRequest> {
    names_are_free(&request)?;
    if let Some(query) = request.uri().query() {
        has_one_meaning(request.method(), request.uri().path(), query)?;
    }
    Ok(body_digest::observed(framing::watched(request)))
}

/// Names of the gateway's own metadata are refused wherever a request can carry one.
fn names_are_free(request: &HttpRequest) -> S3Result<()> {
    let own = |name: &str| name.strip_prefix(USER_METADATA).is_some_and(|name| name.starts_with(metadata::ENVELOPE));
    if request.headers().keys().any(|name| own(name.as_str())) {
        return Err(metadata::reserved());
    }
    Ok(())
}

fn has_one_meaning(method: &Method, path: &str, query: &str) -> S3Result<()> {
    let mut seen: Vec<Cow<'_, str>> = Vec::with_capacity(8);
    let mut word: Option<&Word> = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if seen.len() >= PARAMETERS_MAX {
            return Err(s3_error!(InvalidArgument, "The query has too many parameters."));
        }
        if seen.contains(&name) {
            return Err(s3_error!(InvalidArgument, "The query parameter {name} is given more than once."));
        }
        if let Some(rest) = name.get(..USER_METADATA.len()).filter(|start| start.eq_ignore_ascii_case(USER_METADATA))
            && name[rest.len()..].to_ascii_lowercase().starts_with(metadata::ENVELOPE)
        {
            return Err(metadata::reserved());
        }
        id_is_possible(&name, &value)?;
        if let Some(found) = WORDS.iter().find(|word| word.name.eq_ignore_ascii_case(&name)) {
            if found.name != name {
                return Err(s3_error!(InvalidArgument, "The query parameter {name} is written {}.", found.name));
            }
            if let Some(first) = word.replace(found) {
                return Err(conflicting(first, found));
            }
        }
        seen.push(name);
    }
    match word {
        Some(word) if !word.belongs(method, path) => Err(s3_error!(MethodNotAllowed)),
        Some(_) | None => Ok(()),
    }
}

fn conflicting(first: &Word, second: &Word) -> S3Error {
    s3_error!(InvalidRequest, "Conflicting query string parameters: {}, {}", first.name, second.name)
}

/// Ids go on into the store's own names.
fn id_is_possible(name: &str, value: &str) -> S3Result<()> {
    let refused: fn() -> S3Error = match name {
        "versionId" => || s3_error!(InvalidArgument, "Invalid version id specified"),
        "uploadId" => || s3_error!(NoSuchUpload),
        "version-id-marker" | "upload-id-marker" => || s3_error!(InvalidArgument, "Invalid marker specified"),
        _ => return Ok(()),
    };
    if dots::are_in_id(value) { Err(refused()) } else { Ok(()) }
}

/// A word in a query that names an operation.
struct Word {
    name: &'static str,
    /// methods that it goes with where the path names a bucket
    bucket: &'static str,
    /// and where it names an object
    object: &'static str,
}

impl Word {
    fn belongs(&self, method: &Method, path: &str) -> bool {
        let methods = match path.strip_prefix('/').unwrap_or(path).split_once('/') {
            Some((_, key)) if !key.is_empty() => self.object,
            _ if path == "/" => return true,
            _ => self.bucket,
        };
        // a HEAD is one of the bucket or the object itself, whatever it says besides
        *method == Method::HEAD || methods.split(' ').any(|one| one == method.as_str())
    }
}

const fn word(name: &'static str, bucket: &'static str, object: &'static str) -> Word {
    Word { name, bucket, object }
}

/// All of the S3 API, in order of name.
const WORDS: &[Word] = &[
    word("abac", "GET PUT", ""),
    word("accelerate", "GET PUT", ""),
    word("acl", "GET PUT", "GET PUT"),
    word("analytics", "GET PUT DELETE", ""),
    word("annotation", "", "GET PUT DELETE"),
    word("attributes", "", "GET"),
    word("cors", "GET PUT DELETE", ""),
    word("delete", "POST", ""),
    word("encryption", "GET PUT DELETE", "PUT"),
    word("intelligent-tiering", "GET PUT DELETE", ""),
    word("inventory", "GET PUT DELETE", ""),
    word("legal-hold", "", "GET PUT"),
    word("lifecycle", "GET PUT DELETE", ""),
    word("list-type", "GET", ""),
    word("location", "GET", ""),
    word("logging", "GET PUT", ""),
    word("metadataConfiguration", "GET POST DELETE", ""),
    word("metadataTable", "GET POST DELETE", ""),
    word("metrics", "GET PUT DELETE", ""),
    word("notification", "GET PUT", ""),
    word("object-lock", "GET PUT", ""),
    word("ownershipControls", "GET PUT DELETE", ""),
    word("policy", "GET PUT DELETE", ""),
    word("policyStatus", "GET", ""),
    word("publicAccessBlock", "GET PUT DELETE", ""),
    word("renameObject", "", "PUT"),
    word("replication", "GET PUT DELETE", ""),
    word("requestPayment", "GET PUT", ""),
    word("restore", "", "POST"),
    word("retention", "", "GET PUT"),
    word("select", "", "POST"),
    word("session", "GET", ""),
    word("tagging", "GET PUT DELETE", "GET PUT DELETE"),
    word("torrent", "", "GET"),
    word("uploadId", "", "GET PUT POST DELETE"),
    word("uploads", "GET", "POST"),
    word("versioning", "GET PUT", ""),
    word("versions", "GET", ""),
    word("website", "GET PUT DELETE", ""),
];
const USER_METADATA: &str = "x-amz-meta-";
/// A presigned request for an object has some fifteen.
const PARAMETERS_MAX: usize = 64;

#[cfg(test)]
mod tests;
