//! A long body whose checksum comes in a trailer, over a store that takes metadata only before a body: it becomes a
//! multipart object of one part, whose completion record keeps the checksum.
//!
//! The store sees an upload: create, the part, the completion part, complete; and a record in the staging bucket, so that
//! the sweeper ends the upload of a gateway that died.

use std::sync::{Arc, OnceLock};

use s3s::dto::StreamingBlob;
use s3s::{S3Result, s3_error};

use super::{Stored, Upload};
use crate::backend::{CompleteUpload, CreateUpload, PartRef, SealedBody, UploadRef, WriteConditions, Written};
use crate::body::seal::{Inspects, seal};
use crate::s3::attributes_record::Attributes;
use crate::s3::checksum::{Kept, Verifier};
use crate::s3::multipart::{SealedRecord, staging};
use crate::s3::scope::Scope;
use crate::s3::{customer_key, errors, metadata};
use crate::seal::{
    Completion, Envelope, Kind, ObjectSecret, PartNumber, PartSealer, PartStream, PartTable, PlainLen, RecordVersion,
    SealError, StreamHeader, geometry,
};

/// Seals a body as the one part of an object and stores it.
pub(super) async fn store(scope: &Scope<'_>, upload: Upload, plain: StreamingBlob) -> S3Result<Stored> {
    let Upload { name, mut metadata, tags, conditions, verifier, plain_bytes } = upload;
    let key = scope.sealing_key()?;
    let (envelope, secret) =
        Envelope::seal(Kind::Multipart, key, &scope.binding(&name)?).map_err(|error| errors::seal(&error))?;
    metadata.user.insert(metadata::ENVELOPE.to_owned(), envelope.to_metadata());
    let joined = customer_key::new_body_secret(&name, &secret, &mut metadata);
    let create = CreateUpload { bucket: name.stored.clone(), key: name.key.clone(), metadata, tags };
    let upload_id = scope.backend().create_upload(create).await.map_err(errors::backend)?;
    let at = UploadRef { bucket: name.stored.clone(), key: name.key.clone(), upload_id };
    let staging = staging(scope, &at);
    let record_version = scope.gateway.record_version;
    let work = Work { at: at.clone(), envelope, secret, joined, conditions, record_version };
    let outcome = match SealedRecord::of_gateway(scope, &name, &at) {
        Ok(record) => match staging.write_record(&at, &record).await {
            Ok(()) => work.run(scope, (plain, plain_bytes), verifier).await,
            Err(error) => Err(errors::backend(error)),
        },
        Err(error) => Err(error),
    };
    if outcome.is_err()
        && let Err(left) = scope.backend().abort_upload(&at).await
    {
        tracing::warn!(%left, "the upload of a failed body stays for the sweeper");
        return outcome.map(|(written, kept)| Stored { written, key_id: key.key_id().to_string(), kept });
    }
    if let Err(error) = staging.clear().await {
        tracing::warn!(%error, "the record of a body stays for the sweeper");
    }
    outcome.map(|(written, kept)| Stored { written, key_id: key.key_id().to_string(), kept })
}

struct Work {
    at: UploadRef,
    envelope: Envelope,
    secret: ObjectSecret,
    /// of the part, where a customer's key makes it another
    joined: Option<ObjectSecret>,
    conditions: WriteConditions,
    record_version: RecordVersion,
}

impl Work {
    async fn run(
        self,
        scope: &Scope<'_>,
        (plain, plain_bytes): (StreamingBlob, u64),
        verifier: Verifier,
    ) -> S3Result<(Written, Option<Kept>)> {
        let plain_len = PlainLen::new(plain_bytes);
        let bytes = geometry::part_sealed(plain_len).map_err(|_| s3_error!(EntityTooLarge))?.bytes();
        let number = PartNumber::new(1).map_err(|error| errors::seal(&error))?;
        let secret = self.joined.as_ref().unwrap_or(&self.secret);
        let sealer = PartSealer::new(secret, number, plain_len).map_err(|error| errors::seal(&error))?;
        let stream_header = *sealer.stream_header();
        let kept = Arc::new(OnceLock::new());
        let inspector = Inspector { verifier, kept: Arc::clone(&kept) };
        let body = SealedBody { bytes, stream: seal(plain, plain_bytes, sealer, inspector), late_metadata: None };
        let part = |number| PartRef { upload: self.at.clone(), number };
        let first = scope.backend().put_part(&part(1), body).await.map_err(errors::backend)?;
        let kept: Option<Kept> = kept.get().cloned();
        let record = self.record((number, plain_len), stream_header, kept.clone())?;
        let record = crate::s3::multipart::held(record.into());
        let last = scope.backend().put_part(&part(2), record).await.map_err(errors::backend)?;
        let parts = vec![(1, first), (2, last)];
        let complete = CompleteUpload { upload: self.at, parts, conditions: self.conditions };
        let written = scope.backend().complete_upload(complete).await.map_err(errors::backend)?;
        Ok((written, kept))
    }

    /// The completion part.
    fn record(&self, part: (PartNumber, PlainLen), header: StreamHeader, kept: Option<Kept>) -> S3Result<Vec<u8>> {
        let attributes = Attributes { checksum: kept, ..Attributes::default() }.to_bytes()?;
        let sealed = || -> Result<_, SealError> {
            let table = PartTable::from_parts(vec![part])?;
            let known = (&table, &[PartStream::Header(header)][..]);
            Completion::seal(&self.secret, &self.envelope, self.record_version, known, &attributes)
        };
        sealed().map(crate::seal::CompletionRecord::into_part).map_err(|error| errors::seal(&error))
    }
}

/// Settles the checksums once the body has passed, and tells the one to keep.
struct Inspector {
    verifier: Verifier,
    kept: Arc<OnceLock<Kept>>,
}

impl Inspects for Inspector {
    fn update(&mut self, plain: &[u8]) {
        self.verifier.update(plain);
    }

    fn settle(self) -> S3Result<()> {
        if let Some(kept) = self.verifier.settle()? {
            // set here alone, and once
            self.kept.get_or_init(|| kept);
        }
        Ok(())
    }
}
