//! Whoever stands at the edge of the network.

use crate::{Peer, Server, Service};
use headwater_netsim::{Endpoint, Outgoing, StreamEvent, Transmit};
use std::net::SocketAddr;
use std::time::Instant;

/// An endpoint of the simulated network.
#[non_exhaustive]
#[derive(Debug)]
pub enum Node {
    /// A client.
    Peer(Box<Peer>),
    /// STUN and TURN.
    Service(Box<Service>),
    /// A media server with a public address.
    Server(Box<Server>),
}

impl Node {
    fn endpoint(&self) -> &dyn Endpoint {
        match self {
            Self::Peer(it) => it.as_ref(),
            Self::Service(it) => it.as_ref(),
            Self::Server(it) => it.as_ref(),
        }
    }

    fn endpoint_mut(&mut self) -> &mut dyn Endpoint {
        match self {
            Self::Peer(it) => it.as_mut(),
            Self::Service(it) => it.as_mut(),
            Self::Server(it) => it.as_mut(),
        }
    }
}

impl Endpoint for Node {
    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, contents: &mut [u8]) {
        self.endpoint_mut().handle_datagram(now, local, remote, contents);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint_mut().handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        self.endpoint_mut().poll_transmit(now, buf)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint().poll_timeout()
    }

    fn poll_outgoing(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Outgoing> {
        self.endpoint_mut().poll_outgoing(now, buf)
    }

    fn accepts(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        self.endpoint().accepts(local, remote)
    }

    fn handle_stream(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, event: StreamEvent<'_>) {
        self.endpoint_mut().handle_stream(now, local, remote, event);
    }
}
