//! The HTTP API: which calls there are, who may make them, and what holds for all of them.
//!
//! Each call is a [`Route`] of [`routes()`]; router and OpenAPI document are made of the same list. Every answer says
//! `Cache-Control: no-store`, every error is a [`Problem`](crate::coordinator_api::Problem). An entity tag is
//! `"<epoch>.<revision>"` of the tenant.

mod access_keys;
mod answer;
mod gateways;
mod health;
mod pages;
mod request;
mod routes;
mod tenants;

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::sync::watch;

use self::answer::ApiError;
pub(super) use self::routes::{Param, Route, Shape, routes};
use super::access::{Access, Caller, Scope};
use super::tenants::Tenants;

/// What all calls share.
pub(super) struct Shared {
    pub(super) tenants: Tenants,
    pub(super) access: ArcSwap<Access>,
    /// true when polls shall end
    pub(super) stopping: watch::Receiver<bool>,
}

pub(super) type App = Arc<Shared>;

/// Who is at the other end of a connection, by the certificate that it showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Peer {
    pub(super) identities: Arc<[String]>,
}

/// All calls.
pub(super) fn router(app: &App) -> Router {
    let mut router = Router::new();
    for route in routes() {
        let handler = match route.scope {
            None => route.handler,
            Some(scope) => {
                let guard = middleware::from_fn_with_state((Arc::clone(app), scope), admit);
                route.handler.route_layer(guard)
            }
        };
        router = router.route(route.path, handler);
    }
    router
        .with_state(Arc::clone(app))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        // outermost: what the framework answers by itself is made a problem too
        .layer(middleware::from_fn(answer::finish))
}

/// Lets a call through to who may make it.
async fn admit(State((app, scope)): State<(App, Scope)>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().cloned().unwrap_or_default();
    match caller(&app.access.load(), request.headers(), &peer) {
        None => ApiError::Unauthenticated.into_response(),
        Some(caller) if !caller.may(scope) => {
            tracing::warn!(caller = caller.name, scope = scope.as_str(), "a call was refused");
            ApiError::ScopeMissing(scope).into_response()
        }
        Some(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
    }
}

/// Who calls: by the token if there is one, whatever it is worth; else by the certificate.
fn caller(access: &Access, headers: &HeaderMap, peer: &Peer) -> Option<Caller> {
    match headers.get(AUTHORIZATION) {
        Some(value) => {
            let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
            if !scheme.eq_ignore_ascii_case("bearer") {
                return None;
            }
            access.by_token(token.trim(), SystemTime::now()).cloned()
        }
        None => access.by_identities(&peer.identities).cloned(),
    }
}

type Who = Extension<Caller>;

/// A request's body.
const BODY_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests;
