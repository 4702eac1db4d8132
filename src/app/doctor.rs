//! `sealgate doctor`: everything that a start needs, asked for before it: configuration, keys, what stands behind, clocks,
//! certificates, files; and what production should have.
//!
//! - `files`: who can read what is secret
//! - `certificates`: when they end
//! - `cluster`: the keys that the gateways of a cluster share, and records that others sealed
//! - `keys`: whether tenants have keys; the KMS and the Coordinator on the way
//! - `backend`: a sealed object there and back
//! - `features`: what the store has and lacks
//! - `production`: the list of what production should have
//!
//! The one thing that is changed is the store: a small object under a name of its own is written, read and deleted, and
//! the staging bucket is made if it is not there, as a start would. Findings name places and times, never a secret.

mod backend;
mod certificates;
mod cluster;
mod files;
mod keys;
mod production;

use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::config::{self, Loaded, Paths};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// as it should be
    Ok,
    /// it works, and should be otherwise
    Warn,
    /// it does not work, or must not be so
    Fail,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// what was looked at
    pub name: &'static str,
    /// how it came out
    pub state: State,
    /// what was found
    pub detail: String,
}

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// also what production should have
    pub production: bool,
    /// whether an object may be written to the store
    pub round_trip: bool,
}

/// Looks at everything.
pub async fn examine(paths: &Paths, extent: Extent) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    match config::load(paths, &|name| std::env::var(name).ok()) {
        Err(error) => findings.fail("configuration", error.to_string()),
        Ok(loaded) => {
            configuration(&loaded, &mut findings);
            files::examine(&loaded, paths, &mut findings);
            certificates::examine(&loaded.config, &mut findings);
            cluster::examine(&loaded.config, &mut findings);
            let mut config = loaded.config;
            if extent.production {
                production::examine(&config, paths, &mut findings);
            }
            backend::examine(&config, extent.round_trip, &mut findings).await;
            keys::examine(&mut config, &mut findings).await;
        }
    }
    own_clock(SystemTime::now(), &mut findings);
    findings.0
}

/// What was found so far.
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, name: &'static str, detail: impl Into<String>) {
        self.add(name, State::Ok, detail);
    }

    fn warn(&mut self, name: &'static str, detail: impl Into<String>) {
        self.add(name, State::Warn, detail);
    }

    fn fail(&mut self, name: &'static str, detail: impl Into<String>) {
        self.add(name, State::Fail, detail);
    }

    fn add(&mut self, name: &'static str, state: State, detail: impl Into<String>) {
        self.0.push(Finding { name, state, detail: detail.into() });
    }

    /// Compares a clock with ours. Answers tell whole seconds.
    fn clock(&mut self, whose: &str, theirs: Option<SystemTime>) {
        let Some(theirs) = theirs else { return };
        let ours = SystemTime::now();
        let apart = ours.duration_since(theirs).unwrap_or_else(|ahead| ahead.duration());
        let state = match apart {
            _ if apart >= APART_MAX => State::Fail,
            _ if apart >= APART_WARN => State::Warn,
            _ => State::Ok,
        };
        self.add("clock", state, format!("{} seconds from that of the {whose}", apart.as_secs()));
    }
}

fn configuration(loaded: &Loaded, findings: &mut Findings) {
    let files: Vec<String> = loaded.files.iter().map(|file| file.display().to_string()).collect();
    let detail = if files.is_empty() { "no file: all defaults".to_owned() } else { files.join(", ") };
    findings.ok("configuration", detail);
    loaded.warnings.iter().for_each(|warning| findings.warn("configuration", warning));
}

/// A clock that was never set is told by its year.
fn own_clock(now: SystemTime, findings: &mut Findings) {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let state = if since > LEAST_TIME { State::Ok } else { State::Fail };
    findings.add("clock", state, format!("{} seconds since 1970", since.as_secs()));
}

/// An error with its causes, in one line.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A second into the year 2026.
const LEAST_TIME: Duration = Duration::from_secs(1_767_225_601);
/// Signatures are refused at 15 minutes.
const APART_MAX: Duration = Duration::from_mins(10);
const APART_WARN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn state(apart: Duration) -> State {
        let mut findings = Findings(Vec::new());
        findings.clock("store", Some(SystemTime::now() - apart));
        findings.0[0].state
    }

    #[test]
    fn clocks_that_are_far_apart_are_told() {
        assert_eq!(state(Duration::ZERO), State::Ok);
        assert_eq!(state(Duration::from_mins(2)), State::Warn);
        assert_eq!(state(Duration::from_mins(20)), State::Fail);
    }

    #[test]
    fn a_clock_that_was_never_set_is_told() {
        let mut findings = Findings(Vec::new());
        own_clock(SystemTime::UNIX_EPOCH + Duration::from_hours(1), &mut findings);
        assert_eq!(findings.0[0].state, State::Fail);
    }
}
