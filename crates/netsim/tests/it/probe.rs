//! An endpoint that does what a test tells it.

use headwater_netsim::{Endpoint, Transmit};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) at: Instant,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) contents: Vec<u8>,
}

#[derive(Debug, Default)]
pub(crate) struct Probe {
    pub(crate) outgoing: VecDeque<(SocketAddr, SocketAddr, Vec<u8>, Option<u16>)>,
    pub(crate) heard: Vec<Heard>,
    pub(crate) timeout: Option<Instant>,
    /// Doesn't clear its timeout when the time has come.
    pub(crate) is_stubborn: bool,
    /// Sends back what it hears.
    pub(crate) echoes: bool,
    pub(crate) fired: Vec<Instant>,
}

impl Probe {
    pub(crate) fn say(&mut self, local: SocketAddr, remote: SocketAddr, contents: &[u8]) {
        self.outgoing.push_back((local, remote, contents.to_vec(), None));
    }
}

impl Endpoint for Probe {
    fn handle_datagram(&mut self, at: Instant, local: SocketAddr, remote: SocketAddr, contents: &mut [u8]) {
        if self.echoes {
            self.say(local, remote, contents);
        }
        self.heard.push(Heard { at, local, remote, contents: contents.to_vec() });
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.fired.push(now);
        if !self.is_stubborn {
            self.timeout = None;
        }
    }

    fn poll_transmit(&mut self, _now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        let (local, remote, contents, segment_size) = self.outgoing.pop_front()?;
        buf.extend(&contents);
        Some(Transmit { local, remote, len: contents.len(), segment_size })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timeout
    }
}
