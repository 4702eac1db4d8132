//! `/v1/tenants/{id}`: one tenant.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::header::IF_NONE_MATCH;
use http::{HeaderMap, StatusCode};

use super::answer::{ApiError, entity_tag, json, tagged, with_revision};
use super::request::{Body, Condition, tenant_id};
use super::{App, Who};
use crate::coordinator::access::Scope;
use crate::coordinator::tenants::{Precondition, TenantsError};
use crate::coordinator_api::{Rotation, TenantPatch, TenantSpec};

pub(super) async fn read(
    State(app): State<App>,
    Extension(caller): Who,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = tenant_id(&id)?;
    let Some(row) = app.tenants.store().tenant(&id).await? else {
        // the revision tells for how long this may be remembered
        return Ok(with_revision(ApiError::from(TenantsError::NoTenant).into_response(), &app));
    };
    let revision = row.revision;
    let tag = entity_tag(&app, revision);
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    if known.flat_map(|text| text.split(',')).any(|known| known.trim() == tag) {
        return Ok(tagged(StatusCode::NOT_MODIFIED.into_response(), &app, revision));
    }
    let tenant = app.tenants.reader().one(&row, caller.may(Scope::TenantsKeys))?;
    Ok(tagged(json(StatusCode::OK, &tenant), &app, revision))
}

pub(super) async fn put(
    State(app): State<App>,
    Extension(caller): Who,
    Path(id): Path<String>,
    Condition(condition): Condition,
    Body(spec): Body<TenantSpec>,
) -> Result<Response, ApiError> {
    let id = tenant_id(&id)?;
    let tenant = app.tenants.put(&id, spec, condition).await?;
    let (status, what) = if condition == Precondition::Absent {
        (StatusCode::CREATED, "a tenant was created")
    } else {
        (StatusCode::OK, "a tenant was replaced")
    };
    tracing::info!(by = caller.name, tenant = %id, revision = tenant.revision, "{what}");
    Ok(tagged(json(status, &tenant), &app, tenant.revision))
}

pub(super) async fn patch(
    State(app): State<App>,
    Extension(caller): Who,
    Path(id): Path<String>,
    Condition(condition): Condition,
    Body(patch): Body<TenantPatch>,
) -> Result<Response, ApiError> {
    let id = tenant_id(&id)?;
    let tenant = app.tenants.patch(&id, patch, condition).await?;
    tracing::info!(by = caller.name, tenant = %id, revision = tenant.revision, "a tenant was changed");
    Ok(tagged(json(StatusCode::OK, &tenant), &app, tenant.revision))
}

pub(super) async fn delete(
    State(app): State<App>,
    Extension(caller): Who,
    Path(id): Path<String>,
    Condition(condition): Condition,
) -> Result<Response, ApiError> {
    let id = tenant_id(&id)?;
    let revision = app.tenants.delete(&id, condition).await?;
    tracing::warn!(by = caller.name, tenant = %id, revision, "a tenant was deleted, and its seeds with it");
    Ok(with_revision(StatusCode::NO_CONTENT.into_response(), &app))
}

pub(super) async fn rotate(
    State(app): State<App>,
    Extension(caller): Who,
    Path(id): Path<String>,
    Condition(condition): Condition,
    Body(rotation): Body<Rotation>,
) -> Result<Response, ApiError> {
    let id = tenant_id(&id)?;
    let tenant = app.tenants.rotate(&id, rotation, condition).await?;
    tracing::info!(by = caller.name, tenant = %id, revision = tenant.revision, "a tenant's key was rotated");
    Ok(tagged(json(StatusCode::OK, &tenant), &app, tenant.revision))
}
