//! One way to the TURN server, and what its owner keeps: data for peers that are not permitted yet.

use crate::service::{PASSWORD, USER};
use headwater_ice::Path;
use headwater_stun::{Datagram, Transport};
use headwater_turn::{AllocateOptions, Client, ClientConfig, ClientEvent};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

/// The two addresses of an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allocated {
    /// Where peers send to.
    pub(crate) relayed: SocketAddr,
    /// Where the server sees us.
    pub(crate) mapped: SocketAddr,
}

/// What came of a message of the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    Nothing,
    Allocated(Allocated),
    Data { peer: SocketAddr, contents: Vec<u8> },
}

/// A TURN client and its way to the server.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) transport: Transport,
    pub(crate) local: SocketAddr,
    pub(crate) server: SocketAddr,
    client: Client,
    allocated: Option<Allocated>,
    /// For peers that are not permitted yet.
    waiting: Vec<(SocketAddr, Vec<u8>)>,
    outgoing: VecDeque<Vec<u8>>,
}

impl Relay {
    /// A way to the server; [`Self::allocate`] comes next.
    pub(crate) fn new(
        now: Instant,
        transport: Transport,
        local: SocketAddr,
        server: SocketAddr,
        seed: u8,
    ) -> Self {
        let config = ClientConfig::new(transport, local, server).with_credentials(USER, PASSWORD);
        let client = Client::new(config, [seed; 32], now).expect("the defaults are valid");
        let (waiting, outgoing) = (Vec::new(), VecDeque::new());
        Self { transport, local, server, client, allocated: None, waiting, outgoing }
    }

    pub(crate) const fn allocated(&self) -> Option<Allocated> {
        self.allocated
    }

    /// Whether this is our relayed address.
    pub(crate) fn is_at(&self, relayed: SocketAddr) -> bool {
        self.allocated.is_some_and(|it| it.relayed == relayed)
    }

    /// Whether this is the way between the server and us.
    pub(crate) fn is_from(&self, path: Path) -> bool {
        (path.transport, path.local, path.remote) == (self.transport, self.local, self.server)
    }

    /// Asks for an allocation that may move.
    pub(crate) fn allocate(&mut self, now: Instant) {
        let mut options = AllocateOptions::default();
        options.mobility = true;
        self.client.allocate(now, options).expect("a new client");
    }

    /// Takes the allocation along, if there is one: the NAT may show us at another address (RFC 8016).
    pub(crate) fn follow(&mut self, now: Instant) {
        let _none = self.client.move_to(now, self.local);
    }

    /// Sends to a peer, once it is permitted; then it also gets a channel.
    pub(crate) fn send(&mut self, now: Instant, peer: SocketAddr, contents: Vec<u8>) {
        let mut message = Vec::new();
        match self.client.wrap(now, peer, &contents, &mut message) {
            Ok(_) => self.outgoing.push_back(message),
            Err(_) => {
                self.waiting.push((peer, contents));
                // Without an allocation, what waits goes with it.
                let _no_allocation = self.client.permit(now, peer.ip());
            }
        }
    }

    /// Takes a message of the server.
    pub(crate) fn handle(&mut self, now: Instant, contents: &[u8]) -> Came {
        let datagram = Datagram::new(self.transport, self.local, self.server, contents);
        match self.client.handle_datagram(now, datagram) {
            Ok(Some(data)) => Came::Data { peer: data.peer, contents: data.data.to_vec() },
            _ => self.poll_events(now),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.client.handle_timeout(now);
        let _nothing = self.poll_events(now);
    }

    pub(crate) const fn poll_timeout(&self) -> Option<Instant> {
        self.client.poll_timeout()
    }

    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        let mut message = Vec::new();
        match self.client.poll_transmit(now, &mut message) {
            Some(_) => Some(message),
            None => self.outgoing.pop_front(),
        }
    }

    fn poll_events(&mut self, now: Instant) -> Came {
        let mut came = Came::Nothing;
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Allocated { relayed, mapped: Some(mapped), .. } => {
                    let allocated = Allocated { relayed, mapped };
                    self.allocated = Some(allocated);
                    came = Came::Allocated(allocated);
                }
                ClientEvent::Permitted(peer) => {
                    let (now_permitted, waiting) =
                        std::mem::take(&mut self.waiting).into_iter().partition(|it| it.0.ip() == peer);
                    self.waiting = waiting;
                    let now_permitted: Vec<(SocketAddr, Vec<u8>)> = now_permitted;
                    for (peer, contents) in now_permitted {
                        let _full = self.client.bind_channel(now, peer);
                        self.send(now, peer, contents);
                    }
                }
                ClientEvent::Ended(_) => self.allocated = None,
                _ => {}
            }
        }
        came
    }
}
