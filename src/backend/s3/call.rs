//! One call of the S3 API: method, bucket, key, query and headers, made into a signed HTTP request.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use super::chunked::TRAILER;
use super::outgoing::{Outgoing, SendBody};
use super::settings::Endpoint;
use crate::backend::{BackendError, BodyError, BucketName, Result, calls};

/// A call.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) bucket: Option<String>,
    pub(super) key: Option<String>,
    /// encoded
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) replay: Replay,
    /// a bucket name, or the start of one, whose credentials sign; that of `bucket` if none
    pub(super) signer_for: Option<String>,
    /// the store moves a whole object before it answers
    pub(super) is_long: bool,
}

/// When a call may be made again after it failed in a way that leaves open what it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replay {
    /// always: a second one changes nothing that the first did not
    Always,
    /// only if the store said that it did nothing, or never heard of it
    IfRefused,
}

impl Call {
    /// A call to the store itself.
    pub(super) fn service(method: Method) -> Self {
        let replay = if method == Method::POST { Replay::IfRefused } else { Replay::Always };
        Self {
            method,
            bucket: None,
            key: None,
            query: String::new(),
            headers: HeaderMap::new(),
            replay,
            signer_for: None,
            is_long: false,
        }
    }

    /// A call about a bucket.
    pub(super) fn bucket(method: Method, bucket: &BucketName) -> Self {
        Self { bucket: Some(bucket.as_str().to_owned()), ..Self::service(method) }
    }

    /// A call about an object.
    pub(super) fn object(method: Method, bucket: &BucketName, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..Self::bucket(method, bucket) }
    }

    /// Adds `name` to the query.
    pub(super) fn flag(mut self, name: &str) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.push_str(name);
        self
    }

    /// Adds `name=value` to the query.
    pub(super) fn query(self, name: &str, value: &str) -> Self {
        let mut this = self.flag(name);
        this.query.push('=');
        encode(value, false, &mut this.query);
        this
    }

    /// As [`Self::query`], if there is a value.
    pub(super) fn maybe_query(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Adds a header.
    ///
    /// # Errors
    /// `InvalidArgument` for a text that no header can carry.
    pub(super) fn header(mut self, name: &str, value: &str) -> Result<Self> {
        let refused = || BackendError::InvalidArgument(format!("{name} cannot be a header"));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| refused())?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// As [`Self::header`], if there is a value.
    pub(super) fn maybe_header(self, name: &str, value: Option<&str>) -> Result<Self> {
        match value {
            Some(value) => self.header(name, value),
            None => Ok(self),
        }
    }

    /// A call that must not be made again when it is open what it did.
    pub(super) fn once(self) -> Self {
        Self { replay: Replay::IfRefused, ..self }
    }

    /// A call that moves a whole object.
    pub(super) fn long(self) -> Self {
        Self { is_long: true, ..self }
    }

    fn uri(&self, endpoint: &Endpoint) -> Result<Uri> {
        let mut path = String::with_capacity(64);
        let mut authority = endpoint.authority.to_string();
        match &self.bucket {
            Some(bucket) if endpoint.path_style => {
                path.push('/');
                encode(bucket, false, &mut path);
            }
            Some(bucket) => authority = format!("{bucket}.{authority}"),
            None => {}
        }
        if let Some(key) = &self.key {
            path.push('/');
            encode(key, true, &mut path);
        } else if path.is_empty() || !self.query.is_empty() && !endpoint.path_style {
            path.push('/');
        }
        if !self.query.is_empty() {
            path.push('?');
            path.push_str(&self.query);
        }
        Uri::builder()
            .scheme(endpoint.scheme.clone())
            .authority(authority)
            .path_and_query(path)
            .build()
            .map_err(|_| BackendError::InvalidArgument("a name that no request can carry".to_owned()))
    }

    /// The signed request of one attempt. A body that streams is not part of the signature.
    pub(super) fn signed(
        &self,
        endpoint: &Endpoint,
        region: &str,
        credentials: Credentials,
        (body, attempt): (&Outgoing, SendBody),
    ) -> Result<Request<SendBody>> {
        let uri = self.uri(endpoint)?;
        let mut request = Request::new(attempt);
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = self.headers.clone();
        let failed = |error: BodyError| BackendError::Unavailable(error);
        let host = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        let host = HeaderValue::from_str(host).map_err(|error| failed(error.into()))?;
        request.headers_mut().insert(http::header::HOST, host);
        if let Some(origin) = calls::origin().and_then(|id| HeaderValue::from_str(&id).ok()) {
            request.headers_mut().insert(ORIGIN, origin);
        }
        if let Some(bytes) = body.framed_from() {
            announce_trailer(request.headers_mut(), bytes);
        }

        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| failed(error.into()))?
            .into();
        let payload = match body {
            Outgoing::Stream(_) if body.framed_from().is_some() => SignableBody::StreamingUnsignedPayloadTrailer,
            Outgoing::Held(pieces) => match pieces.as_slice() {
                [] => SignableBody::Bytes(&[]),
                [bytes] if bytes.len() <= HASHED_BYTES_MAX => SignableBody::Bytes(bytes),
                _ => SignableBody::UnsignedPayload,
            },
            Outgoing::Stream(_) => SignableBody::UnsignedPayload,
        };
        let text = uri.to_string();
        let headers = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), std::str::from_utf8(value.as_bytes()).ok()?)));
        let signable =
            SignableRequest::new(self.method.as_str(), text, headers, payload).map_err(|error| failed(error.into()))?;
        let (instructions, _) = sign(signable, &params).map_err(|error| failed(error.into()))?.into_parts();
        let (headers, _) = instructions.into_parts();
        for header in headers {
            let mut value = HeaderValue::from_str(header.value()).map_err(|error| failed(error.into()))?;
            value.set_sensitive(header.sensitive());
            request.headers_mut().insert(header.name(), value);
        }
        // nothing is said of an empty body otherwise, and Ceph wants to be told
        if matches!(self.method, Method::PUT | Method::POST) && body.is_empty() {
            request.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        *request.uri_mut() = uri;
        Ok(request)
    }
}

