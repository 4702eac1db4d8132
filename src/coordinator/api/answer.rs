//! Answers: the one map from errors to statuses and codes, and what every answer has in common.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use super::App;
use crate::coordinator::access::Scope;
use crate::coordinator::store::StoreError;
use crate::coordinator::tenants::TenantsError;
use crate::coordinator_api::{PROBLEM_JSON, Problem};

/// The newest revision that this coordinator knows of, in answers about tenants.
pub(super) const REVISION: HeaderName = HeaderName::from_static("sealgate-revision");

/// Why a call was not done.
#[derive(Debug, thiserror::Error)]
pub(in crate::coordinator) enum ApiError {
    /// no token, an unknown or expired one, no certificate that is known
    #[error("a bearer token or a client certificate that is known here is needed")]
    Unauthenticated,
    /// the caller may not do this
    #[error("the scope {} is needed", .0.as_str())]
    ScopeMissing(Scope),
    /// a part of the request makes no sense
    #[error("{0}")]
    Request(String),
    /// a change must say what it changes
    #[error("a change needs If-Match with the entity tag of the tenant, or If-None-Match: * to make one")]
    ConditionMissing,
    /// the request did not come to its end
    #[error("the body did not come in time")]
    BodyTimeout,
    /// the tenants
    #[error(transparent)]
    Tenants(#[from] TenantsError),
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Tenants(error.into())
    }
}

impl ApiError {
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::ScopeMissing(_) => (StatusCode::FORBIDDEN, "scope_missing"),
            Self::Request(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::ConditionMissing => (StatusCode::PRECONDITION_REQUIRED, "precondition_required"),
            Self::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
            Self::Tenants(error) => match error {
                TenantsError::NoTenant => (StatusCode::NOT_FOUND, "tenant_not_found"),
                TenantsError::NoAccessKey => (StatusCode::NOT_FOUND, "access_key_not_found"),
                TenantsError::Invalid { .. } => (StatusCode::BAD_REQUEST, "invalid_request"),
                TenantsError::Private => (StatusCode::CONFLICT, "private_tenant"),
                TenantsError::KeysStay => (StatusCode::CONFLICT, "keys_stay"),
                TenantsError::Unchangeable => (StatusCode::CONFLICT, "unchangeable"),
                TenantsError::DamagedRecord { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "tenant_damaged"),
                TenantsError::Untagged | TenantsError::Kek(_) | TenantsError::Randomness => {
                    (StatusCode::INTERNAL_SERVER_ERROR, "internal")
                }
                TenantsError::Store(error) => of_store(error),
            },
        }
    }
}

fn of_store(error: &StoreError) -> (StatusCode, &'static str) {
    match error {
        StoreError::Conflict { .. } => (StatusCode::PRECONDITION_FAILED, "precondition_failed"),
        StoreError::Gone => (StatusCode::GONE, "revision_gone"),
        StoreError::PrefixTaken { .. } => (StatusCode::CONFLICT, "bucket_prefix_taken"),
        StoreError::AccessKeyTaken { .. } => (StatusCode::CONFLICT, "access_key_taken"),
        StoreError::TooManyGateways => (StatusCode::TOO_MANY_REQUESTS, "too_many_gateways"),
        StoreError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
        StoreError::InUse { .. } | StoreError::Damaged(_) | StoreError::Tag(_) | StoreError::Schema { .. } => {
            (StatusCode::INTERNAL_SERVER_ERROR, "internal")
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.kind();
        let detail = if status.is_server_error() {
            tracing::error!(error = chain(&self), code, "a call failed");
            "the coordinator's log tells more".to_owned()
        } else {
            self.to_string()
        };
        let mut answer = problem(status, code, detail);
        if status == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

/// Makes every answer one of this API: not to be stored, and errors of the framework in the form of ours.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let status = answer.status();
    let is_problem = answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM_JSON);
    if (status.is_client_error() || status.is_server_error()) && !is_problem {
        let code = match status {
            StatusCode::NOT_FOUND => "no_such_call",
            StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
            StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
            _ => "invalid_request",
        };
        let reason = status.canonical_reason().unwrap_or_default().to_owned();
        let allow = answer.headers_mut().remove(http::header::ALLOW);
        answer = problem(status, code, reason);
        if let Some(allow) = allow {
            answer.headers_mut().insert(http::header::ALLOW, allow);
        }
    }
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// JSON with a status.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => (status, [(CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", String::new()),
    }
}

/// Adds the entity tag of a tenant, and the newest revision.
pub(super) fn tagged(mut answer: Response, app: &App, revision: u64) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&entity_tag(app, revision)) {
        answer.headers_mut().insert(ETAG, tag);
    }
    with_revision(answer, app)
}

/// Adds the newest revision.
pub(super) fn with_revision(mut answer: Response, app: &App) -> Response {
    let newest = app.tenants.store().watch().borrow().revision;
    answer.headers_mut().insert(REVISION, HeaderValue::from(newest));
    answer
}

/// The entity tag of a tenant of this revision.
pub(super) fn entity_tag(app: &App, revision: u64) -> String {
    format!("\"{}.{revision}\"", app.tenants.store().watch().borrow().epoch)
}

fn problem(status: StatusCode, code: &str, detail: String) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = serde_json::to_vec(&Problem::new(status.as_u16(), code, title, detail)).unwrap_or_default();
    (status, [(CONTENT_TYPE, PROBLEM_JSON)], body).into_response()
}

/// An error, and what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
