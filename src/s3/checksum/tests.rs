use http::HeaderMap;

use super::*;

/// `123456789`, the check input of the CRC catalogues and of the NIST vectors for the hashes.
const CHECK: &[u8] = b"123456789";

fn declared(algorithm: Algorithm, value: &str) -> Checksum {
    let mut sums = Checksum::default();
    algorithm.set(&mut sums, value.to_owned());
    sums
}

fn verified(declared: &Checksum, content_md5: Option<&str>) -> S3Result<Option<Kept>> {
    let mut verifier = Verifier::new(declared, content_md5, None, &HeaderMap::new(), None)?;
    verifier.update(&CHECK[..4]);
    verifier.update(&CHECK[4..]);
    verifier.settle()
}

#[test]
fn every_algorithm_gives_its_published_check_value() {
    for (algorithm, value) in [
        (Algorithm::Crc32, "y/Q5Jg=="),
        (Algorithm::Crc32c, "4waSgw=="),
        (Algorithm::Crc64Nvme, "rosUhgp5mIg="),
        (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
        (Algorithm::Sha256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
    ] {
        assert_eq!(algorithm.digest(CHECK), value, "{algorithm:?}");
        let kept = verified(&declared(algorithm, value), None).unwrap().unwrap();
        assert_eq!((kept.algorithm, kept.value.as_str()), (algorithm, value));
    }
}

#[test]
fn a_checksum_of_other_bytes_is_a_bad_digest() {
    let error = verified(&declared(Algorithm::Crc32, "AAAAAA=="), None).unwrap_err();
    assert_eq!(error.code().as_str(), "BadDigest");
}

#[test]
fn a_content_md5_is_compared_beside_a_checksum() {
    let right = declared(Algorithm::Crc32, "y/Q5Jg==");
    assert!(verified(&right, Some("JfnnlDI7RTiF9RgfG2JNCw==")).is_ok());
    let other = verified(&right, Some("AAAAAAAAAAAAAAAAAAAAAA==")).unwrap_err();
    assert_eq!(other.code().as_str(), "BadDigest");
    let malformed = verified(&right, Some("short")).unwrap_err();
    assert_eq!(malformed.code().as_str(), "InvalidDigest");
}

#[test]
fn two_checksums_or_one_of_the_wrong_length_are_refused() {
    let mut two = declared(Algorithm::Crc32, "y/Q5Jg==");
    Algorithm::Crc32c.set(&mut two, "4waSgw==".to_owned());
    assert_eq!(verified(&two, None).unwrap_err().code().as_str(), "InvalidRequest");
    let long = declared(Algorithm::Crc32, "rosUhgp5mIg=");
    assert_eq!(verified(&long, None).unwrap_err().code().as_str(), "InvalidRequest");
}

#[test]
fn an_unknown_trailer_is_refused() {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-trailer", "x-amz-checksum-crc31".parse().unwrap());
    let error = Verifier::new(&Checksum::default(), None, None, &headers, None).err().unwrap();
    assert_eq!(error.code().as_str(), "InvalidRequest");
}

#[test]
fn what_is_not_declared_may_be_computed_and_kept() {
    let mut verifier = Verifier::new(&Checksum::default(), None, None, &HeaderMap::new(), None)
        .unwrap()
        .or_compute(Algorithm::Crc64Nvme);
    verifier.update(CHECK);
    assert_eq!(verifier.settle().unwrap().unwrap().value, "rosUhgp5mIg=");
}
