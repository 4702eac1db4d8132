//! The snapshot of keys, and the names of the cluster.

use super::*;
use crate::keys::remote::RemoteSettings;

fn kept(fields: &[(&str, Value)], environment: Environment<'_>) -> Result<Box<RemoteSettings>, String> {
    let mut config = remote(&kms());
    for (name, value) in fields {
        config["crypto"][name] = value.clone();
    }
    let loaded = load(&Files::new(&config, &Value::Null).paths(), environment);
    let keys = loaded.map_err(|error| error.to_string())?.config.keys;
    let KeySettings::RemoteMultiKeys(settings) = keys else { panic!("another mode") };
    Ok(settings)
}

#[test]
fn a_snapshot_has_a_file_a_key_and_an_age() {
    let named = [("snapshot_file", json!("/a/keys")), ("snapshot_key", json!(SEED))];
    let snapshot = kept(&named, &|_| None).unwrap().snapshot.unwrap();
    assert_eq!((snapshot.file, snapshot.cluster.as_str()), (PathBuf::from("/a/keys"), "default"));
    assert_eq!(snapshot.age_max, Duration::from_hours(168));
    assert_eq!(snapshot.key.to_base64().as_str(), SEED);
    let aged = [named.as_slice(), &[("snapshot_max_age", json!("90m"))]].concat();
    assert_eq!(kept(&aged, &|_| None).unwrap().snapshot.unwrap().age_max, Duration::from_mins(90));
    assert!(kept(&[], &|_| None).unwrap().snapshot.is_none());
}

#[test]
fn the_key_of_the_snapshot_may_come_from_the_environment() {
    let environment = |name: &str| (name == SNAPSHOT_KEY_VARIABLE).then(|| SEED.to_owned());
    let named = [("snapshot_file", json!("/a/keys"))];
    assert!(kept(&named, &environment).unwrap().snapshot.is_some());
    assert_eq!(kept(&named, &|_| None).unwrap_err(), "missing required configuration: crypto.snapshot_key");
}

#[test]
fn what_is_wrong_with_a_snapshot_is_told_without_its_key() {
    let wrong = |fields: &[(&str, Value)]| kept(fields, &|_| None).unwrap_err();
    assert_eq!(wrong(&[("snapshot_key", json!(SEED))]), "`crypto.snapshot_key`: needs crypto.snapshot_file");
    let short = wrong(&[("snapshot_file", json!("/a/keys")), ("snapshot_key", json!("c2hvcnQ="))]);
    assert!(short.starts_with("`crypto.snapshot_key`: ") && !short.contains("c2hvcnQ"), "{short}");
    let single = json!({"crypto": {"key_seed": SEED, "snapshot_file": "/a/keys", "snapshot_key": SEED}});
    assert_eq!(problems(&single).len(), 2);
}

#[test]
fn a_gateway_has_a_name_in_its_cluster() {
    let named = |config: &Value, pod: Option<&str>| {
        let environment = |name: &str| pod.filter(|_| name == "POD_NAME").map(str::to_owned);
        load(&Files::new(config, &Value::Null).paths(), &environment).map(|loaded| loaded.config.cluster)
    };
    let cluster = named(&json!({"cluster": {"name": "east"}}), Some("a")).unwrap();
    assert_eq!(cluster, Cluster { name: "east".into(), pod: "a".into() });
    let cluster = named(&json!({}), Some("b")).unwrap();
    assert_eq!(cluster, Cluster { name: "default".into(), pod: "b".into() });
    assert!(!named(&json!({}), None).unwrap().pod.is_empty());
    for name in ["", "a/b", "a b"] {
        let error = named(&json!({"cluster": {"name": name}}), None).unwrap_err().to_string();
        assert_eq!(error, "`cluster.name`: must be 1 to 128 letters, digits, `-`, `_` and `.`");
    }
}
