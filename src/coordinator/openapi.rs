//! The OpenAPI document of the API: generated from the list of calls and the types of the wire, published as
//! `src/coordinator/openapi.json`, which a test compares with what would be generated.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::api::{Param, Route, Shape, routes};
use crate::coordinator_api::{NDJSON, PROBLEM_JSON, PageHead, Problem};

/// The published document.
pub const PUBLISHED: &str = include_str!("openapi.json");

/// The document as the code has it, pretty-printed.
#[must_use]
pub fn generated() -> String {
    let mut generator = SchemaSettings::openapi3().into_generator();
    let problem = generator.subschema_for::<Problem>().to_value();
    let page_head = generator.subschema_for::<PageHead>().to_value();
    let mut paths = json!({});
    for route in routes() {
        let mut schema_of = |shape: Shape| shape(&mut generator).to_value();
        paths[route.path][route.method] = operation(&route, &problem, &page_head, &mut schema_of);
    }
    let document = json!({
        "openapi": "3.0.3",
        "info": {
            "title": "sealgate Coordinator",
            "description": "Tenants, their keys and credentials, for gateways and administrators. All errors are RFC 9457 problems.",
            "version": "1",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "certificate": { "type": "apiKey", "in": "header", "name": "(TLS client certificate)" },
            },
        },
    });
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

fn operation(route: &Route, problem: &Value, page_head: &Value, schema_of: &mut dyn FnMut(Shape) -> Value) -> Value {
    let mut answers = json!({
        "default": { "description": "a problem", "content": { PROBLEM_JSON: { "schema": problem } } },
    });
    for (status, shape) in &route.answers {
        let mut answer = json!({ "description": meaning(*status) });
        if let Some(shape) = shape {
            answer["content"]["application/json"]["schema"] = schema_of(*shape);
            if route.operation == "listTenants" {
                // lines have no schema of their own: this is the first one's, a Tenant each follow
                answer["content"][NDJSON]["schema"] = page_head.clone();
            }
        }
        answers[status.to_string()] = answer;
    }
    let mut operation = json!({
        "operationId": route.operation,
        "summary": route.summary,
        "parameters": parameters(route),
        "responses": answers,
    });
    if let Some(shape) = route.request {
        operation["requestBody"]["content"]["application/json"]["schema"] = schema_of(shape);
    }
    if let Some(scope) = route.scope {
        operation["security"] = json!([{ "bearer": [] }, { "certificate": [] }]);
        operation["x-scope"] = scope.as_str().into();
    }
    operation
}

fn parameters(route: &Route) -> Vec<Value> {
    let in_path = route.path.split(['{', '}']).skip(1).step_by(2);
    let in_path =
        in_path.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let in_query = route.query.iter().map(|(name, kind, meaning): &Param| {
        json!({ "name": name, "in": "query", "description": meaning, "schema": { "type": kind } })
    });
    let conditions = [
        ("If-Match", "the entity tag of the tenant that is to be changed, or *"),
        ("If-None-Match", "* to make a tenant that is not there yet"),
    ];
    let in_header = conditions.iter().filter(|_| route.is_conditional).map(|(name, meaning)| {
        json!({ "name": name, "in": "header", "description": meaning, "schema": { "type": "string" } })
    });
    in_path.chain(in_query).chain(in_header).collect()
}

fn meaning(status: u16) -> &'static str {
    match status {
        201 => "made",
        204 => "done",
        304 => "nothing new",
        _ => "as asked",
    }
}

#[cfg(test)]
mod tests;
