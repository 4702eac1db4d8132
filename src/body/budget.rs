//! How much may be under way: requests, and the memory that is held for them, shared so that nobody takes it all.
//!
//! Nothing is taken before it is known who asks: a request is [admitted](Share::admit) once its signature was verified.
//! Forms alone are read before that, and wait in a small class of their own ([`Party::Form`]). A request that is under way
//! counts [`STREAM_BYTES`], and [`Held`] beside it for whatever else it holds at the time.
//!
//! | who | how much |
//! |---|---|
//! | forms whose signature has not come yet, all together | an eighth |
//! | readers of public buckets, all together | half of what others leave |
//! | a tenant; within the two above, a network | three quarters of what others leave |
//! | a tenant that has no more than a sixteenth under way | an eighth is kept for those |
//!
//! So a tenant that is alone has three quarters, and whoever comes next finds room. An IPv6 network is a /64, an IPv4 one an
//! address. Nobody waits: a client that is told to slow down comes again.

mod share;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use share::{Failure, Held, InFlight, Share, held, hold_until_end};

/// Requests and memory under way in the whole process.
#[derive(Clone)]
pub(crate) struct Budget(Arc<Inner>);

struct Inner {
    max: Use,
    state: Mutex<State>,
}

/// Whom a request counts for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Party {
    /// a form from this network, until its signature has come
    Form(IpAddr),
    /// whoever reads a public bucket from this network
    Public(IpAddr),
    /// a tenant
    Tenant(Arc<str>),
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// as many requests as the gateway takes
    Requests,
    /// as much memory as the gateway takes
    Bytes,
    /// as many requests as one party may have
    ShareOfRequests,
    /// as much memory as one party may have
    ShareOfBytes,
}

/// Requests and memory in units of 1,024 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Use {
    requests: u64,
    kibibytes: u64,
}

impl Use {
    fn add(&mut self, more: Self) {
        self.requests += more.requests;
        self.kibibytes += more.kibibytes;
    }

    fn remove(&mut self, less: Self) {
        self.requests = self.requests.saturating_sub(less.requests);
        self.kibibytes = self.kibibytes.saturating_sub(less.kibibytes);
    }
}

#[derive(Default)]
struct State {
    all: Use,
    forms: Use,
    public: Use,
    /// those that have something under way
    parties: HashMap<Party, Use>,
}

impl Budget {
    /// So many requests, holding so many bytes.
    #[must_use]
    pub(crate) fn new(requests_max: usize, bytes_max: u64) -> Self {
        let max = Use { requests: requests_max.max(1) as u64, kibibytes: (bytes_max / KIBIBYTE).max(1) };
        Self(Arc::new(Inner { max, state: Mutex::default() }))
    }

    /// The share of a request from this address; it has nothing yet.
    #[must_use]
    pub(crate) fn share(&self, address: IpAddr) -> Share {
        Share::new(self.clone(), network(address))
    }

    /// Memory that is held for a connection from this address, before there is a request on it.
    #[must_use]
    pub(crate) fn held_before_requests(&self, address: IpAddr) -> Held {
        Held::of(self.clone(), Party::Form(network(address)))
    }

    /// Takes all of `more` for a party, or nothing.
    fn take(&self, party: &Party, more: Use) -> Result<(), Full> {
        let mut state = self.state();
        let own = state.parties.get(party).copied().unwrap_or_default();
        let (max, all) = (self.0.max, state.all);
        let class = match party {
            Party::Form(_) => state.forms,
            Party::Public(_) => state.public,
            Party::Tenant(_) => own,
        };
        let requests = Ask { max: max.requests, all: all.requests, class: class.requests, own: own.requests };
        match requests.answer(party, more.requests) {
            Answer::Yes => {}
            Answer::Full => return Err(Full::Requests),
            Answer::Unfair => return Err(Full::ShareOfRequests),
        }
        let kibibytes = Ask { max: max.kibibytes, all: all.kibibytes, class: class.kibibytes, own: own.kibibytes };
        match kibibytes.answer(party, more.kibibytes) {
            Answer::Yes => {}
            Answer::Full => return Err(Full::Bytes),
            Answer::Unfair => return Err(Full::ShareOfBytes),
        }
        state.all.add(more);
        match party {
            Party::Form(_) => state.forms.add(more),
            Party::Public(_) => state.public.add(more),
            Party::Tenant(_) => {}
        }
        match state.parties.get_mut(party) {
            Some(own) => own.add(more),
            None => drop(state.parties.insert(party.clone(), more)),
        }
        Ok(())
    }

    fn give_back(&self, party: &Party, less: Use) {
        let mut state = self.state();
        state.all.remove(less);
        match party {
            Party::Form(_) => state.forms.remove(less),
            Party::Public(_) => state.public.remove(less),
            Party::Tenant(_) => {}
        }
        if let Some(own) = state.parties.get_mut(party) {
            own.remove(less);
            if *own == Use::default() {
                state.parties.remove(party);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What somebody asks of requests or of memory.
struct Ask {
    max: u64,
    /// what is taken, by everybody, by the class, and by himself
    all: u64,
    class: u64,
    own: u64,
}

enum Answer {
    Yes,
    Full,
    Unfair,
}

impl Ask {
    fn answer(&self, party: &Party, more: u64) -> Answer {
        let Self { max, all, class, own } = *self;
        let free = max.saturating_sub(all);
        if more == 0 {
            return Answer::Yes;
        }
        if more > free {
            return Answer::Full;
        }
        let half = (class + free).div_ceil(2);
        // kept for tenants that have little under way
        let open = free.saturating_sub(max / 8);
        let room = match party {
            Party::Tenant(_) if own == 0 || own + more <= max / 16 => return Answer::Yes,
            Party::Tenant(_) => free,
            Party::Public(_) => half.saturating_sub(class),
            Party::Form(_) => half.min(max.div_ceil(8).max(more)).saturating_sub(class),
        };
        let is_fair = more <= room.min(open) && (own == 0 || own + more <= most_of(own + room));
        if is_fair { Answer::Yes } else { Answer::Unfair }
    }
}

/// What of an amount one party may have: all but a quarter.
#[must_use]
pub(crate) fn most_of(amount: u64) -> u64 {
    amount - amount / 4
}

/// The network that an address counts for: an IPv6 client has all addresses of its /64.
#[must_use]
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// A segment being filled, one being sent, and the buffers of two sockets.
pub(crate) const STREAM_BYTES: u64 = 256 * KIBIBYTE;
/// The first fields of a form, and what they are read into.
const FORM_BYTES: u64 = 64 * KIBIBYTE;
const KIBIBYTE: u64 = 1024;

#[cfg(test)]
mod tests;
