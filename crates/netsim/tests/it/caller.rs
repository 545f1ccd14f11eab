//! An endpoint that opens, answers and closes connections as a test tells it.

use headwater_netsim::{Endpoint, Outgoing, StreamClosed, StreamEvent, Transmit};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Connected,
    Message(Vec<u8>),
    Closed(StreamClosed),
    /// By UDP.
    Datagram(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) at: Instant,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) what: What,
}

#[derive(Debug, Default)]
pub(crate) struct Caller {
    outgoing: VecDeque<(Outgoing, Vec<u8>)>,
    pub(crate) noted: Vec<Noted>,
    /// Where it accepts connections, at any port of its address.
    pub(crate) listens: bool,
    /// Sends back what comes along a connection.
    pub(crate) echoes: bool,
}

impl Caller {
    pub(crate) fn server() -> Self {
        Self { listens: true, echoes: true, ..Self::default() }
    }

    pub(crate) fn connect(&mut self, local: SocketAddr, remote: SocketAddr) {
        self.outgoing.push_back((Outgoing::Connect { local, remote }, Vec::new()));
    }

    pub(crate) fn write(&mut self, local: SocketAddr, remote: SocketAddr, contents: &[u8]) {
        let transmit = Transmit::new(local, remote, contents.len());
        self.outgoing.push_back((Outgoing::Message(transmit), contents.to_vec()));
    }

    pub(crate) fn close(&mut self, local: SocketAddr, remote: SocketAddr) {
        self.outgoing.push_back((Outgoing::Close { local, remote }, Vec::new()));
    }

    pub(crate) fn say(&mut self, local: SocketAddr, remote: SocketAddr, contents: &[u8]) {
        let transmit = Transmit::new(local, remote, contents.len());
        self.outgoing.push_back((Outgoing::Datagram(transmit), contents.to_vec()));
    }

    /// What it has noted, without times and addresses.
    pub(crate) fn story(&self) -> Vec<What> {
        self.noted.iter().map(|it| it.what.clone()).collect()
    }

    pub(crate) fn has_noted(&self, what: &What) -> bool {
        self.noted.iter().any(|it| it.what == *what)
    }

    fn note(&mut self, at: Instant, local: SocketAddr, remote: SocketAddr, what: What) {
        self.noted.push(Noted { at, local, remote, what });
    }
}

impl Endpoint for Caller {
    fn handle_datagram(&mut self, at: Instant, local: SocketAddr, remote: SocketAddr, contents: &mut [u8]) {
        self.note(at, local, remote, What::Datagram(contents.to_vec()));
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_transmit(&mut self, _now: Instant, _buf: &mut Vec<u8>) -> Option<Transmit> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn poll_outgoing(&mut self, _now: Instant, buf: &mut Vec<u8>) -> Option<Outgoing> {
        let (outgoing, contents) = self.outgoing.pop_front()?;
        buf.extend(contents);
        Some(outgoing)
    }

    fn accepts(&self, _local: SocketAddr, _remote: SocketAddr) -> bool {
        self.listens
    }

    fn handle_stream(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, event: StreamEvent<'_>) {
        let what = match event {
            StreamEvent::Message(contents) => {
                if self.echoes {
                    self.write(local, remote, contents);
                }
                What::Message(contents.to_vec())
            }
            StreamEvent::Closed(why) => What::Closed(why),
            _ => What::Connected,
        };
        self.note(now, local, remote, what);
    }
}
