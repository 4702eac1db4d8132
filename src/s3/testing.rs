//! For tests of verbs: a gateway with one key over an embedded store in a folder of its own, called without HTTP.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use s3s::dto::{GetObjectInput, PutObjectInput, StreamingBlob};
use s3s::{S3, S3Request, S3Result};
use tempfile::TempDir;

use super::gateway::Gateway;
use crate::backend::local::LocalStore;
use crate::backend::{
    Backend, BucketName, GetRequest, ListRequest, ListStart, Metadata, ObjectRef, PutRequest, ReadConditions, Tags,
    WriteConditions,
};
use crate::keys::Keys;
use crate::keys::cluster::LiveClusterKeys;
use crate::keys::ring::{KeyRing, TenantKeys};
use crate::seal::{ClusterKey, ClusterKeys, Seed, TenantKey};
use crate::tenant::{BucketPrefix, Principal, TenantId};

/// The gateway and what it stands on.
pub(crate) struct Harness {
    pub(crate) gateway: Gateway,
    pub(crate) store: Arc<dyn Backend>,
    /// of every tenant
    pub(crate) key: Arc<TenantKey>,
    keys: Arc<Keys>,
    pub(crate) cluster_keys: LiveClusterKeys,
    folder: TempDir,
}

impl Harness {
    /// With the client's buckets [`BUCKET`] and [`OTHER_BUCKET`].
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store: Arc<dyn Backend> = Arc::new(LocalStore::open(folder.path()).unwrap());
        for bucket in [BUCKET, OTHER_BUCKET, STAGING] {
            store.create_bucket(&BucketName::new(bucket)).await.unwrap();
        }
        let key = Arc::new(TenantKey::from_seed(&Seed::generate().unwrap()));
        let keys = Arc::new(Keys::new(KeyRing::one_key(TenantKeys::new(Arc::clone(&key), []))));
        let cluster_keys = LiveClusterKeys::new(Arc::new(ClusterKeys::one(ClusterKey::generate().unwrap())));
        let gateway =
            Gateway::new(Arc::clone(&store), Arc::clone(&keys), cluster_keys.clone(), BucketName::new(STAGING));
        Self { gateway, store, key, keys, cluster_keys, folder }
    }

    /// Another gateway over the same store, with the same keys.
    pub(crate) fn replica(&self) -> Gateway {
        Gateway::new(
            Arc::clone(&self.store),
            Arc::clone(&self.keys),
            self.cluster_keys.clone(),
            BucketName::new(STAGING),
        )
    }

    /// Another gateway over the same store, whose tenants have these keys.
    pub(crate) fn replica_with(&self, keys: TenantKeys, cluster_keys: ClusterKeys) -> Gateway {
        let keys = Arc::new(Keys::new(KeyRing::one_key(keys)));
        let cluster_keys = LiveClusterKeys::new(Arc::new(cluster_keys));
        Gateway::new(Arc::clone(&self.store), keys, cluster_keys, BucketName::new(STAGING))
    }

    /// What the store has under this name.
    pub(crate) async fn stored(&self, bucket: &str, key: &str) -> Vec<u8> {
        let object = ObjectRef { bucket: BucketName::new(bucket), key: key.to_owned(), version_id: None };
        let get = GetRequest { object, range: None, conditions: ReadConditions::default() };
        let fetched = self.store.get(get).await.unwrap();
        fetched.stream.map(Result::unwrap).collect::<Vec<Bytes>>().await.concat()
    }

    /// Puts something into the store past the gateway.
    pub(crate) async fn store_raw(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let request = PutRequest {
            bucket: BucketName::new(bucket),
            key: key.to_owned(),
            metadata: Metadata::default(),
            tags: Tags::default(),
            conditions: WriteConditions::default(),
        };
        let body = super::multipart::held(Bytes::copy_from_slice(bytes));
        self.store.put(request, body).await.unwrap();
    }

    /// Stores an object of [`BUCKET`].
    pub(crate) async fn put(&self, key: &str, plain: &[u8]) {
        let input = PutObjectInput {
            bucket: BUCKET.to_owned(),
            key: key.to_owned(),
            content_length: i64::try_from(plain.len()).ok(),
            body: Some(blob(plain)),
            ..PutObjectInput::default()
        };
        self.gateway.put_object(request(input)).await.unwrap();
    }

    /// The plaintext of an object, or of a range of it such as `bytes=0-9`.
    pub(crate) async fn get(&self, bucket: &str, key: &str, range: Option<&str>) -> S3Result<Vec<u8>> {
        get(&self.gateway, bucket, key, range).await
    }

    /// The keys in a bucket of the backend.
    pub(crate) async fn stored_keys(&self, bucket: &str) -> Vec<String> {
        let request = ListRequest {
            bucket: BucketName::new(bucket),
            prefix: String::new(),
            delimiter: None,
            start: ListStart::Beginning,
            max: 1_000,
        };
        self.store.list(request).await.unwrap().objects.into_iter().map(|object| object.key).collect()
    }

    /// The files of the store that begin so: sealed parts begin with `SGP1`.
    pub(crate) fn files_beginning(&self, bytes: &[u8]) -> Vec<PathBuf> {
        beginning(self.folder.path(), bytes)
    }

    /// Whether any file of the store holds these bytes.
    pub(crate) fn stores(&self, bytes: &[u8]) -> bool {
        holds(self.folder.path(), bytes)
    }
}

