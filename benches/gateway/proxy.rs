//! The least proxy that there can be: takes a request, signs it anew, streams both ways, and looks at nothing. What it
//! costs is the price of being in the middle at all.

use aws_credential_types::Credentials;
use http::header::{AUTHORIZATION, CONNECTION, EXPECT, HOST};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::Failure;
use super::sign::sign;

/// A proxy before one store.
pub(super) struct Proxy {
    client: Client<HttpConnector, Incoming>,
    upstream: Authority,
    credentials: Credentials,
}

impl Proxy {
    /// `upstream` is a host and port that speaks plain HTTP.
    pub(super) fn new(upstream: &str, credentials: Credentials) -> Result<Self, Failure> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(256).build(connector);
        Ok(Self { client, upstream: upstream.parse()?, credentials })
    }

    /// Answers one request with the store's answer.
    pub(super) async fn answer(&self, mut request: Request<Incoming>) -> Result<Response<Incoming>, Failure> {
        for name in [AUTHORIZATION, CONNECTION, EXPECT, HOST] {
            request.headers_mut().remove(name);
        }
        for name in ["x-amz-date", "x-amz-content-sha256"] {
            request.headers_mut().remove(name);
        }
        let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(self.upstream.clone()).path_and_query(path);
        *request.uri_mut() = uri.build()?;
        let (mut head, body) = request.into_parts();
        let signed = sign(&head.method, &head.uri, &head.headers, &self.credentials)?;
        head.headers.extend(signed);
        Ok(self.client.request(Request::from_parts(head, body)).await?)
    }
}
