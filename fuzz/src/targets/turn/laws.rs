//! What a server must never do, whatever it is sent: kept beside it, by what its owner sees.

use super::setups;
use headwater_stun::attribute::XorMappedAddress;
use headwater_stun::{Attribute, Class, Message, RawAttribute, Transport};
use headwater_turn::attribute::XorPeerAddress;
use headwater_turn::{FiveTuple, PeerPolicy, Quota, ServerConfig};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a permission lasts (RFC 8656 §9).
const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// How many seconds' worth of answers one who has not proven anything may be sent at once.
const BURST: u64 = 4;

/// What the server may do, and what it has done.
pub(super) struct Laws {
    start: Instant,
    per_user: Quota,
    per_address: Quota,
    pub(super) max_allocations: usize,
    unproven_bytes_per_second: u64,
    policy: PeerPolicy,
    listeners: Vec<SocketAddr>,
    /// Allocations that the owner was told of.
    pub(super) live: Vec<(FiveTuple, Arc<str>)>,
    /// Datagrams of clients that the server has refused.
    pub(super) refused: u64,
    /// When a request named a peer last.
    named: HashMap<IpAddr, Instant>,
    /// Bytes beyond their requests, to those who had proven nothing.
    unproven: HashMap<IpAddr, u64>,
    /// Bits of application data, for each account.
    carried: HashMap<String, u64>,
}

impl Laws {
    pub(super) fn new(config: &ServerConfig, start: Instant) -> Self {
        Self {
            start,
            per_user: config.per_user.clone(),
            per_address: config.per_address.clone(),
            max_allocations: config.max_allocations,
            unproven_bytes_per_second: config.unproven_bytes_per_second.into(),
            policy: config.peers.clone(),
            listeners: config.listeners.clone(),
            live: Vec::new(),
            refused: 0,
            named: HashMap::new(),
            unproven: HashMap::new(),
            carried: HashMap::new(),
        }
    }

    /// The server hears a request: from now on the peers in it may have permissions.
    pub(super) fn asked(&mut self, now: Instant, request: &Message<'_>) {
        let named = request.attributes().filter_map(|raw| peer_of(raw));
        self.named.extend(named.map(|peer| (peer.ip(), now)));
    }

    /// The server's answer to a datagram. Whoever has proven nothing is sent little, and nobody else is sent it.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        asker: FiveTuple,
        asked: usize,
        to: FiveTuple,
        answer: &[u8],
    ) {
        let message = Message::parse(answer).expect("we answer with proper messages");
        if !matches!(message.class(), Class::Success | Class::Error) || message.has_integrity() {
            return;
        }
        assert_eq!(to, asker, "an unproven answer goes to who has asked");
        if let Ok(Some(XorMappedAddress(mapped))) = message.attribute() {
            assert_eq!(mapped, asker.remote);
        }
        if asker.transport == Transport::Udp {
            let sent = self.unproven.entry(asker.remote.ip()).or_default();
            *sent += answer.len().saturating_sub(asked) as u64;
            let millis = now.saturating_duration_since(self.start).as_millis() as u64;
            let allowed = self.unproven_bytes_per_second * (BURST * 1000 + millis) / 1000;
            assert!(*sent <= allowed, "{sent} bytes sent to who has proven nothing, {allowed} allowed");
        }
    }

    /// A relay is to connect to this peer.
    pub(super) fn connects(&self, peer: SocketAddr) {
        let is_mapped = matches!(peer.ip(), IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some());
        assert!(!is_mapped && self.policy.permits(peer), "{peer} is denied by the policy");
        assert!(!self.listeners.contains(&peer), "{peer} is the server itself");
    }

    /// Something is to go to this peer, or has come from it and is taken.
    pub(super) fn talks(&self, now: Instant, peer: SocketAddr) {
        self.connects(peer);
        let named = self.named.get(&peer.ip());
        let is_permitted =
            named.is_some_and(|named| now.saturating_duration_since(*named) < PERMISSION_LIFETIME);
        assert!(is_permitted, "no request has asked for {peer}");
    }

    /// Data of this user was carried.
    pub(super) fn carries(&mut self, now: Instant, user: &str, bytes: usize) {
        let Some(rate) = self.per_user.bits_per_second else { return };
        let carried = self.carried.entry(account(user).to_owned()).or_default();
        // A second's worth is saved up, and the last datagram may be longer than what was left.
        let millis = 1000 + now.saturating_duration_since(self.start).as_millis() as u64;
        let allowed = rate * millis / 1000;
        assert!(*carried <= allowed + 1, "{carried} bits carried, {allowed} allowed");
        *carried += bytes as u64 * 8;
    }

    pub(super) fn allocated(&mut self, client: FiveTuple, user: Arc<str>) {
        self.live.push((client, user));
        self.check_quotas();
    }

    pub(super) fn ended(&mut self, client: FiveTuple, user: &str) {
        let place = self.live.iter().position(|(of, name)| *of == client && **name == *user);
        self.live.swap_remove(place.expect("what ends was there"));
    }

    pub(super) fn moved(&mut self, from: FiveTuple, to: FiveTuple) {
        let place = self.live.iter().position(|(of, _)| *of == from);
        self.live[place.expect("what moves was there")].0 = to;
        self.check_quotas();
    }

    fn check_quotas(&self) {
        for (client, user) in &self.live {
            let of_user = self.live.iter().filter(|(_, it)| account(it) == account(user)).count();
            let of_address = self.live.iter().filter(|(it, _)| it.remote.ip() == client.remote.ip()).count();
            for (held, quota) in [(of_user, &self.per_user), (of_address, &self.per_address)] {
                assert!(quota.allocations.is_none_or(|most| held <= most as usize), "over the quota");
            }
        }
    }
}

fn peer_of(raw: RawAttribute<'_>) -> Option<SocketAddr> {
    let is_peer = raw.kind == <XorPeerAddress as Attribute<'_>>::TYPE;
    XorPeerAddress::parse(raw).ok().filter(|_| is_peer).map(|XorPeerAddress(peer)| peer)
}

/// The name that quotas go by.
fn account(user: &str) -> &str {
    if user == setups::TIMED { "timed" } else { user }
}
