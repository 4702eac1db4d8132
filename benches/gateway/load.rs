//! The load: signed requests over connections that stay open, each connection one request at a time.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Failure;
use super::sign::sign;

/// Where the load goes.
#[derive(Clone)]
pub(super) struct Target {
    /// `127.0.0.1:port`
    pub(super) address: String,
    pub(super) credentials: Credentials,
    pub(super) bucket: String,
    /// goes with every upload
    pub(super) upload_headers: Vec<(&'static str, String)>,
}

/// What is asked, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// uploads of so many bytes
    Put(u64),
    /// downloads of what [`Verb::Put`] of that size left
    Get(u64),
    /// 64 KiB at changing places of an object of 1 GiB
    Range,
    /// all of that object
    Large,
    /// uploads of so many bytes, which the store in memory throws away
    Discard(u64),
    /// parts of 16 MiB of one upload, completed at the end
    Multipart(u64),
    /// so many objects of 1 byte, for the lists
    FillList(u64),
    /// pages of 1,000 of the keys that [`Verb::FillList`] left
    List(u64),
    /// of what [`Verb::Put`] of 4 KiB left
    Head,
}

/// How long, how wide.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    pub(super) connections: usize,
    /// ends with the request under way
    pub(super) duration: Duration,
    /// ends when so many bytes have been asked for, if that comes first
    pub(super) bytes_max: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) requests: u64,
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) longest_ms: f64,
}

impl Target {
    /// Loads the target; any answer but 2xx ends it.
    pub(super) async fn load(&self, verb: Verb, extent: Extent) -> Result<Outcome, Failure> {
        let upload = if let Verb::Multipart(_) = verb { Some(self.begin_upload().await?) } else { None };
        let counter = Arc::new(AtomicU64::new(0));
        let started = Instant::now();
        let mut workers = Vec::new();
        for _ in 0..extent.connections {
            let (target, counter, upload) = (self.clone(), Arc::clone(&counter), upload.clone());
            workers.push(tokio::spawn(async move { target.work(verb, extent, &counter, upload, started).await }));
        }
        let (mut times, mut bytes, mut tags) = (Vec::new(), 0, Vec::new());
        for worker in workers {
            let done = worker.await??;
            times.extend(done.times);
            bytes += done.bytes;
            tags.extend(done.tags);
        }
        if let Some(upload) = upload {
            self.complete(&upload, tags).await?;
        }
        let seconds = started.elapsed().as_secs_f64();
        times.sort_unstable_by(f64::total_cmp);
        let at = |part: f64| times.get((times.len() as f64 * part) as usize).or(times.last()).copied().unwrap_or(0.0);
        let [p50_ms, p99_ms, longest_ms] = [0.50, 0.99, 1.0].map(at);
        Ok(Outcome { requests: times.len() as u64, bytes, seconds, p50_ms, p99_ms, longest_ms })
    }

    /// Creates the bucket.
    pub(super) async fn create_bucket(&self) -> Result<(), Failure> {
        let mut connection = self.connect().await?;
        self.send(&mut connection, Method::PUT, &format!("/{}", self.bucket), &[], 0).await.map(drop)
    }

    /// Puts the object that [`Verb::Range`] reads.
    pub(super) async fn put_large(&self) -> Result<(), Failure> {
        let mut connection = self.connect().await?;
        let target = format!("/{}/large", self.bucket);
        self.send(&mut connection, Method::PUT, &target, &self.upload_headers, GIB).await.map(drop)
    }

    async fn work(
        &self,
        verb: Verb,
        extent: Extent,
        counter: &AtomicU64,
        upload: Option<String>,
        started: Instant,
    ) -> Result<Done, Failure> {
        let mut connection = self.connect().await?;
        let mut done = Done::default();
        loop {
            let at = counter.fetch_add(1, Ordering::Relaxed);
            let ask = self.ask(verb, at, upload.as_deref());
            let all_parts = if let Verb::Multipart(bytes) = verb { at * PART_BYTES >= bytes } else { false };
            let enough = if let Verb::FillList(keys) = verb {
                at >= keys
            } else {
                upload.is_none() && (started.elapsed() > extent.duration || at * ask.moves >= extent.bytes_max)
            };
            if all_parts || (enough && at >= extent.connections as u64) {
                return Ok(done);
            }
            let start = Instant::now();
            let (tag, came) = self.send(&mut connection, ask.method, &ask.target, &ask.headers, ask.body_bytes).await?;
            done.times.push(start.elapsed().as_secs_f64() * 1e3);
            done.bytes += came + ask.body_bytes;
            if upload.is_some() {
                done.tags.push((at + 1, tag));
            }
        }
    }