/// Says that a checksum comes behind a body of so many bytes.
fn announce_trailer(headers: &mut HeaderMap, bytes: u64) {
    let coding = match headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()) {
        Some(others) => HeaderValue::from_str(&format!("aws-chunked,{others}")).ok(),
        None => Some(HeaderValue::from_static("aws-chunked")),
    };
    if let Some(coding) = coding {
        headers.insert(CONTENT_ENCODING, coding);
    }
    headers.insert("x-amz-decoded-content-length", bytes.into());
    headers.insert("x-amz-trailer", HeaderValue::from_static(TRAILER));
}

/// Percent-encodes everything but `A-Z a-z 0-9 - . _ ~` and, if it is a path, `/`.
pub(super) fn encode(text: &str, is_path: bool, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b'/' if is_path => out.push('/'),
            _ => {
                out.push('%');
                for digit in [byte >> 4, byte & 15] {
                    out.push(char::from(HEX[usize::from(digit)]));
                }
            }
        }
    }
}

/// The header in which the store gets the id of the client's request.
const ORIGIN: HeaderName = HeaderName::from_static("x-sealgate-request-id");
const HEX: &[u8; 16] = b"0123456789ABCDEF";
/// A held body of up to so many bytes is hashed into the signature; for a longer one that would cost more than the rest
/// of the request.
const HASHED_BYTES_MAX: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use http::uri::{Authority, Scheme};

    use super::*;

    fn uri(path_style: bool, call: &Call) -> String {
        let authority = Authority::from_static("store.example:9000");
        call.uri(&Endpoint { scheme: Scheme::HTTPS, authority, path_style }).unwrap().to_string()
    }

    #[test]
    fn a_bucket_is_named_in_the_path_or_in_the_host() {
        let bucket = BucketName::new("b");
        let object = Call::object(Method::GET, &bucket, "a b/ü+?#%").query("versionId", "1/2");
        assert_eq!(uri(true, &object), "https://store.example:9000/b/a%20b/%C3%BC%2B%3F%23%25?versionId=1%2F2");
        assert_eq!(uri(false, &object), "https://b.store.example:9000/a%20b/%C3%BC%2B%3F%23%25?versionId=1%2F2");
        let listing = Call::bucket(Method::GET, &bucket).flag("uploads");
        assert_eq!(uri(true, &listing), "https://store.example:9000/b?uploads");
        assert_eq!(uri(false, &listing), "https://b.store.example:9000/?uploads");
        assert_eq!(uri(true, &Call::service(Method::GET)), "https://store.example:9000/");
    }

    #[test]
    fn a_key_of_dots_and_slashes_is_sent_as_it_is() {
        let object = Call::object(Method::GET, &BucketName::new("b"), "/a//../.");
        assert_eq!(uri(true, &object), "https://store.example:9000/b//a//../.");
    }

    #[tokio::test]
    async fn a_session_token_and_every_header_are_signed() {
        let endpoint =
            Endpoint { scheme: Scheme::HTTP, authority: Authority::from_static("127.0.0.1:1"), path_style: true };
        let call = Call::object(Method::PUT, &BucketName::new("b"), "k").header("x-amz-meta-ü", "é");
        assert!(call.is_err());
        let call = Call::object(Method::PUT, &BucketName::new("b"), "k").header("x-amz-meta-a", "é").unwrap();
        let credentials = Credentials::new("ID", "SECRET", Some("TOKEN".to_owned()), None, "test");
        let body = Outgoing::empty();
        let signing = async { call.signed(&endpoint, "us-east-1", credentials, (&body, body.attempt(None))).unwrap() };
        let request = calls::on_behalf_of("0123".into(), signing).await;
        assert_eq!(request.headers()["x-sealgate-request-id"], "0123");
        let authorization = request.headers()["authorization"].to_str().unwrap();
        assert!(
            authorization.contains(
                "host;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-amz-security-token;x-sealgate-request-id"
            )
        );
        assert!(!format!("{request:?}", request = request.headers()).contains("SECRET"));
    }
}
