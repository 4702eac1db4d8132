//! The `tenants` section: from text to access keys.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::crypto::EXAMPLE;
use super::error::Problem;
use super::raw::{RawAccessKey, RawTenant};
use crate::backend::BucketName;
use crate::keys::access::{AccessKey, AccessKeys};
use crate::tenant::{BucketPrefix, Cidr, TenantId};

/// The access keys of all tenants; what is wrong is added to `problems`. Takes the secrets out of `raw`.
pub(super) fn convert(raw: Vec<RawTenant>, problems: &mut Vec<Problem>) -> AccessKeys {
    let mut keys = Vec::new();
    let mut ids = BTreeSet::new();
    let mut prefixes = BTreeMap::new();
    let mut public = Vec::new();
    for (at, tenant) in raw.into_iter().enumerate() {
        let path = format!("tenants[{at}]");
        let id: Option<TenantId> = parsed(&tenant.id, &format!("{path}.id"), problems);
        let prefix: Option<BucketPrefix> = parsed(&tenant.bucket_prefix, &format!("{path}.bucket_prefix"), problems);
        let (Some(id), Some(prefix)) = (id, prefix) else { continue };
        if !ids.insert(id.clone()) {
            problems.push(Problem::TenantKeys { tenant: id.to_string(), reason: "is given twice".into() });
            continue;
        }
        for (at, key) in tenant.access_keys.into_iter().enumerate() {
            keys.extend(access_key(&id, &prefix, key, &format!("{path}.access_keys[{at}]"), problems));
        }
        for (at, bucket) in tenant.public_read_buckets.into_iter().enumerate() {
            let path = format!("{path}.public_read_buckets[{at}]");
            match prefix.to_backend(&bucket) {
                Ok(_) => public.push((id.clone(), prefix.clone(), bucket, path)),
                Err(error) => problems.push(Problem::Value { path, reason: error.to_string() }),
            }
        }
        if let Some(other) = prefixes.insert(prefix.clone(), id.clone()) {
            problems.push(overlap(&id, &other));
        }
    }
    // sorted, a prefix stands right before the first text that it begins
    let sorted: Vec<_> = prefixes.iter().collect();
    for pair in sorted.windows(2) {
        if let [(shorter, id), (longer, other)] = pair
            && shorter.overlaps(longer)
        {
            problems.push(overlap(other, id));
        }
    }
    let mut keys = AccessKeys::new(keys).unwrap_or_else(|error| {
        problems.push(Problem::Value { path: "tenants".into(), reason: error.to_string() });
        AccessKeys::default()
    });
    for (tenant, prefix, bucket, path) in public {
        if let Err(error) = keys.make_public(&tenant, &prefix, &bucket) {
            problems.push(Problem::Value { path, reason: error.to_string() });
        }
    }
    keys
}

/// Refuses tenants that could reach the staging bucket: it is nobody's. (With an empty prefix it is told by its name.)
pub(super) fn leave_alone(staging: &BucketName, tenants: &[RawTenant], problems: &mut Vec<Problem>) {
    for (at, tenant) in tenants.iter().enumerate() {
        let prefix = tenant.bucket_prefix.as_str();
        if !prefix.is_empty() && staging.as_str().starts_with(prefix) {
            let reason =
                format!("begins the name of the staging bucket `{staging}`, which is nobody's: choose another");
            problems.push(Problem::Value { path: format!("tenants[{at}].bucket_prefix"), reason });
        }
        for (bucket_at, bucket) in tenant.public_read_buckets.iter().enumerate() {
            if format!("{prefix}{bucket}") == staging.as_str() {
                let path = format!("tenants[{at}].public_read_buckets[{bucket_at}]");
                problems.push(Problem::Value { path, reason: "is the staging bucket, which is nobody's".into() });
            }
        }
    }
}

fn access_key(
    tenant: &TenantId,
    prefix: &BucketPrefix,
    raw: RawAccessKey,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<AccessKey> {
    let before = problems.len();
    let value = |field: &str, reason: &str| Problem::Value { path: format!("{path}.{field}"), reason: reason.into() };
    if raw.id.is_empty() || raw.id.len() > ACCESS_KEY_ID_BYTES_MAX || !raw.id.bytes().all(is_id_byte) {
        problems.push(value("id", "must be 1 to 128 letters, digits, `-`, `_` and `.`"));
    }
    if raw.secret.expose().len() < SECRET_BYTES_MIN {
        problems.push(value("secret", "must have at least 8 characters"));
    }
    if raw.secret.expose().starts_with(EXAMPLE) {
        problems.push(value("secret", "this is the secret of the example; put in your own"));
    }
    if raw.policy.is_some() {
        problems.push(Problem::NotAvailable { path: format!("{path}.policy") });
    }
    let expires_at = moment(raw.expires_at.as_deref(), &format!("{path}.expires_at"), problems);
    let not_before = moment(raw.not_before.as_deref(), &format!("{path}.not_before"), problems);
    let allowed_cidrs: Vec<Cidr> = raw
        .allowed_cidrs
        .iter()
        .enumerate()
        .filter_map(|(at, text)| parsed(text, &format!("{path}.allowed_cidrs[{at}]"), problems))
        .collect();
    let key = AccessKey::new(tenant.clone(), prefix.clone(), &raw.id, raw.secret);
    let disabled = raw.disabled;
    (problems.len() == before).then_some(AccessKey { expires_at, not_before, allowed_cidrs, disabled, ..key })
}

fn overlap(tenant: &TenantId, other: &TenantId) -> Problem {
    let reason =
        format!("its bucket_prefix begins, or is begun by, that of tenant `{other}`; they would share buckets");
    Problem::TenantKeys { tenant: tenant.to_string(), reason }
}

pub(super) fn moment(text: Option<&str>, path: &str, problems: &mut Vec<Problem>) -> Option<SystemTime> {
    let moment = OffsetDateTime::parse(text?, &Rfc3339).ok();
    if moment.is_none() {
        let reason = "must be a time such as 2030-01-31T12:00:00Z".into();
        problems.push(Problem::Value { path: path.into(), reason });
    }
    moment.map(SystemTime::from)
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(text: &str, path: &str, problems: &mut Vec<Problem>) -> Option<T> {
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            let error: T::Err = error;
            problems.push(Problem::Value { path: path.into(), reason: error.to_string() });
            None
        }
    }
}

fn is_id_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')
}

const ACCESS_KEY_ID_BYTES_MAX: usize = 128;
const SECRET_BYTES_MIN: usize = 8;

#[cfg(test)]
mod tests;
