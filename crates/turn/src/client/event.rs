//! What the client tells its owner.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use headwater_stun::Refusal;
use thiserror::Error;

use crate::attribute::{ConnectionId, Family, Icmp};

/// Why a request came to nothing.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// The server says no, with this code. Of RFC 8656 §16 and its kin: 403 forbidden, 405 mobility forbidden, 437
    /// allocation mismatch (try another port of ours), 440 family not supported, 441 wrong credentials, 442
    /// transport not supported, 443 family mismatch, 446 already connected, 447 connection failed, 486 quota
    /// reached, 508 no capacity.
    #[error("refused with {0}")]
    Refused(u16),
    /// The server asks for proof, and that came to nothing.
    #[error("{0}")]
    Denied(Refusal),
    /// No answer came.
    #[error("no answer")]
    TimedOut,
    /// Answers came, but none by somebody who knows the password.
    #[error("no authentic answer")]
    Unauthentic,
    /// The answer lacks what it must have, or has what must be understood and is not.
    #[error("an answer that makes no sense")]
    BadAnswer,
    /// What it was for has ended meanwhile.
    #[error("the allocation has ended")]
    Ended,
}

/// Why there is no allocation any more.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEnd {
    /// [`Client::close`](crate::Client::close), whether the server answered or not.
    Closed,
    /// It could not be refreshed, or moved.
    Lost(Failure),
    /// The connection to the server has ended.
    Disconnected,
}

/// What happened.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// There is an allocation. It is refreshed from now on.
    Allocated {
        /// Our address as peers see it.
        relayed: SocketAddr,
        /// The one of the other family, for [`Families::Both`](crate::Families::Both).
        additional: Option<SocketAddr>,
        /// Why there is none of the other family: 440 or 508.
        additional_refused: Option<(Family, u16)>,
        /// Our address as the server sees it.
        mapped: Option<SocketAddr>,
        /// What the server grants before it must be refreshed.
        lifetime: Duration,
        /// Stands for the next port, for [`RelayPort::EvenAndNext`](crate::RelayPort::EvenAndNext).
        token: Option<[u8; 8]>,
    },
    /// There is none.
    AllocateFailed(Failure),
    /// The server sends us to another one (RFC 8489 §10). Over UDP, if the configuration says so and it does not lead
    /// in circles, the client is `following` by itself; else [`AllocateFailed`](Self::AllocateFailed) comes next.
    Redirected {
        /// The other server.
        server: SocketAddr,
        /// The name in its certificate, if it isn't this one's.
        domain: Option<String>,
        /// Whether it is asked now.
        following: bool,
    },
    /// Peers of this address may send to us, and we to them.
    Permitted(IpAddr),
    /// They may not, or no longer.
    PermitFailed(IpAddr, Failure),
    /// Data to and from this peer goes by four bytes of header now.
    ChannelBound(SocketAddr),
    /// It does not, or no longer.
    ChannelFailed(SocketAddr, Failure),
    /// The allocation is now at our new address (RFC 8016).
    Moved,
    /// A datagram of ours to this peer came to nothing on the way from the server.
    Icmp(SocketAddr, Icmp),
    /// A peer has connected to our TCP relay. Open a connection to the server and hand it to
    /// [`Client::bind_connection`](crate::Client::bind_connection) within 30 s.
    PeerConnected(SocketAddr, ConnectionId),
    /// The server has connected to the peer for us; go on as for [`PeerConnected`](Self::PeerConnected).
    Connected(SocketAddr, ConnectionId),
    /// It has not.
    ConnectFailed(SocketAddr, Failure),
    /// This connection of ours carries the peer's bytes from now on, both ways.
    ConnectionBound {
        /// The one that was named.
        connection: ConnectionId,
        /// Our end of it.
        local: SocketAddr,
    },
    /// It does not: close it.
    BindFailed {
        /// The one that was named.
        connection: ConnectionId,
        /// Our end of it.
        local: SocketAddr,
        /// Why.
        failure: Failure,
    },
    /// There is no allocation any more, nor any permission or channel.
    Ended(ClientEnd),
}
