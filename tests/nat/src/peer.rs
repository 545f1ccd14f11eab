//! A client as browsers have it: an agent, its gathering, and its sockets.

use headwater_ice::{Agent, AgentConfig, Candidate, CandidateKind, Credentials, Event, Path, Role};
use headwater_netsim::{Endpoint, Outgoing, StreamEvent, Transmit};
use headwater_stun::{Datagram, Transport};
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

/// How media gets to a peer: its candidate, as the other side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    kind: CandidateKind,
    over_tcp: bool,
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            CandidateKind::Host => "host",
            CandidateKind::PeerReflexive => "prflx",
            CandidateKind::ServerReflexive => "srflx",
            _ => "relay",
        };
        write!(f, "{kind}{}", if self.over_tcp { "/tcp" } else { "" })
    }
}

/// A client.
#[derive(Debug)]
pub struct Peer {
    agent: Agent,
    stun: headwater_stun::Client,
    /// Where STUN and TURN are.
    service: SocketAddr,
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
        service: SocketAddr,
        now: Instant,
    ) -> Self {
        let config = AgentConfig::new(credentials, role);
        let agent = Agent::new(config, [seed; 32], now).expect("valid credentials");
        let config = headwater_stun::ClientConfig::default();
        let mut stun =
            headwater_stun::Client::new(config, [seed + 100; 32], now).expect("the defaults are valid");
        stun.binding(now, Transport::Udp, host, service).expect("the first one");
        let mut this = Self {
            agent,
            stun,
            service,
            to_signal: VecDeque::new(),
            learned: Vec::new(),
            events: Vec::new(),
            media: 0,
            outgoing: VecDeque::new(),
        };
        this.found(Candidate::host(host));
        this
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

    /// How much media came.
    #[must_use]
    pub const fn media(&self) -> usize {
        self.media
    }

    /// Sends media along the selected path.
    ///
    /// # Panics
    /// If there is none.
    pub fn send_media(&mut self) {
        let path = self.agent.selected_path().expect("connected");
        self.send(path, b"\x80media".to_vec());
    }

    fn found(&mut self, candidate: Candidate) {
        self.agent.add_local_candidate(candidate.clone()).expect("few candidates");
        self.to_signal.push_back(candidate);
    }

    /// Sends something of the agent's or of the media's.
    fn send(&mut self, path: Path, contents: Vec<u8>) {
        let transmit = Transmit::new(path.local, path.remote, contents.len());
        let outgoing = match path.transport {
            Transport::Tcp => Outgoing::Message(transmit),
            _ => Outgoing::Datagram(transmit),
        };
        self.outgoing.push_back((outgoing, contents));
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
                self.media += 1;
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
            self.events.push(event);
        }
    }
}

impl Endpoint for Peer {
    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, contents: &mut [u8]) {
        let datagram = Datagram::new(Transport::Udp, local, remote, contents);
        if remote == self.service && self.stun.handle_datagram(now, datagram).is_ok() {
            self.poll_events();
        } else {
            self.take(now, Path::new(Transport::Udp, local, remote), contents);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.agent.handle_timeout(now);
        self.stun.handle_timeout(now);
        self.poll_events();
    }

    fn poll_transmit(&mut self, _now: Instant, _buf: &mut Vec<u8>) -> Option<Transmit> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.agent.poll_timeout().into_iter().chain(self.stun.poll_timeout()).min()
    }

    fn poll_outgoing(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Outgoing> {
        let mut contents = Vec::new();
        while let Some(it) = self.agent.poll_transmit(now, &mut contents) {
            self.send(Path::new(it.transport, it.local, it.remote), std::mem::take(&mut contents));
        }
        while let Some(it) = self.stun.poll_transmit(now, &mut contents) {
            self.send(Path::new(it.transport, it.local, it.remote), std::mem::take(&mut contents));
        }
        self.poll_events();
        let (outgoing, contents) = self.outgoing.pop_front()?;
        buf.extend(contents);
        Some(outgoing)
    }

    fn handle_stream(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, event: StreamEvent<'_>) {
        let path = Path::new(Transport::Tcp, local, remote);
        if let StreamEvent::Message(contents) = event {
            self.take(now, path, contents);
        }
    }
}
