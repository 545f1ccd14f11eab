//! What the network asks of whoever stands at its edge.

use std::net::SocketAddr;
use std::time::Instant;

/// Where the bytes that [`Endpoint::poll_transmit`] appended are to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The address that the datagram leaves from: one of the endpoint's own.
    pub local: SocketAddr,
    /// The address that it is sent to.
    pub remote: SocketAddr,
    /// How many bytes were appended to the buffer.
    pub len: usize,
    /// If set, the bytes are several datagrams of this size, of which the last may be shorter.
    pub segment_size: Option<u16>,
}

impl Transmit {
    /// One datagram of `len` bytes.
    #[must_use]
    pub const fn new(local: SocketAddr, remote: SocketAddr, len: usize) -> Self {
        Self { local, remote, len, segment_size: None }
    }
}

/// A machine at the edge of the network. Each crate's tests adapt their machine to it in a few lines.
pub trait Endpoint {
    /// A datagram for `local` (one of this endpoint's addresses) came from `remote`.
    ///
    /// A refused datagram is the endpoint's own business: count it there, if the test wants to know.
    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, contents: &mut [u8]);

    /// The time that [`Self::poll_timeout`] asked for has come.
    fn handle_timeout(&mut self, now: Instant);

    /// Appends what is to be sent next to `buf` and says where it goes.
    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit>;

    /// When [`Self::handle_timeout`] wants to be called next.
    fn poll_timeout(&self) -> Option<Instant>;
}
