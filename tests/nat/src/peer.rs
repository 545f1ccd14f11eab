//! A client as browsers have it: an agent, its gathering, and its sockets.

use crate::Reached;
use crate::relay::{Allocated, Came, Relay};
use headwater_ice::{Agent, AgentConfig, Candidate, CandidateKind, Credentials, Event, Path, Role, TcpType};
use headwater_netsim::{Endpoint, Outgoing, StreamEvent, Transmit};
use headwater_stun::{Datagram, Transport};
use std::collections::VecDeque;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// So long a relay may bring nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// Connections leave from the ports behind this one.
const FIRST_TCP_PORT: u16 = 6000;

/// A connection that the agent has asked for.
#[derive(Debug)]
struct Connection {
    /// As it was asked for: from port 9.
    asked: Path,
    /// As it is.
    path: Path,
    is_open: bool,
}

/// A client.
#[derive(Debug)]
pub struct Peer {
    agent: Agent,
    stun: headwater_stun::Client,
    /// Its socket for UDP.
    host: SocketAddr,
    /// Where STUN and TURN are, over UDP and over TCP.
    services: [SocketAddr; 2],
    /// Over UDP and over TCP.
    relays: [Relay; 2],
    /// How many TURN clients it ever had; each has a seed of its own.
    clients: u8,
    /// When media came last, and when a relay was told that our address may have changed.
    heard: Instant,
    followed: Instant,
    /// Those of ICE.
    connections: Vec<Connection>,
    next_port: u16,
    to_signal: VecDeque<Candidate>,
    /// What the other side has signalled.
    learned: Vec<Candidate>,
    events: Vec<Event>,
    media: usize,
    outgoing: VecDeque<(Outgoing, Vec<u8>)>,
}

impl Peer {
    /// A peer that begins to gather.
    ///
    /// # Panics
    /// If the credentials are invalid.
    #[must_use]
    pub fn new(
        credentials: Credentials,
        role: Role,
        seed: u8,
        host: SocketAddr,
        services: [SocketAddr; 2],
        now: Instant,
    ) -> Self {
        let config = AgentConfig::new(credentials, role);
        let agent = Agent::new(config, [seed; 32], now).expect("valid credentials");
        let config = headwater_stun::ClientConfig::default();
        let stun =
            headwater_stun::Client::new(config, [seed + 100; 32], now).expect("the defaults are valid");
        let relay = |transport, remote, number| Relay::new(now, transport, host, remote, 100 * seed + number);
        let relays = [relay(Transport::Udp, services[0], 1), relay(Transport::Tcp, services[1], 2)];
        let mut this = Self {
            agent,
            stun,
            host,
            services,
            relays,
            clients: 2,
            heard: now,
            followed: now,
            connections: Vec::new(),
            next_port: FIRST_TCP_PORT,
            to_signal: VecDeque::new(),
            learned: Vec::new(),
            events: Vec::new(),
            media: 0,
            outgoing: VecDeque::new(),
        };
        this.gather(now);
        this.relays[0].allocate(now);
        this.allocate_over_tcp(now);
        this
    }

    /// Begins anew: other credentials, and all candidates again (RFC 8445 §9).
    ///
    /// # Panics
    /// If the agent has closed.
    pub fn restart(&mut self, now: Instant, credentials: Credentials) {
        self.agent.restart(now, credentials).expect("an open agent");
        self.learned.clear();
        self.gather(now);
        self.relays[0].follow(now);
        let allocated =
            self.relays.each_ref().map(|it| it.allocated().map(|allocated| (it.transport, allocated)));
        for (transport, allocated) in allocated.into_iter().flatten() {
            self.found(relayed_candidate(self.services[0].ip(), transport, allocated));
        }
    }

    fn gather(&mut self, now: Instant) {
        self.found(Candidate::host(self.host));
        self.found(Candidate::host(self.host).with_tcp(TcpType::Active));
        self.stun.binding(now, Transport::Udp, self.host, self.services[0]).expect("few at once");
    }

    fn fresh_local(&mut self) -> SocketAddr {
        self.next_port += 1;
        SocketAddr::new(self.host.ip(), self.next_port)
    }

    /// Its agent.
    pub fn agent(&mut self) -> &mut Agent {
        &mut self.agent
    }

    /// Signals no host candidates, as browsers hide theirs behind names that don't resolve elsewhere.
    pub fn hide_hosts(&mut self) {
        self.to_signal.retain(|it| it.kind != CandidateKind::Host);
    }

    /// Whether there are candidates to be signalled.
    #[must_use]
    pub fn has_to_signal(&self) -> bool {
        !self.to_signal.is_empty()
    }

    /// The next candidate for the other side.
    pub fn poll_signal(&mut self) -> Option<Candidate> {
        self.to_signal.pop_front()
    }

    /// Takes a candidate of the other side.
    ///
    /// # Panics
    /// If there are too many.
    pub fn learn(&mut self, candidate: Candidate) {
        self.agent.add_remote_candidate(candidate.clone()).expect("few candidates");
        self.learned.push(candidate);
    }

