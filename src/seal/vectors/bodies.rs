//! Makes the good vectors: bodies with the envelopes they open under.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::BytesMut;

use super::file::VectorFile;
use crate::seal::{
    Binding, Completion, CustomerKey, Envelope, Kind, ObjectSecret, PartStream, PartTable, PlainLen, RecordVersion,
    Seed, SingleSealer, TenantKey, place_record,
    random::fixed,
    stream_header_of,
    testing::{number, part, sample},
};

/// Files by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

pub(super) const TENANT: &str = "67f1adf3-08e5-4eea-94e3-e611f263c87b";
pub(super) const BUCKET: &str = "photos";
pub(super) const KEY: &str = "2024/α β.jpg";
/// Base64 of 32 bytes.
const CUSTOMER_KEY: &str = "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=";

pub(super) fn seed(byte: u8) -> Seed {
    Seed::from_bytes(&[byte; 32]).unwrap()
}

pub(super) fn tenant_key(byte: u8) -> TenantKey {
    TenantKey::from_seed(&seed(byte))
}

pub(super) fn name() -> Binding {
    Binding::new(TENANT, BUCKET, KEY).unwrap()
}

/// Every body, and a vector that opens each.
pub(super) fn make() -> Files {
    let mut files = Files::new();
    for bytes in [0, 1, 65_480, 65_481, 131_000, 131_001, 196_521] {
        single(&mut files, &format!("single-{bytes}"), bytes, None);
    }
    single(&mut files, "single-customer-key", 70_000, Some(CUSTOMER_KEY));
    for (label, parts, own_part) in [
        ("multipart-small-last", &[(1, 70_000), (2, 100)][..], false),
        ("multipart-four", &[(1, 1_000), (2, 1_000), (3, 1_000), (4, 10)], false),
        ("multipart-four-again", &[(1, 1_000), (2, 1_000), (3, 1_000), (4, 10)], false),
        ("multipart-completion-part", &[(1, 1_000)], true),
        ("multipart-irregular", &[(2, 0), (5, 65_481), (9_999, 1)], false),
        ("multipart-empty", &[(1, 0)], false),
    ] {
        multipart(&mut files, label, parts, own_part, None);
    }
    let of_customer = "multipart-customer-key";
    multipart(&mut files, of_customer, &[(1, 70_000), (2, 100)], false, Some(CUSTOMER_KEY));
    let range = vector(&files, of_customer).with("range", "69990-70009").with("released", 20);
    put(&mut files, &format!("{of_customer}-range"), &range);
    stream_headers(&mut files);
    streams(&mut files);
    attempts(&mut files);
    many_runs(&mut files);
    wrapped(&mut files, "single-1");
    wrapped(&mut files, "multipart-small-last");
    files
}

/// A good vector, as it was made.
pub(super) fn vector(files: &Files, name: &str) -> VectorFile {
    VectorFile::parse(std::str::from_utf8(&files[&format!("{name}.txt")]).unwrap())
}

/// What all vectors of a body share.
fn good(envelope: &Envelope, plain_bytes: usize) -> VectorFile {
    VectorFile::default()
        .and("outcome", "opens")
        .and("released", plain_bytes)
        .and("plain-bytes", plain_bytes)
        .and("seed", STANDARD.encode(seed(1).expose()))
        .and("tenant", TENANT)
        .and("bucket", BUCKET)
        .and("key", KEY)
        .and("envelope", envelope.to_metadata())
}

fn put(files: &mut Files, label: &str, vector: &VectorFile) {
    files.insert(format!("{label}.txt"), vector.to_text().into_bytes());
}

fn single(files: &mut Files, label: &str, bytes: usize, customer_key: Option<&str>) {
    let (envelope, header, body) = fixed::with(label, || {
        let (envelope, secret) = Envelope::seal(Kind::Single, &tenant_key(1), &name()).unwrap();
        let secret = body_secret(secret, customer_key);
        let mut sealer = SingleSealer::new(&envelope, &secret, PlainLen::new(bytes as u64)).unwrap();
        let header = *sealer.stream_header();
        let mut out = BytesMut::new();
        sealer.push(&sample(bytes), &mut out).unwrap();
        sealer.finish(&mut out).unwrap();
        (envelope, header, out.to_vec())
    });
    let piece = format!("{label}.bin 0 {}", body.len());
    let vector = good(&envelope, bytes).and("stream", header.to_metadata()).and("piece", piece);
    put(files, label, &of_customer(vector, customer_key));
    files.insert(format!("{label}.bin"), body);
}

