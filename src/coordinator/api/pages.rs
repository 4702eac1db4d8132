//! `GET /v1/tenants`: all tenants in pages, or what changed since a revision, waited for if need be.
//!
//! Who is up to date costs nothing: the newest revision is known without asking the database, however many tenants it
//! has. A waiting poll is woken by the change, by its time, or by the end of the program.

use std::time::Duration;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{ACCEPT, CONTENT_TYPE, VARY};
use http::{HeaderMap, StatusCode};

use super::answer::{ApiError, json, with_revision};
use super::request::Query;
use super::{App, Who};
use crate::config::GoDuration;
use crate::coordinator::access::{Caller, Scope};
use crate::coordinator::store::{Row, StoreError};
use crate::coordinator_api::{NDJSON, PAGE_ITEMS_MAX, TenantPage, WAIT_SECONDS_MAX};

pub(super) async fn read(
    State(app): State<App>,
    Extension(caller): Who,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let query = Query::of(query.as_deref(), &["limit", "cursor", "since", "epoch", "wait"])?;
    let limit: u32 = query.parsed("limit", "a number")?.unwrap_or(PAGE_ITEMS);
    if limit == 0 || limit > PAGE_ITEMS_MAX {
        return Err(ApiError::Request(format!("limit is 1 to {PAGE_ITEMS_MAX}")));
    }
    let since: Option<u64> = query.parsed("since", "a revision")?;
    let outline = match (since, query.text("epoch")) {
        (Some(since), Some(epoch)) => {
            if query.text("cursor").is_some() {
                return Err(ApiError::Request("cursor goes with a list, since with changes".into()));
            }
            let wait = query.parsed::<GoDuration>("wait", "a duration such as 55s")?;
            match changes(&app, since, epoch, limit, wait.map(GoDuration::get)).await? {
                Some(outline) => outline,
                None => return Ok(with_revision(StatusCode::NOT_MODIFIED.into_response(), &app)),
            }
        }
        (None, None) if query.text("wait").is_none() => list(&app, query.text("cursor"), limit).await?,
        _ => return Err(ApiError::Request("changes are asked for with since and epoch".into())),
    };
    let is_lines = headers.get_all(ACCEPT).iter().any(|accept| accept.to_str().is_ok_and(|text| text.contains(NDJSON)));
    let answer = render(&app, &caller, outline, is_lines).await?;
    Ok(with_revision(answer, &app))
}

/// A page whose items are still rows.
struct Outline {
    head: TenantPage,
    rows: Vec<Row>,
}

async fn list(app: &App, cursor: Option<&str>, limit: u32) -> Result<Outline, ApiError> {
    let store = app.tenants.store();
    let (epoch, revision, after) = match cursor {
        // asked of the database: a list must not begin before what another coordinator has told already
        None => {
            let state = store.refresh().await?;
            (state.epoch, state.revision, None)
        }
        Some(cursor) => {
            let (epoch, revision, after) = read_cursor(cursor)?;
            (epoch, revision, Some(after))
        }
    };
    let mut rows = store.list(after.as_deref(), limit.saturating_add(1)).await?;
    let state = store.watch().borrow().clone();
    if state.epoch != epoch || state.floor > revision {
        return Err(StoreError::Gone.into());
    }
    let more = cut(&mut rows, limit);
    let next_cursor = match rows.last() {
        Some(last) if more => Some(URL_SAFE_NO_PAD.encode(format!("{revision}.{epoch}.{}", last.id))),
        _ => None,
    };
    Ok(Outline { head: TenantPage { epoch, revision, items: Vec::new(), next_cursor, more: false }, rows })
}

/// What changed since then, as soon as something has; none when the time is over.
async fn changes(
    app: &App,
    since: u64,
    epoch: &str,
    limit: u32,
    wait: Option<Duration>,
) -> Result<Option<Outline>, ApiError> {
    let store = app.tenants.store();
    let mut known = store.watch();
    let mut stopping = app.stopping.clone();
    let is_ahead = since > known.borrow().revision || epoch != known.borrow().epoch;
    if is_ahead {
        // another coordinator may have told of it before this one heard
        let state = store.refresh().await?;
        if since > state.revision || epoch != state.epoch {
            return Err(StoreError::Gone.into());
        }
    }
    let wait = wait.unwrap_or_default().min(Duration::from_secs(WAIT_SECONDS_MAX));
    let end = tokio::time::sleep(wait);
    tokio::pin!(end);
    loop {
        let state = known.borrow_and_update().clone();
        if state.epoch != epoch || state.floor > since {
            return Err(StoreError::Gone.into());
        }
        if state.revision > since {
            let mut rows = store.changes(since, limit.saturating_add(1)).await?;
            let more = cut(&mut rows, limit);
            if let Some(last) = rows.last() {
                // a revision that a row got from elsewhere must not lead past changes that are still to come
                let revision = last.revision.min(state.revision);
                let head = TenantPage { epoch: state.epoch, revision, items: Vec::new(), next_cursor: None, more };
                return Ok(Some(Outline { head, rows }));
            }
        }
        tokio::select! {
            biased;
            () = &mut end => return Ok(None),
            _ = stopping.wait_for(|stopping| *stopping) => return Ok(None),
            changed = known.changed() => if changed.is_err() { return Ok(None) },
        }
    }
}

/// Takes off what is beyond the limit; whether there was something.
fn cut(rows: &mut Vec<Row>, limit: u32) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    more
}

fn read_cursor(cursor: &str) -> Result<(String, u64, String), ApiError> {
    let wrong = || ApiError::Request("cursor is none that was given out here".into());
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let mut parts = text.splitn(3, '.');
    let (Some(revision), Some(epoch), Some(after)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(wrong());
    };
    Ok((epoch.to_owned(), revision.parse().map_err(|_| wrong())?, after.to_owned()))
}

/// Opening and writing thousands of tenants takes its time: not on the threads that answer.
async fn render(app: &App, caller: &Caller, outline: Outline, is_lines: bool) -> Result<Response, ApiError> {
    let with_secrets = caller.may(Scope::TenantsKeys);
    let reader = app.tenants.reader();
    let rendering = tokio::task::spawn_blocking(move || {
        let Outline { head, rows } = outline;
        let page = TenantPage { items: reader.all(&rows, with_secrets), ..head };
        if is_lines { lines(&page) } else { json(StatusCode::OK, &page) }
    });
    let mut answer = rendering.await.map_err(|error| StoreError::Unavailable(error.into()))?;
    answer.headers_mut().insert(VARY, http::HeaderValue::from_static("Accept, Authorization"));
    Ok(answer)
}

fn lines(page: &TenantPage) -> Response {
    let head = serde_json::to_vec(&page.head());
    let items = page.items.iter().map(serde_json::to_vec);
    let mut body = Vec::new();
    for line in std::iter::once(head).chain(items).flatten() {
        body.extend_from_slice(&line);
        body.push(b'\n');
    }
    (StatusCode::OK, [(CONTENT_TYPE, NDJSON)], body).into_response()
}

/// The tenants of a page, unless the caller says otherwise.
const PAGE_ITEMS: u32 = 1_000;
