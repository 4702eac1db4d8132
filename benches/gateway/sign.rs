//! Signature Version 4 of a request whose body is not signed.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign as sign_v4};
use aws_sigv4::sign::v4::SigningParams;
use http::{HeaderMap, Method, Uri};

use super::Failure;

/// The headers that sign a request with these headers; `uri` has a host.
pub(super) fn sign(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    credentials: &Credentials,
) -> Result<HeaderMap, Failure> {
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.percent_encoding_mode = aws_sigv4::http_request::PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = aws_sigv4::http_request::UriPathNormalizationMode::Disabled;
    let identity = credentials.clone().into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("s3")
        .time(SystemTime::now())
        .settings(settings)
        .build()?
        .into();
    let text = uri.to_string();
    let pairs = headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let request = SignableRequest::new(method.as_str(), &text, pairs, SignableBody::UnsignedPayload)?;
    let (instructions, _) = sign_v4(request, &params)?.into_parts();
    let mut signed = http::Request::new(());
    *signed.uri_mut() = uri.clone();
    instructions.apply_to_request_http1x(&mut signed);
    Ok(signed.into_parts().0.headers)
}
