//! The TURN server beside the forwarding unit: its relayed addresses are names without sockets, and what goes through them
//! never leaves the process.
//!
//! The only peers are our own media addresses, so there is nothing else that a relay could be used for.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

use headwater_sfu::{Path, Sfu, Transmit, Transport};
use headwater_stun as stun;
use headwater_turn::attribute::Family;
use headwater_turn::channel_data::ChannelData;
use headwater_turn::{
    Drops, Event, FiveTuple, PeerPolicy, PortRequest, RelayError, RelayId, RelayTransport, Server,
    ServerConfig, ToPeer,
};

use crate::clock::Clock;
use crate::config::Turn as Config;
use crate::{StartError, TurnCounters};

/// The first port that a relayed address may have.
const FIRST_PORT: u16 = 1024;

/// One worker's TURN server.
pub(crate) struct Turn {
    server: Server,
    /// The relayed address of each relay, by its index.
    relays: Vec<Option<SocketAddr>>,
    names: HashMap<SocketAddr, RelayId>,
    /// Where relayed addresses are, and where media is.
    advertised: Vec<SocketAddr>,
    /// Ports of this worker: another one's relays have others.
    ports: Range<u16>,
    next_port: u16,
}

impl Turn {
    /// The server of worker `index` of `workers`; its peers are `advertised`.
    pub(crate) fn new(
        config: &Config,
        advertised: &[SocketAddr],
        (index, workers): (usize, usize),
        seed: [u8; 32],
        clock: Clock,
    ) -> Result<Self, StartError> {
        let mut settings = ServerConfig::new(config.realm.clone(), config.nonce_key);
        settings.secrets.clone_from(&config.secrets);
        settings.peers = PeerPolicy::only(advertised.to_vec());
        settings.families = families(advertised);
        settings.tcp_relays = false;
        settings.per_user.allocations = Some(config.allocations_per_user);
        settings.per_address.allocations = config.allocations_per_address;
        let server = Server::new(settings, seed, clock.now(), clock.unix()).map_err(StartError::Turn)?;
        let share = (u16::MAX - FIRST_PORT) / workers as u16;
        let first = FIRST_PORT + share * index as u16;
        Ok(Self {
            server,
            relays: Vec::new(),
            names: HashMap::new(),
            advertised: advertised.to_vec(),
            ports: first..first + share,
            next_port: first,
        })
    }

    /// Is this datagram for a TURN (or plain STUN) server, rather than for an ICE agent? HOT.
    pub(crate) fn concerns(datagram: &[u8]) -> bool {
        match datagram {
            [first, ..] if ChannelData::is_first_byte(*first) => true,
            // A Binding request without a user name asks for its own address; all other methods are TURN's.
            [0, 1, ..] => headwater_sfu::ufrag_of_request(datagram).is_none(),
            [0 | 1, kind, ..] => kind & 0xEF != 1,
            [2..=3, ..] => true,
            _ => false,
        }
    }

    /// Takes what a client sent. Data for one of our media addresses is a datagram along the path that is returned.
    pub(crate) fn take(
        &mut self,
        now: Instant,
        client: FiveTuple,
        contents: &[u8],
    ) -> Option<(Path, Range<usize>)> {
        let datagram = stun::Datagram::new(client.transport, client.local, client.remote, contents);
        let ToPeer { relay, peer, data, .. } = self.server.handle_datagram(now, datagram).ok()??;
        let relayed = self.address_of(relay)?;
        let start = data.as_ptr() as usize - contents.as_ptr() as usize;
        Some((Path::new(Transport::Relayed, peer, relayed), start..start + data.len()))
    }

    /// Packs what the forwarding unit sends along a relayed path for the client: appends messages to `out`, and to `packed`
    /// where each goes and begins. Returns `false` if the allocation is not here.
    pub(crate) fn pack(
        &mut self,
        now: Instant,
        transmit: &Transmit,
        bytes: &[u8],
        out: &mut Vec<u8>,
        packed: &mut Vec<(Transmit, usize)>,
    ) -> bool {
        let Some(&relay) = self.names.get(&transmit.remote) else { return false };
        let segment = transmit.segment_size.map_or(bytes.len(), usize::from).max(1);
        let first = packed.len();
        for data in bytes.chunks(segment) {
            let start = out.len();
            let Ok(one) = self.server.handle_peer_data(now, relay, transmit.local, data, out) else {
                continue;
            };
            match packed[first..].last_mut() {
                // Messages of one size go together, as they came; a shorter one ends it.
                Some((all, _)) if may_join(all, &one) => {
                    all.segment_size = all.segment_size.or_else(|| u16::try_from(all.len).ok());
                    all.len += one.len;
                }
                _ => packed.push((one, start)),
            }
        }
        true
    }

    /// The next answer.
    pub(crate) fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<Transmit> {
        self.server.poll_transmit(now, out)
    }

    /// Time arrived.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }

    /// A client's connection has ended.
    pub(crate) fn client_closed(&mut self, now: Instant, client: FiveTuple) {
        self.server.client_closed(now, client);
    }

    /// Has this client an allocation?
    pub(crate) fn serves(&self, client: &FiveTuple) -> bool {
        self.server.has_allocation(client)
    }