/// A record of version 1 that has the stream headers of the first and the last of three parts.
fn stream_headers(files: &mut Files) {
    let (label, shape) = ("multipart-stream-headers", [(1, 70_000), (2, 65_481), (3, 10)]);
    let (envelope, mut stored) = parts(label, &shape, false, None);
    let known = |index: usize| PartStream::Header(stream_header_of(&stored[index]).unwrap());
    let streams = [known(0), PartStream::Unknown, known(2)];
    record_again(&mut stored, &envelope, &shape, (RecordVersion::One, &streams, "record with stream headers"));
    let vector = put_body(files, label, &envelope, &shape, &stored);
    put(files, &format!("{label}-range"), &vector.with("range", "69000-135480").with("released", 66_481));
}

/// A record of version 2 that knows the header of the first part, nothing of the second and the hash of the others; and
/// behind the object in the file other attempts at each, of the same number, length and plaintext.
fn streams(files: &mut Files) {
    let (label, shape) = ("multipart-streams", [(1, 70_000), (2, 500), (5, 70_000), (6, 10)]);
    let (envelope, mut stored) = parts(label, &shape, false, None);
    let hash = |index: usize| PartStream::Hash(stream_header_of(&stored[index]).unwrap().hash());
    let streams = [PartStream::Header(stream_header_of(&stored[0]).unwrap()), PartStream::Unknown, hash(2), hash(3)];
    record_again(&mut stored, &envelope, &shape, (RecordVersion::Two, &streams, "record with streams"));
    let vector = put_body(files, label, &envelope, &shape, &stored);
    put(files, &format!("{label}-range"), &vector.with("range", "69000-140505").with("released", 71_506));
    let secret = envelope.open(&tenant_key(1), &name()).unwrap();
    let plain = sample(shape.iter().map(|part| part.1).sum());
    let mut at = 0;
    let others = fixed::with("other attempts at streams", || {
        shape.map(|(part_number, bytes)| {
            at += bytes;
            part(&secret, part_number, &plain[at - bytes..at])
        })
    });
    files.get_mut(&format!("{label}.bin")).unwrap().extend(others.concat());
}

/// Puts another record in place of the one that is there, which is shorter.
fn record_again(
    stored: &mut [Vec<u8>],
    envelope: &Envelope,
    shape: &[(u32, usize)],
    (version, streams, randomness): (RecordVersion, &[PartStream], &str),
) {
    let secret = envelope.open(&tenant_key(1), &name()).unwrap();
    let table = shape.iter().map(|(n, bytes)| (number(*n), PlainLen::new(*bytes as u64)));
    let table = PartTable::from_parts(table).unwrap();
    let record =
        fixed::with(randomness, || Completion::seal(&secret, envelope, version, (&table, streams), b"{}").unwrap());
    let last = stored.last_mut().unwrap();
    let first = last.len() - record.as_bytes().len();
    last[first..].copy_from_slice(record.as_bytes());
}

/// Puts a body and the vector that opens it.
fn put_body(
    files: &mut Files,
    label: &str,
    envelope: &Envelope,
    shape: &[(u32, usize)],
    stored: &[Vec<u8>],
) -> VectorFile {
    let body = stored.concat();
    let vector = good(envelope, shape.iter().map(|part| part.1).sum())
        .and("stored-parts", stored.len())
        .and("piece", format!("{label}.bin 0 {}", body.len()));
    put(files, label, &vector);
    files.insert(format!("{label}.bin"), body);
    vector
}

/// Three parts, and behind them in the file other attempts at them that the record does not name.
fn attempts(files: &mut Files) {
    let (label, shape) = ("multipart-attempts", [(1, 1_000), (5, 500), (9, 10)]);
    multipart(files, label, &shape, false, None);
    let envelope = Envelope::from_metadata(vector(files, label).field("envelope")).unwrap();
    let secret = envelope.open(&tenant_key(1), &name()).unwrap();
    let others = fixed::with("other attempts", || {
        [(1, 500), (5, 1_000), (6, 500)].map(|(part_number, bytes)| part(&secret, part_number, &sample(bytes)))
    });
    files.get_mut(&format!("{label}.bin")).unwrap().extend(others.concat());
}

