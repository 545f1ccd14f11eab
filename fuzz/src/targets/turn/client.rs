//! Our client: what it is told to do, and what it hears.

use super::peers::{address, nth, peer};
use super::setups;
use super::world::World;
use crate::Input;
use crate::machine::Machine;
use headwater_stun::Datagram;
use headwater_turn::attribute::{ConnectionId, Family};
use headwater_turn::{AllocateOptions, Client, ClientEvent, Families, RelayPort, RelayTransport};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The client, with the addresses it sent from since somebody looked, and the connections that it was told of.
pub(super) struct Recorded {
    pub(super) client: Client,
    pub(super) sent_from: Vec<SocketAddr>,
    connections: Vec<ConnectionId>,
}

impl Recorded {
    pub(super) fn new(kind: u8, now: Instant) -> Self {
        let client = Client::new(setups::client(kind), [3; 32], now).expect("a valid config");
        Self { client, sent_from: Vec::new(), connections: Vec::new() }
    }
}

impl World {
    pub(super) fn command(&mut self, input: &mut Input<'_>) {
        let (choice, flags, now) = (input.byte(), input.byte(), self.now);
        let client = &mut self.client.client;
        let _ = match choice % 8 {
            0..4 => client.allocate(now, options(choice, flags, input, &self.known.tokens)),
            4 => {
                let local = SocketAddr::new(self.local.ip(), flags.into());
                client.move_to(now, local).inspect(|()| self.local = local)
            }
            5 => client.connect(now, address(flags, 9)),
            6 if flags > 200 => {
                client.handle_disconnect();
                self.server.server.client_closed(now, self.five_tuple(self.local));
                Ok(())
            }
            6 => {
                let known = nth(&self.client.connections, flags).copied();
                let connection = known.unwrap_or_else(|| ConnectionId(flags.into()));
                // Each data connection has a port of its own.
                let local = SocketAddr::new(self.local.ip(), 77 + u16::from(flags >> 4));
                client.bind_connection(now, local, connection)
            }
            _ => {
                client.close(now);
                Ok(())
            }
        };
    }

    pub(super) fn want(&mut self, input: &mut Input<'_>) {
        let (choice, host) = (input.byte(), input.byte());
        self.wants(choice & 3, address(host, u16::from(choice >> 2) + 1));
    }

    fn wants(&mut self, choice: u8, peer: SocketAddr) {
        let (now, client) = (self.now, &mut self.client.client);
        let _ = match choice {
            0 => client.permit(now, peer.ip()),
            1 => client.bind_channel(now, peer),
            2 => {
                client.forget(peer.ip());
                Ok(())
            }
            _ => {
                client.unbind_channel(peer);
                Ok(())
            }
        };
    }

    /// Any of the peers, those that nobody may talk to among them.
    pub(super) fn reach(&mut self, input: &mut Input<'_>) {
        let (choice, peer) = (input.byte(), peer(input));
        match choice % 6 {
            4 => drop(self.client.client.connect(self.now, peer)),
            // More than any message holds, now and then.
            5 if choice > 250 => self.send(peer, &[7; 70_000]),
            5 => self.send(peer, input.chunk()),
            choice => self.wants(choice, peer),
        }
    }

    pub(super) fn data(&mut self, input: &mut Input<'_>) {
        let (host, port) = (input.byte(), u16::from(input.byte()) + 1);
        self.send(address(host, port), input.chunk());
    }

    /// The client sends to a peer; what arrives at the server is what was sent.
    fn send(&mut self, peer: SocketAddr, data: &[u8]) {
        let mut bytes = Vec::new();
        if let Ok(transmit) = self.client.client.wrap(self.now, peer, data, &mut bytes) {
            assert_eq!(transmit.len, bytes.len());
            if let Some(arrived) = self.server_hears(self.five_tuple(transmit.local), &bytes) {
                assert_eq!(arrived, data);
            }
        } else {
            assert!(bytes.is_empty(), "refused, yet written");
        }
    }

    pub(super) fn client_hears(&mut self, local: SocketAddr, bytes: &[u8]) {
        let client = &mut self.client.client;
        let server = super::world::server_for(local);
        let before = client.poll_timeout();
        match client.handle_datagram(self.now, Datagram::new(self.transport, local, server, bytes)) {
            Ok(Some(from)) => {
                assert!(bytes.as_ptr_range().contains(&from.data.as_ptr()) || from.data.is_empty());
                assert_eq!(client.poll_timeout(), before, "data is nothing to wake up for");
            }
            Ok(None) => {}
            Err(_) => assert_eq!(client.poll_timeout(), before, "refused, yet changed"),
        }
    }
}

fn options(choice: u8, flags: u8, input: &mut Input<'_>, tokens: &[[u8; 8]]) -> AllocateOptions {
    let mut options = AllocateOptions::default();
    options.transport = if flags & 1 == 0 { RelayTransport::Udp } else { RelayTransport::Tcp };
    options.families = match flags >> 1 & 3 {
        0 => Families::Default,
        1 => Families::Only(Family::V6),
        2 => Families::Only(Family::V4),
        _ => Families::Both,
    };
    options.port = match flags >> 3 & 3 {
        0 => RelayPort::Any,
        1 => RelayPort::Even,
        2 => RelayPort::EvenAndNext,
        _ => RelayPort::Reserved(tokens.last().copied().unwrap_or([choice; 8])),
    };
    options.mobility = flags & 32 != 0;
    options.dont_fragment = flags & 64 != 0;
    options.lifetime = (flags & 128 != 0).then(|| Duration::from_secs(input.byte().into()));
    options
}

impl Machine for Recorded {
    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<usize> {
        let transmit = self.client.poll_transmit(now, buf)?;
        self.sent_from.push(transmit.local);
        Some(transmit.len)
    }

    fn poll_event(&mut self) -> bool {
        let Some(event) = self.client.poll_event() else { return false };
        if let ClientEvent::PeerConnected(_, connection) | ClientEvent::Connected(_, connection) = event {
            self.connections.push(connection);
        }
        true
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.client.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.client.handle_timeout(now);
    }
}
