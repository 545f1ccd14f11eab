//! Two peers, or a peer and a server, each in its surroundings, and the signalling between them.

use crate::service::{RELAY_PORTS, Service};
use crate::{Node, Peer, Reached, Server, Surroundings};
use headwater_ice::{CandidateKind, Credentials, Role};
use headwater_netsim::{EndpointId, Firewall, Link, Nat, NatId, Network};
use headwater_stun::Transport;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Time of a packet from one to another; what is relayed takes it twice.
pub const LATENCY: Duration = Duration::from_millis(20);

/// How often media is sent, and signalling looked after, while time passes.
const MEDIA_INTERVAL: Duration = Duration::from_millis(20);

/// Where STUN and TURN are for UDP.
pub(crate) const SERVICE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 3478);
/// Where they are for TCP.
pub(crate) const SERVICE_TCP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 443);
/// Who may be spoken to through relays: the world's public addresses, and no private ones.
pub(crate) const PUBLIC: &[&str] = &["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"];
/// Where the media server is, for UDP and TCP.
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)), 443);

/// The controlling side.
pub const FIRST: usize = 0;
/// The controlled side.
pub const SECOND: usize = 1;

/// The network, and who is in it.
#[derive(Debug)]
pub struct World {
    /// The network.
    pub net: Network<Node>,
    /// The sides.
    pub sides: [EndpointId; 2],
    /// Their NATs.
    pub nats: [Option<NatId>; 2],
}

pub(crate) fn credentials(name: u8) -> Credentials {
    Credentials::generate([name; 32], &format!("peer{name}"))
}

