//! What every [`Backend`] must do, as tests that any of them can run.
//!
//! [`contract!`](contract) makes one test of each behaviour for a constructor of a [`Subject`]. The cases hold to what
//! S3 documents and no more: an entity tag may be a digest or random, a part may have a least size. What a store does
//! not have at all is switched off in its `Subject`. Where a store is known to do otherwise, the case stands among its
//! [`Subject::deviations`] and must fail: a store that learns it turns the test red, and the entry goes.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use futures::{FutureExt, TryStreamExt};

use crate::backend::{
    Backend, BackendError, BodyError, BucketName, ByteStream, CompleteUpload, Copied, CopyRequest, CopyTags,
    CreateUpload, Deleted, GetRequest, Governance, ListPage, ListRequest, ListStart, Metadata, ObjectInfo, ObjectRef,
    PartRef, PutRequest, ReadConditions, Result, SealedBody, StoredETag, StoredRange, UploadRef, VersionId, Versioning,
    WriteConditions, Written,
};

pub(crate) mod buckets;
pub(crate) mod conditions;
pub(crate) mod copies;
pub(crate) mod listing;
pub(crate) mod model;
pub(crate) mod objects;
pub(crate) mod uploads;
pub(crate) mod versions;

/// What a store may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    Versioning,
    Tags,
    BucketTags,
    ConditionalWrites,
    ConditionalDeletes,
    /// a key and another one under it, `a` and `a/b`
    KeysUnderKeys,
}

/// A store under test and what it can do.
pub(crate) struct Subject {
    pub(crate) backend: Arc<dyn Backend>,
    /// stands before the names of all buckets
    pub(crate) bucket_prefix: String,
    /// of every part but the last, bytes
    pub(crate) least_part_bytes: usize,
    pub(crate) lacks: &'static [Feature],
    /// cases that the store is known to fail, and what it does
    pub(crate) deviations: &'static [(&'static str, &'static str)],
    /// how many keys the large listing has
    pub(crate) many_keys: usize,
    /// lives as long as the store: its folder, its process
    _keep: Box<dyn Any + Send + Sync>,
}

impl Subject {
    /// A store that can do everything.
    pub(crate) fn new(backend: Arc<dyn Backend>, keep: impl Any + Send + Sync) -> Self {
        Self {
            backend,
            bucket_prefix: "contract-".to_owned(),
            least_part_bytes: 1,
            lacks: &[],
            deviations: &[],
            many_keys: 20_000,
            _keep: Box::new(keep),
        }
    }

    pub(crate) fn has(&self, feature: Feature) -> bool {
        !self.lacks.contains(&feature)
    }

    /// A bucket of its own for a case.
    pub(crate) async fn bucket(&self) -> Bucket<'_> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = BucketName::new(format!("{}{}-{number}", self.bucket_prefix, std::process::id()));
        self.backend.create_bucket(&name).await.unwrap();
        Bucket { backend: self.backend.as_ref(), name }
    }

    pub(crate) async fn versioned_bucket(&self) -> Bucket<'_> {
        let bucket = self.bucket().await;
        bucket.set_versioning(Versioning::Enabled).await;
        bucket
    }
}

/// Runs a case; one that is known to fail must, but for a random one, which may miss what fails.
pub(crate) async fn run(subject: &Subject, name: &str, case: impl Future<Output = ()>) {
    let Some((_, what)) = subject.deviations.iter().find(|(known, _)| *known == name) else { return case.await };
    let outcome = AssertUnwindSafe(case).catch_unwind().await;
    assert!(outcome.is_err() || name.starts_with("random_"), "no longer so: {what}");
}

/// A bucket, and the calls of the trait in few words.
pub(crate) struct Bucket<'a> {
    pub(crate) backend: &'a dyn Backend,
    pub(crate) name: BucketName,
}

