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

/// What an endpoint does next.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// Sends datagrams, by UDP.
    Datagram(Transmit),
    /// Opens a connection, by TCP. The local port may be any: unlike for datagrams, only the IP address must be one of
    /// the endpoint's own.
    Connect {
        /// The address that it is opened from.
        local: SocketAddr,
        /// The address of who is to accept it.
        remote: SocketAddr,
    },
    /// Sends a message along a connection; before it is open, the message waits. On one that has ended it is dropped
    /// and counted as unroutable.
    Message(Transmit),
    /// Closes a connection. What was sent before still arrives.
    Close {
        /// Our address of it.
        local: SocketAddr,
        /// The remote address of it.
        remote: SocketAddr,
    },
}

/// What happened on a connection.
#[non_exhaustive]
#[derive(Debug, PartialEq, Eq)]
pub enum StreamEvent<'a> {
    /// It is open: the remote has accepted ours, or we have accepted the remote's.
    Connected,
    /// A whole message came, in order.
    Message(&'a mut [u8]),
    /// It is no more.
    Closed(StreamClosed),
}

/// Why a connection is no more.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamClosed {
    /// The remote closed it.
    ByPeer,
    /// The remote doesn't accept it.
    Refused,
    /// The remote knows nothing of it, as after a NAT was rebound; or our own address is gone.
    Reset,
    /// No answer for half a minute while it was being opened, or for two minutes later.
    TimedOut,
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

    /// What the network asks instead of [`Self::poll_transmit`], which it calls by default: for endpoints that have
    /// connections, too.
    fn poll_outgoing(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Outgoing> {
        self.poll_transmit(now, buf).map(Outgoing::Datagram)
    }

    /// Whether the endpoint accepts a connection to `local` from `remote`. By default it accepts none.
    fn accepts(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        let _unused = (local, remote);
        false
    }

    /// Something happened on the connection of `local` with `remote`.
    fn handle_stream(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, event: StreamEvent<'_>) {
        let _unused = (now, local, remote, event);
    }
}
