//! The listener: TLS if there are certificates, HTTP/1.1, limits, and the way out at shutdown.

use std::future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::access::identities;
use super::api::Peer;

/// What TLS speaks with at the moment; none: plain HTTP.
pub(super) type LiveTls = Arc<ArcSwapOption<ServerConfig>>;

/// Serves until `stopping` is true, then gives what is in flight its time.
pub(super) async fn serve(listener: TcpListener, router: Router, tls: LiveTls, mut stopping: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => break,
            (connection, peer, permit) = accept(&listener, &room) => {
                let tls = tls.load_full();
                tasks.spawn(serve_one(connection, peer, tls, router.clone(), graceful.watcher(), permit));
            }
            Some(_) = tasks.join_next() => {}
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "connections are cut: they did not end in time");
    }
    tasks.shutdown().await;
}

async fn serve_one(
    connection: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    watcher: Watcher,
    permit: OwnedSemaphorePermit,
) {
    let _permit = permit;
    if let Err(error) = connection.set_nodelay(true) {
        tracing::debug!(%peer, %error, "small answers may be delayed");
    }
    let ended = match tls {
        None => speak(connection, router.layer(Extension(Peer::default())), watcher).await,
        Some(config) => {
            let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(config).accept(connection));
            match shaken.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Err(error) => Err(error.to_string()),
                Ok(stream) => {
                    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                    let identities = certificate.map(|certificate| identities(certificate)).unwrap_or_default();
                    speak(stream, router.layer(Extension(Peer { identities: identities.into() })), watcher).await
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, error, "a connection ended badly");
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    watcher: Watcher,
) -> Result<(), String> {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    watcher.watch(connection).await.map_err(|error| error.to_string())
}

/// The next connection, once there is room for one.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let Ok(permit) = Arc::clone(room).acquire_owned().await else { return future::pending().await };
    loop {
        match listener.accept().await {
            Ok((connection, peer)) => return (connection, peer, permit),
            Err(error) => {
                tracing::warn!(%error, "no connection was accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Open connections, waiting polls among them; further ones wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 10_000;
/// A request's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Also how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
