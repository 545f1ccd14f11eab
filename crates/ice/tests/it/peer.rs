//! The harness: agents as endpoints of the simulated network.

use std::net::SocketAddr;
use std::time::Instant;

use headwater_ice::{
    Agent, AgentConfig, Candidate, Credentials, Error, Event, LiteAgent, LiteConfig, Path, Role,
};
use headwater_netsim::{Endpoint, EndpointId, Network, Transmit};
use headwater_stun::{Datagram, Transport};

use crate::stack::{Arrived, Stack};

/// An agent, what it told, and what it refused.
pub(crate) struct Peer {
    pub(crate) machine: Machine,
    pub(crate) events: Vec<Event>,
    pub(crate) refused: Vec<Error>,
    /// What it sent and took, for tests that replay: source, destination, bytes.
    pub(crate) heard: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    /// Its TCP connections.
    pub(crate) stack: Stack,
}

pub(crate) enum Machine {
    Full(Box<Agent>),
    Lite(Box<LiteAgent>),
    /// Somebody who only watches, or is told what to send.
    Bystander,
}

impl Peer {
    pub(crate) fn full(name: u8, role: Role, now: Instant) -> Self {
        Self::of(
            Agent::new(AgentConfig::new(credentials(name), role), [name; 32], now).expect("a valid config"),
        )
    }

    pub(crate) fn of(agent: Agent) -> Self {
        Self::new(Machine::Full(Box::new(agent)))
    }

    pub(crate) fn lite(name: u8, remote: Option<u8>, now: Instant) -> Self {
        let config = LiteConfig::new(credentials(name), remote.map(credentials));
        Self::of_lite(LiteAgent::new(config, [name; 32], now).expect("a valid config"))
    }

    pub(crate) fn of_lite(agent: LiteAgent) -> Self {
        Self::new(Machine::Lite(Box::new(agent)))
    }

    pub(crate) fn bystander() -> Self {
        Self::new(Machine::Bystander)
    }

    fn new(machine: Machine) -> Self {
        Self { machine, events: Vec::new(), refused: Vec::new(), heard: Vec::new(), stack: Stack::default() }
    }

    pub(crate) fn agent(&mut self) -> &mut Agent {
        match &mut self.machine {
            Machine::Full(agent) => agent,
            _ => panic!("this peer is not full"),
        }
    }

    pub(crate) fn agent_ref(&self) -> &Agent {
        match &self.machine {
            Machine::Full(agent) => agent,
            _ => panic!("this peer is not full"),
        }
    }

    pub(crate) fn lite_agent(&mut self) -> &mut LiteAgent {
        match &mut self.machine {
            Machine::Lite(agent) => agent,
            _ => panic!("this peer is not lite"),
        }
    }

    pub(crate) fn lite_agent_ref(&self) -> &LiteAgent {
        match &self.machine {
            Machine::Lite(agent) => agent,
            _ => panic!("this peer is not lite"),
        }
    }

    /// Adds what `offer` of the other peer says: credentials and host candidates.
    pub(crate) fn signal(&mut self, remote: u8, addresses: &[SocketAddr]) {
        let agent = self.agent();
        agent.set_remote_credentials(credentials(remote)).expect("valid credentials");
        for address in addresses {
            agent.add_remote_candidate(Candidate::host(*address)).expect("few candidates");
        }
        agent.end_of_remote_candidates();
    }

    pub(crate) fn with_local(mut self, addresses: &[SocketAddr]) -> Self {
        for address in addresses {
            self.agent().add_local_candidate(Candidate::host(*address)).expect("few candidates");
        }
        self
    }

    pub(crate) fn selected(&self) -> Option<Path> {
        match &self.machine {
            Machine::Full(agent) => agent.selected_path(),
            Machine::Lite(agent) => agent.selected_path(),
            Machine::Bystander => None,
        }
    }

    pub(crate) fn is_nominated(&self) -> bool {
        matches!(&self.machine, Machine::Full(agent) if agent.is_nominated())
    }

    pub(crate) fn note_received(&mut self, now: Instant, path: &Path) {
        match &mut self.machine {
            Machine::Full(agent) => agent.note_received(now, path),
            Machine::Lite(agent) => agent.note_received(now, path),
            Machine::Bystander => {}
        }
    }

