//! The API over a database in an empty folder, called in this process.

mod access_keys;
mod changes;
mod gateways;
mod lists;
mod refusals;
mod tenants;

use std::cell::Cell;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::coordinator::access::new_token;
use crate::coordinator::kek::Keks;
use crate::coordinator::store::{SqliteStore, Store};

/// The API, and those who may call it.
pub(super) struct Api {
    pub(super) app: App,
    pub(super) stop: watch::Sender<bool>,
    tokens: Vec<(&'static str, String)>,
    as_who: Cell<&'static str>,
    _folder: TempDir,
}

/// An answer.
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Api {
    pub(super) async fn new() -> Self {
        Self::keeping(100).await
    }

    /// One that keeps so many tombstones.
    pub(super) async fn keeping(tombstones_max: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(&folder.path().join("tenants.db"), tombstones_max).unwrap());
        let tenants = Tenants::open(store, Keks::from_base64(&STANDARD.encode([7; 32]), []).unwrap()).await.unwrap();
        let callers = [
            ("reader", vec![Scope::TenantsRead]),
            ("gateway", vec![Scope::TenantsRead, Scope::TenantsKeys, Scope::StatusWrite]),
            ("admin", vec![Scope::TenantsRead, Scope::TenantsWrite]),
        ];
        let made = callers.map(|(name, scopes)| (name, new_token(name, &scopes).unwrap()));
        let entries: Vec<_> = made.iter().map(|(_, (_, entry))| entry).collect();
        let certificates = json!([{"name": "mtls", "identity": "uri:spiffe://gw", "scopes": ["tenants:read"]}]);
        let file = json!({"tokens": entries, "certificates": certificates}).to_string();
        let access = ArcSwap::from_pointee(Access::parse(file.as_bytes()).unwrap());
        let (stop, stopping) = watch::channel(false);
        let tokens = made.iter().map(|(name, (token, _))| (*name, token.as_str().to_owned())).collect();
        let app = Arc::new(Shared { tenants, access, stopping });
        Self { app, stop, tokens, as_who: Cell::new("admin"), _folder: folder }
    }

    /// From now on this one calls.
    pub(super) fn by(&self, who: &'static str) -> &Self {
        self.as_who.set(who);
        self
    }

    pub(super) fn token(&self, who: &str) -> &str {
        self.tokens.iter().find(|(name, _)| *name == who).map(|(_, token)| token.as_str()).unwrap()
    }

    pub(super) async fn get(&self, path: &str) -> Told {
        self.send(Method::GET, path, &[], String::new()).await
    }

    /// A change of something that is there.
    pub(super) async fn change(&self, method: Method, path: &str, body: &Value) -> Told {
        self.send(method, path, &[("if-match", "*")], body.to_string()).await
    }

    /// A new tenant.
    pub(super) async fn create(&self, id: &str, spec: &Value) -> Told {
        self.send(Method::PUT, &format!("/v1/tenants/{id}"), &[("if-none-match", "*")], spec.to_string()).await
    }

    pub(super) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: String) -> Told {
        let bearer = format!("Bearer {}", self.token(self.as_who.get()));
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend(headers);
        self.send_bare(method, path, &all, body).await
    }

    /// Without a token.
    pub(super) async fn send_bare(&self, method: Method, path: &str, headers: &[(&str, &str)], body: String) -> Told {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send_request(request.body(Body::from(body)).unwrap()).await
    }

    pub(super) async fn send_request(&self, request: http::Request<Body>) -> Told {
        let answer = TowerToHyperService::new(router(&self.app)).call(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Told { status: head.status, headers: head.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub(super) fn statements(&self) -> u64 {
        self.app.tenants.store().statements()
    }

    pub(super) fn epoch(&self) -> String {
        self.app.tenants.store().watch().borrow().epoch.clone()
    }
}

impl Told {
    /// The body, if the call was done.
    #[track_caller]
    pub(super) fn done(&self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text);
        if self.text.is_empty() { Value::Null } else { serde_json::from_str(&self.text).unwrap() }
    }

    /// The detail, if the call was refused so.
    #[track_caller]
    pub(super) fn refused(&self, status: u16, code: &str) -> String {
        let problem: Value = serde_json::from_str(&self.text).unwrap_or_default();
        assert_eq!((self.status.as_u16(), problem["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(problem["status"], status);
        problem["detail"].as_str().unwrap().to_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A seed of 48 bytes of this value.
pub(super) fn seed(byte: u8) -> String {
    STANDARD.encode([byte; 48])
}

/// A public tenant with a seed of its own.
pub(super) fn public() -> Value {
    json!({"zero_knowledge": false, "key_seed": seed(1)})
}
