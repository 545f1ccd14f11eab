//! How this machine looks from outside: the address that STUN servers elsewhere see.

use std::collections::BTreeSet;
use std::net::IpAddr;

use headwater_stun::{Transport, Uri};

use super::super::finding::Findings;
use super::super::patient::Patient;
use super::media::binding;
use super::relay::look_up;
use crate::address::is_public;

/// Most servers asked.
const MAX_SERVERS: usize = 4;

/// Asks `stun` and the servers of the settings. What they see is where packets come from; a NAT in front usually takes them
/// at the same address.
pub(in super::super) async fn check(
    patient: &Patient<'_>,
    stun: &[Uri],
    findings: &mut Findings,
) -> BTreeSet<IpAddr> {
    let given = stun.iter().cloned().map(|uri| (uri, true));
    let of_settings = patient.config.ice_servers.iter().filter_map(|server| server.url.parse().ok());
    // What is for this machine alone needs no address outside; who asks for one is told it.
    let of_settings = of_settings.filter(|_| patient.is_media_beyond_loopback()).map(|uri| (uri, false));
    let servers = given.chain(of_settings).filter(|(uri, _)| is_plain(uri)).take(MAX_SERVERS);
    let mut seen = BTreeSet::new();
    for (server, is_given) in servers {
        match ask(patient, &server).await {
            Ok(ips) => {
                if let Some(ip) = ips.iter().find(|ip| !is_public(**ip)).filter(|_| !server.is_turn()) {
                    inside(&server, is_given, *ip, findings);
                }
                seen.extend(ips.into_iter().filter(|ip| is_public(*ip)));
            }
            // A relay is looked at for itself.
            Err(_) if server.is_turn() => {}
            Err(error) => findings.warning(
                "stun-unreachable",
                format!("the STUN server {server} does not answer: {error}"),
                match is_given {
                    true => "If no server outside answers, UDP is blocked on the way out, and so is media.",
                    false => "Clients ask it, too, and wait. If none outside answers, UDP is blocked on the way out, and so is media.",
                },
                other(is_given),
            ),
        }
    }
    seen
}

/// The address that a server sees, of each family that media listens on.
async fn ask(patient: &Patient<'_>, server: &Uri) -> Result<Vec<IpAddr>, String> {
    let addresses = look_up(server).await;
    let (mut seen, mut failure) = (Vec::new(), None);
    for is_v4 in [true, false] {
        let listens = patient.media.iter().any(|it| it.is_ipv4() == is_v4);
        let Some(address) = addresses.iter().find(|it| listens && it.is_ipv4() == is_v4) else { continue };
        match binding(*address).await {
            Ok(it) => seen.push(it.ip().to_canonical()),
            Err(error) => failure = failure.or_else(|| Some(error.to_string())),
        }
    }
    match failure {
        _ if !seen.is_empty() => Ok(seen),
        Some(error) => Err(error),
        None if addresses.is_empty() => Err("its name has no address".to_owned()),
        None => Err("it has no address of a family that media listens on".to_owned()),
    }
}

fn inside(server: &Uri, is_given: bool, ip: IpAddr, findings: &mut Findings) {
    findings.hint(
        "stun-inside",
        format!("the STUN server {server} sees this machine at {ip}, which is no address of the Internet"),
        "It is inside the same network: it cannot tell what people outside see.",
        other(is_given),
    );
}

/// The line for another server.
fn other(is_given: bool) -> &'static str {
    if is_given { "--stun stun:ANOTHER.SERVER:3478" } else { "url = \"stun:ANOTHER.SERVER:3478\"" }
}

/// Can it be asked over UDP?
fn is_plain(uri: &Uri) -> bool {
    !uri.is_secure() && uri.transport() == Transport::Udp
}
