//! CreatePermission and ChannelBind (RFC 8656 §10.2, §12.2).

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use headwater_stun::attribute::ErrorCode;
use headwater_stun::{Attribute, Message};

use super::Server;
use super::channel::BindError;
use super::credentials::Credential;
use super::outbox::ReplyTo;
use super::permission::PERMISSION_LIFETIME;
use super::refusal::{FAMILY_MISMATCH, FORBIDDEN, INSUFFICIENT_CAPACITY, Refusal};
use crate::RelayTransport;
use crate::attribute::{ChannelNumber, Family, XorPeerAddress};
use crate::channel_data::{MAX_CHANNEL, MIN_CHANNEL};

impl Server {
    pub(super) fn create_permission(
        &mut self,
        now: Instant,
        request: &Message<'_>,
        to: &ReplyTo,
        user: &Credential,
    ) -> Result<(), Refusal> {
        let key = self.owned(to, user)?;
        let mut addresses = Vec::new();
        for raw in request.attributes().filter(|it| it.kind == <XorPeerAddress as Attribute<'_>>::TYPE) {
            let XorPeerAddress(peer) = XorPeerAddress::parse(raw)?;
            addresses.push(peer.ip());
        }
        if addresses.is_empty() {
            return Err(ErrorCode::BAD_REQUEST.into());
        }
        // All of them or none.
        addresses.iter().try_for_each(|address| self.check_address(key, *address))?;
        let allocation = &mut self.allocations[key as usize];
        if !allocation.permissions.has_room(now, &addresses) {
            return Err(INSUFFICIENT_CAPACITY.into());
        }
        for address in addresses {
            self.permit(now, key, address);
        }
        self.outbox.succeed(to, &user.key, |message| message);
        Ok(())
    }

    pub(super) fn channel_bind(
        &mut self,
        now: Instant,
        request: &Message<'_>,
        to: &ReplyTo,
        user: &Credential,
    ) -> Result<(), Refusal> {
        let key = self.owned(to, user)?;
        let ChannelNumber(number) = request.attribute()?.ok_or(ErrorCode::BAD_REQUEST)?;
        let XorPeerAddress(peer) = request.attribute()?.ok_or(ErrorCode::BAD_REQUEST)?;
        let is_for_datagrams = self.allocations[key as usize].transport == RelayTransport::Udp;
        if !(MIN_CHANNEL..=MAX_CHANNEL).contains(&number) || !is_for_datagrams {
            return Err(ErrorCode::BAD_REQUEST.into());
        }
        self.check_peer_of(key, peer)?;
        let allocation = &mut self.allocations[key as usize];
        match allocation.channels.check(now, number, peer) {
            Ok(()) => {}
            Err(BindError::Taken) => return Err(ErrorCode::BAD_REQUEST.into()),
            Err(BindError::Full) => return Err(INSUFFICIENT_CAPACITY.into()),
        }
        if !allocation.permissions.has_room(now, &[peer.ip()]) {
            return Err(INSUFFICIENT_CAPACITY.into());
        }
        allocation.channels.bind(now, number, peer, now + PERMISSION_LIFETIME);
        self.permit(now, key, peer.ip());
        self.outbox.succeed(to, &user.key, |message| message);
        Ok(())
    }

    /// Makes or renews a permission, for channels too.
    fn permit(&mut self, now: Instant, key: u32, address: IpAddr) {
        let allocation = &mut self.allocations[key as usize];
        let until = now + PERMISSION_LIFETIME;
        allocation.permissions.install(address, until);
        allocation.channels.permit(address, until);
    }

    /// Whether this allocation may have a permission for `address`.
    fn check_address(&self, key: u32, address: IpAddr) -> Result<(), Refusal> {
        let family = Family::of(&SocketAddr::new(address, 0));
        // An IPv4 address in IPv6's clothes is no honest client's: whether it may be a peer is not even asked.
        if matches!(address, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some()) {
            return Err(FORBIDDEN.into());
        }
        if self.allocations[key as usize].relay(family).is_none() {
            return Err(FAMILY_MISMATCH.into());
        }
        if self.config.peers.permits_address(address) { Ok(()) } else { Err(FORBIDDEN.into()) }
    }

    /// Whether this allocation may talk to `peer`.
    pub(super) fn check_peer_of(&self, key: u32, peer: SocketAddr) -> Result<(), Refusal> {
        self.check_address(key, peer.ip())?;
        if self.may_be_peer(peer) { Ok(()) } else { Err(FORBIDDEN.into()) }
    }
}
