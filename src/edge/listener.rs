//! The accept loop: connections under their limits, and the way out at shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{future, io};

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::Config;
use super::front::{Connected, Front, S3Handler};
use super::timed::Timed;

/// What happens between a TCP connection and HTTP: a TLS handshake, or nothing.
pub trait Handshake: Send + Sync + 'static {
    /// The transport that HTTP is spoken over.
    type Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Makes a transport of a connection, within [`Config::handshake_timeout`].
    fn shake(&self, connection: TcpStream) -> impl Future<Output = io::Result<Self::Transport>> + Send;
}

/// No TLS.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Handshake for Plain {
    type Transport = TcpStream;

    fn shake(&self, connection: TcpStream) -> impl Future<Output = io::Result<TcpStream>> + Send {
        future::ready(Ok(connection))
    }
}

/// Serves S3 on a listener until `shutdown` is true or its sender is gone; then accepts nothing more and gives what is in
/// flight [`Config::drain_timeout`] to end.
///
/// The peer's [`SocketAddr`] and the [`RequestId`](super::RequestId) are in the extensions of every request.
pub async fn serve<T: Handshake, H: S3Handler>(
    listener: TcpListener,
    handshake: T,
    handler: H,
    config: Config,
    mut shutdown: watch::Receiver<bool>,
) {
    let server = Arc::new(Server {
        handshake,
        http: http(&config),
        front: Arc::new(Front::new(handler, config.clone())),
        config: config.clone(),
    });
    let room = Arc::new(Semaphore::new(config.connections_max));
    let graceful = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            _ = shutdown.wait_for(|down| *down) => break,
            (connection, peer, permit) = accept(&listener, &room) => {
                tasks.spawn(Arc::clone(&server).connection(connection, peer, graceful.watcher(), permit));
            }
            Some(_) = tasks.join_next() => {}
        }
    }
    drop(listener);
    tracing::info!(connections = tasks.len(), "draining");
    let ended = tokio::time::timeout(config.drain_timeout, graceful.shutdown()).await;
    if ended.is_err() {
        tracing::warn!(connections = tasks.len(), "connections are cut: they did not end in time");
    }
    tasks.shutdown().await;
}

struct Server<T, H> {
    handshake: T,
    http: auto::Builder<TokioExecutor>,
    front: Arc<Front<H>>,
    config: Config,
}

impl<T: Handshake, H: S3Handler> Server<T, H> {
    /// One connection from its first byte to its last; `permit` is its place among the open ones.
    async fn connection(
        self: Arc<Self>,
        connection: TcpStream,
        peer: SocketAddr,
        watcher: Watcher,
        permit: OwnedSemaphorePermit,
    ) {
        let _permit = permit;
        let shaken = tokio::time::timeout(self.config.handshake_timeout, async {
            connection.set_nodelay(true)?;
            self.handshake.shake(connection).await
        });
        let transport = match shaken.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(transport) => transport,
            Err(error) => {
                tracing::debug!(%peer, %error, "no handshake");
                return;
            }
        };
        let Config { first_bytes_timeout, write_stall_timeout, .. } = self.config;
        let transport = Timed::new(TokioIo::new(transport), first_bytes_timeout, write_stall_timeout);
        let service = Connected { front: Arc::clone(&self.front), peer };
        let connection = self.http.serve_connection(transport, service).into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%peer, %error, "a connection ended badly");
        }
    }
}

fn http(config: &Config) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(config.head_timeout);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.h2_streams_max)
        .max_header_list_size(H2_HEAD_BYTES_MAX)
        .max_send_buf_size(H2_SEND_BUFFER_BYTES)
        .keep_alive_interval(config.h2_ping_period)
        .keep_alive_timeout(config.h2_ping_timeout);
    http
}

/// The next connection, once there is room for one.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let Ok(permit) = Arc::clone(room).acquire_owned().await else { return future::pending().await };
    loop {
        match listener.accept().await {
            Ok((connection, peer)) => return (connection, peer, permit),
            Err(error) => {
                // a client that left again is of no matter; a process without descriptors must not spin
                tracing::warn!(%error, "no connection was accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// names and values of one request's headers: 8 KiB of session token, 2 KiB of metadata and more
const H2_HEAD_BYTES_MAX: u32 = 64 * 1024;
/// waiting to be sent, of one stream
const H2_SEND_BUFFER_BYTES: usize = 128 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
