//! The sweeper of the staging bucket: deletes what belongs to no open upload.
//!
//! Complete and Abort clear their upload's things themselves. What stays behind is that of a gateway which died between,
//! and of uploads that the backend ended on its own, by a lifecycle rule or with their bucket. Things younger than
//! [`GRACE`] are left alone, because their upload may be just beginning. An upload that copies an object and was not
//! ended within [`COPY_MAX`] lost its gateway, and is aborted.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::record::Record;
use super::staging::{self, RECORD, Staging};
use crate::backend::{Backend, BackendError, BucketName, ListedObject, Walk};

/// Sweeps once and then every hour, for as long as it is polled. A sweep that fails is logged; the next one tries again.
pub async fn sweep_hourly(backend: Arc<dyn Backend>, staging: BucketName) {
    let mut hours = tokio::time::interval(SWEEP_PERIOD);
    loop {
        hours.tick().await;
        match sweep_staging(&backend, &staging, SystemTime::now()).await {
            Ok(Swept { deleted: 0, aborted: 0, failed: 0 }) => {}
            Ok(Swept { deleted, aborted, failed }) => {
                tracing::info!(deleted, aborted, failed, "swept what ended uploads left in the staging bucket");
            }
            Err(error) => tracing::warn!(%error, "cannot sweep the staging bucket"),
        }
    }
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Swept {
    /// staged objects deleted
    pub(super) deleted: u64,
    /// copies aborted
    pub(super) aborted: u64,
    /// uploads whose state could not be told; the next sweep tries again
    pub(super) failed: u64,
}

/// Goes over the whole staging bucket once. `now` is the time by the backend's clock.
///
/// # Errors
/// [`BackendError`] if the bucket cannot be listed.
pub(super) async fn sweep_staging(
    backend: &Arc<dyn Backend>,
    bucket: &BucketName,
    now: SystemTime,
) -> Result<Swept, BackendError> {
    let mut swept = Swept::default();
    let mut state: Option<(String, State)> = None;
    let mut walk = Walk::new(backend.as_ref(), bucket, "", None, SWEPT_PAGES_MAX);
    while let Some(objects) = walk.next().await? {
        let mut over = Vec::new();
        for object in objects {
            let Some((id, _)) = object.key.split_once('/') else { continue };
            let is_old = now.duration_since(object.last_modified).is_ok_and(|age| age >= GRACE);
            if !is_old {
                continue;
            }
            if state.as_ref().is_none_or(|(known, _)| known != id) {
                let found = look(backend, bucket, id, now, &mut swept).await;
                state = Some((id.to_owned(), found));
            }
            if matches!(state, Some((_, State::Over))) {
                over.push(object.key);
            }
        }
        if !over.is_empty() {
            let count = over.len() as u64;
            staging::delete(backend.as_ref(), bucket, over.into_iter()).await?;
            swept.deleted += count;
        }
    }
    Ok(swept)
}

enum State {
    Open,
    Over,
    Unknown,
}

async fn look(backend: &Arc<dyn Backend>, bucket: &BucketName, id: &str, now: SystemTime, swept: &mut Swept) -> State {
    match state(backend, bucket, id, now, swept).await {
        Ok(state) => state,
        Err(error) => {
            tracing::warn!(%error, upload = id, "cannot tell whether a staged upload is open");
            swept.failed += 1;
            State::Unknown
        }
    }
}

async fn state(
    backend: &Arc<dyn Backend>,
    bucket: &BucketName,
    id: &str,
    now: SystemTime,
    swept: &mut Swept,
) -> Result<State, BackendError> {
    let key = format!("{id}/{RECORD}");
    let listed = Walk::new(backend.as_ref(), bucket, key.as_str(), None, 1).next().await?.unwrap_or_default();
    let Some(listed) = listed.into_iter().find(|object| object.key == key) else {
        // The record is the first thing staged and the last to go.
        return Ok(State::Over);
    };
    let staging = Staging::with_id(Arc::clone(backend), bucket.clone(), id.to_owned());
    let Some(bytes) = staging.read_record().await? else { return Ok(State::Over) };
    let record = Record::from_bytes(&bytes)?;
    let upload = record.upload();
    match backend.list_parts(&upload, 0, 1).await {
        Err(BackendError::NoSuchUpload | BackendError::NoSuchBucket) => Ok(State::Over),
        Err(error) => Err(error),
        Ok(_) if record.is_of_copy() && is_lost(&listed, now) => {
            backend.abort_upload(&upload).await?;
            swept.aborted += 1;
            Ok(State::Over)
        }
        Ok(_) => Ok(State::Open),
    }
}

fn is_lost(record: &ListedObject, now: SystemTime) -> bool {
    now.duration_since(record.last_modified).is_ok_and(|age| age >= COPY_MAX)
}

/// A hundred million objects; the next sweep begins anew.
const SWEPT_PAGES_MAX: u32 = 100_000;
const SWEEP_PERIOD: Duration = Duration::from_hours(1);
/// An upload writes its record within this time.
pub(super) const GRACE: Duration = Duration::from_hours(1);
/// No copy lasts longer.
pub(super) const COPY_MAX: Duration = Duration::from_hours(7 * 24);
