//! The gateway beside what a user would take instead: `cargo bench --bench gateway` measures real processes on loopback,
//! prints tables, and leaves them with a chart in `target/bench-gateway/`.
//!
//! Every workload goes to all contenders in turn before the next one begins, so that ratios compare the same minutes.
//! What a contender costs is the processor time of its own process, not that of the store behind or the load before it.
//! `cargo bench --bench gateway -- --quick` takes short turns, `--only WORD` those workloads whose names hold the word.
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

mod contenders;
mod load;
mod primitives;
mod process;
mod proxy;
mod report;
mod sign;
mod store;

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
use report::Row;

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
        words => runtime.block_on(measure(&Plan::new(words))),
    }
}

/// What is measured, and how long.
struct Plan {
    duration: Duration,
    bytes_max: u64,
    connections: Vec<usize>,
    keys: u64,
    only: Option<String>,
    programs: Option<PathBuf>,
}

impl Plan {
    fn new(words: &[&str]) -> Self {
        let quick = words.contains(&"--quick");
        let after = |flag| words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1));
        let programs = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("clients/venv/bin");
        Self {
            duration: if quick { Duration::from_secs(1) } else { Duration::from_secs(4) },
            bytes_max: if quick { GIB / 4 } else { GIB },
            connections: if quick { vec![16] } else { vec![1, 16, 64] },
            keys: if quick { 2_000 } else { 10_000 },
            only: after("--only").map(|word| (*word).to_owned()),
            programs: Some(programs).filter(|bin| bin.join("weed").exists() && !words.contains(&"--no-stores")),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|word| name.contains(word.as_str()))
    }
}

async fn measure(plan: &Plan) -> Result<(), Failure> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("bench-gateway");
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder)?;
    if plan.programs.is_none() {
        eprintln!("without SeaweedFS and rclone: `cargo tests` installs them into target/clients");
    }
    let field = contenders::start(&folder, plan.programs.as_deref())?;
    for contender in &field.contenders {
        contender.target.create_bucket().await.map_err(|error| format!("{}: {error}", contender.name))?;
    }
    let cost = primitives::cpu_seconds_per_gib()?;
    println!("AES-256-CTR and HMAC-SHA-256: {cost:.2} CPU s per GiB");
    let mut rows = Vec::new();
    for (name, bytes) in [("4 KiB", 4 << 10), ("64 KiB", 64 << 10), ("1 MiB", 1 << 20), ("64 MiB", 64 << 20)] {
        let (put, get) = (format!("PUT of {name}"), format!("GET of {name}"));
        plan.all(&field, &put, Verb::Put(bytes), &mut rows).await?;
        if plan.has(&get) {
            fill(&field, Verb::Put(bytes), keys_of(bytes) * bytes).await?;
        }
        plan.all(&field, &get, Verb::Get(bytes), &mut rows).await?;
        if bytes == 4 << 10 {
            plan.all(&field, "HEAD", Verb::Head, &mut rows).await?;
        }
    }
    if plan.has("ranges") {
        for contender in &field.contenders {
            contender.target.put_large().await.map_err(|error| format!("{}: {error}", contender.name))?;
        }
    }
    plan.all(&field, "ranges of 64 KiB in 1 GiB", Verb::Range, &mut rows).await?;
    let multipart = Verb::Multipart(plan.bytes_max);
    plan.some(&[4], &field, "multipart upload of 1 GiB", multipart, &mut rows).await?;
    if plan.has("LIST") {
        fill(&field, Verb::FillList(plan.keys), u64::MAX).await?;
    }
    plan.all(&field, "LIST of 1,000 keys", Verb::List(plan.keys), &mut rows).await?;
    let tables = report::markdown(&rows);
    println!("{tables}");
    fs::write(folder.join("tables.md"), tables)?;
    fs::write(folder.join("results.json"), serde_json::to_string_pretty(&report::json(&rows, cost))?)?;
    Ok(())
}

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
        if !self.has(name) {
            return Ok(());
        }
        for &connections in connections {
            let extent = Extent { connections, duration: self.duration, bytes_max: self.bytes_max };
            for contender in &field.contenders {
                rows.push(turn(contender, name, verb, extent).await.map_err(|e| format!("{}: {e}", contender.name))?);
                eprint!(".");
            }
        }
        eprintln!(" {name}");
        Ok(())
    }
}

/// One contender under one load.
async fn turn(contender: &Contender, name: &str, verb: Verb, extent: Extent) -> Result<Row, Failure> {
    contender.process.forget_peak();
    let before = contender.process.usage()?;
    let outcome = contender.target.load(verb, extent).await?;
    let mut usage = contender.process.usage()?;
    usage.cpu_seconds -= before.cpu_seconds;
    Ok(Row {
        workload: name.to_owned(),
        connections: extent.connections,
        contender: contender.name,
        is_store: contender.is_store,
        outcome,
        usage,
    })
}

/// Uploads what is read later, without measuring.
async fn fill(field: &Field, verb: Verb, bytes: u64) -> Result<(), Failure> {
    let extent = Extent { connections: 4, duration: Duration::from_mins(10), bytes_max: bytes };
    for contender in &field.contenders {
        contender.target.load(verb, extent).await.map_err(|error| format!("{}: {error}", contender.name))?;
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
