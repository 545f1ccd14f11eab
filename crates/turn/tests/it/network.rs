//! Our client and our server over networks that lose, with a peer that echoes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_netsim::{Endpoint, EndpointId, Link, Nat, NatId, Network, Transmit};
use headwater_stun::{Datagram, Transport};
use headwater_turn::{
    AllocateOptions, Client, ClientConfig, ClientEnd, ClientEvent, Event, PeerPolicy, RelayId, Server,
    ServerConfig, ToPeer,
};

use crate::client::address;

const CLIENT: &str = "192.0.2.9:5000";
const SERVER: &str = "198.51.100.1:3478";
const PEER: &str = "203.0.113.7:7000";
const HOUR: Duration = Duration::from_secs(3600);

type Outgoing = VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>;

/// A client that pings the peer every second.
struct Pinger {
    client: Client,
    next_ping: Instant,
    events: Vec<ClientEvent>,
    pings: usize,
    pongs: usize,
    out: Outgoing,
}

impl Pinger {
    fn ping(&mut self, now: Instant) {
        while self.next_ping <= now {
            self.next_ping += Duration::from_secs(1);
            let mut bytes = Vec::new();
            if let Ok(transmit) = self.client.wrap(now, address(PEER), b"ping", &mut bytes) {
                self.pings += 1;
                self.out.push_back((transmit.local, transmit.remote, bytes));
            }
        }
    }
}

struct Relayer {
    server: Server,
    relays: Vec<(RelayId, SocketAddr)>,
    out: Outgoing,
}

impl Relayer {
    /// Opens and closes relays, on the addresses that the network gave to this host.
    fn serve(&mut self, now: Instant) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::OpenRelay { relay, .. } => {
                    let free = (50_000..50_010).map(|port| SocketAddr::new(address(SERVER).ip(), port));
                    let free = { free }.find(|it| self.relays.iter().all(|(_, taken)| taken != it));
                    let address = free.expect("few allocations");
                    self.relays.push((relay, address));
                    self.server.relay_opened(now, relay, Ok(address));
                }
                Event::CloseRelay { relay } => self.relays.retain(|(it, _)| *it != relay),
                _ => {}
            }
        }
    }
}

enum Host {
    Pinger(Box<Pinger>),
    Relayer(Box<Relayer>),
    Echo(Outgoing),
}

impl Endpoint for Host {
    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, contents: &mut [u8]) {
        let datagram = Datagram::new(Transport::Udp, local, remote, contents);
        match self {
            Self::Pinger(it) => {
                if let Ok(Some(data)) = it.client.handle_datagram(now, datagram) {
                    assert_eq!((data.peer, data.data), (address(PEER), &b"ping"[..]));
                    it.pongs += 1;
                }
                it.events.extend(std::iter::from_fn(|| it.client.poll_event()));
            }
            Self::Relayer(it) => {
                match it.relays.iter().find(|(_, address)| *address == local) {
                    Some((relay, _)) => {
                        let mut bytes = Vec::new();
                        if let Ok(to) = it.server.handle_peer_data(now, *relay, remote, contents, &mut bytes)
                        {
                            it.out.push_back((to.local, to.remote, bytes));
                        }
                    }
                    None => {
                        if let Ok(Some(ToPeer { relay, peer, data, .. })) =
                            it.server.handle_datagram(now, datagram)
                        {
                            let from =
                                it.relays.iter().find(|(id, _)| *id == relay).expect("an open relay").1;
                            it.out.push_back((from, peer, data.to_vec()));
                        }
                    }
                }
                it.serve(now);
            }
            Self::Echo(out) => out.push_back((local, remote, contents.to_vec())),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Pinger(it) => {
                it.client.handle_timeout(now);
                it.events.extend(std::iter::from_fn(|| it.client.poll_event()));
                it.ping(now);
            }
            Self::Relayer(it) => {
                it.server.handle_timeout(now);
                it.serve(now);
            }
            Self::Echo(_) => {}
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        let (out, transmit) = match self {
            Self::Pinger(it) => (&mut it.out, it.client.poll_transmit(now, buf)),
            Self::Relayer(it) => (&mut it.out, it.server.poll_transmit(now, buf)),
            Self::Echo(out) => (out, None),
        };
        if let Some(transmit) = transmit {
            return Some(Transmit::new(transmit.local, transmit.remote, transmit.len));
        }
        let (local, remote, bytes) = out.pop_front()?;
        buf.extend_from_slice(&bytes);
        Some(Transmit::new(local, remote, bytes.len()))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Pinger(it) => {
                Some(it.client.poll_timeout().map_or(it.next_ping, |due| due.min(it.next_ping)))
            }
            Self::Relayer(it) => it.server.poll_timeout(),
            Self::Echo(_) => None,
        }
    }
}

