//! The server: routes what clients and peers send.

mod allocate;
mod allocation;
mod channel;
mod clients;
mod connection;
mod counters;
mod credentials;
mod data;
mod deadlines;
mod grant;
mod limiter;
mod mobility;
mod nonce;
mod outbox;
mod permission;
mod quota;
mod refresh;
mod refusal;
mod request;
mod reservation;

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_stun::{Class, Datagram, Message, Transmit};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use slab::Slab;

use self::allocation::{Allocation, Relays};
use self::clients::{Clients, Owner};
use self::connection::Connections;
pub use self::counters::{Counters, Drops, Traffic};
use self::credentials::Credentials;
use self::deadlines::{Deadlines, Timer};
use self::limiter::Limiter;
use self::nonce::Nonces;
use self::outbox::Outbox;
use self::quota::Accounts;
pub use self::request::MAX_REQUEST_LEN;
use self::reservation::Reservations;
use crate::attribute::{ConnectionId, Icmp, SEND};
use crate::channel_data::ChannelData;
use crate::{
    ConfigError, ConnectError, EndReason, Error, Event, FiveTuple, RelayError, RelayId, ServerConfig,
};

/// Most events that wait before requests are refused.
const MAX_EVENTS: usize = 256;

/// Data of a client on its way to a peer: send it from the relay at once.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToPeer<'d> {
    /// From here.
    pub relay: RelayId,
    /// To there.
    pub peer: SocketAddr,
    /// The bytes: part of the client's datagram.
    pub data: &'d [u8],
    /// With the DF bit (DONT-FRAGMENT).
    pub dont_fragment: bool,
}

/// A TURN server.
pub struct Server {
    config: ServerConfig,
    /// Canonical forms of `config.listeners`.
    listeners: Vec<SocketAddr>,
    rng: ChaCha12Rng,
    start: Instant,
    /// The time since 1970 at `start`.
    unix: Duration,
    now: Instant,
    credentials: Credentials,
    nonces: Nonces,
    limiter: Limiter,
    clients: Clients,
    allocations: Slab<Allocation>,
    relays: Relays,
    reservations: Reservations,
    connections: Connections,
    users: Accounts<Arc<str>>,
    addresses: Accounts<u128>,
    deadlines: Deadlines,
    outbox: Outbox,
    events: VecDeque<Event>,
    counters: Counters,
    draining: bool,
}

impl Server {
    /// A server without clients. `seed` makes tokens, tickets and connection ids; `unix` is the time since 1970 at `now`,
    /// which time-limited credentials are compared with.
    ///
    /// # Errors
    /// [`ConfigError`] if a value is out of its range.
    pub fn new(
        mut config: ServerConfig,
        seed: [u8; 32],
        now: Instant,
        unix: Duration,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let mut rng = ChaCha12Rng::from_seed(seed);
        let users = std::mem::take(&mut config.users);
        let secrets = std::mem::take(&mut config.secrets);
        let credentials = Credentials::new(&config.realm, users, &secrets);
        config.own_addresses.iter_mut().for_each(|it| *it = it.to_canonical());
        let features = request::features(credentials.knows_all_users());
        let canonical = |it: &SocketAddr| SocketAddr::new(it.ip().to_canonical(), it.port());
        Ok(Self {
            listeners: config.listeners.iter().map(canonical).collect(),
            start: now,
            unix,
            now,
            credentials,
            nonces: Nonces::new(&config.nonce_key, features),
            limiter: Limiter::new(config.unproven_bytes_per_second, [rng.next_u64(), rng.next_u64()], now),
            clients: Clients::new([rng.next_u64(), rng.next_u64()]),
            rng,
            allocations: Slab::new(),
            relays: Relays::default(),
            reservations: Reservations::default(),
            connections: Connections::default(),
            users: Accounts::new(config.per_user.clone()),
            addresses: Accounts::new(config.per_address.clone()),
            deadlines: Deadlines::default(),
            outbox: Outbox::new(config.software.clone()),
            events: VecDeque::new(),
            counters: Counters::default(),
            draining: false,
            config,
        })
    }

