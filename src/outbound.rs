//! Where connections to other servers go: straight there, or through the proxy that the environment names.
//!
//! `HTTPS_PROXY` (or `ALL_PROXY`) holds for the store, the Coordinator, the KMS and the collector of traces, wherever they
//! are spoken to with TLS; `NO_PROXY` lists what is reached without it: names with all below them, addresses, networks, `*`.
//! Each may be written in small letters too, and all mean what they mean to curl. The proxy makes a tunnel by CONNECT
//! (RFC 9110, section 9.3.6), so that it sees the name of the server and ciphertext. It never stands before loopback.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

/// What the environment said at the start.
static PROXIES: LazyLock<Proxies> = LazyLock::new(|| Proxies::told_by(|name| std::env::var(name).ok()));

/// Before which servers the proxy stands.
struct Proxies {
    matcher: Matcher,
    /// the variable that names it, where it cannot be read: what it stands before is then not reached at all
    unreadable: Option<&'static str>,
}

impl Proxies {
    fn told_by(environment: impl Fn(&str) -> Option<String>) -> Self {
        let of = |names: &[&'static str]| {
            names.iter().find_map(|name| Some((*name, environment(name).filter(|text| !text.is_empty())?)))
        };
        let (name, proxy) = of(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]).unzip();
        let (_, left_out) = of(&["NO_PROXY", "no_proxy"]).unzip();
        let matching = |proxy| Matcher::builder().https(proxy).no(left_out.clone().unwrap_or_default()).build();
        let matcher = matching(proxy.clone().unwrap_or_default());
        let is_readable = |proxy: String| {
            Matcher::builder().https(proxy).build().intercept(&Uri::from_static("https://server.example")).is_some()
        };
        if proxy.is_none_or(is_readable) {
            return Self { matcher, unreadable: None };
        }
        Self { matcher: matching("http://proxy.invalid".to_owned()), unreadable: name }
    }
}

/// Any error of a connection.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Connects by TCP, through the proxy where there is one for the server.
#[derive(Clone, Debug)]
pub(crate) struct Outbound<C> {
    direct: C,
}

impl<C> Outbound<C> {
    /// With what makes the connections, those to the proxy too.
    pub(crate) const fn new(direct: C) -> Self {
        Self { direct }
    }
}

impl<C> Service<Uri> for Outbound<C>
where
    C: Service<Uri, Response = TokioIo<TcpStream>> + Clone,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.direct.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        match proxy_of(&PROXIES, &server) {
            None => {
                let connecting = self.direct.call(server);
                Box::pin(async move { connecting.await.map_err(Into::into) })
            }
            Some(Err(unusable)) => Box::pin(std::future::ready(Err(unusable.into()))),
            Some(Ok(proxy)) => {
                let connecting = tunnel(&proxy, self.direct.clone()).call(server);
                Box::pin(async move { connecting.await.map_err(Into::into) })
            }
        }
    }
}

/// A connection to a server through its proxy; `None` if it has none.
pub(crate) async fn tunnelled(host: &str, port: u16) -> Option<io::Result<TcpStream>> {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let server = Uri::try_from(format!("https://{host}:{port}")).ok()?;
    let connected = match proxy_of(&PROXIES, &server)? {
        Err(unusable) => Err(io::Error::other(unusable)),
        Ok(proxy) => {
            let mut direct = HttpConnector::new();
            direct.set_nodelay(true);
            tunnel(&proxy, direct).call(server).await.map_err(io::Error::other)
        }
    };
    Some(connected.map(TokioIo::into_inner))
}

/// The proxy cannot be used. Its address may hold a password and is not told.
#[derive(Debug, thiserror::Error)]
enum UnusableProxy {
    #[error("the proxy in the environment must be an http:// address: a {0}:// one is not served")]
    Kind(String),
    #[error("the proxy in the environment must be an http:// address: {0} cannot be read")]
    Unreadable(&'static str),
}

fn proxy_of(proxies: &Proxies, server: &Uri) -> Option<Result<Intercept, UnusableProxy>> {
    if server.scheme() != Some(&Scheme::HTTPS) || server.host().is_some_and(is_loopback) {
        return None;
    }
    let proxy = proxies.matcher.intercept(server)?;
    Some(match (proxies.unreadable, proxy.uri().scheme_str()) {
        (Some(name), _) => Err(UnusableProxy::Unreadable(name)),
        (None, Some("http")) => Ok(proxy),
        (None, other) => Err(UnusableProxy::Kind(other.unwrap_or_default().to_owned())),
    })
}

fn tunnel<C>(proxy: &Intercept, direct: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.uri().clone(), direct);
    match proxy.basic_auth() {
        Some(password) => tunnel.with_auth(password.clone()),
        None => tunnel,
    }
}