    /// What it did.
    pub(crate) fn counters(&self) -> TurnCounters {
        let counters = self.server.counters();
        TurnCounters {
            allocations: self.server.allocations() as u64,
            allocated: counters.allocations_made,
            packets: [counters.to_peers.packets, counters.to_clients.packets],
            bytes: [counters.to_peers.bytes, counters.to_clients.bytes],
            failed_authentications: counters.failed_authentications,
            refused: [&counters.refused_from_clients, &counters.refused_from_peers].map(Drops::total),
        }
    }

    /// Does what the server asks for.
    pub(crate) fn settle(&mut self, now: Instant, sfu: &mut Sfu) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::OpenRelay { relay, transport, family, port, .. } => {
                    let opened = self.open(relay, transport, family, port);
                    self.server.relay_opened(now, relay, opened);
                }
                Event::CloseRelay { relay } => {
                    let slot = self.relays.get_mut(relay.index as usize);
                    let Some(relayed) = slot.and_then(Option::take) else { continue };
                    self.names.remove(&relayed);
                    for local in &self.advertised {
                        sfu.path_closed(now, &Path::new(Transport::Relayed, *local, relayed));
                    }
                }
                Event::Allocated { client, user, relayed } => {
                    tracing::debug!(client = %client.remote, %user, %relayed, "TURN allocation");
                }
                Event::Ended { client, reason, .. } => {
                    tracing::debug!(client = %client.remote, ?reason, "TURN allocation ended");
                }
                _ => {}
            }
        }
    }

    fn address_of(&self, relay: RelayId) -> Option<SocketAddr> {
        self.relays.get(relay.index as usize).copied().flatten()
    }

    fn open(
        &mut self,
        relay: RelayId,
        transport: RelayTransport,
        family: Family,
        port: PortRequest,
    ) -> Result<SocketAddr, RelayError> {
        let ip = self.advertised.iter().find(|it| Family::of(it) == family).map(SocketAddr::ip);
        let ip = ip.filter(|_| transport == RelayTransport::Udp).ok_or(RelayError::Family)?;
        let (is_even, next) = match port {
            PortRequest::EvenAndNext(next) => (true, Some(next)),
            PortRequest::Even => (true, None),
            _ => (false, None),
        };
        for _ in self.ports.clone() {
            let port = self.next_port;
            self.next_port = if port + 1 < self.ports.end { port + 1 } else { self.ports.start };
            let address = SocketAddr::new(ip, port);
            let following = SocketAddr::new(ip, port + 1);
            if (is_even && !port.is_multiple_of(2)) || !self.is_free(&address) {
                continue;
            }
            if let Some(next) = next {
                if port + 1 >= self.ports.end || !self.is_free(&following) {
                    continue;
                }
                self.enter(next, following);
            }
            self.enter(relay, address);
            return Ok(address);
        }
        Err(RelayError::Capacity)
    }

    fn is_free(&self, address: &SocketAddr) -> bool {
        !self.names.contains_key(address) && !self.advertised.contains(address)
    }

    fn enter(&mut self, relay: RelayId, address: SocketAddr) {
        let index = relay.index as usize;
        if self.relays.len() <= index {
            self.relays.resize(index + 1, None);
        }
        self.relays[index] = Some(address);
        self.names.insert(address, relay);
    }
}

/// May `one` be the next segment of `all`?
fn may_join(all: &Transmit, one: &Transmit) -> bool {
    match all.segment_size.map(usize::from) {
        Some(segment) => all.len.is_multiple_of(segment) && one.len <= segment,
        None => one.len <= all.len,
    }
}

/// Those of our addresses, IPv4 first.
fn families(advertised: &[SocketAddr]) -> Vec<Family> {
    let has = |family: &Family| advertised.iter().any(|it| Family::of(it) == *family);
    [Family::V4, Family::V6].into_iter().filter(has).collect()
}

/// The client of a connection, or of a datagram.
pub(super) const fn client(transport: Transport, local: SocketAddr, remote: SocketAddr) -> FiveTuple {
    FiveTuple::new(transport, local, remote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_an_agent_is_not_for_the_server() {
        let mut buf = Vec::new();
        let id = stun::TransactionId::new([7; 12]);
        let mut message = |class, method: u16, username: Option<&str>| {
            buf.clear();
            let builder = stun::MessageBuilder::new(stun::Method::new(method), class, id, &mut buf);
            match username {
                Some(name) => builder.attribute(&stun::attribute::Username(name)).finish(),
                None => builder.finish(),
            };
            Turn::concerns(&buf)
        };
        use stun::Class::{Error, Indication, Request, Success};
        assert!(message(Request, 1, None), "what is my address");
        assert!(!message(Request, 1, Some("ours:them")), "a check");
        for class in [Success, Error, Indication] {
            assert!(!message(class, 1, None), "an answer to a check of ours, or a keepalive");
        }
        for method in [3, 4, 6, 8, 9, 10, 11] {
            assert!(message(Request, method, Some("user")), "method {method}");
            assert!(message(Indication, method, None), "method {method}");
        }
        assert!(Turn::concerns(&[0x40, 0, 0, 0]));
        for first in [20, 63, 128, 191, 255] {
            assert!(!Turn::concerns(&[first, 0, 0, 0]));
        }
        assert!(!Turn::concerns(&[]));
    }
}
