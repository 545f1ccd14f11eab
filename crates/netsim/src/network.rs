//! The network: endpoints, and time that jumps to the next thing that happens.

use crate::datagram::{Counters, Datagram, Verdict};
use crate::endpoint::{Endpoint, Outgoing, StreamEvent, Transmit};
use crate::link::Link;
use crate::nat::{Firewall, Nat, NatId};
use crate::patience::Patience;
use crate::pcap::Capture;
use crate::stream::{Item, Told};
use crate::wire::{Arrival, Wire};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::{Index, IndexMut};
use std::path::Path;
use std::time::{Duration, Instant};

/// Datagrams that one endpoint may send at one moment.
const MAX_TRANSMITS_PER_STEP: usize = 100_000;

/// The first endpoint of [`Network::pair`].
pub const FIRST: EndpointId = EndpointId(0);
/// The second endpoint of [`Network::pair`].
pub const SECOND: EndpointId = EndpointId(1);
/// The address of [`FIRST`].
pub const FIRST_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5001);
/// The address of [`SECOND`].
pub const SECOND_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2)), 5002);

/// Names an endpoint of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(pub(crate) usize);

struct Node<E> {
    endpoint: E,
    /// Its `poll_timeout` after it was last polled.
    timeout: Option<Instant>,
    /// Something happened to it since.
    touched: bool,
}

/// Endpoints joined by links, and a clock that jumps from one happening to the next.
pub struct Network<E> {
    start: Instant,
    now: Instant,
    nodes: Vec<Node<E>>,
    wire: Wire,
    buffer: Vec<u8>,
}

