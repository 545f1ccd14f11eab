//! Our client and our server over connections, without a network between: TCP relays, IPv6, reservations.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_stun::{Datagram, Transport};
use headwater_turn::{
    AllocateOptions, Client, ClientConfig, ClientEvent, ConnectError, Event, Failure, Families, PeerPolicy,
    PortRequest, RelayId, RelayPort, RelayTransport, Server, ServerConfig,
};

use crate::client::address;

const SERVER: &str = "198.51.100.1:3478";
const PEER: &str = "203.0.113.7:7000";

/// A server, and clients that come to it from ports of one host.
struct Together {
    server: Server,
    now: Instant,
    relays: Vec<(RelayId, SocketAddr)>,
    /// What the server's owner is asked to do, but for opening relays.
    asked: Vec<Event>,
}

impl Together {
    fn new() -> Self {
        let now = Instant::now();
        let mut config = ServerConfig::new("example.org", [7; 32]);
        config.users.insert("matrix".to_owned(), "secret".to_owned());
        config.peers = PeerPolicy::public().allow("203.0.113.0/24".parse().expect("a network"));
        let server = Server::new(config, [1; 32], now, Duration::from_secs(1000)).expect("a valid config");
        Self { server, now, relays: Vec::new(), asked: Vec::new() }
    }

    fn client(&self, transport: Transport, port: u16) -> Client {
        let local = SocketAddr::from(([192, 0, 2, 9], port));
        let config = ClientConfig::new(transport, local, address(SERVER));
        let seed = [port.to_be_bytes()[1]; 32];
        Client::new(config.with_credentials("matrix", "secret"), seed, self.now).expect("a valid config")
    }

    /// Carries messages until both have nothing more to say; returns what the client tells.
    fn run(&mut self, client: &mut Client) -> Vec<ClientEvent> {
        let mut bytes = Vec::new();
        for _ in 0..100 {
            bytes.clear();
            if let Some(sent) = client.poll_transmit(self.now, &mut bytes) {
                let datagram = Datagram::new(sent.transport, sent.remote, sent.local, &bytes);
                assert_eq!(self.server.handle_datagram(self.now, datagram), Ok(None));
            } else if let Some(sent) = self.server.poll_transmit(self.now, &mut bytes) {
                let datagram = Datagram::new(sent.transport, sent.remote, sent.local, &bytes);
                assert_eq!(client.handle_datagram(self.now, datagram), Ok(None));
            } else if let Some(event) = self.server.poll_event() {
                self.obey(event);
            } else {
                return std::iter::from_fn(|| client.poll_event()).collect();
            }
        }
        panic!("it doesn't end");
    }

    fn obey(&mut self, event: Event) {
        let Event::OpenRelay { relay, family, port, .. } = event else { return self.asked.push(event) };
        let ip = match family {
            headwater_turn::attribute::Family::V4 => "198.51.100.1",
            headwater_turn::attribute::Family::V6 => "2001:db8::1",
        };
        let number = 50_000 + 10 * u16::try_from(self.relays.len()).expect("few");
        let address = SocketAddr::new(ip.parse().expect("an IP"), number);
        self.relays.push((relay, address));
        if let PortRequest::EvenAndNext(next) = port {
            self.relays.push((next, SocketAddr::new(address.ip(), number + 1)));
        }
        self.server.relay_opened(self.now, relay, Ok(address));
    }
}

fn options(change: impl FnOnce(&mut AllocateOptions)) -> AllocateOptions {
    let mut options = AllocateOptions::default();
    change(&mut options);
    options
}

fn with_tcp_relay() -> (Together, Client) {
    let mut together = Together::new();
    let mut client = together.client(Transport::Tcp, 5000);
    client.allocate(together.now, options(|it| it.transport = RelayTransport::Tcp)).expect("idle");
    client.permit(together.now, address(PEER).ip()).expect("under way");
    let events = together.run(&mut client);
    assert!(matches!(events[..], [ClientEvent::Allocated { .. }, ClientEvent::Permitted(_)]), "{events:?}");
    together.asked.clear();
    (together, client)
}

#[test]
fn a_connection_to_a_peer_is_spliced_with_ours() {
    let (mut together, mut client) = with_tcp_relay();
    client.connect(together.now, address(PEER)).expect("allocated");
    assert!(together.run(&mut client).is_empty(), "the server is connecting");
    let Some(Event::Connect { connection, peer, .. }) = together.asked.pop() else {
        panic!("it is to connect")
    };
    assert_eq!(peer, address(PEER));
    together.server.connected(together.now, connection, Ok(()));
    assert_eq!(together.run(&mut client), [ClientEvent::Connected(peer, connection)]);
    let local = address("192.0.2.9:5001");
    client.bind_connection(together.now, local, connection).expect("allocated");
    assert_eq!(together.run(&mut client), [ClientEvent::ConnectionBound { connection, local }]);
    let spliced = together.asked.iter().any(|it| {
        matches!(it, Event::Splice { client, connection: it }
        if client.remote == local && *it == connection)
    });
    assert!(spliced, "{:?}", together.asked);
}

#[test]
fn a_peer_that_refuses_and_a_peer_that_connects_are_told() {
    let (mut together, mut client) = with_tcp_relay();
    client.connect(together.now, address(PEER)).expect("allocated");
    together.run(&mut client);
    let Some(Event::Connect { connection, .. }) = together.asked.pop() else { panic!("it is to connect") };
    together.server.connected(together.now, connection, Err(ConnectError::Failed));
    let failed = ClientEvent::ConnectFailed(address(PEER), Failure::Refused(447));
    assert_eq!(together.run(&mut client), [failed]);

    let relay = together.relays[0].0;
    let connection = together.server.peer_connected(together.now, relay, address(PEER)).expect("permitted");
    assert_eq!(together.run(&mut client), [ClientEvent::PeerConnected(address(PEER), connection)]);
    let local = address("192.0.2.9:5002");
    client.bind_connection(together.now, local, connection).expect("allocated");
    assert_eq!(together.run(&mut client), [ClientEvent::ConnectionBound { connection, local }]);
}

#[test]
fn a_port_is_even_and_the_next_is_for_who_has_the_token() {
    let mut together = Together::new();
    let mut rtp = together.client(Transport::Udp, 5000);
    rtp.allocate(together.now, options(|it| it.port = RelayPort::EvenAndNext)).expect("idle");
    let events = together.run(&mut rtp);
    let [ClientEvent::Allocated { relayed, token: Some(token), .. }] = events[..] else {
        panic!("{events:?}")
    };
    let mut rtcp = together.client(Transport::Udp, 5001);
    rtcp.allocate(together.now, options(|it| it.port = RelayPort::Reserved(token))).expect("idle");
    let events = together.run(&mut rtcp);
    assert!(
        matches!(events[..], [ClientEvent::Allocated { relayed: next, .. }] if next.port() == relayed.port() + 1),
        "{events:?}"
    );
}

#[test]
fn one_allocation_has_both_families() {
    let mut together = Together::new();
    let mut client = together.client(Transport::Udp, 5000);
    client.allocate(together.now, options(|it| it.families = Families::Both)).expect("idle");
    let events = together.run(&mut client);
    assert!(
        matches!(events[..], [ClientEvent::Allocated { relayed, additional: Some(additional), .. }]
            if relayed.is_ipv4() && additional.is_ipv6()),
        "{events:?}"
    );
}
