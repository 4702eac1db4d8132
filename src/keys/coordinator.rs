//! The Coordinator's client: pages of tenants, what changed since a revision, one tenant.
//!
//! ```text
//! GET /v1/tenants?limit=&cursor=            list      pages of one revision
//! GET /v1/tenants?since=R&epoch=E&wait=55s  changes   what is new, or 304; 410: list again
//! GET /v1/tenants/{id}                      tenant    one, or 404
//! POST /v1/gateways/{cluster}/{pod}/status  tell      how this gateway is
//! ```
//!
//! Answers are bounded before they are read, time out, and are asked for as lines (NDJSON), so that one tenant that
//! makes no sense is left out alone. The bearer token is read from its file for every request, TLS files when a cycle
//! begins, so that both can be exchanged while serving. Durations are wall clock, lengths bytes.

mod error;
mod page;
mod transport;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use http::StatusCode;

use crate::coordinator_api::{GatewayStatus, Tenant};
use crate::keys::calls::Asked;
pub use error::CoordinatorError;
pub use page::{Page, Unread};
use transport::{Answer, Transport};

/// Where the Coordinator is, and how both sides prove who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorSettings {
    /// `https://host[:port][/path]`
    pub url: String,
    /// the file of the bearer token
    pub token_file: Option<PathBuf>,
    /// the authorities of its certificate, PEM; the system's if none is said
    pub ca_file: Option<PathBuf>,
    /// the client's certificate, PEM
    pub cert_file: Option<PathBuf>,
    /// the client's private key, PEM
    pub key_file: Option<PathBuf>,
}

/// A Coordinator that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answering {
    /// its revision
    pub revision: u64,
    /// what its clock says, if it says so
    pub clock: Option<SystemTime>,
}

/// A Coordinator that can be asked.
#[derive(Debug)]
pub struct Client {
    transport: Transport,
}

impl Client {
    /// Reads the TLS files; connects to nothing yet.
    ///
    /// # Errors
    /// [`CoordinatorError`] if a file or the address cannot be used.
    pub fn new(settings: &CoordinatorSettings) -> Result<Self, CoordinatorError> {
        Ok(Self { transport: Transport::new(settings)? })
    }

    /// Another client of the same settings, if the TLS files have changed.
    ///
    /// # Errors
    /// [`CoordinatorError`] if they cannot be used any more.
    pub fn renewed(&self) -> Result<Option<Self>, CoordinatorError> {
        Ok(self.transport.renewed()?.map(|transport| Self { transport }))
    }

    /// One page of the list: the first, or the one after a cursor.
    ///
    /// # Errors
    /// [`CoordinatorError`]
    pub async fn list(&self, cursor: Option<&str>) -> Result<Page, CoordinatorError> {
        let cursor = cursor.map_or_else(String::new, |cursor| format!("&cursor={}", escaped(cursor)));
        let path = format!("/v1/tenants?limit={PAGE_TENANTS}{cursor}");
        let answer = self.transport.get(Asked::List, &path, ANSWER_TIMEOUT).await?;
        page::read(&answer.expect(StatusCode::OK)?)
    }

    /// Whether the Coordinator can be reached and takes the token; reads no more than one tenant.
    ///
    /// # Errors
    /// [`CoordinatorError`]
    pub async fn probe(&self) -> Result<Answering, CoordinatorError> {
        let answer = self.transport.get(Asked::List, "/v1/tenants?limit=1", ANSWER_TIMEOUT).await?;
        let answer = answer.expect(StatusCode::OK)?;
        Ok(Answering { revision: page::read(&answer)?.revision, clock: answer.date })
    }

    /// What changed since this revision of this epoch, waited for as long as this; none if nothing did.
    ///
    /// # Errors
    /// [`CoordinatorError`]; [`CoordinatorError::Gone`] says that the list has to be read again.
    pub async fn changes(
        &self,
        epoch: &str,
        since: u64,
        wait: Option<Duration>,
    ) -> Result<Option<Page>, CoordinatorError> {
        let epoch = escaped(epoch);
        let wait_for = wait.map_or_else(String::new, |wait| format!("&wait={}s", wait.as_secs()));
        let path = format!("/v1/tenants?limit={PAGE_TENANTS}&since={since}&epoch={epoch}{wait_for}");
        let answer = self.transport.get(Asked::Changes, &path, ANSWER_TIMEOUT + wait.unwrap_or_default()).await?;
        match answer.status {
            StatusCode::NOT_MODIFIED => Ok(None),
            StatusCode::GONE => Err(CoordinatorError::Gone),
            _ => page::read(&answer.expect(StatusCode::OK)?).map(Some),
        }
    }

    /// One tenant; none if there is no such tenant.
    ///
    /// # Errors
    /// [`CoordinatorError`]
    pub async fn tenant(&self, id: &str) -> Result<Option<Tenant>, CoordinatorError> {
        let path = format!("/v1/tenants/{}", escaped(id));
        let answer = self.transport.get(Asked::Tenant, &path, ANSWER_TIMEOUT).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let Answer { body, .. } = answer.expect(StatusCode::OK)?;
        serde_json::from_slice(&body).map(Some).map_err(|error| CoordinatorError::json(&error))
    }

    /// Tells how this gateway is.
    ///
    /// # Errors
    /// [`CoordinatorError`]
    pub async fn tell(&self, cluster: &str, pod: &str, status: &GatewayStatus) -> Result<(), CoordinatorError> {
        let path = format!("/v1/gateways/{}/{}/status", escaped(cluster), escaped(pod));
        let body = serde_json::to_vec(status).map_err(|error| CoordinatorError::json(&error))?;
        let answer = self.transport.send(Asked::Heartbeat, &path, Some(body), ANSWER_TIMEOUT).await?;
        if answer.status.is_success() { Ok(()) } else { Err(answer.refusal()) }
    }
}

fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// How many tenants are asked for at once.
const PAGE_TENANTS: u32 = 2_000;
/// From a request to the end of its answer, beyond what it is told to wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
