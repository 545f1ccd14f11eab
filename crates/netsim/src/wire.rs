//! Everything between the endpoints: filters, links, and what is under way.

use crate::datagram::{Counters, Datagram, Transport};
use crate::endpoint::StreamClosed;
use crate::filters::Filters;
use crate::link::{Direction, Fate, Link, header_len, stream_len};
use crate::network::EndpointId;
use crate::pcap::{Capture, Header};
use crate::random::Random;
use crate::stream::{EndId, Item, Segment, Streams, Told};
use crate::topology::{Route, Stop, Topology};
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What opens a connection is repeated after 1, 2, 4, 8 and 16 s.
const FIRST_SYN_REPEAT: Duration = Duration::from_secs(1);
const MAX_SYN_LOSSES: u32 = 5;
/// Everything else of it after 0.2 s, 0.4 s and so on, for 102 s.
const FIRST_REPEAT: Duration = Duration::from_millis(200);
const MAX_LOSSES: u32 = 9;

/// What happens later.
#[derive(Debug)]
enum Freight {
    /// A datagram arrives.
    Datagram(Route, Vec<u8>),
    /// A part of a connection arrives.
    Segment(Route, Segment),
    /// A part of a connection is sent again.
    Repeat(Segment),
    /// An end learns that the other one doesn't know it.
    Reset(EndId),
}

/// A thing on its way, ordered by arrival and then by sending.
#[derive(Debug)]
struct InFlight {
    at: Instant,
    order: u64,
    freight: Freight,
}

impl PartialEq for InFlight {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for InFlight {}

impl PartialOrd for InFlight {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for InFlight {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// What an endpoint gets.
pub(crate) enum Arrival {
    Datagram {
        route: Route,
        contents: Vec<u8>,
    },
    /// Somebody wants to open a connection: [`Wire::answer_knock`].
    Knock {
        route: Route,
        connection: usize,
    },
    Stream {
        route: Route,
        told: Told,
    },
}

impl Arrival {
    pub(crate) const fn route(&self) -> Route {
        match self {
            Self::Datagram { route, .. } | Self::Knock { route, .. } | Self::Stream { route, .. } => *route,
        }
    }
}

pub(crate) struct Wire {
    start: Instant,
    pub(crate) topology: Topology,
    streams: Streams,
    default_link: Link,
    links: HashMap<(EndpointId, EndpointId), Link>,
    directions: HashMap<(EndpointId, EndpointId), Direction>,
    pub(crate) filters: Filters,
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
            topology: Topology::default(),
            streams: Streams::default(),
            default_link: Link::default(),
            links: HashMap::new(),
            directions: HashMap::new(),
            filters: Filters::default(),
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

    pub(crate) fn set_link(&mut self, link: Link) {
        self.links.clear();
        self.default_link = link;
    }

    pub(crate) fn set_link_from(&mut self, from: EndpointId, to: EndpointId, link: Link) {
        self.links.insert((from, to), link);
    }

    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        if self.streams.has_told() {
            return Some(self.start); // Long since.
        }
        self.in_flight.peek().map(|Reverse(head)| head.at)
    }

    /// What an endpoint gets next of all that has arrived by `now`.
    pub(crate) fn receive(&mut self, now: Instant) -> Option<Arrival> {
        loop {
            if let Some((end, told)) = self.streams.poll_told() {
                let route = Route { to: end.endpoint, local: end.local, remote: end.remote };
                return Some(Arrival::Stream { route, told });
            }
            if self.next_arrival()? > now {
                return None;
            }
            let Reverse(InFlight { freight, .. }) = self.in_flight.pop()?;
            match freight {
                Freight::Datagram(route, contents) => {
                    if self.topology.addresses(route.to).contains(&route.local) {
                        self.counters.delivered += 1;
                        return Some(Arrival::Datagram { route, contents });
                    }
                    self.counters.unroutable += 1; // The endpoint has moved meanwhile.
                }
                Freight::Segment(route, segment) => {
                    if let Some(knock) = self.arrive(now, route, segment) {
                        return Some(knock);
                    }
                }
                Freight::Repeat(segment) => self.send_segment(now, segment),
                Freight::Reset(end) => self.streams.fail(end, StreamClosed::Reset),
            }
        }
    }

