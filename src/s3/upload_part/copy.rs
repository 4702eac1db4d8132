//! `UploadPartCopy`: a part that is an object, or a range of one.
//!
//! The part must be sealed under its own upload's secret with its own header, so the plaintext passes through the
//! gateway: opened, authenticated and sealed again, segment by segment.

use s3s::dto::{Checksum, CopyPartResult, Timestamp, UploadPartCopyInput, UploadPartCopyOutput};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::store;
use crate::s3::checksum::{Verifier, show_checksums};
use crate::s3::copy::{source, source_info};
use crate::s3::customer_key::{customer_key, show_encryption, source_customer_key};
use crate::s3::etag;
use crate::s3::gateway::Gateway;
use crate::s3::multipart::part_number;
use crate::s3::pin::Pin;
use crate::s3::read::{Reading, Wanted, as_source, plain_len, read};
use crate::s3::scope::Scope;
use crate::seal::{PlainLen, PlainRangeSpec, geometry};

pub(crate) async fn upload_part_copy(
    gateway: &Gateway,
    request: S3Request<UploadPartCopyInput>,
) -> S3Result<S3Response<UploadPartCopyOutput>> {
    let scope = Scope::new(gateway, &request)?.with_keys().await;
    let input = request.input;
    let number = part_number(input.part_number)?;
    let range = input.copy_source_range.as_deref().map(parse_range).transpose()?;
    let target = scope.name(&input.bucket, &input.key, input.expected_bucket_owner.as_deref())?;
    let target = target.with_customer_key(customer_key!(input)?);
    let (from, version_id) = source(&scope, &input.copy_source, input.expected_source_bucket_owner.as_deref())?;
    let from = from.with_customer_key(source_customer_key!(input)?);
    let upload = gateway.uploads.open_to_write(&scope, &target, &input.upload_id).await?;
    let conditions = etag::read_conditions(
        input.copy_source_if_match.as_ref(),
        input.copy_source_if_none_match.as_ref(),
        input.copy_source_if_modified_since,
        input.copy_source_if_unmodified_since,
    );
    let info = source_info(&scope, &from, version_id.as_deref(), &conditions).await?;
    let plain = plain_len(&from, &info, scope.open(&from, &info.metadata)?.envelope.kind())?;
    let (wanted, plain_bytes) = wanted(range, plain)?;

    let pin = Pin::of(&from, &info);
    let version_id = pin.object.version_id.as_ref().map(crate::backend::VersionId::as_str);
    let Reading { body, info: found, .. } = read(&scope, &from, version_id, pin.conditions(), wanted).await?;
    pin.holds(&found)?;
    let body = as_source(body);
    let verifier = Verifier::new(&Checksum::default(), None, None, &http::HeaderMap::default(), None)?;
    let verifier = match upload.checksum {
        Some(checksum) => verifier.or_compute(checksum.algorithm),
        None => verifier,
    };
    let stored = store(&scope, (&target, &upload), number, (body, plain_bytes), verifier).await?;
    let mut result = CopyPartResult {
        e_tag: Some(stored.tag),
        last_modified: Some(Timestamp::from(std::time::SystemTime::now())),
        ..CopyPartResult::default()
    };
    if let Some(kept) = stored.kept {
        show_checksums!(result, kept.shown());
    }
    let mut output = UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: info.version_id.map(|id| id.as_str().to_owned()),
        ..UploadPartCopyOutput::default()
    };
    show_encryption!(output, target, upload.envelope.key_id().to_string());
    Ok(S3Response::new(output))
}

/// `bytes=first-last`, both given: the only form that S3 takes here.
fn parse_range(text: &str) -> S3Result<(u64, u64)> {
    let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    text.strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
        .and_then(|(first, last)| Some((number(first)?, number(last)?)))
        .filter(|(first, last)| first <= last)
        .ok_or_else(|| {
            s3_error!(
                InvalidArgument,
                "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
                 zero-based offsets of the first and last bytes to copy"
            )
        })
}

/// What to read of a source of this length, and how long it is, in bytes.
fn wanted(range: Option<(u64, u64)>, plain: PlainLen) -> S3Result<(Wanted, u64)> {
    let (wanted, bytes) = match range {
        None => (Wanted::All, plain.bytes()),
        Some((first, last)) if last < plain.bytes() => {
            (Wanted::Range(PlainRangeSpec::Between { first, last }), last - first + 1)
        }
        Some((first, last)) => return Err(beyond(first, last, plain)),
    };
    if bytes > geometry::PART_PLAIN_BYTES_MAX {
        return Err(s3_error!(
            InvalidRequest,
            "The specified copy source is larger than the maximum allowable size for a copy source: {}",
            geometry::PART_PLAIN_BYTES_MAX
        ));
    }
    Ok((wanted, bytes))
}

fn beyond(first: u64, last: u64, plain: PlainLen) -> S3Error {
    if first >= plain.bytes() {
        return s3_error!(InvalidRange, "The requested range is not satisfiable");
    }
    s3_error!(
        InvalidArgument,
        "Range specified is not valid for source object of size: {} (bytes {first}-{last})",
        plain.bytes()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_needs_both_ends() {
        assert_eq!(parse_range("bytes=0-9").unwrap(), (0, 9));
        for wrong in ["bytes=0-", "bytes=-9", "bytes=9-0", "0-9", "bytes=0-9,12-13", "bytes=+1-2", "bytes=a-b", ""] {
            assert_eq!(parse_range(wrong).unwrap_err().code().as_str(), "InvalidArgument", "{wrong}");
        }
    }

    #[test]
    fn a_range_beyond_the_source_is_refused_and_not_cut() {
        let plain = PlainLen::new(10);
        assert_eq!(wanted(Some((3, 9)), plain).unwrap().1, 7);
        assert_eq!(wanted(Some((3, 10)), plain).unwrap_err().code().as_str(), "InvalidArgument");
        assert_eq!(wanted(Some((10, 12)), plain).unwrap_err().code().as_str(), "InvalidRange");
    }

    #[test]
    fn more_than_5_gib_is_no_part() {
        let plain = PlainLen::new((5 << 30) + 1);
        assert_eq!(wanted(None, plain).unwrap_err().code().as_str(), "InvalidRequest");
        assert_eq!(wanted(Some((1, 5 << 30)), plain).unwrap().1, 5 << 30);
    }
}
