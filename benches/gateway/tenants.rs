//! A million tenants: a Coordinator that makes them up page by page, and what they cost the gateway that follows it.
//!
//! `cargo bench --bench gateway -- tenants` starts both, waits until the last tenant is served, and then asks for one
//! object again and again while the gateway reads the whole list anew. The same is asked while nothing is read, since a
//! machine has pauses of its own.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use sealgate::coordinator_api::NDJSON;
use tokio::sync::Notify;

use super::Failure;
use super::contenders::{Followed, SECRET};
use super::load::{Extent, Target, Verb, keys_of};

/// The tenants of a bench.
pub(super) struct Tenants {
    count: u64,
    epoch: AtomicU64,
    news: Notify,
}

type Answer = Response<UnsyncBoxBody<Bytes, Failure>>;

impl Tenants {
    pub(super) fn new(count: u64) -> Arc<Self> {
        Arc::new(Self { count, epoch: AtomicU64::new(1), news: Notify::new() })
    }

    /// Answers as a Coordinator does whose tenants never change; a `PUT` begins another epoch.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Failure> {
        let query: HashMap<String, String> =
            form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
        let number = |name: &str| query.get(name).and_then(|text| text.parse::<u64>().ok());
        if request.method() == Method::PUT {
            self.epoch.fetch_add(1, Ordering::Relaxed);
            self.news.notify_waiters();
            return Ok(answer(StatusCode::NO_CONTENT, String::new()));
        }
        if request.method() == Method::POST {
            return Ok(answer(StatusCode::NO_CONTENT, String::new()));
        }
        if query.contains_key("since") {
            let is_new = number("epoch") != Some(self.epoch.load(Ordering::Relaxed));
            if !is_new && query.contains_key("wait") {
                tokio::time::timeout(Duration::from_secs(50), self.news.notified()).await.ok();
            }
            let is_new = number("epoch") != Some(self.epoch.load(Ordering::Relaxed));
            return Ok(answer(if is_new { StatusCode::GONE } else { StatusCode::NOT_MODIFIED }, String::new()));
        }
        let (from, limit) = (number("cursor").unwrap_or(0), number("limit").unwrap_or(1_000));
        let mut page = answer(StatusCode::OK, self.page(from, (from + limit).min(self.count)));
        page.headers_mut().insert("content-type", NDJSON.parse()?);
        Ok(page)
    }

    fn page(&self, from: u64, to: u64) -> String {
        let mut head = serde_json::json!({
            "epoch": self.epoch.load(Ordering::Relaxed).to_string(), "revision": 1, "count": to - from,
        });
        if to < self.count {
            head["next_cursor"] = to.to_string().into();
        }
        let mut text = format!("{head}\n");
        for number in from..to {
            let tenant = serde_json::json!({
                "id": id(number), "revision": 1, "zero_knowledge": false, "bucket_prefix": format!("t{number:07}-"),
                "keys": [{ "version": 1, "seed": STANDARD.encode(format!("{number:032}")), "primary": true }],
                "access_keys": [{ "id": access_key(number), "secret": SECRET }],
            });
            text.push_str(&tenant.to_string());
            text.push('\n');
        }
        text
    }
}

fn answer(status: StatusCode, text: String) -> Answer {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
    let mut answer = Response::new(UnsyncBoxBody::new(body));
    *answer.status_mut() = status;
    answer
}

fn id(number: u64) -> String {
    format!("{number:08x}-5eed-4000-8000-{:012x}", number * 2_654_435_761 % (1 << 48))
}

fn access_key(number: u64) -> String {
    format!("AKIATENANT{number:010}")
}

/// Measures a gateway that follows such a Coordinator; gives lines for the document.
pub(super) async fn measure(followed: &Followed, count: u64) -> Result<String, Failure> {
    let credentials = |number| Credentials::new(access_key(number), SECRET, None, None, "bench");
    let target = |number| Target {
        address: followed.gateway_address.clone(),
        credentials: credentials(number),
        bucket: "bench".to_owned(),
        upload_headers: Vec::new(),
    };
    let (started, before) = (Instant::now(), followed.gateway.usage()?);
    while target(count - 1).create_bucket().await.is_err() {
        if started.elapsed() > Duration::from_mins(8) {
            return Err("the last tenant was not served in time".into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let loaded = followed.gateway.usage()?;
    let mut text = format!(
        "{count} tenants: served after {:.1} s, {:.1} CPU s; {} MiB resident, {} MiB at most\n",
        started.elapsed().as_secs_f64(),
        loaded.cpu_seconds - before.cpu_seconds,
        loaded.resident_bytes >> 20,
        loaded.peak_bytes >> 20,
    );
    let first = target(0);
    first.create_bucket().await?;
    // every object is there before it is asked for
    let fill = Extent { connections: 1, duration: Duration::from_mins(1), bytes_max: keys_of(4096) * 4096 };
    first.load(Verb::Put(4096), fill).await?;
    let extent = Extent { connections: 1, duration: Duration::from_secs(10), bytes_max: u64::MAX };
    for what in ["nothing else to do", "while the whole list is read again"] {
        let before = followed.gateway.usage()?;
        followed.gateway.forget_peak();
        if what.starts_with("while") {
            followed.begin_epoch().await?;
        }
        let outcome = first.load(Verb::Get(4096), extent).await?;
        let after = followed.gateway.usage()?;
        writeln!(
            text,
            "GET of 4 KiB, {what}: {} requests, p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms; {:.1} CPU s, {} MiB at most",
            outcome.requests,
            outcome.p50_ms,
            outcome.p99_ms,
            outcome.longest_ms,
            after.cpu_seconds - before.cpu_seconds,
            after.peak_bytes >> 20,
        )?;
    }
    Ok(text)
}
