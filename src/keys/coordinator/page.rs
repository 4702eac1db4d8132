//! Reading pages: JSON, or lines (NDJSON) of which one that makes no sense is left out alone.

use serde::Deserialize;

use super::error::{CoordinatorError, place};
use super::transport::Answer;
use crate::coordinator_api::{PageHead, Tenant, TenantPage};

/// Some tenants, and where they stand.
#[derive(Debug)]
pub struct Page {
    /// the life of the Coordinator's database
    pub epoch: String,
    /// how far who has seen this page is
    pub revision: u64,
    /// the tenants
    pub items: Vec<Tenant>,
    /// lines that make no sense
    pub unread: Vec<Unread>,
    /// what to ask the next page of a list with
    pub next_cursor: Option<String>,
    /// whether there are more changes to be had at once
    pub more: bool,
}

/// A line that makes no sense.
#[derive(Debug, PartialEq, Eq)]
pub struct Unread {
    /// the tenant, if that much could be read
    pub tenant: Option<String>,
    /// what is wrong, without the text
    pub reason: String,
}

/// Reads either form.
pub(super) fn read(answer: &Answer) -> Result<Page, CoordinatorError> {
    if answer.is_lines {
        return lines(&answer.body);
    }
    let page: TenantPage = serde_json::from_slice(&answer.body).map_err(|error| CoordinatorError::json(&error))?;
    let TenantPage { epoch, revision, items, next_cursor, more } = page;
    Ok(Page { epoch, revision, items, unread: Vec::new(), next_cursor, more })
}

fn lines(body: &[u8]) -> Result<Page, CoordinatorError> {
    let mut lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let head = lines.next().unwrap_or_default();
    let head: PageHead = serde_json::from_slice(head).map_err(|error| CoordinatorError::json(&error))?;
    let PageHead { epoch, revision, count, next_cursor, more } = head;
    let mut page = Page { epoch, revision, items: Vec::new(), unread: Vec::new(), next_cursor, more };
    for line in lines {
        match serde_json::from_slice(line) {
            Ok(tenant) => page.items.push(tenant),
            Err(error) => {
                let tenant = serde_json::from_slice::<Named>(line).ok().map(|named| named.id);
                page.unread.push(Unread { tenant, reason: place(&error) });
            }
        }
    }
    let read = (page.items.len() + page.unread.len()) as u64;
    if read != count {
        return Err(CoordinatorError::Shape(format!("{read} tenants came where {count} were announced")));
    }
    Ok(page)
}

#[derive(Deserialize)]
struct Named {
    id: String,
}
