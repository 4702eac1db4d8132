//! One connection to the KMS: TLS, one request after another, each with one answer.
//!
//! A request goes out in one write, because servers lose parts of one that stalls, and the next is sent only when the
//! answer is in. An answer's 8 header bytes are checked against the limits before the rest is read, into one buffer of
//! fixed size that is wiped before it is used again and when the connection ends: answers hold keys.
//!
//! One limit of time holds for each address to connect to, and one for a request and its answer together, so that a
//! server which drips bytes is cut as well.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, ProtocolVersion,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use zeroize::{Zeroize, Zeroizing};

use super::{
    config::{Address, Addresses},
    error::{KmsError, TransportError},
    messages::{ANSWER_LIMITS, answer_bytes},
    tls,
    ttlv::HEADER_BYTES,
};
use crate::outbound::tunnelled;

/// How connections are made.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) addresses: Addresses,
    pub(super) server_name: Option<ServerName<'static>>,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) timeout: Duration,
}

/// A connection that waits for a request.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: Zeroizing<Vec<u8>>,
    peer: String,
    answers: usize,
}

impl Connector {
    /// Connects to the first address that lets it; names are resolved to all their addresses.
    pub(super) async fn connect(&self) -> Result<Connection, TransportError> {
        let mut failures = Vec::new();
        for address in self.addresses.iter() {
            match self.connect_address(address).await {
                Ok(connection) => return Ok(connection),
                Err(reason) => failures.push(reason),
            }
        }
        Err(TransportError::Unreachable(failures.join("; ")))
    }

    /// Connects to one address; why not is told in words.
    pub(super) async fn connect_address(&self, address: &Address) -> Result<Connection, String> {
        let name = format!("{}:{}", address.host.as_str(), address.port);
        let server_name = match &self.server_name {
            Some(given) => given.clone(),
            None => tls::server_name(address.host.as_str()).map_err(|error| error.to_string())?,
        };
        match timeout(self.timeout, tunnelled(address.host.as_str(), address.port)).await {
            Ok(None) => {}
            Ok(Some(tunnel)) => {
                let handshake = async { self.secured(tunnel?, server_name).await };
                return match timeout(self.timeout, handshake).await {
                    Ok(Ok(stream)) => Ok(Connection::new(stream, name)),
                    Ok(Err(error)) => Err(format!("{name} (through the proxy): {error}")),
                    Err(_) => Err(format!("{name} (through the proxy): not connected within {:?}", self.timeout)),
                };
            }
            Err(_) => return Err(format!("{name}: the proxy makes no tunnel within {:?}", self.timeout)),
        }
        let targets = match timeout(self.timeout, lookup_host((address.host.as_str(), address.port))).await {
            Ok(Ok(targets)) => targets.take(TARGETS_MAX).collect::<Vec<_>>(),
            Ok(Err(error)) => return Err(format!("{name}: {error}")),
            Err(_) => return Err(format!("{name}: its name is not resolved within {:?}", self.timeout)),
        };
        let mut failure = format!("{name}: its name has no address");
        for target in targets {
            match timeout(self.timeout, self.connect_target(target, server_name.clone())).await {
                Ok(Ok(stream)) => return Ok(Connection::new(stream, name)),
                Ok(Err(error)) => failure = format!("{name} ({}): {error}", target.ip()),
                Err(_) => failure = format!("{name} ({}): not connected within {:?}", target.ip(), self.timeout),
            }
        }
        Err(failure)
    }

    async fn connect_target(
        &self,
        target: SocketAddr,
        server_name: ServerName<'static>,
    ) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        self.secured(stream, server_name).await
    }

    async fn secured(&self, stream: TcpStream, server_name: ServerName<'static>) -> io::Result<TlsStream<TcpStream>> {
        TlsConnector::from(Arc::clone(&self.tls)).connect(server_name, stream).await
    }
}

impl Connection {
    fn new(stream: TlsStream<TcpStream>, peer: String) -> Self {
        Self { stream, buffer: Zeroizing::new(vec![0; ANSWER_LIMITS.bytes_max]), peer, answers: 0 }
    }

    /// Whether the server has answered on it before: if it now is closed, it was alive once and may be opened again.
    pub(super) fn has_answered(&self) -> bool {
        self.answers > 0
    }

    /// Sends a request and reads its answer, both within `limit`.
    pub(super) async fn exchange(&mut self, request: &[u8], limit: Duration) -> Result<&[u8], KmsError> {
        self.buffer.as_mut_slice().zeroize();
        let deadline = Instant::now() + limit;
        match timeout_at(deadline, self.write(request)).await {
            Ok(written) => written.map_err(|source| KmsError::Write(self.failed(source)))?,
            Err(_) => return Err(KmsError::Write(self.timed_out(limit))),
        }
        let bytes = match timeout_at(deadline, self.read()).await {
            Ok(read) => read?,
            Err(_) => return Err(KmsError::Read(self.timed_out(limit))),
        };
        self.answers += 1;
        Ok(self.buffer.get(..bytes).unwrap_or_default())
    }

    /// The version of TLS that both sides agreed on.
    pub(super) fn tls_version(&self) -> &'static str {
        match self.stream.get_ref().1.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        }
    }

    /// The certificates that the server showed, its own first.
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        self.stream.get_ref().1.peer_certificates().unwrap_or_default()
    }

    /// Says goodbye, so that the server logs no fault. Whether it listens does not matter.
    pub(super) async fn close(mut self) {
        timeout(CLOSE_TIME, self.stream.shutdown()).await.ok();
    }

    async fn write(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await?;
        self.stream.flush().await
    }

    async fn read(&mut self) -> Result<usize, KmsError> {
        let mut header = [0; HEADER_BYTES];
        self.stream.read_exact(&mut header).await.map_err(|source| KmsError::Read(self.failed(source)))?;
        let bytes = answer_bytes(header)?;
        let (start, rest) = self.buffer.split_at_mut(HEADER_BYTES);
        start.copy_from_slice(&header);
        let rest = rest.get_mut(..bytes - HEADER_BYTES).unwrap_or_default();
        match self.stream.read_exact(rest).await {
            Ok(_) => Ok(bytes),
            Err(source) => Err(KmsError::Read(self.failed(source))),
        }
    }

    fn failed(&self, source: io::Error) -> TransportError {
        TransportError::Io { peer: self.peer.clone(), source }
    }

    fn timed_out(&self, limit: Duration) -> TransportError {
        TransportError::Timeout { peer: self.peer.clone(), limit }
    }
}

/// Of a name's addresses, as many are tried.
const TARGETS_MAX: usize = 8;
const CLOSE_TIME: Duration = Duration::from_secs(1);
