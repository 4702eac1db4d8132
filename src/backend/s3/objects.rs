//! Objects: stored, read, deleted.

use std::collections::HashMap;

use http::header::{CONTENT_RANGE, ETAG, RANGE};
use http::{HeaderMap, Method, StatusCode};

use super::answer::{self, About, AnswerError, content_length, embedded, unavailable};
use super::call::Call;
use super::features::require;
use super::headers::{info, text, unquoted, with_metadata, with_read_conditions, with_tags};
use super::outgoing::Outgoing;
use super::xml::{Element, Writer};
use super::{HELD_BYTES_MAX, LATE_BYTES_MAX, S3Store, object_call, with_md5, xml_body};
use crate::backend::{
    BackendError, BucketName, DeleteItem, Deleted, ETagMatch, Fetched, GetRequest, Governance, Lock, ObjectInfo,
    ObjectRef, PutRequest, ReadConditions, Result, SealedBody, StoredETag, StoredRange, VersionId, WriteConditions,
    Written,
};

const OBJECT: About = About { object: true, version: false, upload: false };

impl S3Store {
    pub(super) async fn object_put(&self, request: PutRequest, body: SealedBody) -> Result<Written> {
        let PutRequest { bucket, key, mut metadata, tags, conditions } = request;
        require(self.features.features().conditional_puts, &conditions)?;
        self.require_lock(&metadata)?;
        let late = body.late_metadata.clone();
        let held_max = if late.is_some() { LATE_BYTES_MAX } else { HELD_BYTES_MAX };
        let body = Outgoing::new(body, held_max, self.trailer()).await.map_err(BackendError::Body)?;
        if let Some(late) = late.as_deref().and_then(std::sync::OnceLock::get) {
            metadata.user.extend(late.clone());
        }
        let call = with_metadata(Call::object(Method::PUT, &bucket, &key), &metadata)?;
        // S3 wants a checksum beside a lock
        let call = if metadata.lock == Lock::default() { call } else { with_md5(call, &body)? };
        let call = self.with_conditions(with_tags(call, &tags)?, &conditions)?;
        // A second one could meet the first one's object.
        let is_conditional = conditions.if_match.is_some() || conditions.if_none_match.is_some();
        let call = if is_conditional { call.once() } else { call };
        let response = match self.uploaded(&call, &body, OBJECT).await {
            Err(error) => return Err(self.unmet(error, &bucket, &key, &conditions).await),
            Ok(response) => response,
        };
        Ok(Written { etag: etag(response.headers())?, version_id: answer::version(response.headers()) })
    }

    /// To S3, an object that was to match and is not there is `NoSuchKey`; some stores call that a failed condition.
    pub(super) async fn unmet(
        &self,
        error: BackendError,
        bucket: &BucketName,
        key: &str,
        conditions: &WriteConditions,
    ) -> BackendError {
        if !matches!(error, BackendError::PreconditionFailed) || conditions.if_match.is_none() {
            return error;
        }
        let object = ObjectRef { bucket: bucket.clone(), key: key.to_owned(), version_id: None };
        match self.object_head(&object, &ReadConditions::default()).await {
            Err(absent @ BackendError::NoSuchKey { .. }) => absent,
            Ok(_) | Err(_) => error,
        }
    }

    pub(super) async fn object_get(&self, request: GetRequest) -> Result<Fetched> {
        let GetRequest { object, range, conditions } = request;
        if range == Some(StoredRange::Suffix { bytes: 0 }) {
            return Err(self.outside(&object, &conditions).await);
        }
        let mut call = with_read_conditions(object_call(Method::GET, &object), "", &conditions)?;
        if let Some(range) = range {
            call = call.header(RANGE.as_str(), &asked(range))?;
        }
        let response = match self.ok(&call, &Outgoing::empty(), about(&object)).await {
            Err(BackendError::RangeNotSatisfiable { stored_bytes: 0 }) => {
                return Err(self.outside(&object, &conditions).await);
            }
            outcome => outcome?,
        };
        let bytes = content_length(response.headers())?;
        let (first, stored_bytes) = match (response.status(), range) {
            (StatusCode::PARTIAL_CONTENT, Some(range)) => given(response.headers(), range, bytes)?,
            // some answer a range with 200, and say which it is all the same
            (StatusCode::OK, Some(range)) if response.headers().contains_key(CONTENT_RANGE) => {
                given(response.headers(), range, bytes)?
            }
            (StatusCode::OK, None) => (0, bytes),
            // a store that leaves the range aside may do so where it makes no difference
            (StatusCode::OK, Some(range)) if is_all(range, bytes) => (0, bytes),
            _ => return Err(unavailable(AnswerError::OtherRange)),
        };
        let info = info(response.headers(), stored_bytes)?;
        Ok(Fetched { info, first, bytes, stream: answer::stream(response.into_body(), bytes, self.idle()) })
    }