    fn ask(&self, verb: Verb, at: u64, upload: Option<&str>) -> Ask {
        let bucket = &self.bucket;
        let get = |target: String, moves| Ask { target, moves, ..Ask::default() };
        match verb {
            Verb::Put(bytes) => Ask {
                method: Method::PUT,
                target: format!("/{bucket}/{bytes}/{}", at % keys_of(bytes)),
                headers: self.upload_headers.clone(),
                body_bytes: bytes,
                moves: bytes,
            },
            Verb::Get(bytes) => get(format!("/{bucket}/{bytes}/{}", at % keys_of(bytes)), bytes),
            Verb::Large => get(format!("/{bucket}/large"), GIB),
            Verb::Discard(bytes) => Ask {
                method: Method::PUT,
                target: format!("/{bucket}/discard/{at}"),
                body_bytes: bytes,
                moves: bytes,
                ..Ask::default()
            },
            Verb::Head => Ask { method: Method::HEAD, ..get(format!("/{bucket}/4096/{}", at % KEYS), 0) },
            Verb::FillList(_) => Ask {
                method: Method::PUT,
                target: format!("/{bucket}/list/{at:05}"),
                headers: self.upload_headers.clone(),
                body_bytes: 1,
                moves: 1,
            },
            Verb::List(keys) => {
                let after = at % (keys / 1000) * 1000;
                get(format!("/{bucket}?list-type=2&max-keys=1000&prefix=list%2F&start-after=list%2F{after:05}"), 0)
            }
            Verb::Range => {
                let places = GIB / RANGE_BYTES;
                let start = at.wrapping_mul(7919) % places * RANGE_BYTES + 100;
                let end = (start + RANGE_BYTES).min(GIB) - 1;
                Ask {
                    headers: vec![("range", format!("bytes={start}-{end}"))],
                    ..get(format!("/{bucket}/large"), RANGE_BYTES)
                }
            }
            Verb::Multipart(_) => Ask {
                method: Method::PUT,
                target: format!("/{bucket}/parts?partNumber={}&uploadId={}", at + 1, upload.unwrap_or_default()),
                body_bytes: PART_BYTES,
                ..Ask::default()
            },
        }
    }

    async fn connect(&self) -> Result<SendRequest<Repeated>, Failure> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Sends one request; gives the entity tag and how many bytes came.
    async fn send(
        &self,
        connection: &mut SendRequest<Repeated>,
        method: Method,
        target: &str,
        headers: &[(&'static str, String)],
        body_bytes: u64,
    ) -> Result<(String, u64), Failure> {
        let answer = self.exchange(connection, method, target, headers, Repeated::zeros(body_bytes)).await?;
        let tag = answer.headers().get("etag").and_then(|tag| tag.to_str().ok()).unwrap_or_default().to_owned();
        let (mut body, mut came) = (answer.into_body(), 0);
        while let Some(frame) = body.frame().await {
            came += frame?.data_ref().map_or(0, |data| data.len() as u64);
        }
        Ok((tag, came))
    }

    async fn exchange(
        &self,
        connection: &mut SendRequest<Repeated>,
        method: Method,
        target: &str,
        headers: &[(&'static str, String)],
        body: Repeated,
    ) -> Result<http::Response<hyper::body::Incoming>, Failure> {
        let absolute: Uri = format!("http://{}{target}", self.address).parse()?;
        let mut request = Request::builder().method(method).uri(target).header("host", &self.address);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let mut request = request.body(body)?;
        let signed = sign(request.method(), &absolute, request.headers(), &self.credentials)?;
        request.headers_mut().extend(signed);
        connection.ready().await?;
        let answer = connection.send_request(request).await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let text = answer.into_body().collect().await?.to_bytes();
        Err(format!("{target}: {status}: {}", String::from_utf8_lossy(&text)).into())
    }

    async fn begin_upload(&self) -> Result<String, Failure> {
        let mut connection = self.connect().await?;
        let target = format!("/{}/parts?uploads", self.bucket);
        let nothing = Repeated::zeros(0);
        let answer = self.exchange(&mut connection, Method::POST, &target, &self.upload_headers, nothing).await?;
        let text = String::from_utf8(answer.into_body().collect().await?.to_bytes().to_vec())?;
        let id = text.split_once("<UploadId>").and_then(|(_, rest)| rest.split_once("</UploadId>"));
        Ok(id.ok_or("no upload id")?.0.to_owned())
    }

    async fn complete(&self, upload: &str, mut tags: Vec<(u64, String)>) -> Result<(), Failure> {
        tags.sort_unstable();
        let mut parts = String::new();
        for (number, tag) in &tags {
            write!(parts, "<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>")?;
        }
        let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let mut connection = self.connect().await?;
        let target = format!("/{}/parts?uploadId={upload}", self.bucket);
        let answer =
            self.exchange(&mut connection, Method::POST, &target, &[], Repeated::once(Bytes::from(body))).await?;
        let text = answer.into_body().collect().await?.to_bytes();
        if String::from_utf8_lossy(&text).contains("<Error>") {
            return Err(String::from_utf8_lossy(&text).into_owned().into());
        }
        Ok(())
    }
}

#[derive(Default)]
struct Done {
    times: Vec<f64>,
    bytes: u64,
    tags: Vec<(u64, String)>,
}

#[derive(Default)]
struct Ask {
    method: Method,
    target: String,
    headers: Vec<(&'static str, String)>,
    body_bytes: u64,
    moves: u64,
}

/// A body that is one piece of memory over and over.
pub(super) struct Repeated {
    piece: Bytes,
    left: u64,
}

impl Repeated {
    fn zeros(bytes: u64) -> Self {
        static PIECE: [u8; 256 << 10] = [b'x'; 256 << 10];
        Self { piece: Bytes::from_static(&PIECE), left: bytes }
    }

    fn once(piece: Bytes) -> Self {
        let left = piece.len() as u64;
        Self { piece, left }
    }
}

impl Body for Repeated {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let bytes = self.left.min(self.piece.len() as u64);
        self.left -= bytes;
        Poll::Ready(Some(Ok(Frame::data(self.piece.slice(..bytes as usize)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// How many objects of a size are written over and read.
pub(super) fn keys_of(bytes: u64) -> u64 {
    KEYS.min(1 + GIB / 4 / bytes)
}

pub(super) const GIB: u64 = 1 << 30;
const PART_BYTES: u64 = 16 << 20;
const RANGE_BYTES: u64 = 64 << 10;
const KEYS: u64 = 64;
