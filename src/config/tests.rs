//! The whole way from files to a configuration; the messages here are documented and must not change.

mod keeping;
mod operation;
mod states;

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;
use crate::tenant::TenantId;

/// A folder with the two files.
struct Files(tempfile::TempDir);

impl Files {
    fn new(config: &Value, secret: &Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, value) in [("config.json", config), ("secret.json", secret)] {
            if !value.is_null() {
                fs::write(dir.path().join(name), value.to_string()).unwrap();
            }
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn paths(&self) -> Paths {
        let file = |name| FilePath { path: self.path(name), is_named: false };
        Paths { config: file("config.json"), secret: file("secret.json") }
    }

    fn load(&self) -> Result<Loaded, ConfigError> {
        load(&self.paths(), &|_| None)
    }
}

fn loaded(config: &Value, secret: &Value) -> Loaded {
    Files::new(config, secret).load().unwrap()
}

/// The one message for a configuration that is wrong in one way.
fn refused(config: &Value) -> String {
    Files::new(config, &Value::Null).load().unwrap_err().to_string()
}

const SEED: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TENANT: &str = "67f1adf3-08e5-4eea-94e3-e611f263c87b";

fn kms() -> Value {
    json!({
        "kmip": {"address": "kms.example.com:5696", "major_version": 1, "minor_version": 4},
        "tls": {"key": "KEY", "cert": "CERT", "cipher_suites": [4865, 4866, 4867], "insecure_skip_verify": false}
    })
}

fn remote(kms: &Value) -> Value {
    let crypto = json!({"mode": "remote-multi-keys", "update_period": "1h", "kms_config": kms});
    json!({"crypto": crypto, "coordinator": {"url": "https://coordinator.example.com"}})
}

fn problems(config: &Value) -> Vec<String> {
    let error = Files::new(config, &Value::Null).load().unwrap_err();
    error.problems().iter().map(ToString::to_string).collect()
}

#[test]
fn without_any_file_there_is_one_generated_key_and_a_local_store() {
    let loaded = loaded(&Value::Null, &Value::Null);
    let config = loaded.config;
    assert!(matches!(config.keys, KeySettings::Generated));
    assert!(config.access_keys.is_none());
    assert_eq!(config.first_start_dir(), Some(Path::new("./sealgate-data")));
    assert_eq!(config.listen.s3.to_string(), "127.0.0.1:8000");
    assert_eq!(config.listen.admin.to_string(), "127.0.0.1:8001");
    assert_eq!((config.limits.in_flight_requests_max, config.limits.in_flight_bytes_max), (1024, 268_435_456));
    assert_eq!(config.limits.drain_timeout, Duration::from_secs(30));
    assert!(loaded.files.is_empty() && loaded.warnings.is_empty() && loaded.foreign_sections.is_empty());
}

#[test]
fn the_two_files_are_one_configuration() {
    let config = json!({"crypto": {"mode": "local-multi-keys", "update_period": "30s"}});
    let secret = json!({"crypto": {"tenant_keys": {TENANT: SEED}}});
    let loaded = loaded(&config, &secret);
    let KeySettings::LocalMultiKeys(local) = loaded.config.keys else { panic!("another mode") };
    assert_eq!(local.period, Duration::from_secs(30));
    assert_eq!(local.tenants[0].0.as_str(), TENANT);
    assert_eq!(loaded.files.len(), 2);
}

#[test]
fn a_named_file_must_be_there() {
    let files = Files::new(&Value::Null, &Value::Null);
    let paths = Paths { config: FilePath { path: files.path("config.json"), is_named: true }, ..files.paths() };
    assert!(load(&paths, &|_| None).unwrap_err().to_string().starts_with("cannot read "));
}

#[test]
fn the_messages_about_the_mode_are_the_documented_ones() {
    assert_eq!(refused(&json!({"crypto": {"mode": "multi-keys"}})), "invalid crypto.mode value");
    assert_eq!(refused(&json!({"crypto": {"mode": ""}})), "invalid crypto.mode value");
    let local = json!({"crypto": {"mode": "local-multi-keys", "tenant_keys": {TENANT: SEED}}});
    assert_eq!(refused(&local), "crypto.update_period is required in local-multi-keys");
    let mut remote = remote(&kms());
    remote["crypto"].as_object_mut().unwrap().remove("update_period");
    assert_eq!(problems(&remote)[0], "crypto.update_period is required in remote-multi-keys");
}

#[test]
fn the_messages_about_the_kms_are_the_documented_ones() {
    let message = |kms: Value| problems(&remote(&kms))[0].clone();
    assert_eq!(message(Value::Null), "kms config is required");
    assert_eq!(message(json!({})), "kms config is required");
    for (section, field) in [("kmip", "address"), ("tls", "cert"), ("tls", "key")] {
        let mut kms = kms();
        kms[section][field] = "".into();
        let expected = format!("missing required configuration: crypto.kms_config.{section}.{field}");
        assert_eq!(message(kms), expected);
    }
    for (major, minor) in [(1, 3), (2, 4), (1, 0)] {
        let mut kms = kms();
        kms["kmip"]["major_version"] = major.into();
        kms["kmip"]["minor_version"] = minor.into();
        assert_eq!(message(kms), "unsupported KMIP version, use 1.4");
    }
}

#[test]
fn a_shared_store_needs_configured_keys_of_every_kind() {
    let s3 = json!({"backend": {"type": "s3", "endpoint": "https://s3.example.com"}});
    let missing = ["crypto.key_seed", "tenants", "cluster.keys; put in what `sealgate keygen --cluster` prints"];
    let problems = problems(&s3);
    assert_eq!(problems.len(), missing.len());
    for (problem, what) in problems.iter().zip(missing) {
        assert!(problem.starts_with(&format!("missing required configuration: {what}")), "{problem}");
    }
}

#[test]
fn an_unknown_cipher_suite_is_named() {
    let mut kms = kms();
    kms["tls"]["cipher_suites"] = json!([4865, 5]);
    assert_eq!(problems(&remote(&kms))[0], "`crypto.kms_config.tls.cipher_suites[1]`: unknown cipher suite 5");
}

#[test]
fn a_kms_address_needs_a_host_and_a_port() {
    for address in ["kms.example.com", ":5696", "kms:0", "kms:x", "kms:70000"] {
        let mut kms = kms();
        kms["kmip"]["address"] = address.into();
        assert!(problems(&remote(&kms))[0].starts_with("`crypto.kms_config.kmip.address`: must be"), "{address}");
    }
}

#[test]
fn what_this_version_does_not_do_is_refused_by_name() {
    let policy = json!([{"id": "a", "access_keys": [{"id": "k", "secret": "long enough", "policy": {}}]}]);
    assert_eq!(
        refused(&json!({"crypto": {"key_seed": SEED}, "tenants": policy})),
        "not available in this version: tenants[0].access_keys[0].policy"
    );
}

#[test]
fn remote_mode_needs_a_coordinator() {
    let mut config = remote(&kms());
    config.as_object_mut().unwrap().remove("coordinator");
    assert_eq!(problems(&config)[0], "missing required configuration: coordinator.url");
    config["coordinator"] = json!({"url": "coordinator:8080"});
    assert!(problems(&config)[0].starts_with("`coordinator.url`: must be an address"));
}

#[test]
fn an_unknown_field_is_named_with_its_path_and_the_nearest_known_one() {
    assert_eq!(
        refused(&json!({"crypto": {"key_seed": SEED, "updat_period": "1h"}})),
        "unknown field `crypto.updat_period`; did you mean `update_period`?"
    );
    let mut config = remote(&kms());
    config["crypto"]["kms_config"]["tls"]["chiper_suites"] = json!([]);
    assert_eq!(
        problems(&config),
        ["unknown field `crypto.kms_config.tls.chiper_suites`; did you mean `cipher_suites`?"]
    );
    assert_eq!(
        refused(&json!({"auth": {"zzz": 1}})),
        "unknown field `auth.zzz`; known are allow_sigv2_presigned, allow_sse_c"
    );
}

#[test]
fn sections_of_others_stay_and_are_named() {
    let others =
        json!({"redis": {"url": "r"}, "cache": {}, "smart_data_placement": {"a": [1]}, "crypto": {"key_seed": SEED}});
    let loaded = loaded(&others, &Value::Null);
    assert_eq!(loaded.foreign_sections, ["cache", "redis", "smart_data_placement"]);
}

#[test]
fn a_section_that_looks_like_a_misspelt_one_is_warned_of() {
    let loaded = loaded(&json!({"cripto": {"mode": "local-multi-keys"}}), &Value::Null);
    assert_eq!(loaded.warnings, ["the section `cripto` is not used; did you mean `crypto`?"]);
}

#[test]
fn seeds_that_cannot_be_used_are_named_by_tenant_and_not_shown() {
    let cases = [
        (json!("c2hvcnQ="), "seed: 5 bytes"),
        (json!("!!NOT-BASE64!!"), "base64"),
        (json!({"keys": []}), "there is no key"),
        (json!({"keys": [{"version": 1, "seed": SEED}, {"version": 2, "seed": SEED}]}), "none of the keys is primary"),
        (json!({"keys": [{"version": 3, "seed": "!!NOT-BASE64!!"}]}), "key version 3: seed: "),
    ];
    for (keys, reason) in cases {
        let config =
            json!({"crypto": {"mode": "local-multi-keys", "update_period": "1h", "tenant_keys": {TENANT: keys}}});
        let message = refused(&config);
        assert!(message.starts_with(&format!("tenant `{TENANT}`: ")), "{message}");
        assert!(message.contains(reason), "{message}");
        assert!(!message.contains("NOT-BASE64") && !message.contains("c2hvcnQ"), "{message}");
    }
}

#[test]
fn no_error_shows_a_value_that_stands_in_the_wrong_place() {
    let secret = "SECRET-IN-THE-WRONG-PLACE";
    let wrong = [
        json!({"crypto": secret}),
        json!({"crypto": {"mode": secret}}),
        json!({"crypto": {"key_seed": secret}}),
        json!({"crypto": {"update_period": secret, "key_seed": SEED}}),
        json!({"crypto": {"key_seed": {"value": secret}}}),
        json!({"crypto": {"retired_keys_max": secret}}),
        json!({"crypto": {"kms_config": {"tls": secret}}}),
        json!({"crypto": {"kms_config": {"tls": {"cipher_suites": [secret]}}}}),
        json!({"tenants": secret}),
        json!({"tenants": [{"id": "a", "access_keys": [{"id": "k", "secret": [secret]}]}]}),
        json!({"crypto": {"key_seed": SEED}, "tenants": [{"id": "a", "access_keys": [{"id": "k", "expires_at": secret, "secret": "long enough"}]}]}),
        json!({"listen": {"s3": secret}}),
        json!({"backend": {"type": secret}}),
        json!({"auth": {"allow_sigv2_presigned": secret}}),
        json!({"crypto": {"mode": "local-multi-keys", "update_period": "1h", "tenant_keys": {"t": 12_345_678_901_234_u64}}}),
    ];
    for config in wrong {
        let error = Files::new(&config, &Value::Null).load().unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains(secret) && !text.contains("12345678901234"), "{text}");
    }
}

