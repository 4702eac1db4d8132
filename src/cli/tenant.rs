//! `sealgate tenant …`: tenants of a Coordinator.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::json;

use super::coordinator::read_secret;
use super::coordinator_client::{Call, Remote};
use crate::app::secret_output::close_to_others;
use crate::coordinator_api::{Rotation, Tenant, TenantPage, TenantPatch, TenantSpec, TenantStatus, WireSecret};
use crate::tenant::TenantId;

#[derive(Debug, Args)]
pub(super) struct TenantCommand {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a tenant. A seed that is generated is shown, this once
    Create(Create),
    /// List all tenants
    List,
    /// Show a tenant
    Show(Named),
    /// Add a new version of a tenant's seed; the old ones stay for opening. A generated seed is shown, this once
    Rotate(Rotate),
    /// Refuse a tenant's requests; nothing is lost
    Suspend(Named),
    /// Serve a suspended tenant again
    Resume(Named),
    /// Delete a tenant with its seeds: objects that only they open are lost
    Delete(Delete),
}

#[derive(Debug, Args)]
struct Named {
    /// The tenant's id
    tenant: TenantId,
}

#[derive(Debug, Args)]
struct Create {
    /// The tenant's id [default: a random UUID]
    tenant: Option<TenantId>,
    /// A private tenant: its seeds are kept from the Coordinator
    #[arg(long)]
    zero_knowledge: bool,
    /// The customer fragment that is joined to each seed
    #[arg(long, value_name = "ID")]
    fragment_id: Option<String>,
    /// What its bucket names start with on the backend [default: random]
    #[arg(long, value_name = "PREFIX")]
    bucket_prefix: Option<String>,
    /// File with the seed, base64 [default: a random one]
    #[arg(long, value_name = "FILE", conflicts_with = "zero_knowledge")]
    seed_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Rotate {
    /// The tenant's id
    tenant: TenantId,
    /// File with the new seed, base64 [default: a random one]
    #[arg(long, value_name = "FILE")]
    seed_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Delete {
    /// The tenant's id
    tenant: TenantId,
    /// The tenant's id once more
    #[arg(long, value_name = "TENANT")]
    confirm: TenantId,
}

impl TenantCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let remote = &self.remote;
        match self.verb {
            Verb::Create(create) => create.run(remote),
            Verb::List => list(remote),
            Verb::Show(named) => show(remote, &remote.fetch(Call::new(Method::GET, &path(&named.tenant)))?),
            Verb::Rotate(rotate) => rotate.run(remote),
            Verb::Suspend(named) => set_status(remote, &named.tenant, TenantStatus::Suspended),
            Verb::Resume(named) => set_status(remote, &named.tenant, TenantStatus::Active),
            Verb::Delete(delete) => delete.run(remote),
        }
    }
}

impl Create {
    fn run(self, remote: &Remote) -> anyhow::Result<()> {
        let tenant = self.tenant.map_or_else(random_id, Ok)?;
        let spec = TenantSpec {
            zero_knowledge: self.zero_knowledge,
            fragment_id: self.fragment_id,
            bucket_prefix: self.bucket_prefix,
            key_seed: seed(self.seed_file)?,
            ..TenantSpec::default()
        };
        close_to_others()?;
        show(remote, &remote.fetch(Call::new(Method::PUT, &path(&tenant)).on_absent().with(&spec)?)?)
    }
}

impl Rotate {
    fn run(self, remote: &Remote) -> anyhow::Result<()> {
        let path = format!("{}/keys:rotate", path(&self.tenant));
        let rotation = Rotation { seed: seed(self.seed_file)? };
        close_to_others()?;
        show(remote, &remote.fetch(Call::new(Method::POST, &path).on_present().with(&rotation)?)?)
    }
}

