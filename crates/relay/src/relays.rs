//! The relays' sockets: one each, found by the index of its id.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;

use headwater_turn::attribute::Family;
use headwater_turn::{PortRequest, RelayError, RelayId, RelayTransport, ToPeer};
use headwater_udp::PeerSocket;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;
use socket2::{Domain, Protocol, Socket, Type};

use crate::ports::{Place, Ports, Want};
use crate::token;

/// Ports tried for one relay: others of this machine may have some of the range.
const TRIES: usize = 32;
/// The most datagrams of one message, and its bytes, by the kernel's limits.
const MOST_SEGMENTS: usize = 64;
const MOST_MESSAGE_BYTES: usize = 65_000;
/// Peers that may wait to be accepted by one relay.
const BACKLOG: i32 = 16;
/// Relays whose errors wait to be looked at.
const MOST_FAILED: usize = 64;

/// What is at an index.
#[derive(Debug)]
struct Slot {
    serial: u32,
    place: Place,
    socket: Option<Endpoint>,
    /// Is in the list of those to be read.
    is_listed: bool,
}

/// What a relay is to the system.
#[derive(Debug)]
enum Endpoint {
    Udp(PeerSocket),
    /// Listens; connections with peers leave from its address.
    Tcp(TcpListener),
}

/// All relays of one worker.
#[derive(Debug)]
pub(crate) struct Relays {
    slots: Vec<Slot>,
    ports: Arc<Ports>,
    rng: ChaCha20Rng,
    /// Indices of those that have something to read.
    pub(crate) readable: Vec<u32>,
    /// Indices of those that ICMP said something of.
    pub(crate) failed: Vec<u32>,
    pub(crate) open: u64,
    pub(crate) sent: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) dropped: u64,
    /// Relays that the system refused.
    failures: u64,
    segmentation: bool,
}

impl Relays {
    pub(crate) fn new(ports: Arc<Ports>, rng: ChaCha20Rng, segmentation: bool) -> Self {
        Self {
            slots: Vec::new(),
            ports,
            rng,
            readable: Vec::new(),
            failed: Vec::new(),
            open: 0,
            sent: 0,
            sent_bytes: 0,
            dropped: 0,
            failures: 0,
            segmentation,
        }
    }

    /// Opens what was asked for, and tells the address that clients are told.
    pub(crate) fn open(
        &mut self,
        registry: &Registry,
        relay: RelayId,
        transport: RelayTransport,
        family: Family,
        port: PortRequest,
    ) -> Result<SocketAddr, RelayError> {
        if !self.ports.has(family) {
            return Err(RelayError::Family);
        }
        let want = match port {
            PortRequest::Even => Want::Even,
            PortRequest::EvenAndNext(_) => Want::Pair,
            _ => Want::Any,
        };
        let ports = Arc::clone(&self.ports);
        let mut refused = Vec::new();
        let mut result = Err(RelayError::Capacity);
        for _ in 0..TRIES {
            let rng = &mut self.rng;
            let Some(place) = ports.take(family, want, &mut || rng.next_u64()) else { break };
            let second = match port {
                PortRequest::EvenAndNext(next) => Some((next, place.next())),
                _ => None,
            };
            let mut opened = self.bind(registry, relay, transport, place);
            if let (Ok(()), Some((next, place))) = (&opened, second) {
                opened = self.bind(registry, next, transport, place);
                if opened.is_err() {
                    self.take_out(relay);
                }
            }
            match opened {
                Ok(()) => {
                    result = Ok(ports.public_address(place));
                    break;
                }
                Err(error) => {
                    // Given back only afterwards, so that the next draw is another.
                    refused.push(place);
                    refused.extend(second.map(|(_, place)| place));
                    if error.kind() != io::ErrorKind::AddrInUse {
                        // Clients ask again and again: the 1st, 2nd, 4th, ... time is said.
                        self.failures += 1;
                        if self.failures.is_power_of_two() {
                            let (address, times) = (ports.bind_address(place), self.failures);
                            tracing::warn!(%address, %error, times, "cannot open a relay");
                        }
                        break;
                    }
                }
            }
        }
        refused.into_iter().for_each(|place| ports.free(place));
        result
    }

    fn bind(
        &mut self,
        registry: &Registry,
        relay: RelayId,
        transport: RelayTransport,
        place: Place,
    ) -> io::Result<()> {
        let address = self.ports.bind_address(place);
        let token = token::relay(relay.index);
        let socket = match transport {
            RelayTransport::Tcp => {
                let mut listener = listen(address)?;
                registry.register(&mut listener, token, Interest::READABLE)?;
                Endpoint::Tcp(listener)
            }
            _ => {
                let mut socket = PeerSocket::bind(address)?;
                registry.register(&mut socket, token, Interest::READABLE)?;
                Endpoint::Udp(socket)
            }
        };
        let index = relay.index as usize;
        while self.slots.len() <= index {
            let place = Place { address: 0, port: 0 };
            self.slots.push(Slot { serial: 0, place, socket: None, is_listed: false });
        }
        self.slots[index] = Slot { serial: relay.serial, place, socket: Some(socket), is_listed: false };
        self.open += 1;
        Ok(())
    }

    /// Closes one; it may never have been opened.
    pub(crate) fn close(&mut self, relay: RelayId) {
        if let Some(place) = self.take_out(relay) {
            self.ports.free(place);
        }
    }

