use super::*;

fn summed(algorithm: Algorithm, parts: &[&[u8]]) -> Vec<Summed> {
    let part = |(plain, number): (&&[u8], u32)| {
        let value = algorithm.digest(plain);
        let mut declared = Checksum::default();
        algorithm.set(&mut declared, value.clone());
        Summed { number, plain_bytes: plain.len() as u64, noted: Some(value), declared }
    };
    parts.iter().zip(1..).map(part).collect()
}

fn upload(algorithm: Algorithm, composite: bool) -> UploadChecksum {
    UploadChecksum { algorithm, composite }
}

fn code<T: std::fmt::Debug>(result: S3Result<T>) -> String {
    result.unwrap_err().code().as_str().to_owned()
}

#[test]
fn a_combined_crc_is_that_of_the_whole() {
    for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
        let parts: [&[u8]; 4] = [b"the first part, ", b"", b"a second one of another length, ", b"end"];
        let kept = upload(algorithm, false).of_parts(&summed(algorithm, &parts), None).unwrap().unwrap();
        assert_eq!(kept.value, algorithm.digest(&parts.concat()), "{algorithm:?}");
        assert!(!kept.composite);
    }
}

#[test]
fn a_composite_is_the_digest_of_the_digests() {
    // the figures of ceph's tests: three parts of 5 MiB of A, B and C
    let values = [
        "275VF5loJr1YYawit0XSHREhkFXYkkPKGuoK0x9VKxI=",
        "mrHwOfjTL5Zwfj74F05HOQGLdUb7E5szdCbxgUSq6NM=",
        "Vw7oB/nKQ5xWb3hNgbyfkvDiivl+U+/Dft48nfJfDow=",
    ];
    let part = |(value, number): (&&str, u32)| {
        let mut declared = Checksum::default();
        Algorithm::Sha256.set(&mut declared, (*value).to_owned());
        Summed { number, plain_bytes: 5 << 20, noted: Some((*value).to_owned()), declared }
    };
    let parts: Vec<_> = values.iter().zip(1..).map(part).collect();
    let kept = upload(Algorithm::Sha256, true).of_parts(&parts, None).unwrap().unwrap();
    assert_eq!(kept.value, "uWBwpe1dxI4Vw8Gf0X9ynOdw/SS6VBzfWm9giiv1sf4=-3");
}

#[test]
fn crcs_of_parts_of_5_mib_combine_to_the_published_values() {
    let cases = [
        (Algorithm::Crc32, ["JRTCyQ==", "QoZTGg==", "YAgjqw=="], "WgDhBQ=="),
        (Algorithm::Crc32c, ["MDaLrw==", "TH4EZg==", "Z7mBIQ=="], "xU+Krw=="),
        (Algorithm::Crc64Nvme, ["L/E4WYn8v98=", "xW1l19VobYM=", "cK5MnNaWrW4="], "i+6LR0y3eFo="),
    ];
    for (algorithm, values, whole) in cases {
        let part = |(value, number): (&&str, u32)| Summed {
            number,
            plain_bytes: 5 << 20,
            noted: Some((*value).to_owned()),
            declared: Checksum::default(),
        };
        let parts: Vec<_> = values.iter().zip(1..).map(part).collect();
        let kept = upload(algorithm, false).of_parts(&parts, Some(whole)).unwrap().unwrap();
        assert_eq!(kept.value, whole);
    }
}

#[test]
fn a_declared_whole_that_differs_is_a_bad_digest() {
    let parts = summed(Algorithm::Crc32, &[b"one", b"two"]);
    let other = Algorithm::Crc32.digest(b"other");
    assert_eq!(code(upload(Algorithm::Crc32, false).of_parts(&parts, Some(&other))), "BadDigest");
    assert_eq!(code(upload(Algorithm::Crc32, true).of_parts(&parts, Some(&other))), "BadDigest");
}

#[test]
fn a_composite_may_be_declared_with_its_count_or_without() {
    let parts = summed(Algorithm::Sha1, &[b"one", b"two"]);
    let upload = upload(Algorithm::Sha1, true);
    let kept = upload.of_parts(&parts, None).unwrap().unwrap();
    let (digest, _) = kept.value.rsplit_once('-').unwrap();
    assert!(upload.of_parts(&parts, Some(&kept.value)).is_ok());
    assert!(upload.of_parts(&parts, Some(digest)).is_ok());
    assert_eq!(code(upload.of_parts(&parts, Some(&format!("{digest}-3")))), "BadDigest");
    assert_eq!(code(upload.of_parts(&parts, Some(&format!("{digest}-a")))), "InvalidRequest");
}

#[test]
fn a_composite_needs_the_checksum_of_every_part() {
    let mut parts = summed(Algorithm::Sha256, &[b"one", b"two"]);
    parts[1].declared = Checksum::default();
    let error = upload(Algorithm::Sha256, true).of_parts(&parts, None).unwrap_err();
    assert_eq!(error.code().as_str(), "InvalidRequest");
    assert!(error.message().unwrap().contains("missing for part 2"));
}

#[test]
fn a_part_declared_other_than_it_came_is_an_invalid_part() {
    let mut parts = summed(Algorithm::Sha256, &[b"one", b"two"]);
    Algorithm::Sha256.set(&mut parts[0].declared, Algorithm::Sha256.digest(b"other"));
    assert_eq!(code(upload(Algorithm::Sha256, true).of_parts(&parts, None)), "InvalidPart");
}

#[test]
fn types_that_an_algorithm_cannot_have_are_refused() {
    let asked = |algorithm: &'static str, kind: &'static str| {
        let algorithm = ChecksumAlgorithm::from_static(algorithm);
        UploadChecksum::asked(Some(&algorithm), Some(&ChecksumType::from_static(kind)))
    };
    assert_eq!(code(asked("CRC64NVME", "COMPOSITE")), "InvalidRequest");
    assert_eq!(code(asked("SHA256", "FULL_OBJECT")), "InvalidRequest");
    assert!(asked("CRC32", "FULL_OBJECT").is_ok());
    assert_eq!(code(UploadChecksum::asked(None, Some(&ChecksumType::from_static("COMPOSITE")))), "InvalidRequest");
}

#[test]
fn the_default_type_is_composite_but_for_crc64nvme() {
    let asked = |algorithm| UploadChecksum::asked(Some(&ChecksumAlgorithm::from_static(algorithm)), None).unwrap();
    assert!(asked("CRC32").unwrap().composite);
    assert!(asked("SHA1").unwrap().composite);
    assert!(!asked("CRC64NVME").unwrap().composite);
}