    /// The error of a range that holds no byte of the object.
    async fn outside(&self, object: &ObjectRef, conditions: &ReadConditions) -> BackendError {
        match self.object_head(object, conditions).await {
            Ok(info) => BackendError::RangeNotSatisfiable { stored_bytes: info.stored_bytes },
            Err(error) => error,
        }
    }

    pub(super) async fn object_head(&self, object: &ObjectRef, conditions: &ReadConditions) -> Result<ObjectInfo> {
        let call = with_read_conditions(object_call(Method::HEAD, object), "", conditions)?;
        let response = self.ok(&call, &Outgoing::empty(), about(object)).await?;
        info(response.headers(), content_length(response.headers())?)
    }

    pub(super) async fn object_deleted(
        &self,
        object: &ObjectRef,
        if_match: Option<ETagMatch>,
        governance: Governance,
    ) -> Result<Deleted> {
        let conditions = WriteConditions { if_match, if_none_match: None };
        require(self.features.features().conditional_deletes, &conditions)?;
        let call = with_governance(object_call(Method::DELETE, object), governance)?;
        let call = self.with_conditions(call, &conditions)?;
        let call = if conditions.if_match.is_some() { call.once() } else { call };
        match self.ok(&call, &Outgoing::empty(), OBJECT).await {
            Ok(response) => Ok(Deleted {
                delete_marker: answer::is_marker(response.headers()),
                version_id: answer::version(response.headers()),
            }),
            // to S3, what is not there is deleted
            Err(BackendError::NoSuchKey { .. } | BackendError::NoSuchVersion) if conditions.if_match.is_none() => {
                Ok(Deleted { delete_marker: false, version_id: object.version_id.clone() })
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn objects_deleted(
        &self,
        bucket: &BucketName,
        objects: Vec<DeleteItem>,
        governance: Governance,
    ) -> Result<Vec<Result<Deleted>>> {
        if objects.is_empty() {
            return Ok(Vec::new());
        }
        let conditional = objects.iter().find_map(|object| object.if_match.clone());
        let conditions = WriteConditions { if_match: conditional, if_none_match: None };
        require(self.features.features().conditional_deletes, &conditions)?;
        let mut answers = Vec::with_capacity(objects.len());
        for some in objects.chunks(DELETES_MAX) {
            let body = xml_body(delete_document(some));
            let call = with_md5(Call::bucket(Method::POST, bucket).flag("delete"), &body)?;
            let call = with_governance(call, governance)?;
            let document = self.xml(&call, &body, About::default()).await?;
            let root = document.root();
            if root.children().filter(|entry| is_outcome(*entry)).count() > some.len() {
                return Err(unavailable(AnswerError::TooMany));
            }
            answers.extend(in_order(some, root));
        }
        Ok(answers)
    }
}

pub(super) fn with_governance(call: Call, governance: Governance) -> Result<Call> {
    match governance {
        Governance::Holds => Ok(call),
        Governance::Bypassed => call.header("x-amz-bypass-governance-retention", "true"),
    }
}

fn about(object: &ObjectRef) -> About {
    About { version: object.version_id.is_some(), ..OBJECT }
}

/// The entity tag that an answer must have.
pub(super) fn etag(headers: &HeaderMap) -> Result<StoredETag> {
    let etag = text(headers, ETAG.as_str()).map(unquoted).filter(|etag| !etag.is_empty());
    etag.map(StoredETag::new).ok_or_else(|| unavailable(AnswerError::Lacks("an entity tag")))
}

fn asked(range: StoredRange) -> String {
    match range {
        StoredRange::Bounded { first, last } => format!("bytes={first}-{}", last.min(OFFSET_MAX)),
        StoredRange::From { first } => format!("bytes={first}-"),
        StoredRange::Suffix { bytes } => format!("bytes=-{}", bytes.min(OFFSET_MAX)),
    }
}

/// Offset of the first byte given, and the whole length; checked against what was asked and what is announced.
fn given(headers: &HeaderMap, range: StoredRange, bytes: u64) -> Result<(u64, u64)> {
    let parsed = || {
        let (span, whole) = text(headers, CONTENT_RANGE.as_str())?.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = span.split_once('-')?;
        Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?, whole.parse::<u64>().ok()?))
    };
    let other = || unavailable(AnswerError::OtherRange);
    let (first, last, whole) =
        parsed().filter(|(first, last, whole)| first <= last && last < whole).ok_or_else(other)?;
    let expected = expected(range, whole);
    if (first, last) == expected && last - first + 1 == bytes { Ok((first, whole)) } else { Err(other()) }
}

/// First and last byte of a range of a longer object than its first byte.
fn expected(range: StoredRange, whole: u64) -> (u64, u64) {
    let end = whole.saturating_sub(1);
    match range {
        StoredRange::Bounded { first, last } => (first, last.min(end)),
        StoredRange::From { first } => (first, end),
        StoredRange::Suffix { bytes } => (whole.saturating_sub(bytes), end),
    }
}

fn is_all(range: StoredRange, whole: u64) -> bool {
    whole > 0 && expected(range, whole) == (0, whole - 1)
}

fn delete_document(objects: &[DeleteItem]) -> String {
    Writer::document("Delete", |writer| {
        for object in objects {
            writer.element("Object", |item| {
                item.text("Key", &object.key);
                if let Some(version) = &object.version_id {
                    item.text("VersionId", version.as_str());
                }
                if let Some(ETagMatch::Is(etag)) = &object.if_match {
                    item.text("ETag", etag.as_str());
                }
            });
        }
    })
}

fn is_outcome(entry: Element<'_>) -> bool {
    matches!(entry.name(), "Deleted" | "Error")
}

/// One answer for each object, which stores give in any order.
fn in_order(objects: &[DeleteItem], root: Element<'_>) -> Vec<Result<Deleted>> {
    let mut given: HashMap<(String, String), Vec<Element<'_>>> = HashMap::new();
    for entry in root.children().filter(|entry| is_outcome(*entry)) {
        let version = entry.text("VersionId").unwrap_or_default();
        given.entry((entry.text("Key").unwrap_or_default().to_owned(), version.to_owned())).or_default().push(entry);
    }
    let answer = |object: &DeleteItem| {
        let version = object.version_id.as_ref().map_or("", VersionId::as_str);
        let mut found = given.get_mut(&(object.key.clone(), version.to_owned())).and_then(Vec::pop);
        if found.is_none() {
            // some name a version in an error or an answer where none was asked for
            found = root.children().find(|entry| is_outcome(*entry) && entry.text("Key") == Some(&object.key));
        }
        match found {
            None => Err(unavailable(AnswerError::Lacks("an entry for each object"))),
            Some(entry) if entry.name() == "Error" => {
                let error = embedded(entry, OBJECT);
                let is_absent = matches!(error, BackendError::NoSuchKey { .. } | BackendError::NoSuchVersion);
                if is_absent && object.if_match.is_none() {
                    return Ok(Deleted { delete_marker: false, version_id: object.version_id.clone() });
                }
                Err(error)
            }
            Some(entry) => {
                let made = entry.filled("DeleteMarkerVersionId").map(VersionId::new);
                Ok(Deleted {
                    delete_marker: entry.is_true("DeleteMarker"),
                    version_id: object.version_id.clone().or(made),
                })
            }
        }
    };
    objects.iter().map(answer).collect()
}

/// Objects in one `DeleteObjects`, the limit of S3.
const DELETES_MAX: usize = 1_000;
/// Many stores read offsets as signed numbers.
const OFFSET_MAX: u64 = i64::MAX.unsigned_abs();

#[cfg(test)]
mod tests {
    use super::super::xml::Document;
    use super::*;

