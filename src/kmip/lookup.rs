//! How one tenant's seed is asked for: a state machine without IO, from the tenant's id to its seed.
//!
//! ```text
//! Locate(name, Secret Data) ── none ───────────────────────────► no such key
//!        │ one or more
//!        ▼
//! Get Attributes of each ── another name ──────────────────────► mismatch
//!        │                └ destroyed: does not count; none left ► no such key
//!        │                └ a second one that counts ────────────► ambiguous
//!        ▼ exactly one
//! Get ─────────────────────────────────────────────────────────► the seed
//! ```
//!
//! This is the flow of the OASIS profile "Storage Array with Self-Encrypting Drives" (KMIP 1.4 profiles, SASED-M-2 and
//! -3), with one operation a message: servers were seen to answer a Get that was batched behind a Locate with another
//! tenant's object. For the same reason the identifier, the type and the name of what comes back are verified.
//!
//! The state that Get Attributes tells goes with the seed; a server that tells none means an active key. If the server
//! refuses Get because of the state, or after it told another one than active, the key is withheld: it is there, and must
//! not seal.
//!
//! Without the name check ([`NameCheck::Skip`], for servers that refuse Get Attributes) the second step falls away, two
//! objects are ambiguous at once, and [`Canary`] must have passed on the connection. Whether the object is active is then
//! asked by a second Locate, of active objects alone.

use super::{
    error::{KmsError, LookupError, NoSuchKey},
    messages::{self, Lifecycle, UniqueId},
};
use crate::seal::Seed;

/// Whether the object's own name is asked for before its key is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameCheck {
    /// The rule.
    Require,
    /// The server refuses Get Attributes.
    Skip,
}

/// A question that waits for its answer.
#[derive(Debug)]
pub struct Lookup {
    tenant: String,
    state: State,
    check: NameCheck,
}

/// What follows an answer.
#[derive(Debug)]
pub enum Step {
    /// Send this request, and give its answer to the lookup.
    Ask(Lookup, Vec<u8>),
    /// The lookup is over.
    Done(Result<Found, LookupError>),
}

/// The tenant's key.
#[derive(Debug)]
pub struct Found {
    /// Its seed.
    pub seed: Seed,
    /// What the KMS says of the object; only an active one may seal.
    pub lifecycle: Lifecycle,
}

#[derive(Debug)]
enum State {
    Locating,
    Checking {
        current: UniqueId,
        waiting: Vec<UniqueId>,
        kept: Option<Candidate>,
    },
    /// without the name check: whether it is among the active ones
    Filtering(UniqueId),
    Getting(Candidate),
}

#[derive(Debug)]
struct Candidate {
    id: UniqueId,
    lifecycle: Lifecycle,
}

impl Lookup {
    /// Begins with the tenant's id exactly as the object's Name spells it; returns the first request.
    #[must_use]
    pub fn start(tenant: &str, check: NameCheck) -> (Self, Vec<u8>) {
        let request = messages::locate(tenant, LOCATED_ASKED);
        (Self { tenant: tenant.to_owned(), state: State::Locating, check }, request)
    }

    /// Takes the answer to the last request. A request is answered once; the lookup moves on with what is returned.
    #[must_use]
    pub fn answer(self, answer: &[u8]) -> Step {
        let Self { tenant, state, check } = self;
        let next = match state {
            State::Locating => located(answer, &tenant, check),
            State::Checking { current, waiting, kept } => checked(answer, &tenant, current, waiting, kept),
            State::Filtering(id) => filtered(answer, id),
            State::Getting(candidate) => return Step::Done(got(answer, &tenant, &candidate)),
        };
        match next {
            Ok((state, request)) => Step::Ask(Self { tenant, state, check }, request),
            Err(error) => Step::Done(Err(error)),
        }
    }
}

/// Asks for a name that nobody has: a server that finds an object ignores names, and must not be trusted with any.
#[derive(Debug)]
pub struct Canary(());

impl Canary {
    /// Begins with a random name; returns the request.
    #[must_use]
    pub fn start(name: &str) -> (Self, Vec<u8>) {
        (Self(()), messages::locate(name, LOCATED_ASKED))
    }

    /// Takes the answer.
    ///
    /// # Errors
    /// [`KmsError::Mismatch`] if the server found something, else why the answer is not to be used.
    pub fn answer(self, answer: &[u8]) -> Result<(), KmsError> {
        if messages::read_locate(answer)?.is_empty() { Ok(()) } else { Err(KmsError::Mismatch { what: "name" }) }
    }
}

