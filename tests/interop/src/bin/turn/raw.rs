//! The raw limit: a relay that makes the calls of ours and decides nothing. One thread, one socket for the clients, one for
//! each relay, the same batches, the same rest after a turn with load.
//!
//! A TURN server sets allocations and channels up, so that the client is the same. Of a channel it is asked once, with the
//! first data; from then on the sender's port is looked up in a table, and nothing
//! is checked, counted or timed.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_relay::COALESCE;
use headwater_stun::{Datagram, Transport};
use headwater_turn::channel_data::{self, ChannelData};
use headwater_turn::{Event, PeerPolicy, Quota, RelayError, RelayId, Server, ServerConfig};
use headwater_udp::{Batch, Options, Outgoing, PeerBatch, PeerSocket, Socket};
use mio::{Events, Interest, Poll, Registry, Token};

/// The clients' socket; a relay's token is its index.
const CLIENTS: Token = Token(usize::MAX - 1);
/// As the relay's: datagrams of one turn from which on there is load, and the first receive call of a relay.
const PACED: usize = 4;
const FIRST: usize = 2;

/// The way between a client and its peer.
struct Way {
    client: SocketAddr,
    channel: u16,
    peer: SocketAddr,
}

struct Relay {
    id: RelayId,
    socket: PeerSocket,
    way: Option<Way>,
}

struct Raw {
    server: Server,
    now: Instant,
    registry: Registry,
    address: SocketAddr,
    relays: Vec<Option<Relay>>,
    /// The relay of a client, by the client's port.
    by_port: Vec<u32>,
    /// What goes to clients, and its bytes.
    waiting: Vec<Outgoing>,
    bytes: Vec<u8>,
}

/// Relays until it is killed.
pub(crate) fn serve(port: u16) -> Result<(), String> {
    relay(SocketAddr::from(([127, 0, 0, 1], port))).map_err(|error| format!("the raw relay: {error}"))
}

fn relay(address: SocketAddr) -> io::Result<()> {
    let mut config = ServerConfig::new("headwater", [1; 32]);
    config.users.insert("u".to_owned(), "p".to_owned());
    config.peers = PeerPolicy::public().allow("127.0.0.0/8".parse().map_err(io::Error::other)?);
    (config.per_user, config.per_address) = (Quota::unlimited(), Quota::unlimited());
    let now = Instant::now();
    let server = Server::new(config, [2; 32], now, Duration::ZERO).map_err(io::Error::other)?;
    let mut poll = Poll::new()?;
    let mut socket = Socket::bind(address, &Options::default())?;
    poll.registry().register(&mut socket, CLIENTS, Interest::READABLE)?;
    let registry = poll.registry().try_clone()?;
    let mut raw = Raw {
        server,
        now,
        registry,
        address,
        relays: Vec::new(),
        by_port: vec![0; 1 << 16],
        waiting: Vec::new(),
        bytes: Vec::new(),
    };
    let mut events = Events::with_capacity(1024);
    let (mut clients, mut peers) = (Batch::new(&socket), PeerBatch::new());
    loop {
        if let Err(error) = poll.poll(&mut events, None)
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        raw.now = Instant::now();
        let mut taken = 0;
        for event in &events {
            match event.token() {
                CLIENTS => {
                    while socket.receive(&mut clients).is_ok() {
                        for (received, contents) in clients.datagrams() {
                            taken += 1;
                            if !raw.forward(received.remote, contents) {
                                raw.ask(received.remote, contents);
                            }
                        }
                        if !clients.is_full() {
                            break;
                        }
                    }
                }
                Token(index) => taken += raw.receive_of_relay(index, &mut peers),
            }
        }
        // What finds a full socket is lost, as with ours.
        socket.send(&raw.bytes, &mut raw.waiting);
        raw.waiting.clear();
        raw.bytes.clear();
        if taken >= PACED {
            std::thread::sleep((raw.now + COALESCE).saturating_duration_since(Instant::now()));
        }
    }
}

impl Raw {
    /// Sends a client's data on, if its way is known.
    fn forward(&self, client: SocketAddr, contents: &[u8]) -> bool {
        let index = self.by_port[usize::from(client.port())] as usize;
        let Some(Relay { socket, way: Some(way), .. }) = self.relays.get(index).and_then(Option::as_ref)
        else {
            return false;
        };
        match ChannelData::parse(contents) {
            Ok(message) if way.client == client && way.channel == message.channel => {
                let _ = socket.send(way.peer, &[IoSlice::new(message.data)]);
                true
            }
            _ => false,
        }
    }

    /// Takes what peers have sent to a relay; returns how much.
    fn receive_of_relay(&mut self, index: usize, batch: &mut PeerBatch) -> usize {
        let Self { relays, waiting, bytes, .. } = self;
        let Some(Relay { socket, way, .. }) = relays.get(index).and_then(Option::as_ref) else { return 0 };
        let (mut taken, mut most) = (0, FIRST);
        while let Ok(has_more) = socket.receive(batch, most) {
            for (peer, data) in batch.datagrams() {
                taken += 1;
                let Some(way) = way.as_ref().filter(|way| way.peer == peer) else { continue };
                let start = bytes.len();
                let len = channel_data::emit(Transport::Udp, way.channel, data, bytes).unwrap_or(0);
                waiting.push(Outgoing { local: None, remote: way.client, start, len, segment_size: None });
            }
            if !has_more {
                break;
            }
            most = usize::MAX;
        }
        taken
    }

    /// Has the TURN server answer, and learns a way from the first data on it.
    fn ask(&mut self, client: SocketAddr, contents: &[u8]) {
        let datagram = Datagram::new(Transport::Udp, self.address, client, contents);
        if let Ok(Some(to_peer)) = self.server.handle_datagram(self.now, datagram)
            && let Some(Some(relay)) = self.relays.get_mut(to_peer.relay.index as usize)
        {
            let _ = relay.socket.send(to_peer.peer, &[IoSlice::new(to_peer.data)]);
            if let Ok(ChannelData { channel, .. }) = ChannelData::parse(contents) {
                relay.way = Some(Way { client, channel, peer: to_peer.peer });
                self.by_port[usize::from(client.port())] = to_peer.relay.index;
            }
        }
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::OpenRelay { relay, .. } => {
                    let opened = self.open(relay).map_err(|_| RelayError::Capacity);
                    self.server.relay_opened(self.now, relay, opened);
                }
                Event::CloseRelay { relay } => {
                    if let Some(slot) = self.relays.get_mut(relay.index as usize) {
                        slot.take_if(|it| it.id == relay);
                    }
                }
                _ => {}
            }
        }
        while let Some(transmit) = self.server.poll_transmit(self.now, &mut self.bytes) {
            let (remote, len) = (transmit.remote, transmit.len);
            let start = self.bytes.len() - len;
            self.waiting.push(Outgoing { local: None, remote, start, len, segment_size: None });
        }
    }

    fn open(&mut self, id: RelayId) -> io::Result<SocketAddr> {
        let mut socket = PeerSocket::bind(SocketAddr::new(self.address.ip(), 0))?;
        let index = id.index as usize;
        self.registry.register(&mut socket, Token(index), Interest::READABLE)?;
        let address = socket.local_addr()?;
        if self.relays.len() <= index {
            self.relays.resize_with(index + 1, || None);
        }
        self.relays[index] = Some(Relay { id, socket, way: None });
        Ok(address)
    }
}
