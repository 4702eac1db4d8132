//! The checksum of a multipart object, made of those of its parts.
//!
//! `COMPOSITE`: the digest over the parts' digests, then `-<parts>`. `FULL_OBJECT`: the checksum of the whole plaintext,
//! which for a CRC follows from the parts' CRCs and lengths
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, checksum_combine};
use s3s::dto::{Checksum, ChecksumAlgorithm, ChecksumType};
use s3s::{S3Error, S3Result, s3_error};
use serde::{Deserialize, Serialize};

use crate::s3::checksum::{Algorithm, Kept, Verifier};

/// How the parts and the whole of an upload are checked, as asked for at Create.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UploadChecksum {
    pub(crate) algorithm: Algorithm,
    pub(crate) composite: bool,
}

/// A part as far as checksums go.
pub(crate) struct Summed {
    pub(crate) number: u32,
    pub(crate) plain_bytes: u64,
    /// the value that was verified when the part came
    pub(crate) noted: Option<String>,
    /// what Complete says of it
    pub(crate) declared: Checksum,
}

impl UploadChecksum {
    /// What a Create asks for; the type that S3 takes if none is named.
    pub(crate) fn asked(algorithm: Option<&ChecksumAlgorithm>, kind: Option<&ChecksumType>) -> S3Result<Option<Self>> {
        let Some(algorithm) = algorithm else {
            return match kind {
                None => Ok(None),
                Some(_) => Err(s3_error!(
                    InvalidRequest,
                    "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
                )),
            };
        };
        let algorithm = Algorithm::parse(algorithm)?;
        let composite = match kind.map(ChecksumType::as_str) {
            None => algorithm != Algorithm::Crc64Nvme,
            Some(ChecksumType::COMPOSITE) => true,
            Some(ChecksumType::FULL_OBJECT) => false,
            Some(_) => return Err(s3_error!(InvalidRequest, "Value for x-amz-checksum-type header is invalid.")),
        };
        let possible = if composite { algorithm != Algorithm::Crc64Nvme } else { crc(algorithm).is_some() };
        if !possible {
            return Err(s3_error!(
                InvalidRequest,
                "The {} checksum type cannot be used with the {} checksum algorithm.",
                type_name(composite),
                lower(algorithm)
            ));
        }
        Ok(Some(Self { algorithm, composite }))
    }

    /// For answers.
    pub(crate) fn shown_algorithm(self) -> ChecksumAlgorithm {
        ChecksumAlgorithm::from_static(self.algorithm.name())
    }

    /// For answers.
    pub(crate) fn shown_type(self) -> ChecksumType {
        ChecksumType::from_static(type_name(self.composite))
    }

    /// A part must be checked with the upload's algorithm. S3 insists on a value only for a composite.
    pub(crate) fn for_part(self, verifier: Verifier) -> S3Result<Verifier> {
        match verifier.algorithm() {
            Some(algorithm) if algorithm == self.algorithm => Ok(verifier),
            None if !self.composite => Ok(verifier.or_compute(self.algorithm)),
            other => Err(type_mismatch(Some(self.algorithm), other)),
        }
    }

    /// The checksum of the whole object. `declared` is what Complete says of it, which must then be so.
    pub(crate) fn of_parts(self, parts: &[Summed], declared: Option<&str>) -> S3Result<Option<Kept>> {
        let mut values = Vec::with_capacity(parts.len());
        for part in parts {
            let Some(value) = self.of_part(part, declared.is_some())? else { return Ok(None) };
            values.push((self.algorithm.decode(value)?, part.plain_bytes));
        }
        let value = if self.composite { self.composite_of(&values) } else { self.whole_of(&values) };
        let kept = Kept { algorithm: self.algorithm, value, composite: self.composite };
        match declared {
            Some(declared) if !self.agrees(declared, &kept, parts.len())? => Err(mismatch(self.algorithm)),
            Some(_) | None => Ok(Some(kept)),
        }
    }

