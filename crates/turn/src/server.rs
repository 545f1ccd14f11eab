//! The server: routes what clients and peers send.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_stun::{Datagram, Transmit};

use crate::attribute::{ConnectionId, Icmp};
use crate::{ConfigError, ConnectError, Error, Event, FiveTuple, RelayError, RelayId, ServerConfig};

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
#[derive(Debug)]
pub struct Server {}

impl Server {
    /// A server without clients. `seed` makes tokens, tickets and connection ids; `unix` is the time since 1970 at `now`,
    /// which time-limited credentials are compared with.
    ///
    /// # Errors
    /// [`ConfigError`] if a value is out of its range.
    pub fn new(
        _config: ServerConfig,
        _seed: [u8; 32],
        _now: Instant,
        _unix: Duration,
    ) -> Result<Self, ConfigError> {
        Ok(Self {})
    }

    /// Takes a datagram, or a stream's message, of a client: a STUN message or ChannelData. HOT for data.
    ///
    /// Data is not kept here: it is returned, and the caller sends it on. Answers come by [`poll_transmit`](Self::poll_transmit).
    ///
    /// # Errors
    /// [`Error`]: nothing is answered and nothing has changed.
    pub fn handle_datagram<'d>(
        &mut self,
        _now: Instant,
        _datagram: Datagram<'d>,
    ) -> Result<Option<ToPeer<'d>>, Error> {
        Err(Error::Unexpected)
    }

    /// Takes data of a peer that came to a relay, and appends the message for the client to `buf`. HOT.
    ///
    /// # Errors
    /// [`Error::NotPermitted`], [`Error::OverQuota`], [`Error::NotAllocated`]: nothing was appended.
    pub fn handle_peer_data(
        &mut self,
        _now: Instant,
        _relay: RelayId,
        _peer: SocketAddr,
        _data: &[u8],
        _buf: &mut Vec<u8>,
    ) -> Result<Transmit, Error> {
        Err(Error::NotAllocated)
    }

    /// A datagram that a relay sent to `peer` came to nothing: the client is told (RFC 8656 §11.5), if it asked for
    /// a permission.
    pub fn handle_icmp(&mut self, _now: Instant, _relay: RelayId, _peer: SocketAddr, _icmp: Icmp) {}

    /// The answer to [`Event::OpenRelay`]: the relay's address, or why there is none. For
    /// [`PortRequest::EvenAndNext`](crate::PortRequest::EvenAndNext) the even one is named; the other has the next port.
    pub fn relay_opened(&mut self, _now: Instant, _relay: RelayId, _result: Result<SocketAddr, RelayError>) {}

    /// The client's TCP, TLS or DTLS connection has ended, and with it its allocation. A data connection ends its peer's.
    pub fn client_closed(&mut self, _now: Instant, _client: FiveTuple) {}

    /// The answer to [`Event::Connect`].
    pub fn connected(&mut self, _now: Instant, _connection: ConnectionId, _result: Result<(), ConnectError>) {
    }

    /// A peer has connected to a TCP relay.
    ///
    /// # Errors
    /// [`Error::NotPermitted`]: close it. [`Error::Overloaded`]: the allocation has too many.
    pub fn peer_connected(
        &mut self,
        _now: Instant,
        _relay: RelayId,
        _peer: SocketAddr,
    ) -> Result<ConnectionId, Error> {
        Err(Error::NotAllocated)
    }

    /// A connection with a peer has ended.
    pub fn connection_closed(&mut self, _now: Instant, _connection: ConnectionId) {}

    /// Drops what has expired, and answers what has waited too long.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// Appends the next answer or indication to `buf`.
    #[must_use]
    pub fn poll_transmit(&mut self, _now: Instant, _buf: &mut Vec<u8>) -> Option<Transmit> {
        None
    }

    /// What happened, and what is to be done.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// From now on no allocation is made (508); those that are there go on until they end. See [`is_empty`](Self::is_empty).
    pub fn drain(&mut self) {}

    /// Ends all allocations: [`Event::CloseRelay`] for each relay.
    pub fn close(&mut self, _now: Instant) {}

    /// Whether this client has an allocation, or is the data connection of one.
    #[must_use]
    pub fn has_allocation(&self, _client: &FiveTuple) -> bool {
        false
    }

    /// Whether there is no allocation.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        true
    }
}
