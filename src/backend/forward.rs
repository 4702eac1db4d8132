//! Requests that are passed on as they came: what has nothing to do with the bytes of objects.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use super::types::BucketName;

/// A request about a bucket or an object, to be signed anew.
#[derive(Clone, Debug)]
pub struct ForwardRequest {
    /// its method
    pub method: Method,
    /// the bucket
    pub bucket: BucketName,
    /// the object; none for one about the bucket
    pub key: Option<String>,
    /// the query, percent-encoded
    pub query: String,
    /// what the client said, without anything about its own signature and connection
    pub headers: HeaderMap,
    /// the body
    pub body: Bytes,
}

/// What the store answered, be it an error.
#[derive(Clone, Debug)]
pub struct ForwardAnswer {
    /// its status
    pub status: StatusCode,
    /// its headers, without those of the connection
    pub headers: HeaderMap,
    /// its body
    pub body: Bytes,
}
