//! What agents tell their owner.

use headwater_stun::Transport;
use std::net::SocketAddr;

use crate::Candidate;

/// One way between two addresses: what media is sent along.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    /// How.
    pub transport: Transport,
    /// Our address (for a reflexive candidate its base).
    pub local: SocketAddr,
    /// The peer's address as we see it.
    pub remote: SocketAddr,
}

impl Path {
    /// The way from `local` to `remote`.
    #[must_use]
    pub const fn new(transport: Transport, local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport, local, remote }
    }

    /// What a candidate of this path says of its transport: a TURN server of this process relays UDP.
    pub(crate) const fn candidate_transport(&self) -> Transport {
        match self.transport {
            Transport::Relayed => Transport::Udp,
            other => other,
        }
    }
}

/// What happened. Events are few and each matters, so agents refuse datagrams rather than lose one.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An address of the peer passed an authenticated check: datagrams from there may be believed to be its.
    Validated(Path),
    /// Media goes along this path from now on.
    PathSelected(Path),
    /// A path is no longer validated: it was silent for too long, or there were too many, or its connection ended, or
    /// its local address was taken back. Of a TCP path that never came to be validated it says that nobody needs it any
    /// more. A TCP connection of this path can be closed.
    Removed(Path),
    /// Open a TCP connection from any port of `local`'s IP address to `remote` (ICE-TCP, active), then say
    /// [`Agent::connected`](crate::Agent::connected), or [`Agent::path_closed`](crate::Agent::path_closed) if it
    /// can't be. `local` has port 9, as the candidate has.
    Connect(Path),
    /// A local candidate was found: the address that a peer saw (peer-reflexive). It needs no signalling.
    LocalCandidate(Candidate),
    /// No path was found in time. The agent goes on answering and may still succeed; a restart is better.
    Failed,
    /// The end: nothing is sent or taken any more.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

/// Why an agent closed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// RFC 7675: the peer has not agreed for 30 s to be sent to.
    ConsentExpired,
    /// The owner closed it.
    Local,
}