    pub(crate) fn has_told(&self, event: &Event) -> bool {
        self.events.contains(event)
    }

    fn poll_events(&mut self) {
        let before = self.events.len();
        let events = &mut self.events;
        match &mut self.machine {
            Machine::Full(agent) => events.extend(std::iter::from_fn(|| agent.poll_event())),
            Machine::Lite(agent) => events.extend(std::iter::from_fn(|| agent.poll_event())),
            Machine::Bystander => {}
        }
        for event in &self.events[before..] {
            match event {
                Event::Connect(path) => self.stack.connect(*path),
                Event::Removed(path) => self.stack.close(*path),
                _ => {}
            }
        }
    }

    fn take(&mut self, now: Instant, path: Path, contents: &[u8]) {
        self.heard.push((path.remote, path.local, contents.to_vec()));
        let datagram = Datagram::new(path.transport, path.local, path.remote, contents);
        let result = match &mut self.machine {
            Machine::Full(agent) => agent.handle_datagram(now, datagram),
            Machine::Lite(agent) => agent.handle_datagram(now, datagram),
            Machine::Bystander => Ok(()),
        };
        self.refused.extend(result.err());
        self.poll_events();
    }

    /// A connection ends, and both sides notice.
    pub(crate) fn end_connection(&mut self, now: Instant, path: Path) {
        self.stack.close(path);
        self.path_closed(now, path);
    }

    fn path_closed(&mut self, now: Instant, path: Path) {
        match &mut self.machine {
            Machine::Full(agent) => agent.path_closed(now, &path),
            Machine::Lite(agent) => agent.path_closed(now, &path),
            Machine::Bystander => {}
        }
        self.poll_events();
    }
}

impl Endpoint for Peer {
    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, contents: &mut [u8]) {
        match self.stack.receive(local, remote, contents) {
            None => self.take(now, path(local, remote), contents),
            Some(Arrived::Nothing) => {}
            Some(Arrived::Opened { asked, local }) => {
                if self.agent().connected(now, &asked, local).is_err() {
                    self.stack.close(Path::new(Transport::Tcp, local, remote));
                }
            }
            Some(Arrived::Closed(path)) => self.path_closed(now, path),
            Some(Arrived::Frames(path, frames)) => {
                frames.iter().for_each(|frame| self.take(now, path, frame));
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match &mut self.machine {
            Machine::Full(agent) => agent.handle_timeout(now),
            Machine::Lite(agent) => agent.handle_timeout(now),
            Machine::Bystander => {}
        }
        self.poll_events();
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        let transmit = match &mut self.machine {
            Machine::Full(agent) => agent.poll_transmit(now, buf),
            Machine::Lite(agent) => agent.poll_transmit(now, buf),
            Machine::Bystander => None,
        };
        self.poll_events();
        if let Some(it) = transmit {
            if it.transport != Transport::Tcp {
                return Some(Transmit::new(it.local, it.remote, it.len));
            }
            let payload = buf.split_off(buf.len() - it.len);
            self.stack.send(it.local, it.remote, &payload);
        }
        let (local, remote, segment) = self.stack.next()?;
        buf.extend_from_slice(&segment);
        Some(Transmit::new(local, remote, segment.len()))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.machine {
            Machine::Full(agent) => agent.poll_timeout(),
            Machine::Lite(agent) => agent.poll_timeout(),
            Machine::Bystander => None,
        }
    }
}

/// The credentials of the peer with this name.
pub(crate) fn credentials(name: u8) -> Credentials {
    Credentials::generate([name; 32], &format!("peer{name}"))
}

pub(crate) fn path(local: SocketAddr, remote: SocketAddr) -> Path {
    Path::new(Transport::Udp, local, remote)
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// Whether both send to each other along the same, nominated path.
pub(crate) fn is_connected(network: &Network<Peer>, a: EndpointId, b: EndpointId) -> bool {
    let reversed = |it: Path| path(it.remote, it.local);
    let (a, b) = (&network[a], &network[b]);
    a.selected().is_some()
        && a.selected().map(reversed) == b.selected()
        && (a.is_nominated() || b.is_nominated())
}
