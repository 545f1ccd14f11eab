//! The client: an allocation on one server, and what it takes to keep it.
//!
//! ```text
//!  idle ──allocate──► allocating ──► allocated ──close──► closing ──► idle
//!                         │ 300, 401, 438: again   │ refreshed before it expires
//!                         └──► idle (refused)      └──► idle (lost)
//! ```

mod answers;
mod config;
mod data;
mod event;
mod peers;
mod request;
mod transactions;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use headwater_stun::{Class, Datagram, Message, MessageBuilder, Method, Transmit, Transport};

use crate::attribute::ConnectionId;
use crate::channel_data::ChannelData;
use crate::{ConfigError, Error, RelayTransport};
pub use config::{AllocateOptions, ClientConfig, Families, RelayPort};
pub use data::FromPeer;
pub use event::{ClientEnd, ClientEvent, Failure};
use peers::Peers;
use request::{Ask, Context};
use transactions::Transactions;

/// A TURN client: one way (5-tuple) to one server, and at most one allocation there.
///
/// It keeps the allocation, its permissions and channels until told otherwise. Over TCP and TLS the owner cuts
/// messages out of the stream ([`stream::Messages`](crate::stream::Messages)) and hands in each as a datagram.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    now: Instant,
    state: State,
    options: AllocateOptions,
    /// Stands for the allocation when we come from another address; empty without mobility.
    ticket: Vec<u8>,
    /// Servers that sent us on.
    asked: Vec<SocketAddr>,
    transactions: Transactions,
    peers: Peers,
    events: VecDeque<ClientEvent>,
    last_sent: Instant,
    /// When there is something to do; kept, since asking is part of the packet path.
    wake: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Allocating,
    Allocated { refresh_at: Instant, expires_at: Instant },
    Closing,
}

impl Client {
    /// A client without an allocation. `seed` makes its transaction ids; it must be secret and fresh.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] if `rto` or `keepalive` is.
    pub fn new(config: ClientConfig, seed: [u8; 32], now: Instant) -> Result<Self, ConfigError> {
        if !(Duration::from_millis(1)..=Duration::from_secs(60)).contains(&config.rto) {
            return Err(ConfigError::OutOfRange("rto"));
        }
        if config.keepalive.is_some_and(|it| it < Duration::from_secs(1)) {
            return Err(ConfigError::OutOfRange("keepalive"));
        }
        let transactions = Transactions::new(config.transport, config.rto, config.credentials.clone(), seed);
        Ok(Self {
            config,
            now,
            state: State::Idle,
            options: AllocateOptions::default(),
            ticket: Vec::new(),
            asked: Vec::new(),
            transactions,
            peers: Peers::default(),
            events: VecDeque::new(),
            last_sent: now,
            wake: None,
        })
    }

    /// Asks for an allocation: [`ClientEvent::Allocated`] or [`ClientEvent::AllocateFailed`].
    ///
    /// # Errors
    /// [`Error::Contradictory`] if options exclude each other, [`Error::Unexpected`] if there is an allocation
    /// already, or one under way.
    pub fn allocate(&mut self, now: Instant, options: AllocateOptions) -> Result<(), Error> {
        options.check(self.config.transport)?;
        if self.state != State::Idle {
            return Err(Error::Unexpected);
        }
        self.now = self.now.max(now);
        (self.options, self.state) = (options, State::Allocating);
        self.asked.clear();
        self.start(Ask::Allocate, self.config.local);
        Ok(())
    }

    /// Lets peers with this address in, on any port, and keeps that up: [`ClientEvent::Permitted`]. May be said
    /// while the allocation is under way.
    ///
    /// # Errors
    /// [`Error::NotAllocated`], [`Error::Overloaded`] if there are 1,024.
    pub fn permit(&mut self, now: Instant, peer: IpAddr) -> Result<(), Error> {
        self.expect_allocation()?;
        self.now = self.now.max(now);
        self.peers.permit(self.now, peer)?;
        self.handle_timeout(now);
        Ok(())
    }

    /// Keeps a permission up no longer; it ends within 5 min.
    pub fn forget(&mut self, peer: IpAddr) {
        self.peers.forget(peer);
    }

