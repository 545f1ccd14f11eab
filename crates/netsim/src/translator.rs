//! A NAT or a firewall at work: what it remembers, and what it therefore lets pass.

use crate::datagram::Transport;
use crate::nat::{Behaviour, Firewall, Hairpinning, Nat, Outbound};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// The first port that a NAT gives out of its own choice.
const FIRST_PORT: u16 = 40_000;

#[derive(Debug)]
struct Mapping {
    inside: SocketAddr,
    /// The part of the remote address that this mapping is for.
    part: Option<SocketAddr>,
    /// The parts of remote addresses that may answer, and when each was last written to.
    permitted: BTreeMap<Option<SocketAddr>, Instant>,
    last_used: Instant,
}

/// A NAT or firewall at work. A firewall is a NAT that maps every address to itself.
#[derive(Debug)]
pub(crate) struct Translator {
    public: Option<IpAddr>,
    mapping: Behaviour,
    filtering: Behaviour,
    lifetime: Duration,
    tcp_lifetime: Duration,
    inbound_refresh: bool,
    hairpinning: Hairpinning,
    port_preservation: bool,
    port_parity: bool,
    outbound: Outbound,
    next_port: u16,
    /// By the address that the world sees.
    mappings: BTreeMap<(Transport, SocketAddr), Mapping>,
    /// What was in use before a rebinding, and is not given out again.
    retired: BTreeSet<(Transport, SocketAddr)>,
}

impl From<Nat> for Translator {
    fn from(nat: Nat) -> Self {
        Self {
            public: Some(nat.public),
            mapping: nat.mapping,
            filtering: nat.filtering,
            lifetime: nat.lifetime,
            tcp_lifetime: nat.tcp_lifetime,
            inbound_refresh: nat.inbound_refresh,
            hairpinning: nat.hairpinning,
            port_preservation: nat.port_preservation,
            port_parity: nat.port_parity,
            outbound: nat.outbound,
            next_port: FIRST_PORT,
            mappings: BTreeMap::new(),
            retired: BTreeSet::new(),
        }
    }
}

impl From<Firewall> for Translator {
    fn from(firewall: Firewall) -> Self {
        Self {
            public: None,
            mapping: Behaviour::EndpointIndependent,
            filtering: firewall.filtering,
            lifetime: firewall.lifetime,
            tcp_lifetime: firewall.tcp_lifetime,
            inbound_refresh: false,
            hairpinning: Hairpinning::None,
            port_preservation: false,
            port_parity: false,
            outbound: firewall.outbound,
            next_port: FIRST_PORT,
            mappings: BTreeMap::new(),
            retired: BTreeSet::new(),
        }
    }
}

impl Translator {
    /// Whether addresses of this family change on their way out.
    pub(crate) fn translates(&self, address: IpAddr) -> bool {
        self.public.is_some_and(|public| public.is_ipv4() == address.is_ipv4())
    }

    /// Whether it is our own public address.
    pub(crate) fn is_public(&self, address: IpAddr) -> bool {
        self.public == Some(address)
    }

    pub(crate) const fn hairpinning(&self) -> Hairpinning {
        self.hairpinning
    }

    /// Whether such a packet may leave at all.
    pub(crate) fn allows(&self, transport: Transport, remote: SocketAddr) -> bool {
        self.outbound.allows(transport, remote)
    }

    /// Translates the source of a packet that leaves, or `None` if no port is left.
    pub(crate) fn outward(
        &mut self,
        now: Instant,
        transport: Transport,
        inside: SocketAddr,
        remote: SocketAddr,
    ) -> Option<SocketAddr> {
        self.forget_idle(now);
        let part = self.mapping.part(remote);
        let is_known = |(key, it): &(&(Transport, SocketAddr), &Mapping)| {
            key.0 == transport && it.inside == inside && (it.part == part || key.1 == inside)
        };
        let known = self.mappings.iter().find(is_known).map(|(key, _)| key.1);
        let outside = match known {
            Some(outside) => outside,
            None => self.free_address(transport, inside)?,
        };
        let mapping = self.mappings.entry((transport, outside)).or_insert_with(|| Mapping {
            inside,
            part,
            permitted: BTreeMap::new(),
            last_used: now,
        });
        mapping.last_used = now;
        mapping.permitted.insert(self.filtering.part(remote), now);
        Some(outside)
    }

    /// The inside address that a packet for an address of ours is meant for, if it may come in.
    pub(crate) fn inward(
        &mut self,
        now: Instant,
        transport: Transport,
        outside: SocketAddr,
        remote: SocketAddr,
    ) -> Option<SocketAddr> {
        let lifetime = self.lifetime_of(transport);
        let mapping = self.mappings.get_mut(&(transport, outside))?;
        let written = mapping.permitted.get_mut(&self.filtering.part(remote))?;
        if now >= mapping.last_used + lifetime || now >= *written + lifetime {
            return None;
        }
        if self.inbound_refresh {
            mapping.last_used = now;
            *written = now;
        }
        Some(mapping.inside)
    }

    /// Forgets every mapping; new ones get ports never used before.
    pub(crate) fn rebind(&mut self) {
        self.retired.extend(std::mem::take(&mut self.mappings).into_keys());
    }

    fn lifetime_of(&self, transport: Transport) -> Duration {
        match transport {
            Transport::Udp => self.lifetime,
            Transport::Tcp => self.tcp_lifetime,
        }
    }

    fn forget_idle(&mut self, now: Instant) {
        let (udp, tcp) = (self.lifetime, self.tcp_lifetime);
        self.mappings.retain(|(transport, _), mapping| {
            now < mapping.last_used + if *transport == Transport::Udp { udp } else { tcp }
        });
    }

    /// The address for a new mapping.
    fn free_address(&mut self, transport: Transport, inside: SocketAddr) -> Option<SocketAddr> {
        let Some(public) = self.public.filter(|_| self.translates(inside.ip())) else { return Some(inside) };
        let at = |port| SocketAddr::new(public, port);
        if self.port_preservation && self.is_free(transport, at(inside.port())) {
            return Some(at(inside.port()));
        }
        for _ in 0..u16::MAX {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
            let has_parity = !self.port_parity || port % 2 == inside.port() % 2;
            if has_parity && self.is_free(transport, at(port)) {
                return Some(at(port));
            }
        }
        None
    }

    fn is_free(&self, transport: Transport, outside: SocketAddr) -> bool {
        let key = (transport, outside);
        !self.mappings.contains_key(&key) && !self.retired.contains(&key)
    }
}
