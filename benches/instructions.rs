//! How many instructions the hot paths take, compared with `benches/instructions.txt`: unlike time this does not depend on
//! who else uses the machine. `cargo bench --bench instructions` fails if a path takes a tenth more than it did,
//! `cargo bench --bench instructions -- --record` writes the counts down anew.
//!
//! The counts come from valgrind, whose processor knows neither SHA nor AVX-512 instructions: they tell of a change, not
//! of speed.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench talks to its user and stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use bytes::BytesMut;
use sealgate::keys::ring::build::RingBuilder;
use sealgate::keys::ring::{KeyRing, SourceKind, TenantKeys};
use sealgate::kmip::{ANSWER_LIMITS, ttlv};
use sealgate::seal::geometry::{single_plain, single_sealed, single_span};
use sealgate::seal::{
    Binding, Envelope, Kind, ObjectSecret, PlainLen, PlainRange, RangeOpener, SealedLen, Seed, SingleOpener,
    SingleSealer, StreamHeader, TenantKey,
};
use sealgate::tenant::TenantId;

/// A path: how often it is run, and what prepares a run.
struct Case {
    name: &'static str,
    times: u64,
    prepare: fn() -> Box<dyn FnMut()>,
}

const CASES: &[Case] = &[
    Case { name: "envelope/seal", times: 20, prepare: envelope_seal },
    Case { name: "envelope/open", times: 20, prepare: envelope_open },
    Case { name: "seal/64KiB", times: 10, prepare: seal },
    Case { name: "open/64KiB", times: 10, prepare: open },
    Case { name: "open_range/4KiB_of_1MiB", times: 10, prepare: open_range },
    Case { name: "geometry", times: 1_000, prepare: geometry },
    Case { name: "ring/lookup/1000_tenants", times: 1_000, prepare: ring_lookup },
    Case { name: "ttlv/decode", times: 100, prepare: ttlv_decode },
];

/// A path that takes so much more than before fails the bench.
const PERCENT_MAX: i128 = 10;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["run", name, times] => {
            let mut work = (CASES.iter().find(|case| case.name == *name).unwrap().prepare)();
            (0..times.parse::<u64>().unwrap()).for_each(|_| work());
            ExitCode::SUCCESS
        }
        words => compare(words.contains(&"--record")),
    }
}

fn compare(is_recorded: bool) -> ExitCode {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt");
    let text = fs::read_to_string(&file).unwrap_or_default();
    let before: BTreeMap<_, _> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    let (mut record, mut outcome) = (String::new(), ExitCode::SUCCESS);
    println!("| path | instructions | before | change |\n|---|---|---|---|");
    for Case { name, times, .. } in CASES {
        let count = (instructions(name, 1 + times) - instructions(name, 1)) / times;
        writeln!(record, "{name} {count}").unwrap();
        let was: Option<u64> = before.get(name).and_then(|text| text.parse().ok());
        let percent = was.map(|was| (i128::from(count) - i128::from(was)) * 100 / i128::from(was.max(1)));
        let shown = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let change = shown(percent.map(|percent| format!("{percent:+} %")));
        println!("| {name} | {count} | {} | {change} |", shown(was.map(|was| was.to_string())));
        if percent.is_some_and(|percent| percent > PERCENT_MAX) {
            outcome = ExitCode::FAILURE;
        }
    }
    if is_recorded {
        fs::write(file, record).unwrap();
        return ExitCode::SUCCESS;
    }
    outcome
}

