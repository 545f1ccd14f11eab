//! Which addresses to tell peers.

use std::net::{IpAddr, SocketAddr};

/// The addresses that peers are told, for sockets bound to `bound`. `advertise` wins; else a socket bound to one
/// address has that one, and a socket bound to all has those of the interfaces.
pub(crate) fn advertised(
    bound: &[SocketAddr],
    advertise: &[IpAddr],
    interfaces: &[IpAddr],
) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for socket in bound {
        let ips: Vec<IpAddr> = if !advertise.is_empty() {
            advertise.iter().copied().filter(|ip| ip.is_ipv4() == socket.is_ipv4()).collect()
        } else if !socket.ip().is_unspecified() {
            vec![socket.ip()]
        } else {
            of_interfaces(socket, interfaces)
        };
        for ip in ips {
            let address = SocketAddr::new(ip, socket.port());
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    if addresses.is_empty() && advertise.is_empty() {
        // No interface but loopback: browsers on this machine may still come.
        addresses.extend(bound.iter().filter(|socket| socket.ip().is_unspecified()).map(|socket| {
            let ip = if socket.is_ipv4() {
                IpAddr::from([127, 0, 0, 1])
            } else {
                IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])
            };
            SocketAddr::new(ip, socket.port())
        }));
    }
    addresses
}

fn of_interfaces(socket: &SocketAddr, interfaces: &[IpAddr]) -> Vec<IpAddr> {
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
    };
    interfaces.iter().copied().filter(|ip| ip.is_ipv4() == socket.is_ipv4() && usable(ip)).collect()
}

/// The addresses of this machine's interfaces.
pub(crate) fn interfaces() -> std::io::Result<Vec<IpAddr>> {
    Ok(if_addrs::get_if_addrs()?.into_iter().map(|interface| interface.ip()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bound: &[&str], advertise: &[&str], interfaces: &[&str], expected: &[&str]) {
        let ips = |texts: &[&str]| {
            texts.iter().map(|text| text.parse().expect("an address")).collect::<Vec<IpAddr>>()
        };
        let bound: Vec<SocketAddr> = bound.iter().map(|text| text.parse().expect("an address")).collect();
        let told: Vec<_> =
            advertised(&bound, &ips(advertise), &ips(interfaces)).iter().map(SocketAddr::to_string).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn what_peers_are_told() {
        let interfaces = &["127.0.0.1", "192.0.2.1", "169.254.1.1", "::1", "fe80::1", "2001:db8::1"];
        let all = &["0.0.0.0:8189", "[::]:8189"];
        check(all, &[], interfaces, &["192.0.2.1:8189", "[2001:db8::1]:8189"]);
        check(all, &["203.0.113.5"], interfaces, &["203.0.113.5:8189"]);
        check(&["127.0.0.1:9"], &[], interfaces, &["127.0.0.1:9"]);
        check(all, &[], &["127.0.0.1", "::1"], &["127.0.0.1:8189", "[::1]:8189"]);
    }
}
