//! The keys that the gateways of a cluster share: which there are, and whether records that gateways left in the staging
//! bucket can be opened with them. Another cluster over the same bucket, or a key that one gateway lacks, shows there.

use std::collections::BTreeSet;
use std::time::SystemTime;

use anyhow::Context as _;
use futures::TryStreamExt as _;

use super::Findings;
use super::files::closed;
use crate::backend::{
    Backend, BackendError, GetRequest, ListRequest, ListStart, ObjectRef, ReadConditions, StoredRange,
};
use crate::config::{Config, Problem, Store};
use crate::keys::cluster::FILE_NAME;
use crate::seal::record_key_id;

pub(super) fn examine(config: &Config, findings: &mut Findings) {
    match (&config.cluster_keys, &config.backend.store) {
        (Some(keys), _) => {
            let ids: Vec<String> = keys.ids().map(|id| id.to_string()).collect();
            match keys.sealing(SystemTime::now()) {
                Some(key) => findings.ok(NAME, format!("{} seals, {} can open", key.id(), ids.join(", "))),
                None => findings.fail(NAME, format!("none seals now of {}", ids.join(", "))),
            }
        }
        (None, Store::Local { path }) => {
            let file = path.join(FILE_NAME);
            if file.exists() {
                closed(NAME, &file, findings);
            } else {
                findings.ok(NAME, format!("one is made at the first start, in {}", file.display()));
            }
        }
        (None, Store::S3(_)) => findings.fail(NAME, Problem::ClusterKeysRequired.to_string()),
    }
}

/// Looks at the first records of uploads.
pub(super) async fn records(config: &Config, store: &dyn Backend, findings: &mut Findings) -> anyhow::Result<()> {
    let Some(keys) = &config.cluster_keys else { return Ok(()) };
    let bucket = &config.backend.staging_bucket;
    let request = ListRequest {
        bucket: bucket.clone(),
        prefix: String::new(),
        delimiter: None,
        start: ListStart::Beginning,
        max: LISTED_MAX,
    };
    let page = store.list(request).await.with_context(|| format!("listing {bucket}"))?;
    let names = page.objects.into_iter().map(|object| object.key).filter(|key| key.ends_with("/record"));
    let (mut opened, mut foreign) = (0, BTreeSet::new());
    for key in names.take(RECORDS_MAX) {
        let object = ObjectRef { bucket: bucket.clone(), key, version_id: None };
        let Some(head) = head(store, object).await? else { continue };
        // what is none of these records is of an older version, or no record at all
        let Some(id) = record_key_id(&head) else { continue };
        if keys.opens(id, SystemTime::now()) {
            opened += 1;
        } else {
            foreign.insert(id.to_string());
        }
    }
    let foreign: Vec<String> = foreign.into_iter().collect();
    match (opened, foreign.is_empty()) {
        (0, true) => {}
        (_, true) => findings.ok(NAME, format!("{opened} records in {bucket} can be opened")),
        (0, false) => {
            let ids = foreign.join(", ");
            let detail = format!(
                "records in {bucket} are sealed under {ids}, which cluster.keys lacks: give every gateway over this store the same keys"
            );
            findings.fail(NAME, detail);
        }
        (_, false) => {
            let ids = foreign.join(", ");
            findings.warn(NAME, format!("some records in {bucket} are sealed under {ids}, which cluster.keys lacks: uploads that began under them cannot go on"));
        }
    }
    Ok(())
}

/// The first bytes of an object; nothing if it is gone meanwhile.
async fn head(store: &dyn Backend, object: ObjectRef) -> anyhow::Result<Option<Vec<u8>>> {
    let range = Some(StoredRange::Bounded { first: 0, last: HEAD_BYTES - 1 });
    let get = GetRequest { object, range, conditions: ReadConditions::default() };
    let mut fetched = match store.get(get).await {
        Ok(fetched) => fetched,
        Err(BackendError::NoSuchKey { .. }) => return Ok(None),
        Err(error) => return Err(error).context("reading a record"),
    };
    let mut head = Vec::new();
    while (head.len() as u64) < HEAD_BYTES {
        let next = fetched.stream.try_next().await.map_err(anyhow::Error::from_boxed).context("reading a record")?;
        let Some(bytes) = next else { break };
        let room = usize::try_from(HEAD_BYTES)?.saturating_sub(head.len());
        head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
    Ok(Some(head))
}

const NAME: &str = "cluster keys";
/// Objects of the staging bucket that are looked through, and records of which the head is read.
const LISTED_MAX: u32 = 1000;
const RECORDS_MAX: usize = 20;
/// A record begins with its mark and the id of its key; the rest is not needed.
const HEAD_BYTES: u64 = 64;
