use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::config::{CLUSTER_KEYS_VARIABLE, FilePath, Loaded, Paths, load};

fn text(byte: u8) -> String {
    STANDARD.encode([byte; 32])
}

/// Loads a configuration whose `cluster` section is this, with `SEALGATE_CLUSTER_KEYS` in the environment if given.
fn loaded_with(cluster: &Value, variable: Option<&str>) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), json!({"cluster": cluster}).to_string()).unwrap();
    let file = |name: &str| FilePath { path: folder.path().join(name), is_named: false };
    let paths = Paths { config: file("config.json"), secret: file("secret.json") };
    let environment = |name: &str| variable.filter(|_| name == CLUSTER_KEYS_VARIABLE).map(str::to_owned);
    load(&paths, &environment).map_err(|error| error.to_string())
}

fn loaded(cluster: &Value) -> Result<Loaded, String> {
    loaded_with(cluster, None)
}

fn refused(keys: &Value) -> String {
    loaded(&json!({"keys": keys})).unwrap_err()
}

#[test]
fn keys_are_texts_or_texts_with_their_times() {
    let timed = json!({"key": text(1), "seals_from": "2020-01-01T00:00:00Z", "opens_until": "2999-01-01T00:00:00Z"});
    let loaded = loaded(&json!({"keys": [timed, text(2)]})).unwrap();
    let keys = loaded.config.cluster_keys.unwrap();
    assert_eq!(keys.ids().count(), 2);
    assert_eq!(keys.sealing(std::time::SystemTime::now()).map(crate::seal::ClusterKey::id), keys.ids().next());
}

#[test]
fn a_file_has_one_key_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    fs::write(&file, format!("{}\n\n{}\n", text(1), text(2))).unwrap();
    let of_file = loaded(&json!({"keys_file": file})).unwrap();
    let of_array = loaded(&json!({"keys": [text(1), text(2)]})).unwrap();
    assert_eq!(of_file.config.cluster_keys, of_array.config.cluster_keys);
    // so that it is watched
    assert!(of_file.files.contains(&file));
    fs::write(&file, "\n").unwrap();
    assert!(loaded(&json!({"keys_file": file})).unwrap_err().starts_with("`cluster.keys_file`: no key; "));
    fs::write(&file, "not-a-key").unwrap();
    let error = loaded(&json!({"keys_file": file})).unwrap_err();
    assert!(error.starts_with("`cluster.keys_file[0]`: must be base64") && !error.contains("not-a-key"), "{error}");
    assert!(loaded(&json!({"keys_file": "/nowhere/keys"})).unwrap_err().starts_with("cannot read /nowhere/keys"));
}

#[test]
fn the_environment_stands_in_where_the_files_say_nothing() {
    let both = format!("{}\n{}", text(1), text(2));
    let of_environment = loaded_with(&json!({}), Some(&both)).unwrap();
    assert_eq!(of_environment.config.cluster_keys.as_ref().unwrap().ids().count(), 2);
    assert!(!of_environment.effective.contains(&text(1)) && of_environment.effective.contains("[secret]"));
    assert!(of_environment.digest != loaded_with(&json!({}), Some(&text(1))).unwrap().digest);
    let of_files = loaded_with(&json!({"keys": [text(3)]}), Some(&both)).unwrap();
    assert_eq!(of_files.config.cluster_keys.unwrap().ids().count(), 1);
    let wrong = loaded_with(&json!({}), Some("short")).unwrap_err();
    assert!(wrong.starts_with("`SEALGATE_CLUSTER_KEYS[0]`: must be base64"), "{wrong}");
}

#[test]
fn keys_that_cannot_be_used_are_named_by_place_and_not_shown() {
    let short = STANDARD.encode([7; 31]);
    for wrong in [json!([text(1), short]), json!([text(1), {"key": short}])] {
        let error = refused(&wrong);
        assert!(error.starts_with("`cluster.keys[1]`: must be base64 of exactly 32 bytes"), "{error}");
        assert!(error.contains("sealgate keygen --cluster") && !error.contains(&short), "{error}");
    }
    assert!(refused(&json!([])).starts_with("`cluster.keys`: no key"));
    assert!(refused(&json!([text(1), text(2), text(1)])).contains("key 3 is given a second time"));
    assert!(refused(&json!([text(1), {"key": text(1)}])).contains("key 2 is given a second time"));
    let many: Vec<String> = (0..17).map(text).collect();
    assert!(refused(&json!(many)).contains("more than 16 keys"));
    assert!(refused(&json!([7])).contains("cluster.keys[0]"));
    assert!(refused(&json!([{"key": text(1), "other": 1}])).contains("cluster.keys[0].other"));
    assert!(refused(&json!([{"seals_from": "2020-01-01T00:00:00Z"}])).contains("cluster.keys[0].key"));
}

#[test]
fn times_that_make_no_sense_are_refused() {
    let timed = |from: &str, until: &str| json!([{"key": text(1), "seals_from": from, "opens_until": until}]);
    let (past, later) = ("2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z");
    assert!(refused(&timed("tomorrow", later)).contains("`cluster.keys[0].seals_from`: must be a time"));
    assert!(refused(&timed(past, "2999-01-01")).contains("`cluster.keys[0].opens_until`: must be a time"));
    assert!(refused(&timed(later, past)).contains("opens_until must be later than seals_from"));
    assert!(refused(&json!([{"key": text(1), "seals_from": later}])).contains("no key seals now"));
    assert!(refused(&json!([{"key": text(1), "opens_until": past}])).contains("no key seals now"));
}

#[test]
fn keys_have_one_place() {
    let error = loaded(&json!({"keys": [text(1)], "keys_file": "/etc/keys"})).unwrap_err();
    assert_eq!(error, "`cluster.keys_file`: does not apply beside cluster.keys");
}

#[test]
fn a_shared_store_needs_them_and_says_how_to_make_one() {
    let config = json!({
        "backend": {"type": "s3", "endpoint": "https://s3.example.com"},
        "crypto": {"key_seed": text(1)},
        "tenants": [{"id": "a", "access_keys": [{"id": "AKIA1", "secret": "the secret itself"}]}]
    });
    let load = |cluster: Value| {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config.clone();
        config["cluster"] = cluster;
        fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let file = |name: &str| FilePath { path: folder.path().join(name), is_named: false };
        let loaded = load(&Paths { config: file("config.json"), secret: file("secret.json") }, &|_| None);
        loaded.map(|_| ()).map_err(|error| error.to_string())
    };
    let error = load(json!({})).unwrap_err();
    assert!(error.contains("cluster.keys") && error.contains("`sealgate keygen --cluster`"), "{error}");
    assert_eq!(load(json!({"keys": [text(2)]})), Ok(()));
}

#[test]
fn keys_count_without_a_restart_but_not_their_coming_and_going() {
    let fixed = |cluster: Value| loaded(&cluster).unwrap().config.fixed();
    let one = fixed(json!({"keys": [text(1)]}));
    assert_eq!(one.changes(&fixed(json!({"keys": [text(2), text(1)]}))), Vec::<&str>::new());
    assert_eq!(one.changes(&fixed(json!({}))), ["cluster.keys"]);
}

#[test]
fn keys_are_secrets_that_are_shown_nowhere() {
    let loaded = loaded(&json!({"keys": [text(1), {"key": text(2)}]})).unwrap();
    for text in [text(1), text(2)] {
        assert!(!loaded.effective.contains(&text) && !format!("{:?}", loaded.config).contains(&text));
    }
    // the file for what is no secret
    assert!(loaded.warnings.iter().any(|warning| warning.contains("cluster.keys[0], cluster.keys[1].key")));
}
