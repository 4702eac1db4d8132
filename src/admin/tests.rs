use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::http::Request;
use axum::http::request::Builder;
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::status::{Check, Health, Status, StatusSource};
use super::*;

/// A gateway that is well or not.
#[derive(Default)]
struct Fake(AtomicBool);

impl StatusSource for Fake {
    fn health(&self) -> Health {
        Health::of(vec![Check { name: "keys", ok: self.0.load(Ordering::Relaxed), detail: String::new() }])
    }

    fn status(&self) -> Status {
        Status { version: "1.2.3", ..Status::default() }
    }

    fn metrics(&self) -> String {
        "# HELP a Help.\n# TYPE a counter\na_total 1\n# EOF\n".to_owned()
    }
}

struct Running {
    admin: Admin,
    fake: Arc<Fake>,
    folder: tempfile::TempDir,
}

fn running() -> Running {
    let folder = tempfile::tempdir().unwrap();
    let fake = Arc::new(Fake::default());
    let guard = Guard::new(folder.path().join("secret"), ["status.example.com".to_owned()]).unwrap();
    let admin = Admin { readiness: Readiness::default(), source: Arc::clone(&fake) as _, guard, is_tls: false };
    Running { admin, fake, folder }
}

/// This machine, and another one.
const HERE: &str = "127.0.0.1:5";
const ELSEWHERE: &str = "192.0.2.1:5";

impl Running {
    async fn ask(&self, request: Builder, peer: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let mut request = request;
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "127.0.0.1:8001");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let router = router(self.admin.clone()).layer(Extension(guard::Peer(peer.parse().unwrap())));
        let body = Body::from(body.to_owned());
        TowerToHyperService::new(router).call(request.body(body).unwrap()).await.unwrap()
    }

    /// What this machine is told.
    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String, String) {
        let answer = self.ask(Request::get(path), HERE, headers, "").await;
        let kind = answer.headers().get(CONTENT_TYPE).map_or("", |kind| kind.to_str().unwrap()).to_owned();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, kind, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn status(&self, path: &str) -> u16 {
        self.get(path, &[]).await.0
    }
}

#[tokio::test]
async fn probes_follow_the_phases() {
    let running = running();
    let mut seen = Vec::new();
    for phase in [Phase::Starting, Phase::Waiting, Phase::Ready, Phase::Draining] {
        running.admin.readiness.advance(phase);
        let probes = ["/health/live", "/health/startup", "/health/ready"];
        for probe in probes {
            seen.push(running.status(probe).await);
        }
    }
    assert_eq!(seen, [200, 503, 503, 200, 200, 503, 200, 200, 200, 200, 200, 503]);
}

#[tokio::test]
async fn health_is_503_while_a_check_fails() {
    let running = running();
    let (status, _, body) = running.get("/health", &[]).await;
    assert_eq!((status, body.contains("\"failing\"")), (503, true));
    running.fake.0.store(true, Ordering::Relaxed);
    assert_eq!(running.status("/health").await, 200);
    assert_eq!(running.status("/health/live").await, 200);
}

#[tokio::test]
async fn metrics_come_in_the_format_that_is_asked_for() {
    let running = running();
    let (_, kind, text) = running.get("/metrics", &[]).await;
    assert!(kind.starts_with("text/plain; version=0.0.4") && text.contains("# TYPE a_total counter"), "{text}");
    let accept = [("accept", "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1")];
    let (_, kind, text) = running.get("/metrics", &accept).await;
    assert!(kind.starts_with("application/openmetrics-text") && text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let (status, kind, page) = running().get("/", &[]).await;
    assert_eq!((status, kind.as_str()), (200, "text/html; charset=utf-8"));
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains(" src="));
    let (_, _, json) = running().get("/v1/status", &[]).await;
    assert!(json.contains("\"version\":\"1.2.3\""), "{json}");
}

mod access;
