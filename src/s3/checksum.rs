//! Checksums over the plaintext: what a client declares, in headers or in trailers, is computed while the body passes
//! and compared before anything may be committed.
//!
//! The framework parses these headers and trailers but verifies none of them. Values are base64 of the digest, as in
//! `x-amz-checksum-*` (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3s::checksum::ChecksumHasher;
use s3s::dto::{Checksum, ChecksumAlgorithm, ChecksumType};
use s3s::{S3Error, S3Result, TrailingHeaders, s3_error};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

/// One row per algorithm: its name, the field of the framework's types, its header, the bytes of a digest.
macro_rules! algorithms {
    ($($variant:ident, $name:literal, $field:ident, $hasher:ident, $header:literal, $bytes:literal;)*) => {
        /// A checksum algorithm of S3.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub(crate) enum Algorithm {
            $(#[serde(rename = $name)] $variant,)*
        }

        impl Algorithm {
            /// Every one.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As in `x-amz-checksum-algorithm`.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            fn header(self) -> &'static str {
                match self { $(Self::$variant => $header,)* }
            }

            fn digest_bytes(self) -> usize {
                match self { $(Self::$variant => $bytes,)* }
            }

            fn enable(self, hasher: &mut ChecksumHasher) {
                match self { $(Self::$variant => hasher.$hasher = Some(s3s::crypto::Checksum::new()),)* }
            }

            /// The value of this algorithm in the framework's record of all.
            pub(crate) fn value(self, sums: &Checksum) -> Option<&str> {
                match self { $(Self::$variant => sums.$field.as_deref(),)* }
            }

            /// Sets it.
            pub(crate) fn set(self, sums: &mut Checksum, value: String) {
                match self { $(Self::$variant => sums.$field = Some(value),)* }
            }
        }

        /// The checksum fields of any input of the framework, as one record.
        macro_rules! declared_checksums {
            ($input:expr) => {{
                let mut sums = s3s::dto::Checksum::default();
                $(sums.$field = $input.$field.clone();)*
                sums
            }};
        }
        pub(crate) use declared_checksums;

        /// Sets the checksum fields of any output of the framework from one record.
        macro_rules! show_checksums {
            ($output:expr, $sums:expr) => {{
                let sums: s3s::dto::Checksum = $sums;
                $($output.$field = sums.$field;)*
            }};
        }
        pub(crate) use show_checksums;
    };
}

algorithms! {
    Crc32, "CRC32", checksum_crc32, crc32, "x-amz-checksum-crc32", 4;
    Crc32c, "CRC32C", checksum_crc32c, crc32c, "x-amz-checksum-crc32c", 4;
    Crc64Nvme, "CRC64NVME", checksum_crc64nvme, crc64nvme, "x-amz-checksum-crc64nvme", 8;
    Sha1, "SHA1", checksum_sha1, sha1, "x-amz-checksum-sha1", 20;
    Sha256, "SHA256", checksum_sha256, sha256, "x-amz-checksum-sha256", 32;
    Sha512, "SHA512", checksum_sha512, sha512, "x-amz-checksum-sha512", 64;
    Md5, "MD5", checksum_md5, md5, "x-amz-checksum-md5", 16;
    XxHash64, "XXHASH64", checksum_xxhash64, xxhash64, "x-amz-checksum-xxhash64", 8;
    XxHash3, "XXHASH3", checksum_xxhash3, xxhash3, "x-amz-checksum-xxhash3", 8;
    XxHash128, "XXHASH128", checksum_xxhash128, xxhash128, "x-amz-checksum-xxhash128", 16;
}