    /// Where media goes.
    #[must_use]
    pub const fn selected_path(&self) -> Option<Path> {
        self.agent.selected_path()
    }

    /// Whether the selected path is nominated.
    #[must_use]
    pub const fn is_nominated(&self) -> bool {
        self.agent.is_nominated()
    }

    /// Whether the agent has given up.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.events.iter().any(|it| matches!(it, Event::Failed | Event::Closed { .. }))
    }

    /// How the other side is reached on the selected path.
    #[must_use]
    pub fn reaches(&self) -> Option<Reached> {
        let path = self.agent.selected_path()?;
        let is_it = |it: &&Candidate| {
            it.socket_addr() == Some(path.remote)
                && (it.transport == Transport::Tcp) == (path.transport == Transport::Tcp)
        };
        let kind = self.learned.iter().find(is_it).map_or(CandidateKind::PeerReflexive, |it| it.kind);
        Some(Reached { kind, over_tcp: path.transport == Transport::Tcp })
    }

    /// Over what the relay is spoken to that our media goes through, if it goes through one.
    #[must_use]
    pub fn relays_over(&self) -> Option<Transport> {
        let local = self.agent.selected_path()?.local;
        self.relays.iter().find(|it| it.is_at(local)).map(|it| it.transport)
    }

    /// How much media came.
    #[must_use]
    pub const fn media(&self) -> usize {
        self.media
    }

    /// Sends media along the selected path, if there is one now. Where a relay carries it and nothing comes back, the
    /// NAT before us may have been rebound, and the relay is told.
    pub fn send_media(&mut self, now: Instant) {
        let Some(path) = self.agent.selected_path() else { return };
        self.send(now, path, b"\x80media".to_vec());
        if self.relays_over() == Some(Transport::Udp) && now >= self.heard.max(self.followed) + PATIENCE {
            self.followed = now;
            self.relays[0].follow(now);
        }
    }

    fn found(&mut self, candidate: Candidate) {
        self.agent.add_local_candidate(candidate.clone()).expect("few candidates");
        self.to_signal.push_back(candidate);
    }

    /// Sends something of the agent's or of the media's.
    fn send(&mut self, now: Instant, path: Path, contents: Vec<u8>) {
        match self.relays.iter_mut().find(|it| it.is_at(path.local)) {
            Some(relay) => relay.send(now, path.remote, contents),
            None if path.local.ip() == self.host.ip() => self.send_directly(path, contents),
            None => {} // Through a relay that is gone.
        }
    }

    fn send_directly(&mut self, path: Path, contents: Vec<u8>) {
        let transmit = Transmit::new(path.local, path.remote, contents.len());
        let outgoing = match path.transport {
            Transport::Tcp => Outgoing::Message(transmit),
            _ => Outgoing::Datagram(transmit),
        };
        self.outgoing.push_back((outgoing, contents));
    }

    /// Opens a connection that the agent asks for.
    fn connect(&mut self, asked: Path) {
        let local = self.fresh_local();
        let path = Path::new(Transport::Tcp, local, asked.remote);
        self.connections.push(Connection { asked, path, is_open: false });
        self.outgoing.push_back((Outgoing::Connect { local, remote: asked.remote }, Vec::new()));
    }

    /// With its connection an allocation is gone, and with it all paths that led through it.
    fn relay_closed(&mut self, now: Instant) {
        if let Some(Allocated { relayed, .. }) = self.relays[1].allocated() {
            let signalled = self.learned.iter().filter_map(Candidate::socket_addr);
            let found = self.events.iter().filter_map(|it| match it {
                Event::Validated(path) if path.local == relayed => Some(path.remote),
                _ => None,
            });
            for remote in signalled.chain(found) {
                self.agent.path_closed(now, &Path::new(Transport::Udp, relayed, remote));
            }
        }
        self.allocate_over_tcp(now);
    }

    fn allocate_over_tcp(&mut self, now: Instant) {
        let local = self.fresh_local();
        self.clients = self.clients.wrapping_add(1);
        self.relays[1] = Relay::new(now, Transport::Tcp, local, self.services[1], self.clients);
        self.relays[1].allocate(now);
        let remote = self.services[1];
        self.outgoing.push_back((Outgoing::Connect { local, remote }, Vec::new()));
    }

    fn close(&mut self, path: Path) {
        let is_meant = |it: &Connection| it.path == path || (!it.is_open && it.asked == path);
        let Some(index) = self.connections.iter().position(is_meant) else { return };
        let Path { local, remote, .. } = self.connections.swap_remove(index).path;
        self.outgoing.push_back((Outgoing::Close { local, remote }, Vec::new()));
    }

    /// Takes what came from a TURN server. Returns `false` if it came from elsewhere.
    fn take_relayed(&mut self, now: Instant, path: Path, contents: &[u8]) -> bool {
        let is_from = |it: &&mut Relay| it.is_from(path);
        let Some(relay) = self.relays.iter_mut().find(is_from) else { return false };
        let transport = relay.transport;
        match (relay.handle(now, contents), relay.allocated()) {
            (Came::Allocated(allocated), _) => {
                self.found(relayed_candidate(self.services[0].ip(), transport, allocated));
            }
            (Came::Data { peer, contents }, Some(Allocated { relayed, .. })) => {
                self.take(now, Path::new(Transport::Udp, relayed, peer), &contents);
            }
            _ => {}
        }
        self.poll_events();
        true
    }

    /// Takes what came along a path, directly or through a relay.
    fn take(&mut self, now: Instant, path: Path, contents: &[u8]) {
        match contents.first() {
            Some(0..=3) => {
                let datagram = Datagram::new(path.transport, path.local, path.remote, contents);
                // Checks come before the credentials, and twice: no business of this test.
                let _refused = self.agent.handle_datagram(now, datagram);
            }
            _ if self.agent.is_validated(&path) => {
                self.agent.note_received(now, &path);
                (self.media, self.heard) = (self.media + 1, now);
            }
            _ => {}
        }
        self.poll_events();
    }

    fn poll_events(&mut self) {
        while let Some(event) = self.stun.poll_event() {
            if let headwater_stun::Event::Mapped { local, mapped, .. } = event
                && mapped != local
            {
                self.found(Candidate::server_reflexive(mapped, local));
            }
        }
        while let Some(event) = self.agent.poll_event() {
            match event {
                Event::Connect(path) => self.connect(path),
                Event::Removed(path) if path.transport == Transport::Tcp => self.close(path),
                _ => {}
            }
            self.events.push(event);
        }
    }
}