/// The envelope, and the stored parts with the record in its place.
fn parts(label: &str, parts: &[(u32, usize)], own_part: bool, customer_key: Option<&str>) -> (Envelope, Vec<Vec<u8>>) {
    fixed::with(label, || {
        let (envelope, secret) = Envelope::seal(Kind::Multipart, &tenant_key(1), &name()).unwrap();
        let plain = sample(parts.iter().map(|part| part.1).sum());
        let of_parts = body_secret(secret.duplicate(), customer_key);
        let mut at = 0;
        let sealed = parts.iter().map(|(part_number, bytes)| {
            at += bytes;
            part(&of_parts, *part_number, &plain[at - bytes..at])
        });
        let mut stored: Vec<_> = sealed.collect();
        let record = completion(&secret, &envelope, parts);
        if own_part {
            stored.push(record.into_part());
        } else {
            place_record(stored.last_mut().unwrap(), &record).unwrap();
        }
        (envelope, stored)
    })
}

fn completion(secret: &ObjectSecret, envelope: &Envelope, parts: &[(u32, usize)]) -> crate::seal::CompletionRecord {
    let parts = parts.iter().map(|(n, bytes)| (number(*n), PlainLen::new(*bytes as u64)));
    let table = PartTable::from_parts(parts).unwrap();
    Completion::seal(secret, envelope, RecordVersion::One, (&table, &[]), b"{}").unwrap()
}

fn multipart(files: &mut Files, label: &str, shape: &[(u32, usize)], own_part: bool, customer_key: Option<&str>) {
    let (envelope, stored) = parts(label, shape, own_part, customer_key);
    let body = stored.concat();
    let vector = good(&envelope, shape.iter().map(|part| part.1).sum())
        .and("stored-parts", stored.len())
        .and("piece", format!("{label}.bin 0 {}", body.len()));
    put(files, label, &of_customer(vector, customer_key));
    files.insert(format!("{label}.bin"), body);
}

fn body_secret(secret: ObjectSecret, customer_key: Option<&str>) -> ObjectSecret {
    match customer_key {
        Some(key) => CustomerKey::from_base64(key).unwrap().join(&secret).0,
        None => secret,
    }
}

fn of_customer(vector: VectorFile, customer_key: Option<&str>) -> VectorFile {
    match customer_key {
        Some(key) => vector.and("customer-key", key),
        None => vector,
    }
}

/// 901 parts of 1 and 2 bytes by turns; the file leaves out the zeros of each.
fn many_runs(files: &mut Files) {
    let label = "multipart-901-runs";
    let shape: Vec<_> = (1..=901_u32).map(|n| (n, 1 + usize::from(n % 2 == 0))).collect();
    let (envelope, stored) = parts(label, &shape, false, None);
    let plain_bytes = shape.iter().map(|part| part.1).sum();
    let (mut vector, mut file) = (good(&envelope, plain_bytes).and("stored-parts", stored.len()), Vec::new());
    for part in &stored {
        let zeros = part.iter().rev().take_while(|byte| **byte == 0).count();
        let kept = part.len() - zeros;
        vector = vector.and("piece", format!("{label}.bin {} {kept}", file.len()));
        if zeros > 0 {
            vector = vector.and("piece", format!("zeros {zeros}"));
        }
        file.extend_from_slice(&part[..kept]);
    }
    let total = u64::try_from(plain_bytes).unwrap();
    put(
        files,
        &format!("{label}-range"),
        &vector.clone().with("range", format!("{}-{}", total - 3, total - 1)).with("released", 3),
    );
    put(files, label, &vector);
    files.insert(format!("{label}.bin"), file);
}

/// The same body under a mode 1 envelope, of another name and key.
fn wrapped(files: &mut Files, of: &str) {
    let vector = vector(files, of);
    let old = Envelope::from_metadata(vector.field("envelope")).unwrap();
    let secret = old.open(&tenant_key(1), &name()).unwrap();
    let elsewhere = Binding::new(TENANT, "archive", "copy").unwrap();
    let label = format!("{of}-wrapped");
    let new = fixed::with(&label, || {
        Envelope::wrap(old.kind(), &tenant_key(2), &elsewhere, &secret, old.object_id()).unwrap()
    });
    let vector = vector
        .with("seed", STANDARD.encode(seed(2).expose()))
        .with("bucket", "archive")
        .with("key", "copy")
        .with("envelope", new.to_metadata());
    put(files, &label, &vector);
}
