use proptest::prelude::*;
use serde_json::json;

use super::*;

fn parsed(text: &str) -> Result<Map<String, Value>, String> {
    parse(Path::new("/opt/config/application.json"), text).map_err(|problem| problem.to_string())
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn merged(base: &Value, over: &Value) -> Value {
    let mut base = object(base);
    merge(&mut base, object(over));
    Value::Object(base)
}

#[test]
fn broken_json_is_refused_with_file_line_and_column() {
    assert_eq!(
        parsed("{\n  \"crypto\": {\n    \"mode\" \"x\"\n  }\n}"),
        Err("/opt/config/application.json:3:12: expected `:`".into())
    );
    assert_eq!(parsed(""), Err("/opt/config/application.json:1:0: EOF while parsing a value".into()));
    assert_eq!(parsed("{} x"), Err("/opt/config/application.json:1:4: trailing characters".into()));
    assert_eq!(parsed("[]"), Err("/opt/config/application.json:1:1: not a JSON object".into()));
}

#[test]
fn a_tenant_given_twice_is_refused_by_name_and_place() {
    let text = "{\"crypto\": {\"tenant_keys\": {\n \"a\": \"S3CR3T\",\n \"a\": \"0TH3R\"}}}";
    assert_eq!(parsed(text), Err("/opt/config/application.json:3:4: `a` occurs twice in one object".into()));
}

#[test]
fn one_name_in_two_objects_is_no_repetition() {
    assert!(parsed(r#"{"a": {"x": 1}, "b": {"x": 1}, "c": [{"x": 1}, {"x": 2}]}"#).is_ok());
}

#[test]
fn every_kind_of_value_is_read_as_it_stands() {
    let text = r#"{"a": [null, true, -1, 18446744073709551615, 1.5, "x\n\u00e4", {}]}"#;
    let expected: Value = serde_json::from_str(text).unwrap();
    assert_eq!(Value::Object(parsed(text).unwrap()), expected);
}

#[test]
fn nesting_beyond_reason_is_refused() {
    assert!(parsed(&format!("{{\"a\": {}1{}}}", "[".repeat(200), "]".repeat(200))).is_err());
}

#[test]
fn objects_merge_and_everything_else_is_replaced_by_the_secret() {
    let config = json!({"crypto": {"mode": "a", "list": [1, 2], "kms": {"x": 1}}, "redis": {"url": "r"}});
    let secret = json!({"crypto": {"mode": "b", "list": [3], "kms": {"y": 2}, "kms2": "z"}});
    let expected = json!({
        "crypto": {"mode": "b", "list": [3], "kms": {"x": 1, "y": 2}, "kms2": "z"},
        "redis": {"url": "r"}
    });
    assert_eq!(merged(&config, &secret), expected);
}

#[test]
fn an_object_and_a_scalar_replace_each_other() {
    assert_eq!(merged(&json!({"a": {"b": 1}}), &json!({"a": 2})), json!({"a": 2}));
    assert_eq!(merged(&json!({"a": 2}), &json!({"a": {"b": 1}})), json!({"a": {"b": 1}}));
}

#[test]
fn a_file_may_be_absent_only_if_nobody_named_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("application.json");
    assert!(FilePath { path: path.clone(), is_named: false }.read().unwrap().is_none());
    assert!(FilePath { path, is_named: true }.read().unwrap_err().to_string().contains("application.json"));
}

#[test]
fn a_folder_in_place_of_the_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(FilePath { path: dir.path().into(), is_named: false }.read().is_err());
}

fn any_object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), any::<i32>().prop_map(Value::from)];
    let value = leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-c]", value, 0..4).prop_map(|map| Value::Object(map.into_iter().collect()))
}

proptest! {
    #[test]
    fn merging_with_itself_or_with_nothing_changes_nothing(a in any_object()) {
        prop_assert_eq!(merged(&a, &a), a.clone());
        prop_assert_eq!(merged(&a, &json!({})), a.clone());
        prop_assert_eq!(merged(&json!({}), &a), a);
    }

    #[test]
    fn what_the_secret_says_is_there_after_merging_again(a in any_object(), b in any_object()) {
        let once = merged(&a, &b);
        prop_assert_eq!(merged(&once, &b), once);
    }
}
