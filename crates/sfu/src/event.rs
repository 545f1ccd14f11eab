//! What the machine tells its owner. Media is not among it.

use crate::peer_id::PeerId;

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer said goodbye.
    ClosedByPeer,
    /// The owner closed it.
    ClosedByOwner,
    /// It did not connect in time.
    NeverConnected,
    /// The DTLS handshake failed: a wrong certificate, no common parameters.
    HandshakeFailed,
    /// Nothing authentic came for too long (RFC 7675).
    Silent,
    /// Another publisher took the stream over.
    Replaced,
}

impl CloseReason {
    /// A short word for logs and counters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClosedByPeer => "closed_by_peer",
            Self::ClosedByOwner => "closed_by_owner",
            Self::NeverConnected => "never_connected",
            Self::HandshakeFailed => "handshake_failed",
            Self::Silent => "silent",
            Self::Replaced => "replaced",
        }
    }
}

/// A fact of life.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A peer is connected: keys exist, media may flow.
    Connected(PeerId),
    /// A peer is gone; its id is not used again.
    Closed {
        /// Which.
        peer: PeerId,
        /// Why.
        reason: CloseReason,
    },
    /// A stream has a publisher whose media flows.
    Live {
        /// Name of the stream.
        stream: String,
    },
    /// A stream's publisher is gone; viewers may still wait for the next.
    Offline {
        /// Name of the stream.
        stream: String,
    },
}
