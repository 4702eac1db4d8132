//! One record as a line of JSON.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::telemetry::request::Ended;

/// The record with its line end. Nothing in it is a secret: no query, no header but the client's name for itself.
pub(super) fn line(ended: &Ended) -> String {
    let (bucket, key) = ended.facts.target().unwrap_or_default();
    let principal = ended.facts.principal();
    let time = OffsetDateTime::from(ended.began_at).format(&Rfc3339).unwrap_or_default();
    let record = json!({
        "schema_version_id": "V_1_0",
        "request_time": time,
        "request_id": ended.id,
        "remote_ip": ended.peer,
        "requester": principal.map(|principal| &principal.access_key),
        "operation": format!("REST.{}", ended.facts.operation()),
        "bucket_name": some(bucket),
        "key": some(key),
        "request_uri": format!("{} {}", ended.method, ended.path),
        "http_status": ended.status,
        "error_code": ended.error_code,
        "bytes_sent": ended.sent_bytes,
        "bytes_received": ended.received_bytes,
        "turn_around_time_ms": ended.first_byte_micros / 1_000,
        "total_time_ms": ended.total_micros / 1_000,
        "user_agent": some(&ended.user_agent),
        "tls_version": ended.tls,
        "sealgate": {
            "tenant": principal.map(|principal| &principal.tenant),
            "is_whole": ended.is_whole,
        },
    });
    let mut line = record.to_string();
    line.push('\n');
    line
}

fn some(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}
