//! What a NAT or a firewall is told to do, in the terms of RFC 4787 and RFC 5382.

use crate::datagram::Transport;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// RFC 4787 REQ-5: a mapping for UDP lives at least this long.
const UDP_LIFETIME: Duration = Duration::from_secs(120);
/// RFC 5382 REQ-5: an established connection is remembered at least 2 h 4 min.
const TCP_LIFETIME: Duration = Duration::from_secs(7_440);

/// Names a NAT or a firewall of a network.
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
    pub(crate) fn part(self, remote: SocketAddr) -> Option<SocketAddr> {
        match self {
            Self::EndpointIndependent => None,
            Self::AddressDependent => Some(SocketAddr::new(remote.ip(), 0)),
            Self::AddressAndPortDependent => Some(remote),
        }
    }
}

/// What a NAT does with what its inside sends to its public address (RFC 4787 §6, REQ-9).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hairpinning {
    /// It is dropped.
    None,
    /// It comes back in from the public address of its sender, as REQ-9a wants it.
    ExternalSource,
    /// It comes back in from the private address of its sender, who then won't know the answer.
    InternalSource,
}

/// What may leave at all.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outbound {
    /// Everything.
    All,
    /// TCP to any port, no UDP.
    NoUdp,
    /// TCP to this remote port, nothing else: the strictest company network lets 443 out.
    OnlyTcpTo(u16),
}

impl Outbound {
    pub(crate) fn allows(self, transport: Transport, remote: SocketAddr) -> bool {
        match self {
            Self::All => true,
            Self::NoUdp => transport == Transport::Tcp,
            Self::OnlyTcpTo(port) => transport == Transport::Tcp && remote.port() == port,
        }
    }
}

/// How a NAT maps and filters.
///
/// It translates the family of its public address. Addresses of the other family keep their face and pass the same
/// filter, as IPv6 does in a home router.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nat {
    /// The address that the world sees.
    pub public: IpAddr,
    /// Which remotes share a public port.
    pub mapping: Behaviour,
    /// Whose datagrams, and whose connections, are let in.
    pub filtering: Behaviour,
    /// A mapping for UDP that carried nothing outward for this long is forgotten. Default 2 min, RFC 4787's least.
    pub lifetime: Duration,
    /// The same for TCP. Default 2 h 4 min, RFC 5382's least.
    pub tcp_lifetime: Duration,
    /// What comes in keeps a mapping alive, too (RFC 4787 REQ-6). Default no.
    pub inbound_refresh: bool,
    /// Default [`Hairpinning::ExternalSource`].
    pub hairpinning: Hairpinning,
    /// The public port is the private one if that is free (RFC 4787 §4.2.1). Default no.
    pub port_preservation: bool,
    /// The public port is even if the private one is (RFC 4787 §4.2.2). Default no.
    pub port_parity: bool,
    /// What may leave. Default everything.
    pub outbound: Outbound,
}

impl Nat {
    const fn new(public: IpAddr, mapping: Behaviour, filtering: Behaviour) -> Self {
        Self {
            public,
            mapping,
            filtering,
            lifetime: UDP_LIFETIME,
            tcp_lifetime: TCP_LIFETIME,
            inbound_refresh: false,
            hairpinning: Hairpinning::ExternalSource,
            port_preservation: false,
            port_parity: false,
            outbound: Outbound::All,
        }
    }

    /// One public port for each inside address, open to everybody once it exists ("full cone" of RFC 3489).
    #[must_use]
    pub const fn full_cone(public: IpAddr) -> Self {
        Self::new(public, Behaviour::EndpointIndependent, Behaviour::EndpointIndependent)
    }

    /// One public port for each inside address, open to the hosts written to ("restricted cone" of RFC 3489).
    #[must_use]
    pub const fn address_restricted(public: IpAddr) -> Self {
        Self::new(public, Behaviour::EndpointIndependent, Behaviour::AddressDependent)
    }

    /// One public port for each inside address, open to the addresses and ports written to ("port-restricted cone").
    #[must_use]
    pub const fn port_restricted(public: IpAddr) -> Self {
        Self::new(public, Behaviour::EndpointIndependent, Behaviour::AddressAndPortDependent)
    }

    /// The common home router, which is [`Self::port_restricted`].
    #[must_use]
    pub const fn endpoint_independent(public: IpAddr) -> Self {
        Self::port_restricted(public)
    }

    /// The "symmetric" NAT of carriers and companies: another public port for every remote.
    #[must_use]
    pub const fn symmetric(public: IpAddr) -> Self {
        Self::new(public, Behaviour::AddressAndPortDependent, Behaviour::AddressAndPortDependent)
    }

    /// Sets [`Self::mapping`].
    #[must_use]
    pub const fn mapping(self, mapping: Behaviour) -> Self {
        Self { mapping, ..self }
    }

    /// Sets [`Self::filtering`].
    #[must_use]
    pub const fn filtering(self, filtering: Behaviour) -> Self {
        Self { filtering, ..self }
    }

    /// Sets [`Self::lifetime`].
    #[must_use]
    pub const fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// Sets [`Self::tcp_lifetime`].
    #[must_use]
    pub const fn tcp_lifetime(self, tcp_lifetime: Duration) -> Self {
        Self { tcp_lifetime, ..self }
    }

    /// Sets [`Self::inbound_refresh`].
    #[must_use]
    pub const fn inbound_refresh(self) -> Self {
        Self { inbound_refresh: true, ..self }
    }

    /// Sets [`Self::hairpinning`].
    #[must_use]
    pub const fn hairpinning(self, hairpinning: Hairpinning) -> Self {
        Self { hairpinning, ..self }
    }

    /// Sets [`Self::port_preservation`].
    #[must_use]
    pub const fn port_preservation(self) -> Self {
        Self { port_preservation: true, ..self }
    }

    /// Sets [`Self::port_parity`].
    #[must_use]
    pub const fn port_parity(self) -> Self {
        Self { port_parity: true, ..self }
    }

    /// Sets [`Self::outbound`].
    #[must_use]
    pub const fn outbound(self, outbound: Outbound) -> Self {
        Self { outbound, ..self }
    }
}

/// A firewall that translates nothing, as IPv6 has it: what is inside may begin, the outside may answer.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firewall {
    /// Who may answer. Default the address and port written to.
    pub filtering: Behaviour,
    /// How long after the last datagram outward answers are let in. Default 2 min.
    pub lifetime: Duration,
    /// The same for TCP. Default 2 h 4 min.
    pub tcp_lifetime: Duration,
    /// What may leave. Default everything.
    pub outbound: Outbound,
}

impl Default for Firewall {
    fn default() -> Self {
        Self {
            filtering: Behaviour::AddressAndPortDependent,
            lifetime: UDP_LIFETIME,
            tcp_lifetime: TCP_LIFETIME,
            outbound: Outbound::All,
        }
    }
}

impl Firewall {
    /// Sets [`Self::filtering`].
    #[must_use]
    pub const fn filtering(self, filtering: Behaviour) -> Self {
        Self { filtering, ..self }
    }

    /// Sets [`Self::lifetime`].
    #[must_use]
    pub const fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// Sets [`Self::outbound`].
    #[must_use]
    pub const fn outbound(self, outbound: Outbound) -> Self {
        Self { outbound, ..self }
    }
}