impl Algorithm {
    /// The algorithm that a request names.
    pub(crate) fn parse(name: &ChecksumAlgorithm) -> S3Result<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|one| one.name() == name.as_str())
            .ok_or_else(|| s3_error!(InvalidRequest, "Checksum algorithm provided is unsupported."))
    }

    /// The digest of bytes that are at hand.
    pub(crate) fn digest(self, bytes: &[u8]) -> String {
        let mut hasher = ChecksumHasher::default();
        self.enable(&mut hasher);
        hasher.update(bytes);
        self.value(&hasher.finalize()).unwrap_or_default().to_owned()
    }

    /// The bytes of a digest given as base64.
    pub(crate) fn decode(self, value: &str) -> S3Result<Vec<u8>> {
        match STANDARD.decode(value) {
            Ok(bytes) if bytes.len() == self.digest_bytes() => Ok(bytes),
            _ => Err(s3_error!(InvalidRequest, "Value for {} header is invalid.", self.header())),
        }
    }
}

/// A checksum as it is kept, sealed, with the object, and shown again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// how it was computed
    pub(crate) algorithm: Algorithm,
    /// base64; for a composite followed by `-<parts>`
    pub(crate) value: String,
    /// whether over parts' checksums rather than the whole plaintext
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) composite: bool,
}

impl Kept {
    /// As the framework's record, for answers.
    pub(crate) fn shown(&self) -> Checksum {
        let mut sums = Checksum::default();
        self.algorithm.set(&mut sums, self.value.clone());
        sums.checksum_type = Some(self.shown_type());
        sums
    }

    /// `FULL_OBJECT` or `COMPOSITE`.
    pub(crate) fn shown_type(&self) -> ChecksumType {
        ChecksumType::from_static(if self.composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT })
    }
}

/// What a request declares of its body, and the hashers that will tell.
pub(crate) struct Verifier {
    hasher: ChecksumHasher,
    header: Option<(Algorithm, String)>,
    trailer: Option<(Algorithm, TrailingHeaders)>,
    content_md5: Option<Vec<u8>>,
    kept: Option<Algorithm>,
}

impl Verifier {
    /// Reads the declarations of a request: at most one `x-amz-checksum-*`, as a header or announced as a trailer, and
    /// `Content-MD5`. `fallback` is computed and kept if none is declared.
    pub(crate) fn new(
        declared: &Checksum,
        content_md5: Option<&str>,
        algorithm: Option<&ChecksumAlgorithm>,
        headers: &http::HeaderMap,
        trailers: Option<TrailingHeaders>,
    ) -> S3Result<Self> {
        let mut in_headers = Algorithm::ALL.iter().filter_map(|one| Some((*one, one.value(declared)?.to_owned())));
        let header = in_headers.next();
        if in_headers.next().is_some() {
            return Err(s3_error!(
                InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
            ));
        }
        let trailer = announced_trailer(headers)?.zip(trailers);
        let asked = algorithm.map(Algorithm::parse).transpose()?;
        if let Some((algorithm, value)) = &header {
            algorithm.decode(value)?;
        }
        let declared = header.as_ref().map(|(one, _)| *one).or(trailer.as_ref().map(|(one, _)| *one));
        if let (Some(asked), Some(declared)) = (asked, declared)
            && asked != declared
        {
            return Err(s3_error!(InvalidRequest, "Value for x-amz-sdk-checksum-algorithm header is invalid."));
        }
        // The framework takes an empty header for none.
        let is_empty = headers.get("content-md5").is_some_and(http::HeaderValue::is_empty);
        let content_md5 = content_md5.or(is_empty.then_some("")).map(decode_md5).transpose()?;
        let mut hasher = ChecksumHasher::default();
        let kept = declared.or(asked);
        for algorithm in [kept, content_md5.as_ref().map(|_| Algorithm::Md5)].into_iter().flatten() {
            algorithm.enable(&mut hasher);
        }
        Ok(Self { hasher, header, trailer, content_md5, kept })
    }

    /// The algorithm that the request declares or asks for.
    pub(crate) fn algorithm(&self) -> Option<Algorithm> {
        self.kept
    }

    /// The checksum that a header declares; the body is refused if it has another.
    pub(crate) fn declared(&self) -> Option<Kept> {
        let (algorithm, value) = self.header.clone()?;
        Some(Kept { algorithm, value, composite: false })
    }

