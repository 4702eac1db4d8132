//! The sealed format through others' code: what we seal is opened by `src/seal/open_sealed.py`, which shares no line with
//! us, and the streams by Tink, whose format they are. Objects are made here, anew each time, through the public interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use bytes::BytesMut;
use sealgate::seal::{
    Binding, Completion, Envelope, Kind, ObjectSecret, PartNumber, PartSealer, PartStream, PartTable, PlainLen,
    RecordVersion, Seed, SingleSealer, TenantKey, geometry, place_record,
};

#[path = "support/install.rs"]
#[allow(dead_code, reason = "not every client is needed here")]
mod install;

const OPENER: &str = "src/seal/open_sealed.py";
const TINK: &str = "tests/seal_tink.py";

/// A stored object, and what its reader must know.
struct Object {
    seed: Seed,
    key_name: &'static str,
    envelope: Envelope,
    body: Vec<u8>,
    plain: Vec<u8>,
}

fn sample(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| u8::try_from((i * 31 + i / 997) % 256).unwrap()).collect()
}

fn binding(key_name: &str) -> Binding {
    Binding::new("tenant-ü", "bucket", key_name).unwrap()
}

fn len(bytes: usize) -> PlainLen {
    PlainLen::new(bytes as u64)
}

fn fresh(kind: Kind) -> (Seed, Envelope, ObjectSecret) {
    let seed = Seed::generate().unwrap();
    let (envelope, secret) = Envelope::seal(kind, &TenantKey::from_seed(&seed), &binding("a/b c")).unwrap();
    (seed, envelope, secret)
}

fn single(bytes: usize) -> Object {
    let (seed, envelope, secret) = fresh(Kind::Single);
    let (plain, mut out) = (sample(bytes), BytesMut::new());
    let mut sealer = SingleSealer::new(&envelope, &secret, len(bytes)).unwrap();
    plain.chunks(50_000).try_for_each(|chunk| sealer.push(chunk, &mut out)).unwrap();
    sealer.finish(&mut out).unwrap();
    Object { seed, key_name: "a/b c", envelope, body: out.to_vec(), plain }
}

fn multipart(parts: &[(u32, usize)]) -> Object {
    let (seed, envelope, secret) = fresh(Kind::Multipart);
    let parts: Vec<_> = parts.iter().map(|(number, bytes)| (PartNumber::new(*number).unwrap(), *bytes)).collect();
    let plain = sample(parts.iter().map(|part| part.1).sum());
    let (mut rest, mut stored, mut streams) = (&plain[..], Vec::new(), Vec::new());
    for (number, bytes) in &parts {
        let (now, later) = rest.split_at(*bytes);
        let (mut sealer, mut out) = (PartSealer::new(&secret, *number, len(*bytes)).unwrap(), BytesMut::new());
        streams.push(PartStream::Header(*sealer.stream_header()));
        sealer.push(now, &mut out).unwrap();
        sealer.finish(&mut out).unwrap();
        (rest, stored) = (later, [stored, vec![out.to_vec()]].concat());
    }
    let table = PartTable::from_parts(parts.iter().map(|(number, bytes)| (*number, len(*bytes)))).unwrap();
    // every other object has stream headers in its record
    let (version, known) = match parts.len() % 2 {
        0 => (RecordVersion::Two, &streams[..]),
        _ => (RecordVersion::One, &[][..]),
    };
    let record = Completion::seal(&secret, &envelope, version, (&table, known), b"{}").unwrap();
    if geometry::record_goes_into_last_part(len(parts.last().unwrap().1)) {
        place_record(stored.last_mut().unwrap(), &record).unwrap();
    } else {
        stored.push(record.into_part());
    }
    Object { seed, key_name: "a/b c", envelope, body: stored.concat(), plain }
}

