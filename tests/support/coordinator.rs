//! A Coordinator that says what a test tells it to: its tenants, its epoch, its silence.
//!
//! It speaks the API as a Coordinator of another maker would, in a thread of its own, and notes what it was asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

/// A Coordinator; ends with this.
pub(crate) struct ScriptedCoordinator {
    pub(crate) address: SocketAddr,
    shared: Shared,
    end: Option<watch::Sender<bool>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Clone)]
struct Shared {
    script: Arc<Mutex<Script>>,
    revision: watch::Sender<u64>,
}

/// What it says.
pub(crate) struct Script {
    pub(crate) epoch: String,
    pub(crate) tenants: BTreeMap<String, (u64, Value)>,
    /// changes before this one are forgotten
    pub(crate) floor: u64,
    pub(crate) page_tenants: usize,
    /// the bearer token that it wants
    pub(crate) token: Option<String>,
    pub(crate) speaks_lines: bool,
    /// answers 503 to everything
    pub(crate) is_down: bool,
    /// the path and query of every request
    pub(crate) asked: Vec<String>,
    /// the heartbeats of gateways: cluster and pod, status
    pub(crate) statuses: Vec<(String, Value)>,
    revision: u64,
}

impl ScriptedCoordinator {
    pub(crate) fn start() -> Self {
        let script = Script {
            epoch: "first".to_owned(),
            tenants: BTreeMap::new(),
            floor: 0,
            page_tenants: 1_000,
            token: None,
            speaks_lines: true,
            is_down: false,
            asked: Vec::new(),
            statuses: Vec::new(),
            revision: 0,
        };
        let shared = Shared { script: Arc::new(Mutex::new(script)), revision: watch::channel(0).0 };
        let mut coordinator = Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), shared, end: None, thread: None };
        coordinator.resume();
        coordinator
    }

    /// Its address, as configurations have it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it says; to be changed.
    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.shared.script.lock().unwrap()
    }

    /// Tells of a tenant, or of a change of one.
    pub(crate) fn tell(&self, mut tenant: Value) {
        let mut script = self.script();
        script.revision += 1;
        let (revision, id) = (script.revision, tenant["id"].as_str().unwrap().to_owned());
        tenant["revision"] = revision.into();
        script.tenants.insert(id, (revision, tenant));
        drop(script);
        self.shared.revision.send_replace(revision);
    }

    /// Deletes a tenant.
    pub(crate) fn delete(&self, id: &str) {
        self.tell(json!({"id": id, "status": "deleted", "zero_knowledge": false}));
    }

    /// Puts an old copy of the database back.
    pub(crate) fn go_back(&self, revision: u64) {
        let mut script = self.script();
        script.revision = revision;
        script.tenants.retain(|_, (changed, _)| *changed <= revision);
        drop(script);
        self.shared.revision.send_replace(revision);
    }

    /// Ends it: connections break, nobody listens.
    pub(crate) fn stop(&mut self) {
        if let Some(end) = self.end.take() {
            end.send_replace(true);
        }
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// Starts it again, at the address that it had.
    pub(crate) fn resume(&mut self) {
        let listener = std::net::TcpListener::bind(self.address).unwrap();
        listener.set_nonblocking(true).unwrap();
        self.address = listener.local_addr().unwrap();
        let (end, mut ended) = watch::channel(false);
        let shared = self.shared.clone();
        self.end = Some(end);
        self.thread = Some(std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let routes = Router::new()
                    .route("/v1/tenants", get(tenants))
                    .route("/v1/tenants/{id}", get(tenant))
                    .route("/v1/gateways/{cluster}/{pod}/status", post(status))
                    .with_state(shared);
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, routes) => served.unwrap(),
                    _ = ended.wait_for(|ended| *ended) => {}
                }
            });
            runtime.shutdown_timeout(Duration::ZERO);
        }));
    }
}

