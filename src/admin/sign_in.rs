//! The page for who does not know the secret yet: a form that asks for it, and a session for who does.

use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{Html, IntoResponse as _, Response};
use zeroize::Zeroizing;

use super::Admin;
use super::guard::{is_secret, refused};

/// The form, or the session that a good secret in it is given.
pub(super) async fn answer(admin: &Admin, request: Request, secret: &[u8]) -> Response {
    match *request.method() {
        Method::GET | Method::HEAD => refused(Html(FORM)).into_response(),
        Method::POST => match sent(request).await {
            Ok(sent) => session(admin, &sent, secret),
            Err(status) => status.into_response(),
        },
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn session(admin: &Admin, sent: &[u8], secret: &[u8]) -> Response {
    if !is_secret(sent, secret) {
        return refused(Html(FORM.replace(" hidden", ""))).into_response();
    }
    let Some(cookie) = admin.guard.sessions.cookie(secret, SystemTime::now(), admin.is_tls) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut headers = HeaderMap::new();
    headers.insert(SET_COOKIE, cookie);
    headers.insert(LOCATION, HeaderValue::from_static("./"));
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// The field `secret` of the form.
async fn sent(request: Request) -> Result<Zeroizing<Vec<u8>>, StatusCode> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
    {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let body = tokio::time::timeout(FORM_TIMEOUT, form(request.into_body())).await;
    let body = body.map_err(|_| StatusCode::REQUEST_TIMEOUT)??;
    let field = form_urlencoded::parse(&body).find(|(name, _)| name == "secret");
    let (_, secret) = field.ok_or(StatusCode::BAD_REQUEST)?;
    Ok(Zeroizing::new(secret.trim().as_bytes().to_vec()))
}

async fn form(body: Body) -> Result<Bytes, StatusCode> {
    to_bytes(body, FORM_BYTES_MAX).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)
}

/// A secret of the greatest length, each byte of it as `%xx`, and the name of the field.
const FORM_BYTES_MAX: usize = 16 << 10;
const FORM_TIMEOUT: Duration = Duration::from_secs(10);
const FORM: &str = include_str!("sign_in.html");