#[test]
fn wrong_types_and_numbers_out_of_range_are_named() {
    assert_eq!(refused(&json!({"crypto": []})), "`crypto` must be an object, not an array");
    assert_eq!(refused(&json!({"crypto": {"mode": 1}})), "`crypto.mode` must be a string, not a number");
    assert_eq!(
        refused(&json!({"crypto": {"tenant_keys": {"a": 1}}})),
        "`crypto.tenant_keys.a` must be a string or an object, not a number"
    );
    assert_eq!(
        refused(&json!({"limits": {"in_flight_requests_max": -1}})),
        "`limits.in_flight_requests_max`: must be from 0 to 4294967295"
    );
    assert_eq!(
        refused(&json!({"limits": {"in_flight_requests_max": 1.5}})),
        "`limits.in_flight_requests_max` must be a whole number, not a number with a fraction"
    );
    assert_eq!(
        refused(&json!({"tenants": [{"access_keys": [{"id": "k"}]}], "crypto": {"key_seed": SEED}})).lines().count(),
        3
    );
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let config = json!({"crypto": {"mode": "x"}, "listen": {"s3": "nowhere"}, "limits": {"in_flight_bytes_max": 1}});
    let error = Files::new(&config, &Value::Null).load().unwrap_err();
    assert_eq!(error.problems().len(), 3);
    assert!(error.to_string().starts_with("3 problems in the configuration:\n  invalid crypto.mode value\n"));
}

