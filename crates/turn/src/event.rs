//! What the server asks of its owner and tells it.

use std::net::SocketAddr;
use std::sync::Arc;

use headwater_stun::Transport;

use crate::attribute::{ConnectionId, Family};

/// Who a client is: the two addresses and the transport between (RFC 8656 §2, "5-tuple").
///
/// TLS counts as TCP, DTLS as UDP: the owner takes them off.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FiveTuple {
    /// How.
    pub transport: Transport,
    /// The server's address.
    pub local: SocketAddr,
    /// The client's address.
    pub remote: SocketAddr,
}

impl FiveTuple {
    /// The way between `local` and `remote`.
    #[must_use]
    pub const fn new(transport: Transport, local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport, local, remote }
    }
}

/// Names a relayed transport address of an allocation, before and after it is open.
///
/// `index` is small and used again after [`Event::CloseRelay`]; `serial` tells the users of one index apart.
#[expect(clippy::exhaustive_structs, reason = "an owner makes tables by it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RelayId {
    /// For tables.
    pub index: u32,
    /// Grows.
    pub serial: u32,
}

/// What is spoken between relay and peers.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelayTransport {
    /// Datagrams.
    Udp,
    /// Connections (RFC 6062): the relay listens, and connects on [`Event::Connect`].
    Tcp,
}

/// Which port a relay is to have.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortRequest {
    /// Any of the range, by chance (RFC 8656 §7.2: an attacker must not guess it).
    Any,
    /// An even one.
    Even,
    /// An even one whose next is free too: both are opened, the next one as this relay.
    EvenAndNext(RelayId),
}

/// Why a relay could not be opened.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayError {
    /// No address of that family here: 440.
    Family,
    /// No port is free, or no descriptor: 508.
    Capacity,
    /// The user or its address has all it may have, over all servers of this owner: 486.
    Quota,
}

/// Why a peer could not be reached over TCP (RFC 6062 §5.2).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// It refused, or it did not answer in time: 447.
    Failed,
}

/// Why an allocation ended.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The client said so (Refresh with lifetime 0).
    Client,
    /// It was not refreshed.
    Expired,
    /// The client's TCP, TLS or DTLS connection ended.
    Disconnected,
    /// The server is stopping.
    Shutdown,
}

/// What happened, and what is to be done. Poll until there is none: the server refuses requests when too many wait.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Open a relay and say how that went: [`Server::relay_opened`](crate::Server::relay_opened).
    OpenRelay {
        /// Its name from now on.
        relay: RelayId,
        /// For datagrams or connections.
        transport: RelayTransport,
        /// On an address of this family.
        family: Family,
        /// Which port.
        port: PortRequest,
        /// For whom.
        client: FiveTuple,
        /// For which user.
        user: Arc<str>,
    },
    /// Close a relay. It may never have been opened.
    CloseRelay {
        /// Which.
        relay: RelayId,
    },
    /// Connect to a peer from a relay's address and say how that went:
    /// [`Server::connected`](crate::Server::connected).
    Connect {
        /// From where.
        relay: RelayId,
        /// The connection's name from now on.
        connection: ConnectionId,
        /// To whom.
        peer: SocketAddr,
    },
    /// After the answer that is polled next has left, the client's connection carries the peer's bytes, both ways, and
    /// none of it comes here any more.
    Splice {
        /// The client's data connection.
        client: FiveTuple,
        /// The connection with the peer.
        connection: ConnectionId,
    },
    /// Close a connection with a peer, and the client's data connection if there is one.
    CloseConnection {
        /// Which.
        connection: ConnectionId,
    },
    /// An allocation was made.
    Allocated {
        /// Whose.
        client: FiveTuple,
        /// The user's name.
        user: Arc<str>,
        /// The relayed address, the first one if it has two.
        relayed: SocketAddr,
    },
    /// An allocation came to its end; its relays are closed by events of their own.
    Ended {
        /// Whose.
        client: FiveTuple,
        /// The user's name.
        user: Arc<str>,
        /// Why.
        reason: EndReason,
    },
    /// The owner of an allocation has come from another address (RFC 8016).
    Moved {
        /// Where it was.
        from: FiveTuple,
        /// Where it is.
        to: FiveTuple,
    },
}