impl Bucket<'_> {
    pub(crate) async fn set_versioning(&self, state: Versioning) {
        self.backend.set_versioning(&self.name, state).await.unwrap();
    }

    pub(crate) fn object(&self, key: &str) -> ObjectRef {
        ObjectRef { bucket: self.name.clone(), key: key.to_owned(), version_id: None }
    }

    pub(crate) fn version(&self, key: &str, version: &VersionId) -> ObjectRef {
        ObjectRef { version_id: Some(version.clone()), ..self.object(key) }
    }

    pub(crate) fn put_request(&self, key: &str) -> PutRequest {
        PutRequest {
            bucket: self.name.clone(),
            key: key.to_owned(),
            metadata: Metadata::default(),
            tags: Vec::new(),
            conditions: WriteConditions::default(),
        }
    }

    pub(crate) async fn put(&self, key: &str, bytes: &[u8]) -> Written {
        self.backend.put(self.put_request(key), body(bytes)).await.unwrap()
    }

    pub(crate) async fn put_if(&self, key: &str, bytes: &[u8], conditions: WriteConditions) -> Result<Written> {
        self.backend.put(PutRequest { conditions, ..self.put_request(key) }, body(bytes)).await
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Vec<u8>> {
        self.get_object(self.object(key)).await
    }

    pub(crate) async fn get_object(&self, object: ObjectRef) -> Result<Vec<u8>> {
        let request = GetRequest { object, range: None, conditions: ReadConditions::default() };
        let fetched = self.backend.get(request).await?;
        assert_eq!((fetched.first, fetched.bytes), (0, fetched.info.stored_bytes));
        let bytes = collect(fetched.stream).await?;
        assert_eq!(bytes.len() as u64, fetched.bytes);
        Ok(bytes)
    }

    pub(crate) async fn get_range(&self, key: &str, range: StoredRange) -> Result<(u64, Vec<u8>)> {
        let request =
            GetRequest { object: self.object(key), range: Some(range), conditions: ReadConditions::default() };
        let fetched = self.backend.get(request).await?;
        let bytes = collect(fetched.stream).await?;
        assert_eq!(bytes.len() as u64, fetched.bytes);
        Ok((fetched.first, bytes))
    }

    pub(crate) async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.backend.head(&self.object(key), &ReadConditions::default()).await
    }

    pub(crate) async fn delete(&self, key: &str) -> Deleted {
        self.backend.delete(&self.object(key), None, Governance::Holds).await.unwrap()
    }

    pub(crate) async fn delete_version(&self, key: &str, version: &VersionId) -> Deleted {
        self.backend.delete(&self.version(key, version), None, Governance::Holds).await.unwrap()
    }

    pub(crate) fn copy_request(&self, source: ObjectRef, key: &str) -> CopyRequest {
        CopyRequest {
            source,
            source_conditions: ReadConditions::default(),
            bucket: self.name.clone(),
            key: key.to_owned(),
            metadata: Metadata::default(),
            tags: CopyTags::Keep,
            conditions: WriteConditions::default(),
        }
    }

    pub(crate) async fn copy(&self, source: &str, key: &str) -> Result<Copied> {
        self.backend.copy(self.copy_request(self.object(source), key)).await
    }

    pub(crate) fn list_request(&self) -> ListRequest {
        ListRequest {
            bucket: self.name.clone(),
            prefix: String::new(),
            delimiter: None,
            start: ListStart::Beginning,
            max: 1000,
        }
    }

    pub(crate) async fn list(&self, request: ListRequest) -> ListPage {
        self.backend.list(request).await.unwrap()
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        let page = self.list(self.list_request()).await;
        assert!(page.next_token.is_none(), "more than one page");
        page.objects.into_iter().map(|object| object.key).collect()
    }

    pub(crate) async fn begin(&self, key: &str) -> UploadRef {
        let request = CreateUpload {
            bucket: self.name.clone(),
            key: key.to_owned(),
            metadata: Metadata::default(),
            tags: Vec::new(),
        };
        let upload_id = self.backend.create_upload(request).await.unwrap();
        UploadRef { bucket: self.name.clone(), key: key.to_owned(), upload_id }
    }

    pub(crate) async fn part(&self, upload: &UploadRef, number: u32, bytes: &[u8]) -> (u32, StoredETag) {
        let part = PartRef { upload: upload.clone(), number };
        (number, self.backend.put_part(&part, body(bytes)).await.unwrap())
    }

    pub(crate) async fn complete(&self, upload: &UploadRef, parts: Vec<(u32, StoredETag)>) -> Result<Written> {
        let conditions = WriteConditions::default();
        self.backend.complete_upload(CompleteUpload { upload: upload.clone(), parts, conditions }).await
    }
}

/// A body in pieces of 64 KiB.
pub(crate) fn body(bytes: &[u8]) -> SealedBody {
    let pieces: Vec<_> = bytes.chunks(64 << 10).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    body_of(bytes.len(), pieces)
}

/// A body of these pieces, announced as so many bytes.
pub(crate) fn body_of(announced: usize, pieces: Vec<std::result::Result<Bytes, BodyError>>) -> SealedBody {
    let stream: ByteStream = Box::pin(futures::stream::iter(pieces));
    SealedBody { bytes: announced as u64, stream, late_metadata: None }
}

