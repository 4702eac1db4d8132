//! Requests that are passed on as they came.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, Method};

use super::S3Store;
use super::answer;
use super::call::Call;
use super::outgoing::Outgoing;
use crate::backend::{ForwardAnswer, ForwardRequest, Result};

impl S3Store {
    pub(super) async fn passed_on(&self, request: ForwardRequest) -> Result<ForwardAnswer> {
        self.require_settings()?;
        let ForwardRequest { method, bucket, key, query, headers, body } = request;
        let is_read = matches!(method, Method::GET | Method::HEAD);
        let call = match &key {
            Some(key) => Call::object(method, &bucket, key),
            None => Call::bucket(method, &bucket),
        };
        let mut call = call.flag(&query);
        call.headers = headers;
        let call = if is_read { call } else { call.once() };
        let response = self.client.send(&call, &Outgoing::of(body)).await?;
        let status = response.status();
        let mut headers = response.headers().clone();
        for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, HeaderName::from_static("keep-alive")] {
            headers.remove(name);
        }
        let body: Bytes = answer::held(response, self.waiting(&call), ANSWER_BYTES_MAX).await?.into();
        Ok(ForwardAnswer { status, headers, body })
    }
}

/// Configurations are documents of some KiB; nothing longer is taken.
const ANSWER_BYTES_MAX: usize = 4 << 20;
