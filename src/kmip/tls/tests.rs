use std::error::Error;

use super::*;
use crate::kmip::{
    config::PrivateKeyPem,
    testing::{self, pki},
};

fn section(key: &str, cert: &str) -> TlsConfig {
    let tls = testing::config("kms.example.com:5696").tls;
    TlsConfig { key: PrivateKeyPem::new(pki(key)), cert: pki(cert), ..tls }
}

fn refusal(change: impl FnOnce(&mut TlsConfig)) -> TlsError {
    let mut tls = section("client-p256.pkcs8.key", "client-p256.crt");
    change(&mut tls);
    client_config(&tls).unwrap_err()
}

#[test]
fn keys_of_every_form_and_kind_are_read() {
    for (key, cert) in [
        ("client-p256.pkcs8.key", "client-p256.crt"),
        ("client-p256.sec1.key", "client-p256.crt"),
        ("client-p521.sec1.key", "client-p521.crt"),
        ("client-rsa.pkcs1.key", "client-rsa.crt"),
    ] {
        client_config(&section(key, cert)).unwrap_or_else(|error| panic!("{key}: {error:?}"));
    }
}

#[test]
fn a_key_that_is_not_the_certificates_is_refused() {
    let error = client_config(&section("client-p521.sec1.key", "client-p256.crt")).unwrap_err();
    assert_eq!(error.to_string(), "tls.key and tls.cert cannot be used together");
    assert!(error.source().unwrap().to_string().contains("KeyMismatch"), "{error:?}");
}

#[test]
fn what_cannot_be_read_is_named_and_not_shown() {
    let broken = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0IQ=\n-----END PRIVATE KEY-----";
    let error = refusal(|tls| tls.key = PrivateKeyPem::new(broken.to_owned()));
    assert!(matches!(error, TlsError::PrivateKey));
    assert!(!format!("{error:?} {error}").contains("c2Vjc"), "{error:?}");
    assert!(matches!(refusal(|tls| tls.key = PrivateKeyPem::new(pki("ca.crt"))), TlsError::PrivateKey));
    assert!(matches!(refusal(|tls| tls.cert = "no PEM".to_owned()), TlsError::Certificate));
    assert!(matches!(refusal(|tls| tls.ca = Some("no PEM".to_owned())), TlsError::Authority));
}

#[test]
fn line_breaks_lost_on_the_way_into_json_are_hinted_at() {
    let one_line = pki("client-p256.pkcs8.key").replace('\n', "\\n");
    let error = refusal(|tls| tls.key = PrivateKeyPem::new(one_line));
    assert!(error.to_string().ends_with("(line breaks are written \\n in JSON)"), "{error}");
}

#[test]
fn suites_are_offered_by_their_numbers_alone() {
    let mut tls = section("client-p256.pkcs8.key", "client-p256.crt");
    for number in [4865, 4866, 4867, 49195, 49196, 49199, 49200, 52392, 52393] {
        tls.cipher_suites = vec![number];
        let config = client_config(&tls).unwrap();
        let offered: Vec<u16> =
            config.crypto_provider().cipher_suites.iter().map(|suite| u16::from(suite.suite())).collect();
        assert_eq!(offered, [number]);
    }
}

#[test]
fn a_number_that_is_no_safe_suite_is_named() {
    let error = refusal(|tls| tls.cipher_suites = vec![4865, 47]);
    let text = error.to_string();
    assert!(text.starts_with("tls.cipher_suites: 47 (0x002f) is not supported, use 4866, 4865, 4867"), "{text}");
}

#[test]
fn names_and_ip_addresses_are_server_names() {
    assert!(server_name("kms.example.com").is_ok());
    assert!(server_name("127.0.0.1").is_ok());
    assert!(server_name("::1").is_ok());
    assert_eq!(server_name("a b").unwrap_err().to_string(), "`a b` is no server name");
}
