//! How many connections there are, and what happens when they end.

use std::sync::Arc;

use sealgate::kmip::PARALLEL_LOOKUPS_MAX;
use serde_json::json;

use crate::server::{Server, TENANT, assert_is_seed, kms_error, seed_text};

#[tokio::test]
async fn a_whole_refresh_takes_one_connection() {
    let mut kms = Server::start();
    let tenants: Vec<String> = (0..10).map(|number| format!("00000000-0000-4000-8000-{number:012}")).collect();
    for (byte, tenant) in (0..).zip(&tenants) {
        kms.register(tenant, &seed_text(byte));
    }
    let before = kms.connections();
    let client = kms.client();
    for (byte, tenant) in (0..).zip(&tenants) {
        assert_is_seed(client.lookup(tenant).await, byte);
    }
    client.close_idle().await;
    assert_eq!(kms.connections() - before, 1);
}

#[tokio::test]
async fn lookups_at_once_each_get_their_own_seed_over_few_connections() {
    let mut kms = Server::start();
    let tenants: Vec<(u8, String)> = (0..12).map(|byte| (byte, format!("tenant-{byte}"))).collect();
    for (byte, tenant) in &tenants {
        kms.register(tenant, &seed_text(*byte));
    }
    let before = kms.connections();
    let client = Arc::new(kms.client());
    let lookups: Vec<_> = tenants
        .into_iter()
        .map(|(byte, tenant)| {
            let client = Arc::clone(&client);
            (byte, tokio::spawn(async move { client.lookup(&tenant).await }))
        })
        .collect();
    for (byte, lookup) in lookups {
        assert_is_seed(lookup.await.unwrap(), byte);
    }
    assert!(kms.connections() - before <= PARALLEL_LOOKUPS_MAX as u64);
}

#[tokio::test]
async fn a_connection_that_the_server_dropped_while_idle_is_opened_again() {
    let mut kms = Server::start();
    kms.register(TENANT, &seed_text(7));
    let client = kms.client();
    assert_is_seed(client.lookup(TENANT).await, 7);
    kms.order(&json!({"op": "drop"}));
    let before = kms.connections();
    assert_is_seed(client.lookup(TENANT).await, 7);
    assert_eq!(kms.connections() - before, 1);
}

#[tokio::test]
async fn a_server_that_was_restarted_between_two_lookups_is_found_again() {
    let mut kms = Server::start();
    kms.register(TENANT, &seed_text(7));
    let client = kms.client();
    assert_is_seed(client.lookup(TENANT).await, 7);
    kms.restart();
    assert_is_seed(client.lookup(TENANT).await, 7);
}

#[tokio::test]
async fn a_server_that_is_gone_cannot_be_asked_and_does_not_say_that_there_is_no_key() {
    let mut kms = Server::start();
    kms.register(TENANT, &seed_text(7));
    let client = kms.client();
    assert_is_seed(client.lookup(TENANT).await, 7);
    kms.end();
    assert_eq!(kms_error(client.lookup(TENANT).await).to_string(), "error writing kms request");
}
