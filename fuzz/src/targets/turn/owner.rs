//! The server with its owner, who has no sockets: he opens what he is asked to open, or not, and sees that the server keeps
//! the laws.

use super::laws::Laws;
use super::peers::{address, address_v6, nth};
use super::setups;
use super::world::World;
use crate::Input;
use crate::machine::Machine;
use headwater_turn::attribute::{ConnectionId, Family, Icmp};
use headwater_turn::{
    ConnectError, Event, FiveTuple, PortRequest, RelayError, RelayId, RelayTransport, Server,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// What an owner may say of a relay; the first says nothing yet.
const MOODS: [Option<Result<(), RelayError>>; 5] = [
    Some(Ok(())),
    None,
    Some(Err(RelayError::Family)),
    Some(Err(RelayError::Capacity)),
    Some(Err(RelayError::Quota)),
];

pub(super) struct Owned {
    pub(super) server: Server,
    pub(super) laws: Laws,
    pub(super) now: Instant,
    /// To whom went what was polled.
    pub(super) sent_to: Vec<FiveTuple>,
    /// Events so far.
    pub(super) told: usize,
    pub(super) relays: Vec<Relay>,
    pub(super) connections: Vec<Connection>,
    mood: usize,
}

pub(super) struct Relay {
    pub(super) id: RelayId,
    pub(super) transport: RelayTransport,
    pub(super) family: Family,
    pub(super) user: Arc<str>,
}

pub(super) struct Connection {
    pub(super) id: ConnectionId,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting,
    Waiting,
    Spliced(FiveTuple),
}

impl Owned {
    pub(super) fn new(kind: u8, now: Instant) -> Self {
        let config = setups::server(kind);
        let laws = Laws::new(&config, now);
        let server = Server::new(config, [2; 32], now, setups::UNIX).expect("a valid config");
        let (relays, connections) = (Vec::new(), Vec::new());
        Self { server, laws, now, sent_to: Vec::new(), told: 0, relays, connections, mood: 0 }
    }

    pub(super) fn relay(&self, id: RelayId) -> &Relay {
        self.relays.iter().find(|it| it.id == id).expect("a relay that was asked for and not closed")
    }

    fn open(&mut self, relay: Relay, port: PortRequest) {
        assert!(self.relays.iter().all(|it| it.id.index != relay.id.index), "an index stands for two");
        if let PortRequest::EvenAndNext(next) = port {
            let Relay { transport, family, ref user, .. } = relay;
            self.relays.push(Relay { id: next, transport, family, user: user.clone() });
        }
        let (id, family) = (relay.id, relay.family);
        self.relays.push(relay);
        if let Some(result) = MOODS[self.mood] {
            self.opened(id, family, result);
        }
    }

    fn opened(&mut self, id: RelayId, family: Family, result: Result<(), RelayError>) {
        let port = 1000 + (id.index % 1000) as u16 * 2;
        let address = if family == Family::V4 { address(1, port) } else { address_v6(1, port) };
        self.server.relay_opened(self.now, id, result.map(|()| address));
    }

    fn state_of(&mut self, id: ConnectionId) -> Option<&mut State> {
        self.connections.iter_mut().find(|it| it.id == id).map(|it| &mut it.state)
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::OpenRelay { relay: id, transport, family, port, user, .. } => {
                self.open(Relay { id, transport, family, user }, port);
            }
            Event::CloseRelay { relay } => {
                self.relay(relay);
                self.relays.retain(|it| it.id != relay);
            }
            Event::Connect { relay, connection: id, peer } => {
                assert_eq!(self.relay(relay).transport, RelayTransport::Tcp);
                assert_eq!(self.relay(relay).family, Family::of(&peer));
                self.laws.connects(peer);
                self.connections.push(Connection { id, state: State::Connecting });
            }
            Event::Splice { client, connection } => {
                let state = self.state_of(connection).expect("a connection that was made");
                assert!(*state == State::Waiting, "spliced, yet not waiting");
                *state = State::Spliced(client);
            }
            Event::CloseConnection { connection } => {
                assert!(self.state_of(connection).is_some(), "what is closed was there");
                self.connections.retain(|it| it.id != connection);
            }
            Event::Allocated { client, user, .. } => self.laws.allocated(client, user),
            Event::Ended { client, user, .. } => self.laws.ended(client, &user),
            Event::Moved { from, to } => self.laws.moved(from, to),
            _ => {}
        }
    }

    /// What holds when everything was taken.
    pub(super) fn check(&self) {
        let allocations = self.server.allocations();
        assert!(allocations <= self.laws.max_allocations, "{allocations} allocations");
        assert!(self.laws.live.len() <= allocations, "more were told of than there are");
        assert_eq!(allocations == 0, self.server.is_empty());
        let counters = self.server.counters();
        assert_eq!(counters.allocations_made - counters.allocations_ended, self.laws.live.len() as u64);
        assert_eq!(counters.refused_from_clients.total(), self.laws.refused);
        assert!(counters.errors().all(|(code, count)| count == counters.errors_of(code)));
    }

    /// All that was opened is closed at the end.
    pub(super) fn check_empty(&self) {
        let Self { server, laws, relays, connections, .. } = self;
        assert!(server.is_empty() && laws.live.is_empty(), "closed, yet there are allocations");
        assert!(relays.is_empty(), "closed, yet there are {} relays", relays.len());
        assert!(connections.is_empty(), "closed, yet there are {} connections", connections.len());
    }
}

