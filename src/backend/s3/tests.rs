//! The contract of a backend over a real store, and what a faulty one may not do to us.

use std::sync::{Arc, LazyLock};

use http::uri::{Authority, Scheme};

use super::*;
use crate::backend::contract::{Subject, contract};

mod asked_first;
mod endless;
mod faulty;
mod kept;
mod lacking;
#[path = "../../../tests/support/real_store.rs"]
mod real_store;
mod secure;
mod stores;

use real_store::RealStore;

/// One for all tests of this program.
static STORE: LazyLock<RealStore> = LazyLock::new(RealStore::start);

fn settings(authority: &str, id: &str, secret: &str) -> S3Settings {
    let authority: Authority = authority.parse().unwrap();
    let endpoint = Endpoint { scheme: Scheme::HTTP, authority, path_style: true };
    let credentials = aws_credential_types::Credentials::new(id, secret, None, None, "test");
    S3Settings::new(endpoint, CredentialsFrom::Configuration(credentials))
}

async fn over_the_store() -> Subject {
    let known = stores::known(&RealStore::name());
    let (id, secret) = STORE.keys();
    let mut settings = settings(STORE.authority(), id, secret);
    // told, as nothing is found out here
    settings.features.quoted_tags = Some(!known.not_found.contains(&"quoted_tags"));
    let store = S3Store::new(settings).await.unwrap();
    let mut subject = Subject::new(Arc::new(store), ());
    subject.least_part_bytes = 5 << 20;
    subject.lacks = known.lacks;
    subject.deviations = known.deviations;
    subject.many_keys = 2_500;
    subject
}

contract!(over_the_store);

#[tokio::test]
async fn what_the_store_can_do_is_found_out_and_nothing_stays() {
    let (id, secret) = STORE.keys();
    let store = S3Store::new(settings(STORE.authority(), id, secret)).await.unwrap();
    let scratch = BucketName::new("scratch-of-features");
    store.create_bucket(&scratch).await.unwrap();
    store.learn(&scratch).await.unwrap();
    let named = store.features.features().named();
    let lacking: Vec<&str> = named.into_iter().filter(|(_, is_there)| !is_there).map(|(name, _)| name).collect();
    assert_eq!(lacking, stores::known(&RealStore::name()).not_found);
    store.delete_bucket(&scratch).await.unwrap();
}

#[test]
fn the_published_table_of_stores_is_the_current_one() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores/COMPATIBILITY.md");
    if std::env::var_os("SEALGATE_BLESS").is_some() {
        std::fs::write(&file, stores::table(CASES)).unwrap();
    }
    let published = std::fs::read_to_string(file).unwrap_or_default();
    assert!(published == stores::table(CASES), "COMPATIBILITY.md is stale; run the tests once with SEALGATE_BLESS=1");
}
