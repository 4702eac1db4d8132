//! The accept loop: connections under their limits, and the way out at shutdown.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use std::{future, io, pin::pin};

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::bounded::Bounded;
use super::connection::Connection;
use super::front::{Caller, Connected, Front, S3Handler};
use super::places::{Place, Places};
use super::timed::Timed;
use super::{Config, Surroundings, proxy, socket};

/// What happens between a TCP connection and HTTP: a TLS handshake, or nothing.
pub trait Handshake: Send + Sync + 'static {
    /// The transport that HTTP is spoken over.
    type Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Makes a transport of a connection, within [`Config::handshake_timeout`].
    fn shake(&self, connection: TcpStream) -> impl Future<Output = io::Result<Self::Transport>> + Send;

    /// The TLS version of a transport.
    fn version(transport: &Self::Transport) -> Option<&'static str>;
}

/// No TLS.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Handshake for Plain {
    type Transport = TcpStream;

    fn shake(&self, connection: TcpStream) -> impl Future<Output = io::Result<TcpStream>> + Send {
        future::ready(Ok(connection))
    }

    fn version(_: &TcpStream) -> Option<&'static str> {
        None
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
    around: Surroundings,
    shutdown: watch::Receiver<bool>,
) {
    let metrics = Arc::clone(&around.telemetry.metrics);
    let server = Arc::new(Server {
        handshake,
        http: http(&config),
        open: metrics.connections(LISTENER),
        failed: metrics.handshakes_failed(LISTENER),
        refused: metrics.refused_connections.clone(),
        flooded: metrics.refused_floods.clone(),
        front: Arc::new(Front::new(handler, config.clone(), around)),
        config: config.clone(),
        shutdown: shutdown.clone(),
    });
    let places = Places::new(config.connections_max);
    let mut tasks = JoinSet::new();
    let mut no_more = Box::pin(no_more(&listener, shutdown));
    // accepted, and without a place so far
    let mut next: Option<(TcpStream, SocketAddr)> = None;
    loop {
        let address = next.as_ref().map_or(Ipv4Addr::UNSPECIFIED.into(), |(_, peer)| peer.ip());
        tokio::select! {
            () = &mut no_more => break,
            accepted = accept(&listener), if next.is_none() => next = Some(accepted),
            place = places.place(address), if next.is_some() => {
                if let Some((connection, peer)) = next.take() {
                    tasks.spawn(Arc::clone(&server).connection(connection, peer, place));
                }
            }
            Some(_) = tasks.join_next() => {}
        }
    }
    drop(no_more);
    for (connection, peer) in next.into_iter().chain(waiting(listener)) {
        let Some(place) = places.try_place(peer.ip()) else { break };
        tasks.spawn(Arc::clone(&server).connection(connection, peer, place));
    }
    tracing::info!(connections = tasks.len(), "draining");
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(config.drain_timeout, all).await.is_err() {
        tracing::warn!(connections = tasks.len(), "connections are cut: they did not end in time");
    }
    tasks.shutdown().await;
}

struct Server<T, H> {
    handshake: T,
    http: auto::Builder<TokioExecutor>,
    front: Arc<Front<H>>,
    config: Config,
    shutdown: watch::Receiver<bool>,
    /// open connections
    open: Gauge,
    failed: Counter,
    /// closed because their network has its share
    refused: Counter,
    /// closed because too much came on them without progress
    flooded: Counter,
}

/// Counts a connection while it lives.
struct Counted(Gauge);

