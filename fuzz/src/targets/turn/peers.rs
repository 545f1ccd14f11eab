//! Addresses: of the server, of clients, of peers that may be and of peers that may not.

use crate::Input;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub(super) const SERVER_V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 3478);
pub(super) const SERVER_V6: SocketAddr = v6([0x2001, 0xDB8, 0, 0, 0, 0, 0, 1], 3478);

/// Peers that most policies deny, and some that lie about their family.
const ODD: &[SocketAddr] = &[
    v4([127, 0, 0, 1], 80),
    v4([10, 0, 0, 1], 80),
    v4([169, 254, 169, 254], 80),
    v4([0, 0, 0, 0], 80),
    v6([0, 0, 0, 0, 0, 0, 0, 0], 80),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 80),
    v6([0, 0, 0, 0, 0, 0xFFFF, 0xC000, 0x0209], 9),
    v6([0, 0, 0, 0, 0, 0xFFFF, 0x7F00, 1], 3478),
    v6([0x64, 0xFF9B, 0, 0, 0, 0, 0xC000, 0x0209], 9),
    v6([0x2002, 0xC000, 0x0209, 0, 0, 0, 0, 1], 9),
    v6([0xFE80, 0, 0, 0, 0, 0, 0, 1], 9),
    v4([224, 0, 0, 1], 5),
    v4([192, 0, 2, 9], 0),
    v4([93, 184, 216, 34], 53),
    SERVER_V4,
    SERVER_V6,
];

const fn v4([a, b, c, d]: [u8; 4], port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), port)
}

const fn v6(segments: [u16; 8], port: u16) -> SocketAddr {
    let [a, b, c, d, e, f, g, h] = segments;
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), port)
}

/// 192.0.2.`host`.
pub(super) const fn address(host: u8, port: u16) -> SocketAddr {
    v4([192, 0, 2, host], port)
}

/// 2001:db8::`host`.
pub(super) const fn address_v6(host: u8, port: u16) -> SocketAddr {
    v6([0x2001, 0xDB8, 0, 0, 0, 0, 0, host as u16], port)
}

/// Half of all peers are IPv4 ones, a quarter IPv6 ones, a quarter none to talk to.
pub(super) fn peer(input: &mut Input<'_>) -> SocketAddr {
    match input.byte() {
        host @ 0..128 => address(host, 9),
        host @ 128..192 => address_v6(host & 63, 9),
        choice => ODD[usize::from(choice) % ODD.len()],
    }
}

/// The `choice`th of a list, around its end.
pub(super) fn nth<T>(list: &[T], choice: u8) -> Option<&T> {
    list.get(usize::from(choice) % list.len().max(1))
}
