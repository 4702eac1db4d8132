//! One request's part of the [`Budget`]: what it takes when it is admitted, and what it holds beside that.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use s3s::{S3Error, S3ErrorCode, s3_error};

use super::{Budget, FORM_BYTES, Full, KIBIBYTE, Party, STREAM_BYTES, Use};

tokio::task_local! {
    static PRESENT: Share;
}

/// What a request has of the budget; known to all that work on it.
#[derive(Clone)]
pub(crate) struct Share(Arc<Shared>);

struct Shared {
    budget: Budget,
    network: IpAddr,
    taken: Mutex<Option<(Party, Use)>>,
    /// how long a body may be that is read whole before anything is done with it; 0 if it streams
    document_bytes_max: AtomicU64,
    /// what being admitted took
    base_bytes: AtomicU64,
    /// counts changes of the party
    turn: AtomicU64,
    /// what is held until the end
    kept: Mutex<Vec<Held>>,
    failure: OnceLock<Failure>,
}

/// Why a request must fail, whatever the framework made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// a limit is reached
    Full(Full),
    /// the client was too slow
    Slow,
    /// a body that is read whole is too long for that
    TooLong,
    /// a body that is read whole is another than the one that was signed
    Digest,
}

impl Failure {
    /// The answer.
    #[must_use]
    pub(crate) fn error(self) -> S3Error {
        match self {
            Self::Full(_) => s3_error!(SlowDown),
            Self::Slow => s3_error!(
                RequestTimeout,
                "Your socket connection to the server was not read from or written to within the timeout period."
            ),
            Self::Digest => {
                let mut error = S3Error::with_message(
                    S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()),
                    "The provided 'x-amz-content-sha256' header does not match what was computed.",
                );
                error.set_status_code(http::StatusCode::BAD_REQUEST);
                error
            }
            Self::TooLong => S3Error::with_message(S3ErrorCode::MaxMessageLengthExceeded, "Your request was too big."),
        }
    }
}

impl Share {
    pub(super) fn new(budget: Budget, network: IpAddr) -> Self {
        Self(Arc::new(Shared {
            budget,
            network,
            taken: Mutex::default(),
            document_bytes_max: AtomicU64::new(0),
            base_bytes: AtomicU64::new(0),
            turn: AtomicU64::new(0),
            kept: Mutex::default(),
            failure: OnceLock::new(),
        }))
    }

    /// Lets a form in whose signature stands in its body.
    ///
    /// # Errors
    /// The limit that is reached.
    pub(crate) fn admit_form(&self) -> Result<(), Failure> {
        self.enter(Party::Form(self.0.network), FORM_BYTES)
    }

    /// Lets a reader of a public bucket in.
    ///
    /// # Errors
    /// The limit that is reached.
    pub(crate) fn admit_public(&self) -> Result<(), Failure> {
        self.enter(Party::Public(self.0.network), STREAM_BYTES)
    }

    /// Lets a request in whose signature was verified.
    ///
    /// # Errors
    /// The limit that is reached.
    pub(crate) fn admit(&self, tenant: &str) -> Result<(), Failure> {
        self.enter(Party::Tenant(tenant.into()), STREAM_BYTES)
    }

