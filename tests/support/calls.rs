//! Single signed requests, in the words of the tests.

use std::net::TcpStream;

use super::content::Content;
use super::gateway::Gateway;
use super::http::{Request, Response};
use super::sign::Payload;

impl Gateway {
    /// Sends a request, signed with its body and all its headers.
    pub(crate) fn call(&self, request: Request) -> Response {
        self.signer().sign(request, self.address()).send(self.address())
    }

    /// A gateway with one bucket, `bucket`.
    pub(crate) fn with_bucket() -> Self {
        let gateway = Self::start();
        gateway.call(Request::new("PUT", "/bucket")).succeeds();
        gateway
    }

    /// Stores an object; `path` is `/bucket/key`.
    #[track_caller]
    pub(crate) fn put(&self, path: &str, body: &[u8]) {
        self.call(Request::new("PUT", path).body(body)).succeeds();
    }

    /// Reads an object.
    pub(crate) fn get(&self, path: &str) -> Response {
        self.call(Request::new("GET", path))
    }

    /// Fails unless there is no such object.
    #[track_caller]
    pub(crate) fn has_no(&self, path: &str) {
        self.get(path).is_error(404, "NoSuchKey");
    }

    /// Stores an object whose body is not held in memory, here or (as this tests) there.
    pub(crate) fn put_stream(&self, path: &str, content: Content) -> Response {
        let request = Request::new("PUT", path).header("content-length", content.bytes().to_string());
        let (request, _) = self.signer().sign_as(request, self.address(), Payload::Word("UNSIGNED-PAYLOAD"));
        request.send_with(self.address(), |stream: &mut TcpStream| content.pour_into(stream))
    }

    /// Reads an object and compares it while it comes.
    pub(crate) fn assert_stored(&self, path: &str, content: Content) {
        let request = self.signer().sign(Request::new("GET", path), self.address());
        let (response, body) = request.open(self.address());
        assert_eq!(response.status, 200);
        content.assert_equals(body);
    }
}