/// Bytes that differ along the way and from one seed to the next.
pub(crate) fn pattern(seed: u8, length: usize) -> Vec<u8> {
    let mut state = u32::from(seed);
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

pub(crate) async fn collect(stream: ByteStream) -> Result<Vec<u8>> {
    let chunks: Vec<Bytes> = stream.try_collect().await.map_err(BackendError::Body)?;
    Ok(chunks.concat())
}

macro_rules! assert_refused {
    ($result:expr, $refusal:pat) => {
        match $result {
            Err($refusal) => {}
            Err(other) => panic!("refused as {other:?}"),
            Ok(_) => panic!("not refused"),
        }
    };
}
pub(crate) use assert_refused;

/// One test of each behaviour for a store, given the name of an async function in scope that makes a `Subject`.
macro_rules! contract {
    ($subject:ident) => {
        $crate::backend::contract::contract! { @each $subject;
            buckets: a_bucket_is_created_told_of_and_deleted, a_bucket_is_not_created_twice,
                a_bucket_with_an_object_is_not_deleted, a_bucket_with_a_delete_marker_is_not_deleted,
                an_absent_bucket_is_named_as_the_cause, buckets_are_listed_by_prefix_in_order,
                bucket_tags_are_kept_replaced_and_removed, versioning_is_never_undone;
            objects: bodies_of_all_sizes_are_read_back, an_entity_tag_has_32_hex_digits,
                metadata_and_tags_are_kept, overwriting_replaces_everything, unusual_keys_are_all_distinct,
                a_body_that_fails_leaves_the_old_object, a_body_that_fails_leaves_no_object,
                a_body_of_another_length_is_refused, the_error_of_a_body_is_found_again, an_absent_key_is_refused,
                deleting_an_absent_key_succeeds, many_deletes_are_answered_in_order,
                parallel_overwrites_leave_one_of_them_whole, metadata_known_late_is_kept,
                tags_are_replaced_and_removed, ranges_are_cut_as_s3_does, ranges_outside_are_refused;
            conditions: a_read_holds_to_if_match, a_read_holds_to_if_none_match, a_read_holds_to_times,
                entity_tags_beat_times, only_one_of_many_creations_wins, an_overwrite_holds_to_if_match,
                if_match_needs_an_object, only_one_of_many_changes_wins, a_delete_holds_to_if_match;
            copies: a_copy_has_the_bytes_and_its_own_metadata, a_copy_outlives_its_source,
                a_copy_crosses_buckets, an_object_is_copied_onto_itself, tags_are_copied_or_replaced,
                an_absent_source_is_refused, a_copy_holds_to_conditions_of_the_source,
                a_copy_holds_to_conditions_of_the_target, an_older_version_is_copied, an_empty_object_is_copied;
            listing: keys_come_in_order_of_utf8, a_prefix_selects, a_delimiter_rolls_up,
                a_delimiter_of_many_characters_rolls_up, pages_by_token_join_to_the_whole,
                pages_by_marker_join_to_the_whole, a_page_of_none_is_empty_and_last, a_page_starts_after_a_key,
                an_entry_tells_what_is_stored, many_keys_are_paged_in_order;
            model: random_operations_agree_with_a_map;
            versions: each_write_makes_a_version, a_delete_lays_a_marker, deleting_the_marker_brings_the_object_back,
                deleting_the_newest_uncovers_the_next, a_marker_cannot_be_read, an_absent_version_is_refused,
                the_null_version_outlives_switching_on, suspended_writes_replace_the_null_version,
                a_suspended_delete_replaces_the_null_version, versions_are_listed_newest_first,
                pages_of_versions_join_to_the_whole, a_bucket_is_emptied_page_by_page,
                versions_under_a_prefix_are_rolled_up, tags_belong_to_a_version,
                the_current_listing_shows_no_hidden_version, a_version_is_read_by_range;
            uploads: parts_in_any_order_become_an_object, the_last_upload_of_a_part_counts,
                parts_not_named_are_dropped, a_wrong_part_is_refused, parts_must_ascend, an_aborted_upload_is_gone,
                an_upload_is_completed_once, an_upload_is_no_object_before_it_is_complete,
                an_upload_keeps_metadata_and_tags, parts_are_listed_in_pages, uploads_are_listed_in_pages,
                uploads_under_a_prefix_are_rolled_up, a_part_is_copied_from_a_range, a_copied_part_outlives_its_source,
                a_completed_upload_holds_to_conditions, an_upload_replaces_an_object, a_failed_part_keeps_the_old_one,
                ranges_cross_parts;
        }
    };
    (@each $subject:ident; $($module:ident: $($case:ident),+;)+) => {
        /// The names of all cases.
        #[allow(dead_code, reason = "of interest where some deviate")]
        const CASES: &[&str] = &[$($(stringify!($case)),+),+];
        $(mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let subject = super::$subject().await;
                let case = $crate::backend::contract::$module::$case(&subject);
                $crate::backend::contract::run(&subject, stringify!($case), case).await;
            })+
        })+
    };
}
pub(crate) use contract;
