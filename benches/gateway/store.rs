//! The least S3 store that there can be: everything in memory, nothing verified. It costs so little that what is
//! measured is what stands before it.
//!
//! Serves what the load and the contenders ask for: buckets, PUT, GET with a range, HEAD, DELETE, multipart uploads, and
//! lists of version 2.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};

use super::Failure;

/// Buckets, objects by `/bucket/key`, and open uploads.
#[derive(Default)]
pub(super) struct Store {
    buckets: Mutex<BTreeSet<String>>,
    objects: Mutex<BTreeMap<String, Arc<Object>>>,
    uploads: Mutex<HashMap<String, Upload>>,
    ids: AtomicU64,
}

struct Object {
    chunks: Vec<Bytes>,
    bytes: usize,
    /// what a GET says again: user metadata, content headers, entity tag
    headers: HeaderMap,
}

#[derive(Default)]
struct Upload {
    headers: HeaderMap,
    parts: BTreeMap<u32, Vec<Bytes>>,
}

type Answer = Response<UnsyncBoxBody<Bytes, Failure>>;

impl Store {
    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Failure> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let query: HashMap<_, _> =
            form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let is_bucket = path.trim_matches('/').split('/').count() == 1;
        match head.method {
            Method::PUT if is_bucket => {
                self.buckets.lock().unwrap().insert(path);
                Ok(empty(StatusCode::OK))
            }
            Method::HEAD if is_bucket => {
                let is_there = self.buckets.lock().unwrap().contains(&path);
                Ok(empty(if is_there { StatusCode::OK } else { StatusCode::NOT_FOUND }))
            }
            Method::GET if is_bucket => Ok(self.list(&path, &query)),
            Method::PUT => {
                let chunks = chunks_of(body, !path.contains("/discard/")).await?;
                Ok(self.put(path, &query, &head.headers, chunks))
            }
            Method::POST if query.contains_key("uploads") => Ok(self.create_upload(&head.headers)),
            Method::POST if query.contains_key("uploadId") => {
                body.collect().await?;
                Ok(self.complete(path, &query))
            }
            Method::GET | Method::HEAD => Ok(self.get(&path, &head.method, &head.headers)),
            Method::DELETE => {
                self.objects.lock().unwrap().remove(&path);
                Ok(empty(StatusCode::NO_CONTENT))
            }
            _ => Ok(empty(StatusCode::NOT_IMPLEMENTED)),
        }
    }

    fn put(&self, path: String, query: &HashMap<String, String>, headers: &HeaderMap, chunks: Vec<Bytes>) -> Answer {
        let mut answer = empty(StatusCode::OK);
        let tag = format!("\"{:032x}\"", self.ids.fetch_add(1, Ordering::Relaxed));
        answer.headers_mut().insert("etag", tag.parse().unwrap());
        if let (Some(upload), Some(number)) = (query.get("uploadId"), query.get("partNumber")) {
            let mut uploads = self.uploads.lock().unwrap();
            let Some(upload) = uploads.get_mut(upload) else { return empty(StatusCode::NOT_FOUND) };
            upload.parts.insert(number.parse().unwrap_or(0), chunks);
            return answer;
        }
        self.keep(path, kept(headers), &tag, chunks);
        answer
    }

    fn keep(&self, path: String, mut headers: HeaderMap, tag: &str, chunks: Vec<Bytes>) {
        headers.insert("etag", tag.parse().unwrap());
        headers.insert("last-modified", "Mon, 02 Nov 2026 00:00:00 GMT".parse().unwrap());
        let bytes = chunks.iter().map(Bytes::len).sum();
        self.objects.lock().unwrap().insert(path, Arc::new(Object { chunks, bytes, headers }));
    }

    fn create_upload(&self, headers: &HeaderMap) -> Answer {
        let id = format!("u{}", self.ids.fetch_add(1, Ordering::Relaxed));
        let upload = Upload { headers: kept(headers), ..Upload::default() };
        self.uploads.lock().unwrap().insert(id.clone(), upload);
        xml(format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"))
    }

    fn complete(&self, path: String, query: &HashMap<String, String>) -> Answer {
        let Some(upload) = self.uploads.lock().unwrap().remove(&query["uploadId"]) else {
            return empty(StatusCode::NOT_FOUND);
        };
        let count = upload.parts.len();
        let tag = format!("\"{:032x}-{count}\"", self.ids.fetch_add(1, Ordering::Relaxed));
        self.keep(path, upload.headers, &tag, upload.parts.into_values().flatten().collect());
        xml(format!("<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>"))
    }

    fn get(&self, path: &str, method: &Method, asked: &HeaderMap) -> Answer {
        let Some(object) = self.objects.lock().unwrap().get(path).cloned() else {
            let mut answer = xml("<Error><Code>NoSuchKey</Code></Error>".to_owned());
            *answer.status_mut() = StatusCode::NOT_FOUND;
            return answer;
        };
        let range = asked.get("range").and_then(|value| range(value.to_str().ok()?, object.bytes));
        let (start, end) = range.unwrap_or((0, object.bytes));
        let chunks = if *method == Method::HEAD { Vec::new() } else { slices(&object.chunks, start, end) };
        let frames = futures::stream::iter(chunks.into_iter().map(|chunk| Ok::<_, Failure>(Frame::data(chunk))));
        let mut answer = Response::new(UnsyncBoxBody::new(StreamBody::new(frames)));
        *answer.headers_mut() = object.headers.clone();
        answer.headers_mut().insert("content-length", (end - start).into());
        if range.is_some() {
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            let told = format!("bytes {start}-{}/{}", end - 1, object.bytes);
            answer.headers_mut().insert("content-range", told.parse().unwrap());
        }
        answer
    }

    fn list(&self, path: &str, query: &HashMap<String, String>) -> Answer {
        let bucket = format!("/{}/", path.trim_matches('/'));
        let max = query.get("max-keys").and_then(|max| max.parse().ok()).unwrap_or(1000);
        let after = query.get("continuation-token").or_else(|| query.get("start-after"));
        let from = Bound::Excluded(format!("{bucket}{}", after.map_or("", String::as_str)));
        let prefix = format!("{bucket}{}", query.get("prefix").map_or("", String::as_str));
        let objects = self.objects.lock().unwrap();
        let mut found = objects.range((from, Bound::Unbounded)).filter(|(key, _)| key.starts_with(&prefix));
        let (mut entries, mut last) = (String::new(), "");
        for (key, object) in found.by_ref().take(max) {
            last = &key[bucket.len()..];
            let tag = object.headers["etag"].to_str().unwrap().replace('"', "&quot;");
            write!(
                entries,
                "<Contents><Key>{last}</Key><LastModified>2026-11-02T00:00:00.000Z</LastModified><ETag>{tag}</ETag>\
                 <Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
                object.bytes
            )
            .unwrap();
        }
        let more = if found.next().is_some() {
            format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>")
        } else {
            "<IsTruncated>false</IsTruncated>".to_owned()
        };
        let name = path.trim_matches('/');
        xml(format!(
            "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{name}</Name><Prefix></Prefix>\
             <KeyCount>{max}</KeyCount><MaxKeys>{max}</MaxKeys>{more}{entries}</ListBucketResult>"
        ))
    }
}

