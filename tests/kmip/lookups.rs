//! What the KMS holds, and what the client makes of it.

use sealgate::kmip::{Client, KmsError, Lifecycle, LookupError};
use serde_json::json;

use crate::server::{Server, TENANT, assert_is_seed, chain, kms_error, seed_text};

#[tokio::test]
async fn the_seed_of_a_tenant_is_found_among_others() {
    let mut kms = Server::start();
    for (tenant, byte) in [("00000000-0000-4000-8000-000000000001", 1), (TENANT, 2), ("default", 3)] {
        kms.register(tenant, &seed_text(byte));
    }
    let client = kms.client();
    assert_is_seed(client.lookup(TENANT).await, 2);
    assert_is_seed(client.lookup("default").await, 3);
    assert_is_seed(client.lookup("00000000-0000-4000-8000-000000000001").await, 1);
}

#[tokio::test]
async fn a_trailing_line_break_does_not_change_the_seed() {
    let mut kms = Server::start();
    kms.register(TENANT, &format!("{}\n", seed_text(7)));
    assert_is_seed(kms.client().lookup(TENANT).await, 7);
}

#[tokio::test]
async fn a_tenant_without_an_object_has_no_key() {
    let mut kms = Server::start();
    kms.register(&TENANT.to_uppercase(), &seed_text(7));
    let error = kms.client().lookup(TENANT).await.unwrap_err();
    assert!(matches!(error, LookupError::NoSuchKey(_)), "{error:?}");
    assert_eq!(error.to_string(), format!("key not found for private tenantID {TENANT}"));
}

#[tokio::test]
async fn two_objects_of_one_name_are_ambiguous_until_one_is_destroyed() {
    let mut kms = Server::start();
    kms.register(TENANT, &seed_text(1));
    let second = kms.register(TENANT, &seed_text(2));
    let client = kms.client();
    let error = kms_error(client.lookup(TENANT).await);
    assert!(matches!(error, KmsError::Ambiguous { objects: 2, .. }), "{error:?}");
    kms.order(&json!({"op": "destroy", "uid": second}));
    assert_is_seed(client.lookup(TENANT).await, 1);
}

#[tokio::test]
async fn a_destroyed_key_is_the_definite_answer() {
    let mut kms = Server::start();
    let uid = kms.register(TENANT, &seed_text(7));
    let client = kms.client();
    assert_is_seed(client.lookup(TENANT).await, 7);
    kms.order(&json!({"op": "destroy", "uid": uid}));
    assert!(matches!(client.lookup(TENANT).await, Err(LookupError::NoSuchKey(_))));
}

#[tokio::test]
async fn a_revoked_key_is_still_given_to_open_what_it_sealed() {
    let revoked = [
        ("CESSATION_OF_OPERATION", Lifecycle::Deactivated, Lifecycle::NotActive),
        ("KEY_COMPROMISE", Lifecycle::Compromised, Lifecycle::NotActive),
    ];
    for (reason, told, told_without_attributes) in revoked {
        let mut kms = Server::start();
        let uid = kms.register(TENANT, &seed_text(7));
        for client in [kms.client(), without_attributes(&kms)] {
            assert_eq!(client.lookup(TENANT).await.unwrap().lifecycle, Lifecycle::Active);
        }
        kms.order(&json!({"op": "revoke", "uid": uid, "reason": reason}));
        for (client, after) in [(kms.client(), told), (without_attributes(&kms), told_without_attributes)] {
            let found = client.lookup(TENANT).await;
            assert_eq!(found.as_ref().unwrap().lifecycle, after);
            assert_is_seed(found, 7);
        }
    }
}

#[tokio::test]
async fn a_key_is_pre_active_until_it_is_activated() {
    let mut kms = Server::start();
    let uid = kms.register_with(json!({"name": TENANT, "value": seed_text(7)}));
    assert_eq!(kms.client().lookup(TENANT).await.unwrap().lifecycle, Lifecycle::PreActive);
    assert_eq!(without_attributes(&kms).lookup(TENANT).await.unwrap().lifecycle, Lifecycle::NotActive);
    kms.order(&json!({"op": "activate", "uid": uid}));
    assert_eq!(kms.client().lookup(TENANT).await.unwrap().lifecycle, Lifecycle::Active);
}

/// A client that does not ask for attributes.
fn without_attributes(kms: &Server) -> Client {
    let mut config = kms.config();
    config.verify_name = false;
    Client::new(&config).unwrap()
}

#[tokio::test]
async fn a_denied_get_is_not_the_definite_answer() {
    let mut kms = Server::start();
    let uid = kms.register_with(json!({"name": TENANT, "value": seed_text(7), "policy": "no-get"}));
    kms.order(&json!({"op": "activate", "uid": uid}));
    let error = kms_error(kms.client().lookup(TENANT).await);
    let text = chain(&error);
    assert!(text.starts_with("kms refused Get: Permission Denied (0x0c) (Could not locate object"), "{text}");
}

#[tokio::test]
async fn denied_attributes_name_the_permission_and_can_be_done_without() {
    let mut kms = Server::start();
    kms.register_with(json!({"name": TENANT, "value": seed_text(7), "policy": "no-attributes"}));
    let error = kms_error(kms.client().lookup(TENANT).await);
    let text = chain(&error);
    assert!(text.contains("the client needs the permission Get Attributes"), "{text}");
    let mut config = kms.config();
    config.verify_name = false;
    let client = Client::new(&config).unwrap();
    assert_is_seed(client.lookup(TENANT).await, 7);
    assert!(matches!(client.lookup("another").await, Err(LookupError::NoSuchKey(_))));
}

#[tokio::test]
async fn what_belongs_to_another_client_looks_absent() {
    let mut kms = Server::start();
    kms.register_with(json!({"name": TENANT, "value": seed_text(7), "client": "client-second"}));
    assert!(matches!(kms.client().lookup(TENANT).await, Err(LookupError::NoSuchKey(_))));
    let owner = Client::new(&kms.config_as("client-second")).unwrap();
    assert_is_seed(owner.lookup(TENANT).await, 7);
}

#[tokio::test]
async fn a_value_that_is_no_seed_is_an_error_of_the_payload() {
    let mut kms = Server::start();
    kms.register("not base64", &"*".repeat(48));
    kms.register("short", "c2hvcnQ=");
    let client = kms.client();
    for tenant in ["not base64", "short"] {
        let error = kms_error(client.lookup(tenant).await);
        assert_eq!(error.to_string(), "error decoding kms response payload", "{tenant}");
        assert!(!chain(&error).contains("c2hvcnQ"), "{error:?}");
    }
}