/// What a process takes that runs a path so often.
fn instructions(name: &str, times: u64) -> u64 {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(std::env::current_exe().unwrap());
    let output = command.args(["run", name, &times.to_string()]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    let line = text.lines().find_map(|line| line.split_once("Collected : ")).unwrap_or_else(|| {
        println!("{text}");
        std::process::exit(1)
    });
    line.1.trim().parse().unwrap()
}

fn tenant() -> (TenantKey, Binding) {
    let key = TenantKey::from_seed(&Seed::from_bytes(&[1; 32]).unwrap());
    (key, Binding::new("tenant", "bucket", "key").unwrap())
}

fn envelope() -> (Envelope, ObjectSecret) {
    let (key, binding) = tenant();
    Envelope::seal(Kind::Single, &key, &binding).unwrap()
}

fn sealed(bytes: usize) -> (ObjectSecret, StreamHeader, BytesMut) {
    let (envelope, secret) = envelope();
    let mut sealer = SingleSealer::new(&envelope, &secret, PlainLen::new(bytes as u64)).unwrap();
    let (header, mut out) = (*sealer.stream_header(), BytesMut::new());
    sealer.push(&vec![7; bytes], &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    (secret, header, out)
}

fn envelope_seal() -> Box<dyn FnMut()> {
    let (key, binding) = tenant();
    Box::new(move || drop(black_box(Envelope::seal(Kind::Single, &key, &binding).unwrap())))
}

fn envelope_open() -> Box<dyn FnMut()> {
    let ((key, binding), (envelope, _)) = (tenant(), envelope());
    Box::new(move || drop(black_box(envelope.open(&key, &binding).unwrap())))
}

fn seal() -> Box<dyn FnMut()> {
    let ((envelope, secret), plain) = (envelope(), vec![7; 64 << 10]);
    let mut out = BytesMut::new();
    Box::new(move || {
        out.clear();
        let mut sealer = SingleSealer::new(&envelope, &secret, PlainLen::new(plain.len() as u64)).unwrap();
        sealer.push(&plain, &mut out).unwrap();
        sealer.finish(&mut out).unwrap();
        black_box(out.len());
    })
}

fn open() -> Box<dyn FnMut()> {
    let (secret, _, body) = sealed(64 << 10);
    let mut out = BytesMut::new();
    Box::new(move || {
        out.clear();
        let mut opener = SingleOpener::new(&secret, SealedLen::new(body.len() as u64)).unwrap();
        opener.push(&body, &mut out).unwrap();
        opener.finish().unwrap();
        black_box(out.len());
    })
}

fn open_range() -> Box<dyn FnMut()> {
    let (secret, header, body) = sealed(1 << 20);
    let stored = SealedLen::new(body.len() as u64);
    let range = PlainRange::starting_at(500_000, 4 << 10).unwrap();
    let span = single_span(stored, range).unwrap();
    let at = |offset: u64| usize::try_from(offset).unwrap();
    let needed = body[at(span.stored_first)..at(span.stored_first + span.stored_bytes)].to_vec();
    let mut out = BytesMut::new();
    Box::new(move || {
        out.clear();
        let mut opener = RangeOpener::single(&secret, &header, stored, range, span.stored_first).unwrap();
        opener.push(&needed, &mut out).unwrap();
        opener.finish().unwrap();
        black_box(out.len());
    })
}

fn geometry() -> Box<dyn FnMut()> {
    Box::new(|| {
        let stored = single_sealed(PlainLen::new(black_box(1 << 30))).unwrap();
        let span = single_span(stored, PlainRange::starting_at(1 << 29, 64 << 10).unwrap()).unwrap();
        black_box(single_plain(stored).unwrap().bytes() + span.stored_first);
    })
}

fn ring_lookup() -> Box<dyn FnMut()> {
    let (key, tenants) = (Arc::new(tenant().0), 1_000_u32);
    let id = |number: u32| TenantId::new(&format!("{number:08x}-5eed-4000-8000-000000000000")).unwrap();
    let mut builder = RingBuilder::new(Arc::new(KeyRing::empty()), 8);
    for number in 0..tenants {
        builder.found(&id(number), TenantKeys::new(Arc::clone(&key), []), SourceKind::Coordinator, 1);
    }
    let (ring, asked) = (builder.finish(&KeyRing::empty()).ring, id(500));
    Box::new(move || assert!(black_box(ring.tenant(black_box(&asked))).is_some()))
}

fn ttlv_decode() -> Box<dyn FnMut()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/kmip/pykmip.txt");
    let text = fs::read_to_string(file).unwrap();
    let hex = text.lines().filter_map(|line| line.strip_prefix("< ")).max_by_key(|line| line.len()).unwrap();
    let pairs = hex.trim().as_bytes().chunks_exact(2);
    let message: Vec<u8> =
        pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
    Box::new(move || assert!(ttlv::decode(black_box(&message), &ANSWER_LIMITS).is_ok()))
}
