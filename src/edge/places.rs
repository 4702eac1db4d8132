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
    networks: HashMap<IpAddr, Network>,
}

#[derive(Default)]
struct Network {
    seats: HashMap<u64, Seat>,
    leaving: usize,
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
            state.networks.entry(network).or_default().seats.insert(id, seat);
            return Some(Place { places: self.clone(), id, network, connection });
        }
        if state.leaving == 0 {
            state.make_room(self.at_once());
        }
        None
    }

    /// How many give way when one has to: looking for them takes time.
    fn at_once(&self) -> usize {
        self.0.max / 128 + 1
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Tells some connections to give way, of the networks that have most.
    fn make_room(&mut self, count: usize) {
        let mut by_size: Vec<(usize, IpAddr)> = self.networks.iter().map(|(at, all)| (all.seats.len(), *at)).collect();
        by_size.sort_unstable_by(|one, other| other.cmp(one));
        let most = by_size.first().map_or(0, |(size, _)| *size);
        let mut left = count;
        for (size, network) in by_size {
            // a small one goes alone, and only where no larger one has anybody who is idle
            if left == 0 || (left < count && size <= most / 2) {
                return;
            }
            left -= self.dismiss(network, None, left);
        }
    }

    /// Tells the connections of a network that were idle longest to give way; how many there were, `count` at most.
    fn dismiss(&mut self, network: IpAddr, but: Option<u64>, count: usize) -> usize {
        let Some(network) = self.networks.get_mut(&network) else { return 0 };
        let idle = network
            .seats
            .iter()
            .filter(|(id, seat)| Some(**id) != but && !seat.is_leaving && seat.connection.is_idle());
        let mut idle: Vec<_> = idle.map(|(id, seat)| (seat.connection.idle_since(), *id)).collect();
        if idle.len() > count {
            idle.select_nth_unstable(count);
            idle.truncate(count);
        }
        for (_, id) in &idle {
            if let Some(seat) = network.seats.get_mut(id) {
                seat.is_leaving = true;
                seat.connection.given_up.notify_one();
            }
        }
        network.leaving += idle.len();
        self.leaving += idle.len();
        idle.len()
    }

    fn take(&mut self, address: IpAddr, id: u64) -> Option<Seat> {
        let network = self.networks.get_mut(&address)?;
        let seat = network.seats.remove(&id)?;
        network.leaving -= usize::from(seat.is_leaving);
        if network.seats.is_empty() {
            self.networks.remove(&address);
        }
        Some(seat)
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
            let to = state.networks.entry(network).or_default();
            to.leaving += usize::from(seat.is_leaving);
            to.seats.insert(self.id, seat);
            drop(state);
            self.network = network;
        }
    }

    /// Whether the connection may stay beside the others of its network; one that is idle may have to go for it.
    pub(super) fn is_fair(&self) -> bool {
        let mut state = self.places.state();
        let own = state.networks.get(&self.network).map_or(0, |network| network.seats.len() - network.leaving);
        let free = self.places.0.max.saturating_sub(state.taken);
        own <= 1
            || own as u64 <= most_of(own as u64 + free as u64)
            || state.dismiss(self.network, Some(self.id), self.places.at_once()) > 0
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
        if let Some(network) = state.networks.get_mut(&self.network)
            && let Some(seat) = network.seats.get_mut(&self.id)
            && std::mem::take(&mut seat.is_leaving)
        {
            network.leaving -= 1;
            state.leaving -= 1;
        }
        drop(state);
        self.places.0.freed.notify_one();
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
