//! The source of a copy: which object it is, what it is now, and that it opens.
//!
//! A copy by reference wraps a secret for a body that never passes through the gateway. Which secret opens the body stands in
//! metadata that the store could change: without the check of a customer's key, the object's own secret would be wrapped, and
//! nobody could open the copy. So the first segment is opened before, under the very secret, with the stream header that goes
//! along. Its bytes come with the answer that tells what the source is: no request more, but for parts over 64 MiB.

use s3s::dto::CopySource;
use s3s::{S3Error, S3Result, s3_error};

use crate::backend::{BackendError, Fetched, GetRequest, ObjectInfo, ReadConditions, StoredRange};
use crate::s3::held::{AtHand, Held};
use crate::s3::read::settle;
use crate::s3::scope::{Name, Opened, Scope};
use crate::s3::{dots, errors, metadata, parts};
use crate::seal::geometry::{SINGLE_STREAM_OFFSET, STREAM_HEADER_BYTES, single_span};
use crate::seal::{
    Kind, MultipartOpener, OpenError, PlainLen, PlainRange, RangeOpener, SealedLen, SingleOpener, Span, StreamHeader,
};

/// Which object `x-amz-copy-source` names: its name and version.
pub(crate) fn source(scope: &Scope<'_>, source: &CopySource, owner: Option<&str>) -> S3Result<(Name, Option<String>)> {
    match source {
        CopySource::Bucket { bucket, key, version_id } => {
            if version_id.as_deref().is_some_and(dots::are_in_id) {
                return Err(s3_error!(InvalidArgument, "Invalid version id specified"));
            }
            Ok((scope.name(bucket, key, owner)?, version_id.as_deref().map(str::to_owned)))
        }
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => {
            Err(s3_error!(NotImplemented, "Copies from access points are not supported."))
        }
    }
}

/// What the source is; a condition that fails is always `PreconditionFailed`.
pub(crate) async fn source_info(
    scope: &Scope<'_>,
    source: &Name,
    version_id: Option<&str>,
    conditions: &ReadConditions,
) -> S3Result<ObjectInfo> {
    scope.backend().head(&source.version(version_id), conditions).await.map_err(refused)
}

/// As [`source_info`], with the stored bytes in which the first segment lies, as a rule.
pub(super) async fn source_beginning(
    scope: &Scope<'_>,
    source: &Name,
    version_id: Option<&str>,
    conditions: &ReadConditions,
) -> S3Result<(ObjectInfo, AtHand)> {
    let range = Some(StoredRange::Bounded { first: 0, last: BEGINNING_BYTES - 1 });
    let request = GetRequest { object: source.version(version_id), range, conditions: conditions.clone() };
    match scope.backend().get(request).await {
        Ok(Fetched { info, first, bytes, stream }) => Ok((info, AtHand::Held(Held::all(first, bytes, stream).await?))),
        // without a byte it is none of ours, and that is said where its envelope is looked for
        Err(BackendError::RangeNotSatisfiable { .. }) => {
            Ok((source_info(scope, source, version_id, conditions).await?, AtHand::Nothing))
        }
        Err(error) => Err(refused(error)),
    }
}

fn refused(error: BackendError) -> S3Error {
    if matches!(error, BackendError::NotModified { .. }) {
        return s3_error!(PreconditionFailed);
    }
    if matches!(error, BackendError::IsDeleteMarker { .. }) {
        return s3_error!(
            InvalidRequest,
            "The source of a copy request may not specifically refer to a delete marker by version id."
        );
    }
    errors::backend(error)
}

/// Fails unless the body of the source opens under the secret that a copy would wrap.
pub(super) async fn prove(
    scope: &Scope<'_>,
    source: &Name,
    (info, opened): (&ObjectInfo, &Opened),
    plain: PlainLen,
    beginning: AtHand,
) -> S3Result<()> {
    let broken = |error: OpenError| errors::unsealable(&source.bucket, &source.key, &error);
    let (kind, stored) = (opened.envelope.kind(), SealedLen::new(info.stored_bytes));
    let Some(first) = PlainRange::starting_at(0, plain.bytes().min(1)) else {
        let all = Span { stored_first: 0, stored_bytes: info.stored_bytes };
        let body = beginning.into_span(all).ok_or_else(|| broken(OpenError::Cut))?;
        return match kind {
            Kind::Single => settle(source, SingleOpener::new(opened.body_secret(), stored), body, 0).await,
            Kind::Multipart => {
                let stored_parts = info.etag.stored_parts().unwrap_or(0);
                let parts = MultipartOpener::new(&opened.secret, stored, stored_parts);
                let parts = parts.map(|parts| parts.with_body_secret(opened.body_secret()));
                settle(source, parts, body, 0).await
            }
        }
        .map(drop);
    };
    match kind {
        Kind::Single => {
            let header = match info.metadata.user.get(metadata::STREAM) {
                Some(text) => StreamHeader::from_metadata(text),
                None => beginning
                    .held()
                    .and_then(|held| held.slice(SINGLE_STREAM_OFFSET, STREAM_HEADER_BYTES))
                    .ok_or(OpenError::Cut)
                    .and_then(|bytes| StreamHeader::parse(&bytes)),
            }
            .map_err(broken)?;
            let span = single_span(stored, first).map_err(|error| broken(error.into()))?;
            let body = beginning.into_span(span).ok_or_else(|| broken(OpenError::Cut))?;
            let segment = RangeOpener::single(opened.body_secret(), &header, stored, first, span.stored_first);
            settle(source, segment, body, first.bytes()).await.map(drop)
        }
        Kind::Multipart => {
            let completed = parts::completed(scope, source, info, opened, beginning.held()).await?;
            parts::open_range(scope, source, (info, opened), &completed, first, beginning).await.map(drop)
        }
    }
}

/// In front of the first segment of a single object lie 128 bytes, of one in parts 16.
const BEGINNING_BYTES: u64 = SINGLE_STREAM_OFFSET + (64 << 10);
