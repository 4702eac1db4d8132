//! The admin port: health for the platform, metrics for Prometheus, status for people. Everything here only reads.
//!
//! | path | answer |
//! |---|---|
//! | `/health/live` | 200 as long as the process answers; never asks anybody |
//! | `/health/startup` | 200 once it serves |
//! | `/health/ready` | 200 while it asks for requests, 503 before, after, and until it was told of tenants |
//! | `/health` | all checks as JSON; 503 if one fails. Who may not read the checks is told the outcome |
//! | `/metrics` | Prometheus or `OpenMetrics` text |
//! | `/v1/status` | what the page shows, as JSON |
//! | `/` | the status page, or a form that asks for the secret |
//!
//! Who may read what stands in `guard`. No client certificate is asked for here: probes have none.

mod guard;
mod hosts;
mod listener;
mod session;
mod sign_in;
pub mod status;

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use axum::{Extension, Router, middleware};

use crate::edge::{Phase, Readiness};
use crate::telemetry::exposition;
pub use guard::Guard;
use guard::Reader;
pub use listener::serve;
use status::StatusSource;

/// What the admin port tells of.
#[derive(Clone)]
pub struct Admin {
    /// whether requests are asked for
    pub readiness: Readiness,
    /// everything else
    pub source: Arc<dyn StatusSource>,
    /// who may read it
    pub guard: Guard,
    /// whether it is served over TLS
    pub is_tls: bool,
}

/// The routes.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/health/live", get(|| async { "ok" }))
        .route("/health/startup", get(startup))
        .route("/health/ready", get(ready))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/v1/status", get(status))
        .route("/", get(page))
        .layer(middleware::from_fn_with_state(admin.clone(), guard::admit))
        .layer(middleware::map_response_with_state(admin.clone(), with_headers))
        .with_state(admin)
}

async fn startup(State(admin): State<Admin>) -> Response {
    let phase = admin.readiness.phase();
    answer(phase > Phase::Starting, phase)
}

async fn ready(State(admin): State<Admin>) -> Response {
    let phase = admin.readiness.phase();
    answer(phase == Phase::Ready, phase)
}

fn answer(is_well: bool, phase: Phase) -> Response {
    if is_well { "ok".into_response() } else { (StatusCode::SERVICE_UNAVAILABLE, phase.name()).into_response() }
}

async fn health(State(admin): State<Admin>, Extension(reader): Extension<Reader>) -> Response {
    let mut health = admin.source.health();
    if reader != Reader::Known {
        health.checks.clear();
    }
    let status = if health.is_well() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health)).into_response()
}

async fn metrics(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let source = Arc::clone(&admin.source);
    let Ok(text) = tokio::task::spawn_blocking(move || source.metrics()).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if exposition::takes_open_metrics(accept) {
        ([(CONTENT_TYPE, exposition::OPEN_METRICS)], text).into_response()
    } else {
        ([(CONTENT_TYPE, exposition::PROMETHEUS)], exposition::prometheus(&text)).into_response()
    }
}

async fn status(State(admin): State<Admin>) -> Response {
    Json(admin.source.status()).into_response()
}

async fn page() -> Response {
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], PAGE).into_response()
}

/// Nothing is cached, framed or guessed, the page loads nothing from elsewhere, and who came by TLS comes by TLS again
/// (RFC 6797).
async fn with_headers(State(admin): State<Admin>, mut response: Response) -> Response {
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if admin.is_tls {
        let a_year = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, a_year);
    }
    response
}

/// The status page: one file, nothing to build.
const PAGE: &str = include_str!("admin/page.html");

#[cfg(test)]
mod tests;
