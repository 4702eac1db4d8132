//! One HTTP/1.1 request on a connection of its own, and all that comes back, whether it ended well or not.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// A request as it goes out; `target` is the path and query as they stand in the request line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    /// lower-case names
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) keeps_alive: bool,
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Response {
    /// 0 if the connection ended before an answer
    pub(crate) status: u16,
    /// lower-case names
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// whether the body ended as its framing promised; a client takes anything else for a failure
    pub(crate) ended_well: bool,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), ..Self::default() }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Does not ask for the end of the connection after the answer: it is the gateway that has to end it.
    pub(crate) fn keep_alive(mut self) -> Self {
        self.keeps_alive = true;
        self
    }

    /// Sends it; gives what came back.
    pub(crate) fn send(&self, to: SocketAddr) -> Response {
        self.send_cut(to, self.body.len())
    }

    /// Sends the head, which promises the whole body, and only the first `sent_bytes` of it, then closes its side.
    pub(crate) fn send_cut(&self, to: SocketAddr, sent_bytes: usize) -> Response {
        self.send_with(to, |stream| {
            stream.write_all(&self.body[..sent_bytes])?;
            if sent_bytes < self.body.len() { stream.shutdown(Shutdown::Write) } else { Ok(()) }
        })
    }

    /// Sends the head, then what `body` writes.
    pub(crate) fn send_with(&self, to: SocketAddr, body: impl FnOnce(&mut TcpStream) -> io::Result<()>) -> Response {
        let mut stream = self.connect(to);
        // A gateway that has refused already may have closed: its answer is there to be read all the same.
        body(&mut stream).ok();
        Response::read(&mut stream, self.method == "HEAD")
    }

    /// Sends it; gives the head of the answer, and the body, which has a `content-length`, to be read as it comes.
    pub(crate) fn open(&self, to: SocketAddr) -> (Response, impl Read + use<>) {
        let mut stream = self.connect(to);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let response = Response::head(&mut head.as_slice()).unwrap();
        let bytes = response.header("content-length").parse().unwrap();
        (response, stream.take(bytes))
    }

    fn connect(&self, to: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(ANSWER_WITHIN)).unwrap();
        stream.write_all(self.head(to).as_bytes()).unwrap();
        stream
    }

    fn head(&self, to: SocketAddr) -> String {
        let connection = if self.keeps_alive { "keep-alive" } else { "close" };
        let mut head = format!("{} {} HTTP/1.1\r\nconnection: {connection}\r\n", self.method, self.target);
        let has = |wanted: &str| self.headers.iter().any(|(name, _)| name == wanted);
        if !has("host") {
            write!(head, "host: {to}\r\n").unwrap();
        }
        if !has("content-length") && !has("transfer-encoding") {
            write!(head, "content-length: {}\r\n", self.body.len()).unwrap();
        }
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        head + "\r\n"
    }
}

impl Response {
    /// The value of a header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Fails unless the answer is this S3 error; gives its text.
    #[track_caller]
    pub(crate) fn is_error(&self, status: u16, code: &str) -> String {
        let text = self.text();
        assert_eq!(self.status, status, "{text}");
        assert!(text.contains(&format!("<Code>{code}</Code>")), "{text}");
        text
    }

    /// Fails unless the answer is 2xx and whole; gives the body.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Vec<u8> {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.text());
        assert!(self.ended_well, "{} of {} bytes", self.body.len(), self.header("content-length"));
        self.body
    }

    fn read(stream: &mut TcpStream, no_body: bool) -> Self {
        let mut bytes = Vec::new();
        let ended = stream.read_to_end(&mut bytes);
        if let Err(error) = &ended {
            let late = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
            assert!(!late, "no answer, or no end of it, within {ANSWER_WITHIN:?}");
        }
        let mut bytes = bytes.as_slice();
        loop {
            let Some(mut response) = Self::head(&mut bytes) else { return Self::default() };
            if response.status == 100 {
                continue;
            }
            response.take_body(bytes, no_body, ended.is_ok());
            return response;
        }
    }

    fn head(bytes: &mut &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let text = String::from_utf8(bytes[..end].to_vec()).expect("heads are ASCII");
        *bytes = &bytes[end + 4..];
        let mut lines = text.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Some(Self { status, headers, ..Self::default() })
    }

    fn take_body(&mut self, bytes: &[u8], no_body: bool, closed_cleanly: bool) {
        if no_body || [204, 304].contains(&self.status) {
            self.ended_well = bytes.is_empty();
        } else if self.header("transfer-encoding") == "chunked" {
            (self.body, self.ended_well) = unchunk(bytes);
        } else if let Ok(length) = self.header("content-length").parse::<usize>() {
            self.body = bytes.to_vec();
            self.ended_well = bytes.len() == length;
        } else {
            self.body = bytes.to_vec();
            self.ended_well = closed_cleanly;
        }
    }
}

/// The chunks joined, and whether the last one was there.
fn unchunk(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let Some(size) = size else { break };
        let data = &bytes[end + 2..];
        if size == 0 {
            return (body, true);
        }
        if data.len() < size + 2 {
            body.extend_from_slice(&data[..data.len().min(size)]);
            break;
        }
        body.extend_from_slice(&data[..size]);
        bytes = &data[size + 2..];
    }
    (body, false)
}

/// Long enough for the slowest machine; a test that waits this long has found a hang.
const ANSWER_WITHIN: Duration = Duration::from_mins(2);
