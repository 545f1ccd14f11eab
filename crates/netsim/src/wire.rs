//! Everything between the endpoints: addresses, NATs, filters, links, and the datagrams under way.

use crate::datagram::{Counters, Datagram, Verdict};
use crate::link::{Direction, Fate, Link, header_len};
use crate::nat::{Nat, NatId, Translator};
use crate::network::EndpointId;
use crate::pcap::Capture;
use crate::random::Random;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

type DropFilter = Box<dyn FnMut(&Datagram<'_>) -> bool>;
type Filter = Box<dyn FnMut(&mut Datagram<'_>) -> Verdict>;

/// A datagram on its way, ordered by arrival and then by sending.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct InFlight {
    at: Instant,
    order: u64,
    to: EndpointId,
    local: SocketAddr,
    remote: SocketAddr,
    contents: Vec<u8>,
}

/// Where an endpoint stands.
#[derive(Debug)]
struct Place {
    addresses: Vec<SocketAddr>,
    behind: Option<NatId>,
}

pub(crate) struct Arrival {
    pub(crate) to: EndpointId,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) contents: Vec<u8>,
}

pub(crate) struct Wire {
    start: Instant,
    places: Vec<Place>,
    nats: Vec<Translator>,
    default_link: Link,
    links: HashMap<(EndpointId, EndpointId), Link>,
    directions: HashMap<(EndpointId, EndpointId), Direction>,
    drop_next: Vec<DropFilter>,
    filters: Vec<Filter>,
    in_flight: BinaryHeap<Reverse<InFlight>>,
    order: u64,
    random: Random,
    pub(crate) counters: Counters,
    pub(crate) capture: Option<Capture>,
}

impl Wire {
    pub(crate) fn new(start: Instant) -> Self {
        Self {
            start,
            places: Vec::new(),
            nats: Vec::new(),
            default_link: Link::default(),
            links: HashMap::new(),
            directions: HashMap::new(),
            drop_next: Vec::new(),
            filters: Vec::new(),
            in_flight: BinaryHeap::new(),
            order: 0,
            random: Random::new(0),
            counters: Counters::default(),
            capture: None,
        }
    }

    pub(crate) fn seed(&mut self, seed: u64) {
        self.random = Random::new(seed);
    }

    pub(crate) fn add_place(&mut self, addresses: &[SocketAddr], behind: Option<NatId>) -> EndpointId {
        let id = EndpointId(self.places.len());
        self.places.push(Place { addresses: Vec::new(), behind });
        self.set_addresses(id, addresses);
        id
    }

    pub(crate) fn set_addresses(&mut self, id: EndpointId, addresses: &[SocketAddr]) {
        let behind = self.places[id.0].behind;
        for address in addresses {
            let taken = self.endpoint_at(behind, *address).filter(|other| *other != id);
            assert!(taken.is_none(), "{address} belongs to another endpoint already");
        }
        self.places[id.0].addresses = addresses.to_vec();
    }

    pub(crate) fn add_nat(&mut self, nat: Nat) -> NatId {
        self.nats.push(Translator::new(nat));
        NatId(self.nats.len() - 1)
    }

    pub(crate) fn rebind(&mut self, nat: NatId) {
        self.nats[nat.0].rebind();
    }

    pub(crate) fn set_link(&mut self, link: Link) {
        self.links.clear();
        self.default_link = link;
    }

    pub(crate) fn set_link_from(&mut self, from: EndpointId, to: EndpointId, link: Link) {
        self.links.insert((from, to), link);
    }

    pub(crate) fn drop_next(&mut self, filter: DropFilter) {
        self.drop_next.push(filter);
    }

    pub(crate) fn add_filter(&mut self, filter: Filter) {
        self.filters.push(filter);
    }

