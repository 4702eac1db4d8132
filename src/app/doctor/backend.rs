//! The store: a small object is sealed, stored, read, opened and deleted, as requests do it.
//!
//! The key is made for the purpose and kept by nobody. A local store that is not there yet is tried in a folder beside
//! its own; one that a running gateway holds is left alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;

use super::{Findings, cluster};
use crate::app::{create_staging, open_store};
use crate::backend::local::{LocalStore, OpenError};
use crate::backend::s3::{S3Settings, S3Store};
use crate::backend::{
    Backend, BucketName, GetRequest, Governance, Metadata, ObjectRef, PutRequest, ReadConditions, SealedBody,
    WriteConditions,
};
use crate::config::{Config, Store};
use crate::seal::{
    Binding, Envelope, Kind, PlainLen, SealedLen, Seed, SingleOpener, SingleSealer, TenantKey, geometry,
};

pub(super) async fn examine(config: &Config, round_trip: bool, findings: &mut Findings) {
    let looked = async {
        match &config.backend.store {
            Store::Local { path } => local(path, &config.backend.staging_bucket, round_trip).await,
            Store::S3(settings) => {
                clock(settings, findings).await;
                remote(config, round_trip, findings).await
            }
        }
    };
    match tokio::time::timeout(BACKEND_TIMEOUT, looked).await {
        Err(_) => findings.fail("backend", format!("no answer within {BACKEND_TIMEOUT:?}")),
        Ok(Err(error)) => findings.fail("backend", format!("{error:#}")),
        Ok(Ok(detail)) => findings.ok("backend", detail),
    }
}

async fn clock(settings: &S3Settings, findings: &mut Findings) {
    // whether it can be reached at all is told by what follows
    if let Ok(store) = S3Store::new(settings.clone()).await
        && let Ok(clock) = store.clock().await
    {
        findings.clock("store", clock);
    }
}

async fn remote(config: &Config, round_trip: bool, findings: &mut Findings) -> anyhow::Result<String> {
    let store = open_store(config).await?;
    let staging = &config.backend.staging_bucket;
    if !round_trip {
        let found = store.list_buckets(staging.as_str()).await?;
        if found.iter().any(|bucket| bucket.name == *staging) {
            cluster::records(config, store.as_ref(), findings).await?;
        }
        return Ok("it answers; nothing was written".to_owned());
    }
    create_staging(store.as_ref(), staging).await?;
    there_and_back(store.as_ref(), staging).await?;
    cluster::records(config, store.as_ref(), findings).await?;
    store.learn(staging).await.context("finding out what it can do")?;
    let of = |wanted: bool| {
        let features = store.features().into_iter().filter(|(_, is_there)| *is_there == wanted);
        features.map(|(name, _)| name).collect::<Vec<_>>().join(", ")
    };
    findings.ok("features", format!("the store has {}", of(true)));
    let lacks = of(false);
    if !lacks.is_empty() {
        findings.warn("features", format!("the store lacks {lacks}"));
    }
    Ok("a sealed object went there and back".to_owned())
}

async fn local(path: &Path, staging: &BucketName, round_trip: bool) -> anyhow::Result<String> {
    let place = path.display();
    if !round_trip {
        return Ok(format!("local store in {place}; nothing was written"));
    }
    let (folder, scratch) = if path.exists() { (path.to_owned(), None) } else { beside(path)? };
    let opened = tokio::task::spawn_blocking(move || LocalStore::open(&folder)).await?;
    let store = match opened {
        Err(OpenError::InUse(_)) => return Ok(format!("the local store in {place} is held by a running gateway")),
        opened => opened.with_context(|| format!("local store in {place}"))?,
    };
    create_staging(&store, staging).await?;
    there_and_back(&store, staging).await?;
    tokio::task::spawn_blocking(move || drop((store, scratch))).await?;
    Ok(format!("a sealed object went into the local store in {place} and back"))
}

/// A folder that is removed again, on the file system on which the store will be.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // it holds nothing that matters
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

fn beside(path: &Path) -> anyhow::Result<(PathBuf, Option<Scratch>)> {
    let parent = path.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    let folder = parent.join(format!(".sealgate-doctor-{}", random_name()?));
    std::fs::create_dir(&folder).with_context(|| format!("cannot write to {}", parent.display()))?;
    Ok((folder.clone(), Some(Scratch(folder))))
}

async fn there_and_back(store: &dyn Backend, bucket: &BucketName) -> anyhow::Result<()> {
    let object =
        ObjectRef { bucket: bucket.clone(), key: format!("sealgate-doctor/{}", random_name()?), version_id: None };
    let key = TenantKey::from_seed(&Seed::generate()?);
    let binding = Binding::new("doctor", bucket.as_str(), &object.key)?;
    let tried = round_trip(store, &object, &key, &binding).await;
    let deleted = store.delete(&object, None, Governance::Holds).await;
    tried?;
    deleted.context("deleting")?;
    Ok(())
}

async fn round_trip(store: &dyn Backend, object: &ObjectRef, key: &TenantKey, binding: &Binding) -> anyhow::Result<()> {
    let plain = Bytes::from(vec![b'd'; PLAIN_BYTES]);
    let (request, sealed) = sealed(object, key, binding, &plain)?;
    let body = SealedBody {
        bytes: sealed.len() as u64,
        stream: Box::pin(futures::stream::iter([Ok(sealed)])),
        late_metadata: None,
    };
    store.put(request, body).await.context("writing")?;
    let get = GetRequest { object: object.clone(), range: None, conditions: ReadConditions::default() };
    let fetched = store.get(get).await.context("reading")?;
    let stored: Vec<Bytes> =
        fetched.stream.try_collect().await.map_err(anyhow::Error::from_boxed).context("reading the body")?;
    let stored = stored.concat();
    let envelope = fetched.info.metadata.user.get(ENVELOPE).context("the store keeps no metadata")?;
    let secret = Envelope::from_metadata(envelope)?.open(key, binding)?;
    let mut reading = SingleOpener::new(&secret, SealedLen::new(stored.len() as u64))?;
    let mut opened = BytesMut::new();
    reading.push(&stored, &mut opened)?;
    reading.finish()?;
    ensure!(opened == plain, "what came back is not what was written");
    Ok(())
}

fn sealed(
    object: &ObjectRef,
    key: &TenantKey,
    binding: &Binding,
    plain: &Bytes,
) -> anyhow::Result<(PutRequest, Bytes)> {
    let length = PlainLen::new(plain.len() as u64);
    let (envelope, secret) = Envelope::seal(Kind::Single, key, binding)?;
    let mut writing = SingleSealer::new(&envelope, &secret, length)?;
    let mut sealed = BytesMut::new();
    writing.push(plain, &mut sealed)?;
    writing.finish(&mut sealed)?;
    ensure!(sealed.len() as u64 == geometry::single_sealed(length)?.bytes(), "a sealed body has an unexpected length");
    let user = BTreeMap::from([(ENVELOPE.to_owned(), envelope.to_metadata())]);
    let request = PutRequest {
        bucket: object.bucket.clone(),
        key: object.key.clone(),
        metadata: Metadata { user, ..Metadata::default() },
        tags: Vec::new(),
        conditions: WriteConditions::default(),
    };
    Ok((request, sealed.freeze()))
}

fn random_name() -> anyhow::Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}

/// The metadata in which objects carry their envelopes.
const ENVELOPE: &str = "sealgate";
/// More than one segment.
const PLAIN_BYTES: usize = 100_000;
const BACKEND_TIMEOUT: Duration = Duration::from_secs(30);