impl Counted {
    fn new(open: &Gauge) -> Self {
        open.inc();
        Self(open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl<T: Handshake, H: S3Handler> Server<T, H> {
    /// One connection from its first byte to its last.
    async fn connection(self: Arc<Self>, connection: TcpStream, peer: SocketAddr, mut place: Place) {
        let _counted = Counted::new(&self.open);
        let of = Arc::clone(place.connection());
        let shaken = async {
            let begun = tokio::time::timeout(self.config.handshake_timeout, self.shake(connection, peer, &mut place));
            begun.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        };
        let shaken = tokio::select! {
            shaken = shaken => shaken,
            // nothing was asked on it yet
            () = of.given_up.notified() => {
                tracing::debug!(%peer, "a connection that is half made gives way to others");
                return;
            }
        };
        let (transport, address) = match shaken {
            Ok(shaken) => shaken,
            Err(error) => {
                self.failed.inc();
                tracing::debug!(%peer, %error, "no handshake");
                return;
            }
        };
        let caller = Caller { address, tls: T::version(&transport) };
        let Config { first_bytes_timeout, write_stall_timeout, .. } = self.config;
        let held = self.front.budget().held_before_requests(address.ip());
        let transport = TokioIo::new(Bounded::new(transport, Arc::clone(place.connection()), held));
        let (transport, known) = Timed::new(transport, first_bytes_timeout, write_stall_timeout);
        let service = Connected { front: Arc::clone(&self.front), caller, connection: of };
        let mut connection = pin!(self.http.serve_connection(transport, service).into_owned());
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = leaving(self.shutdown.clone(), known) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = stalled(place.connection(), write_stall_timeout) => {
                tracing::debug!(%peer, "the client stopped reading an answer");
                connection.as_mut().graceful_shutdown();
                tokio::time::timeout(self.config.drain_timeout, connection).await.unwrap_or(Ok(()))
            }
            () = place.gives_way() => {
                tracing::debug!(%peer, "an idle connection gives way to others");
                return;
            }
        };
        if place.connection().is_flooded() {
            self.flooded.inc();
        }
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a connection ended badly");
        }
    }

    /// Everything before HTTP; the address is the one that a listed balancer names.
    async fn shake(
        &self,
        mut connection: TcpStream,
        peer: SocketAddr,
        place: &mut Place,
    ) -> io::Result<(T::Transport, SocketAddr)> {
        connection.set_nodelay(true)?;
        let Config { proxy_protocol_from, forwarded_from, .. } = &self.config;
        let address = if proxy::is_in(proxy_protocol_from, peer.ip()) {
            let address = proxy::read(&mut connection, peer).await?;
            place.moved(address.ip());
            address
        } else {
            peer
        };
        // a balancer speaks for many; whom it names in a PROXY header does not
        let is_one = !proxy::is_in(forwarded_from, address.ip()) && !proxy::is_in(proxy_protocol_from, address.ip());
        if is_one && !place.is_fair() {
            self.refused.inc();
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "its network has its share of connections"));
        }
        Ok((self.handshake.shake(connection).await?, address))
    }
}

/// Ends when a connection is to be closed at the end of the requests that it carries.
///
/// A connection on which nothing has come yet is most likely about to carry one: hyper would cut it.
async fn leaving(mut shutdown: watch::Receiver<bool>, known: oneshot::Receiver<()>) {
    _ = shutdown.wait_for(|down| *down).await;
    _ = tokio::time::timeout(BEGIN_TIMEOUT, known).await;
}

/// Ends when the client has left an answer of HTTP/2 for too long, beside others that it may still read.
async fn stalled(connection: &Connection, timeout: Duration) {
    loop {
        tokio::time::sleep(timeout / 4).await;
        if connection.has_stalled(timeout) {
            return;
        }
    }
}

/// Ends when the listener is to be closed: nobody but who waits to be accepted would notice.
async fn no_more(listener: &TcpListener, mut shutdown: watch::Receiver<bool>) {
    _ = shutdown.wait_for(|down| *down).await;
    match socket::ignore_new(listener) {
        Ok(()) => tokio::time::sleep(ARRIVAL).await,
        Err(error) => tracing::debug!(%error, "clients that connect just now may be refused"),
    }
}

/// Whoever the system let in before the listener closes, which this does.
fn waiting(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    // asked itself and not through the runtime, which may not have heard of them yet
    std::iter::from_fn(|| listener.accept().ok())
        .filter_map(|(connection, peer)| {
            connection.set_nonblocking(true).ok()?;
            Some((TcpStream::from_std(connection).ok()?, peer))
        })
        .collect()
}

fn http(config: &Config) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(config.head_timeout).max_buf_size(H1_BUFFER_BYTES);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.h2_streams_max)
        .max_header_list_size(H2_HEAD_BYTES_MAX)
        .max_send_buf_size(H2_SEND_BUFFER_BYTES)
        .keep_alive_interval(config.h2_ping_period)
        .keep_alive_timeout(config.h2_ping_timeout);
    http
}

/// The next connection.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                // a client that left again is of no matter; a process without descriptors must not spin
                tracing::warn!(%error, "no connection was accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// read at once, and as much waiting to be sent; a segment and its head fit in
const H1_BUFFER_BYTES: usize = 128 * 1024;
/// names and values of one request's headers: 8 KiB of session token, 2 KiB of metadata and more
const H2_HEAD_BYTES_MAX: u32 = 64 * 1024;
/// waiting to be sent, of one stream
const H2_SEND_BUFFER_BYTES: usize = 128 * 1024;
/// for a client whose connection is half made to make it
const ARRIVAL: Duration = Duration::from_millis(200);
/// for the first bytes of a connection, once the gateway is leaving
const BEGIN_TIMEOUT: Duration = Duration::from_secs(1);
/// in metrics
const LISTENER: &str = "s3";
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
