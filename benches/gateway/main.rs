//! The gateway beside what a user would take instead: `cargo bench --bench gateway` measures real processes on loopback,
//! prints tables, and leaves them with a chart in `target/bench-gateway/`; with `--publish` in `benches/RESULTS.md` too.
//!
//! Every workload goes to all contenders in turn before the next one begins, so that ratios compare the same minutes.
//! What a contender costs is the processor time of its own process, not that of the store behind or the load before it.
//! `cargo bench --bench gateway -- --quick` takes short turns, `--only WORD` those workloads whose names hold the word,
//! `--who WORD` those contenders, `--no-stores` leaves SeaweedFS and rclone out. What is not measured again stays in the
//! tables as an earlier run left it. `--beside PROGRAM` adds an earlier build of the gateway.
//!
//! Runs of their own: `tenants` (a million of them), `attack` (strangers and a greedy tenant beside one that behaves) and
//! `churn MINUTES` (memory over time).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench talks to its user, waits where it must, and stops at the first surprise"
)]

mod attack;
mod contenders;
mod load;
mod primitives;
mod process;
mod proxy;
mod python;
mod report;
mod sign;
mod store;
mod tenants;

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use contenders::{Contender, Field};
use load::{Extent, GIB, Verb, keys_of};
use report::{Results, Row};

/// What can go wrong in a bench.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["store", port, ..] => {
            let store = Arc::new(store::Store::default());
            runtime.block_on(serve(port, move |request| {
                let store = Arc::clone(&store);
                async move { store.answer(request).await }
            }))
        }
        ["proxy", port, upstream] => {
            let proxy = Arc::new(proxy::Proxy::new(upstream, contenders::credentials())?);
            runtime.block_on(serve(port, move |request| {
                let proxy = Arc::clone(&proxy);
                async move { Ok(proxy.answer(request).await?.map(|body| UnsyncBoxBody::new(body.map_err(Failure::from)))) }
            }))
        }
        ["coordinator", port, count] => {
            let tenants = tenants::Tenants::new(count.parse()?);
            runtime.block_on(serve(port, move |request| {
                let tenants = Arc::clone(&tenants);
                async move { tenants.answer(request).await }
            }))
        }
        ["churn", minutes] => runtime.block_on(churn(Duration::from_mins(minutes.parse()?))),
        ["attack", ..] => runtime.block_on(attack(words.contains(&"--quick".to_owned()))),
        ["tenants", ..] => runtime.block_on(many_tenants(words.contains(&"--quick".to_owned()))),
        words => runtime.block_on(measure(&Plan::new(words))),
    }
}

/// What is measured, and how long.
#[derive(Clone)]
struct Plan {
    duration: Duration,
    bytes_max: u64,
    connections: Vec<usize>,
    keys: u64,
    only: Option<String>,
    who: String,
    is_published: bool,
    earlier: Option<String>,
    has_stores: bool,
    is_apart: bool,
}

impl Plan {
    fn new(words: &[&str]) -> Self {
        let quick = words.contains(&"--quick");
        let after = |flag| words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1));
        Self {
            duration: Duration::from_secs(if quick { 1 } else { 2 }),
            bytes_max: if quick { GIB / 4 } else { GIB },
            connections: if quick { vec![16] } else { vec![1, 16, 64] },
            keys: if quick { 2_000 } else { 10_000 },
            only: after("--only").map(|word| (*word).to_owned()),
            who: after("--who").map_or_else(String::new, |word| (*word).to_owned()),
            earlier: after("--beside").map(|word| (*word).to_owned()),
            is_published: words.contains(&"--publish"),
            has_stores: !words.contains(&"--no-stores"),
            is_apart: words.contains(&"--apart"),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|word| name.contains(word.as_str()))
    }
}

async fn measure(plan: &Plan) -> Result<(), Failure> {
    let (folder, running) = (results_folder(), running_folder()?);
    let programs = if plan.has_stores { Some(python::programs()?) } else { None };
    let field = contenders::start(&running, programs.as_deref(), plan.earlier.as_deref(), plan.is_apart)?;
    for contender in &field.contenders {
        contender.target.create_bucket().await.map_err(|error| format!("{}: {error}", contender.name))?;
    }
    // SeaweedFS makes the volumes of a bucket when objects first come
    for contender in field.named(&plan.who) {
        let extent = Extent { connections: 16, duration: Duration::from_secs(3), bytes_max: GIB };
        if let Err(error) = contender.target.load(Verb::Put(4 << 10), extent).await {
            contender.failed("the first objects", &error)?;
        }
    }
    let results_file = folder.join(if plan.is_apart { "results-apart.json" } else { "results.json" });
    let mut results = Results::read(&results_file);
    results.primitives_cpu_seconds_per_gib = primitives::cpu_seconds_per_gib()?;
    println!("AES-256-CTR and HMAC-SHA-256: {:.2} CPU s per GiB", results.primitives_cpu_seconds_per_gib);
    let mut rows = Vec::new();
    let outcome = workloads(plan, &field, &mut rows).await;
    // what was measured before something failed is kept
    results.replace(rows);
    results.write(&results_file)?;
    outcome?;
    let tables = results.markdown();
    println!("{tables}");
    if plan.is_published {
        let benches = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches");
        report::publish(&benches.join("RESULTS.md"), &tables)?;
        python::draw(&results_file, &benches.join("RESULTS.png"))?;
    }
    python::draw(&results_file, &folder.join("chart.png"))
}

