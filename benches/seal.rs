//! The sealed format: what a byte costs, and what a request costs before its first byte. `cargo bench --bench seal`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench stops at the first surprise")]

use bytes::BytesMut;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use sealgate::seal::geometry::{single_plain, single_sealed, single_span};
use sealgate::seal::{
    Binding, Envelope, Kind, ObjectSecret, PlainLen, PlainRange, RangeOpener, SealedLen, Seed, SingleOpener,
    SingleSealer, StreamHeader, TenantKey,
};

fn main() {
    divan::main();
}

const SIZES: [u64; 4] = [4 << 10, 64 << 10, 1 << 20, 16 << 20];
const GIB: u64 = 1 << 30;

struct Tenant {
    key: TenantKey,
    binding: Binding,
}

impl Tenant {
    fn new() -> Self {
        let key = TenantKey::from_seed(&Seed::generate().unwrap());
        Self { key, binding: Binding::new("tenant", "bucket", "key").unwrap() }
    }

    fn envelope(&self) -> (Envelope, ObjectSecret) {
        Envelope::seal(Kind::Single, &self.key, &self.binding).unwrap()
    }
}

fn sealed(plain_bytes: u64) -> (ObjectSecret, StreamHeader, BytesMut) {
    let (envelope, secret) = Tenant::new().envelope();
    let mut sealer = SingleSealer::new(&envelope, &secret, PlainLen::new(plain_bytes)).unwrap();
    let (header, mut out) = (*sealer.stream_header(), BytesMut::new());
    sealer.push(&vec![7; usize::try_from(plain_bytes).unwrap()], &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    (secret, header, out)
}

/// One key generation, one agreement, one wrapping.
#[divan::bench]
fn envelope_seal(bencher: Bencher) {
    let tenant = Tenant::new();
    bencher.bench_local(|| tenant.envelope());
}

/// One agreement, one unwrapping.
#[divan::bench]
fn envelope_open(bencher: Bencher) {
    let tenant = Tenant::new();
    let (envelope, _) = tenant.envelope();
    bencher.bench_local(|| envelope.open(&tenant.key, &tenant.binding).unwrap());
}

#[divan::bench(args = SIZES)]
fn seal(bencher: Bencher, plain_bytes: u64) {
    let (envelope, secret) = Tenant::new().envelope();
    let plain = vec![7; usize::try_from(plain_bytes).unwrap()];
    let mut out = BytesMut::new();
    bencher.counter(BytesCount::new(plain_bytes)).bench_local(|| {
        out.clear();
        let mut sealer = SingleSealer::new(&envelope, &secret, PlainLen::new(plain_bytes)).unwrap();
        sealer.push(&plain, &mut out).unwrap();
        sealer.finish(&mut out).unwrap();
        black_box(out.len())
    });
}

#[divan::bench(args = SIZES)]
fn open(bencher: Bencher, plain_bytes: u64) {
    let (secret, _, body) = sealed(plain_bytes);
    let mut out = BytesMut::new();
    bencher.counter(BytesCount::new(plain_bytes)).bench_local(|| {
        out.clear();
        let mut opener = SingleOpener::new(&secret, SealedLen::new(body.len() as u64)).unwrap();
        opener.push(&body, &mut out).unwrap();
        opener.finish().unwrap();
        black_box(out.len())
    });
}

/// 64 KiB across a border of segments, of 16 MiB.
#[divan::bench]
fn open_range(bencher: Bencher) {
    let (secret, header, body) = sealed(16 << 20);
    let (stored, range) = (SealedLen::new(body.len() as u64), PlainRange::starting_at(5_000_000, 64 << 10).unwrap());
    let span = single_span(stored, range).unwrap();
    let at = |offset: u64| usize::try_from(offset).unwrap();
    let needed = &body[at(span.stored_first)..at(span.stored_first + span.stored_bytes)];
    let mut out = BytesMut::new();
    bencher.counter(BytesCount::new(range.bytes())).bench_local(|| {
        out.clear();
        let mut opener = RangeOpener::single(&secret, &header, stored, range, span.stored_first).unwrap();
        opener.push(needed, &mut out).unwrap();
        opener.finish().unwrap();
        black_box(out.len())
    });
}

/// From plain to sealed length and back, and where a range lies: what a list entry and a range request compute.
#[divan::bench]
fn geometry() -> u64 {
    let stored = single_sealed(PlainLen::new(black_box(GIB))).unwrap();
    let span = single_span(stored, PlainRange::starting_at(GIB / 2, 64 << 10).unwrap()).unwrap();
    single_plain(stored).unwrap().bytes() + span.stored_first
}
