//! `CompleteMultipartUpload`: checks what the client names against what is there, then [`finish`](super::finish) does it.
//!
//! A Complete that is repeated because its answer was lost finds the upload gone. The completion record names the upload
//! that made the object, sealed; so the same answer can be given again while the object is the current one.

use std::sync::Arc;
use std::time::Duration;

use s3s::dto::{
    Checksum, ChecksumType, CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart,
    ServerSideEncryption,
};
use s3s::{S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::checksums::{self, Summed};
use super::finish::{Finish, Finished, finish};
use super::note::{self, Note};
use super::parts::{self, Part};
use super::staging::upload_digest;
use super::streams;
use super::uploads::OpenUpload;
use crate::backend::calls::{continued, origin};
use crate::s3::attributes_record::Attributes;
use crate::s3::checksum::{Algorithm, Kept, declared_checksums, show_checksums};
use crate::s3::customer_key::customer_key;
use crate::s3::etag::PartTag;
use crate::s3::gateway::Gateway;
use crate::s3::scope::{Name, Scope};
use crate::s3::{errors, etag, metadata, parts as completed_parts, versions};
use crate::seal::{Kind, StreamHash};

pub(crate) async fn complete_multipart_upload(
    gateway: &Gateway,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let scope = Scope::new(gateway, &request)?.with_keys().await;
    let location = location(&request);
    let input = request.input;
    let name = scope.name(&input.bucket, &input.key, input.expected_bucket_owner.as_deref())?;
    let name = name.with_customer_key(customer_key!(input)?);
    let named = named_parts(input.multipart_upload.as_ref().and_then(|upload| upload.parts.as_deref()))?;
    let answer = Answer { bucket: input.bucket.clone(), key: input.key.clone(), location };

    let upload = match gateway.uploads.open_to_write(&scope, &name, &input.upload_id).await {
        Ok(upload) => upload,
        Err(error) if *error.code() == S3ErrorCode::NoSuchUpload => {
            return repeated(&scope, &name, &input.upload_id, answer).await.ok_or(error);
        }
        Err(error) => return Err(error),
    };
    if name.customer_key.is_some() {
        // it is not needed, but must be the right one
        upload.joined_secret(&name)?;
    }
    let there = match parts::all(scope.backend(), &upload).await {
        Ok(there) => there,
        Err(crate::backend::BackendError::NoSuchUpload) => {
            gateway.uploads.forget(&upload).await;
            return repeated(&scope, &name, &input.upload_id, answer).await.ok_or_else(|| s3_error!(NoSuchUpload));
        }
        Err(error) => return Err(errors::backend(error)),
    };
    let chosen = named.iter().map(|part| choose(part, &there)).collect::<S3Result<Vec<_>>>()?;
    check_sizes(&chosen, input.mpu_object_size)?;
    let declared = declared_checksums!(input);
    let notes = notes(&upload, &chosen).await?;
    let mut streams = Vec::with_capacity(chosen.len());
    for (named, part) in named.iter().zip(&chosen) {
        streams.push(streams::completed(&gateway.uploads, &upload, part, &notes, named.stream()).await?);
    }
    let kept = whole_checksum(&upload, (&named, &chosen, &notes), &declared, input.checksum_type.as_ref())?;

    let attributes = Attributes { checksum: kept.clone(), upload: Some(upload.digest.clone()) };
    let work = Finish {
        backend: Arc::clone(&gateway.backend),
        uploads: gateway.uploads.clone(),
        conditions: etag::write_conditions(input.if_match.as_ref(), input.if_none_match.as_ref()),
        attributes,
        record_version: gateway.record_version,
        streams,
        tables: gateway.part_tables.clone(),
        taken: there.iter().filter(|part| !part.staged).map(|part| part.number).collect(),
        parts: chosen,
        upload,
    };
    answered(async move { finish(work).await.map(|finished| answer.give(finished, kept)) }).await
}

/// The answer itself if it is there soon, with its own status and headers; else one that is kept alive by white space
/// until it is there, as S3 does: a backend may take minutes.
async fn answered(
    work: impl Future<Output = S3Result<CompleteMultipartUploadOutput>> + Send + 'static,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let mut work = Box::pin(continued(origin(), work));
    let output = match tokio::time::timeout(SOON, &mut work).await {
        Ok(output) => output?,
        Err(_) => CompleteMultipartUploadOutput { future: Some(work), ..CompleteMultipartUploadOutput::default() },
    };
    Ok(S3Response::new(output))
}

/// What does not depend on how it went.
struct Answer {
    bucket: String,
    key: String,
    location: Option<String>,
}

impl Answer {
    fn give(self, finished: Finished, kept: Option<Kept>) -> CompleteMultipartUploadOutput {
        let mut output = CompleteMultipartUploadOutput {
            bucket: Some(self.bucket),
            key: Some(self.key),
            location: self.location,
            e_tag: Some(etag::shown(&finished.etag)),
            version_id: versions::made(finished.version_id),
            server_side_encryption: finished
                .key_id
                .is_some()
                .then(|| ServerSideEncryption::from_static(ServerSideEncryption::AWS_KMS)),
            ssekms_key_id: finished.key_id,
            ..CompleteMultipartUploadOutput::default()
        };
        if let Some(kept) = kept {
            output.checksum_type = Some(kept.shown_type());
            show_checksums!(output, kept.shown());
        }
        output
    }
}

/// The answer of an earlier Complete of this upload, if its object is the current one.
async fn repeated(
    scope: &Scope<'_>,
    name: &Name,
    upload_id: &str,
    answer: Answer,
) -> Option<S3Response<CompleteMultipartUploadOutput>> {
    let info = scope.head(name, None).await.ok()?;
    if crate::s3::scope::kind(&info) != Some(Kind::Multipart) {
        return None;
    }
    let opened = scope.open_but_body(name, &info.metadata).ok()?;
    let completed = completed_parts::completed(scope, name, &info, &opened, None).await.ok()?;
    let upload = upload_digest(&name.stored, &name.key, upload_id);
    if completed.attributes.upload.as_ref() != Some(&upload) {
        return None;
    }
    let has_customer_key = info.metadata.user.contains_key(metadata::CUSTOMER_KEY);
    let key_id = (!has_customer_key).then(|| opened.envelope.key_id().to_string());
    let finished = Finished { etag: info.etag, version_id: info.version_id, key_id };
    Some(S3Response::new(answer.give(finished, completed.attributes.checksum.clone())))
}

/// A part as Complete names it.
struct Named {
    number: u32,
    /// none where it has not the form of any that was shown
    tag: Option<PartTag>,
    sums: Checksum,
}

impl Named {
    /// The hash of the stream that the client means, if it was told.
    fn stream(&self) -> Option<StreamHash> {
        self.tag.as_ref()?.stream
    }
}

fn named_parts(listed: Option<&[CompletedPart]>) -> S3Result<Vec<Named>> {
    let listed = listed.filter(|parts| !parts.is_empty()).ok_or_else(|| s3_error!(MalformedXML))?;
    let named = listed.iter().map(named_part).collect::<S3Result<Vec<_>>>()?;
    if !named.is_sorted_by(|one, next| one.number < next.number) {
        return Err(s3_error!(InvalidPartOrder));
    }
    Ok(named)
}

fn named_part(part: &CompletedPart) -> S3Result<Named> {
    let number = part.part_number.ok_or_else(|| s3_error!(MalformedXML))?;
    let etag = part.e_tag.as_ref().ok_or_else(|| s3_error!(MalformedXML))?;
    Ok(Named { number: parts::number(number)?, tag: PartTag::parse(etag.value()), sums: declared_checksums!(part) })
}

/// The part with the number and entity tag that the client names.
fn choose(named: &Named, there: &[Part]) -> S3Result<Part> {
    let from = there.partition_point(|part| part.number < named.number);
    let mut same = there.get(from..).unwrap_or_default().iter().take_while(|part| part.number == named.number);
    let is_named = |part: &&Part| named.tag.as_ref().is_some_and(|tag| tag.names(&part.etag));
    same.find(is_named).cloned().ok_or_else(|| s3_error!(InvalidPart))
}

/// Every part but the last has 5 MiB or more, and all together what the client says.
fn check_sizes(chosen: &[Part], declared: Option<i64>) -> S3Result<()> {
    if let Some((_, others)) = chosen.split_last()
        && others.iter().any(|part| part.plain.bytes() < PART_BYTES_MIN)
    {
        return Err(s3_error!(EntityTooSmall));
    }
    let total = chosen.iter().fold(0_u64, |total, part| total.saturating_add(part.plain.bytes()));
    match declared {
        Some(declared) if u64::try_from(declared) != Ok(total) => Err(s3_error!(
            InvalidRequest,
            "The provided 'x-amz-mp-object-size' header value {declared} does not match what was computed: {total}"
        )),
        Some(_) | None => Ok(()),
    }
}

/// What replicas noted of the parts; they do where the upload was created with a checksum.
async fn notes(upload: &OpenUpload, chosen: &[Part]) -> S3Result<Vec<(u32, Note)>> {
    if upload.checksum.is_none() {
        return Ok(Vec::new());
    }
    let last = chosen.last().map_or(0, |part| part.number);
    upload.notes(0, last).await.map_err(errors::backend)
}

/// The checksum of the whole object, where the upload was created with one.
fn whole_checksum(
    upload: &OpenUpload,
    (named, chosen, notes): (&[Named], &[Part], &[(u32, Note)]),
    declared: &Checksum,
    kind: Option<&ChecksumType>,
) -> S3Result<Option<Kept>> {
    let other = |algorithm: &Algorithm| {
        algorithm.value(declared).is_some() && upload.checksum.is_none_or(|upload| upload.algorithm != *algorithm)
    };
    if let Some(other) = Algorithm::ALL.iter().copied().find(other) {
        return Err(checksums::type_mismatch(upload.checksum.map(|upload| upload.algorithm), Some(other)));
    }
    if let Some(kind) = kind
        && upload.checksum.is_none_or(|upload| upload.shown_type() != *kind)
    {
        return Err(checksums::mode_mismatch(upload.checksum));
    }
    let Some(checksum) = upload.checksum else { return Ok(None) };
    let summed: Vec<_> = named.iter().zip(chosen).map(|(named, part)| summed(named, part, notes)).collect();
    checksum.of_parts(&summed, checksum.algorithm.value(declared))
}

fn summed(named: &Named, part: &Part, notes: &[(u32, Note)]) -> Summed {
    Summed {
        number: part.number,
        plain_bytes: part.plain.bytes(),
        noted: note::checksum_of(notes, part.number, &part.etag, named.stream()).map(|kept| kept.value),
        declared: named.sums.clone(),
    }
}

/// Where the object is, as far as the request tells.
fn location(request: &S3Request<CompleteMultipartUploadInput>) -> Option<String> {
    let host = request.headers.get(http::header::HOST)?.to_str().ok()?;
    let (bucket, key) = (&request.input.bucket, &request.input.key);
    Some(format!("http://{host}/{bucket}/{key}"))
}

/// S3's least plaintext size for a part that is not the last.
const PART_BYTES_MIN: u64 = 5 << 20;
/// Under the read timeouts of clients and proxies.
const SOON: Duration = Duration::from_secs(10);