    /// Takes a datagram, or a stream's message, of a client: a STUN message or ChannelData. HOT for data.
    ///
    /// Data is not kept here: it is returned, and the caller sends it on. Answers come by [`poll_transmit`](Self::poll_transmit).
    ///
    /// # Errors
    /// [`Error`]: nothing is answered and nothing has changed.
    pub fn handle_datagram<'d>(
        &mut self,
        now: Instant,
        datagram: Datagram<'d>,
    ) -> Result<Option<ToPeer<'d>>, Error> {
        let now = self.advance(now);
        let result = match datagram.contents.first() {
            Some(first) if ChannelData::is_first_byte(*first) => self.channel_data(now, datagram).map(Some),
            _ => self.stun_message(now, datagram),
        };
        if let Err(error) = result {
            self.counters.refused_from_clients.note(error);
        }
        result
    }

    /// Takes data of a peer that came to a relay, and appends the message for the client to `buf`. HOT.
    ///
    /// # Errors
    /// [`Error::NotPermitted`], [`Error::Forbidden`], [`Error::OverQuota`], [`Error::NotAllocated`], and
    /// [`Error::Malformed`] if it has too many bytes for a message: nothing was appended.
    pub fn handle_peer_data(
        &mut self,
        now: Instant,
        relay: RelayId,
        peer: SocketAddr,
        data: &[u8],
        buf: &mut Vec<u8>,
    ) -> Result<Transmit, Error> {
        let now = self.advance(now);
        let result = self.peer_data(now, relay, peer, data, buf);
        if let Err(error) = result {
            self.counters.refused_from_peers.note(error);
        }
        result
    }

    /// A datagram that a relay sent to `peer` came to nothing: the client is told (RFC 8656 §11.5), if it asked for
    /// a permission.
    pub fn handle_icmp(&mut self, now: Instant, relay: RelayId, peer: SocketAddr, icmp: Icmp) {
        let now = self.advance(now);
        self.icmp(now, relay, peer, icmp);
    }

    /// The answer to [`Event::OpenRelay`]: the relay's address, or why there is none. For
    /// [`PortRequest::EvenAndNext`](crate::PortRequest::EvenAndNext) the even one is named; the other has the next port.
    pub fn relay_opened(&mut self, now: Instant, relay: RelayId, result: Result<SocketAddr, RelayError>) {
        let now = self.advance(now);
        self.opened(now, relay, result);
    }

    /// The client's TCP, TLS or DTLS connection has ended, and with it its allocation; one that has a mobility ticket waits a
    /// minute for its owner (RFC 8016). A data connection ends its peer's.
    pub fn client_closed(&mut self, now: Instant, client: FiveTuple) {
        let now = self.advance(now);
        match self.clients.get(&client) {
            Some(Owner::Allocation(key)) => self.detach(now, key),
            Some(Owner::Connection(key)) => self.close_connection(key),
            None => {}
        }
    }

    /// The answer to [`Event::Connect`].
    pub fn connected(&mut self, now: Instant, connection: ConnectionId, result: Result<(), ConnectError>) {
        let now = self.advance(now);
        self.connection_made(now, connection, result);
    }

    /// A peer has connected to a TCP relay.
    ///
    /// # Errors
    /// [`Error::NotPermitted`], [`Error::Forbidden`], [`Error::NotAllocated`]: close it. [`Error::Overloaded`]: the allocation
    /// has too many (64), or one with this peer.
    pub fn peer_connected(
        &mut self,
        now: Instant,
        relay: RelayId,
        peer: SocketAddr,
    ) -> Result<ConnectionId, Error> {
        let now = self.advance(now);
        self.peer_connects(now, relay, peer)
    }

    /// A connection with a peer has ended.
    pub fn connection_closed(&mut self, now: Instant, connection: ConnectionId) {
        self.advance(now);
        self.forget_connection(connection);
    }

    /// Counts bytes that a spliced connection has carried, and says whether it may go on: if not, read neither end, and ask
    /// again with zeros a little later.
    #[must_use]
    pub fn spliced(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        to_peer: usize,
        to_client: usize,
    ) -> bool {
        let now = self.advance(now);
        self.carried(now, connection, to_peer, to_client)
    }

    /// Drops what has expired, and answers what has waited too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.advance(now);
        // When very many expire at once, the owner is told of them in several turns.
        while self.events.len() < MAX_EVENTS
            && let Some(timer) = self.deadlines.pop(now)
        {
            match timer {
                Timer::Allocation(key) => self.expire(now, key),
                Timer::Reservation(key) => self.end_reservation(now, key),
                Timer::Connection(key) => self.expire_connection(key),
                Timer::User(index) => self.users.forget(index),
                Timer::Address(index) => self.addresses.forget(index),
            }
        }
    }

    /// Appends the next answer or indication to `buf`.
    #[must_use]
    pub fn poll_transmit(&mut self, _now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        self.outbox.poll_transmit(buf)
    }

    /// What happened, and what is to be done.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// From now on no allocation is made: Allocate is answered with 300 and one of the configured alternates of the client's
    /// family, with 508 if there is none. Allocations that are there go on until they end. See [`is_empty`](Self::is_empty).
    pub const fn drain(&mut self) {
        self.draining = true;
    }

    /// Ends all allocations: [`Event::CloseRelay`] for each relay.
    pub fn close(&mut self, now: Instant) {
        let now = self.advance(now);
        self.draining = true;
        let keys: Vec<usize> = self.allocations.iter().map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.end(now, key as u32, EndReason::Shutdown));
        self.end_all_reservations(now);
    }

    /// Whether this client has an allocation, or is the data connection of one.
    #[must_use]
    pub fn has_allocation(&self, client: &FiveTuple) -> bool {
        self.clients.get(client).is_some()
    }

    /// Whether there is no allocation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.allocations.is_empty()
    }

    /// Allocations at this moment, those that are being opened included.
    #[must_use]
    pub fn allocations(&self) -> usize {
        self.allocations.len()
    }

    /// What was counted since the server was made.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Takes the addresses that this machine has from now on: see [`ServerConfig::own_addresses`]. Channels to what is no peer
    /// any more end.
    pub fn set_own_addresses(&mut self, mut own: Vec<IpAddr>) {
        own.iter_mut().for_each(|it| *it = it.to_canonical());
        if own == self.config.own_addresses {
            return;
        }
        self.config.own_addresses = own;
        let mut allocations = std::mem::take(&mut self.allocations);
        for (_, allocation) in &mut allocations {
            allocation.channels.retain(|peer| self.may_be_peer(peer));
        }
        self.allocations = allocations;
    }

    fn stun_message<'d>(
        &mut self,
        now: Instant,
        datagram: Datagram<'d>,
    ) -> Result<Option<ToPeer<'d>>, Error> {
        let message = Message::parse(datagram.contents)?;
        match (message.class(), message.method()) {
            (Class::Indication, SEND) => self.send_indication(now, datagram, &message).map(Some),
            (Class::Request, _) => self.request(now, datagram, &message).map(|()| None),
            // A Binding indication only keeps a NAT's mapping alive.
            (Class::Indication, headwater_stun::Method::BINDING) => Ok(None),
            _ => Err(Error::Unexpected),
        }
    }

    /// Allocations and reservations.
    fn held(&self) -> usize {
        self.allocations.len() + self.reservations.len()
    }

    fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("allocations", &self.allocations.len()).finish_non_exhaustive()
    }
}