    /// Whether the checksum comes behind the body.
    pub(crate) fn awaits_trailer(&self) -> bool {
        self.header.is_none() && self.trailer.is_some()
    }

    /// Computes and keeps this checksum if the request declares none.
    pub(crate) fn or_compute(mut self, algorithm: Algorithm) -> Self {
        if self.kept.is_none() {
            algorithm.enable(&mut self.hasher);
            self.kept = Some(algorithm);
        }
        self
    }

    /// Takes the next plaintext bytes.
    pub(crate) fn update(&mut self, plain: &[u8]) {
        self.hasher.update(plain);
    }

    /// Compares everything declared with what came; answers with the checksum to keep.
    pub(crate) fn settle(self) -> S3Result<Option<Kept>> {
        let sums = self.hasher.finalize();
        if let Some(declared) = &self.content_md5 {
            let computed = Algorithm::Md5.value(&sums).map(|value| STANDARD.decode(value).unwrap_or_default());
            if computed.is_none_or(|computed| !bool::from(computed.ct_eq(declared))) {
                return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
            }
        }
        let declared = match (self.header, self.trailer) {
            (Some(header), _) => Some(header),
            (None, Some((algorithm, trailers))) => Some((algorithm, trailer_value(algorithm, &trailers)?)),
            (None, None) => None,
        };
        if let Some((algorithm, value)) = &declared
            && algorithm.value(&sums) != Some(value.as_str())
        {
            return Err(mismatch(*algorithm));
        }
        Ok(self.kept.and_then(|algorithm| {
            let value = algorithm.value(&sums)?.to_owned();
            Some(Kept { algorithm, value, composite: false })
        }))
    }
}

/// The declared checksum is not that of the bytes.
pub(crate) fn mismatch(algorithm: Algorithm) -> S3Error {
    s3_error!(BadDigest, "The {} you specified did not match the calculated checksum.", algorithm.name())
}

/// The `x-amz-checksum-*` headers, for requests whose input has no fields for them.
pub(crate) fn declared_in(headers: &http::HeaderMap) -> Checksum {
    let mut sums = Checksum::default();
    for algorithm in Algorithm::ALL {
        if let Some(value) = headers.get(algorithm.header()).and_then(|value| value.to_str().ok()) {
            algorithm.set(&mut sums, value.to_owned());
        }
    }
    sums
}

/// The checksum that `x-amz-trailer` announces.
fn announced_trailer(headers: &http::HeaderMap) -> S3Result<Option<Algorithm>> {
    let mut found = None;
    for value in headers.get_all("x-amz-trailer") {
        let names = value.to_str().map_err(|_| s3_error!(InvalidRequest, "The value of x-amz-trailer is invalid."))?;
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let known = Algorithm::ALL.iter().copied().find(|one| one.header().eq_ignore_ascii_case(name));
            match known {
                Some(algorithm) if found.is_none() => found = Some(algorithm),
                Some(_) => return Err(s3_error!(InvalidRequest, "Expecting a single x-amz-checksum- trailer.")),
                None => {
                    return Err(s3_error!(
                        InvalidRequest,
                        "The value specified in the x-amz-trailer header is not supported"
                    ));
                }
            }
        }
    }
    Ok(found)
}

fn trailer_value(algorithm: Algorithm, trailers: &TrailingHeaders) -> S3Result<String> {
    let value = trailers
        .read(|trailers| trailers.get(algorithm.header()).and_then(|value| value.to_str().ok()).map(str::to_owned))
        .flatten()
        .ok_or_else(|| s3_error!(InvalidRequest, "The announced trailer {} is missing.", algorithm.header()))?;
    algorithm.decode(&value)?;
    Ok(value)
}

fn decode_md5(value: &str) -> S3Result<Vec<u8>> {
    match STANDARD.decode(value) {
        Ok(bytes) if bytes.len() == Algorithm::Md5.digest_bytes() => Ok(bytes),
        _ => Err(s3_error!(InvalidDigest)),
    }
}

#[cfg(test)]
mod tests;
