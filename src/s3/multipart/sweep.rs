//! The sweeper: deletes what in the staging bucket belongs to no open upload, and ends uploads that nobody can end.
//!
//! Complete and Abort clear their upload's things themselves. What stays behind is that of a gateway which died between,
//! and of uploads that the backend ended on its own, by a lifecycle rule or with their bucket. Ended are
//!
//! - uploads of tenants' buckets without a record: a gateway died before it wrote one, and nobody was told the id;
//! - uploads of version 0.1, whose records do not count any more: their parts would stay for ever;
//! - uploads of the gateway's own, such as copies, whose gateway died, and any that are older than uploads may be.
//!
//! Only things with a slash in their names belong to uploads. What a store says here is believed: it can end uploads and
//! remove things itself. Its dates alone end no upload that has just begun, though: a store may have another clock, or no
//! dates worth the name. So an upload is as old as it is by the clock of the gateway that began it too, and one without a
//! record is ended when two sweeps found none. A sweep looks at a bounded number of things.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::staging::{self, RECORD, Staging, Subject};
use crate::backend::{Backend, BackendError, BucketName, ListUploadsRequest, ListedObject, UploadId, UploadRef, Walk};

/// What is swept, and by which rules.
#[derive(Clone)]
pub struct Sweeper {
    /// the store
    pub backend: Arc<dyn Backend>,
    /// the staging bucket
    pub staging: BucketName,
    /// how long an upload may be open
    pub upload_max_age: Duration,
    /// whether a bucket of the store is a tenant's
    pub is_tenants: Arc<dyn Fn(&BucketName) -> bool + Send + Sync>,
}

