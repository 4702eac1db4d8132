//! The accept loop of the admin port: few connections, short requests. A connection that is idle gives way when another
//! comes, so that whoever asks after our health is heard.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, Request};
use axum::{Extension, Router};
use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::guard::Peer;
use crate::edge::{Connection, Handshake, Places, Timed};

/// Serves until `shutdown` is true or its sender is gone.
pub async fn serve<T: Handshake>(
    listener: TcpListener,
    handshake: T,
    router: Router,
    mut shutdown: watch::Receiver<bool>,
) {
    let (handshake, places) = (Arc::new(handshake), Places::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    // accepted, and without a place so far
    let mut next: Option<(TcpStream, SocketAddr)> = None;
    loop {
        let address = next.as_ref().map_or(Ipv4Addr::UNSPECIFIED.into(), |(_, peer)| peer.ip());
        let place = tokio::select! {
            _ = shutdown.wait_for(|down| *down) => break,
            accepted = accept(&listener), if next.is_none() => {
                next = Some(accepted);
                continue;
            }
            place = places.place(address), if next.is_some() => place,
            Some(_) = tasks.join_next() => continue,
        };
        let Some((connection, peer)) = next.take() else { continue };
        let service = router.clone().layer(Extension(Peer(peer)));
        let (handshake, watcher) = (Arc::clone(&handshake), graceful.watcher());
        tasks.spawn(async move {
            let served = async {
                let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake.shake(connection)).await;
                let Ok(Ok(transport)) = shaken else { return };
                let (transport, _) = Timed::new(TokioIo::new(transport), FIRST_BYTES_TIMEOUT, WRITE_STALL_TIMEOUT);
                let of = Arc::clone(place.connection());
                let service = Marked { inner: TowerToHyperService::new(service), connection: of };
                let http = http();
                let connection = http.serve_connection(transport, service).into_owned();
                let limited = tokio::time::timeout(CONNECTION_TIMEOUT, watcher.watch(connection));
                if let Ok(Err(error)) = limited.await {
                    tracing::debug!(%error, "an admin connection ended badly");
                }
            };
            tokio::select! {
                () = served => {}
                () = place.gives_way() => {}
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

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "no admin connection was accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A service that marks its connection as busy while it works.
struct Marked<S> {
    inner: S,
    connection: Arc<Connection>,
}

impl<S> Service<Request<Incoming>> for Marked<S>
where
    S: Service<Request<Incoming>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        // a form waits for who sends it, and gives way like one that is idle
        let busy = (request.method() != Method::POST).then(|| self.connection.begin());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            drop(busy);
            answer
        })
    }
}

const CONNECTIONS_MAX: usize = 64;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// An orchestrator asks at once.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(5);
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Scrapers and browsers come again.
const CONNECTION_TIMEOUT: Duration = Duration::from_mins(10);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