fn located(answer: &[u8], tenant: &str, check: NameCheck) -> Result<(State, Vec<u8>), LookupError> {
    let mut ids = match messages::read_locate(answer) {
        Err(KmsError::Refused(refusal)) if refusal.is_no_such_object() => return Err(no_such_key(tenant)),
        read => read?,
    };
    if ids.len() > LOCATED_MAX || (check == NameCheck::Skip && ids.len() > 1) {
        return Err(ambiguous(tenant, ids.len()));
    }
    let first = ids.pop().ok_or_else(|| no_such_key(tenant))?;
    Ok(match check {
        NameCheck::Require => ask_attributes(first, ids, None),
        NameCheck::Skip => (State::Filtering(first), messages::locate_active(tenant, LOCATED_ASKED)),
    })
}

/// A server that cannot look for states does not tell any.
fn filtered(answer: &[u8], id: UniqueId) -> Result<(State, Vec<u8>), LookupError> {
    let is_active = match messages::read_locate(answer) {
        Err(KmsError::Refused(refusal)) => !refusal.is_no_such_object(),
        read => read?.contains(&id),
    };
    let lifecycle = if is_active { Lifecycle::Active } else { Lifecycle::NotActive };
    Ok(ask_key(Candidate { id, lifecycle }))
}

fn checked(
    answer: &[u8],
    tenant: &str,
    current: UniqueId,
    mut waiting: Vec<UniqueId>,
    mut kept: Option<Candidate>,
) -> Result<(State, Vec<u8>), LookupError> {
    if let Some(lifecycle) = living(answer, tenant, &current)? {
        if kept.is_some() {
            return Err(ambiguous(tenant, 2 + waiting.len()));
        }
        kept = Some(Candidate { id: current, lifecycle });
    }
    match (waiting.pop(), kept) {
        (Some(next), kept) => Ok(ask_attributes(next, waiting, kept)),
        (None, Some(candidate)) => Ok(ask_key(candidate)),
        (None, None) => Err(no_such_key(tenant)),
    }
}

/// The object's state, or none if it is no more: some servers go on listing what they destroyed.
fn living(answer: &[u8], tenant: &str, id: &UniqueId) -> Result<Option<Lifecycle>, LookupError> {
    let attributes = match messages::read_attributes(answer, id) {
        Err(KmsError::Refused(refusal)) if refusal.is_no_such_object() => return Ok(None),
        read => read?,
    };
    if !attributes.names.iter().any(|name| name == tenant) {
        return Err(KmsError::Mismatch { what: "name" }.into());
    }
    Ok(Some(attributes.lifecycle).filter(|lifecycle| *lifecycle != Lifecycle::Destroyed))
}

fn got(answer: &[u8], tenant: &str, candidate: &Candidate) -> Result<Found, LookupError> {
    match messages::read_get(answer, &candidate.id) {
        Err(KmsError::Refused(refusal)) if refusal.is_no_such_object() => Err(no_such_key(tenant)),
        Err(KmsError::Refused(refusal)) if refusal.is_about_state() || candidate.lifecycle != Lifecycle::Active => {
            let told = candidate.lifecycle;
            // it was active a moment ago
            let lifecycle = if told == Lifecycle::Active { Lifecycle::NotActive } else { told };
            Err(LookupError::Withheld { lifecycle, refusal })
        }
        read => Ok(Found { seed: read?, lifecycle: candidate.lifecycle }),
    }
}

fn ask_attributes(current: UniqueId, waiting: Vec<UniqueId>, kept: Option<Candidate>) -> (State, Vec<u8>) {
    let request = messages::get_attributes(&current);
    (State::Checking { current, waiting, kept }, request)
}

fn ask_key(candidate: Candidate) -> (State, Vec<u8>) {
    let request = messages::get(&candidate.id);
    (State::Getting(candidate), request)
}

fn no_such_key(tenant: &str) -> LookupError {
    NoSuchKey { tenant: tenant.to_owned() }.into()
}

fn ambiguous(tenant: &str, objects: usize) -> LookupError {
    KmsError::Ambiguous { tenant: tenant.to_owned(), objects }.into()
}

/// Two would show that a name is not unique; more let destroyed leftovers be told apart.
const LOCATED_MAX: usize = 16;
/// One above, so that a list longer than the limit shows.
const LOCATED_ASKED: i32 = 17;

#[cfg(test)]
mod tests;
