//! What a connection tells its owner.

use crate::alert::Alert;
use crate::certificate::Fingerprint;
use crate::error::Refusal;
use crate::exporter::SrtpKeys;

/// A protocol version that was negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Version {
    /// RFC 6347.
    Dtls12,
    /// RFC 9147.
    Dtls13,
}

/// Something happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The handshake is finished and the peer is the one that the fingerprints name.
    Connected(Connected),
    /// Application data, one record's.
    Data(Vec<u8>),
    /// It is over; nothing follows. What is still in `poll_transmit` tells the peer.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

/// What the handshake agreed on.
#[derive(Debug)]
#[non_exhaustive]
pub struct Connected {
    /// The version.
    pub version: Version,
    /// The cipher suite's IANA number.
    pub cipher_suite: u16,
    /// The key exchange group's IANA number (0x11EC X25519MLKEM768, 29 X25519, 23 secp256r1, 24 secp384r1).
    pub group: u16,
    /// SRTP keys, when both sides wanted a common profile.
    pub srtp: Option<SrtpKeys>,
    /// SHA-256 of the peer's certificate. `None` only when `danger_accept_any_certificate` let a client without one in.
    pub peer_fingerprint: Option<Fingerprint>,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// We called [`close`](crate::Connection::close).
    Local,
    /// The peer said close_notify.
    CloseNotify,
    /// The peer sent a fatal alert.
    Alert(Alert),
    /// The handshake took longer than `handshake_timeout`.
    TimedOut,
    /// We ended it, for this reason; the peer was told by the matching alert.
    Refused(Refusal),
}
