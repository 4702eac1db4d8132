//! `/v1/tenants/{id}/access-keys`: the credentials of a tenant.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;

use super::answer::{ApiError, json, tagged};
use super::request::{Body, Condition, tenant_id};
use super::{App, Who};
use crate::coordinator_api::AccessKeySpec;

/// The answer is the one place where a secret is seen without the scope for it.
pub(super) async fn create(
    State(app): State<App>,
    Extension(caller): Who,
    Path(id): Path<String>,
    Condition(condition): Condition,
    Body(spec): Body<AccessKeySpec>,
) -> Result<Response, ApiError> {
    let id = tenant_id(&id)?;
    let (key, revision) = app.tenants.add_access_key(&id, spec, condition).await?;
    tracing::info!(by = caller.name, tenant = %id, access_key = key.id, revision, "an access key was created");
    Ok(tagged(json(StatusCode::CREATED, &key), &app, revision))
}

pub(super) async fn delete(
    State(app): State<App>,
    Extension(caller): Who,
    Path((id, key)): Path<(String, String)>,
    Condition(condition): Condition,
) -> Result<Response, ApiError> {
    let id = tenant_id(&id)?;
    let tenant = app.tenants.remove_access_key(&id, &key, condition).await?;
    tracing::info!(by = caller.name, tenant = %id, access_key = key, revision = tenant.revision, "an access key was deleted");
    Ok(tagged(StatusCode::NO_CONTENT.into_response(), &app, tenant.revision))
}
