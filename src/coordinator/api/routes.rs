//! The list of calls: of it are made the router and the OpenAPI document, so that neither has what the other lacks.

use axum::routing::{MethodRouter, delete, get, patch, post, put};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{App, access_keys, gateways, health, pages, tenants};
use crate::coordinator::access::Scope;
use crate::coordinator_api::{
    AccessKeySpec, GatewayList, GatewayStatus, Rotation, Tenant, TenantAccessKey, TenantPage, TenantPatch, TenantSpec,
};

/// A call.
pub(in crate::coordinator) struct Route {
    pub(in crate::coordinator) method: &'static str,
    pub(in crate::coordinator) path: &'static str,
    pub(in crate::coordinator) operation: &'static str,
    pub(in crate::coordinator) summary: &'static str,
    /// what the caller must be allowed to do; none: anyone may call
    pub(in crate::coordinator) scope: Option<Scope>,
    pub(in crate::coordinator) query: &'static [Param],
    /// whether it needs If-Match or If-None-Match
    pub(in crate::coordinator) is_conditional: bool,
    pub(in crate::coordinator) request: Option<Shape>,
    pub(in crate::coordinator) answers: Vec<Answer>,
    pub(super) handler: MethodRouter<App>,
}

/// A parameter of the query: name, type in JSON Schema, meaning.
pub(in crate::coordinator) type Param = (&'static str, &'static str, &'static str);
/// Makes the schema of a type.
pub(in crate::coordinator) type Shape = fn(&mut SchemaGenerator) -> Schema;
/// A status that is no error, and what comes with it.
pub(in crate::coordinator) type Answer = (u16, Option<Shape>);

impl Route {
    fn new(method: &'static str, path: &'static str, operation: &'static str, handler: MethodRouter<App>) -> Self {
        Self {
            method,
            path,
            operation,
            summary: "",
            scope: None,
            query: &[],
            is_conditional: false,
            request: None,
            answers: Vec::new(),
            handler,
        }
    }

    fn says(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    fn needs(self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self }
    }

    fn query(self, query: &'static [Param]) -> Self {
        Self { query, ..self }
    }

    fn conditional(self) -> Self {
        Self { is_conditional: true, ..self }
    }

    fn takes<T: JsonSchema>(self) -> Self {
        Self { request: Some(SchemaGenerator::subschema_for::<T>), ..self }
    }

    fn gives<T: JsonSchema>(mut self, status: u16) -> Self {
        self.answers.push((status, Some(SchemaGenerator::subschema_for::<T>)));
        self
    }

    fn gives_nothing(mut self, status: u16) -> Self {
        self.answers.push((status, None));
        self
    }
}

/// All calls.
pub(in crate::coordinator) fn routes() -> Vec<Route> {
    [of_tenants(), of_keys(), of_gateways(), of_the_program()].into_iter().flatten().collect()
}

fn of_tenants() -> Vec<Route> {
    const ONE: &str = "/v1/tenants/{id}";
    vec![
        Route::new("get", "/v1/tenants", "listTenants", get(pages::read))
            .says("All tenants in pages of one revision; with since and epoch what changed, waited for if need be (304: nothing; 410: list again)")
            .needs(Scope::TenantsRead)
            .query(&[
                ("limit", "integer", "the most tenants of the page, 1 to 10000; 1000 if absent"),
                ("cursor", "string", "next_cursor of the page before"),
                ("since", "integer", "the revision up to which the caller is up to date"),
                ("epoch", "string", "the epoch of that revision"),
                ("wait", "string", "how long to wait for a change, such as 55s; at most 5m"),
            ])
            .gives::<TenantPage>(200)
            .gives_nothing(304),
        Route::new("get", ONE, "readTenant", get(tenants::read))
            .says("One tenant, with its entity tag (304: it is as If-None-Match says)")
            .needs(Scope::TenantsRead)
            .gives::<Tenant>(200)
            .gives_nothing(304),
        Route::new("put", ONE, "putTenant", put(tenants::put))
            .says("Makes a tenant (If-None-Match: *), or replaces what can be changed of one. A generated seed is in the answer, this once")
            .needs(Scope::TenantsWrite)
            .conditional()
            .takes::<TenantSpec>()
            .gives::<Tenant>(200)
            .gives::<Tenant>(201),
        Route::new("patch", ONE, "patchTenant", patch(tenants::patch))
            .says("Changes what can be changed of a tenant")
            .needs(Scope::TenantsWrite)
            .conditional()
            .takes::<TenantPatch>()
            .gives::<Tenant>(200),
        Route::new("delete", ONE, "deleteTenant", delete(tenants::delete))
            .says("Deletes a tenant and its seeds: what only they open is lost")
            .needs(Scope::TenantsWrite)
            .conditional()
            .gives_nothing(204),
    ]
}

fn of_keys() -> Vec<Route> {
    vec![
        Route::new("post", "/v1/tenants/{id}/keys:rotate", "rotateKey", post(tenants::rotate))
            .says("Adds a version, which seals from now on; those before stay for opening. A generated seed is in the answer, this once")
            .needs(Scope::TenantsWrite)
            .conditional()
            .takes::<Rotation>()
            .gives::<Tenant>(200),
        Route::new("post", "/v1/tenants/{id}/access-keys", "createAccessKey", post(access_keys::create))
            .says("Adds a credential; its secret is in the answer, this once")
            .needs(Scope::TenantsWrite)
            .conditional()
            .takes::<AccessKeySpec>()
            .gives::<TenantAccessKey>(201),
        Route::new("delete", "/v1/tenants/{id}/access-keys/{key}", "deleteAccessKey", delete(access_keys::delete))
            .says("Takes a credential away")
            .needs(Scope::TenantsWrite)
            .conditional()
            .gives_nothing(204),
    ]
}

fn of_gateways() -> Vec<Route> {
    vec![
        Route::new("post", "/v1/gateways/{cluster}/{pod}/status", "reportStatus", post(gateways::report))
            .says("What a gateway tells of itself, now and then")
            .needs(Scope::StatusWrite)
            .takes::<GatewayStatus>()
            .gives_nothing(204),
        Route::new("get", "/v1/gateways", "listGateways", get(gateways::list))
            .says("How far each gateway has got, and which clusters show different configurations")
            .needs(Scope::TenantsRead)
            .query(&[("within", "string", "gateways heard of in this time, such as 10m; 1h if absent")])
            .gives::<GatewayList>(200),
    ]
}

fn of_the_program() -> Vec<Route> {
    vec![
        Route::new("get", "/v1/openapi.json", "readOpenApi", get(health::openapi_document))
            .says("This document")
            .gives::<serde_json::Value>(200),
        Route::new("get", "/health/live", "isLive", get(health::live))
            .says("Whether the program answers")
            .gives::<serde_json::Value>(200),
        Route::new("get", "/health/ready", "isReady", get(health::ready))
            .says("Whether the database answers")
            .gives::<serde_json::Value>(200),
    ]
}
