//! Kinds of keys, versions of TLS, suites, and certificates that must not be taken.

use sealgate::kmip::{Client, Config, LookupError, PrivateKeyPem};

use crate::server::{KINDS, Server, Start, TENANT, assert_is_seed, chain, kms_error, seed_text};

const TLS13: [u16; 3] = [4865, 4866, 4867];

async fn refusal(config: &Config) -> String {
    chain(&kms_error(Client::new(config).unwrap().lookup(TENANT).await))
}

#[tokio::test]
async fn keys_of_every_kind_serve_over_both_versions_of_tls() {
    for kind in KINDS {
        for version in ["1.2", "1.3"] {
            let mut kms = Server::start_as(Start { kind, arguments: vec!["--tls", version], ..Start::default() });
            kms.register(TENANT, &seed_text(7));
            let found = kms.client().lookup(TENANT).await;
            // over TLS 1.2 a server with a P-521 key wants an ECDHE group that rustls does not have
            if (kind, version) == ("p521", "1.2") {
                let error = chain(&kms_error(found));
                assert!(
                    error.starts_with("error writing kms request") && error.contains("HandshakeFailure"),
                    "{error}"
                );
            } else {
                assert_is_seed(found, 7);
            }
        }
    }
}

#[tokio::test]
async fn private_keys_in_the_older_forms_prove_the_client() {
    for kind in KINDS {
        let mut kms = Server::start_as(Start { kind, ..Start::default() });
        kms.register(TENANT, &seed_text(7));
        let mut config = kms.config();
        let pem = kms.pem("client.traditional.key");
        assert!(pem.contains(if kind == "rsa" { "BEGIN RSA PRIVATE KEY" } else { "BEGIN EC PRIVATE KEY" }));
        config.tls.key = PrivateKeyPem::new(pem);
        assert_is_seed(Client::new(&config).unwrap().lookup(TENANT).await, 7);
    }
}

#[tokio::test]
async fn each_suite_of_tls_1_3_serves_alone() {
    let mut kms = Server::start();
    kms.register(TENANT, &seed_text(7));
    for suite in TLS13 {
        let mut config = kms.config();
        config.tls.cipher_suites = vec![suite];
        assert_is_seed(Client::new(&config).unwrap().lookup(TENANT).await, 7);
    }
}

#[tokio::test]
async fn each_suite_of_tls_1_2_serves_where_it_is_the_servers_only_one() {
    for (kind, cipher, suite) in [
        ("p256", "ECDHE-ECDSA-AES128-GCM-SHA256", 49195),
        ("p256", "ECDHE-ECDSA-AES256-GCM-SHA384", 49196),
        ("p256", "ECDHE-ECDSA-CHACHA20-POLY1305", 52393),
        ("rsa", "ECDHE-RSA-AES128-GCM-SHA256", 49199),
        ("rsa", "ECDHE-RSA-AES256-GCM-SHA384", 49200),
        ("rsa", "ECDHE-RSA-CHACHA20-POLY1305", 52392),
    ] {
        let arguments = vec!["--tls", "1.2", "--ciphers", cipher];
        let mut kms = Server::start_as(Start { kind, arguments, ..Start::default() });
        kms.register(TENANT, &seed_text(7));
        let mut config = kms.config();
        config.tls.cipher_suites = vec![suite];
        assert_is_seed(Client::new(&config).unwrap().lookup(TENANT).await, 7);
    }
}

#[tokio::test]
async fn suites_of_tls_1_3_alone_do_not_reach_a_server_of_tls_1_2() {
    let kms = Server::start_as(Start { arguments: vec!["--tls", "1.2"], ..Start::default() });
    let mut config = kms.config();
    config.tls.cipher_suites = TLS13.to_vec();
    let error = refusal(&config).await;
    assert!(error.starts_with("error writing kms request") && error.contains("ProtocolVersion"), "{error}");
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_asked() {
    let kms = Server::start();
    let mut config = kms.config();
    config.tls.ca = Some(kms.pem("other-ca.crt"));
    let error = refusal(&config).await;
    assert!(error.starts_with("error writing kms request") && error.contains("UnknownIssuer"), "{error}");
}

#[tokio::test]
async fn a_server_of_another_name_is_asked_only_if_that_name_is_configured() {
    let mut kms = Server::start_as(Start { certificate: "server-elsewhere", ..Start::default() });
    let mut config = kms.config();
    let error = refusal(&config).await;
    assert!(error.starts_with("error writing kms request") && error.contains("not valid for name"), "{error}");
    kms.register(TENANT, &seed_text(7));
    config.tls.server_name = Some("kms.example.com".to_owned());
    assert_is_seed(Client::new(&config).unwrap().lookup(TENANT).await, 7);
}

#[tokio::test]
async fn a_server_whose_certificate_has_expired_is_not_asked() {
    let kms = Server::start_as(Start { certificate: "server-expired", ..Start::default() });
    let error = refusal(&kms.config()).await;
    assert!(error.starts_with("error writing kms request") && error.contains("expired"), "{error}");
}

#[tokio::test]
async fn insecure_skip_verify_asks_a_server_whose_certificate_has_expired() {
    let kms = Server::start_as(Start { certificate: "server-expired", ..Start::default() });
    let mut config = kms.config();
    config.tls.insecure_skip_verify = true;
    let found = Client::new(&config).unwrap().lookup(TENANT).await;
    assert!(matches!(found, Err(LookupError::NoSuchKey(_))), "{found:?}");
}

#[tokio::test]
async fn a_client_that_the_server_does_not_trust_is_told_so() {
    for version in ["1.2", "1.3"] {
        let kms = Server::start_as(Start { arguments: vec!["--tls", version], ..Start::default() });
        let error = refusal(&kms.config_as("client-stranger")).await;
        // with TLS 1.3 the client believes to be connected before the server has looked at its certificate
        let expected = if version == "1.2" { "error writing kms request" } else { "error reading kms response" };
        assert!(error.starts_with(expected) && error.contains("UnknownCA"), "{version}: {error}");
        let error = refusal(&kms.config_as("client-expired")).await;
        assert!(error.starts_with(expected) && error.contains("CertificateExpired"), "{version}: {error}");
    }
}

#[tokio::test]
async fn a_certificate_that_names_no_client_is_refused_by_the_kms_itself() {
    let kms = Server::start();
    for client in ["client-no-usage", "client-nameless"] {
        let error = refusal(&kms.config_as(client)).await;
        assert!(error.starts_with("kms refused Locate: Authentication Not Successful"), "{client}: {error}");
    }
}