impl World {
    /// A peer sends to a relay, connects to it, or can't be reached.
    pub(super) fn peer(&mut self, input: &mut Input<'_>) {
        let (choice, which, host) = (input.byte(), input.byte(), input.byte());
        let Some(relay) = nth(&self.server.relays, which) else { return };
        let (id, now, port) = (relay.id, self.now, u16::from(choice >> 2) + 1);
        let peer = if relay.family == Family::V4 { address(host, port) } else { address_v6(host, port) };
        match choice & 3 {
            0 => {
                let icmp = Icmp { kind: 3, code: 4, error_data: input.u32() };
                self.server.server.handle_icmp(now, id, peer, icmp);
            }
            1 => self.peer_connects(id, peer),
            _ => self.peer_sends(id, peer, input.chunk()),
        }
    }

    fn peer_connects(&mut self, relay: RelayId, peer: SocketAddr) {
        if let Ok(id) = self.server.server.peer_connected(self.now, relay, peer) {
            self.server.laws.talks(self.now, peer);
            self.server.connections.push(Connection { id, state: State::Waiting });
        }
    }

    fn peer_sends(&mut self, relay: RelayId, peer: SocketAddr, data: &[u8]) {
        let mut bytes = vec![0x55];
        match self.server.server.handle_peer_data(self.now, relay, peer, data, &mut bytes) {
            Ok(transmit) => {
                assert_eq!(transmit.len, bytes.len() - 1);
                let client = FiveTuple::new(transmit.transport, transmit.local, transmit.remote);
                assert!(self.server.server.has_allocation(&client), "{client:?} has none");
                let Owned { server: _, laws, relays, .. } = &mut self.server;
                let user = relays.iter().find(|it| it.id == relay).expect("an open relay").user.clone();
                laws.talks(self.now, peer);
                laws.carries(self.now, &user, data.len());
                self.route(client, bytes.split_off(1));
            }
            Err(_) => assert_eq!(bytes, [0x55], "refused, yet written"),
        }
    }

    /// What the server's owner says late, twice, or wrongly.
    pub(super) fn owner(&mut self, input: &mut Input<'_>) {
        let (choice, which) = (input.byte(), input.byte());
        let connection = nth(&self.server.connections, which).map(|it| it.id);
        let connection = connection.unwrap_or_else(|| ConnectionId(which.into()));
        let client = self.five_tuple(self.local);
        match choice % 8 {
            0 => self.connected(connection, Ok(())),
            1 => self.connected(connection, Err(ConnectError::Failed)),
            2 => self.connection_closed(connection),
            3 => self.server.server.client_closed(self.now, client),
            4 if which > 250 => self.server.server.drain(),
            5 if which > 250 => self.server.server.close(self.now),
            _ => {
                let relay = RelayId { index: u32::from(choice >> 3), serial: which.into() };
                self.server.server.relay_opened(self.now, relay, Err(RelayError::Capacity));
            }
        }
    }

    fn connected(&mut self, id: ConnectionId, result: Result<(), ConnectError>) {
        if let Some(state) = self.server.state_of(id).filter(|it| **it == State::Connecting) {
            *state = State::Waiting;
            if result.is_err() {
                self.server.connections.retain(|it| it.id != id);
            }
        }
        self.server.server.connected(self.now, id, result);
    }

    fn connection_closed(&mut self, id: ConnectionId) {
        // One that is not made yet is told of by an event, since its request is answered.
        self.server.connections.retain(|it| it.id != id || it.state == State::Connecting);
        self.server.server.connection_closed(self.now, id);
    }

    /// The same with the parts of what is there: relays that open late or not at all, spliced connections.
    pub(super) fn late(&mut self, input: &mut Input<'_>) {
        let (choice, which) = (input.byte(), input.byte());
        match choice % 6 {
            0 => self.server.mood = usize::from(which) % MOODS.len(),
            1 => {
                let Some(relay) = nth(&self.server.relays, which) else { return };
                let (id, family) = (relay.id, relay.family);
                self.server.now = self.now;
                self.server.opened(
                    id,
                    family,
                    MOODS[usize::from(choice / 6) % MOODS.len()].unwrap_or(Ok(())),
                );
            }
            2 => {
                let Some(id) = nth(&self.server.connections, which).map(|it| it.id) else { return };
                let (to_peer, to_client) = (input.u16(), input.byte());
                let _ = self.server.server.spliced(self.now, id, to_peer.into(), to_client.into());
            }
            3 => {
                let Some(connection) = nth(&self.server.connections, which) else { return };
                if let State::Spliced(client) = connection.state {
                    self.server.server.client_closed(self.now, client);
                }
            }
            4 => self.server.server.client_closed(self.now, self.guest_address(which)),
            _ => {
                let is_tcp = |it: &&Relay| it.transport == RelayTransport::Tcp;
                let Some(relay) = self.server.relays.iter().filter(is_tcp).nth(usize::from(which & 3)) else {
                    return;
                };
                let (id, family) = (relay.id, relay.family);
                let host = input.byte();
                self.peer_connects(
                    id,
                    if family == Family::V4 { address(host, 9) } else { address_v6(host, 9) },
                );
            }
        }
    }
}

impl Machine for Owned {
    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<usize> {
        self.now = now;
        let transmit = self.server.poll_transmit(now, buf)?;
        self.sent_to.push(FiveTuple::new(transmit.transport, transmit.local, transmit.remote));
        Some(transmit.len)
    }

    fn poll_event(&mut self) -> bool {
        let Some(event) = self.server.poll_event() else { return false };
        self.told += 1;
        self.handle_event(event);
        true
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.server.handle_timeout(now);
    }
}