#[test]
fn fields_of_another_mode_are_refused() {
    assert_eq!(
        refused(&json!({"crypto": {"key_seed": SEED, "tenant_keys": {}}})),
        "`crypto.tenant_keys` does not apply in single-key"
    );
    let local =
        json!({"mode": "local-multi-keys", "update_period": "1h", "tenant_keys": {"a": SEED}, "key_seed": SEED});
    assert_eq!(refused(&json!({"crypto": local})), "`crypto.key_seed` does not apply in local-multi-keys");
    assert_eq!(refused(&json!({"backend": {"region": "eu"}})), "`backend.region` does not apply in type local");
}

#[test]
fn single_key_needs_its_seed_as_soon_as_anything_is_configured() {
    let missing = "missing required configuration: crypto.key_seed";
    assert_eq!(refused(&json!({"crypto": {}})), missing);
    assert_eq!(refused(&json!({"crypto": {"key_seed": ""}})), missing);
    assert_eq!(refused(&json!({"tenants": []})), missing);
    assert!(refused(&json!({"crypto": {"key_seed": "c2hvcnQ="}})).starts_with("`crypto.key_seed`: "));
}

#[test]
fn a_default_key_must_be_one_of_the_tenants() {
    let crypto = |default: &str| json!({"crypto": {"mode": "local-multi-keys", "update_period": "1h", "tenant_keys": {"a": SEED}, "default_key": default}});
    assert_eq!(refused(&crypto("b")), "`crypto.default_key`: `b` is not in crypto.tenant_keys");
    let KeySettings::LocalMultiKeys(local) = loaded(&crypto("a"), &Value::Null).config.keys else { panic!("mode") };
    assert_eq!(local.default_key, Some(TenantId::new("a").unwrap()));
}