    /// Gives a peer a channel, so that its data has four bytes of header, and keeps that up:
    /// [`ClientEvent::ChannelBound`]. Its address is permitted with it.
    ///
    /// # Errors
    /// [`Error::NotAllocated`], [`Error::Overloaded`] if all 4,096 numbers are used or rest.
    pub fn bind_channel(&mut self, now: Instant, peer: SocketAddr) -> Result<(), Error> {
        self.expect_allocation()?;
        self.now = self.now.max(now);
        self.peers.bind(self.now, peer)?;
        self.handle_timeout(now);
        Ok(())
    }

    /// Keeps a channel up no longer; it ends within 10 min.
    pub fn unbind_channel(&mut self, peer: SocketAddr) {
        self.peers.unbind(peer);
    }

    /// Asks the server to connect to a peer (RFC 6062 §4.3): [`ClientEvent::Connected`].
    ///
    /// # Errors
    /// [`Error::NotAllocated`] without an allocation for TCP, [`Error::Overloaded`] if 32 requests are open.
    pub fn connect(&mut self, now: Instant, peer: SocketAddr) -> Result<(), Error> {
        self.expect_tcp_relay()?;
        self.now = self.now.max(now);
        self.start(Ask::Connect(peer), self.config.local);
        Ok(())
    }

    /// Makes a new connection of ours to the server, from `local`, the other end of one with a peer (RFC 6062 §4.4):
    /// [`ClientEvent::ConnectionBound`]. Its request is polled like all others, with `local` as sender. Until the
    /// event what comes on that connection is handed in here; after it, all of it is the peer's.
    ///
    /// # Errors
    /// [`Error::NotAllocated`] without an allocation for TCP, [`Error::Overloaded`] if 32 requests are open.
    pub fn bind_connection(
        &mut self,
        now: Instant,
        local: SocketAddr,
        connection: ConnectionId,
    ) -> Result<(), Error> {
        self.expect_tcp_relay()?;
        self.now = self.now.max(now);
        self.start(Ask::BindConnection(connection), local);
        Ok(())
    }

    /// Our address has changed: takes the allocation along (RFC 8016). [`ClientEvent::Moved`], or
    /// [`ClientEvent::Ended`] if the server doesn't have it.
    ///
    /// `local` may be the one that it was: when a NAT may have given us another address, which the client by itself
    /// notices at the next renewal only.
    ///
    /// # Errors
    /// [`Error::NotAllocated`] without an allocation, or if the server gave no ticket for it.
    pub fn move_to(&mut self, now: Instant, local: SocketAddr) -> Result<(), Error> {
        if !matches!(self.state, State::Allocated { .. }) || self.ticket.is_empty() {
            return Err(Error::NotAllocated);
        }
        self.now = self.now.max(now);
        self.config.local = local;
        for (ask, local) in self.transactions.clear() {
            if matches!(ask, Ask::Connect(_) | Ask::BindConnection(_)) {
                self.fail(ask, local, Failure::Ended);
            }
        }
        self.peers.restart(self.now);
        self.start(Ask::Move, local);
        Ok(())
    }

    /// Ends the allocation (Refresh with lifetime 0): [`ClientEvent::Ended`].
    pub fn close(&mut self, now: Instant) {
        self.now = self.now.max(now);
        match self.state {
            State::Idle | State::Closing => {}
            State::Allocating if !self.transactions.knows_realm() => self.end(ClientEnd::Closed),
            State::Allocating | State::Allocated { .. } => {
                let _all_end_with_it = self.transactions.clear();
                self.peers = Peers::default();
                self.state = State::Closing;
                self.start(Ask::Close, self.config.local);
            }
        }
    }

    /// The connection to the server has ended, and with it the allocation: [`ClientEvent::Ended`].
    pub fn handle_disconnect(&mut self) {
        match self.state {
            State::Idle => {}
            State::Allocating => self.fail(Ask::Allocate, self.config.local, Failure::Ended),
            State::Allocated { .. } | State::Closing => self.end(ClientEnd::Disconnected),
        }
    }