/// Whether a name or an address means this machine, wherever it is asked (RFC 6761, section 6.3).
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = host.trim_end_matches('.');
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        || name.eq_ignore_ascii_case(LOCALHOST)
        || is_below_localhost(name)
}

/// Whether a name is one under `localhost`.
pub(crate) fn is_below_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let above = name.len().checked_sub(LOCALHOST.len() + 1).and_then(|at| name.get(at..));
    above.and_then(|end| end.strip_prefix('.')).is_some_and(|end| end.eq_ignore_ascii_case(LOCALHOST))
}

const LOCALHOST: &str = "localhost";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_under_localhost_are_below_it() {
        for (name, is) in [
            ("bucket.localhost", true),
            ("a.b.LOCALHOST.", true),
            ("localhost", false),
            ("notlocalhost", false),
            ("localhost.example", false),
            ("ü", false),
        ] {
            assert_eq!(is_below_localhost(name), is, "{name}");
        }
        for (host, is) in [
            ("localhost", true),
            ("store.localhost", true),
            ("127.0.0.2", true),
            ("[::1]", true),
            ("::1", true),
            ("10.0.0.1", false),
            ("store.example", false),
        ] {
            assert_eq!(is_loopback(host), is, "{host}");
        }
    }

    fn proxies(proxy: &str) -> Proxies {
        Proxies::told_by(|name| match name {
            "https_proxy" => Some(proxy.to_owned()),
            "ALL_PROXY" => Some("http://another:1".to_owned()),
            "NO_PROXY" => Some("kms.internal, 10.0.0.0/8".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn a_proxy_stands_before_all_that_speak_tls_but_those_left_out() {
        let found = proxies("http://user:password@proxy:3128");
        let of = |server: &str| proxy_of(&found, &server.parse().unwrap());
        let proxy = of("https://store.example:8333").unwrap().unwrap();
        assert_eq!(proxy.uri().authority().unwrap().port_u16(), Some(3128));
        assert_eq!(proxy.basic_auth().unwrap(), "Basic dXNlcjpwYXNzd29yZA==");
        for direct in [
            "http://store.example",
            "https://kms.internal:5696",
            "https://a.kms.internal",
            "https://10.2.3.4",
            "https://127.0.0.1:9000",
            "https://bucket.localhost",
            "https://[::1]",
        ] {
            assert!(of(direct).is_none(), "{direct}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_read_is_not_passed_over() {
        for unreadable in ["http://user:password@[proxy", "http://user:password@ proxy:1", "http:///"] {
            let found = proxies(unreadable);
            let of = |server: &str| proxy_of(&found, &server.parse().unwrap());
            let refusal = of("https://store.example").unwrap().unwrap_err().to_string();
            assert!(refusal.contains("https_proxy") && !refusal.contains("password"), "{refusal}");
            assert!(of("https://kms.internal").is_none() && of("http://store.example").is_none());
        }
        assert!(
            proxy_of(&proxies(""), &"https://store.example".parse().unwrap()).unwrap().is_ok(),
            "the other variable's"
        );
        let nothing = Proxies::told_by(|_| None);
        assert!(proxy_of(&nothing, &"https://store.example".parse().unwrap()).is_none());
    }

    #[test]
    fn a_proxy_of_another_kind_is_refused_and_its_password_not_told() {
        let found = proxies("socks5://user:password@proxy:1080");
        let refusal = proxy_of(&found, &"https://store.example".parse().unwrap()).unwrap().unwrap_err().to_string();
        assert!(refusal.contains("socks5://") && !refusal.contains("password@"), "{refusal}");
    }
}