    fn take_out(&mut self, relay: RelayId) -> Option<Place> {
        let slot = self.slots.get_mut(relay.index as usize).filter(|slot| slot.serial == relay.serial)?;
        // Closing takes it out of the poll.
        slot.socket.take()?;
        self.open -= 1;
        Some(slot.place)
    }

    /// Something can be read, or has failed.
    pub(crate) fn note_readable(&mut self, index: u32) {
        if let Some(slot) = self.slots.get_mut(index as usize)
            && slot.socket.is_some()
            && !slot.is_listed
        {
            slot.is_listed = true;
            self.readable.push(index);
        }
    }

    pub(crate) fn note_failed(&mut self, index: u32) {
        if self.failed.len() < MOST_FAILED {
            self.failed.push(index);
        }
    }

    /// The socket at an index and its id, with the room to receive in.
    pub(crate) fn socket(&mut self, index: u32) -> Option<(RelayId, &PeerSocket)> {
        let slot = self.slots.get_mut(index as usize)?;
        slot.is_listed = false;
        match &slot.socket {
            Some(Endpoint::Udp(socket)) => Some((RelayId { index, serial: slot.serial }, socket)),
            _ => None,
        }
    }

    pub(crate) fn is_tcp(&self, index: u32) -> bool {
        let slot = self.slots.get(index as usize);
        slot.is_some_and(|slot| matches!(slot.socket, Some(Endpoint::Tcp(_))))
    }

    /// The next connection of a peer to a TCP relay.
    pub(crate) fn accept(&mut self, index: u32) -> Option<(RelayId, io::Result<(TcpStream, SocketAddr)>)> {
        let slot = self.slots.get_mut(index as usize)?;
        slot.is_listed = false;
        match &slot.socket {
            Some(Endpoint::Tcp(listener)) => {
                Some((RelayId { index, serial: slot.serial }, listener.accept()))
            }
            _ => None,
        }
    }

    /// Where connections of a TCP relay leave from.
    pub(crate) fn tcp_address(&self, relay: RelayId) -> Option<SocketAddr> {
        let slot = self.slots.get(relay.index as usize).filter(|slot| slot.serial == relay.serial)?;
        matches!(slot.socket, Some(Endpoint::Tcp(_))).then(|| self.ports.bind_address(slot.place))
    }

    /// Sends a run. HOT.
    fn send(&mut self, run: &Run<'_>) {
        let parts = &run.parts[..run.count];
        let slot = self.slots.get(run.relay.index as usize).filter(|slot| slot.serial == run.relay.serial);
        let Some(Endpoint::Udp(socket)) = slot.and_then(|slot| slot.socket.as_ref()) else { return };
        let is_ipv6 = run.peer.is_ipv6();
        if run.dont_fragment {
            let _ = socket.set_dont_fragment(is_ipv6, true);
        }
        let mut sent = socket.send(run.peer, parts);
        let is_old_news = sent.as_ref().is_err_and(is_old_news);
        if is_old_news {
            // What ICMP said of an earlier one; this one has not been sent.
            sent = socket.send(run.peer, parts);
        }
        if run.dont_fragment {
            let _ = socket.set_dont_fragment(is_ipv6, false);
        }
        if is_old_news {
            self.note_failed(run.relay.index);
        }
        if sent.is_ok() {
            self.sent += run.count as u64;
            self.sent_bytes += run.total as u64;
        } else {
            self.dropped += run.count as u64;
        }
    }
}

/// Listens for peers.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    share_address(&socket)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Lets a listener and connections have one address.
pub(crate) fn share_address(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    Ok(())
}

fn is_old_news(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, PermissionDenied};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable | PermissionDenied)
}

/// Datagrams of one size from one relay to one peer, one after the other: they leave as one message.
pub(crate) struct Run<'d> {
    relay: RelayId,
    peer: SocketAddr,
    dont_fragment: bool,
    size: usize,
    total: usize,
    count: usize,
    parts: [IoSlice<'d>; MOST_SEGMENTS],
}

impl<'d> Run<'d> {
    pub(crate) fn new() -> Self {
        Self {
            relay: RelayId { index: 0, serial: 0 },
            peer: SocketAddr::new([0, 0, 0, 0].into(), 0),
            dont_fragment: false,
            size: 0,
            total: 0,
            count: 0,
            parts: [IoSlice::new(&[]); MOST_SEGMENTS],
        }
    }

    /// Adds a datagram; what cannot leave with it leaves first. HOT.
    pub(crate) fn push(&mut self, relays: &mut Relays, next: &ToPeer<'d>) {
        let fits = self.count > 0
            && self.relay == next.relay
            && self.peer == next.peer
            && !self.dont_fragment
            && !next.dont_fragment
            && next.data.len() <= self.size
            && self.total == self.size * self.count
            && self.count < MOST_SEGMENTS
            && self.total + next.data.len() <= MOST_MESSAGE_BYTES
            && !next.data.is_empty()
            && relays.segmentation;
        if !fits {
            self.flush(relays);
            self.relay = next.relay;
            self.peer = next.peer;
            self.dont_fragment = next.dont_fragment;
            self.size = next.data.len();
        }
        self.parts[self.count] = IoSlice::new(next.data);
        self.count += 1;
        self.total += next.data.len();
    }

    /// Sends what waits.
    pub(crate) fn flush(&mut self, relays: &mut Relays) {
        if self.count > 0 {
            relays.send(self);
        }
        self.count = 0;
        self.total = 0;
    }
}
