//! The section alone; that it is part of a configuration is tested there.

use serde_json::{Value, json};

use super::*;

fn converted(section: Value) -> Result<BackendSettings, Vec<String>> {
    let mut raw: RawBackend = serde_json::from_value(section).unwrap();
    let mut problems = Vec::new();
    let settings = convert(&mut raw, &mut problems);
    if problems.is_empty() { Ok(settings.unwrap()) } else { Err(problems.iter().map(ToString::to_string).collect()) }
}

fn s3(section: Value) -> S3Settings {
    match converted(section).unwrap().store {
        Store::S3(settings) => *settings,
        Store::Local { .. } => panic!("local"),
    }
}

#[test]
fn an_endpoint_is_enough_for_an_s3_store() {
    let settings = s3(json!({"type": "s3", "endpoint": "https://s3.example.com"}));
    assert_eq!(settings.credentials, CredentialsFrom::Ambient);
    assert_eq!((settings.endpoint.authority.as_str(), settings.endpoint.path_style), ("s3.example.com", true));
    assert_eq!(settings.timeouts, Timeouts::default());
}

#[test]
fn everything_about_an_s3_store_can_be_said() {
    let settings = s3(json!({
        "type": "s3", "endpoint": "http://10.0.0.1:8333/", "region": "eu", "access_key_id": "ID",
        "secret_access_key": "SECRET", "path_style": false, "ca_file": "/ca.pem", "attempts_max": 5,
        "timeouts": {"connect": "1s", "first_byte": "2s", "copy": "3s", "idle": "4s"},
        "pool": {"idle_max": 7, "idle_timeout": "5s"}, "expect_continue": true, "trailer_checksum": true,
        "features": {"conditional_deletes": false, "part_counts": true},
        "tenants": [{"bucket_prefix": "acme-", "access_key_id": "A", "secret_access_key": "B"}]
    }));
    let CredentialsFrom::Configuration(credentials) = &settings.credentials else { panic!("ambient") };
    assert_eq!((credentials.access_key_id(), credentials.secret_access_key()), ("ID", "SECRET"));
    assert_eq!(settings.tenants[0].bucket_prefix, "acme-");
    assert_eq!((settings.pool.idle_max, settings.timeouts.copy), (7, Duration::from_secs(3)));
    assert!(settings.expect_continue && settings.trailer_checksum);
    assert_eq!(settings.features.conditional_deletes, Some(false));
    assert_eq!((settings.features.part_counts, settings.features.conditional_puts), (Some(true), None));
    assert!(!format!("{settings:?}").contains("SECRET"));
}

#[test]
fn an_endpoint_has_a_scheme_and_no_path() {
    for wrong in ["s3.example.com", "ftp://host", "https://host/path", "https://user:secret@host", "https://"] {
        let refused = converted(json!({"type": "s3", "endpoint": wrong})).unwrap_err();
        assert!(refused[0].starts_with("`backend.endpoint`: must be") && !refused[0].contains("secret"), "{wrong}");
    }
    assert_eq!(converted(json!({"type": "s3"})).unwrap_err(), ["missing required configuration: backend.endpoint"]);
}

#[test]
fn half_of_the_credentials_is_refused() {
    let half = json!({"type": "s3", "endpoint": "http://h", "access_key_id": "ID"});
    assert_eq!(converted(half).unwrap_err(), ["missing required configuration: backend.secret_access_key"]);
    let half = json!({"type": "s3", "endpoint": "http://h", "secret_access_key": "S"});
    assert_eq!(converted(half).unwrap_err(), ["missing required configuration: backend.access_key_id"]);
}

#[test]
fn fields_of_the_other_type_are_refused() {
    let local = json!({"pool": {}, "tenants": []});
    assert_eq!(
        converted(local).unwrap_err(),
        ["`backend.pool` does not apply in type local", "`backend.tenants` does not apply in type local"]
    );
    let s3 = json!({"type": "s3", "endpoint": "http://h", "path": "/data"});
    assert_eq!(converted(s3).unwrap_err(), ["`backend.path` does not apply in type s3"]);
}