impl<E: Endpoint> Default for Network<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Endpoint> Network<E> {
    /// An empty network. Reads the clock once; from then on time is simulated.
    ///
    /// If the variable `HEADWATER_PCAP` names a folder, a test that fails leaves a capture there under its own name.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(Instant::now())
    }

    /// An empty network whose time starts at `start`.
    #[must_use]
    pub fn starting_at(start: Instant) -> Self {
        let mut wire = Wire::new(start);
        if let Some(folder) = std::env::var_os("HEADWATER_PCAP") {
            let name = std::thread::current().name().unwrap_or("network").replace("::", ".");
            wire.capture = Some(Capture::new(&Path::new(&folder).join(format!("{name}.pcap"))));
        }
        Self { start, now: start, nodes: Vec::new(), wire, buffer: Vec::new() }
    }

    /// Two endpoints, [`FIRST`] at [`FIRST_ADDRESS`] and [`SECOND`] at [`SECOND_ADDRESS`].
    #[must_use]
    pub fn pair(first: E, second: E) -> Self {
        let mut network = Self::new();
        network.add(first, &[FIRST_ADDRESS]);
        network.add(second, &[SECOND_ADDRESS]);
        network
    }

    /// Sets the link between all endpoints, in both directions.
    #[must_use]
    pub fn link(mut self, link: Link) -> Self {
        self.set_link(link);
        self
    }

    /// Sets the seed of everything that links do by chance.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.wire.seed(seed);
        self
    }

    /// Writes the newest datagrams to `path` if the test fails (when the network is dropped while panicking).
    #[must_use]
    pub fn capture(mut self, path: impl AsRef<Path>) -> Self {
        self.wire.capture = Some(Capture::new(path.as_ref()));
        self
    }

    /// Adds an endpoint with addresses that everybody reaches.
    pub fn add(&mut self, endpoint: E, addresses: &[SocketAddr]) -> EndpointId {
        self.place(endpoint, addresses, None)
    }

    /// Adds a NAT, with nobody behind it as yet.
    pub fn add_nat(&mut self, nat: Nat) -> NatId {
        self.wire.topology.add_gate(nat.into(), None)
    }

    /// Adds a NAT whose public address is one of the network behind `outer`: a home router at a carrier's NAT.
    pub fn add_nat_behind(&mut self, outer: NatId, nat: Nat) -> NatId {
        self.wire.topology.add_gate(nat.into(), Some(outer))
    }

    /// Adds a firewall, with nobody behind it as yet.
    pub fn add_firewall(&mut self, firewall: Firewall) -> NatId {
        self.wire.topology.add_gate(firewall.into(), None)
    }

    /// Adds a firewall behind another one or a NAT.
    pub fn add_firewall_behind(&mut self, outer: NatId, firewall: Firewall) -> NatId {
        self.wire.topology.add_gate(firewall.into(), Some(outer))
    }

    /// Adds an endpoint whose private addresses only its neighbours behind the same NAT reach.
    pub fn add_behind(&mut self, nat: NatId, endpoint: E, addresses: &[SocketAddr]) -> EndpointId {
        self.place(endpoint, addresses, Some(nat))
    }

    /// Gives an endpoint other addresses, as when a phone changes from Wi-Fi to mobile. What was under way to the
    /// old ones is lost; a connection of the old ones ends when something is sent along it.
    pub fn set_addresses(&mut self, id: EndpointId, addresses: &[SocketAddr]) {
        self.wire.topology.set_addresses(id, addresses);
    }

    /// Makes a NAT forget its mappings; what its inside sends next comes from new ports. A firewall lets no answer in
    /// until its inside sends again.
    pub fn rebind(&mut self, nat: NatId) {
        self.wire.topology.rebind(nat);
    }

    /// Changes the link between all endpoints, and forgets links set for single directions.
    pub fn set_link(&mut self, link: Link) {
        self.wire.set_link(link);
    }

    /// Changes the link in one direction.
    pub fn set_link_from(&mut self, from: EndpointId, to: EndpointId, link: Link) {
        self.wire.set_link_from(from, to, link);
    }

    /// Drops the next datagram that the filter picks, once.
    pub fn drop_next(&mut self, filter: impl FnMut(&Datagram<'_>) -> bool + 'static) {
        self.wire.filters.drop_next(Box::new(filter));
    }

    /// Asks the filter about every datagram from now on. Filters are asked in the order they were added.
    pub fn add_filter(&mut self, filter: impl FnMut(&mut Datagram<'_>) -> Verdict + 'static) {
        self.wire.filters.add(Box::new(filter));
    }

    /// Removes all filters, and what [`Self::drop_next`] still waits for.
    pub fn clear_filters(&mut self) {
        self.wire.filters.clear();
    }

    /// Sends a datagram in an endpoint's name, from one of its addresses, as the machine itself would.
    pub fn inject(&mut self, from: EndpointId, source: SocketAddr, destination: SocketAddr, contents: &[u8]) {
        self.wire.send_datagram(self.now, from, source, destination, contents.to_vec());
    }

    /// Runs until the condition holds; it is asked after every step, and before the first.
    ///
    /// # Panics
    /// If everything has fallen silent without it, or if it doesn't come true within 200,000 steps.
    pub fn run_until(&mut self, mut condition: impl FnMut(&mut Self) -> bool) {
        self.drain();
        let mut patience = Patience::default();
        while !condition(self) {
            self.drain(); // The condition may have given commands.
            let Some(next) = self.next() else {
                self.give_up("all endpoints are silent, but the condition doesn't hold");
            };
            self.step(next, &mut patience);
        }
    }

    /// Runs until nothing is under way and no endpoint waits for anything.
    ///
    /// # Panics
    /// If that doesn't happen within 200,000 steps, as with machines that send keep-alives.
    pub fn run_until_silent(&mut self) {
        self.drain();
        let mut patience = Patience::default();
        while let Some(next) = self.next() {
            self.step(next, &mut patience);
        }
    }

    /// Lets this much time pass, with all that happens in it.
    ///
    /// # Panics
    /// If an endpoint never falls silent at one moment.
    pub fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.drain();
        let mut patience = Patience::without_limit_of_steps();
        while let Some(next) = self.next().filter(|next| *next <= end) {
            self.step(next, &mut patience);
        }
        self.now = end;
    }

    /// Lets every endpoint send what it wants to send at this moment; no time passes.
    pub fn drain(&mut self) {
        for index in 0..self.nodes.len() {
            if self.nodes[index].touched {
                self.drain_one(index);
            }
        }
    }

    /// The simulated time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Simulated time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// What happened to datagrams so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.wire.counters
    }

    /// All endpoints' names, in the order they were added.
    pub fn ids(&self) -> impl Iterator<Item = EndpointId> + use<E> {
        (0..self.nodes.len()).map(EndpointId)
    }

    /// The endpoint, to give it commands or ask for its events; what it then wants to send leaves with the next run.
    pub fn get_mut(&mut self, id: EndpointId) -> &mut E {
        let node = &mut self.nodes[id.0];
        node.touched = true;
        &mut node.endpoint
    }

    fn place(&mut self, endpoint: E, addresses: &[SocketAddr], behind: Option<NatId>) -> EndpointId {
        self.nodes.push(Node { endpoint, timeout: None, touched: true });
        self.wire.topology.add_place(addresses, behind)
    }

    fn next(&self) -> Option<Instant> {
        let timeouts = self.nodes.iter().filter_map(|node| node.timeout);
        timeouts.chain(self.wire.next_arrival()).min().map(|next| next.max(self.now))
    }

    /// Jumps to `next` and does all that is due then.
    fn step(&mut self, next: Instant, patience: &mut Patience) {
        if let Err(why) = patience.spend(next > self.now) {
            self.give_up(why);
        }
        self.now = next;
        while let Some(arrival) = self.wire.receive(next) {
            self.hand_over(next, arrival);
        }
        for node in &mut self.nodes {
            if node.timeout.is_some_and(|timeout| timeout <= next) {
                node.endpoint.handle_timeout(next);
                node.touched = true;
            }
        }
        self.drain();
    }

    fn hand_over(&mut self, now: Instant, arrival: Arrival) {
        let route = arrival.route();
        let node = &mut self.nodes[route.to.0];
        node.touched = true;
        let endpoint = &mut node.endpoint;
        match arrival {
            Arrival::Datagram { mut contents, .. } => {
                endpoint.handle_datagram(now, route.local, route.remote, &mut contents);
            }
            Arrival::Knock { connection, .. } => {
                let accepts = endpoint.accepts(route.local, route.remote);
                self.wire.answer_knock(now, connection, route, accepts);
            }
            Arrival::Stream { told, .. } => {
                let mut told = told;
                let event = match &mut told {
                    Told::Connected => StreamEvent::Connected,
                    Told::Message(contents) => StreamEvent::Message(contents),
                    Told::Closed(why) => StreamEvent::Closed(*why),
                };
                endpoint.handle_stream(now, route.local, route.remote, event);
            }
        }
    }

    fn drain_one(&mut self, index: usize) {
        let mut transmits = 0;
        loop {
            self.buffer.clear();
            let node = &mut self.nodes[index];
            let Some(outgoing) = node.endpoint.poll_outgoing(self.now, &mut self.buffer) else {
                node.timeout = node.endpoint.poll_timeout();
                node.touched = false;
                return;
            };
            transmits += 1;
            if transmits > MAX_TRANSMITS_PER_STEP {
                self.give_up(&format!("endpoint {index} doesn't stop sending"));
            }
            let (now, id) = (self.now, EndpointId(index));
            match outgoing {
                Outgoing::Datagram(transmit) => {
                    for contents in pieces(transmit, &self.buffer) {
                        let (local, remote) = (transmit.local, transmit.remote);
                        self.wire.send_datagram(now, id, local, remote, contents.to_vec());
                    }
                }
                Outgoing::Message(transmit) => {
                    for contents in pieces(transmit, &self.buffer) {
                        let (local, remote) = (transmit.local, transmit.remote);
                        self.wire.write(now, id, local, remote, Item::Message(contents.to_vec()));
                    }
                }
                Outgoing::Connect { local, remote } => self.wire.connect(now, id, local, remote),
                Outgoing::Close { local, remote } => self.wire.write(now, id, local, remote, Item::Close),
            }
        }
    }

    fn give_up(&self, why: &str) -> ! {
        let waiting: Vec<_> = self.nodes.iter().map(|n| n.timeout.map(|at| at - self.start)).collect();
        panic!(
            "after {:?} of simulated time: {why}; timeouts {waiting:?}, {:?}",
            self.elapsed(),
            self.wire.counters
        );
    }
}

