//! The contract of a backend over a real store, and what a faulty one may not do to us.

use std::sync::{Arc, LazyLock};

use http::uri::{Authority, Scheme};

use super::*;
use crate::backend::contract::{Feature, Subject, contract};

mod asked_first;
mod faulty;
mod lacking;
#[path = "../../../tests/support/seaweedfs.rs"]
mod seaweedfs;
mod secure;

use seaweedfs::SeaweedFs;

/// One for all tests of this program.
static STORE: LazyLock<SeaweedFs> = LazyLock::new(SeaweedFs::start);

fn settings(authority: &str, id: &str, secret: &str) -> S3Settings {
    let authority: Authority = authority.parse().unwrap();
    let endpoint = Endpoint { scheme: Scheme::HTTP, authority, path_style: true };
    let credentials = aws_credential_types::Credentials::new(id, secret, None, None, "test");
    S3Settings::new(endpoint, CredentialsFrom::Configuration(credentials))
}

async fn over_seaweedfs() -> Subject {
    let (id, secret) = STORE.keys();
    let store = S3Store::new(settings(STORE.authority(), id, secret)).await.unwrap();
    let mut subject = Subject::new(Arc::new(store), ());
    subject.least_part_bytes = 5 << 20;
    subject.lacks = &[Feature::KeysUnderKeys];
    subject.deviations = SEAWEEDFS;
    subject.many_keys = 2_500;
    subject
}

contract!(over_seaweedfs);

#[tokio::test]
async fn what_seaweedfs_can_do_is_found_out_and_nothing_stays() {
    let (id, secret) = STORE.keys();
    let store = S3Store::new(settings(STORE.authority(), id, secret)).await.unwrap();
    let scratch = BucketName::new("scratch-of-features");
    store.create_bucket(&scratch).await.unwrap();
    store.learn(&scratch).await.unwrap();
    let all = Features {
        conditional_puts: true,
        conditional_completes: true,
        conditional_copies: true,
        conditional_deletes: true,
        part_counts: true,
    };
    assert_eq!(store.features.features(), all);
    store.delete_bucket(&scratch).await.unwrap();
}

/// What SeaweedFS 4.48 does in its own way.
const SEAWEEDFS: &[(&str, &str)] = &[
    ("a_bucket_with_a_delete_marker_is_not_deleted", "a bucket that holds delete markers only is deleted"),
    ("an_absent_bucket_is_named_as_the_cause", "a write to an absent bucket creates it"),
    ("a_delimiter_rolls_up", "a key cannot lie under another key"),
    ("a_page_starts_after_a_key", "a key cannot lie under another key"),
    ("keys_come_in_order_of_utf8", "keys are listed by folder: a/b before a-b"),
    ("pages_by_marker_join_to_the_whole", "a key cannot lie under another key"),
    ("pages_by_token_join_to_the_whole", "a key cannot lie under another key"),
    ("unusual_keys_are_all_distinct", "a key cannot lie under another key; dots and slashes are cleaned"),
    ("the_last_upload_of_a_part_counts", "an upload completes with the entity tag of a replaced part"),
    ("uploads_are_listed_in_pages", "markers of open uploads are not those of S3"),
    ("uploads_under_a_prefix_are_rolled_up", "open uploads are not rolled up"),
    ("a_delete_lays_a_marker", "an answer for a deleted object does not name the delete marker"),
    ("a_marker_cannot_be_read", "a delete marker that is read by its version is NoSuchKey"),
    ("a_suspended_delete_replaces_the_null_version", "the null version is listed last whenever it was written"),
    ("suspended_writes_replace_the_null_version", "the null version is listed last whenever it was written"),
    ("tags_belong_to_a_version", "answers about tags do not name the version"),
];

/// The table of what stores lack, as it is published: made of what the cases above prove.
fn compatibility() -> String {
    let mut text = String::from(
        "# What stores do in their own way\n\n\
         Made by the tests: each store runs the contract of a backend (`src/backend/contract`). A case that is named here \
         fails there, and must: when a store learns it, the test turns red and the entry goes. All other cases hold.\n",
    );
    let (held, all) = (CASES.len() - SEAWEEDFS.len(), CASES.len());
    let rows = SEAWEEDFS.iter().map(|(case, what)| {
        assert!(CASES.contains(case), "{case}");
        format!("| {} | {what} |\n", case.replace('_', " "))
    });
    text.push_str("\n## SeaweedFS 4.48: ");
    text.push_str(&[held.to_string(), all.to_string()].join(" of "));
    text.push_str(" cases hold\n\n| case | what it does |\n|---|---|\n");
    text.extend(rows);
    text
}

#[test]
fn the_published_table_of_stores_is_the_current_one() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores/COMPATIBILITY.md");
    if std::env::var_os("SEALGATE_BLESS").is_some() {
        std::fs::write(&file, compatibility()).unwrap();
    }
    let published = std::fs::read_to_string(file).unwrap_or_default();
    assert!(published == compatibility(), "COMPATIBILITY.md is stale; run the tests once with SEALGATE_BLESS=1");
}
