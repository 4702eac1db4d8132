//! What a store may lack: told by the configuration, or found out with a few small objects at the start.
//!
//! Some stores accept a condition of a write and do not hold to it. Who relies on it would lose data, so such a write is
//! refused here instead. Some give multipart objects entity tags that do not tell the count of parts, from which lengths
//! are computed; uploads are refused there.

use std::sync::OnceLock;

use bytes::Bytes;

use super::S3Store;
use crate::backend::{
    BackendError, BucketName, CompleteUpload, CopyRequest, CopyTags, CreateUpload, ETagMatch, Governance, Metadata,
    ObjectRef, PartRef, PutRequest, ReadConditions, Result, SealedBody, StoredETag, Tags, UploadRef, WriteConditions,
};

/// What a store can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a feature of its own")]
pub struct Features {
    /// holds to `If-Match` and `If-None-Match` of `PutObject`
    pub conditional_puts: bool,
    /// of `CompleteMultipartUpload`
    pub conditional_completes: bool,
    /// of `CopyObject`
    pub conditional_copies: bool,
    /// to `If-Match` of `DeleteObject`
    pub conditional_deletes: bool,
    /// the entity tag of a multipart object ends in its count of parts
    pub part_counts: bool,
}

/// What the configuration says of each; nothing means that it is found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownFeatures {
    /// as in [`Features`]
    pub conditional_puts: Option<bool>,
    /// as in [`Features`]
    pub conditional_completes: Option<bool>,
    /// as in [`Features`]
    pub conditional_copies: Option<bool>,
    /// as in [`Features`]
    pub conditional_deletes: Option<bool>,
    /// as in [`Features`]
    pub part_counts: Option<bool>,
}

impl KnownFeatures {
    fn are_all(self) -> bool {
        let Self { conditional_puts, conditional_completes, conditional_copies, conditional_deletes, part_counts } =
            self;
        let all = [conditional_puts, conditional_completes, conditional_copies, conditional_deletes, part_counts];
        all.iter().all(Option::is_some)
    }
}

/// What is known of the store by now.
pub(super) struct FeatureSet {
    known: KnownFeatures,
    found: OnceLock<Features>,
}

impl FeatureSet {
    pub(super) fn new(known: KnownFeatures) -> Self {
        Self { known, found: OnceLock::new() }
    }

    /// What is not known yet counts as there.
    pub(super) fn features(&self) -> Features {
        let of = |known: Option<bool>| known.unwrap_or(true);
        self.found.get().copied().unwrap_or(Features {
            conditional_puts: of(self.known.conditional_puts),
            conditional_completes: of(self.known.conditional_completes),
            conditional_copies: of(self.known.conditional_copies),
            conditional_deletes: of(self.known.conditional_deletes),
            part_counts: of(self.known.part_counts),
        })
    }
}

/// Refuses conditions that the store does not hold to.
pub(super) fn require(is_there: bool, conditions: &WriteConditions) -> Result<()> {
    let is_conditional = conditions.if_match.is_some() || conditions.if_none_match.is_some();
    if is_conditional && !is_there {
        Err(BackendError::NotImplemented("it does not hold to this condition"))
    } else {
        Ok(())
    }
}

impl S3Store {
    /// Finds out what the configuration leaves open, with objects of its own in `scratch`.
    pub(super) async fn features_found(&self, scratch: &BucketName) -> Result<()> {
        let known = self.features.known;
        if known.are_all() {
            return Ok(());
        }
        let probe = Probe { store: self, bucket: scratch, key: format!("probe/{:016x}", random()) };
        let found = probe.run(known).await;
        probe.clear().await;
        let found = found?;
        for (is_there, what) in [
            (found.conditional_puts, "conditions of PutObject: such requests are refused"),
            (found.conditional_completes, "conditions of CompleteMultipartUpload: such requests are refused"),
            (found.conditional_copies, "conditions of CopyObject: such requests are refused"),
            (found.conditional_deletes, "conditions of DeleteObject: such requests are refused"),
            (found.part_counts, "counts of parts in entity tags: multipart uploads are refused"),
        ] {
            if !is_there {
                tracing::warn!("the store lacks {what}");
            }
        }
        // a second start would find the same
        self.features.found.get_or_init(|| found);
        Ok(())
    }
}