impl Delete {
    fn run(self, remote: &Remote) -> anyhow::Result<()> {
        if self.confirm != self.tenant {
            bail!("--confirm names another tenant");
        }
        remote.call(Call::new(Method::DELETE, &path(&self.tenant)).on_present())?;
        let mut out = std::io::stdout().lock();
        if remote.json {
            writeln!(out, "{}", json!({ "id": self.tenant, "status": "deleted" }))?;
        } else {
            writeln!(out, "tenant {} is deleted", self.tenant)?;
        }
        Ok(out.flush()?)
    }
}

fn set_status(remote: &Remote, tenant: &TenantId, status: TenantStatus) -> anyhow::Result<()> {
    let patch = TenantPatch { status: Some(status) };
    show(remote, &remote.fetch(Call::new(Method::PATCH, &path(tenant)).on_present().with(&patch)?)?)
}

fn list(remote: &Remote) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut tenants = Vec::new();
    let mut cursor = None::<String>;
    loop {
        let path = cursor.map_or_else(|| "/v1/tenants".to_owned(), |cursor| format!("/v1/tenants?cursor={cursor}"));
        let page: TenantPage = remote.fetch(Call::new(Method::GET, &path))?;
        if remote.json {
            tenants.extend(page.items.into_iter().map(without_secrets));
        } else {
            for tenant in &page.items {
                writeln!(out, "{}", line(tenant))?;
            }
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    if remote.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&tenants)?)?;
    }
    Ok(out.flush()?)
}

/// A token that sees secrets does not make a list show them.
fn without_secrets(mut tenant: Tenant) -> Tenant {
    tenant.keys.iter_mut().for_each(|key| key.seed = None);
    tenant.access_keys.iter_mut().for_each(|key| key.secret = None);
    tenant
}

fn show(remote: &Remote, tenant: &Tenant) -> anyhow::Result<()> {
    // which depends on what the token may see
    if tenant.keys.iter().any(|key| key.seed.is_some()) || tenant.access_keys.iter().any(|key| key.secret.is_some()) {
        close_to_others()?;
    }
    let mut out = std::io::stdout().lock();
    if remote.json {
        writeln!(out, "{}", serde_json::to_string_pretty(tenant)?)?;
        return Ok(out.flush()?);
    }
    writeln!(out, "{}", line(tenant))?;
    for key in &tenant.keys {
        let role = if key.primary { "seals and opens" } else { "opens" };
        let seed = key.seed.as_ref().map(|seed| format!(", seed {}", seed.expose())).unwrap_or_default();
        writeln!(out, "  key version {}: {role}{seed}", key.version)?;
    }
    for key in &tenant.access_keys {
        writeln!(out, "  access key {}{}", key.id, if key.disabled { ", disabled" } else { "" })?;
    }
    Ok(out.flush()?)
}

fn line(tenant: &Tenant) -> String {
    let kind = if tenant.zero_knowledge { "private" } else { "public" };
    let status = match tenant.status {
        TenantStatus::Active => "active",
        TenantStatus::Suspended => "suspended",
        TenantStatus::Deleted => "deleted",
        TenantStatus::Damaged => "damaged",
        TenantStatus::Unknown => "unknown",
    };
    let prefix = tenant.bucket_prefix.as_deref().unwrap_or_default();
    let fragment = tenant.fragment_id.as_ref().map(|id| format!(", fragment {id}")).unwrap_or_default();
    format!("{}: {status}, {kind}, bucket prefix `{prefix}`{fragment}, revision {}", tenant.id, tenant.revision)
}

fn seed(file: Option<PathBuf>) -> anyhow::Result<Option<WireSecret>> {
    let text = file.map(|file| read_secret(&file)).transpose()?;
    Ok(text.map(|text| WireSecret::new(text.as_str().to_owned())))
}

/// A UUID of version 4.
fn random_id() -> anyhow::Result<TenantId> {
    let mut bytes = [0_u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        bail!("no randomness from the operating system");
    }
    bytes[6] = (bytes[6] & 0x0F) | 0x40;
    bytes[8] = (bytes[8] & 0x3F) | 0x80;
    let hex: String = bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let groups = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    Ok(TenantId::new(&groups.join("-"))?)
}

fn path(tenant: &TenantId) -> String {
    format!("/v1/tenants/{tenant}")
}
