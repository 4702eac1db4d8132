//! Places for open connections: as many as the process takes, shared between networks, and idle ones give way.
//!
//! - When all places are taken, the connection that was idle longest gives way, of the network that has most.
//! - A network has at most three quarters of what others leave; a connection beyond takes the place of the one that was
//!   idle longest of its own, or is closed.
//!
//! A connection is idle while no request on it is under way: also while its first head has come in half. Balancers that are
//! believed are not held to a share, as they speak for many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::connection::{Connection, network};
use crate::body::budget::most_of;

/// The places of one listener.
#[derive(Clone)]
pub struct Places(Arc<Inner>);

struct Inner {
    max: usize,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Default)]
struct State {
    taken: usize,
    /// connections that were told to give way and still have a place
    leaving: usize,
    next: u64,
    networks: HashMap<IpAddr, HashMap<u64, Seat>>,
}

struct Seat {
    connection: Arc<Connection>,
    is_leaving: bool,
}

/// A connection's place; free again when dropped.
pub struct Place {
    places: Places,
    id: u64,
    network: IpAddr,
    connection: Arc<Connection>,
}

impl Places {
    /// So many.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Inner { max: max.max(1), state: Mutex::default(), freed: Notify::new() }))
    }

    /// A place, once there is one: somebody who is idle may have to go.
    pub async fn place(&self, address: IpAddr) -> Place {
        loop {
            let freed = self.0.freed.notified();
            if let Some(place) = self.try_place(address) {
                return place;
            }
            freed.await;
        }
    }

    /// A place if there is one; else somebody is told to give way.
    pub(super) fn try_place(&self, address: IpAddr) -> Option<Place> {
        let mut state = self.state();
        if state.taken < self.0.max {
            state.taken += 1;
            let id = state.next;
            state.next += 1;
            let connection = Arc::new(Connection::new());
            let network = network(address);
            let seat = Seat { connection: Arc::clone(&connection), is_leaving: false };
            state.networks.entry(network).or_default().insert(id, seat);
            return Some(Place { places: self.clone(), id, network, connection });
        }
        if state.leaving == 0 {
            let mut by_count: Vec<(usize, IpAddr)> = state.networks.iter().map(|(at, all)| (all.len(), *at)).collect();
            by_count.sort_unstable_by(|one, other| other.cmp(one));
            let _gone = by_count.into_iter().any(|(_, network)| state.dismiss(network, None));
        }
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Tells the connection of a network that was idle longest to give way.
    fn dismiss(&mut self, network: IpAddr, but: Option<u64>) -> bool {
        let Some(seats) = self.networks.get_mut(&network) else { return false };
        let idle =
            seats.iter_mut().filter(|(id, seat)| Some(**id) != but && !seat.is_leaving && seat.connection.is_idle());
        let Some((_, seat)) = idle.min_by_key(|(_, seat)| seat.connection.idle_since()) else { return false };
        seat.is_leaving = true;
        seat.connection.given_up.notify_one();
        self.leaving += 1;
        true
    }
}

impl Place {
    /// What the connection is doing.
    #[must_use]
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The client's address turned out to be another.
    pub(super) fn moved(&mut self, address: IpAddr) {
        let network = network(address);
        if network == self.network {
            return;
        }
        let mut state = self.places.state();
        if let Some(seat) = state.take(self.network, self.id) {
            state.networks.entry(network).or_default().insert(self.id, seat);
            drop(state);
            self.network = network;
        }
    }

    /// Whether the connection may stay beside the others of its network; one that is idle may have to go for it.
    pub(super) fn is_fair(&self) -> bool {
        let mut state = self.places.state();
        let count = |seats: &HashMap<u64, Seat>| seats.values().filter(|seat| !seat.is_leaving).count();
        let own = state.networks.get(&self.network).map_or(0, count);
        let free = self.places.0.max.saturating_sub(state.taken);
        own <= 1 || own as u64 <= most_of(own as u64 + free as u64) || state.dismiss(self.network, Some(self.id))
    }