impl Drop for ScriptedCoordinator {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn tenants(State(shared): State<Shared>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let query: BTreeMap<String, String> =
        form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
    if let Some(refusal) = shared.refusal(format!("/v1/tenants?{query:?}"), &headers) {
        return refusal;
    }
    let Some(since) = query.get("since").map(|since| since.parse::<u64>().unwrap()) else {
        return shared.list(query.get("cursor").map_or("", String::as_str));
    };
    let is_gone = |script: &Script| query["epoch"] != script.epoch || since < script.floor || since > script.revision;
    let wait: u64 = query.get("wait").map_or(0, |wait| wait.trim_end_matches('s').parse().unwrap());
    let mut revisions = shared.revision.subscribe();
    let end = tokio::time::Instant::now() + Duration::from_secs(wait);
    loop {
        let answer = {
            let script = shared.script.lock().unwrap();
            if is_gone(&script) {
                return StatusCode::GONE.into_response();
            }
            script.changes(since)
        };
        if let Some(answer) = answer {
            return answer;
        }
        if tokio::time::timeout_at(end, revisions.changed()).await.is_err() {
            return StatusCode::NOT_MODIFIED.into_response();
        }
    }
}

async fn tenant(State(shared): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if let Some(refusal) = shared.refusal(format!("/v1/tenants/{id}"), &headers) {
        return refusal;
    }
    let script = shared.script.lock().unwrap();
    match script.tenants.get(&id) {
        Some((_, tenant)) => axum::Json(tenant.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn status(
    State(shared): State<Shared>,
    Path((cluster, pod)): Path<(String, String)>,
    headers: HeaderMap,
    axum::Json(status): axum::Json<Value>,
) -> Response {
    if let Some(refusal) = shared.refusal(format!("/v1/gateways/{cluster}/{pod}/status"), &headers) {
        return refusal;
    }
    shared.script.lock().unwrap().statuses.push((format!("{cluster}/{pod}"), status));
    StatusCode::NO_CONTENT.into_response()
}

impl Shared {
    fn refusal(&self, asked: String, headers: &HeaderMap) -> Option<Response> {
        let mut script = self.script.lock().unwrap();
        script.asked.push(asked);
        if script.is_down {
            return Some(StatusCode::SERVICE_UNAVAILABLE.into_response());
        }
        let wanted = script.token.as_ref().map(|token| format!("Bearer {token}"));
        let shown = headers.get("authorization").map(|value| value.to_str().unwrap());
        (wanted.is_some() && wanted.as_deref() != shown).then(|| StatusCode::UNAUTHORIZED.into_response())
    }

    fn list(&self, after: &str) -> Response {
        let script = self.script.lock().unwrap();
        let alive = |tenant: &&(u64, Value)| tenant.1["status"] != "deleted";
        let mut rest =
            script.tenants.iter().filter(|(id, _)| id.as_str() > after).map(|(_, tenant)| tenant).filter(alive);
        let page: Vec<&Value> = rest.by_ref().take(script.page_tenants).map(|(_, tenant)| tenant).collect();
        let cursor = rest.next().and(page.last()).map(|tenant| tenant["id"].clone());
        script.answer(script.revision, &page, &cursor.unwrap_or(Value::Null), false)
    }
}

impl Script {
    fn changes(&self, since: u64) -> Option<Response> {
        let mut changed: Vec<&(u64, Value)> = self.tenants.values().filter(|(revision, _)| *revision > since).collect();
        changed.sort_by_key(|(revision, _)| *revision);
        let more = changed.len() > self.page_tenants;
        changed.truncate(self.page_tenants);
        let last = changed.last()?.0;
        let page: Vec<&Value> = changed.into_iter().map(|(_, tenant)| tenant).collect();
        Some(self.answer(last, &page, &Value::Null, more))
    }

    fn answer(&self, revision: u64, items: &[&Value], next_cursor: &Value, more: bool) -> Response {
        let mut head = json!({"epoch": self.epoch, "revision": revision, "next_cursor": next_cursor, "more": more});
        if !self.speaks_lines {
            head["items"] = json!(items);
            return axum::Json(head).into_response();
        }
        head["count"] = items.len().into();
        let lines: Vec<String> = std::iter::once(&head).chain(items.iter().copied()).map(Value::to_string).collect();
        let lines = lines.join("\n");
        ([("content-type", "application/x-ndjson")], lines).into_response()
    }
}