/// Sweeps once and then every hour, for as long as it is polled. A sweep that fails is logged; the next one tries again.
pub async fn sweep_hourly(sweeper: Sweeper) {
    let mut hours = tokio::time::interval(SWEEP_PERIOD);
    let mut without_record = WithoutRecord::default();
    loop {
        hours.tick().await;
        let now = SystemTime::now();
        let mut swept = Swept::default();
        if let Err(error) = sweeper.staging(now, &mut swept).await {
            tracing::warn!(%error, "cannot sweep the staging bucket");
        }
        if let Err(error) = sweeper.buckets(now, &mut without_record, &mut swept).await {
            tracing::warn!(%error, "cannot look for uploads without a record");
        }
        if swept != Swept::default() {
            let Swept { deleted, aborted, failed } = swept;
            tracing::info!(deleted, aborted, failed, "swept what ended uploads left");
        }
    }
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Swept {
    /// staged objects deleted
    pub(super) deleted: u64,
    /// uploads aborted
    pub(super) aborted: u64,
    /// uploads whose state could not be told; the next sweep tries again
    pub(super) failed: u64,
}

/// Uploads that a sweep found without a record, by their ids in the staging bucket. Create writes the record soon after it
/// began the upload, so only what the next sweep finds like that has lost its gateway.
#[derive(Debug, Default)]
pub(super) struct WithoutRecord {
    before: HashSet<String>,
    now: HashSet<String>,
}

impl WithoutRecord {
    /// Whether the sweep before this one found it so too.
    fn is_again(&mut self, id: String) -> bool {
        let is_again = self.before.contains(&id);
        self.now.insert(id);
        is_again
    }

    fn next_sweep(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }
}

impl Sweeper {
    /// Goes over the whole staging bucket once. `now` is the time by the backend's clock.
    ///
    /// # Errors
    /// [`BackendError`] if the bucket cannot be listed.
    pub(super) async fn staging(&self, now: SystemTime, swept: &mut Swept) -> Result<(), BackendError> {
        let mut state: Option<(String, State)> = None;
        let mut walk = Walk::new(self.backend.as_ref(), &self.staging, "", None, PAGES_MAX);
        while let Some(objects) = walk.next().await? {
            let mut over = Vec::new();
            for object in objects {
                let Some((id, _)) = object.key.split_once('/').filter(|(id, _)| !id.starts_with(OTHERS)) else {
                    continue;
                };
                if age(now, object.last_modified) < GRACE {
                    continue;
                }
                if state.as_ref().is_none_or(|(known, _)| known != id) {
                    let found = self.look(id, now, swept).await;
                    state = Some((id.to_owned(), found));
                }
                if matches!(state, Some((_, State::Over))) {
                    over.push(object.key);
                }
            }
            if !over.is_empty() {
                let count = over.len() as u64;
                staging::delete(self.backend.as_ref(), &self.staging, over.into_iter()).await?;
                swept.deleted += count;
            }
        }
        Ok(())
    }

    /// Goes over the open uploads of tenants' buckets once, and ends those that had no record in the last sweep either.
    ///
    /// # Errors
    /// [`BackendError`] if buckets or uploads cannot be listed.
    pub(super) async fn buckets(
        &self,
        now: SystemTime,
        without: &mut WithoutRecord,
        swept: &mut Swept,
    ) -> Result<(), BackendError> {
        without.next_sweep();
        let mut left = UPLOADS_MAX;
        for bucket in self.backend.list_buckets("").await? {
            if bucket.name == self.staging || !(self.is_tenants)(&bucket.name) {
                continue;
            }
            match self.uploads(&bucket.name, now, &mut left, without, swept).await {
                // it was deleted meanwhile, or the store does not list uploads
                Ok(()) | Err(BackendError::NoSuchBucket | BackendError::NotImplemented(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn uploads(
        &self,
        bucket: &BucketName,
        now: SystemTime,
        left: &mut usize,
        without: &mut WithoutRecord,
        swept: &mut Swept,
    ) -> Result<(), BackendError> {
        let mut list = ListUploadsRequest {
            bucket: bucket.clone(),
            prefix: String::new(),
            delimiter: None,
            key_marker: None,
            upload_id_marker: None,
            max: PAGE_MAX,
        };
        while *left > 0 {
            let page = self.backend.list_uploads(list.clone()).await?;
            // pages of nothing come to an end too
            *left = left.saturating_sub(page.uploads.len().max(PAGE_COUNTS_MIN));
            for upload in page.uploads {
                if age(now, upload.initiated) < WITHOUT_RECORD_MAX {
                    continue;
                }
                let at = UploadRef { bucket: bucket.clone(), key: upload.key, upload_id: upload.upload_id };
                if let Err(error) = self.end_without_record(&at, without, swept).await {
                    swept.failed += 1;
                    tracing::debug!(%error, upload = staging::id(&at), "cannot tell whether an upload has a record");
                }
            }
            let Some((key, upload_id)) = page.next else { return Ok(()) };
            (list.key_marker, list.upload_id_marker) = (Some(key), Some(upload_id));
        }
        tracing::warn!(bucket = bucket.as_str(), "uploads have no end: the rest of them is not looked at");
        Ok(())
    }

    async fn end_without_record(
        &self,
        at: &UploadRef,
        without: &mut WithoutRecord,
        swept: &mut Swept,
    ) -> Result<(), BackendError> {
        let id = staging::id(at);
        if self.staged(id.clone()).has_record().await? || !without.is_again(id) {
            return Ok(());
        }
        self.abort(at, swept).await
    }

    async fn look(&self, id: &str, now: SystemTime, swept: &mut Swept) -> State {
        match self.state(id, now, swept).await {
            Ok(state) => state,
            Err(error) => {
                swept.failed += 1;
                if swept.failed <= FAILURES_NAMED_MAX {
                    tracing::warn!(%error, upload = id, "cannot tell whether a staged upload is open");
                }
                State::Unknown
            }
        }
    }

    async fn state(&self, id: &str, now: SystemTime, swept: &mut Swept) -> Result<State, BackendError> {
        let key = format!("{id}/{RECORD}");
        let listed = Walk::new(self.backend.as_ref(), &self.staging, key.as_str(), None, 1).next().await?;
        let Some(listed) = listed.unwrap_or_default().into_iter().find(|object| object.key == key) else {
            // The record is the first thing staged and the last to go.
            return Ok(State::Over);
        };
        let Some((bytes, subject)) = self.staged(id.to_owned()).read_record_for_sweep().await? else {
            return Ok(State::Over);
        };
        let known = subject.map(|subject| (subject, self.upload_max_age));
        let known = known.or_else(|| OldRecord::parse(&bytes).map(|old| (old.subject(listed.last_modified), OLD_MAX)));
        let Some((subject, age_max)) = known.filter(|(subject, _)| staging::id(&subject.upload) == id) else {
            // No upload is that old, so what is staged for it can go whatever it is.
            if is_older(&listed, now, self.upload_max_age.max(OWN_MAX)) {
                return Ok(State::Over);
            }
            return Err(BackendError::Damaged("an upload record".to_owned()));
        };
        let age_max = if subject.is_clients { age_max } else { OWN_MAX };
        match self.backend.list_parts(&subject.upload, 0, 1).await {
            Err(BackendError::NoSuchUpload | BackendError::NoSuchBucket) => Ok(State::Over),
            Err(error) => Err(error),
            Ok(_) if is_older(&listed, now, age_max) && age(now, subject.begun) >= age_max => {
                self.abort(&subject.upload, swept).await?;
                Ok(State::Over)
            }
            Ok(_) => Ok(State::Open),
        }
    }

    async fn abort(&self, at: &UploadRef, swept: &mut Swept) -> Result<(), BackendError> {
        match self.backend.abort_upload(at).await {
            Ok(()) => {
                swept.aborted += 1;
                Ok(())
            }
            // somebody was faster
            Err(BackendError::NoSuchUpload) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn staged(&self, id: String) -> Staging {
        Staging::with_id(Arc::clone(&self.backend), self.staging.clone(), id)
    }
}

enum State {
    Open,
    Over,
    Unknown,
}

/// The record of an upload as version 0.1 wrote it: JSON in clear.
#[derive(Deserialize)]
struct OldRecord {
    bucket: String,
    key: String,
    upload_id: String,
    sealed: Option<serde::de::IgnoredAny>,
}

impl OldRecord {
    fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// It does not say when the upload began.
    fn subject(self, begun: SystemTime) -> Subject {
        let is_clients = self.sealed.is_some();
        let (bucket, upload_id) = (BucketName::new(self.bucket), UploadId::new(self.upload_id));
        Subject { upload: UploadRef { bucket, key: self.key, upload_id }, is_clients, begun }
    }
}

fn age(now: SystemTime, then: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or_default()
}

fn is_older(record: &ListedObject, now: SystemTime, age_max: Duration) -> bool {
    age(now, record.last_modified) >= age_max
}

const SWEEP_PERIOD: Duration = Duration::from_hours(1);
/// An upload writes its record within this time.
pub(super) const GRACE: Duration = Duration::from_hours(1);
/// No copy, nor any other upload of the gateway's own, lasts longer.
pub(super) const OWN_MAX: Duration = Duration::from_hours(7 * 24);
/// An upload without a record is ended at this age.
pub(super) const WITHOUT_RECORD_MAX: Duration = Duration::from_hours(24);
/// And so is one of version 0.1.
pub(super) const OLD_MAX: Duration = Duration::from_hours(24);
/// What other records of the gateways' own begin with.
const OTHERS: char = '~';
const PAGE_MAX: u32 = 1_000;
/// Pages of the staging bucket that one sweep looks at: a hundred million things.
const PAGES_MAX: u32 = 100_000;
/// Uploads that one sweep looks at.
const UPLOADS_MAX: usize = 100_000;
/// A page counts for so many of them at least.
const PAGE_COUNTS_MIN: usize = 100;
/// So many failures of a sweep are named; the rest is counted.
const FAILURES_NAMED_MAX: u64 = 10;
