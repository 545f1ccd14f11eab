//! An agent, its network and its owner's connections.

use super::MAX_UNDER_WAY;
use crate::machine::{Machine, drain};
use headwater_ice::{Agent, Credentials, Event, LiteAgent, Path};
use headwater_stun::{Datagram, Transport};
use std::net::SocketAddr;
use std::time::Instant;

#[expect(clippy::large_enum_variant, reason = "there are two of them in all")]
pub(super) enum Any {
    Full(Agent),
    Lite(LiteAgent),
}

/// An agent, with what it said and told since somebody looked.
pub(super) struct Recorded {
    pub(super) agent: Any,
    pub(super) sent_along: Vec<Path>,
    pub(super) told: Vec<Event>,
}

/// One end, and what is under way to the other.
pub(super) struct End {
    pub(super) machine: Recorded,
    pub(super) address: SocketAddr,
    pub(super) credentials: Credentials,
    pub(super) under_way: Vec<(Path, Vec<u8>)>,
    /// Connections that the agent has asked for.
    pub(super) asked: Vec<Path>,
    /// Connections that are open.
    pub(super) open: Vec<Path>,
    pub(super) next_port: u16,
}

impl End {
    /// Takes what the agent has sent and told: it writes to open connections only.
    pub(super) fn send(&mut self, now: Instant, sent: Vec<Vec<u8>>) {
        let paths = std::mem::take(&mut self.machine.sent_along);
        assert_eq!(paths.len(), sent.len());
        for path in paths.iter().filter(|it| it.transport == Transport::Tcp) {
            assert!(self.open.contains(path), "{path:?} is not open");
        }
        self.under_way.extend(paths.into_iter().zip(sent));
        let surplus = self.under_way.len().saturating_sub(MAX_UNDER_WAY);
        self.under_way.drain(..surplus);
        while !self.machine.told.is_empty() {
            for event in std::mem::take(&mut self.machine.told) {
                match event {
                    Event::Connect(path) => {
                        assert!(!self.asked.contains(&path), "{path:?} is asked for twice");
                        self.asked.push(path);
                    }
                    Event::Removed(path) if path.transport == Transport::Tcp => {
                        self.asked.retain(|it| *it != path);
                        self.path_closed(now, path);
                    }
                    Event::Closed { .. } => self.open.clear(),
                    _ => {}
                }
            }
            while self.machine.poll_event() {}
        }
        assert!(self.asked.len() <= 100, "more connections are asked for than there are pairs");
        let selected = self.machine.agent.selected_path();
        assert!(
            selected.is_none_or(|it| self.machine.agent.is_validated(&it)),
            "selected, yet not validated"
        );
    }

    pub(super) fn path_closed(&mut self, now: Instant, path: Path) {
        self.open.retain(|it| *it != path);
        match &mut self.machine.agent {
            Any::Full(agent) => agent.path_closed(now, &path),
            Any::Lite(agent) => agent.path_closed(now, &path),
        }
        assert!(!self.machine.agent.is_validated(&path), "closed, yet validated");
    }

    pub(super) fn receive(&mut self, now: Instant, path: Path, contents: &[u8]) {
        let sent = drain(&mut self.machine, now);
        self.send(now, sent);
        // Whoever comes to the address that listens has opened a connection.
        if path.transport == Transport::Tcp && !self.open.contains(&path) {
            if path.local != self.address || self.open.len() >= MAX_UNDER_WAY {
                return;
            }
            self.open.push(path);
        }
        let datagram = Datagram::new(path.transport, path.local, path.remote, contents);
        let agent = &mut self.machine.agent;
        let before = (agent.poll_timeout(), agent.selected_path());
        let refused = match agent {
            Any::Full(agent) => agent.handle_datagram(now, datagram).is_err(),
            Any::Lite(agent) => agent.handle_datagram(now, datagram).is_err(),
        };
        if refused {
            assert_eq!((agent.poll_timeout(), agent.selected_path()), before, "refused, yet changed");
            assert!(drain(&mut self.machine, now).is_empty(), "refused, yet answered");
        }
    }
}

impl Any {
    const fn selected_path(&self) -> Option<Path> {
        match self {
            Self::Full(agent) => agent.selected_path(),
            Self::Lite(agent) => agent.selected_path(),
        }
    }

    fn is_validated(&self, path: &Path) -> bool {
        match self {
            Self::Full(agent) => agent.is_validated(path),
            Self::Lite(agent) => agent.is_validated(path),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Full(agent) => agent.poll_timeout(),
            Self::Lite(agent) => agent.poll_timeout(),
        }
    }
}

impl Machine for Recorded {
    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<usize> {
        let transmit = match &mut self.agent {
            Any::Full(agent) => agent.poll_transmit(now, buf),
            Any::Lite(agent) => agent.poll_transmit(now, buf),
        }?;
        self.sent_along.push(Path::new(transmit.transport, transmit.local, transmit.remote));
        Some(transmit.len)
    }

    fn poll_event(&mut self) -> bool {
        let event = match &mut self.agent {
            Any::Full(agent) => agent.poll_event(),
            Any::Lite(agent) => agent.poll_event(),
        };
        let has_told = event.is_some();
        self.told.extend(event);
        has_told
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.agent.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        match &mut self.agent {
            Any::Full(agent) => agent.handle_timeout(now),
            Any::Lite(agent) => agent.handle_timeout(now),
        }
    }
}
