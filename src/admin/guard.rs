//! Who may read what the admin port tells: whoever knows the content of a file, if there is one; else this machine.
//!
//! | | with the file | without it |
//! |---|---|---|
//! | probes | everybody | everybody |
//! | `/health` | everybody: well or not; the checks: who knows the secret | the checks: this machine |
//! | `/metrics` | who knows the secret | everybody: they name no tenant |
//! | all else | who knows the secret | this machine |
//!
//! The secret comes as `Authorization: Bearer …`, in `x-metrics-secret`, or once in the form of the page, which gives the
//! browser a session for it. What is asked for under a name of somebody else is refused before.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, FORWARDED, VIA, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::io::AsyncReadExt as _;
use zeroize::Zeroizing;

use super::hosts::Hosts;
use super::session::Sessions;
use super::{Admin, sign_in};

/// The guard. The file is read for every request, so that a new secret counts at once.
#[derive(Clone)]
pub struct Guard {
    file: PathBuf,
    hosts: Hosts,
    pub(super) sessions: Sessions,
}

impl Guard {
    /// Guards with the content of this file. `hosts` are the names under which the gateway is known, beside addresses and
    /// names of one label.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn new(file: PathBuf, hosts: impl IntoIterator<Item = String>) -> Result<Self, getrandom::Error> {
        Ok(Self { file, hosts: Hosts::new(hosts), sessions: Sessions::new()? })
    }

    /// The secret, if there is one.
    async fn secret(&self) -> Secret {
        let mut secret = Zeroizing::new(Vec::with_capacity(SECRET_BYTES_MAX));
        let read = async {
            let file = tokio::fs::File::open(&self.file).await?;
            file.take(SECRET_BYTES_MAX as u64).read_to_end(&mut secret).await
        };
        match read.await {
            Ok(_) => Secret::Is(Zeroizing::new(secret.trim_ascii().to_vec())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Secret::None,
            Err(error) => {
                tracing::warn!(%error, file = %self.file.display(), "the metrics secret cannot be read: refusing");
                Secret::Is(Zeroizing::default())
            }
        }
    }

    fn reader(&self, request: &Request, secret: &Secret) -> Reader {
        match secret {
            Secret::None if is_local(request) => Reader::Known,
            Secret::None => Reader::Remote,
            Secret::Is(secret) if self.knows(secret, request.headers()) => Reader::Known,
            Secret::Is(_) => Reader::Stranger,
        }
    }

    fn knows(&self, secret: &[u8], headers: &HeaderMap) -> bool {
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let header = headers.get("x-metrics-secret").map(HeaderValue::as_bytes);
        let is_sent = [bearer, header].into_iter().flatten().any(|sent| is_secret(sent, secret));
        is_sent || !secret.is_empty() && self.sessions.admit(headers, secret, SystemTime::now())
    }
}

/// What the file says.
pub(super) enum Secret {
    /// there is no file
    None,
    /// its content; nobody knows an empty one
    Is(Zeroizing<Vec<u8>>),
}

/// Whether this is the secret. Takes as long for any guess of a length.
pub(super) fn is_secret(sent: &[u8], secret: &[u8]) -> bool {
    // digests are of one length, so that the secret's own is not told
    !secret.is_empty() && bool::from(Sha256::digest(sent).ct_eq(&Sha256::digest(secret)))
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// knows the secret, or asks from this machine where there is none
    Known,
    /// asks over the network, and there is no secret
    Remote,
    /// does not know the secret
    Stranger,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// A proxy on this machine speaks for others.
fn is_local(request: &Request) -> bool {
    let is_forwarded = |headers: &HeaderMap| {
        [FORWARDED.as_str(), VIA.as_str(), "x-forwarded-for", "x-real-ip"]
            .iter()
            .any(|name| headers.contains_key(*name))
    };
    let peer = request.extensions().get::<Peer>();
    peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback()) && !is_forwarded(request.headers())
}

/// Lets through who may read, and tells the handler who it is. What is not said to be open is closed, whatever its path.
pub(super) async fn admit(State(admin): State<Admin>, mut request: Request, next: Next) -> Response {
    if PROBES.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    if !admin.guard.hosts.admit(request.uri(), request.headers()) {
        return (StatusCode::FORBIDDEN, FOREIGN_HOST).into_response();
    }
    let secret = admin.guard.secret().await;
    let reader = admin.guard.reader(&request, &secret);
    let path = request.uri().path();
    let is_admitted = match path {
        "/health" => true,
        "/metrics" => reader != Reader::Stranger,
        _ => reader == Reader::Known,
    };
    let is_page = path == "/";
    match (reader, secret) {
        _ if is_admitted => {
            request.extensions_mut().insert(reader);
            next.run(request).await
        }
        (Reader::Stranger, Secret::Is(secret)) if is_page => sign_in::answer(&admin, request, &secret).await,
        (Reader::Stranger, _) => refused("the metrics secret is missing or wrong").into_response(),
        (Reader::Known | Reader::Remote, _) => (StatusCode::FORBIDDEN, NO_SECRET).into_response(),
    }
}

/// The answer to who does not know the secret.
pub(super) fn refused<T>(body: T) -> (StatusCode, [(HeaderName, &'static str); 1], T) {
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer realm=\"sealgate\"")], body)
}

/// They tell the platform one word, and balancers and kubelets call them by any name.
const PROBES: [&str; 3] = ["/health/live", "/health/startup", "/health/ready"];
const SECRET_BYTES_MAX: usize = 4096;
const FOREIGN_HOST: &str =
    "the request's Host is no name of this gateway: ask by its address, or list the name in listen.admin_hosts";
const NO_SECRET: &str = "there is no metrics secret, so this is for the gateway's own machine: put one into the file metrics-secret-header-value beside the secret file";
