//! Under which names the admin port may be asked.
//!
//! A page of a stranger can let a name of its own resolve to this machine, and so make a browser read from here (DNS
//! rebinding). Such a request names the stranger's host. Taken are addresses, which nobody can let resolve elsewhere, names
//! of one label and those below `localhost`, which nobody can buy, and the names that the operator lists.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};

/// Names of this gateway.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts(Arc<HashSet<String>>);

impl Hosts {
    pub(super) fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(Arc::new(names.into_iter().map(|name| plain(&name)).collect()))
    }

    /// Whether a request names this gateway: everywhere where it names a host, and at least once.
    pub(super) fn admit(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let in_target = uri.authority().map(|authority| self.is_ours(authority));
        let in_headers = headers.get_all(HOST).iter().map(|host| {
            let authority = Authority::try_from(host.as_bytes());
            authority.is_ok_and(|authority| self.is_ours(&authority))
        });
        let mut named = in_target.into_iter().chain(in_headers).peekable();
        named.peek().is_some() && named.all(|is_ours| is_ours)
    }

    fn is_ours(&self, authority: &Authority) -> bool {
        if authority.as_str().contains('@') {
            return false;
        }
        let host = authority.host();
        if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            return address.parse::<Ipv6Addr>().is_ok();
        }
        let host = plain(host);
        let is_label = !host.is_empty() && !host.contains('.');
        host.parse::<Ipv4Addr>().is_ok() || is_label || host.ends_with(".localhost") || self.0.contains(&host)
    }
}

/// As names are compared: in lower case, without the dot of the root.
fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(hosts: &[&str]) -> bool {
        let ours = Hosts::new(["Gateway.Example.com".to_owned()]);
        let headers = hosts.iter().map(|host| (HOST, host.parse().unwrap())).collect();
        ours.admit(&"/v1/status".parse().unwrap(), &headers)
    }

    #[test]
    fn addresses_names_of_one_label_and_listed_names_are_taken() {
        for host in [
            "127.0.0.1",
            "10.1.2.3:8001",
            "[::1]:8001",
            "[fd00::7]",
            "localhost",
            "LocalHost:8001",
            "status.localhost",
            "sealgate-admin:8001",
            "gateway.example.com",
            "GATEWAY.example.com.:8001",
        ] {
            assert!(admits(&[host]), "{host}");
        }
    }

    #[test]
    fn names_that_somebody_else_may_own_are_not() {
        for host in [
            "evil.example",
            "evil.example:8001",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evil.example.com",
            "a.gateway.example.com",
            "127.0.0.1@evil.example",
            "evil.example@127.0.0.1",
            "[evil.example]",
            "127.1.evil",
            "",
        ] {
            assert!(!admits(&[host]), "{host}");
        }
    }

    #[test]
    fn each_of_several_names_counts_and_none_is_too_few() {
        assert!(admits(&["localhost", "127.0.0.1"]));
        assert!(!admits(&["localhost", "evil.example"]) && !admits(&["evil.example", "localhost"]));
        assert!(!admits(&[]));
        let ours = HeaderMap::from_iter([(HOST, "localhost".parse().unwrap())]);
        let elsewhere = "http://evil.example/v1/status".parse().unwrap();
        assert!(!Hosts::default().admit(&elsewhere, &ours), "a target in absolute form names a host too");
        assert!(Hosts::default().admit(&"http://localhost/".parse().unwrap(), &HeaderMap::new()));
    }
}
