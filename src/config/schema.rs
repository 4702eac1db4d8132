//! The JSON Schema of the configuration: generated from the shapes of `config::raw`, published as
//! `config/schema.json`, and what files are checked against.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::raw::RawConfig;

/// The published schema, pretty-printed (draft 7, nothing but references within).
#[must_use]
pub fn published() -> String {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<RawConfig>();
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// The schema with every reference put in place, for checking.
pub(super) fn of_config() -> &'static Value {
    &INLINED
}

/// The schema of one of our sections.
pub(super) fn section(name: &str) -> Option<&'static Value> {
    INLINED.get("properties")?.get(name)
}

/// The names of our sections.
pub(super) fn section_names() -> Vec<&'static str> {
    INLINED.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

static INLINED: LazyLock<Value> = LazyLock::new(|| {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<RawConfig>().to_value()
});
