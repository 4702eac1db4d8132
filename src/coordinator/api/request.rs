//! Requests, read strictly: a parameter or field that is not known is refused, for it was meant to matter.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::App;
use super::answer::ApiError;
use crate::coordinator::tenants::Precondition;
use crate::tenant::TenantId;

/// A JSON body; an empty one is `{}`.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let bytes = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, app));
        let bytes = bytes.await.map_err(|_| ApiError::BodyTimeout.into_response())?;
        let bytes = bytes.map_err(axum::response::IntoResponse::into_response)?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        parse(text).map(Self).map_err(ApiError::into_response)
    }
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    let reader = &mut serde_json::Deserializer::from_slice(text);
    let parsed: T = serde_path_to_error::deserialize(&mut *reader).map_err(|error| {
        let path = error.path().to_string();
        let message = error.inner().to_string();
        // other messages may quote a value, which may be a secret
        let is_harmless = message.starts_with("unknown field") || message.starts_with("missing field");
        let reason = if is_harmless { message.as_str() } else { "is not of the expected shape" };
        ApiError::Request(format!("the body at `{path}`: {reason}"))
    })?;
    reader.end().map_err(|_| ApiError::Request("the body goes on after its end".into()))?;
    Ok(parsed)
}

/// What a change expects to find.
pub(super) struct Condition(pub(super) Precondition);

impl FromRequestParts<App> for Condition {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        condition(&parts.headers, app).map(Self).map_err(ApiError::into_response)
    }
}

fn condition(headers: &HeaderMap, app: &App) -> Result<Precondition, ApiError> {
    let one = |name| match headers.get_all(name).iter().collect::<Vec<_>>().as_slice() {
        [] => Ok(None),
        [value] => value.to_str().map(|text| Some(text.trim().to_owned())).map_err(|_| unreadable()),
        _ => Err(unreadable()),
    };
    match (one(IF_MATCH)?.as_deref(), one(IF_NONE_MATCH)?.as_deref()) {
        (None, None) => Err(ApiError::ConditionMissing),
        (None, Some("*")) => Ok(Precondition::Absent),
        (Some("*"), None) => Ok(Precondition::Present),
        (Some(tag), None) => {
            let tag = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(unreadable)?;
            let epoch = app.tenants.store().watch().borrow().epoch.clone();
            let revision = tag.strip_prefix(&epoch).and_then(|rest| rest.strip_prefix('.')?.parse().ok());
            Ok(revision.map_or(Precondition::Never, Precondition::Revision))
        }
        _ => Err(unreadable()),
    }
}

fn unreadable() -> ApiError {
    ApiError::Request("If-Match takes one entity tag or *, If-None-Match takes *".into())
}

/// The parameters of a call.
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads them, if they are all known and none is given twice.
    pub(super) fn of(query: Option<&str>, known: &[&str]) -> Result<Self, ApiError> {
        let mut found = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                return Err(ApiError::Request(format!("unknown parameter; this call has {}", known.join(", "))));
            }
            if found.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(ApiError::Request(format!("parameter {name} is given twice")));
            }
        }
        Ok(Self(found))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn parsed<T: std::str::FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, ApiError> {
        let parse = |text: &String| text.parse().map_err(|_| ApiError::Request(format!("{name} is {what}")));
        self.0.get(name).map(parse).transpose()
    }
}

/// The tenant that a path names.
pub(super) fn tenant_id(text: &str) -> Result<TenantId, ApiError> {
    TenantId::new(text).map_err(|error| ApiError::Request(error.to_string()))
}

const BODY_TIMEOUT: Duration = Duration::from_secs(30);