    /// Ends when the connection is to give way, and is idle.
    pub async fn gives_way(&self) {
        loop {
            self.connection.given_up.notified().await;
            if self.connection.is_idle() {
                return;
            }
            self.stay();
        }
    }

    /// A request came just when the connection was told to go: it stays, and somebody else may have to.
    fn stay(&self) {
        let mut state = self.places.state();
        let seat = state.networks.get_mut(&self.network).and_then(|seats| seats.get_mut(&self.id));
        if let Some(seat) = seat
            && std::mem::take(&mut seat.is_leaving)
        {
            state.leaving -= 1;
        }
        drop(state);
        self.places.0.freed.notify_one();
    }
}

impl State {
    fn take(&mut self, network: IpAddr, id: u64) -> Option<Seat> {
        let seats = self.networks.get_mut(&network)?;
        let seat = seats.remove(&id);
        if seats.is_empty() {
            self.networks.remove(&network);
        }
        seat
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.state();
        state.taken -= 1;
        if state.take(self.network, self.id).is_some_and(|seat| seat.is_leaving) {
            state.leaving -= 1;
        }
        drop(state);
        self.places.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn is_dismissed(place: &Place) -> bool {
        place.gives_way().now_or_never().is_some()
    }

    #[test]
    fn the_one_that_was_idle_longest_gives_way() {
        let places = Places::new(3);
        let [busy, idle, late] = [(); 3].map(|()| places.try_place(address(1)).unwrap());
        let _at_work = busy.connection().begin();
        drop(late.connection().begin());
        late.connection().touch_for_test(5);
        assert!(places.try_place(address(1)).is_none());
        assert!(is_dismissed(&idle) && !is_dismissed(&busy) && !is_dismissed(&late));
        drop(idle);
        assert!(places.try_place(address(1)).is_some());
    }

    #[test]
    fn one_goes_for_one_that_comes() {
        let places = Places::new(2);
        let both = [(); 2].map(|()| places.try_place(address(1)).unwrap());
        assert!(places.try_place(address(1)).is_none() && places.try_place(address(1)).is_none());
        assert_eq!(both.iter().filter(|place| is_dismissed(place)).count(), 1);
    }

    #[test]
    fn the_network_with_most_connections_gives_way_first() {
        let places = Places::new(3);
        let alone = places.try_place(address(1)).unwrap();
        let many = [(); 2].map(|()| places.try_place(address(2)).unwrap());
        assert!(places.try_place(address(3)).is_none());
        assert!(!is_dismissed(&alone) && many.iter().any(is_dismissed));
    }

    #[test]
    fn who_has_its_share_replaces_its_own() {
        let places = Places::new(8);
        let mut own = Vec::new();
        while own.len() < 6 {
            let place = places.try_place(address(1)).unwrap();
            assert!(place.is_fair(), "{} of 8", own.len() + 1);
            own.push(place);
        }
        let beyond = places.try_place(address(1)).unwrap();
        assert!(beyond.is_fair(), "the place of an idle one");
        let gone = own.iter().position(is_dismissed).unwrap();
        drop(own.remove(gone));
        let at_work: Vec<_> = own.iter().chain([&beyond]).map(|place| place.connection().begin()).collect();
        assert!(!places.try_place(address(1)).unwrap().is_fair(), "nobody of its own is idle");
        assert!(places.try_place(address(2)).unwrap().is_fair(), "others have room");
        drop(at_work);
    }

    #[test]
    fn an_ipv6_network_counts_as_one() {
        let places = Places::new(100);
        let kept: Vec<Place> =
            (0..10).map(|host| places.try_place(format!("2001:db8::{host}").parse().unwrap()).unwrap()).collect();
        assert_eq!(places.state().networks.len(), 1);
        drop(kept);
        assert!(places.state().networks.is_empty() && places.state().taken == 0);
    }

    #[test]
    fn whom_a_balancer_names_counts_for_itself() {
        let places = Places::new(10);
        let mut place = places.try_place(address(1)).unwrap();
        place.moved(address(2));
        assert!(places.state().networks.contains_key(&address(2)) && places.state().networks.len() == 1);
    }
}
