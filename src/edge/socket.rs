//! Listening sockets that a second process can share, so that it can take over without a refused connection.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Listens on an address. On Linux several processes of one user can: new connections are spread over all that listen.
///
/// # Errors
/// If the system does not let it.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    // a free port must be one's own
    if address.port() != 0 {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Passes over whoever begins to connect from now on: the client asks again a second later, and finds who listens then.
///
/// Who is connecting already comes through. A listener that is closed without this resets the connections that come
/// between its last accept and its end.
///
/// # Errors
/// If the system has no such filter.
pub(super) fn ignore_new(listener: &TcpListener) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return socket2::SockRef::from(listener).attach_filter(&linux::NO_SYN);
    #[cfg(not(target_os = "linux"))]
    Err(io::ErrorKind::Unsupported.into())
}

/// Classic BPF over TCP segments, from their headers on (Linux, `Documentation/networking/filter.rst`).
#[cfg(target_os = "linux")]
mod linux {
    use socket2::SockFilter;

    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    /// offset of the flags (RFC 9293 section 3.1)
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;

    /// Drops the first segment of a connection.
    pub(super) const NO_SYN: [SockFilter; 5] = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
}

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_listener_shares_a_port_that_was_asked_for() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let taken = first.local_addr().unwrap();
        assert!(bind(taken).is_err(), "a port that was picked freely is not shared");
        drop(first);
        let first = bind(taken).unwrap();
        let second = bind(taken).unwrap();
        assert_eq!(first.local_addr().unwrap(), second.local_addr().unwrap());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn who_connects_while_a_listener_leaves_finds_the_other() {
        use std::collections::HashSet;

        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        drop(first);
        let leaving = bind(address).unwrap();
        let before = std::net::TcpStream::connect(address).unwrap();
        ignore_new(&leaving).unwrap();
        let clients = [(); 20].map(|()| tokio::spawn(tokio::net::TcpStream::connect(address)));
        let staying = bind(address).unwrap();
        let (accepted, peer) = leaving.accept().await.unwrap();
        assert_eq!(peer, before.local_addr().unwrap());
        drop((accepted, leaving));
        let (mut connected, mut accepted) = (HashSet::new(), HashSet::new());
        for client in clients {
            connected.insert(client.await.unwrap().unwrap().local_addr().unwrap());
            accepted.insert(staying.accept().await.unwrap().1);
        }
        assert_eq!(connected, accepted);
    }
}
