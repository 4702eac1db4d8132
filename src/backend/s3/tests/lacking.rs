//! A store that takes every request and holds to no condition: what it lacks is found out, and refused.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::*;
use super::settings;
use crate::backend::contract::body;
use crate::backend::{BackendError, CopyTags, Metadata, WriteConditions};

/// Answers everything with yes; counts requests.
struct Agreeable {
    store: S3Store,
    requests: Arc<AtomicU32>,
}

impl Agreeable {
    async fn new(features: KnownFeatures) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || agree(&mut stream.unwrap()));
            }
        });
        let settings = S3Settings { features, ..settings(&address.to_string(), "id", "secret") };
        Self { store: S3Store::new(settings).await.unwrap(), requests }
    }

    fn requests(&self) -> u32 {
        self.requests.load(Ordering::SeqCst)
    }
}

fn agree(stream: &mut TcpStream) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_exact(&mut byte).is_err() {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    stream.read_exact(&mut vec![0; length.map_or(0, |text| text.parse().unwrap())]).unwrap();
    let line = head.lines().next().unwrap();
    let text = match () {
        () if line.starts_with("post") && line.contains("uploads") => "<R><UploadId>u</UploadId></R>",
        () if line.starts_with("post") => "<R><ETag>0123456789abcdef0123456789abcdef</ETag></R>",
        () if head.contains("x-amz-copy-source") => {
            "<R><ETag>e</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></R>"
        }
        () => "",
    };
    let answer =
        format!("HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len());
    stream.write_all(answer.as_bytes()).unwrap();
}

fn put(conditions: WriteConditions) -> PutRequest {
    PutRequest {
        bucket: BucketName::new("b"),
        key: "k".to_owned(),
        metadata: Metadata::default(),
        tags: Vec::new(),
        conditions,
    }
}

fn if_absent() -> WriteConditions {
    WriteConditions { if_match: None, if_none_match: Some(ETagMatch::Any) }
}

fn upload() -> CreateUpload {
    CreateUpload { bucket: BucketName::new("b"), key: "k".to_owned(), metadata: Metadata::default(), tags: Vec::new() }
}

const NOTHING: Features = Features::every(false);

#[tokio::test]
async fn what_a_store_only_pretends_is_refused_without_a_request() {
    let agreeable = Agreeable::new(KnownFeatures::default()).await;
    let store = &agreeable.store;
    store.learn(&BucketName::new("scratch")).await.unwrap();
    // what it answers to a copy looks like one, and it refuses no quotes
    assert_eq!(store.features.features(), Features { part_copies: true, quoted_tags: true, ..NOTHING });
    let before = agreeable.requests();
    let object = ObjectRef { bucket: BucketName::new("b"), key: "k".to_owned(), version_id: None };
    let copy = CopyRequest {
        source: object.clone(),
        source_conditions: ReadConditions::default(),
        bucket: BucketName::new("b"),
        key: "k".to_owned(),
        metadata: Metadata::default(),
        tags: CopyTags::Keep,
        conditions: if_absent(),
    };
    let at = UploadRef { bucket: BucketName::new("b"), key: "k".to_owned(), upload_id: UploadId::new("u") };
    let parts = vec![(1, StoredETag::new("e"))];
    let complete = CompleteUpload { upload: at, parts, conditions: if_absent() };
    let item = DeleteItem { key: "k".to_owned(), version_id: None, if_match: Some(ETagMatch::Any) };
    for refused in [
        store.put(put(if_absent()), body(b"b")).await.map(drop),
        store.copy(copy).await.map(drop),
        store.complete_upload(complete).await.map(drop),
        store.delete(&object, Some(ETagMatch::Any), Governance::Holds).await.map(drop),
        store.delete_many(&object.bucket, vec![item], Governance::Holds).await.map(drop),
        store.create_upload(upload()).await.map(drop),
    ] {
        assert!(matches!(refused, Err(BackendError::NotImplemented(_))), "{refused:?}");
    }
    assert_eq!(agreeable.requests(), before);
    store.put(put(WriteConditions::default()), body(b"b")).await.unwrap();
    store.delete(&object, None, Governance::Holds).await.unwrap();
}

#[tokio::test]
async fn what_the_configuration_says_is_not_found_out() {
    let agreeable = Agreeable::new(KnownFeatures::every(false)).await;
    assert_eq!(agreeable.store.features.features(), NOTHING);
    let agreeable = Agreeable::new(KnownFeatures::every(true)).await;
    agreeable.store.learn(&BucketName::new("scratch")).await.unwrap();
    assert_eq!(agreeable.requests(), 0);
    agreeable.store.put(put(if_absent()), body(b"b")).await.unwrap();
}

#[tokio::test]
async fn an_object_whose_count_of_parts_nobody_tells_is_no_success() {
    let agreeable = Agreeable::new(KnownFeatures::default()).await;
    let at = UploadRef { bucket: BucketName::new("b"), key: "k".to_owned(), upload_id: UploadId::new("u") };
    let complete =
        CompleteUpload { upload: at, parts: vec![(1, StoredETag::new("e"))], conditions: WriteConditions::default() };
    let got = agreeable.store.complete_upload(complete).await;
    assert!(matches!(got, Err(BackendError::Unavailable(_))), "{got:?}");
}