/// The same body after a copy to another name and a rotation of the key.
fn copied(object: Object) -> Object {
    let secret = object.envelope.open(&TenantKey::from_seed(&object.seed), &binding(object.key_name)).unwrap();
    let (seed, key_name) = (Seed::generate().unwrap(), "copy");
    let (key, id) = (TenantKey::from_seed(&seed), object.envelope.object_id());
    let envelope = Envelope::wrap(object.envelope.kind(), &key, &binding(key_name), &secret, id).unwrap();
    Object { seed, key_name, envelope, ..object }
}

fn python(script: &str) -> Command {
    let mut command = Command::new(install::PYTHON_BIN.join("python"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["-B", script]);
    command
}

fn open(object: &Object, key_name: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    fs::write(&file, &object.body).unwrap();
    let seed = object.seed.to_base64();
    let (seed, envelope) = (seed.as_str(), &*object.envelope.to_metadata());
    let name = ["--tenant", "tenant-ü", "--bucket", "bucket", "--key", key_name, "--envelope", envelope];
    python(OPENER).args(["--seed", seed]).args(name).arg(&file).output().unwrap()
}

fn open_with_tink(object: &Object) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    fs::write(&file, &object.body).unwrap();
    let seed = object.seed.to_base64();
    let (seed, envelope) = (seed.as_str(), &*object.envelope.to_metadata());
    python(TINK).args([seed, "tenant-ü", "bucket", object.key_name, envelope]).arg(&file).output().unwrap()
}

#[track_caller]
fn assert_opens(opened: &Output, object: &Object) {
    assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
    assert!(opened.stdout == object.plain, "{} of {} bytes", opened.stdout.len(), object.plain.len());
}

#[test]
fn single_objects_open_without_the_gateway() {
    for bytes in [0, 1, 65_480, 65_481, 131_000, 1_000_000] {
        let object = single(bytes);
        assert_opens(&open(&object, object.key_name), &object);
    }
}

#[test]
fn multipart_objects_open_without_the_gateway() {
    let mib = 1 << 20;
    let irregular: Vec<_> = (1..=901).map(|number| (number, 1 + usize::from(number % 2 == 0))).collect();
    for parts in [&[(1, 0)][..], &[(1, 5 * mib), (3, 10)], &[(2, 5 * mib), (4, 6 * mib)], &[(1, 65 * mib)], &irregular]
    {
        let object = multipart(parts);
        assert_opens(&open(&object, object.key_name), &object);
    }
}

#[test]
fn copies_open_without_the_gateway() {
    for object in [copied(single(100_000)), copied(multipart(&[(1, 100_000), (2, 10)]))] {
        assert_opens(&open(&object, object.key_name), &object);
    }
}

#[test]
fn a_refusal_without_the_gateway_has_exit_status_1_and_a_message() {
    let opened = open(&single(100), "another name");
    assert_eq!((opened.status.code(), opened.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8_lossy(&opened.stderr).contains("envelope tag mismatch"));
}

#[test]
fn every_vector_has_its_outcome_without_the_gateway() {
    let walked = python("tests/seal_vectors.py").arg("testdata/seal").output().unwrap();
    assert!(walked.status.success(), "{}", String::from_utf8_lossy(&walked.stderr));
    let lines = String::from_utf8(walked.stdout).unwrap();
    let count = lines.trim_end().strip_suffix(" walked").and_then(|count| count.parse::<u32>().ok());
    assert!(count.is_some_and(|count| count > 100), "{lines}");
}

#[test]
fn tink_opens_our_streams() {
    for object in [single(0), single(65_480), single(65_481), copied(single(300_000))] {
        assert_opens(&open_with_tink(&object), &object);
    }
}

#[test]
fn tink_refuses_a_changed_stream() {
    let mut object = single(100_000);
    object.body[100_000] ^= 1;
    let opened = open_with_tink(&object);
    assert!(!opened.status.success() && opened.stdout.is_empty());
}

#[test]
fn the_script_fits_a_page() {
    let script = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(OPENER)).unwrap();
    assert!(script.lines().count() <= 100, "who must trust it must be able to read it");
}