struct Probe<'a> {
    store: &'a S3Store,
    bucket: &'a BucketName,
    key: String,
}

impl Probe<'_> {
    async fn run(&self, known: KnownFeatures) -> Result<Features> {
        let KnownFeatures {
            conditional_puts,
            conditional_completes,
            conditional_copies,
            conditional_deletes,
            part_counts,
        } = known;
        self.put(WriteConditions::default()).await?;
        let conditional_puts = match conditional_puts {
            Some(known) => known,
            None => refuses(self.put(if_absent()).await)? && refuses(self.put(if_other()).await)?,
        };
        let conditional_copies = match conditional_copies {
            Some(known) => known,
            None => refuses(self.copy(if_absent()).await)?,
        };
        let conditional_completes = match conditional_completes {
            Some(known) => known,
            None => refuses(self.upload(if_absent()).await.map(drop))?,
        };
        let conditional_deletes = if let Some(known) = conditional_deletes {
            known
        } else {
            let deleted = self.store.object_deleted(&self.object(), if_other().if_match, Governance::Holds).await;
            refuses(deleted.map(drop))?
        };
        let part_counts = match part_counts {
            Some(known) => known,
            None => match self.upload(WriteConditions::default()).await {
                Ok(etag) => etag.stored_parts() == Some(1),
                Err(error) => refuses(Err(error))?,
            },
        };
        Ok(Features { conditional_puts, conditional_completes, conditional_copies, conditional_deletes, part_counts })
    }

    fn object(&self) -> ObjectRef {
        ObjectRef { bucket: self.bucket.clone(), key: self.key.clone(), version_id: None }
    }

    async fn put(&self, conditions: WriteConditions) -> Result<()> {
        let request = PutRequest {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            metadata: Metadata::default(),
            tags: Tags::new(),
            conditions,
        };
        self.store.object_put(request, byte()).await.map(drop)
    }

    async fn copy(&self, conditions: WriteConditions) -> Result<()> {
        let request = CopyRequest {
            source: self.object(),
            source_conditions: ReadConditions::default(),
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            metadata: Metadata::default(),
            tags: CopyTags::Keep,
            conditions,
        };
        self.store.object_copied(request).await.map(drop)
    }

    /// Uploads one part, which may be short as it is the last. Answers with the entity tag.
    async fn upload(&self, conditions: WriteConditions) -> Result<StoredETag> {
        let create = CreateUpload {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            metadata: Metadata::default(),
            tags: Tags::new(),
        };
        let upload_id = self.store.upload_created(create).await?;
        let upload = UploadRef { bucket: self.bucket.clone(), key: self.key.clone(), upload_id };
        let part = self.store.part_put(&PartRef { upload: upload.clone(), number: 1 }, byte()).await?;
        let complete = CompleteUpload { upload: upload.clone(), parts: vec![(1, part)], conditions };
        let completed = self.store.completed(complete).await;
        if completed.is_err()
            && let Err(error) = self.store.upload_aborted(&upload).await
        {
            tracing::debug!(%error, "the upload that was tried is gone or stays for the sweeper");
        }
        completed.map(|written| written.etag)
    }

    async fn clear(&self) {
        if let Err(error) = self.store.object_deleted(&self.object(), None, Governance::Holds).await {
            tracing::warn!(%error, key = self.key, "an object that was made to try the store stays in the staging bucket");
        }
    }
}

/// Whether a write whose condition does not hold was refused for it. A store that does not know the condition may say so.
fn refuses(outcome: Result<()>) -> Result<bool> {
    match outcome {
        Err(BackendError::PreconditionFailed | BackendError::Conflict) => Ok(true),
        Ok(()) | Err(BackendError::NotImplemented(_) | BackendError::InvalidArgument(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn if_absent() -> WriteConditions {
    WriteConditions { if_match: None, if_none_match: Some(ETagMatch::Any) }
}

fn if_other() -> WriteConditions {
    let other = StoredETag::new("0123456789abcdef0123456789abcdef");
    WriteConditions { if_match: Some(ETagMatch::Is(other)), if_none_match: None }
}

fn byte() -> SealedBody {
    let byte = futures::stream::once(std::future::ready(Ok(Bytes::from_static(b"?"))));
    SealedBody { bytes: 1, stream: Box::pin(byte), late_metadata: None }
}

fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}