    /// Takes one datagram from an endpoint and decides its fate.
    pub(crate) fn send_datagram(
        &mut self,
        now: Instant,
        from: EndpointId,
        source: SocketAddr,
        destination: SocketAddr,
        mut contents: Vec<u8>,
    ) {
        let addresses = self.topology.addresses(from);
        assert!(
            addresses.contains(&source),
            "{from:?} sends from {source}, which is none of its addresses {addresses:?}"
        );
        self.counters.sent += 1;
        let transport = Transport::Udp;
        let mut datagram = Datagram { transport, from, source, destination, contents: &mut contents };
        let passes = self.passes(&mut datagram);
        record(&mut self.capture, now - self.start, Header::Udp, source, destination, &contents);
        let Some(delay) = passes else { return };
        let Some(route) = self.route(now, transport, from, source, destination) else { return };
        let size = contents.len() + header_len(destination);
        let link = self.links.get(&(from, route.to)).unwrap_or(&self.default_link);
        let direction = self.directions.entry((from, route.to)).or_insert_with(|| Direction::new(now));
        let fate = direction.carry(link, size, now, &mut self.random);
        if let Some((at, again)) = self.count(fate) {
            for at in again.into_iter().chain([at]) {
                self.push(at + delay, Freight::Datagram(route, contents.clone()));
            }
        }
    }

    /// Opens a connection.
    pub(crate) fn connect(
        &mut self,
        now: Instant,
        from: EndpointId,
        source: SocketAddr,
        destination: SocketAddr,
    ) {
        assert!(
            self.topology.has_ip(from, source),
            "{from:?} connects from {source}, which is none of its addresses {:?}",
            self.topology.addresses(from)
        );
        assert!(
            self.streams.find(from, source, destination).is_none(),
            "{from:?} has a connection of {source} with {destination} already"
        );
        self.topology.add_stream_address(from, source);
        let syn = self.streams.connect(from, source, destination);
        self.send_segment(now, syn);
    }

    /// Sends a message along a connection, or closes it.
    pub(crate) fn write(
        &mut self,
        now: Instant,
        from: EndpointId,
        source: SocketAddr,
        destination: SocketAddr,
        item: Item,
    ) {
        let is_message = item != Item::Close;
        self.counters.sent += u64::from(is_message);
        match self.streams.find(from, source, destination) {
            Some(end) => {
                if let Some(segment) = self.streams.write(end, item) {
                    self.send_segment(now, segment);
                }
            }
            None => self.counters.unroutable += u64::from(is_message),
        }
    }

    /// Lets a connection in or refuses it.
    pub(crate) fn answer_knock(&mut self, now: Instant, connection: usize, route: Route, accepts: bool) {
        if !accepts {
            return self.reset(now, (connection, 0), route.to);
        }
        if let Some(segment) = self.streams.accept(connection, route) {
            self.topology.add_stream_address(route.to, route.local);
            self.send_segment(now, segment);
        }
    }

    fn send_segment(&mut self, now: Instant, segment: Segment) {
        let Some(end) = self.streams.end(segment.from).filter(|end| !end.is_dead()) else { return };
        let (from, source, destination) = (end.endpoint, end.local, end.remote);
        if !self.topology.has_ip(from, source) {
            return self.streams.fail(segment.from, StreamClosed::Reset);
        }
        let mut sent = segment.clone();
        let mut none = Vec::new();
        let contents = if let Item::Message(contents) = &mut sent.item { contents } else { &mut none };
        let transport = Transport::Tcp;
        let passes = self.passes(&mut Datagram { transport, from, source, destination, contents });
        let size = contents.len();
        record(&mut self.capture, now - self.start, segment.header(), source, destination, contents);
        let Some(delay) = passes else { return self.repeat(now, segment) };
        let Some(route) = self.route(now, transport, from, source, destination) else {
            return self.repeat(now, segment);
        };
        if !self.streams.is_for(&segment, route) {
            return self.reset(now, segment.from, route.to);
        }
        let link = self.links.get(&(from, route.to)).unwrap_or(&self.default_link);
        let direction = self.directions.entry((from, route.to)).or_insert_with(|| Direction::new(now));
        let size = stream_len(size, destination, link.mtu);
        let fate = direction.carry_any_size(link, size, now, &mut self.random);
        match self.count(fate) {
            Some((at, _)) => self.push(at + delay, Freight::Segment(route, sent)),
            None => self.repeat(now, segment),
        }
    }

