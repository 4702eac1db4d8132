//! Requests as they come and answers as they go: one a connection, byte by byte, so that an answer may be anything.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;

/// A request of the gateway.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) query: BTreeMap<String, String>,
    /// lower-case names
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Bytes,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    ListBuckets,
    MakeBucket,
    HeadBucket,
    RemoveBucket,
    SetVersioning,
    Setting,
    List,
    ListVersions,
    ListUploads,
    DeleteMany,
    Create,
    PutPart,
    CopyPart,
    ListParts,
    Abort,
    Complete,
    Put,
    Copy,
    Delete,
    Tags,
    SetTags,
    Get,
    Head,
}

impl Asked {
    pub(crate) fn op(&self) -> Op {
        let has = |name: &str| self.query.contains_key(name);
        let is_copy = self.headers.contains_key("x-amz-copy-source");
        match (self.method.as_str(), self.key.is_empty()) {
            _ if self.bucket.is_empty() => Op::ListBuckets,
            ("PUT", true) if has("versioning") => Op::SetVersioning,
            ("PUT", true) => Op::MakeBucket,
            ("HEAD", true) => Op::HeadBucket,
            ("DELETE", true) => Op::RemoveBucket,
            ("POST", true) => Op::DeleteMany,
            (_, true) if has("uploads") => Op::ListUploads,
            (_, true) if has("versions") => Op::ListVersions,
            (_, true) if has("list-type") || has("max-keys") => Op::List,
            (_, true) => Op::Setting,
            ("POST", false) if has("uploads") => Op::Create,
            ("POST", false) => Op::Complete,
            ("PUT", false) if has("uploadId") => {
                if is_copy {
                    Op::CopyPart
                } else {
                    Op::PutPart
                }
            }
            ("GET", false) if has("uploadId") => Op::ListParts,
            ("DELETE", false) if has("uploadId") => Op::Abort,
            ("GET", false) if has("tagging") => Op::Tags,
            (_, false) if has("tagging") => Op::SetTags,
            ("PUT", false) => {
                if is_copy {
                    Op::Copy
                } else {
                    Op::Put
                }
            }
            ("DELETE", false) => Op::Delete,
            ("HEAD", false) => Op::Head,
            (_, false) => Op::Get,
        }
    }

    /// What is kept of the headers: metadata and content headers.
    pub(crate) fn metadata(&self) -> Vec<(String, String)> {
        let is_kept =
            |name: &str| name.starts_with("x-amz-meta-") || name.starts_with("content-t") || name == "cache-control";
        self.headers.iter().filter(|(name, _)| is_kept(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
    }

    /// The source of a copy, as if it were asked for.
    pub(crate) fn source(&self) -> Option<Self> {
        let text = self.headers.get("x-amz-copy-source")?;
        let (path, version) = text.split_once("?versionId=").map_or((text.as_str(), None), |(path, v)| (path, Some(v)));
        let (bucket, key) = path.trim_start_matches('/').split_once('/')?;
        let query = version.map(|version| ("versionId".to_owned(), decoded(version))).into_iter().collect();
        Some(Self { bucket: decoded(bucket), key: decoded(key), query, ..Self::default() })
    }

    /// Reads a request; none if the connection ends.
    pub(crate) fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).ok()?;
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?.to_owned(), first.next()?);
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let query = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(n, v)| (decoded(n), decoded(v)));
        let mut body = vec![0; headers.get("content-length").map_or(0, |bytes| bytes.parse().unwrap())];
        stream.read_exact(&mut body).ok()?;
        let (bucket, key, query) = (decoded(bucket), decoded(key), query.collect());
        Some(Self { method, bucket, key, query, headers, body: body.into() })
    }
}

/// An answer, and in which way it goes out.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    /// in place of the length of the body
    pub(crate) announced: Option<usize>,
    pub(crate) pace: Pace,
}

/// How the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// all at once
    Whole,
    /// the connection ends behind so many bytes of the body
    Cut(usize),
    /// nothing comes behind so many bytes of the body
    Stalled(usize),
    /// now and then a byte of the body, without an end
    Dripping,
    /// now and then a line of the head, without an end
    DrippingHead,
    /// a body without a length or an end
    Endless,
}

impl Answer {
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), announced: None, pace: Pace::Whole }
    }

    pub(crate) fn xml(document: &str) -> Self {
        Self { body: document.to_owned().into(), ..Self::empty(200) }
    }

    pub(crate) fn error(status: u16, code: &str) -> Self {
        Self { status, ..Self::xml(&format!("<Error><Code>{code}</Code></Error>")) }
    }

    pub(crate) fn header(mut self, name: &str, value: String) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn paced(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Sends it; whoever listens may have gone.
    pub(crate) fn send(&self, stream: &mut TcpStream, is_head: bool) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {} X\r\nconnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        if self.pace == Pace::DrippingHead {
            stream.write_all(head.as_bytes())?;
            return drip(stream, b"x: y\r\n");
        }
        if self.pace == Pace::Endless {
            stream.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes())?;
            let chunk = format!("10000\r\n{}\r\n", "<a>".repeat(0x10000 / 3 + 1).split_at(0x10000).0);
            loop {
                stream.write_all(chunk.as_bytes())?;
            }
        }
        if self.status != 204 {
            write!(head, "content-length: {}\r\n", self.announced.unwrap_or(self.body.len())).unwrap();
        }
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        if is_head {
            return Ok(());
        }
        match self.pace {
            Pace::Cut(bytes) => stream.write_all(&self.body[..bytes.min(self.body.len())]),
            Pace::Stalled(bytes) => {
                stream.write_all(&self.body[..bytes.min(self.body.len())])?;
                io::copy(stream, &mut io::sink()).map(drop)
            }
            Pace::Dripping => drip(stream, b" "),
            _ => stream.write_all(&self.body),
        }
    }
}

/// Writes this now and then until nobody listens any more.
#[expect(clippy::disallowed_methods, reason = "the pace of a slow store, on a thread of its own")]
fn drip(stream: &mut TcpStream, piece: &[u8]) -> io::Result<()> {
    loop {
        stream.write_all(piece)?;
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

pub(crate) fn url_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let hex = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match hex.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).unwrap()
}
