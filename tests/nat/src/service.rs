//! The server of STUN and TURN that peers are told of.

use headwater_netsim::{Endpoint, Outgoing, StreamEvent, Transmit};
use headwater_stun::{Datagram, Transport};
use headwater_turn::{Event, FiveTuple, PeerPolicy, RelayId, Server, ServerConfig};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

pub(crate) const USER: &str = "peer";
pub(crate) const PASSWORD: &str = "secret";

/// The ports that relays get, one after the other.
pub(crate) const RELAY_PORTS: Range<u16> = 50_000..50_064;

/// Answers Binding requests, and relays. The owner of a TURN server without sockets.
#[derive(Debug)]
pub struct Service {
    turn: Server,
    /// Whether it relays at all.
    relays: bool,
    ip: IpAddr,
    next_port: u16,
    by_relay: BTreeMap<(u32, u32), SocketAddr>,
    by_address: BTreeMap<SocketAddr, RelayId>,
    outgoing: VecDeque<(Outgoing, Vec<u8>)>,
}

impl Service {
    /// A service at these addresses; relays have the IP address of the first. Peers may be `allowed`, since tests use
    /// addresses that are for documentation.
    ///
    /// # Panics
    /// If the addresses are none.
    #[must_use]
    pub fn new(listeners: &[SocketAddr], relays: bool, allowed: &[&str], now: Instant) -> Self {
        let mut config = ServerConfig::new("test", [8; 32]);
        config.users.insert(USER.to_owned(), PASSWORD.to_owned());
        config.listeners = listeners.to_vec();
        config.peers = allowed
            .iter()
            .fold(PeerPolicy::public(), |policy, network| policy.allow(network.parse().expect("a network")));
        let unix = Duration::from_secs(1_800_000_000);
        Self {
            turn: Server::new(config, [9; 32], now, unix).expect("a valid config"),
            relays,
            ip: listeners.first().expect("an address").ip(),
            next_port: RELAY_PORTS.start,
            by_relay: BTreeMap::new(),
            by_address: BTreeMap::new(),
            outgoing: VecDeque::new(),
        }
    }

    /// How many allocations there are.
    #[must_use]
    pub fn allocations(&self) -> usize {
        self.turn.allocations()
    }

    fn take(
        &mut self,
        now: Instant,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
        contents: &[u8],
    ) {
        if let Some(relay) = self.by_address.get(&local) {
            let mut message = Vec::new();
            if let Ok(it) = self.turn.handle_peer_data(now, *relay, remote, contents, &mut message) {
                self.send(it, message);
            }
            return;
        }
        let datagram = Datagram::new(transport, local, remote, contents);
        let mut answer = Vec::new();
        if let Ok(it) = headwater_stun::respond(datagram, &mut answer) {
            return self.send(it, answer);
        }
        if !self.relays {
            return;
        }
        // What is refused is not answered; a test sees that nothing connects.
        if let Ok(Some(data)) = self.turn.handle_datagram(now, datagram)
            && let Some(from) = self.by_relay.get(&(data.relay.index, data.relay.serial))
        {
            let transmit = Transmit::new(*from, data.peer, data.data.len());
            self.outgoing.push_back((Outgoing::Datagram(transmit), data.data.to_vec()));
        }
        self.poll(now);
    }

    fn poll(&mut self, now: Instant) {
        while let Some(event) = self.turn.poll_event() {
            match event {
                Event::OpenRelay { relay, .. } => {
                    assert!(self.next_port < RELAY_PORTS.end, "more relays than a test needs");
                    let address = SocketAddr::new(self.ip, self.next_port);
                    self.next_port += 1;
                    self.by_relay.insert((relay.index, relay.serial), address);
                    self.by_address.insert(address, relay);
                    self.turn.relay_opened(now, relay, Ok(address));
                }
                Event::CloseRelay { relay } => {
                    if let Some(address) = self.by_relay.remove(&(relay.index, relay.serial)) {
                        self.by_address.remove(&address);
                    }
                }
                _ => {}
            }
        }
        let mut contents = Vec::new();
        while let Some(it) = self.turn.poll_transmit(now, &mut contents) {
            self.send(it, std::mem::take(&mut contents));
        }
    }

    fn send(&mut self, transmit: headwater_stun::Transmit, contents: Vec<u8>) {
        let it = Transmit::new(transmit.local, transmit.remote, transmit.len);
        let outgoing = match transmit.transport {
            Transport::Tcp => Outgoing::Message(it),
            _ => Outgoing::Datagram(it),
        };
        self.outgoing.push_back((outgoing, contents));
    }
}

impl Endpoint for Service {
    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, contents: &mut [u8]) {
        self.take(now, Transport::Udp, local, remote, contents);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.turn.handle_timeout(now);
        self.poll(now);
    }

    fn poll_transmit(&mut self, _now: Instant, _buf: &mut Vec<u8>) -> Option<Transmit> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.turn.poll_timeout()
    }

    fn poll_outgoing(&mut self, _now: Instant, buf: &mut Vec<u8>) -> Option<Outgoing> {
        let (outgoing, contents) = self.outgoing.pop_front()?;
        buf.extend(contents);
        Some(outgoing)
    }

    fn accepts(&self, local: SocketAddr, _remote: SocketAddr) -> bool {
        local.port() == 443
    }

    fn handle_stream(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, event: StreamEvent<'_>) {
        match event {
            StreamEvent::Message(contents) => self.take(now, Transport::Tcp, local, remote, contents),
            StreamEvent::Closed(_) => {
                self.turn.client_closed(now, FiveTuple::new(Transport::Tcp, local, remote));
                self.poll(now);
            }
            _ => {}
        }
    }
}