    /// The value of one part: the verified one, which the declared one must equal. `None` if nobody knows one and nobody
    /// has to.
    fn of_part(self, part: &Summed, whole_is_declared: bool) -> S3Result<Option<&str>> {
        let declared = self.algorithm.value(&part.declared);
        if declared.is_none() && self.composite && !whole_is_declared {
            return Err(s3_error!(
                InvalidRequest,
                "The upload was created using a {} checksum. The complete request must include the checksum for each \
                 part. It was missing for part {} in the request.",
                lower(self.algorithm),
                part.number
            ));
        }
        if let Some(declared) = declared
            && self.algorithm.decode(declared).is_err()
        {
            return Err(s3_error!(InvalidArgument, "Invalid Base64 or multiple checksums present in request"));
        }
        match (declared, part.noted.as_deref()) {
            (Some(declared), Some(noted)) if declared != noted => {
                Err(if whole_is_declared { mismatch(self.algorithm) } else { s3_error!(InvalidPart) })
            }
            (_, Some(noted)) => Ok(Some(noted)),
            (Some(_), None) => Err(s3_error!(InvalidPart)),
            (None, None) if whole_is_declared => Err(mismatch(self.algorithm)),
            (None, None) => Ok(None),
        }
    }

    fn composite_of(self, values: &[(Vec<u8>, u64)]) -> String {
        let digests: Vec<u8> = values.iter().flat_map(|(digest, _)| digest).copied().collect();
        format!("{}-{}", self.algorithm.digest(&digests), values.len())
    }

    fn whole_of(self, values: &[(Vec<u8>, u64)]) -> String {
        let Some((algorithm, crc_bytes)) = crc(self.algorithm) else { return String::new() };
        let number = |digest: &[u8]| digest.iter().fold(0_u64, |crc, byte| crc << 8 | u64::from(*byte));
        let mut values = values.iter();
        let first = values.next().map_or(0, |(digest, _)| number(digest));
        let whole = values.fold(first, |crc, (digest, bytes)| checksum_combine(algorithm, crc, number(digest), *bytes));
        let digest = whole.to_be_bytes();
        STANDARD.encode(digest.get(digest.len() - crc_bytes..).unwrap_or_default())
    }

    /// A composite may be declared with its number of parts or without.
    fn agrees(self, declared: &str, kept: &Kept, parts: usize) -> S3Result<bool> {
        if !self.composite {
            self.algorithm.decode(declared)?;
            return Ok(declared == kept.value);
        }
        let (digest, count) = match declared.rsplit_once('-') {
            Some((digest, count)) => (digest, Some(count)),
            None => (declared, None),
        };
        self.algorithm.decode(digest)?;
        let count = match count.map(str::parse::<usize>) {
            Some(Ok(count)) => count,
            Some(Err(_)) => return Err(invalid_value(self.algorithm)),
            None => parts,
        };
        Ok(count == parts && kept.value.rsplit_once('-').is_some_and(|(value, _)| value == digest))
    }
}

/// The part or the whole was declared with another algorithm than its upload.
pub(crate) fn type_mismatch(expected: Option<Algorithm>, actual: Option<Algorithm>) -> S3Error {
    let name = |algorithm: Option<Algorithm>| algorithm.map_or_else(|| "null".to_owned(), lower);
    s3_error!(
        InvalidRequest,
        "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
        name(expected),
        name(actual)
    )
}

/// Complete names another checksum type than Create.
pub(crate) fn mode_mismatch(upload: Option<UploadChecksum>) -> S3Error {
    let name = upload.map_or("null", |upload| type_name(upload.composite));
    s3_error!(
        InvalidRequest,
        "The upload was created using the {name} checksum mode. The complete request must use the same checksum mode."
    )
}

fn mismatch(algorithm: Algorithm) -> S3Error {
    s3_error!(BadDigest, "The {} you specified did not match the calculated checksum.", lower(algorithm))
}

fn invalid_value(algorithm: Algorithm) -> S3Error {
    s3_error!(InvalidRequest, "Value for x-amz-checksum-{} header is invalid.", lower(algorithm))
}

fn lower(algorithm: Algorithm) -> String {
    algorithm.name().to_ascii_lowercase()
}

fn type_name(composite: bool) -> &'static str {
    if composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT }
}

/// Which CRC it is, and in how many bytes.
fn crc(algorithm: Algorithm) -> Option<(CrcAlgorithm, usize)> {
    match algorithm {
        Algorithm::Crc32 => Some((CrcAlgorithm::Crc32IsoHdlc, 4)),
        Algorithm::Crc32c => Some((CrcAlgorithm::Crc32Iscsi, 4)),
        Algorithm::Crc64Nvme => Some((CrcAlgorithm::Crc64Nvme, 8)),
        Algorithm::Sha1
        | Algorithm::Sha256
        | Algorithm::Sha512
        | Algorithm::Md5
        | Algorithm::XxHash64
        | Algorithm::XxHash3
        | Algorithm::XxHash128 => None,
    }
}

#[cfg(test)]
mod tests;
