//! A second request about an object that an answer spoke of: it may not read another.
//!
//! The version and the entity tag are asked for, and what comes is held against both and against the length: a store may
//! pass over `If-Match`, or tell one tag twice. Another object than before is no tampering but a change in between, and the
//! client is asked to try again.

use bytes::Bytes;
use s3s::{S3Error, S3Result};

use super::errors;
use super::held::Held;
use super::scope::{Name, Scope};
use crate::backend::{
    BackendError, ETagMatch, Fetched, GetRequest, ObjectInfo, ObjectRef, ReadConditions, StoredETag, StoredRange,
    VersionId,
};

/// Exactly one stored object.
pub(crate) struct Pin {
    pub(crate) object: ObjectRef,
    pub(crate) etag: StoredETag,
    pub(crate) stored_bytes: u64,
}

impl Pin {
    /// The one that an answer spoke of.
    pub(crate) fn of(name: &Name, info: &ObjectInfo) -> Self {
        let object = name.version(info.version_id.as_ref().map(VersionId::as_str));
        Self { object, etag: info.etag.clone(), stored_bytes: info.stored_bytes }
    }

    /// What a request must ask for.
    pub(crate) fn conditions(&self) -> ReadConditions {
        ReadConditions { if_match: Some(ETagMatch::Is(self.etag.clone())), ..ReadConditions::default() }
    }

    /// Some stored bytes of it.
    pub(crate) async fn fetch(&self, scope: &Scope<'_>, range: StoredRange) -> S3Result<Fetched> {
        let request = GetRequest { object: self.object.clone(), range: Some(range), conditions: self.conditions() };
        let fetched = scope.backend().get(request).await.map_err(errors::backend)?;
        self.holds(&fetched.info).map(|()| fetched)
    }

    /// Refuses an answer that speaks of another object.
    pub(crate) fn holds(&self, info: &ObjectInfo) -> S3Result<()> {
        let is_same = info.etag == self.etag && info.stored_bytes == self.stored_bytes;
        if is_same { Ok(()) } else { Err(disagreeing()) }
    }

    /// Some stored bytes of it, held: for headers and records.
    pub(crate) async fn bytes(&self, scope: &Scope<'_>, first: u64, bytes: u64) -> S3Result<Bytes> {
        let last = first.saturating_add(bytes).saturating_sub(1);
        let Fetched { first, bytes, stream, .. } = self.fetch(scope, StoredRange::Bounded { first, last }).await?;
        Ok(Held::all(first, bytes, stream).await?.into_bytes())
    }
}

/// The version and entity tag that an answer spoke of, for a request of another kind.
pub(crate) fn pinned(name: &Name, info: &ObjectInfo) -> (ObjectRef, ReadConditions) {
    let pin = Pin::of(name, info);
    let conditions = pin.conditions();
    (pin.object, conditions)
}

/// Two answers about one object that do not agree.
pub(crate) fn disagreeing() -> S3Error {
    errors::backend(BackendError::Unavailable(Disagreeing.into()))
}

#[derive(Debug, thiserror::Error)]
#[error("two answers of the store about one object do not agree")]
struct Disagreeing;