    pub(crate) fn clear_filters(&mut self) {
        self.drop_next.clear();
        self.filters.clear();
    }

    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        self.in_flight.peek().map(|Reverse(head)| head.at)
    }

    /// The next datagram that has arrived by `now`.
    pub(crate) fn receive(&mut self, now: Instant) -> Option<Arrival> {
        while self.next_arrival()? <= now {
            let Reverse(InFlight { to, local, remote, contents, .. }) = self.in_flight.pop()?;
            if self.places[to.0].addresses.contains(&local) {
                self.counters.delivered += 1;
                return Some(Arrival { to, local, remote, contents });
            }
            self.counters.unroutable += 1; // The endpoint has moved meanwhile.
        }
        None
    }

    /// Takes one datagram from an endpoint and decides its fate.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        from: EndpointId,
        source: SocketAddr,
        destination: SocketAddr,
        mut contents: Vec<u8>,
    ) {
        let place = &self.places[from.0];
        assert!(
            place.addresses.contains(&source),
            "{from:?} sends from {source}, which is none of its addresses {:?}",
            place.addresses
        );
        self.counters.sent += 1;
        let mut delay = None;
        let mut datagram = Datagram { from, source, destination, contents: &mut contents };
        let passes = self.passes(&mut datagram, &mut delay);
        if let Some(capture) = &mut self.capture {
            capture.record(now.saturating_duration_since(self.start), source, destination, &contents);
        }
        if !passes {
            self.counters.dropped_by_filter += 1;
            return;
        }
        let Some((to, local, remote)) = self.route(now, from, source, destination) else {
            self.counters.unroutable += 1;
            return;
        };
        let link = self.links.get(&(from, to)).unwrap_or(&self.default_link);
        let direction = self.directions.entry((from, to)).or_insert_with(|| Direction::new(now));
        let size = contents.len() + header_len(destination);
        match direction.carry(link, size, now, &mut self.random) {
            Fate::Lost => self.counters.lost += 1,
            Fate::TooLarge => self.counters.too_large += 1,
            Fate::QueueFull => self.counters.queue_full += 1,
            Fate::Arrives { at, again } => {
                for at in again.into_iter().chain([at]) {
                    let order = self.order;
                    self.order += 1;
                    let at = at + delay.unwrap_or_default();
                    let contents = contents.clone();
                    self.in_flight.push(Reverse(InFlight { at, order, to, local, remote, contents }));
                }
            }
        }
    }

    fn passes(&mut self, datagram: &mut Datagram<'_>, delay: &mut Option<Duration>) -> bool {
        if let Some(index) = self.drop_next.iter_mut().position(|filter| filter(datagram)) {
            let _done = self.drop_next.remove(index);
            return false;
        }
        for filter in &mut self.filters {
            match filter(datagram) {
                Verdict::Pass => {}
                Verdict::Drop => return false,
                Verdict::Delay(extra) => *delay = Some(delay.unwrap_or_default() + extra),
            }
        }
        true
    }

    /// Who gets it, at which of its addresses, and from whom it seems to come.
    fn route(
        &mut self,
        now: Instant,
        from: EndpointId,
        source: SocketAddr,
        destination: SocketAddr,
    ) -> Option<(EndpointId, SocketAddr, SocketAddr)> {
        let behind = self.places[from.0].behind;
        if let Some(to) = self.endpoint_at(behind, destination) {
            return Some((to, destination, source)); // Both in the same house, or both outside.
        }
        let seen = match behind {
            Some(nat) => self.nats[nat.0].outward(now, source, destination),
            None => source,
        };
        if let Some(to) = self.endpoint_at(None, destination) {
            return Some((to, destination, seen));
        }
        let index = self.nats.iter().position(|nat| nat.public() == destination.ip())?;
        let inside = self.nats[index].inward(now, destination.port(), seen)?;
        let to = self.endpoint_at(Some(NatId(index)), inside)?;
        Some((to, inside, seen))
    }

    fn endpoint_at(&self, behind: Option<NatId>, address: SocketAddr) -> Option<EndpointId> {
        let found = |place: &Place| place.behind == behind && place.addresses.contains(&address);
        self.places.iter().position(found).map(EndpointId)
    }
}
