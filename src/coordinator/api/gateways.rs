//! `/v1/gateways`: what gateways tell of themselves, and how they differ.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::App;
use super::answer::{ApiError, json, with_revision};
use super::request::{Body, Query};
use crate::config::GoDuration;
use crate::coordinator::store::{Heartbeat, State as Known, StoreError};
use crate::coordinator_api::{GatewayList, GatewayStatus, GatewayView};

pub(super) async fn report(
    State(app): State<App>,
    Path((cluster, pod)): Path<(String, String)>,
    Body(status): Body<GatewayStatus>,
) -> Result<Response, ApiError> {
    for (name, text) in [("cluster", &cluster), ("pod", &pod)] {
        let is_name_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if text.is_empty() || text.len() > NAME_BYTES_MAX || !text.bytes().all(is_name_byte) {
            return Err(ApiError::Request(format!(
                "{name} is 1 to {NAME_BYTES_MAX} letters, digits, `-`, `_` and `.`"
            )));
        }
    }
    let texts = [&status.epoch, &status.config_digest, &status.cluster_keys, &status.version];
    let failing = status.failing.iter().flat_map(|failing| [&failing.tenant, &failing.reason]);
    if status.failing.len() > FAILING_MAX
        || texts.into_iter().flatten().chain(failing).any(|text| text.len() > TEXT_BYTES_MAX)
    {
        let limits = format!("at most {FAILING_MAX} failing tenants, {TEXT_BYTES_MAX} bytes a text");
        return Err(ApiError::Request(limits));
    }
    let status = serde_json::to_string(&status).map_err(|_| StoreError::Damaged("a status cannot be written"))?;
    app.tenants.store().report(Heartbeat { cluster, pod, seen_at: SystemTime::now(), status }).await?;
    Ok(with_revision(StatusCode::NO_CONTENT.into_response(), &app))
}

pub(super) async fn list(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let query = Query::of(query.as_deref(), &["within"])?;
    let within = query.parsed::<GoDuration>("within", "a duration such as 10m")?.map_or(WITHIN, GoDuration::get);
    let since = SystemTime::now().checked_sub(within).unwrap_or(SystemTime::UNIX_EPOCH);
    let store = app.tenants.store();
    let heartbeats = store.gateways(since).await?;
    let known = store.refresh().await?;
    let items = heartbeats.into_iter().filter_map(|heartbeat| view(heartbeat, &known)).collect::<Vec<_>>();
    let drifting_clusters = drifting(&items);
    let list = GatewayList { epoch: known.epoch, revision: known.revision, drifting_clusters, items };
    Ok(json(StatusCode::OK, &list))
}

/// None for one that cannot be read: the others are told all the same.
fn view(heartbeat: Heartbeat, known: &Known) -> Option<GatewayView> {
    let Heartbeat { cluster, pod, seen_at, status } = heartbeat;
    let Ok(status) = serde_json::from_str::<GatewayStatus>(&status) else {
        tracing::error!(cluster, pod, "the status of a gateway cannot be read and is left out");
        return None;
    };
    let is_same_epoch = status.epoch.as_ref() == Some(&known.epoch);
    let behind = is_same_epoch.then(|| known.revision.saturating_sub(status.revision));
    let seen_at = OffsetDateTime::from(seen_at).format(&Rfc3339).unwrap_or_default();
    Some(GatewayView { cluster, pod, seen_at, behind, status })
}

/// The clusters that show more than one digest of their configuration, or of their keys.
fn drifting(items: &[GatewayView]) -> Vec<String> {
    let mut digests: BTreeMap<&str, [BTreeSet<&str>; 2]> = BTreeMap::new();
    for item in items {
        let [configurations, keys] = digests.entry(&item.cluster).or_default();
        configurations.extend(item.status.config_digest.as_deref());
        keys.extend(item.status.cluster_keys.as_deref());
    }
    let drifting = digests.into_iter().filter(|(_, digests)| digests.iter().any(|digests| digests.len() > 1));
    drifting.map(|(cluster, _)| cluster.to_owned()).collect()
}

/// Gateways that were heard of in this time are shown, unless the caller says otherwise.
const WITHIN: Duration = Duration::from_hours(1);
const NAME_BYTES_MAX: usize = 128;
const FAILING_MAX: usize = 100;
const TEXT_BYTES_MAX: usize = 512;
