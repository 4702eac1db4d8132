//! Checks a JSON value against the published schema, so that the schema is what is enforced.
//!
//! Every problem is found in one go, with the full path, and no message holds a value: what was given could be a
//! secret in the wrong place. The part of JSON Schema that the schema of [`super::raw`] uses is understood: `type`,
//! `properties`, `additionalProperties`, `required`, `items`, `anyOf`, `minimum` and `maximum`.

use serde_json::{Map, Value};

use super::error::Problem;

/// Checks `value`, which stands at `path`, and adds what is wrong with it.
pub(super) fn check(schema: &Value, value: &Value, path: &str, problems: &mut Vec<Problem>) {
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        match choices.iter().find(|choice| type_fits(choice, value)) {
            Some(choice) => check(choice, value, path, problems),
            None => wrong_type(
                choices.iter().map(expected).filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" or "),
                value,
                path,
                problems,
            ),
        }
        return;
    }
    if !type_fits(schema, value) {
        wrong_type(expected(schema), value, path, problems);
        return;
    }
    match value {
        Value::Object(object) => check_object(schema, object, path, problems),
        Value::Array(items) => {
            if let Some(item_schema) = schema.get("items") {
                for (at, item) in items.iter().enumerate() {
                    check(item_schema, item, &format!("{path}[{at}]"), problems);
                }
            }
        }
        Value::Number(_) if !in_range(schema, value) => {
            problems.push(Problem::Value { path: path.to_owned(), reason: range(schema) });
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Visits every text that the schema calls a secret.
pub(super) fn secrets(schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    if schema.get("writeOnly").is_some() {
        if value.as_str().is_some_and(|text| !text.is_empty()) {
            found.push(path.to_owned());
        }
    } else if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        if let Some(choice) = choices.iter().find(|choice| type_fits(choice, value)) {
            secrets(choice, value, path, found);
        }
    } else if let Value::Object(object) = value {
        for (key, value) in object {
            if let Some(schema) = field(schema, key) {
                secrets(schema, value, &join(path, key), found);
            }
        }
    } else if let (Value::Array(items), Some(schema)) = (value, schema.get("items")) {
        for (at, item) in items.iter().enumerate() {
            secrets(schema, item, &format!("{path}[{at}]"), found);
        }
    }
}

/// The known name that is nearest to `name`, if it is near enough to be meant.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let far = 1 + name.chars().count() / 3;
    known.map(|known| (distance(name, known), known)).filter(|(d, _)| *d <= far).min().map(|(_, known)| known)
}

fn check_object(schema: &Value, object: &Map<String, Value>, path: &str, problems: &mut Vec<Problem>) {
    for (key, value) in object {
        let place = join(path, key);
        match field(schema, key) {
            Some(schema) => check(schema, value, &place, problems),
            None if schema.get("additionalProperties") == Some(&Value::Bool(false)) => {
                problems.push(Problem::Unknown { path: place, hint: hint(schema, key) });
            }
            None => {}
        }
    }
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if !object.contains_key(name) {
            problems.push(Problem::Missing { path: join(path, name) });
        }
    }
}

/// The schema of an object's field: its own, or the one for any name.
fn field<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    let own = schema.get("properties").and_then(|properties| properties.get(key));
    own.or_else(|| schema.get("additionalProperties").filter(|any| any.is_object()))
}

fn hint(schema: &Value, key: &str) -> String {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return "nothing may stand here".to_owned();
    };
    match nearest(key, properties.keys().map(String::as_str)) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("known are {}", properties.keys().cloned().collect::<Vec<_>>().join(", ")),
    }
}

fn wrong_type(expected: String, value: &Value, path: &str, problems: &mut Vec<Problem>) {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    problems.push(Problem::Type { path: path.to_owned(), expected, found });
}

/// The types that a schema allows; none named allows all.
fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn type_fits(schema: &Value, value: &Value) -> bool {
    let types = types(schema);
    let fits = |name: &&str| match *name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    types.is_empty() || types.iter().any(fits)
}

fn expected(schema: &Value) -> String {
    let name = |name: &&str| match *name {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a string",
        "array" => "an array",
        "object" => "an object",
        _ => "null",
    };
    types(schema).iter().filter(|name| **name != "null").map(name).collect::<Vec<_>>().join(" or ")
}

fn in_range(schema: &Value, value: &Value) -> bool {
    let number = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    let (least, most) = bounds(schema);
    number.is_none_or(|number| (least..=most).contains(&number))
}

fn range(schema: &Value) -> String {
    let (least, most) = bounds(schema);
    format!("must be from {least} to {most}")
}

fn bounds(schema: &Value) -> (i128, i128) {
    let bound = |name| schema.get(name).and_then(Value::as_i64).map(i128::from);
    let most = match schema.get("format").and_then(Value::as_str) {
        Some("uint32") => u32::MAX.into(),
        _ => u64::MAX.into(),
    };
    (bound("minimum").unwrap_or(i64::MIN.into()), bound("maximum").unwrap_or(most))
}

pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