#[test]
fn tenants_become_access_keys() {
    let tenants = json!([
        {"id": "acme", "bucket_prefix": "acme-", "access_keys": [
            {"id": "AKIA1", "secret": "secret of one", "expires_at": "2030-01-31T12:00:00Z", "allowed_cidrs": ["192.0.2.0/24"]},
            {"id": "AKIA2", "secret": "secret of two", "expires_at": null, "allowed_cidrs": [], "policy": null, "disabled": true}
        ]},
        {"id": "other", "bucket_prefix": "other-", "access_keys": [{"id": "AKIA3", "secret": "secret of three"}]}
    ]);
    let loaded = loaded(&json!({"crypto": {"key_seed": SEED}}), &json!({"tenants": tenants}));
    let keys = loaded.config.access_keys.unwrap();
    let one = keys.find("AKIA1").unwrap();
    assert_eq!((one.principal.tenant.as_str(), one.principal.bucket_prefix.as_str()), ("acme", "acme-"));
    assert_eq!(one.secret.expose(), "secret of one");
    assert!(one.expires_at.is_some() && one.allowed_cidrs.len() == 1 && !one.disabled);
    assert!(keys.find("AKIA2").unwrap().disabled);
    assert_eq!(keys.find("AKIA3").unwrap().principal.tenant.as_str(), "other");
}