/// As [`Harness::get`], of any gateway.
pub(crate) async fn get(gateway: &Gateway, bucket: &str, key: &str, range: Option<&str>) -> S3Result<Vec<u8>> {
    let input = GetObjectInput {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        range: range.map(|range| s3s::dto::Range::parse(range).unwrap()),
        ..GetObjectInput::default()
    };
    let output = gateway.get_object(request(input)).await?.output;
    let body = output.body.unwrap();
    let pieces: Vec<Bytes> = body.try_collect().await.map_err(super::errors::body)?;
    Ok(pieces.concat())
}

/// A request of [`TENANT`].
pub(crate) fn request<T>(input: T) -> S3Request<T> {
    request_of(TENANT, input)
}

/// A request of any tenant; all have the same bucket prefix.
pub(crate) fn request_of<T>(tenant: &str, input: T) -> S3Request<T> {
    let mut extensions = http::Extensions::new();
    extensions.insert(Principal {
        tenant: TenantId::new(tenant).unwrap(),
        access_key_id: "key".into(),
        bucket_prefix: BucketPrefix::empty(),
    });
    S3Request {
        input,
        method: http::Method::POST,
        uri: http::Uri::from_static("/"),
        headers: http::HeaderMap::new(),
        extensions,
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    }
}

/// A body.
pub(crate) fn blob(plain: &[u8]) -> StreamingBlob {
    StreamingBlob::from_bytes(Bytes::copy_from_slice(plain))
}

/// The code of a failure.
pub(crate) fn code<T>(result: S3Result<T>) -> String {
    result.err().map(|error| error.code().as_str().to_owned()).unwrap_or_default()
}

/// Bytes that differ everywhere, the same for the same seed.
pub(crate) fn pattern(seed: u8, bytes: usize) -> Vec<u8> {
    let mut state = u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut plain = Vec::with_capacity(bytes + 8);
    while plain.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        plain.extend_from_slice(&state.to_be_bytes());
    }
    plain.truncate(bytes);
    plain
}

fn beginning(path: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    if path.is_dir() {
        return std::fs::read_dir(path).unwrap().flat_map(|entry| beginning(&entry.unwrap().path(), bytes)).collect();
    }
    let begins = std::fs::read(path).is_ok_and(|held| held.starts_with(bytes));
    if begins { vec![path.to_owned()] } else { Vec::new() }
}

fn holds(path: &Path, bytes: &[u8]) -> bool {
    if path.is_dir() {
        return std::fs::read_dir(path).unwrap().any(|entry| holds(&entry.unwrap().path(), bytes));
    }
    // the store removes files that nothing names any more, at a time of its own
    let held = std::fs::read(path).unwrap_or_default();
    held.windows(bytes.len()).any(|window| window == bytes)
}

pub(crate) const TENANT: &str = "tenant";
pub(crate) const BUCKET: &str = "bucket";
pub(crate) const OTHER_BUCKET: &str = "other-bucket";
pub(crate) const STAGING: &str = "staging-bucket";
pub(crate) const MIB: usize = 1 << 20;
