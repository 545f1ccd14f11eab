//! IPv6: there for all, or for nobody.

use std::net::{IpAddr, SocketAddr};

use super::super::finding::Findings;
use super::super::patient::Patient;
use crate::address::is_public;

pub(super) fn check(patient: &Patient<'_>, findings: &mut Findings) {
    if !patient.is_media_beyond_loopback() {
        return;
    }
    let machine = patient.machine;
    let is_v6 = |ip: &IpAddr| ip.is_ipv6() && is_public(*ip);
    let has = machine.routes_v6 && machine.interfaces.iter().any(is_v6);
    let listens = patient.media.iter().any(SocketAddr::is_ipv6);
    let tells: Vec<IpAddr> = patient.advertised.iter().map(SocketAddr::ip).filter(is_v6).collect();
    if has && !listens {
        let mut sockets: Vec<String> = patient.media.iter().map(ToString::to_string).collect();
        sockets.push(format!("[::]:{}", patient.media.first().map_or(0, SocketAddr::port)));
        findings.warning(
            "ipv6-unused",
            "this machine has IPv6, but media listens on IPv4 only",
            "Networks that have only IPv6 (many mobile ones) need a translator to get here, and some have none.",
            format!("{} = [\"{}\"]", patient.media_key(), sockets.join("\", \"")),
        );
    } else if has && tells.is_empty() && !patient.config.advertise.is_empty() {
        let own =
            machine.interfaces.iter().find(|ip| is_v6(ip)).map_or_else(String::new, ToString::to_string);
        let mut all = patient.config.advertise.clone();
        all.push(own);
        findings.warning(
            "ipv6-untold",
            "media listens on IPv6, but no IPv6 address is advertised",
            "No client comes over IPv6, as it is told none of its addresses.",
            format!("advertise = [\"{}\"]", all.join("\", \"")),
        );
    } else if !machine.routes_v6 && !tells.is_empty() {
        let rest: Vec<String> =
            patient.advertised.iter().filter(|it| it.is_ipv4()).map(|it| it.ip().to_string()).collect();
        findings.warning(
            "ipv6-no-route",
            format!(
                "the IPv6 address {} is advertised, but this machine has no way to the Internet over IPv6",
                tells[0]
            ),
            "Clients try it first, and wait before they come over IPv4.",
            format!("advertise = [\"{}\"]", rest.join("\", \"")),
        );
    } else if has {
        findings.well("IPv6 is listened on and advertised");
    }
}
