//! Network address translators in the terms of RFC 4787.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// The first port that a NAT gives out.
const FIRST_PORT: u16 = 40_000;

/// Names a NAT of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NatId(pub(crate) usize);

/// What a mapping or a filter of a NAT looks at (RFC 4787 §4.1 and §5).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// The same for every remote address.
    EndpointIndependent,
    /// One for each remote IP address.
    AddressDependent,
    /// One for each remote IP address and port.
    AddressAndPortDependent,
}

impl Behaviour {
    /// The part of a remote address that this behaviour tells apart.
    fn part(self, remote: SocketAddr) -> Option<SocketAddr> {
        match self {
            Self::EndpointIndependent => None,
            Self::AddressDependent => Some(SocketAddr::new(remote.ip(), 0)),
            Self::AddressAndPortDependent => Some(remote),
        }
    }
}

/// How a NAT maps and filters.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nat {
    /// The address that the world sees.
    pub public: IpAddr,
    /// Which remotes share a public port.
    pub mapping: Behaviour,
    /// Whose datagrams are let in.
    pub filtering: Behaviour,
    /// A mapping that carried nothing outward for this long is forgotten. Default 2 min, RFC 4787's least.
    pub lifetime: Duration,
}

impl Nat {
    /// The common home router: one public port for each inside address, open only to remotes already written to.
    #[must_use]
    pub const fn endpoint_independent(public: IpAddr) -> Self {
        Self {
            public,
            mapping: Behaviour::EndpointIndependent,
            filtering: Behaviour::AddressAndPortDependent,
            lifetime: Duration::from_secs(120),
        }
    }

    /// The "symmetric" NAT of carriers and companies: another public port for every remote.
    #[must_use]
    pub const fn symmetric(public: IpAddr) -> Self {
        Self {
            public,
            mapping: Behaviour::AddressAndPortDependent,
            filtering: Behaviour::AddressAndPortDependent,
            lifetime: Duration::from_secs(120),
        }
    }

    /// Sets [`Self::filtering`].
    #[must_use]
    pub fn filtering(self, filtering: Behaviour) -> Self {
        Self { filtering, ..self }
    }

    /// Sets [`Self::lifetime`].
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }
}

#[derive(Debug)]
struct Mapping {
    inside: SocketAddr,
    part: Option<SocketAddr>,
    /// The parts of remote addresses that may answer, and when each was last written to.
    permitted: BTreeMap<Option<SocketAddr>, Instant>,
    last_outward: Instant,
}

/// A NAT at work.
#[derive(Debug)]
pub(crate) struct Translator {
    nat: Nat,
    next_port: u16,
    by_port: BTreeMap<u16, Mapping>,
}

impl Translator {
    pub(crate) const fn new(nat: Nat) -> Self {
        Self { nat, next_port: FIRST_PORT, by_port: BTreeMap::new() }
    }

    pub(crate) const fn public(&self) -> IpAddr {
        self.nat.public
    }

    /// Translates the source of a datagram that leaves.
    pub(crate) fn outward(&mut self, now: Instant, inside: SocketAddr, remote: SocketAddr) -> SocketAddr {
        let lifetime = self.nat.lifetime;
        self.by_port.retain(|_, mapping| now < mapping.last_outward + lifetime);
        let part = self.nat.mapping.part(remote);
        let known = self.by_port.iter().find(|(_, m)| m.inside == inside && m.part == part);
        let port = known.map(|(port, _)| *port).unwrap_or_else(|| self.free_port());
        let mapping = self.by_port.entry(port).or_insert_with(|| Mapping {
            inside,
            part,
            permitted: BTreeMap::new(),
            last_outward: now,
        });
        mapping.last_outward = now;
        mapping.permitted.insert(self.nat.filtering.part(remote), now);
        SocketAddr::new(self.nat.public, port)
    }

    /// The inside address that a datagram for one of our ports is meant for, if it may come in.
    pub(crate) fn inward(&self, now: Instant, port: u16, remote: SocketAddr) -> Option<SocketAddr> {
        let mapping = self.by_port.get(&port)?;
        let written = mapping.permitted.get(&self.nat.filtering.part(remote))?;
        let alive = |since: Instant| now < since + self.nat.lifetime;
        (alive(mapping.last_outward) && alive(*written)).then_some(mapping.inside)
    }

    /// Forgets every mapping; new ones get ports never used before.
    pub(crate) fn rebind(&mut self) {
        self.by_port.clear();
    }

    fn free_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
        port
    }
}