    /// Gives back what was taken before: a form becomes a request of a tenant.
    fn enter(&self, party: Party, bytes: u64) -> Result<(), Failure> {
        let kibibytes = (bytes / KIBIBYTE).min(self.0.budget.0.max.kibibytes);
        let more = Use { requests: 1, kibibytes };
        let mut taken = self.taken();
        if let Some((party, less)) = taken.take() {
            self.0.budget.give_back(&party, less);
        }
        let took = self.0.budget.take(&party, more);
        // whoever is refused is known too
        *taken = Some((party, if took.is_ok() { more } else { Use::default() }));
        took.map_err(|full| self.fail(Failure::Full(full)))?;
        self.0.base_bytes.store(kibibytes * KIBIBYTE, Ordering::Relaxed);
        self.0.turn.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The body is read whole, and may be so long.
    pub(crate) fn reads_document(&self, bytes_max: u64) {
        self.0.document_bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// The body streams from now on.
    pub(crate) fn streams(&self) {
        self.0.document_bytes_max.store(0, Ordering::Relaxed);
    }

    /// How long the body may be, if it is read whole.
    #[must_use]
    pub(crate) fn document_bytes_max(&self) -> Option<u64> {
        Some(self.0.document_bytes_max.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }

    /// Notes why the request fails; the first reason stays.
    pub(crate) fn fail(&self, why: Failure) -> Failure {
        *self.0.failure.get_or_init(|| why)
    }

    /// Why the request fails.
    #[must_use]
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.0.failure.get().copied()
    }

    /// Does `work` for this request: what is [held] meanwhile counts for it.
    pub(crate) async fn during<T>(self, work: impl Future<Output = T>) -> T {
        PRESENT.scope(self, work).await
    }

    /// Something to count what this request holds beside its base.
    #[must_use]
    pub(crate) fn held(&self) -> Held {
        Held { budget: None, kibibytes: 0, of: Some((self.clone(), u64::MAX)) }
    }

    /// What a request may hold without counting it.
    #[must_use]
    pub(crate) fn base_bytes(&self) -> u64 {
        self.0.base_bytes.load(Ordering::Relaxed)
    }

    /// Whom it counts for, or would: a tenant, else a network.
    #[must_use]
    pub(crate) fn who(&self) -> String {
        match self.party() {
            Some(Party::Tenant(tenant)) => format!("tenant {tenant}"),
            Some(Party::Form(network) | Party::Public(network)) => network.to_string(),
            None => self.0.network.to_string(),
        }
    }

    /// Counts what is held until the request has ended.
    pub(crate) fn keep(&self, held: Held) {
        // without the way back to this share, which would keep both for ever
        let mut held = held;
        held.of = None;
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).push(held);
    }

    fn party(&self) -> Option<Party> {
        self.taken().as_ref().map(|(party, _)| party.clone())
    }

    fn taken(&self) -> MutexGuard<'_, Option<(Party, Use)>> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a request until its answer has ended.
pub(crate) struct InFlight(Share);

impl InFlight {
    /// From now on.
    #[must_use]
    pub(crate) fn new(share: Share) -> Self {
        Self(share)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some((party, less)) = self.0.taken().take() {
            self.0.0.budget.give_back(&party, less);
        }
        let kept = std::mem::take(&mut *self.0.0.kept.lock().unwrap_or_else(PoisonError::into_inner));
        drop(kept);
    }
}

/// Memory that is held; given back when dropped.
#[derive(Default)]
pub(crate) struct Held {
    /// where it was taken from, and for whom
    budget: Option<(Budget, Party)>,
    kibibytes: u64,
    /// the request that it is held for, and the turn in which that was looked at
    of: Option<(Share, u64)>,
}

impl Held {
    pub(super) fn of(budget: Budget, party: Party) -> Self {
        Self { budget: Some((budget, party)), kibibytes: 0, of: None }
    }

    /// Holds so many bytes from now on, in whole steps. Cheap if that changes nothing.
    ///
    /// # Errors
    /// The limit that is reached; what was held before is still counted.
    pub(crate) fn set(&mut self, bytes: u64) -> Result<(), Full> {
        let wanted = bytes.div_ceil(STEP_BYTES) * (STEP_BYTES / KIBIBYTE);
        if let Some((share, turn)) = &mut self.of {
            let now = share.0.turn.load(Ordering::Relaxed);
            if wanted > 0 && *turn != now {
                let party = share.party();
                *turn = now;
                let budget = share.0.budget.clone();
                // what was held for a form is the tenant's from now on
                self.release();
                self.budget = party.map(|party| (budget, party));
            }
        }
        if wanted == self.kibibytes {
            return Ok(());
        }
        let Some((budget, party)) = &self.budget else { return Ok(()) };
        if let Some(less) = self.kibibytes.checked_sub(wanted) {
            budget.give_back(party, Use { requests: 0, kibibytes: less });
        } else {
            let more = Use { requests: 0, kibibytes: wanted - self.kibibytes };
            budget.take(party, more)?;
        }
        self.kibibytes = wanted;
        Ok(())
    }

    /// The same; the request fails if that cannot be.
    ///
    /// # Errors
    /// `SlowDown`.
    pub(crate) fn set_or_fail(&mut self, bytes: u64) -> Result<(), S3Error> {
        self.set(bytes).map_err(|full| {
            let why = Failure::Full(full);
            self.of.as_ref().map_or(why, |(share, _)| share.fail(why)).error()
        })
    }

    /// Whether nothing is held.
    #[must_use]
    pub(crate) fn is_nothing(&self) -> bool {
        self.kibibytes == 0
    }

    fn release(&mut self) {
        if let Some((budget, party)) = &self.budget
            && self.kibibytes > 0
        {
            budget.give_back(party, Use { requests: 0, kibibytes: self.kibibytes });
        }
        self.kibibytes = 0;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

/// Something to count what the present request holds; counts nothing outside of a request.
#[must_use]
pub(crate) fn held() -> Held {
    PRESENT.try_with(Share::held).unwrap_or_default()
}

/// Counts bytes that the present request is about to hold until it ends, as far as its base has no room for them.
///
/// # Errors
/// `SlowDown` where they have no room.
pub(crate) fn hold_until_end(bytes: u64) -> Result<(), S3Error> {
    let Some(more) = bytes.checked_sub(STREAM_BYTES / 2).filter(|more| *more > 0) else { return Ok(()) };
    let Ok(share) = PRESENT.try_with(Share::clone) else { return Ok(()) };
    let mut held = share.held();
    held.set_or_fail(more)?;
    share.keep(held);
    Ok(())
}

/// What is held beside the base is counted in steps of this.
const STEP_BYTES: u64 = 64 * KIBIBYTE;
