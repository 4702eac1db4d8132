//! `sealgate access-key …`: credentials of a Coordinator's tenants.

use std::io::Write as _;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::json;

use super::coordinator_client::{Call, Remote};
use crate::app::secret_output::close_to_others;
use crate::coordinator_api::{AccessKeySpec, Tenant, TenantAccessKey, WireSecret};
use crate::tenant::TenantId;

#[derive(Debug, Args)]
pub(super) struct AccessKeyCommand {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make an access key; its secret is shown, this once
    Create(Create),
    /// List the access keys of a tenant
    List(List),
    /// Take an access key away
    Delete(Delete),
}

#[derive(Debug, Args)]
struct Create {
    /// The tenant's id
    tenant: TenantId,
    /// The access key id [default: a random one]
    #[arg(long)]
    id: Option<String>,
    /// Refused from this time on, such as 2030-01-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Refused before this time
    #[arg(long, value_name = "TIME")]
    not_before: Option<String>,
    /// Refused from other addresses than this range; may be given several times
    #[arg(long, value_name = "RANGE")]
    allowed_cidr: Vec<String>,
}

#[derive(Debug, Args)]
struct List {
    /// The tenant's id
    tenant: TenantId,
}

#[derive(Debug, Args)]
struct Delete {
    /// The tenant's id
    tenant: TenantId,
    /// The access key id
    key: String,
}

impl AccessKeyCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let remote = &self.remote;
        match self.verb {
            Verb::Create(create) => create.run(remote),
            Verb::List(list) => list.run(remote),
            Verb::Delete(delete) => delete.run(remote),
        }
    }
}

impl Create {
    fn run(self, remote: &Remote) -> anyhow::Result<()> {
        let spec = AccessKeySpec {
            id: self.id,
            expires_at: self.expires_at,
            not_before: self.not_before,
            allowed_cidrs: self.allowed_cidr,
            ..AccessKeySpec::default()
        };
        let path = format!("/v1/tenants/{}/access-keys", self.tenant);
        close_to_others()?;
        let key: TenantAccessKey = remote.fetch(Call::new(Method::POST, &path).on_present().with(&spec)?)?;
        let mut out = std::io::stdout().lock();
        if remote.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&key)?)?;
        } else {
            let secret = key.secret.as_ref().map(WireSecret::expose).unwrap_or_default();
            writeln!(out, "AWS_ACCESS_KEY_ID={}\nAWS_SECRET_ACCESS_KEY={secret}", key.id)?;
        }
        Ok(out.flush()?)
    }
}

impl List {
    fn run(self, remote: &Remote) -> anyhow::Result<()> {
        let mut tenant: Tenant = remote.fetch(Call::new(Method::GET, &format!("/v1/tenants/{}", self.tenant)))?;
        // a token that sees secrets does not make a list show them
        tenant.access_keys.iter_mut().for_each(|key| key.secret = None);
        let mut out = std::io::stdout().lock();
        if remote.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&tenant.access_keys)?)?;
            return Ok(out.flush()?);
        }
        for key in &tenant.access_keys {
            let expires = key.expires_at.as_ref().map(|time| format!(", until {time}")).unwrap_or_default();
            let state = if key.disabled { ", disabled" } else { "" };
            writeln!(out, "{}{expires}{state}", key.id)?;
        }
        Ok(out.flush()?)
    }
}

impl Delete {
    fn run(self, remote: &Remote) -> anyhow::Result<()> {
        let path = format!("/v1/tenants/{}/access-keys/{}", self.tenant, self.key);
        remote.call(Call::new(Method::DELETE, &path).on_present())?;
        let mut out = std::io::stdout().lock();
        if remote.json {
            writeln!(out, "{}", json!({ "id": self.key, "status": "deleted" }))?;
        } else {
            writeln!(out, "access key {} is deleted", self.key)?;
        }
        Ok(out.flush()?)
    }
}
