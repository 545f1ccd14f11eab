//! The server of STUN and TURN that peers are told of.

use headwater_netsim::{Endpoint, Outgoing, StreamEvent, Transmit};
use headwater_stun::{Datagram, Transport, respond};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

/// Answers Binding requests, and relays.
#[derive(Debug, Default)]
pub struct Service {
    outgoing: VecDeque<(Outgoing, Vec<u8>)>,
}

impl Service {
    fn send(&mut self, transmit: headwater_stun::Transmit, contents: Vec<u8>) {
        let it = Transmit::new(transmit.local, transmit.remote, transmit.len);
        let outgoing = match transmit.transport {
            Transport::Tcp => Outgoing::Message(it),
            _ => Outgoing::Datagram(it),
        };
        self.outgoing.push_back((outgoing, contents));
    }
}

impl Endpoint for Service {
    fn handle_datagram(&mut self, _now: Instant, local: SocketAddr, remote: SocketAddr, contents: &mut [u8]) {
        let datagram = Datagram::new(Transport::Udp, local, remote, contents);
        let mut answer = Vec::new();
        if let Ok(transmit) = respond(datagram, &mut answer) {
            self.send(transmit, answer);
        }
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
        true
    }

    fn handle_stream(
        &mut self,
        _now: Instant,
        _local: SocketAddr,
        _remote: SocketAddr,
        _event: StreamEvent<'_>,
    ) {
    }
}