async fn many_tenants(is_quick: bool) -> Result<(), Failure> {
    let folder = running_folder()?;
    let count = if is_quick { 10_000 } else { 1_000_000 };
    let followed = contenders::Followed::start(&folder, count)?;
    println!("{}", tenants::measure(&followed, count).await?);
    Ok(())
}

async fn attack(is_quick: bool) -> Result<(), Failure> {
    let attacked = contenders::Attacked::start(&running_folder()?)?;
    let duration = Duration::from_secs(if is_quick { 2 } else { 10 });
    println!("{}", attack::measure(&attacked, duration).await?);
    Ok(())
}

/// Small and large uploads and downloads in turn, from 16 connections that are opened anew for each: what is resident in
/// the gateway after every round.
async fn churn(duration: Duration) -> Result<(), Failure> {
    let field = contenders::start(&running_folder()?, None, None, false)?;
    let gateway = field.named("sealgate → memory").next().ok_or("no gateway")?;
    gateway.target.create_bucket().await?;
    println!("idle: {} MiB resident", gateway.process.usage()?.resident_bytes >> 20);
    let (started, mut round, mut requests) = (std::time::Instant::now(), 0, 0);
    while started.elapsed() < duration {
        for bytes in [4 << 10, 64 << 10, 1 << 20, 16 << 20] {
            for verb in [Verb::Put(bytes), Verb::Get(bytes)] {
                let extent = Extent { connections: 16, duration: Duration::from_secs(1), bytes_max: GIB };
                // every object is there before it is asked for
                let fill =
                    Extent { connections: 4, duration: Duration::from_mins(1), bytes_max: keys_of(bytes) * bytes };
                let extent = if round == 0 && verb == Verb::Put(bytes) { fill } else { extent };
                requests += gateway.target.load(verb, extent).await?.requests;
            }
        }
        round += 1;
        let usage = gateway.process.usage()?;
        println!(
            "{:.0} s, {requests} requests: {} MiB resident, {} MiB at most",
            started.elapsed().as_secs_f64(),
            usage.resident_bytes >> 20,
            usage.peak_bytes >> 20
        );
    }
    Ok(())
}

/// Where the processes of this run keep their files; empty.
fn running_folder() -> Result<PathBuf, Failure> {
    let folder = results_folder().join("running");
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn results_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("bench-gateway")
}

async fn workloads(plan: &Plan, field: &Field, rows: &mut Vec<Row>) -> Result<(), Failure> {
    for (name, bytes) in [("4 KiB", 4 << 10), ("64 KiB", 64 << 10), ("1 MiB", 1 << 20), ("64 MiB", 64 << 20)] {
        let (put, get) = (format!("PUT of {name}"), format!("GET of {name}"));
        // 64 of the largest at once are measured below, over a store that keeps up
        let most = if bytes < 64 << 20 { usize::MAX } else { 16 };
        let connections: Vec<_> = plan.connections.iter().copied().filter(|count| *count <= most).collect();
        plan.some(&connections, field, &put, Verb::Put(bytes), rows).await?;
        let is_head = bytes == 4 << 10 && plan.has("HEAD");
        if plan.has(&get) || is_head {
            fill(field, &plan.who, Verb::Put(bytes), keys_of(bytes) * bytes).await?;
        }
        plan.some(&connections, field, &get, Verb::Get(bytes), rows).await?;
        if is_head {
            plan.all(field, "HEAD", Verb::Head, rows).await?;
        }
    }
    if plan.has(RANGES) || plan.has(DOWNLOADS) {
        let wanted = if plan.has(RANGES) { "" } else { "memory" };
        for contender in field.named(wanted) {
            contender.target.put_large().await.map_err(|error| format!("{}: {error}", contender.name))?;
        }
    }
    plan.all(field, RANGES, Verb::Range, rows).await?;
    let multipart = Verb::Multipart(plan.bytes_max);
    // the store in memory lists no parts, which the gateway asks for
    let with_parts = Plan { who: "SeaweedFS".to_owned(), ..plan.clone() };
    with_parts.some(&[4], field, "multipart upload of 1 GiB", multipart, rows).await?;
    if plan.has("LIST") {
        fill(field, &plan.who, Verb::FillList(plan.keys), u64::MAX).await?;
    }
    plan.all(field, "LIST of 1,000 keys", Verb::List(plan.keys), rows).await?;
    plan.each(&plan.connections, &field.on_sealed(), "LIST of 1,000 sealed keys", Verb::List(plan.keys), rows).await?;
    plan.at_once(field, UPLOADS, Verb::Discard(plan.bytes_max), rows).await?;
    plan.at_once(field, DOWNLOADS, Verb::Large, rows).await
}

