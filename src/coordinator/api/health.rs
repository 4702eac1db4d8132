//! Health, for who watches the process, and the description of the API.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::App;
use super::answer::{ApiError, json};
use crate::coordinator::openapi;

pub(super) async fn live() -> Response {
    json(StatusCode::OK, &serde_json::json!({ "status": "ok" }))
}

/// Whether the database answers.
pub(super) async fn ready(State(app): State<App>) -> Result<Response, ApiError> {
    app.tenants.store().refresh().await?;
    Ok(json(StatusCode::OK, &serde_json::json!({ "status": "ok" })))
}

pub(super) async fn openapi_document() -> Response {
    ([(CONTENT_TYPE, "application/json")], openapi::PUBLISHED).into_response()
}
