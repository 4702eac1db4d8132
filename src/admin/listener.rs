//! The accept loop of the admin port: few connections, short requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::guard::Peer;
use crate::edge::Handshake;

/// Serves until `shutdown` is true or its sender is gone.
pub async fn serve<T: Handshake>(
    listener: TcpListener,
    handshake: T,
    router: Router,
    mut shutdown: watch::Receiver<bool>,
) {
    let (handshake, room) = (Arc::new(handshake), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
    let graceful = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = shutdown.wait_for(|down| *down) => break,
            accepted = accept(&listener, &room) => accepted,
            Some(_) = tasks.join_next() => continue,
        };
        let Some((connection, peer, permit)) = accepted else { continue };
        let service = router.clone().layer(Extension(Peer(peer)));
        let (handshake, watcher) = (Arc::clone(&handshake), graceful.watcher());
        tasks.spawn(async move {
            let _permit = permit;
            let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake.shake(connection)).await;
            let Ok(Ok(transport)) = shaken else { return };
            let http = http();
            let connection =
                http.serve_connection(TokioIo::new(transport), TowerToHyperService::new(service)).into_owned();
            let limited = tokio::time::timeout(CONNECTION_TIMEOUT, watcher.watch(connection));
            if let Ok(Err(error)) = limited.await {
                tracing::debug!(%error, "an admin connection ended badly");
            }
        });
    }
    drop(listener);
    let _in_time = tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await;
    tasks.shutdown().await;
}

fn http() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    http.http2().timer(TokioTimer::new()).max_concurrent_streams(16);
    http
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((connection, peer)) => Some((connection, peer, permit)),
        Err(error) => {
            tracing::warn!(%error, "no admin connection was accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

const CONNECTIONS_MAX: usize = 64;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Scrapers and browsers come again.
const CONNECTION_TIMEOUT: Duration = Duration::from_mins(10);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