    /// Hands a segment to its connection, and returns what only the endpoint can answer.
    fn arrive(&mut self, now: Instant, route: Route, segment: Segment) -> Option<Arrival> {
        if !self.topology.has_ip(route.to, route.local) {
            self.repeat(now, segment);
            return None;
        }
        let (connection, _) = segment.from;
        if segment.item == Item::Syn {
            let is_wanted = self.streams.end(segment.from).is_some_and(|end| !end.is_dead());
            return is_wanted.then_some(Arrival::Knock { route, connection });
        }
        self.counters.delivered += u64::from(matches!(segment.item, Item::Message(_)));
        let from = segment.from;
        match self.streams.arrive(segment) {
            Ok(replies) => {
                // The acknowledgement keeps the mappings on its way alive.
                let _unused = self.topology.route(now, Transport::Tcp, route.to, route.local, route.remote);
                replies.into_iter().for_each(|reply| self.send_segment(now, reply));
            }
            Err(()) => self.reset(now, from, route.to),
        }
        None
    }

    /// Sends a segment once more, later, or gives its connection up.
    fn repeat(&mut self, now: Instant, mut segment: Segment) {
        let is_syn = segment.item == Item::Syn;
        let (first, most) =
            if is_syn { (FIRST_SYN_REPEAT, MAX_SYN_LOSSES) } else { (FIRST_REPEAT, MAX_LOSSES) };
        let wait = first * 2u32.pow(segment.losses);
        segment.losses += 1;
        if segment.losses > most {
            return self.streams.fail(segment.from, StreamClosed::TimedOut);
        }
        self.counters.repeated += 1;
        self.push(now + wait, Freight::Repeat(segment));
    }

    /// Tells an end that `by` knows nothing of its connection.
    fn reset(&mut self, now: Instant, end: EndId, by: EndpointId) {
        let Some(to) = self.streams.end(end).map(|end| end.endpoint) else { return };
        let latency = self.links.get(&(by, to)).unwrap_or(&self.default_link).latency;
        self.push(now + latency, Freight::Reset(end));
    }

    fn push(&mut self, at: Instant, freight: Freight) {
        let order = self.order;
        self.order += 1;
        self.in_flight.push(Reverse(InFlight { at, order, freight }));
    }

    fn route(
        &mut self,
        now: Instant,
        transport: Transport,
        from: EndpointId,
        source: SocketAddr,
        destination: SocketAddr,
    ) -> Option<Route> {
        let route = self.topology.route(now, transport, from, source, destination);
        match route {
            Ok(_) => {}
            Err(Stop::Unroutable) => self.counters.unroutable += 1,
            Err(Stop::Blocked) => self.counters.blocked += 1,
        }
        route.ok()
    }

    /// When it arrives, and when again; counts it otherwise.
    fn count(&mut self, fate: Fate) -> Option<(Instant, Option<Instant>)> {
        match fate {
            Fate::Lost => self.counters.lost += 1,
            Fate::TooLarge => self.counters.too_large += 1,
            Fate::QueueFull => self.counters.queue_full += 1,
            Fate::Arrives { at, again } => return Some((at, again)),
        }
        None
    }

    /// How much later the filters let it arrive, or `None` if they drop it.
    fn passes(&mut self, datagram: &mut Datagram<'_>) -> Option<Duration> {
        let delay = self.filters.pass(datagram);
        self.counters.dropped_by_filter += u64::from(delay.is_none());
        delay
    }
}

fn record(
    capture: &mut Option<Capture>,
    time: Duration,
    header: Header,
    source: SocketAddr,
    destination: SocketAddr,
    contents: &[u8],
) {
    if let Some(capture) = capture {
        capture.record(time, header, source, destination, contents);
    }
}