#[test]
fn tenants_that_would_share_buckets_or_names_are_refused() {
    let tenants = |a: &str, b: &str| {
        let tenants = json!([
            {"id": "a", "bucket_prefix": a, "access_keys": []},
            {"id": "m", "bucket_prefix": "m-", "access_keys": []},
            {"id": "z", "bucket_prefix": b, "access_keys": []}
        ]);
        json!({"crypto": {"key_seed": SEED}, "tenants": tenants})
    };
    for (a, b) in [("x-", "x-y-"), ("x-", "x-"), ("", "x-")] {
        assert!(refused(&tenants(a, b)).contains("bucket_prefix"), "{a:?} {b:?}");
    }
    assert!(Files::new(&tenants("x-", "y-"), &Value::Null).load().is_ok());
    let twice = json!([{"id": "a", "bucket_prefix": "a-"}, {"id": "a", "bucket_prefix": "b-"}]);
    assert_eq!(refused(&json!({"crypto": {"key_seed": SEED}, "tenants": twice})), "tenant `a`: is given twice");
    let key = json!({"id": "AKIA1", "secret": "long enough"});
    let shared = json!([{"id": "a", "bucket_prefix": "a-", "access_keys": [key]}, {"id": "b", "bucket_prefix": "b-", "access_keys": [key]}]);
    assert_eq!(
        refused(&json!({"crypto": {"key_seed": SEED}, "tenants": shared})),
        "`tenants`: access key id `AKIA1` is given twice"
    );
}

#[test]
fn an_access_key_that_makes_no_sense_is_refused_by_place() {
    let cases = [
        (json!({"id": "", "secret": "long enough"}), "id"),
        (json!({"id": "a/b", "secret": "long enough"}), "id"),
        (json!({"id": "k", "secret": "short"}), "secret"),
        (json!({"id": "k", "secret": "long enough", "expires_at": "tomorrow"}), "expires_at"),
        (json!({"id": "k", "secret": "long enough", "allowed_cidrs": ["10.0.0.1/8"]}), "allowed_cidrs[0]"),
    ];
    for (key, field) in cases {
        let config = json!({"crypto": {"key_seed": SEED}, "tenants": [{"id": "a", "access_keys": [key]}]});
        let place = format!("`tenants[0].access_keys[0].{field}`: ");
        assert!(refused(&config).starts_with(&place), "{}", refused(&config));
    }
}

#[test]
fn secrets_in_the_file_for_what_is_no_secret_are_warned_of_by_place() {
    let config = json!({
        "crypto": {"mode": "local-multi-keys", "update_period": "1h", "tenant_keys": {"a": SEED, "b": {"keys": [{"version": 1, "seed": SEED}]}}},
        "tenants": [{"id": "a", "access_keys": [{"id": "k", "secret": "long enough"}]}]
    });
    let warnings = loaded(&config, &Value::Null).warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("secret material in non-secret file "));
    for place in ["crypto.tenant_keys.a", "crypto.tenant_keys.b.keys[0].seed", "tenants[0].access_keys[0].secret"] {
        assert!(warnings[0].contains(place), "{}", warnings[0]);
    }
    assert!(loaded(&json!({}), &config).warnings.is_empty());
}

#[test]
fn what_is_in_force_is_shown_without_secrets() {
    let secret = json!({
        "crypto": {"key_seed": SEED},
        "tenants": [{"id": "a", "access_keys": [{"id": "AKIA1", "secret": "the secret itself"}]}]
    });
    let effective = loaded(&Value::Null, &secret).effective;
    assert!(effective.contains("AKIA1") && effective.contains("127.0.0.1:8000") && effective.contains("[secret]"));
    assert!(!effective.contains("the secret itself") && !effective.contains(SEED));
}

#[test]
fn the_old_variable_for_the_mode_is_warned_of_and_unused() {
    let files = Files::new(&Value::Null, &Value::Null);
    let environment = |name: &str| (name == "TENANT_ENCRYPTION_KEY_MODE").then(|| "local-multi-keys".to_owned());
    let loaded = load(&files.paths(), &environment).unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    assert!(matches!(loaded.config.keys, KeySettings::Generated));
}

#[test]
fn an_address_open_to_the_network_needs_a_word() {
    let listen = |s3: &str, allow: bool| json!({"listen": {"s3": s3, "allow_plain_http": allow}});
    assert!(refused(&listen("0.0.0.0:8000", false)).contains("listen.allow_plain_http"));
    assert!(Files::new(&listen("0.0.0.0:8000", true), &Value::Null).load().is_ok());
    assert!(Files::new(&listen("[::1]:0", false), &Value::Null).load().is_ok());
    assert!(refused(&json!({"listen": {"admin": "127.0.0.1:8000"}})).contains("listen.admin"));
}

