//! Which addresses may be peers: the wall between a relay and the inside of a network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::ConfigError;

/// An address block, as `10.0.0.0/8`; a single address without a slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `address` lies inside. An IPv4-mapped address is the IPv4 one.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                u32::from(ours) & mask == u32::from(theirs) & mask
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                u128::from(ours) & mask == u128::from(theirs) & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ConfigError::BadNetwork)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| ConfigError::BadNetwork)?,
            None => longest,
        };
        if prefix > longest { Err(ConfigError::BadNetwork) } else { Ok(Self { address, prefix }) }
    }
}

/// Which peers clients may send to, receive from and connect to.
#[derive(Clone, Debug)]
pub struct PeerPolicy {
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    /// What is not special-purpose, and these.
    Public { allow: Vec<Network> },
    /// These sockets and nothing else.
    Only(Vec<SocketAddr>),
}

impl PeerPolicy {
    /// All addresses but the special-purpose ones of [`special_purpose`].
    #[must_use]
    pub const fn public() -> Self {
        Self { rule: Rule::Public { allow: Vec::new() } }
    }

    /// In addition those of `network`, special-purpose or not.
    #[must_use]
    pub fn allow(mut self, network: Network) -> Self {
        if let Rule::Public { allow } = &mut self.rule {
            allow.push(network);
        }
        self
    }

    /// These addresses with these ports only.
    #[must_use]
    pub const fn only(peers: Vec<SocketAddr>) -> Self {
        Self { rule: Rule::Only(peers) }
    }

    /// Whether there may be a permission for this address. Never for `0.0.0.0` and `::`, which are the host itself to some.
    #[must_use]
    pub fn permits_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match &self.rule {
            _ if address.is_unspecified() => false,
            Rule::Public { allow } => {
                special_purpose(address).is_none() || allow.iter().any(|it| it.contains(address))
            }
            Rule::Only(peers) => peers.iter().any(|it| it.ip() == address),
        }
    }

    /// Whether this address was allowed by name, with others or alone.
    pub(crate) fn names(&self, address: IpAddr) -> bool {
        match &self.rule {
            Rule::Public { allow } => allow.iter().any(|it| it.contains(address)),
            Rule::Only(peers) => peers.iter().any(|it| it.ip() == address),
        }
    }

    /// Whether data may go to, or come from, this port of an address that was [permitted](Self::permits_address). HOT.
    pub(crate) fn permits_port(&self, peer: SocketAddr) -> bool {
        match &self.rule {
            Rule::Public { .. } => peer.port() != 0,
            Rule::Only(peers) => peers.contains(&peer),
        }
    }

    /// Whether data may go to, or come from, this address and port.
    #[must_use]
    pub fn permits(&self, peer: SocketAddr) -> bool {
        match &self.rule {
            Rule::Public { .. } => peer.port() != 0 && self.permits_address(peer.ip()),
            Rule::Only(peers) => peers.contains(&SocketAddr::new(peer.ip().to_canonical(), peer.port())),
        }
    }
}

/// The name of the special-purpose block that an address lies in, by IANA's registries (RFC 6890 and its updates).
///
/// Addresses that carry an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo) are special-purpose as a whole, and so is
/// all of IPv6 that is not global unicast.
#[must_use]
pub fn special_purpose(address: IpAddr) -> Option<&'static str> {
    let block = BLOCKS.iter().find(|(network, _)| network.contains(address)).map(|(_, name)| *name);
    block.or_else(|| match address {
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => Some("IPv4-mapped"),
        IpAddr::V6(ip) if ip.segments()[0] & 0xE000 != 0x2000 => Some("not global unicast"),
        _ => None,
    })
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Network {
    Network { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
}

const fn v6(a: u16, b: u16, c: u16, d: u16, prefix: u8) -> Network {
    Network { address: IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)), prefix }
}

/// IANA's special-purpose registries for IPv4 and IPv6 as of 2026, multicast, and what once had a purpose.
const BLOCKS: &[(Network, &str)] = &[
    (v4(0, 0, 0, 0, 8), "this network"),
    (v4(10, 0, 0, 0, 8), "private use"),
    (v4(100, 64, 0, 0, 10), "shared address space"),
    (v4(127, 0, 0, 0, 8), "loopback"),
    // Among them 169.254.169.254, where clouds keep their machines' credentials.
    (v4(169, 254, 0, 0, 16), "link local"),
    (v4(172, 16, 0, 0, 12), "private use"),
    (v4(192, 0, 0, 0, 24), "IETF protocol assignments"),
    (v4(192, 0, 2, 0, 24), "documentation"),
    (v4(192, 31, 196, 0, 24), "AS112"),
    (v4(192, 52, 193, 0, 24), "AMT"),
    (v4(192, 88, 99, 0, 24), "6to4 relay anycast"),
    (v4(192, 168, 0, 0, 16), "private use"),
    (v4(192, 175, 48, 0, 24), "AS112"),
    (v4(198, 18, 0, 0, 15), "benchmarking"),
    (v4(198, 51, 100, 0, 24), "documentation"),
    (v4(203, 0, 113, 0, 24), "documentation"),
    (v4(224, 0, 0, 0, 4), "multicast"),
    (v4(255, 255, 255, 255, 32), "limited broadcast"),
    (v4(240, 0, 0, 0, 4), "reserved"),
    // `::`, `::1` and what carries an IPv4 address in its last 32 bits.
    (v6(0, 0, 0, 0, 96), "unspecified, loopback, IPv4-compatible"),
    (V4_TRANSLATED, "IPv4-translated"),
    (v6(0x64, 0xFF9B, 0, 0, 96), "NAT64"),
    (v6(0x64, 0xFF9B, 1, 0, 48), "local-use NAT64"),
    (v6(0x100, 0, 0, 0, 64), "discard only"),
    (v6(0x100, 0, 0, 1, 64), "dummy prefix"),
    (v6(0x2001, 0, 0, 0, 32), "Teredo"),
    (v6(0x2001, 2, 0, 0, 48), "benchmarking"),
    // Among them the anycast addresses of 2001:1::/32, AMT, AS112, ORCHID, ORCHIDv2 and drone remote ids.
    (v6(0x2001, 0, 0, 0, 23), "IETF protocol assignments"),
    (v6(0x2001, 0xDB8, 0, 0, 32), "documentation"),
    (v6(0x2002, 0, 0, 0, 16), "6to4"),
    (v6(0x2620, 0x4F, 0x8000, 0, 48), "AS112"),
    // The end of 6bone (RFC 3701).
    (v6(0x3FFE, 0, 0, 0, 16), "6bone"),
    (v6(0x3FFF, 0, 0, 0, 20), "documentation"),
    (v6(0x5F00, 0, 0, 0, 16), "segment routing"),
    (v6(0xFC00, 0, 0, 0, 7), "unique local"),
    (v6(0xFE80, 0, 0, 0, 10), "link local"),
    (v6(0xFEC0, 0, 0, 0, 10), "site local"),
    (v6(0xFF00, 0, 0, 0, 8), "multicast"),
];

/// `::ffff:0:0:0/96` (RFC 2765): the older sister of the mapped ones.
const V4_TRANSLATED: Network =
    Network { address: IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0xFFFF, 0, 0, 0)), prefix: 96 };
