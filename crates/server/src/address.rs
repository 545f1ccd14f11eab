//! Addresses: which can be reached from where, and what that means for the operator.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::lookup_host;

/// Whether the whole Internet can reach this address (if no firewall is in between).
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// RFC 6890 special-purpose blocks that a host's own address may come from.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    let carrier_nat = a == 100 && b & 0xc0 == 64; // RFC 6598, 100.64.0.0/10
    let benchmark = a == 198 && b & 0xfe == 18; // RFC 2544, 198.18.0.0/15
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_unspecified()
        || ip.is_documentation()
        || ip.is_multicast()
        || carrier_nat
        || benchmark
        || a == 0
        || a >= 240)
}

/// Global unicast is 2000::/3 (RFC 4291 §2.4), of which 2001:db8::/32 is for documents.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    first & 0xe000 == 0x2000 && !(first == 0x2001 && second == 0xdb8)
}

/// Turns `--advertise` values into IP addresses; a host name gives all of its addresses.
///
/// # Errors
/// The name that cannot be resolved, and why.
pub(crate) async fn resolve(names: &[String]) -> Result<Vec<IpAddr>, String> {
    let mut found = BTreeSet::new();
    for name in names {
        if let Ok(ip) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
            found.insert(ip.to_canonical());
            continue;
        }
        let addresses = lookup_host((name.as_str(), 0))
            .await
            .map_err(|error| format!("cannot resolve {name}: {error}"))?;
        found.extend(addresses.map(|address| address.ip().to_canonical()));
    }
    if let Some(ip) = found.iter().find(|ip| ip.is_unspecified() || ip.is_multicast()) {
        return Err(format!("{ip} is not an address that a peer could send to"));
    }
    Ok(found.into_iter().collect())
}

/// Host parts for the printed URLs: the HTTP address itself, or, when it is "all addresses", the advertised ones.
pub(crate) fn url_hosts(http: SocketAddr, advertised: &[IpAddr]) -> Vec<String> {
    if !http.ip().is_unspecified() {
        return vec![http.to_string()];
    }
    let serves = |ip: &&IpAddr| http.is_ipv6() || ip.is_ipv4();
    let mut seen = BTreeSet::new();
    let mut hosts: Vec<String> = advertised
        .iter()
        .filter(serves)
        .filter(|ip| !ip.is_loopback() && seen.insert(**ip))
        .map(|ip| SocketAddr::new(*ip, http.port()).to_string())
        .collect();
    if hosts.is_empty() {
        hosts.push(format!("localhost:{}", http.port()));
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_purpose_blocks_are_not_public() {
        let table = [
            ("8.8.8.8", true),
            ("100.63.255.255", true),
            ("100.64.0.1", false),
            ("100.127.255.255", false),
            ("100.128.0.0", true),
            ("10.0.0.1", false),
            ("172.15.0.1", true),
            ("172.16.0.1", false),
            ("172.31.255.255", false),
            ("172.32.0.1", true),
            ("192.168.1.1", false),
            ("169.254.169.254", false),
            ("127.0.0.1", false),
            ("198.18.0.1", false),
            ("203.0.113.7", false),
            ("0.0.0.0", false),
            ("255.255.255.255", false),
            ("::ffff:192.168.1.1", false),
            ("::ffff:8.8.8.8", true),
            ("2a00:1450::1", true),
            ("2001:db8::1", false),
            ("fd00::1", false),
            ("fe80::1", false),
            ("::1", false),
            ("::", false),
        ];
        for (text, expected) in table {
            assert_eq!(is_public(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn printed_urls_name_addresses_that_a_browser_can_open() {
        let lan: Vec<IpAddr> =
            vec!["192.168.1.7".parse().unwrap(), "::1".parse().unwrap(), "2a00::7".parse().unwrap()];
        let hosts = |http: &str, known: &[IpAddr]| url_hosts(http.parse().unwrap(), known);
        assert_eq!(hosts("127.0.0.1:8080", &lan), ["127.0.0.1:8080"]);
        assert_eq!(hosts("0.0.0.0:80", &lan), ["192.168.1.7:80"]);
        assert_eq!(hosts("[::]:80", &lan), ["192.168.1.7:80", "[2a00::7]:80"]);
        assert_eq!(hosts("0.0.0.0:80", &[]), ["localhost:80"]);
    }
}
