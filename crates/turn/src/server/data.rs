//! The way of data: from a client's ChannelData and Send to a peer, and back (RFC 8656 §11, §12). HOT.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use headwater_stun::{
    Attribute, Datagram, HEADER_LEN, Message, MessageBuilder, ParseError, TransactionId, Transmit, Transport,
};
use rand_chacha::rand_core::Rng;

use super::allocation::{Allocation, RelayOwner};
use super::{Server, ToPeer};
use crate::attribute::{DATA, Data, DontFragment, Family, Icmp, XorPeerAddress, is_known};
use crate::channel_data::{self, ChannelData};
use crate::{Error, FiveTuple, RelayId, RelayTransport};

/// Most bytes of a UDP datagram, and so of a message to a UDP client.
const MAX_UDP_LEN: usize = 65_507;
/// Most that a Data indication has beside its data: two attribute headers, an IPv6 address, padding.
const DATA_OVERHEAD: usize = HEADER_LEN + 4 + 20 + 4 + 3;

impl Server {
    /// ChannelData of a client.
    pub(super) fn channel_data<'d>(
        &mut self,
        now: Instant,
        datagram: Datagram<'d>,
    ) -> Result<ToPeer<'d>, Error> {
        let ChannelData { channel, data } = ChannelData::parse(datagram.contents)?;
        let client = FiveTuple::new(datagram.transport, datagram.local, datagram.remote);
        let key = self.clients.allocation(&client).ok_or(Error::NotAllocated)?;
        let allocation = &self.allocations[key as usize];
        let channel = allocation
            .channels
            .by_number(channel)
            .filter(|it| it.is_bound(now) && now < allocation.expires)
            .ok_or(Error::NotAllocated)?;
        if now >= channel.permitted {
            return Err(Error::NotPermitted);
        }
        let peer = channel.peer;
        let relay = allocation.relay(Family::of(&peer)).ok_or(Error::NotAllocated)?;
        self.pay(now, key, data.len())?;
        self.counters.to_peers.note(data.len());
        Ok(ToPeer { relay, peer, data, dont_fragment: false })
    }

    /// A Send indication of a client.
    pub(super) fn send_indication<'d>(
        &mut self,
        now: Instant,
        datagram: Datagram<'d>,
        message: &Message<'d>,
    ) -> Result<ToPeer<'d>, Error> {
        let client = FiveTuple::new(datagram.transport, datagram.local, datagram.remote);
        let key = self.clients.allocation(&client).ok_or(Error::NotAllocated)?;
        let allocation = &self.allocations[key as usize];
        if now >= allocation.expires || allocation.transport != RelayTransport::Udp {
            return Err(Error::NotAllocated);
        }
        if message.unknown_required(is_known).next().is_some() {
            return Err(Error::Unexpected);
        }
        let missing = |kind| Error::Malformed(ParseError::BadAttribute(kind));
        let XorPeerAddress(peer) =
            message.attribute()?.ok_or_else(|| missing(<XorPeerAddress as Attribute<'_>>::TYPE))?;
        let Data(data) = message.attribute()?.ok_or_else(|| missing(<Data<'_> as Attribute<'_>>::TYPE))?;
        let dont_fragment = message.attribute::<DontFragment>()?.is_some();
        if !self.may_be_peer(peer) {
            return Err(Error::Forbidden);
        }
        if !allocation.permissions.permits(now, peer.ip()) {
            return Err(Error::NotPermitted);
        }
        let relay = allocation.relay(Family::of(&peer)).ok_or(Error::NotPermitted)?;
        self.pay(now, key, data.len())?;
        self.counters.to_peers.note(data.len());
        Ok(ToPeer { relay, peer, data, dont_fragment })
    }

    /// Data of a peer.
    pub(super) fn peer_data(
        &mut self,
        now: Instant,
        relay: RelayId,
        peer: SocketAddr,
        data: &[u8],
        buf: &mut Vec<u8>,
    ) -> Result<Transmit, Error> {
        let Some(RelayOwner::Allocation(key)) = self.relays.owner(relay) else {
            return Err(Error::NotAllocated);
        };
        let allocation = &self.allocations[key as usize];
        if now >= allocation.expires || !allocation.attached {
            return Err(Error::NotAllocated);
        }
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let client = allocation.client;
        let channel = allocation.channels.by_peer(peer).filter(|it| it.is_bound(now));
        let channel = match channel {
            Some(channel) if now < channel.permitted => Some(channel.number),
            Some(_) => return Err(Error::NotPermitted),
            None => {
                self.check_peer(now, allocation, peer)?;
                None
            }
        };
        let overhead = if channel.is_some() { channel_data::HEADER_LEN } else { DATA_OVERHEAD };
        let limit = if client.transport == Transport::Udp { MAX_UDP_LEN } else { usize::from(u16::MAX) };
        if data.len() + overhead > limit {
            return Err(ParseError::TooLong { limit: limit - overhead, got: data.len() }.into());
        }
        self.pay(now, key, data.len())?;
        let len = match channel {
            Some(number) => channel_data::emit(client.transport, number, data, buf)
                .expect("at most 65,535 bytes: checked above"),
            None => MessageBuilder::indication(DATA, self.fresh_id(), buf)
                .attribute(&XorPeerAddress(peer))
                .attribute(&Data(data))
                .finish(),
        };
        self.counters.to_clients.note(data.len());
        Ok(Transmit::new(client.transport, client.local, client.remote, len))
    }

    /// A datagram of a relay came to nothing (RFC 8656 §11.5).
    pub(super) fn icmp(&mut self, now: Instant, relay: RelayId, peer: SocketAddr, icmp: Icmp) {
        let Some(RelayOwner::Allocation(key)) = self.relays.owner(relay) else { return };
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let allocation = &self.allocations[key as usize];
        let (client, relevant) = (allocation.client, is_relevant(peer.ip(), icmp.kind));
        // Anybody on the way can make these: answers go before them.
        if !relevant
            || now >= allocation.expires
            || !allocation.attached
            || self.check_peer(now, allocation, peer).is_err()
            || self.outbox.is_half_full()
        {
            return;
        }
        let id = self.fresh_id();
        let _: Result<(), Error> = self.outbox.push(
            client,
            |buf| {
                Ok(MessageBuilder::indication(DATA, id, buf)
                    .attribute(&XorPeerAddress(peer))
                    .attribute(&icmp)
                    .finish())
            },
            |_| Ok(()),
        );
    }

    /// Whether anything may be sent to, or received from, this address and port, given a permission for the address.
    /// Whether the address itself may be permitted was asked when it was.
    pub(super) fn may_be_peer(&self, peer: SocketAddr) -> bool {
        let is_mapped = matches!(peer.ip(), IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some());
        !is_mapped && self.config.peers.permits_port(peer) && !self.is_listener(peer) && !self.is_inside(peer)
    }

    /// Whether this is on our own machine, where relays alone are open to peers: other services there may take what comes from
    /// the machine itself for a friend's.
    fn is_inside(&self, peer: SocketAddr) -> bool {
        let config = &self.config;
        !config.relay_ports.contains(&peer.port())
            && config.own_addresses.contains(&peer.ip())
            && !config.peers.names(peer.ip())
    }

    /// Whether this is a listener of ours. Each of our addresses, and all of 127.0.0.0/8, leads to one that listens on any.
    fn is_listener(&self, peer: SocketAddr) -> bool {
        let ip = peer.ip();
        let leads_here = || ip.is_loopback() || self.config.own_addresses.contains(&ip);
        self.listeners.iter().any(|it| *it == peer || it.port() == peer.port() && leads_here())
    }

    pub(super) fn check_peer(
        &self,
        now: Instant,
        allocation: &Allocation,
        peer: SocketAddr,
    ) -> Result<(), Error> {
        if !allocation.permissions.permits(now, peer.ip()) {
            return Err(Error::NotPermitted);
        }
        if self.may_be_peer(peer) { Ok(()) } else { Err(Error::Forbidden) }
    }

    /// Counts bytes against the user's and the address's bandwidth, if both have it.
    fn pay(&mut self, now: Instant, key: u32, bytes: usize) -> Result<(), Error> {
        let Allocation { user_account: user, address_account: address, .. } = self.allocations[key as usize];
        if !self.users.may_send(now, user) || !self.addresses.may_send(now, address) {
            return Err(Error::OverQuota);
        }
        self.users.spend(user, bytes);
        self.addresses.spend(address, bytes);
        Ok(())
    }

    pub(super) fn fresh_id(&mut self) -> TransactionId {
        let mut id = [0; TransactionId::LEN];
        self.rng.fill_bytes(&mut id);
        TransactionId::new(id)
    }
}

/// RFC 8656 §11.5: unreachable and time exceeded; for IPv6 too big as well (in IPv4 that is a code of unreachable).
const fn is_relevant(peer: IpAddr, kind: u8) -> bool {
    match peer {
        IpAddr::V4(_) => matches!(kind, 3 | 11),
        IpAddr::V6(_) => matches!(kind, 1..=3),
    }
}
