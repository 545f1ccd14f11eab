//! A datagram on its way: what filters see, what they decide, and what became of all of them.

use crate::network::EndpointId;
use std::net::SocketAddr;
use std::time::Duration;

/// What a packet travels in.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams, each on its own.
    Udp,
    /// Messages of a connection: none is lost, doubled or overtaken; what a link loses comes later.
    Tcp,
}

/// A datagram, or a message of a connection, as it leaves its sender, for filters.
///
/// Of a connection filters also see what opens and closes it, without contents, and each repetition.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// UDP or TCP.
    pub transport: Transport,
    /// Who sent it.
    pub from: EndpointId,
    /// The address that it was sent from, before any NAT.
    pub source: SocketAddr,
    /// The address that it was sent to.
    pub destination: SocketAddr,
    /// The bytes. A filter may change them, as an attacker on the path could.
    pub contents: &'a mut Vec<u8>,
}

/// What a filter decides.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let the next filter decide, and then the link.
    Pass,
    /// Drop it.
    Drop,
    /// Deliver it this much later than the link does.
    Delay(Duration),
}

/// What happened to datagrams and messages so far.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams and messages that endpoints sent.
    pub sent: u64,
    /// Datagrams and messages that arrived, duplicates included.
    pub delivered: u64,
    /// Dropped by the link's loss.
    pub lost: u64,
    /// Larger than the link's MTU.
    pub too_large: u64,
    /// Dropped since the link's queue was full.
    pub queue_full: u64,
    /// Sent to an address that nobody has, or that a NAT didn't let in.
    pub unroutable: u64,
    /// Dropped by [`Network::drop_next`](crate::Network::drop_next) or a filter.
    pub dropped_by_filter: u64,
    /// Kept in by a firewall, since nothing of the kind may leave.
    pub blocked: u64,
    /// Messages and controls of connections that had to be sent again.
    pub repeated: u64,
}