async fn chunks_of(mut body: Incoming, is_kept: bool) -> Result<Vec<Bytes>, Failure> {
    let mut chunks = Vec::new();
    while let Some(frame) = body.frame().await {
        chunks.extend(frame?.into_data().ok().filter(|_| is_kept));
    }
    Ok(chunks)
}

fn kept(headers: &HeaderMap) -> HeaderMap {
    let is_kept = |name: &str| name.starts_with("x-amz-meta-") || name == "content-type";
    headers.iter().filter(|(name, _)| is_kept(name.as_str())).map(|(n, v)| (n.clone(), v.clone())).collect()
}

/// `bytes=first-last`, `bytes=first-` and `bytes=-suffix` as start and end.
fn range(text: &str, bytes: usize) -> Option<(usize, usize)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        return Some((bytes.saturating_sub(last.parse().ok()?), bytes));
    }
    let end = if last.is_empty() { bytes } else { last.parse::<usize>().ok()?.saturating_add(1).min(bytes) };
    let first = first.parse().ok()?;
    (first < end).then_some((first, end))
}

fn slices(chunks: &[Bytes], start: usize, end: usize) -> Vec<Bytes> {
    let (mut at, mut found) = (0, Vec::new());
    for chunk in chunks {
        let (from, to) = (start.max(at), end.min(at + chunk.len()));
        if from < to {
            found.push(chunk.slice(from - at..to - at));
        }
        at += chunk.len();
        if at >= end {
            break;
        }
    }
    found
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = xml(String::new());
    *answer.status_mut() = status;
    answer
}

fn xml(text: String) -> Answer {
    let body = http_body_util::Full::new(Bytes::from(text)).map_err(|never| match never {});
    Response::new(UnsyncBoxBody::new(body))
}
