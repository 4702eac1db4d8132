//! The sections `listen` and `audit`, and the version of completion records.

use super::*;

#[test]
fn audit_records_have_a_sink_and_a_rule_for_when_it_is_slow() {
    let audit =
        |value: Value| Files::new(&json!({"audit": value}), &Value::Null).load().map(|loaded| loaded.config.audit);
    assert_eq!(audit(json!({})).unwrap(), None);
    let settings = audit(json!({"sink": "file", "file": "/a", "on_full": "block", "queue_max": 7})).unwrap().unwrap();
    assert_eq!(settings.sink, audit::Sink::File("/a".into()));
    assert_eq!((settings.on_full, settings.queue_max), (audit::OnFull::Block, 7));
    for (value, place) in [
        (json!({"sink": "file"}), "audit.file"),
        (json!({"sink": "syslog"}), "audit.sink"),
        (json!({"sink": "stdout", "file": "/a"}), "audit.file"),
        (json!({"on_full": "wait"}), "audit.on_full"),
        (json!({"sink": "stdout", "queue_max": 0}), "audit.queue_max"),
    ] {
        assert!(refused(&json!({"audit": value})).contains(place), "{place}");
    }
}

#[test]
fn an_admin_port_open_to_the_network_needs_tls_too() {
    let admin = json!({"listen": {"admin": "0.0.0.0:8001"}});
    assert!(refused(&admin).contains("`listen.admin`"), "{}", refused(&admin));
    let tls = json!({"listen": {"s3": "0.0.0.0:8000", "admin": "0.0.0.0:8001", "tls": {"cert": "/c", "key": "/k"}}});
    assert_eq!(Files::new(&tls, &Value::Null).load().unwrap().config.listen.tls.unwrap().key, Path::new("/k"));
    assert!(refused(&json!({"listen": {"forwarded_from": ["10.0.0.0/99"]}})).contains("listen.forwarded_from[0]"));
}

#[test]
fn names_of_the_admin_port_are_names_of_hosts() {
    let hosts = |names: Value| {
        let config = json!({"listen": {"admin_hosts": names}});
        Files::new(&config, &Value::Null).load().map(|loaded| loaded.config.listen.admin_hosts)
    };
    assert_eq!(hosts(json!(["Gateway.Example.com", "a_b-c"])).unwrap(), ["gateway.example.com", "a_b-c"]);
    for name in ["", "a b", "https://a", "a:8001", "*.example.com", "a..b", ".a", "a.", "[::1]", "ä", &"a".repeat(64)]
    {
        let config = json!({"listen": {"admin_hosts": ["good", name]}});
        assert!(refused(&config).contains("listen.admin_hosts[1]"), "{name}: {}", refused(&config));
    }
    assert!(refused(&json!({"listen": {"admin_hosts": vec!["a"; 65]}})).contains("at most 64"));
}

#[test]
fn completion_records_are_of_version_1_unless_2_is_asked_for() {
    let version = |crypto: Value| loaded(&json!({"crypto": crypto}), &Value::Null).config.record_version;
    assert_eq!(version(json!({"key_seed": SEED})), RecordVersion::One);
    assert_eq!(version(json!({"key_seed": SEED, "record_version": 1})), RecordVersion::One);
    assert_eq!(version(json!({"key_seed": SEED, "record_version": 2})), RecordVersion::Two);
    for other in [json!(0), json!(3), json!(255)] {
        let config = json!({"crypto": {"key_seed": SEED, "record_version": other}});
        assert_eq!(refused(&config), "`crypto.record_version`: must be from 1 to 2");
    }
    for other in [json!("2"), json!(2.5), json!(-1), json!(256), json!(true), json!([2])] {
        let config = json!({"crypto": {"key_seed": SEED, "record_version": other}});
        assert!(refused(&config).contains("crypto.record_version"), "{other}");
    }
}

#[test]
fn an_upload_may_be_open_for_thirty_days_or_as_long_as_is_said() {
    let limits =
        |value: Value| Files::new(&json!({"limits": value}), &Value::Null).load().map(|loaded| loaded.config.limits);
    assert_eq!(limits(json!({})).unwrap().upload_max_age, Duration::from_hours(720));
    assert_eq!(limits(json!({"upload_max_age": "36h"})).unwrap().upload_max_age, Duration::from_hours(36));
    for wrong in ["1ms", "999ms"] {
        let error = limits(json!({"upload_max_age": wrong})).unwrap_err().to_string();
        assert!(error.starts_with("`limits.upload_max_age`: must be at least 1s"), "{error}");
    }
}

#[test]
fn no_tenant_reaches_the_staging_bucket() {
    let with = |prefix: &str, public: &[&str]| {
        let tenants = json!([{"id": "a", "bucket_prefix": prefix, "public_read_buckets": public}]);
        let config = json!({"crypto": {"key_seed": SEED}, "backend": {"staging_bucket": "own-staging"}});
        let loaded = Files::new(&config, &json!({"tenants": tenants})).load();
        loaded.map(drop).map_err(|error| error.to_string())
    };
    for prefix in ["o", "own-", "own-staging"] {
        let error = with(prefix, &[]).unwrap_err();
        assert!(error.starts_with("`tenants[0].bucket_prefix`: begins the name of the staging bucket"), "{error}");
    }
    let error = with("", &["papers", "own-staging"]).unwrap_err();
    assert_eq!(error, "`tenants[0].public_read_buckets[1]`: is the staging bucket, which is nobody's");
    for prefix in ["", "own-staging-", "other-"] {
        assert_eq!(with(prefix, &["papers"]), Ok(()), "{prefix}");
    }
}