/// Where both transports work, UDP is the better one.
fn relayed_candidate(
    server: IpAddr,
    transport: Transport,
    Allocated { relayed, mapped }: Allocated,
) -> Candidate {
    let preference = if transport == Transport::Tcp { 1 } else { 2 };
    Candidate::relayed(relayed, mapped).with_server(server, transport).with_local_preference(preference)
}

impl Endpoint for Peer {
    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, contents: &mut [u8]) {
        let datagram = Datagram::new(Transport::Udp, local, remote, contents);
        if remote == self.services[0] && self.stun.handle_datagram(now, datagram).is_ok() {
            self.poll_events();
        } else {
            let path = Path::new(Transport::Udp, local, remote);
            if !self.take_relayed(now, path, contents) {
                self.take(now, path, contents);
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.agent.handle_timeout(now);
        self.stun.handle_timeout(now);
        self.relays.iter_mut().for_each(|it| it.handle_timeout(now));
        self.poll_events();
    }

    fn poll_transmit(&mut self, _now: Instant, _buf: &mut Vec<u8>) -> Option<Transmit> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let relays = self.relays.iter().filter_map(Relay::poll_timeout);
        relays.chain(self.agent.poll_timeout()).chain(self.stun.poll_timeout()).min()
    }

    fn poll_outgoing(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Outgoing> {
        let mut contents = Vec::new();
        while let Some(it) = self.agent.poll_transmit(now, &mut contents) {
            self.send(now, Path::new(it.transport, it.local, it.remote), std::mem::take(&mut contents));
        }
        while let Some(it) = self.stun.poll_transmit(now, &mut contents) {
            self.send(now, Path::new(it.transport, it.local, it.remote), std::mem::take(&mut contents));
        }
        for index in 0..self.relays.len() {
            while let Some(contents) = self.relays[index].poll_transmit(now) {
                let Relay { transport, local, server, .. } = self.relays[index];
                self.send_directly(Path::new(transport, local, server), contents);
            }
        }
        self.poll_events();
        let (outgoing, contents) = self.outgoing.pop_front()?;
        buf.extend(contents);
        Some(outgoing)
    }

    fn handle_stream(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, event: StreamEvent<'_>) {
        let path = Path::new(Transport::Tcp, local, remote);
        let index = self.connections.iter().position(|it| it.path == path);
        match event {
            StreamEvent::Message(contents) if self.take_relayed(now, path, contents) => {}
            StreamEvent::Message(contents) => self.take(now, path, contents),
            StreamEvent::Closed(_) if self.relays[1].local == local => self.relay_closed(now),
            StreamEvent::Connected => {
                let Some(connection) = index.and_then(|it| self.connections.get_mut(it)) else { return };
                connection.is_open = true;
                if self.agent.connected(now, &connection.asked, local).is_err() {
                    self.close(path);
                }
            }
            StreamEvent::Closed(_) => {
                // The agent knows it by the name that it asked with until it is open.
                let was_opening = index.map(|it| self.connections.swap_remove(it)).filter(|it| !it.is_open);
                self.agent.path_closed(now, &was_opening.map_or(path, |it| it.asked));
            }
            _ => {}
        }
        self.poll_events();
    }
}