const RANGES: &str = "ranges of 64 KiB in 1 GiB";
const UPLOADS: &str = "64 uploads of 1 GiB at once";
const DOWNLOADS: &str = "64 downloads of 1 GiB at once";

impl Plan {
    async fn all(&self, field: &Field, name: &str, verb: Verb, rows: &mut Vec<Row>) -> Result<(), Failure> {
        self.some(&self.connections, field, name, verb, rows).await
    }

    async fn some(
        &self,
        connections: &[usize],
        field: &Field,
        name: &str,
        verb: Verb,
        rows: &mut Vec<Row>,
    ) -> Result<(), Failure> {
        let contenders: Vec<_> = field.named(&self.who).cloned().collect();
        self.each(connections, &contenders, name, verb, rows).await
    }

    async fn each(
        &self,
        connections: &[usize],
        contenders: &[Contender],
        name: &str,
        verb: Verb,
        rows: &mut Vec<Row>,
    ) -> Result<(), Failure> {
        if !self.has(name) || contenders.is_empty() {
            return Ok(());
        }
        for &connections in connections {
            let extent = Extent { connections, duration: self.duration, bytes_max: self.bytes_max };
            for contender in contenders {
                match turn(contender, name, verb, extent).await {
                    Ok(row) => rows.push(row),
                    Err(error) => contender.failed(name, &error)?,
                }
                eprint!(".");
            }
        }
        eprintln!(" {name}");
        Ok(())
    }

    /// As many transfers as there are connections, over the store in memory.
    async fn at_once(&self, field: &Field, name: &str, verb: Verb, rows: &mut Vec<Row>) -> Result<(), Failure> {
        if !self.has(name) {
            return Ok(());
        }
        let extent = Extent { connections: 64, duration: Duration::ZERO, bytes_max: 0 };
        for contender in field.named("→ memory") {
            rows.push(turn(contender, name, verb, extent).await.map_err(|e| format!("{}: {e}", contender.name))?);
            eprint!(".");
        }
        eprintln!(" {name}");
        Ok(())
    }
}

/// One contender under one load.
async fn turn(contender: &Contender, name: &str, verb: Verb, extent: Extent) -> Result<Row, Failure> {
    let of_store = || contender.store.as_ref().map(|store| store.usage()).transpose();
    contender.process.forget_peak();
    let before = (contender.process.usage()?, of_store()?, process::usage("self")?);
    let outcome = contender.target.load(verb, extent).await?;
    let after = (contender.process.usage()?, of_store()?, process::usage("self")?);
    Ok(Row {
        workload: name.to_owned(),
        connections: extent.connections,
        contender: contender.name.to_owned(),
        requests: outcome.requests,
        bytes: outcome.bytes,
        seconds: outcome.seconds,
        p50_ms: outcome.p50_ms,
        p99_ms: outcome.p99_ms,
        cpu_seconds: after.0.cpu_seconds - before.0.cpu_seconds,
        store_cpu_seconds: after.1.zip(before.1).map(|(after, before)| after.cpu_seconds - before.cpu_seconds),
        load_cpu_seconds: after.2.cpu_seconds - before.2.cpu_seconds,
        peak_bytes: after.0.peak_bytes,
    })
}

/// Uploads what is read later, without measuring.
async fn fill(field: &Field, who: &str, verb: Verb, bytes: u64) -> Result<(), Failure> {
    let extent = Extent { connections: 4, duration: Duration::from_mins(10), bytes_max: bytes };
    for contender in field.named(who) {
        if let Err(error) = contender.target.load(verb, extent).await {
            contender.failed("filling", &error)?;
        }
    }
    Ok(())
}

/// Serves HTTP/1.1 on a port of the loopback interface until the process is ended.
async fn serve<F, A>(port: &str, answer: F) -> Result<(), Failure>
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Result<Response<UnsyncBoxBody<bytes::Bytes, Failure>>, Failure>> + Send,
{
    let listener = TcpListener::bind(("127.0.0.1", port.parse::<u16>()?)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = answer.clone();
        let service = service_fn(move |request| {
            let answered = answer(request);
            async move { Ok::<_, Infallible>(answered.await.unwrap_or_else(|error| failed(&error))) }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

fn failed(error: &Failure) -> Response<UnsyncBoxBody<bytes::Bytes, Failure>> {
    eprintln!("{error}");
    let nothing = http_body_util::Empty::new().map_err(|never| match never {});
    let mut answer = Response::new(UnsyncBoxBody::new(nothing));
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer
}