impl World {
    /// Two peers, each in surroundings of its own.
    #[must_use]
    pub fn apart(first: Surroundings, second: Surroundings, relays: bool) -> Self {
        let mut net = Self::network(relays);
        let public = ["203.0.113.1", "198.51.100.1"].map(|it| it.parse::<IpAddr>().expect("an address"));
        let mut nats = [None; 2];
        let mut sides = Vec::new();
        for (index, surroundings) in [first, second].into_iter().enumerate() {
            let nat = surroundings.nat(public[index]);
            let ip = if nat.is_some() { IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)) } else { public[index] };
            nats[index] = nat.map(|it| net.add_nat(it));
            sides.push(Self::add_peer(&mut net, index, nats[index], ip));
        }
        Self { net, sides: [sides[0], sides[1]], nats }.signalled()
    }

    /// Two peers behind the same NAT.
    #[must_use]
    pub fn together(nat: Nat, relays: bool) -> Self {
        let mut net = Self::network(relays);
        let nat = net.add_nat(nat);
        let sides = [0, 1].map(|it| {
            Self::add_peer(&mut net, usize::from(it), Some(nat), Ipv4Addr::new(10, 0, 0, 2 + it).into())
        });
        Self { net, sides, nats: [Some(nat); 2] }.signalled()
    }

    /// Two peers, each behind a home router that filters by port, and both routers behind a carrier's NAT.
    #[must_use]
    pub fn at_carrier(nat: Nat) -> Self {
        let mut net = Self::network(true);
        let carrier = net.add_nat(nat);
        let homes = [7, 8].map(|it| {
            let home = Nat::port_restricted(Ipv4Addr::new(100, 64, 0, it).into());
            net.add_nat_behind(carrier, home)
        });
        let inside = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
        let sides = [FIRST, SECOND].map(|it| Self::add_peer(&mut net, it, Some(homes[it]), inside));
        Self { net, sides, nats: homes.map(Some) }.signalled()
    }

    /// Two peers with IPv6 alone, each behind a firewall that lets in answers only. They have no service.
    #[must_use]
    pub fn behind_firewalls() -> Self {
        let mut net = Self::network(false);
        let walls = [FIRST, SECOND].map(|_| net.add_firewall(Firewall::default()));
        let sides = [FIRST, SECOND].map(|it| {
            let ip = Ipv6Addr::new(0x2001, 0xdb8, it as u16, 0, 0, 0, 0, 1);
            Self::add_peer(&mut net, it, Some(walls[it]), ip.into())
        });
        Self { net, sides, nats: walls.map(Some) }.signalled()
    }

    /// A viewer and a media server with a public address, which is reached over UDP, and over TCP if it `has_tcp`.
    #[must_use]
    pub fn with_server(viewer: Surroundings, has_tcp: bool) -> Self {
        let mut net = Self::network(true);
        let public = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
        let nat = viewer.nat(public);
        let ip = if nat.is_some() { IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)) } else { public };
        let nat = nat.map(|it| net.add_nat(it));
        let viewer = Self::add_peer(&mut net, 0, nat, ip);
        let server = Server::new(SERVER, credentials(2), credentials(1), net.now());
        let candidates = server.candidates();
        let server = net.add(Node::Server(Box::new(server)), &[SERVER]);
        let mut this = Self { net, sides: [viewer, server], nats: [nat, None] };
        let peer = this.peer_mut(FIRST);
        peer.agent().set_remote_is_lite();
        peer.agent().set_remote_credentials(credentials(2)).expect("valid credentials");
        candidates.into_iter().take(1 + usize::from(has_tcp)).for_each(|it| peer.learn(it));
        peer.agent().end_of_remote_candidates();
        this
    }

    fn network(relays: bool) -> Network<Node> {
        let mut net = Network::new().link(Link::default().latency(LATENCY)).seed(1);
        let service = Service::new(&[SERVICE, SERVICE_TCP], relays, PUBLIC, net.now());
        let mut addresses = vec![SERVICE, SERVICE_TCP];
        addresses.extend(RELAY_PORTS.map(|port| SocketAddr::new(SERVICE.ip(), port)));
        net.add(Node::Service(Box::new(service)), &addresses);
        net
    }

    fn add_peer(net: &mut Network<Node>, index: usize, nat: Option<NatId>, ip: IpAddr) -> EndpointId {
        let host = SocketAddr::new(ip, 5000);
        let (name, role) = if index == 0 { (1, Role::Controlling) } else { (2, Role::Controlled) };
        let peer = Node::Peer(Box::new(Peer::new(
            credentials(name),
            role,
            name,
            host,
            [SERVICE, SERVICE_TCP],
            net.now(),
        )));
        match nat {
            Some(nat) => net.add_behind(nat, peer, &[host]),
            None => net.add(peer, &[host]),
        }
    }

    fn signalled(mut self) -> Self {
        for (side, other) in [(FIRST, 2), (SECOND, 1)] {
            self.peer_mut(side)
                .agent()
                .set_remote_credentials(credentials(other))
                .expect("valid credentials");
        }
        self
    }

    /// The peer of a side.
    ///
    /// # Panics
    /// If there is a server.
    #[must_use]
    pub fn peer(&self, side: usize) -> &Peer {
        match &self.net[self.sides[side]] {
            Node::Peer(it) => it,
            other => panic!("no peer: {other:?}"),
        }
    }

    /// The peer of a side.
    ///
    /// # Panics
    /// If there is a server.
    pub fn peer_mut(&mut self, side: usize) -> &mut Peer {
        match self.net.get_mut(self.sides[side]) {
            Node::Peer(it) => it,
            other => panic!("no peer: {other:?}"),
        }
    }

    /// The server.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn server(&self) -> &Server {
        match &self.net[self.sides[1]] {
            Node::Server(it) => it,
            other => panic!("no server: {other:?}"),
        }
    }

    /// The server.
    ///
    /// # Panics
    /// If there is none.
    pub fn server_mut(&mut self) -> &mut Server {
        match self.net.get_mut(self.sides[1]) {
            Node::Server(it) => it,
            other => panic!("no server: {other:?}"),
        }
    }

    /// Runs until both sides have the path that they keep, and returns how long that took since the start, or `None`
    /// if one of them gives up.
    pub fn connect(&mut self) -> Option<Duration> {
        let sides = self.sides;
        let mut failed = false;
        self.net.run_until(|net| {
            signal(net, sides);
            failed = sides.iter().any(|it| matches!(&net[*it], Node::Peer(it) if it.has_failed()));
            failed || is_settled(net, sides)
        });
        (!failed).then(|| self.net.elapsed())
    }

    /// Restarts ICE on both sides (two peers), with credentials that both know.
    ///
    /// # Panics
    /// If one of them has given up already.
    pub fn restart(&mut self) {
        let now = self.net.now();
        for (side, name) in [(FIRST, 3), (SECOND, 4)] {
            self.peer_mut(side).restart(now, credentials(name));
        }
        for (side, name) in [(FIRST, 4), (SECOND, 3)] {
            self.peer_mut(side).agent().set_remote_credentials(credentials(name)).expect("valid credentials");
        }
    }

    /// Lets time pass; both sides send media, and go on signalling candidates.
    pub fn advance(&mut self, duration: Duration) {
        let end = self.net.now() + duration;
        while self.net.now() < end {
            self.send_media(FIRST);
            self.send_media(SECOND);
            self.net.advance((end - self.net.now()).min(MEDIA_INTERVAL));
            signal(&mut self.net, self.sides);
        }
    }

    /// Sends media in both directions until each side has got some, and returns how long that took, or `None` if it
    /// takes longer than `within`, or one has no path to send along any more.
    pub fn exchange_media(&mut self, within: Duration) -> Option<Duration> {
        self.net.advance(5 * LATENCY); // What is under way doesn't count.
        let start = self.net.now();
        let before = [self.media(FIRST), self.media(SECOND)];
        while self.media(FIRST) == before[0] || self.media(SECOND) == before[1] {
            if self.net.now() - start >= within {
                return None;
            }
            self.advance(MEDIA_INTERVAL);
        }
        Some(self.net.now() - start)
    }

    /// How media gets to the first side and to the second one.
    #[must_use]
    pub fn reached(&self) -> [Option<Reached>; 2] {
        match &self.net[self.sides[SECOND]] {
            Node::Peer(second) => {
                let (first, second) = (self.peer(FIRST), second.as_ref());
                [(first, second), (second, first)].map(|(one, other)| {
                    let over_tcp = one.relays_over() == Some(Transport::Tcp);
                    other.reaches().map(|it| Reached {
                        over_tcp: it.over_tcp || (it.kind == CandidateKind::Relayed && over_tcp),
                        ..it
                    })
                })
            }
            _ => [None, self.peer(FIRST).reaches()],
        }
    }

    fn media(&self, side: usize) -> usize {
        match &self.net[self.sides[side]] {
            Node::Peer(it) => it.media(),
            Node::Server(it) => it.media(),
            Node::Service(_) => 0,
        }
    }

    fn send_media(&mut self, side: usize) {
        let now = self.net.now();
        match self.net.get_mut(self.sides[side]) {
            Node::Peer(it) => it.send_media(now),
            Node::Server(it) => it.send_media(),
            Node::Service(_) => {}
        }
    }
}

/// Carries new candidates to the other side.
fn signal(net: &mut Network<Node>, sides: [EndpointId; 2]) {
    for (from, to) in [(sides[0], sides[1]), (sides[1], sides[0])] {
        while matches!(&net[from], Node::Peer(it) if it.has_to_signal()) {
            let Node::Peer(peer) = net.get_mut(from) else { return };
            let Some(candidate) = peer.poll_signal() else { return };
            if let Node::Peer(other) = net.get_mut(to) {
                other.learn(candidate);
            }
        }
    }
}

fn is_settled(net: &Network<Node>, sides: [EndpointId; 2]) -> bool {
    sides.iter().all(|it| match &net[*it] {
        Node::Peer(it) => it.selected_path().is_some() && it.is_nominated(),
        Node::Server(it) => it.selected_path().is_some(),
        Node::Service(_) => true,
    })
}
