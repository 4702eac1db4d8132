//! AWS Signature Version 4, by the book, so that tests can sign what no client would and leave out what every one signs.
//!
//! Source: "AWS Signature Version 4 for API requests" in the S3 API reference: headers, query parameters, POST policies
//! and chunked uploads. Times are UTC.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::http::Request;

/// Someone with an access key, and the time on his clock.
#[derive(Clone)]
pub(crate) struct Signer {
    access_key: String,
    secret_key: String,
    now: SystemTime,
}

/// What is said of the body in `x-amz-content-sha256`.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    /// the SHA-256 of these bytes, whatever is sent
    HashOf(&'a [u8]),
    /// this word, such as `UNSIGNED-PAYLOAD`
    Word(&'a str),
}

impl Signer {
    pub(crate) fn new(access_key: &str, secret_key: &str) -> Self {
        Self { access_key: access_key.to_owned(), secret_key: secret_key.to_owned(), now: SystemTime::now() }
    }

    /// Another one with the same access key and clock.
    pub(crate) fn with_secret(&self, secret_key: &str) -> Self {
        Self { secret_key: secret_key.to_owned(), ..self.clone() }
    }

    /// The same one with a clock that is fast by so much.
    pub(crate) fn ahead(self, by: Duration) -> Self {
        Self { now: self.now + by, ..self }
    }

    /// The same one with a clock that is slow by so much.
    pub(crate) fn behind(self, by: Duration) -> Self {
        Self { now: self.now - by, ..self }
    }

    /// Signs a request, its body and all headers it has.
    pub(crate) fn sign(&self, request: Request, to: SocketAddr) -> Request {
        let body = request.body.clone();
        self.sign_as(request, to, Payload::HashOf(&body)).0
    }

    /// Signs a request and all headers it has; says this of the body. Gives the signature too, as chunks build on it.
    pub(crate) fn sign_as(&self, mut request: Request, to: SocketAddr, payload: Payload<'_>) -> (Request, String) {
        let payload = match payload {
            Payload::HashOf(bytes) => hex(&Sha256::digest(bytes)),
            Payload::Word(word) => word.to_owned(),
        };
        request.headers.push(("x-amz-content-sha256".to_owned(), payload.clone()));
        request.headers.push(("x-amz-date".to_owned(), self.timestamp()));
        request.headers.push(("host".to_owned(), to.to_string()));
        let names = signed_names(&request.headers);
        let signature = self.signature(&canonical(&request, &names, &payload));
        let (key, scope) = (&self.access_key, self.scope());
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}");
        (request.header("authorization", authorization), signature)
    }

    /// Puts the signature into the query of a request whose headers, if any, are signed too.
    pub(crate) fn presign(&self, request: Request, to: SocketAddr, valid: Duration) -> Request {
        self.presign_headers(request.header("host", to.to_string()), valid)
    }

    fn presign_headers(&self, mut request: Request, valid: Duration) -> Request {
        let names = signed_names(&request.headers);
        let credential = format!("{}/{}", self.access_key, self.scope()).replace('/', "%2F");
        let joint = if request.target.contains('?') { '&' } else { '?' };
        request.target = format!(
            "{}{joint}X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={}&X-Amz-Expires={}\
             &X-Amz-SignedHeaders={}",
            request.target,
            self.timestamp(),
            valid.as_secs(),
            names.replace(';', "%3B"),
        );
        let signature = self.signature(&canonical(&request, &names, "UNSIGNED-PAYLOAD"));
        request.target.extend(["&X-Amz-Signature=", signature.as_str()]);
        request
    }

    /// Signs all headers but the host, as no client does.
    pub(crate) fn sign_without_host(&self, mut request: Request, to: SocketAddr) -> Request {
        let payload = hex(&Sha256::digest(&request.body));
        request.headers.push(("x-amz-content-sha256".to_owned(), payload.clone()));
        request.headers.push(("x-amz-date".to_owned(), self.timestamp()));
        let names = signed_names(&request.headers);
        let signature = self.signature(&canonical(&request, &names, &payload));
        let (key, scope) = (&self.access_key, self.scope());
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}");
        request.header("authorization", authorization).header("host", to.to_string())
    }

    /// Puts a signature of one made-up header into the query, and leaves out the host.
    pub(crate) fn presign_without_host(&self, request: Request, valid: Duration) -> Request {
        self.presign_headers(request.header("x-signed", "1"), valid)
    }

    /// The signature of one chunk of a `STREAMING-AWS4-HMAC-SHA256-PAYLOAD` body after the one signed with `previous`.
    pub(crate) fn chunk(&self, previous: &str, chunk: &[u8]) -> String {
        let (time, scope, nothing) = (self.timestamp(), self.scope(), hex(&Sha256::digest(b"")));
        let hash = hex(&Sha256::digest(chunk));
        let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n{time}\n{scope}\n{previous}\n{nothing}\n{hash}");
        hex(&mac(&self.key(), text.as_bytes()))
    }

    /// The signature of the trailing headers of such a body.
    pub(crate) fn trailer(&self, previous: &str, trailer: &str) -> String {
        let (time, scope, hash) = (self.timestamp(), self.scope(), hex(&Sha256::digest(trailer)));
        let text = format!("AWS4-HMAC-SHA256-TRAILER\n{time}\n{scope}\n{previous}\n{hash}");
        hex(&mac(&self.key(), text.as_bytes()))
    }

    /// The fields that sign a POST form with this policy (base64).
    pub(crate) fn form(&self, policy: &str) -> Vec<(&'static str, String)> {
        vec![
            ("x-amz-algorithm", "AWS4-HMAC-SHA256".to_owned()),
            ("x-amz-credential", self.credential()),
            ("x-amz-date", self.timestamp()),
            ("policy", policy.to_owned()),
            ("x-amz-signature", hex(&mac(&self.key(), policy.as_bytes()))),
        ]
    }

    /// `ACCESS_KEY/date/region/service/aws4_request`
    pub(crate) fn credential(&self) -> String {
        format!("{}/{}", self.access_key, self.scope())
    }

    /// The time on the signer's clock, as in `x-amz-date`.
    pub(crate) fn timestamp(&self) -> String {
        let t = OffsetDateTime::from(self.now);
        let (month, day) = (u8::from(t.month()), t.day());
        format!("{:04}{month:02}{day:02}T{:02}{:02}{:02}Z", t.year(), t.hour(), t.minute(), t.second())
    }

    fn scope(&self) -> String {
        format!("{}/us-east-1/s3/aws4_request", &self.timestamp()[..8])
    }

    fn signature(&self, canonical: &str) -> String {
        let hash = hex(&Sha256::digest(canonical));
        let text = format!("AWS4-HMAC-SHA256\n{}\n{}\n{hash}", self.timestamp(), self.scope());
        hex(&mac(&self.key(), text.as_bytes()))
    }

    fn key(&self) -> Vec<u8> {
        let secret = format!("AWS4{}", self.secret_key);
        let steps = [&self.timestamp()[..8], "us-east-1", "s3", "aws4_request"];
        steps.iter().fold(secret.into_bytes(), |key, step| mac(&key, step.as_bytes()))
    }
}

/// The names of the headers in the order in which they are signed.
fn signed_names(headers: &[(String, String)]) -> String {
    let mut names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.join(";")
}

fn canonical(request: &Request, names: &str, payload: &str) -> String {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let mut fields: Vec<_> = query
        .split('&')
        .filter(|field| !field.is_empty())
        .map(|field| if field.contains('=') { field.to_owned() } else { format!("{field}=") })
        .collect();
    fields.sort_unstable();
    let headers: String = names
        .split(';')
        .map(|name| {
            let value = &request.headers.iter().find(|(n, _)| n == name).expect("only headers that are there").1;
            format!("{name}:{value}\n")
        })
        .collect();
    format!("{}\n{path}\n{}\n{headers}\n{names}\n{payload}", request.method, fields.join("&"))
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).expect("any length will do").chain_update(text).finalize().into_bytes().to_vec()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