    /// Takes a datagram, or a stream's message, of the server. Data of a peer is returned, not kept. HOT for data.
    ///
    /// # Errors
    /// [`Error`]: nothing has changed.
    pub fn handle_datagram<'d>(
        &mut self,
        now: Instant,
        datagram: Datagram<'d>,
    ) -> Result<Option<FromPeer<'d>>, Error> {
        let Datagram { transport, local, remote, contents, .. } = datagram;
        let is_ours = local == self.config.local;
        if transport != self.config.transport
            || remote != self.config.server
            || !(is_ours || self.transactions.is_from(local))
        {
            return Err(Error::Unexpected);
        }
        if is_ours && contents.first().is_some_and(|first| ChannelData::is_first_byte(*first)) {
            let ChannelData { channel, data, .. } = ChannelData::parse(contents)?;
            let peer = self.peers.peer_of(channel).ok_or(Error::NotAllocated)?;
            return Ok(Some(FromPeer { peer, data }));
        }
        let message = Message::parse(contents)?;
        message.verify_fingerprint()?;
        match message.class() {
            Class::Indication if is_ours => self.handle_indication(now, &message),
            Class::Success | Class::Error => self.handle_response(now, local, &message).map(|()| None),
            Class::Request | Class::Indication => Err(Error::Unexpected),
        }
    }

    /// Repeats, renews and gives up what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        while let Some((request, doubted)) = self.transactions.handle_timeout(self.now) {
            let failure = if doubted { Failure::Unauthentic } else { Failure::TimedOut };
            self.fail(request.ask, request.local, failure);
        }
        if let State::Allocated { refresh_at, expires_at } = self.state {
            let is_moving = self.transactions.is_open(&Ask::Move);
            if self.now >= expires_at {
                self.end(ClientEnd::Lost(Failure::TimedOut));
            } else if !is_moving {
                if self.now >= refresh_at && !self.transactions.is_open(&Ask::Refresh) {
                    self.start(Ask::Refresh, self.config.local);
                }
                while self.transactions.has_room()
                    && let Some(ask) = self.peers.next_ask(self.now)
                {
                    self.start(ask, self.config.local);
                }
            }
        }
        self.plan();
    }

    /// Appends the next request to `buf`.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        if self.wake.is_some_and(|wake| wake <= now) {
            self.handle_timeout(now);
        }
        let ClientConfig { transport, local, server, .. } = self.config;
        let (local, len) = match self.transactions.poll_transmit(buf) {
            Some(request) => request,
            None if self.keepalive_at().is_some_and(|at| at <= now) => {
                let id = self.transactions.next_id();
                (local, MessageBuilder::indication(Method::BINDING, id, buf).fingerprint())
            }
            None => return None,
        };
        self.now = self.now.max(now);
        self.last_sent = self.now;
        self.plan();
        Some(Transmit::new(transport, local, server, len))
    }

    /// What happened.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.wake
    }

    fn plan(&mut self) {
        let allocation = match self.state {
            State::Allocated { refresh_at, expires_at } => {
                let is_moving = self.transactions.is_open(&Ask::Move);
                let is_refreshing = is_moving || self.transactions.is_open(&Ask::Refresh);
                let peers = self.peers.poll_timeout().filter(|_| self.transactions.has_room() && !is_moving);
                let next = if is_refreshing { expires_at } else { refresh_at };
                Some(peers.map_or(next, |peers| peers.min(next)))
            }
            State::Idle | State::Allocating | State::Closing => None,
        };
        let times = [allocation, self.transactions.poll_timeout(), self.keepalive_at()];
        self.wake = times.into_iter().flatten().min();
    }

    fn keepalive_at(&self) -> Option<Instant> {
        let allocated =
            matches!(self.state, State::Allocated { .. }) && self.config.transport != Transport::Tcp;
        self.config.keepalive.filter(|_| allocated).map(|after| self.last_sent + after)
    }

    fn start(&mut self, ask: Ask, local: SocketAddr) {
        let Self { config, options, ticket, transactions, now, .. } = self;
        let context = Context { software: config.software.as_deref(), options, ticket };
        transactions.start(*now, ask, local, &context);
        self.plan();
    }

    fn expect_allocation(&self) -> Result<(), Error> {
        match self.state {
            State::Allocating | State::Allocated { .. } => Ok(()),
            State::Idle | State::Closing => Err(Error::NotAllocated),
        }
    }

    fn expect_tcp_relay(&self) -> Result<(), Error> {
        match (self.state, self.options.transport) {
            (State::Allocated { .. }, RelayTransport::Tcp) if self.transactions.has_room() => Ok(()),
            (State::Allocated { .. }, RelayTransport::Tcp) => Err(Error::Overloaded),
            _ => Err(Error::NotAllocated),
        }
    }
}