    fn headers(range: &str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_RANGE, range.parse().unwrap())])
    }

    #[test]
    fn only_the_range_that_was_asked_for_is_taken() {
        let range = StoredRange::Bounded { first: 10, last: 19 };
        assert_eq!(given(&headers("bytes 10-19/100"), range, 10).unwrap(), (10, 100));
        assert_eq!(given(&headers("bytes 10-14/15"), range, 5).unwrap(), (10, 15));
        for wrong in
            ["bytes 0-9/100", "bytes 10-18/100", "bytes 10-19/15", "bytes 10-19/*", "10-19/100", "bytes 19-10/100"]
        {
            assert!(given(&headers(wrong), range, 10).is_err(), "{wrong}");
        }
        assert!(given(&headers("bytes 10-19/100"), range, 9).is_err());
        assert_eq!(given(&headers("bytes 90-99/100"), StoredRange::Suffix { bytes: 10 }, 10).unwrap(), (90, 100));
    }

    #[test]
    fn answers_to_many_deletes_are_put_in_order() {
        let item = |key: &str| DeleteItem { key: key.to_owned(), version_id: None, if_match: None };
        let document = Document::parse(
            "<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code></Error><Deleted><Key>a</Key></Deleted></DeleteResult>"
                .to_owned(),
        )
        .unwrap();
        let answers = in_order(&[item("a"), item("b"), item("c")], document.root());
        assert!(answers[0].is_ok());
        assert!(matches!(answers[1], Err(BackendError::Denied)));
        assert!(matches!(answers[2], Err(BackendError::Unavailable(_))));
    }
}