/// The datagrams or messages that were appended at once.
fn pieces(transmit: Transmit, buffer: &[u8]) -> impl Iterator<Item = &[u8]> {
    assert_eq!(transmit.len, buffer.len(), "the length told is not the length written");
    let size = transmit.segment_size.map_or(transmit.len, usize::from).max(1);
    let empty = buffer.is_empty().then_some(buffer); // An empty datagram is one, too.
    buffer.chunks(size).chain(empty)
}

impl<E> Index<EndpointId> for Network<E> {
    type Output = E;

    fn index(&self, id: EndpointId) -> &E {
        &self.nodes[id.0].endpoint
    }
}

impl<E: Endpoint> IndexMut<EndpointId> for Network<E> {
    fn index_mut(&mut self, id: EndpointId) -> &mut E {
        self.get_mut(id)
    }
}

impl<E> fmt::Debug for Network<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints = self.nodes.len();
        let elapsed = self.now - self.start;
        write!(f, "Network({endpoints} endpoints, {elapsed:?}, {:?})", self.wire.counters)
    }
}

impl<E> Drop for Network<E> {
    fn drop(&mut self) {
        let Some(capture) = &self.wire.capture else { return };
        if std::thread::panicking() {
            match capture.write() {
                Ok(()) => eprintln!("capture of the simulated network: {}", capture.path.display()),
                Err(error) => eprintln!("no capture at {}: {error}", capture.path.display()),
            }
        }
    }
}
