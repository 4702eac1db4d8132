//! Runs each integration test of the `object_store` crate in a bucket of its own, against the S3 server and with the
//! credentials that the environment names, and prints one JSON line for each: `{"test", "outcome", "seconds", "why"}`.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures::FutureExt as _;
use object_store::ObjectStore;
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut, S3CopyIfNotExists};
use object_store::integration as suite;

#[tokio::main]
async fn main() {
    let store = &store();
    run("put_get_delete_list", suite::put_get_delete_list(store), store).await;
    run("put_get_attributes", suite::put_get_attributes(store), store).await;
    run("get_opts", suite::get_opts(store), store).await;
    run("put_opts", suite::put_opts(store, true), store).await;
    run("stream_get", suite::stream_get(store), store).await;
    run("list_uses_directories_correctly", suite::list_uses_directories_correctly(store), store).await;
    run("list_with_delimiter", suite::list_with_delimiter(store), store).await;
    run("list_with_offset_exclusivity", suite::list_with_offset_exclusivity(store), store).await;
    run("list_paginated", suite::list_paginated(store, store), store).await;
    run("rename_and_copy", suite::rename_and_copy(store), store).await;
    run("copy_if_not_exists", suite::copy_if_not_exists(store), store).await;
    run("copy_rename_nonexistent_object", suite::copy_rename_nonexistent_object(store), store).await;
    run("multipart", suite::multipart(store, store), store).await;
    run("multipart_with_opts", suite::multipart_with_opts(store, store), store).await;
    run("multipart_put_part_out_of_order", suite::multipart_put_part_out_of_order(store, store), store).await;
    run("multipart_out_of_order", suite::multipart_out_of_order(store), store).await;
    run("multipart_race_condition", suite::multipart_race_condition(store, true), store).await;
    let nonexistent = async {
        suite::get_nonexistent_object(store, None).await.expect_err("an absent object is an error");
    };
    run("get_nonexistent_object", nonexistent, store).await;
}

/// One store of one bucket, made by whoever starts this program.
fn store() -> AmazonS3 {
    let variable = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} must be set"));
    AmazonS3Builder::new()
        .with_endpoint(variable("AWS_ENDPOINT_URL"))
        .with_region(variable("AWS_REGION"))
        .with_access_key_id(variable("AWS_ACCESS_KEY_ID"))
        .with_secret_access_key(variable("AWS_SECRET_ACCESS_KEY"))
        .with_bucket_name(variable("BUCKET"))
        .with_allow_http(true)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
        .build()
        .expect("the environment describes a store")
}

/// Runs one test; the suite tells failure by a panic. The bucket is emptied first: a failed test leaves objects.
async fn run(name: &str, test: impl Future<Output = ()>, store: &AmazonS3) {
    empty(store).await;
    let started = Instant::now();
    let outcome = AssertUnwindSafe(test).catch_unwind().await;
    let why = outcome.as_ref().err().map(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").replace(['"', '\\', '\n'], " ")
    });
    let outcome = if outcome.is_ok() { "passed" } else { "failed" };
    let seconds = started.elapsed().as_secs_f32();
    let why: String = why.unwrap_or_default().chars().take(300).collect();
    println!(r#"{{"test": "{name}", "outcome": "{outcome}", "seconds": {seconds:.2}, "why": "{why}"}}"#);
}

async fn empty(store: &AmazonS3) {
    use futures::TryStreamExt as _;
    let objects: Vec<_> = store.list(None).try_collect().await.expect("the bucket can be listed");
    for object in objects {
        object_store::ObjectStoreExt::delete(store, &object.location).await.expect("an object can be deleted");
    }
}