struct World {
    network: Network<Host>,
    client: EndpointId,
    server: EndpointId,
    nat: NatId,
}

impl World {
    fn new(link: Link, seed: u8, options: AllocateOptions) -> Self {
        let mut network = Network::new().link(link).seed(seed.into());
        let now = network.now();
        let mut config = ServerConfig::new("example.org", [7; 32]);
        config.users.insert("matrix".to_owned(), "secret".to_owned());
        config.peers = PeerPolicy::public().allow("203.0.113.0/24".parse().expect("a network"));
        let server = Server::new(config, [seed; 32], now, HOUR).expect("a valid config");
        let config = ClientConfig::new(Transport::Udp, address(CLIENT), address(SERVER));
        let config = config.with_credentials("matrix", "secret");
        let mut client = Client::new(config, [seed ^ 0xFF; 32], now).expect("a valid config");
        client.allocate(now, options).expect("idle");

        let relays = (50_000..50_010).map(|port| SocketAddr::new(address(SERVER).ip(), port));
        let addresses: Vec<_> = std::iter::once(address(SERVER)).chain(relays).collect();
        let relayer = Relayer { server, relays: Vec::new(), out: Outgoing::new() };
        let pinger =
            Pinger { client, next_ping: now, events: Vec::new(), pings: 0, pongs: 0, out: Outgoing::new() };
        let server = network.add(Host::Relayer(Box::new(relayer)), &addresses);
        let nat = network.add_nat(Nat::endpoint_independent("203.0.113.200".parse().expect("an IP")));
        let client = network.add_behind(nat, Host::Pinger(Box::new(pinger)), &[address(CLIENT)]);
        network.add(Host::Echo(Outgoing::new()), &[address(PEER)]);
        Self { network, client, server, nat }
    }

    fn pinger(&mut self) -> &mut Pinger {
        match self.network.get_mut(self.client) {
            Host::Pinger(it) => it,
            _ => unreachable!("that is the client's place"),
        }
    }

    fn server(&mut self) -> &Server {
        match self.network.get_mut(self.server) {
            Host::Relayer(it) => &it.server,
            _ => unreachable!("that is the server's place"),
        }
    }

    fn say(&mut self, command: impl FnOnce(&mut Client, Instant)) {
        let now = self.network.now();
        command(&mut self.pinger().client, now);
        self.network.drain();
    }

    /// Pings and pongs of the next minute.
    fn minute(&mut self) -> (usize, usize) {
        let before = (self.pinger().pings, self.pinger().pongs);
        self.network.advance(Duration::from_secs(60));
        (self.pinger().pings - before.0, self.pinger().pongs - before.1)
    }
}

