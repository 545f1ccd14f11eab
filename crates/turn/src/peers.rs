//! Which addresses may be peers: the wall between a relay and the inside of a network.

use std::net::{IpAddr, SocketAddr};
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

    /// Whether there may be a permission for this address.
    #[must_use]
    pub fn permits_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match &self.rule {
            Rule::Public { allow } => {
                special_purpose(address).is_none() || allow.iter().any(|it| it.contains(address))
            }
            Rule::Only(peers) => peers.iter().any(|it| it.ip() == address),
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
/// Addresses that carry an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo) are special-purpose as a whole.
#[must_use]
pub fn special_purpose(address: IpAddr) -> Option<&'static str> {
    BLOCKS.iter().find(|(network, _)| network.contains(address)).map(|(_, name)| *name)
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Network {
    Network { address: IpAddr::V4(std::net::Ipv4Addr::new(a, b, c, d)), prefix }
}

const BLOCKS: &[(Network, &str)] = &[(v4(0, 0, 0, 0, 8), "this network"), (v4(127, 0, 0, 0, 8), "loopback")];