#[test]
fn fragments_come_from_the_file_and_from_the_environment() {
    let fragment =
        |id: &str| json!({"customer_fragments": [{"id": id, "value": SEED, "name": "n", "description": "d"}]});
    let files = Files::new(&Value::Null, &Value::Null);
    fs::write(files.path("fragments.json"), fragment("cf-file").to_string()).unwrap();
    let crypto = json!({
        "mode": "local-multi-keys", "update_period": "1h", "tenant_keys": {"a": SEED},
        "customer_fragments_file": files.path("fragments.json")
    });
    fs::write(files.path("config.json"), json!({"crypto": crypto}).to_string()).unwrap();
    let with = |id: &str| {
        let inline = fragment(id).to_string();
        load(&files.paths(), &move |name| (name == FRAGMENTS_VARIABLE).then(|| inline.clone()))
    };
    let KeySettings::LocalMultiKeys(local) = with("cf-env").unwrap().config.keys else { panic!("mode") };
    assert!(local.fragments.find("cf-file").is_some() && local.fragments.find("cf-env").is_some());
    assert_eq!(with("cf-file").unwrap_err().to_string(), "customer fragment `cf-file` is given twice");
}

#[test]
fn a_named_fragments_file_must_be_there() {
    let crypto = json!({"mode": "local-multi-keys", "update_period": "1h", "tenant_keys": {"a": SEED}, "customer_fragments_file": "/nowhere/f.json"});
    assert!(refused(&json!({"crypto": crypto})).starts_with("cannot read customer fragments from /nowhere/f.json"));
}

#[test]
fn the_digest_changes_with_any_content() {
    let digest = |seed: &str| loaded(&json!({"crypto": {"key_seed": seed}}), &Value::Null).digest;
    assert_eq!(digest(SEED), digest(SEED));
    assert_ne!(digest(SEED), digest("HBscHRwbHB0cGxwdHBscHRwbHB0cGxwdHBscHRwbHB0="));
}

/// The problems of an example pair, with its secrets replaced if `with_secrets`.
fn example(mode: &str, with_secrets: bool) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(mode);
    let dir = tempfile::tempdir().unwrap();
    for name in ["application.json", "secret.json"] {
        let mut text = fs::read_to_string(folder.join(name)).unwrap();
        if with_secrets {
            text = text.replace("\"EXAMPLE-REPLACE\"", "\"a secret of my own\"");
            for number in 1..=3 {
                let seed = format!("EXAMPLE-REPLACE-by-what-sealgate-keygen-prints-{number}");
                text = text.replace(&STANDARD.encode(seed), &STANDARD.encode([number; 48]));
            }
        }
        fs::write(dir.path().join(name), text).unwrap();
    }
    let paths = Paths::new(Some(dir.path().join("application.json")), Some(dir.path().join("secret.json")));
    match load(&paths, &|_| None) {
        Ok(loaded) => loaded.warnings,
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn every_example_can_be_used_as_it_stands_once_it_has_its_own_secrets() {
    assert_eq!(example("single-key", true), Vec::<String>::new());
    assert_eq!(example("local-multi-keys", true), Vec::<String>::new());
    assert_eq!(example("remote-multi-keys", true), Vec::<String>::new());
}

#[test]
fn the_secrets_of_the_examples_are_refused() {
    for (mode, secrets) in [("single-key", 2), ("local-multi-keys", 5)] {
        let problems = example(mode, false);
        assert_eq!(problems.len(), secrets, "{problems:?}");
        assert!(problems.iter().all(|problem| problem.contains("of the example; put in")), "{problems:?}");
    }
}

#[test]
fn the_published_schema_is_the_current_one() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/schema.json");
    let published = fs::read_to_string(&file).unwrap_or_default();
    let current = schema::published();
    if published != current && std::env::var_os("SEALGATE_BLESS").is_some() {
        fs::write(&file, &current).unwrap();
    }
    assert!(published == current, "config/schema.json is stale; run the tests once with SEALGATE_BLESS=1");
}