#[test]
fn data_flows_by_indications_and_by_a_channel() {
    let mut world = World::new(Link::default(), 1, AllocateOptions::default());
    world.say(|client, now| client.permit(now, address(PEER).ip()).expect("under way"));
    world.network.advance(Duration::from_secs(5));
    let (pings, pongs) = world.minute();
    assert_eq!((pings, pongs), (60, 60));
    world.say(|client, now| client.bind_channel(now, address(PEER)).expect("allocated"));
    assert_eq!(world.minute(), (60, 60));
    let events = &world.pinger().events;
    assert!(
        matches!(
            events[..],
            [ClientEvent::Allocated { .. }, ClientEvent::Permitted(_), ClientEvent::ChannelBound(_)]
        ),
        "{events:?}"
    );
    world.say(|client, now| client.close(now));
    world.network.advance(Duration::from_secs(1));
    assert_eq!(world.pinger().events.last(), Some(&ClientEvent::Ended(ClientEnd::Closed)));
    assert!(world.server().is_empty());
}

#[test]
fn loss_does_not_end_it() {
    for seed in 0..8 {
        let mut world =
            World::new(Link::default().loss(0.2).duplicate(0.1), seed, AllocateOptions::default());
        world.say(|client, now| client.permit(now, address(PEER).ip()).expect("under way"));
        world.say(|client, now| client.bind_channel(now, address(PEER)).expect("under way"));
        // Nonces of the server go stale meanwhile, and all that it knows is renewed many times.
        world.network.advance(2 * HOUR);
        let (pings, pongs) = world.minute();
        let events = world.pinger().events.clone();
        assert!(pings == 60 && pongs > 5, "seed {seed}: {pings} pings, {pongs} pongs, {events:?}");
        assert_eq!(world.server().allocations(), 1);
        assert_eq!(events.len(), 3, "seed {seed}: {events:?}");
    }
}

#[test]
fn a_client_that_moves_takes_its_allocation_along() {
    let mut options = AllocateOptions::default();
    options.mobility = true;
    let mut world = World::new(Link::default().loss(0.1), 3, options);
    world.say(|client, now| client.bind_channel(now, address(PEER)).expect("under way"));
    world.network.advance(Duration::from_secs(60));
    assert!(world.pinger().pongs > 20);
    for elsewhere in ["192.0.2.200:6000", "192.0.2.201:6001"] {
        let id = world.client;
        world.network.set_addresses(id, &[address(elsewhere)]);
        world.say(|client, now| client.move_to(now, address(elsewhere)).expect("there is a ticket"));
        world.network.advance(Duration::from_secs(40));
        let (pings, pongs) = world.minute();
        assert!(pings == 60 && pongs > 20, "{elsewhere}: {pings} pings, {pongs} pongs");
        assert_eq!(world.pinger().events.last(), Some(&ClientEvent::Moved));
        assert_eq!(world.server().allocations(), 1);
    }
}

#[test]
fn a_nat_that_changes_our_address_is_noticed_at_the_next_renewal_or_when_the_owner_says_so() {
    for told in [false, true] {
        let mut options = AllocateOptions::default();
        options.mobility = true;
        let mut world = World::new(Link::default(), 5, options);
        world.say(|client, now| client.bind_channel(now, address(PEER)).expect("under way"));
        world.network.advance(Duration::from_secs(5));
        assert_eq!(world.minute().1, 60);
        let nat = world.nat;
        world.network.rebind(nat);
        assert_eq!(world.minute().1, 0, "nobody hears us");
        if told {
            world.say(|client, now| client.move_to(now, address(CLIENT)).expect("there is a ticket"));
        } else {
            world.network.advance(Duration::from_secs(80));
        }
        world.network.advance(Duration::from_secs(1));
        assert_eq!(world.minute().1, 60, "told: {told}");
        assert_eq!(world.pinger().events.last(), Some(&ClientEvent::Moved));
    }
}

#[test]
fn a_server_that_vanishes_is_noticed() {
    let mut world = World::new(Link::default(), 4, AllocateOptions::default());
    world.network.advance(Duration::from_secs(5));
    world.network.set_link(Link::broken());
    world.network.advance(Duration::from_secs(600));
    assert!(matches!(
        world.pinger().events[..],
        [ClientEvent::Allocated { .. }, ClientEvent::Ended(ClientEnd::Lost(_))]
    ));
}
