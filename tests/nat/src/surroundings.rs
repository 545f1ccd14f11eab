//! What stands between a peer and the Internet.

use headwater_netsim::{Nat, Outbound};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The networks that peers are in.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surroundings {
    /// A public address and nothing before it.
    Open,
    /// One public port, open to everybody.
    FullCone,
    /// One public port, open to hosts written to.
    AddressRestricted,
    /// One public port, open to addresses and ports written to: the home router.
    PortRestricted,
    /// Another public port for each remote: the carrier's or company's NAT.
    Symmetric,
    /// A home router that lets no UDP out.
    UdpBlocked,
    /// A home router that lets nothing out but TCP to port 443.
    Only443,
}

impl Surroundings {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 7] = [
        Self::Open,
        Self::FullCone,
        Self::AddressRestricted,
        Self::PortRestricted,
        Self::Symmetric,
        Self::UdpBlocked,
        Self::Only443,
    ];

    /// The NAT with this public address, if there is one.
    #[must_use]
    pub fn nat(self, public: IpAddr) -> Option<Nat> {
        Some(match self {
            Self::Open => return None,
            Self::FullCone => Nat::full_cone(public),
            Self::AddressRestricted => Nat::address_restricted(public),
            Self::PortRestricted => Nat::port_restricted(public),
            Self::Symmetric => Nat::symmetric(public),
            Self::UdpBlocked => Nat::port_restricted(public).outbound(Outbound::NoUdp),
            Self::Only443 => Nat::port_restricted(public).outbound(Outbound::OnlyTcpTo(443)),
        })
    }
}

impl fmt::Display for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl FromStr for Surroundings {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|it| it.to_string() == text).ok_or(())
    }
}
