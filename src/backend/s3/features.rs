//! What a store may lack: told by the configuration, or found out with a few small objects at the start.
//!
//! Some stores accept a condition of a write and do not hold to it. Who relies on it would lose data, so such a write is
//! refused here instead. Some give multipart objects entity tags that do not tell the count of parts, from which lengths
//! are computed; uploads are refused there.

use std::sync::OnceLock;

use bytes::Bytes;
use futures::TryStreamExt as _;
use http::Method;

use super::answer::{About, AnswerError};
use super::call::Call;
use super::headers::with_write_conditions;
use super::outgoing::{Outgoing, Trailer};
use super::xml::{Document, XmlError};
use super::{S3Store, xml_body};
use crate::backend::{
    BackendError, BucketName, CompleteUpload, CopyRequest, CopyTags, CreateUpload, ETagMatch, GetRequest, Governance,
    Lock, Metadata, ObjectRef, PartRef, PartSource, PutRequest, ReadConditions, Result, SealedBody, StoredETag, Tags,
    UploadRef, WriteConditions,
};

macro_rules! features {
    ($($(#[doc = $doc:literal])* $name:ident: $lack:literal,)*) => {
        /// What a store can do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Features {
            $($(#[doc = $doc])* pub $name: bool,)*
        }

        /// What the configuration says of each; nothing means that it is found out.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct KnownFeatures {
            $(/// as in [`Features`]
            pub $name: Option<bool>,)*
        }

        impl Features {
            /// All of them, or none.
            #[must_use]
            pub const fn every(is_there: bool) -> Self {
                Self { $($name: is_there),* }
            }

            /// Each by its name.
            #[must_use]
            pub fn named(&self) -> Vec<(&'static str, bool)> {
                vec![$((stringify!($name), self.$name)),*]
            }

            /// What is not there, and what comes of it.
            fn lacking(&self) -> impl Iterator<Item = &'static str> {
                [$((self.$name, $lack)),*].into_iter().filter(|(is_there, _)| !is_there).map(|(_, lack)| lack)
            }
        }

        impl KnownFeatures {
            /// All of them, there or not.
            #[must_use]
            pub const fn every(is_there: bool) -> Self {
                Self { $($name: Some(is_there)),* }
            }

            fn are_all(self) -> bool {
                [$(self.$name),*].iter().all(Option::is_some)
            }

            /// What is not known counts as there.
            fn or_there(self) -> Features {
                Features { $($name: self.$name.unwrap_or(true)),* }
            }
        }
    };
}

features! {
    /// holds to `If-Match` and `If-None-Match` of `PutObject`
    conditional_puts: "conditions of PutObject: such requests are refused",
    /// of `CompleteMultipartUpload`
    conditional_completes: "conditions of CompleteMultipartUpload: such requests are refused",
    /// of `CopyObject`
    conditional_copies: "conditions of CopyObject: such requests are refused",
    /// to `If-Match` of `DeleteObject`
    conditional_deletes: "conditions of DeleteObject: such requests are refused",
    /// takes the entity tags of these in quotes, as HTTP writes them
    quoted_tags: "entity tags in quotes in conditions of writes: they are sent without",
    /// the entity tag of a multipart object ends in its count of parts
    part_counts: "counts of parts in entity tags: multipart uploads are refused",
    /// copies parts of an upload from objects
    part_copies: "copies of parts: they go through the gateway",
    /// tells requests about settings from those about the bucket or the object itself
    settings: "settings of buckets and objects: such requests are refused",
    /// keeps versions of objects
    versioning: "versioning",
    /// locks versions of objects
    object_lock: "object lock: writes that ask for it are refused",
    /// keeps tags of objects
    tags: "tags of objects: such requests are refused",
    /// takes a checksum behind a body, and refuses a body of another one
    trailer_checksums: "checksums behind bodies: they are sent without",
    /// answers `Expect: 100-continue`
    expect_continue: "answers to Expect: 100-continue: it is not asked",
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
        self.found.get().copied().unwrap_or_else(|| self.known.or_there())
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
    /// Puts the conditions of a write on a call.
    pub(super) fn with_conditions(&self, call: Call, conditions: &WriteConditions) -> Result<Call> {
        with_write_conditions(call, conditions, self.features.features().quoted_tags)
    }

    /// Refuses to write a lock that the store would not keep.
    pub(super) fn require_lock(&self, metadata: &Metadata) -> Result<()> {
        if metadata.lock == Lock::default() || self.features.features().object_lock { Ok(()) } else { Err(NO_LOCK) }
    }

    /// Refuses a request about settings where the store would take it for another one.
    pub(super) fn require_settings(&self) -> Result<()> {
        if self.features.features().settings { Ok(()) } else { Err(BackendError::NotImplemented("settings")) }
    }

    /// The same for tags of an object.
    pub(super) fn require_tags(&self) -> Result<()> {
        let Features { settings, tags, .. } = self.features.features();
        if settings && tags { Ok(()) } else { Err(BackendError::NotImplemented("tags of objects")) }
    }

    /// What goes behind bodies that stream.
    pub(super) fn trailer(&self) -> Trailer {
        let is_there = self.client.settings.trailer_checksum && self.features.features().trailer_checksums;
        if is_there { Trailer::Sum } else { Trailer::None }
    }

    /// Finds out what the configuration leaves open, with objects of its own in `scratch`.
    pub(super) async fn features_found(&self, scratch: &BucketName) -> Result<()> {
        let known = self.features.known;
        let found = if known.are_all() {
            known.or_there()
        } else {
            let probe = Probe { store: self, bucket: scratch, key: format!("probe/{:016x}", random()) };
            let found = probe.run(known).await;
            probe.clear().await;
            found?
        };
        for lack in found.lacking() {
            tracing::warn!("the store lacks {lack}");
        }
        self.client.expect(self.client.settings.expect_continue && found.expect_continue);
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

/// The answer that is known, or that of a probe.
macro_rules! known_or {
    ($known:expr, $probe:expr) => {
        match $known {
            Some(known) => known,
            None => $probe,
        }
    };
}

impl Probe<'_> {
    async fn run(&self, known: KnownFeatures) -> Result<Features> {
        let etag = self.written(WriteConditions::default()).await?;
        let quoted_tags = known_or!(known.quoted_tags, self.takes_quotes(etag).await?);
        let settings = known_or!(known.settings, self.tells_settings().await?);
        let found = Features {
            conditional_puts: known_or!(
                known.conditional_puts,
                refuses(self.put(if_absent()).await)? && refuses(self.put(if_other()).await)?
            ),
            conditional_copies: known_or!(known.conditional_copies, refuses(self.copy(if_absent()).await)?),
            conditional_completes: known_or!(
                known.conditional_completes,
                refuses(self.upload(if_absent()).await.map(drop))?
            ),
            conditional_deletes: known_or!(known.conditional_deletes, refuses(self.deleted_if_other().await)?),
            quoted_tags,
            part_counts: known_or!(known.part_counts, self.counts_parts().await?),
            part_copies: known_or!(known.part_copies, self.copies_parts().await?),
            settings,
            versioning: known_or!(known.versioning, settings && self.knows_versioning().await?),
            object_lock: known_or!(known.object_lock, settings && self.knows_lock().await?),
            tags: known_or!(known.tags, settings && is_known(self.store.object_tags(&self.object()).await)?),
            trailer_checksums: known_or!(known.trailer_checksums, self.checks_trailers().await?),
            expect_continue: known_or!(known.expect_continue, self.answers_expect().await?),
        };
        Ok(found)
    }

    /// A store may compare the quotes with the rest: no object then ever matches.
    async fn takes_quotes(&self, etag: StoredETag) -> Result<bool> {
        let if_same = WriteConditions { if_match: Some(ETagMatch::Is(etag)), if_none_match: None };
        refuses(self.put(if_same).await).map(|refuses| !refuses)
    }

    async fn deleted_if_other(&self) -> Result<()> {
        let deleted = self.store.object_deleted(&self.object(), if_other().if_match, Governance::Holds).await;
        // the object is needed further on
        self.put(WriteConditions::default()).await?;
        deleted.map(drop)
    }

    /// A store may count them when an upload ends and not know of it later.
    async fn counts_parts(&self) -> Result<bool> {
        match self.upload(WriteConditions::default()).await {
            Ok(etag) if etag.stored_parts() == Some(1) => {
                let info = self.store.object_head(&self.object(), &ReadConditions::default()).await?;
                Ok(info.etag.stored_parts() == Some(1))
            }
            Ok(_) => Ok(false),
            Err(error) => refuses(Err(error)),
        }
    }

    async fn copies_parts(&self) -> Result<bool> {
        let upload = self.create(Trailer::None).await?;
        let source = PartSource { object: self.object(), range: None, conditions: ReadConditions::default() };
        let copied = self.store.part_copied_within(&PartRef { upload: upload.clone(), number: 1 }, source).await;
        self.abort(&upload).await;
        is_known(copied)
    }

    async fn ask(&self, setting: &str) -> Result<Document> {
        let call = Call::bucket(Method::GET, self.bucket).flag(setting);
        self.store.xml(&call, &Outgoing::empty(), About::default()).await
    }

    /// A store that does not know a setting may answer as if it had not been named: with a list.
    async fn tells_settings(&self) -> Result<bool> {
        match self.ask("cors").await {
            Ok(document) => Ok(document.root().name() == "CORSConfiguration"),
            Err(BackendError::Unavailable(error)) if error.is::<XmlError>() => Ok(false),
            Err(error @ (BackendError::Unavailable(_) | BackendError::Body(_))) => Err(error),
            Err(_) => Ok(true),
        }
    }

    /// A state that there is not changes nothing.
    async fn knows_versioning(&self) -> Result<bool> {
        let neither = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Neither</Status></VersioningConfiguration>";
        let call = Call::bucket(Method::PUT, self.bucket).flag("versioning");
        let answer = self.store.ok(&call, &xml_body(neither.to_owned()), About::default()).await;
        is_known(answer)
    }

    /// A bucket without a lock says so; a store without locks knows nothing of it.
    async fn knows_lock(&self) -> Result<bool> {
        match self.ask("object-lock").await {
            Ok(document) => Ok(document.root().name() == "ObjectLockConfiguration"),
            Err(error) => is_known(Err::<(), _>(error)),
        }
    }

    /// A store may take the framing for the body, look at no checksum, or want to be told of each part's.
    async fn checks_trailers(&self) -> Result<bool> {
        if !takes(self.stream(Trailer::Sum).await)? {
            return Ok(false);
        }
        Ok(takes(self.holds_the_byte().await)?
            && !takes(self.stream(Trailer::OtherSum).await)?
            && takes(self.upload_with(Trailer::Sum, WriteConditions::default()).await)?)
    }

    async fn holds_the_byte(&self) -> Result<()> {
        let get = GetRequest { object: self.object(), range: None, conditions: ReadConditions::default() };
        let stored: Vec<Bytes> =
            self.store.object_get(get).await?.stream.try_collect().await.map_err(BackendError::Unavailable)?;
        if stored.concat() == BYTE { Ok(()) } else { Err(BackendError::NotImplemented("checksums behind bodies")) }
    }

    async fn answers_expect(&self) -> Result<bool> {
        self.store.client.expect(true);
        self.stream(Trailer::None).await?;
        Ok(self.store.client.expects())
    }

    /// Stores the object from a body that streams.
    async fn stream(&self, trailer: Trailer) -> Result<()> {
        let body = Outgoing::new(byte(), 0, trailer).await.map_err(BackendError::Body)?;
        let call = Call::object(Method::PUT, self.bucket, &self.key);
        self.store.uploaded(&call, &body, About { object: true, ..About::default() }).await.map(drop)
    }

    fn object(&self) -> ObjectRef {
        ObjectRef { bucket: self.bucket.clone(), key: self.key.clone(), version_id: None }
    }

    async fn put(&self, conditions: WriteConditions) -> Result<()> {
        self.written(conditions).await.map(drop)
    }

    /// Stores the object. Answers with its entity tag.
    async fn written(&self, conditions: WriteConditions) -> Result<StoredETag> {
        let request = PutRequest {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            metadata: Metadata::default(),
            tags: Tags::new(),
            conditions,
        };
        self.store.object_put(request, byte()).await.map(|written| written.etag)
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
        self.upload_with(Trailer::None, conditions).await
    }

    /// The same; says that the parts have such a trailer. A part that is held has none.
    async fn upload_with(&self, trailer: Trailer, conditions: WriteConditions) -> Result<StoredETag> {
        let upload = self.create(trailer).await?;
        let part = self.store.part_put(&PartRef { upload: upload.clone(), number: 1 }, byte()).await?;
        let complete = CompleteUpload { upload: upload.clone(), parts: vec![(1, part)], conditions };
        let completed = self.store.completed(complete).await;
        if completed.is_err() {
            self.abort(&upload).await;
        }
        completed.map(|written| written.etag)
    }

    async fn create(&self, trailer: Trailer) -> Result<UploadRef> {
        let create = CreateUpload {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            metadata: Metadata::default(),
            tags: Tags::new(),
        };
        let upload_id = self.store.upload_created_for(create, trailer).await?;
        Ok(UploadRef { bucket: self.bucket.clone(), key: self.key.clone(), upload_id })
    }

    async fn abort(&self, upload: &UploadRef) {
        if let Err(error) = self.store.upload_aborted(upload).await {
            tracing::debug!(%error, "the upload that was tried is gone or stays for the sweeper");
        }
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
        Ok(()) | Err(BackendError::NotImplemented(_) | BackendError::Refused { .. }) => Ok(false),
        Err(BackendError::Unavailable(error)) if error.is::<XmlError>() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a store knows what it was asked for: it does it, or refuses it for a reason of its own. One that may not be asked
/// is taken to know.
fn is_known<T>(outcome: Result<T>) -> Result<bool> {
    match outcome {
        Err(BackendError::NotImplemented(_)) => Ok(false),
        Err(BackendError::Unavailable(error)) if error.is::<XmlError>() => Ok(false),
        Err(error @ (BackendError::Unavailable(_) | BackendError::Body(_))) => Err(error),
        Ok(_) | Err(_) => Ok(true),
    }
}

/// Whether a store took what it was sent; any answer of it that is an error says that it did not.
fn takes<T>(outcome: Result<T>) -> Result<bool> {
    match outcome {
        Ok(_) => Ok(true),
        Err(BackendError::Unavailable(error)) if !error.is::<AnswerError>() && !error.is::<XmlError>() => {
            Err(BackendError::Unavailable(error))
        }
        Err(BackendError::Body(error)) => Err(BackendError::Body(error)),
        Err(_) => Ok(false),
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
    let byte = futures::stream::once(std::future::ready(Ok(Bytes::from_static(BYTE))));
    SealedBody { bytes: 1, stream: Box::pin(byte), late_metadata: None }
}

const BYTE: &[u8] = b"?";

/// Without it an object would be written that can be deleted at once.
pub(super) const NO_LOCK: BackendError = BackendError::NotImplemented("object lock");

fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}
