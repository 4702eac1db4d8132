//! Who is behind a balancer: the PROXY protocol before HTTP (versions 1 and 2), and `X-Forwarded-For` in it. Both are
//! believed from listed networks alone, and from those the PROXY header is required.

use std::io;
use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;
use ppp::{HeaderResult, v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Reads the header that a balancer begins a connection with, to its last byte and not further. The address that it
/// names, or `peer` if it names none (health checks of the balancer itself).
pub(super) async fn read(connection: &mut (impl AsyncRead + Unpin), peer: SocketAddr) -> io::Result<SocketAddr> {
    let mut header = [0; HEADER_BYTES_MAX];
    connection.read_exact(&mut header[..SIGNATURE.len()]).await?;
    let length = if header[..SIGNATURE.len()] == *SIGNATURE {
        connection.read_exact(&mut header[SIGNATURE.len()..V2_HEAD_BYTES]).await?;
        let rest = usize::from(u16::from_be_bytes([header[14], header[15]]));
        let end = V2_HEAD_BYTES + rest;
        let part = header.get_mut(V2_HEAD_BYTES..end).ok_or_else(malformed)?;
        connection.read_exact(part).await?;
        end
    } else if header.starts_with(b"PROXY ") {
        line(connection, &mut header).await?
    } else {
        return Err(malformed());
    };
    source(header.get(..length).unwrap_or_default(), peer)
}

/// The rest of a version 1 header, byte by byte up to its line end: what follows belongs to HTTP or TLS.
async fn line(connection: &mut (impl AsyncRead + Unpin), header: &mut [u8]) -> io::Result<usize> {
    let mut length = SIGNATURE.len();
    while header.get(length - 1) != Some(&b'\n') {
        if length == V1_BYTES_MAX {
            return Err(malformed());
        }
        header[length] = connection.read_u8().await?;
        length += 1;
    }
    Ok(length)
}

fn source(header: &[u8], peer: SocketAddr) -> io::Result<SocketAddr> {
    match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(header)) => Ok(match header.addresses {
            v1::Addresses::Tcp4(addresses) => (addresses.source_address, addresses.source_port).into(),
            v1::Addresses::Tcp6(addresses) => (addresses.source_address, addresses.source_port).into(),
            v1::Addresses::Unknown => peer,
        }),
        HeaderResult::V2(Ok(header)) => Ok(match (header.command, header.addresses) {
            (v2::Command::Proxy, v2::Addresses::IPv4(from)) => (from.source_address, from.source_port).into(),
            (v2::Command::Proxy, v2::Addresses::IPv6(from)) => (from.source_address, from.source_port).into(),
            (v2::Command::Proxy | v2::Command::Local, _) => peer,
        }),
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => Err(malformed()),
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the connection does not begin with a PROXY protocol header")
}

/// Whether an address lies in one of the networks; an IPv4 address in IPv6 clothing counts as itself.
pub(super) fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// The client that a request comes from: the last address of `X-Forwarded-For` that is no proxy of ours, if the peer
/// is one.
pub(super) fn client(headers: &HeaderMap, peer: SocketAddr, proxies: &[IpNet]) -> SocketAddr {
    let mut client = peer;
    let values = headers.get_all("x-forwarded-for").into_iter().rev();
    let hops = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.rsplit(','));
    for hop in hops {
        if !is_in(proxies, client.ip()) {
            break;
        }
        let Some(address) = parse_hop(hop.trim()) else { break };
        client = address;
    }
    client
}

/// An address with or without a port.
fn parse_hop(text: &str) -> Option<SocketAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    text.parse().ok().or_else(|| bare.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 0)))
}

/// How a version 2 header begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_HEAD_BYTES: usize = 16;
/// By the specification of version 1.
const V1_BYTES_MAX: usize = 107;
/// A version 2 header with addresses and a few extensions.
const HEADER_BYTES_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn peer() -> SocketAddr {
        "10.0.0.9:1".parse().unwrap()
    }

    async fn read_of(bytes: &[u8]) -> (io::Result<SocketAddr>, Vec<u8>) {
        let mut rest = bytes;
        let address = read(&mut rest, peer()).await;
        (address, rest.to_vec())
    }

    #[tokio::test]
    async fn a_line_of_version_1_names_the_client_and_nothing_after_it_is_taken() {
        let (address, rest) = read_of(b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 443\r\nGET / HTTP/1.1").await;
        assert_eq!(address.unwrap(), "192.0.2.7:5000".parse().unwrap());
        assert_eq!(rest, b"GET / HTTP/1.1");
        let (address, _) = read_of(b"PROXY UNKNOWN\r\n").await;
        assert_eq!(address.unwrap(), peer());
    }

    #[tokio::test]
    async fn a_header_of_version_2_names_the_client() {
        let addresses = (("2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap()), "::1".parse().unwrap());
        let addresses = v2::IPv6::new(addresses.0, addresses.1, 7, 443);
        let header =
            v2::Builder::with_addresses(v2::Version::Two | v2::Command::Proxy, v2::Protocol::Stream, addresses);
        let mut bytes = header.build().unwrap();
        bytes.extend_from_slice(b"rest");
        let (address, rest) = read_of(&bytes).await;
        assert_eq!(address.unwrap(), "[2001:db8::1]:7".parse().unwrap());
        assert_eq!(rest, b"rest");
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        let long = [b"PROXY ".as_slice(), &[b'x'; 200]].concat();
        let huge = [SIGNATURE.as_slice(), &[0x21, 0x11, 0xff, 0xff]].concat();
        let cases = [b"GET / HTTP/1.1\r\n".as_slice(), b"PROXY nonsense\r\n", &long, &huge, b"", b"PROXY TCP4 1.2.3.4"];
        for bytes in cases {
            assert!(read_of(bytes).await.0.is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn forwarded_addresses_are_believed_from_proxies_alone() {
        let proxies: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_static("1.1.1.1, 192.0.2.7"));
        headers.append("x-forwarded-for", HeaderValue::from_static("10.1.1.1"));
        assert_eq!(
            client(&headers, peer(), &proxies).ip().to_string(),
            "192.0.2.7",
            "1.1.1.1 is the client's own claim"
        );
        assert_eq!(client(&headers, peer(), &[]), peer());
        let stranger = "203.0.113.1:9".parse().unwrap();
        assert_eq!(client(&headers, stranger, &proxies), stranger);
        headers.insert("x-forwarded-for", HeaderValue::from_static("nonsense"));
        assert_eq!(client(&headers, peer(), &proxies), peer());
        headers.insert("x-forwarded-for", HeaderValue::from_static("[2001:db8::7]:44"));
        assert_eq!(client(&headers, peer(), &proxies), "[2001:db8::7]:44".parse().unwrap());
    }
}
