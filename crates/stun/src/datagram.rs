//! What comes in and what goes out: bytes and the two addresses they travel between.

use std::net::SocketAddr;

/// The transport protocol under a datagram.
///
/// Over TCP a "datagram" is one framed message (RFC 4571 for ICE, the message's own length for plain STUN).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Each datagram is one UDP datagram; it may be lost, doubled or reordered.
    Udp,
    /// A framed message of a TCP (or TLS) connection: reliable and in order.
    Tcp,
    /// A UDP datagram that a TURN server in this process relays: it is never on the wire between here and there.
    Relayed,
}

/// One datagram that arrived.
#[non_exhaustive]
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// How it came.
    pub transport: Transport,
    /// The address of ours that it came to; matters on hosts with several.
    pub local: SocketAddr,
    /// The address it came from.
    pub remote: SocketAddr,
    /// The bytes.
    pub contents: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// A datagram of `contents` that came from `remote` to `local`.
    #[must_use]
    pub const fn new(
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
        contents: &'a [u8],
    ) -> Self {
        Self { transport, local, remote, contents }
    }
}

/// Where the bytes that were just appended to the caller's buffer go.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// How to send it.
    pub transport: Transport,
    /// The address of ours to send it from.
    pub local: SocketAddr,
    /// The address to send it to.
    pub remote: SocketAddr,
    /// How many bytes at the end of the buffer belong to it.
    pub len: usize,
    /// If set, the bytes are several datagrams of this size (only the last may be shorter). Only media sets it.
    pub segment_size: Option<u16>,
}

impl Transmit {
    /// One datagram of `len` bytes.
    #[must_use]
    pub const fn new(transport: Transport, local: SocketAddr, remote: SocketAddr, len: usize) -> Self {
        Self { transport, local, remote, len, segment_size: None }
    }
}
