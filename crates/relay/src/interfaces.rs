//! Addresses of this machine.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::{Config, MAX_RELAY_ADDRESSES, RelayAddress, StartError};

/// Where relays are: as configured, else where we listen, else what the routing table would use.
pub(crate) fn relay_addresses(config: &Config) -> Result<Vec<RelayAddress>, StartError> {
    let mut addresses = config.relay_addresses.clone();
    if addresses.is_empty() {
        for address in config.listen.iter().chain(&config.tls_listen) {
            let ip = address.ip();
            let found = if ip.is_unspecified() { routed(ip.is_ipv4()) } else { Some(ip) };
            addresses.extend(found.map(RelayAddress::from));
        }
    }
    let mut distinct: Vec<RelayAddress> = Vec::new();
    for address in addresses {
        if !distinct.iter().any(|other| other.bind == address.bind) {
            distinct.push(address);
        }
    }
    match distinct.len() {
        0 => return Err(StartError::NoRelayAddress),
        1..=MAX_RELAY_ADDRESSES => {}
        _ => return Err(StartError::ManyRelayAddresses),
    }
    for RelayAddress { bind, .. } in &distinct {
        UdpSocket::bind((*bind, 0)).map_err(|error| StartError::RelayAddress { address: *bind, error })?;
    }
    Ok(distinct)
}

/// The address that packets to the public network would leave from. None is sent.
fn routed(is_ipv4: bool) -> Option<IpAddr> {
    // Addresses for documentation (RFC 5737, RFC 3849): routed as any other.
    let (any, far): (IpAddr, IpAddr) = if is_ipv4 {
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into())
    } else {
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into())
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((far, 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
}

/// All addresses of this machine, and those that a NAT leads to it.
///
/// # Errors
/// The system does not tell.
pub(crate) fn own_addresses(
    local: impl IntoIterator<Item = SocketAddr>,
    relays: &[RelayAddress],
) -> io::Result<Vec<IpAddr>> {
    let mut own: Vec<IpAddr> =
        if_addrs::get_if_addrs()?.into_iter().map(|interface| interface.ip()).collect();
    own.extend(known_addresses(local, relays));
    own.sort_unstable();
    own.dedup();
    Ok(own)
}

/// Those of them that are known without asking.
pub(crate) fn known_addresses(
    local: impl IntoIterator<Item = SocketAddr>,
    relays: &[RelayAddress],
) -> impl Iterator<Item = IpAddr> {
    let listening = local.into_iter().map(|address| address.ip()).filter(|ip| !ip.is_unspecified());
    listening.chain(relays.iter().flat_map(|relay| [relay.public, relay.bind]))
}
