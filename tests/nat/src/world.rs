//! Two peers, or a peer and a server, each in its surroundings, and the signalling between them.

use crate::{Node, Peer, Reached, Server, Surroundings};
use headwater_ice::{Credentials, Role};
use headwater_netsim::{EndpointId, Link, Nat, NatId, Network};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Time of a packet from one to another; what is relayed takes it twice.
pub const LATENCY: Duration = Duration::from_millis(20);

/// How often signalling is looked after while time passes.
const SIGNALLING_INTERVAL: Duration = Duration::from_millis(20);

/// Where STUN and TURN are for UDP.
const SERVICE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 3478);
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

fn credentials(name: u8) -> Credentials {
    Credentials::generate([name; 32], &format!("peer{name}"))
}

impl World {
    /// Two peers, each in surroundings of its own.
    #[must_use]
    pub fn apart(first: Surroundings, second: Surroundings) -> Self {
        let mut net = Self::network();
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
    pub fn together(nat: Nat) -> Self {
        let mut net = Self::network();
        let nat = net.add_nat(nat);
        let sides = [0, 1].map(|it| {
            Self::add_peer(&mut net, usize::from(it), Some(nat), Ipv4Addr::new(10, 0, 0, 2 + it).into())
        });
        Self { net, sides, nats: [Some(nat); 2] }.signalled()
    }

    /// A viewer and a media server with a public address.
    #[must_use]
    pub fn with_server(viewer: Surroundings) -> Self {
        let mut net = Self::network();
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
        candidates.into_iter().for_each(|it| peer.learn(it));
        peer.agent().end_of_remote_candidates();
        this
    }

    fn network() -> Network<Node> {
        let mut net = Network::new().link(Link::default().latency(LATENCY)).seed(1);
        net.add(Node::Service(Box::default()), &[SERVICE]);
        net
    }

    fn add_peer(net: &mut Network<Node>, index: usize, nat: Option<NatId>, ip: IpAddr) -> EndpointId {
        let host = SocketAddr::new(ip, 5000);
        let (name, role) = if index == 0 { (1, Role::Controlling) } else { (2, Role::Controlled) };
        let peer = Node::Peer(Box::new(Peer::new(credentials(name), role, name, host, SERVICE, net.now())));
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

    /// Lets time pass; candidates go on being signalled.
    pub fn advance(&mut self, duration: Duration) {
        let end = self.net.now() + duration;
        while self.net.now() < end {
            self.net.advance((end - self.net.now()).min(SIGNALLING_INTERVAL));
            signal(&mut self.net, self.sides);
        }
    }

    /// Runs until both sides get what the other one sends, and returns how long that took, or `None` if that
    /// does not happen in time.
    pub fn exchange_media(&mut self, within: Duration) -> Option<Duration> {
        let start = self.net.now();
        let before = [self.media(FIRST), self.media(SECOND)];
        while self.media(FIRST) == before[0] || self.media(SECOND) == before[1] {
            if self.net.now() - start >= within {
                return None;
            }
            for side in [FIRST, SECOND] {
                self.send_media(side);
            }
            self.advance(SIGNALLING_INTERVAL);
        }
        Some(self.net.now() - start)
    }

    /// How media gets to the first side and to the second one.
    #[must_use]
    pub fn reached(&self) -> [Option<Reached>; 2] {
        match &self.net[self.sides[SECOND]] {
            Node::Peer(second) => [second.reaches(), self.peer(FIRST).reaches()],
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
        match self.net.get_mut(self.sides[side]) {
            Node::Peer(it) => it.send_media(),
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
