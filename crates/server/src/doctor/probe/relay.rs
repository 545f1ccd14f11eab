//! Media through each relay that clients are told of: ours, and those of the settings.

use std::net::SocketAddr;

use headwater_stun::{Transport, Uri, UriHost};
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::super::finding::Findings;
use super::super::patient::{Patient, here};
use super::link::Link;
use super::session::Session;
use super::turn::{self, Trouble};
use super::way::PATIENCE;

/// Most servers asked.
const MAX_SERVERS: usize = 8;

/// Returns addresses that were seen to lead here from outside.
pub(super) async fn check(
    patient: &Patient<'_>,
    session: &Session,
    findings: &mut Findings,
) -> Vec<SocketAddr> {
    let mut proven = Vec::new();
    for link in session.links.iter().filter(|link| link.uri.is_turn()).take(MAX_SERVERS) {
        let is_foreign = patient.config.ice_servers.iter().any(|server| server.url == link.url);
        if is_foreign {
            proven.extend(foreign(patient, session, link, findings).await);
        } else {
            own(patient, session, link, findings).await;
        }
    }
    proven
}

/// Our own: what it relays to the media port never leaves the process.
async fn own(patient: &Patient<'_>, session: &Session, link: &Link, findings: &mut Findings) {
    let Some(server) = beside(patient, link) else { return };
    // It reaches the addresses that clients are told, and no others.
    let Some(peer) = session.udp.iter().find(|it| it.is_ipv4()).or_else(|| session.udp.first()) else {
        return;
    };
    let protocol = if link.uri.transport() == Transport::Tcp { "tcp" } else { "udp" };
    match turn::through(server, link, *peer, &session.check()).await {
        Ok(_) if *link.uri.host() == UriHost::Ip(server.ip()) => {
            findings.well(format!("media answers through the relay {}", link.url));
        }
        Ok(_) => findings.well(format!("media answers through the relay {}, asked at {server}", link.url)),
        Err(Trouble::Server(error)) => findings.fault(
            "relay-unreachable",
            format!("the TURN server {} does not answer at {server}: {error}", link.url),
            "Clients that need the relay do not connect.",
            super::super::sockets::firewall_line(protocol, server.port()),
        ),
        Err(Trouble::Refused(what, failure)) => findings.fault(
            "relay-refused",
            format!("the TURN server {} {what}: {failure}", link.url),
            "It refuses the credentials that clients are given: is the clock right, are other settings running?",
            "systemctl restart headwater    # with these settings",
        ),
        Err(Trouble::Silent) => findings.fault(
            "relay-silent",
            format!("media at {peer} does not answer through the TURN server {}", link.url),
            "Clients that need the relay get no media.",
            "log = \"debug\"    # the server's log says more",
        ),
    }
}

/// Somebody else's: it sees the media address from outside, which nothing on this machine does.
async fn foreign(
    patient: &Patient<'_>,
    session: &Session,
    link: &Link,
    findings: &mut Findings,
) -> Option<SocketAddr> {
    let Some(server) = look_up(&link.uri).await.first().copied() else {
        findings.fault(
            "turn-unresolved",
            format!("ice_servers: the host of {} has no address", link.url),
            "Clients wait for it, and have no relay.",
            "url = \"turn:THE.RIGHT.NAME:3478?transport=udp\"",
        );
        return None;
    };
    let peers = &patient.advertised;
    let peer = peers.iter().find(|it| it.is_ipv4() == server.is_ipv4()).or_else(|| peers.first())?;
    match turn::through(server, link, *peer, &session.check()).await {
        Ok(_) => {
            findings.well(format!("media answers at {peer} from outside, through {}", link.url));
            return Some(*peer);
        }
        Err(Trouble::Server(error)) => findings.fault(
            "turn-unreachable",
            format!("ice_servers: {} does not answer: {error}", link.url),
            "Clients wait for it, and have no relay.",
            "url = \"turn:THE.RIGHT.NAME:3478?transport=udp\"",
        ),
        Err(Trouble::Refused(what, failure)) => findings.fault(
            "turn-refused",
            format!("ice_servers: {} {what}: {failure}", link.url),
            "Clients are refused in the same way: the username or the credential is wrong, or its time is over.",
            "credential = \"THE-RIGHT-ONE\"",
        ),
        Err(Trouble::Silent) => findings.warning(
            "media-from-outside",
            format!("media at {peer} does not answer from outside, through {}", link.url),
            format!("A firewall or a NAT in front drops UDP to port {}, or the relay may not send there.", peer.port()),
            format!("advertise = [\"{}\"]    # is right if UDP {} is forwarded and let through", peer.ip(), peer.port()),
        ),
    }
    None
}

/// Where our own server is reached from this machine: what clients are told may be a NAT's address.
fn beside(patient: &Patient<'_>, link: &Link) -> Option<SocketAddr> {
    let sockets = if link.uri.transport() == Transport::Tcp { &patient.tcp } else { &patient.media };
    let of_port = sockets.iter().filter(|it| it.port() == link.uri.port());
    let ip = match link.uri.host() {
        UriHost::Ip(ip) => Some(*ip),
        UriHost::Name(_) => None,
    };
    let local = of_port.clone().find(|it| ip.is_none_or(|ip| ip.is_ipv4() == it.is_ipv4()));
    let bound = local.or_else(|| of_port.clone().next())?;
    match ip.filter(|ip| patient.machine.has(*ip) && bound.ip().is_unspecified()) {
        Some(ip) => Some(SocketAddr::new(ip, bound.port())),
        None => Some(here(*bound)),
    }
}

/// The addresses of a server, the best first; none if its name has none.
pub(super) async fn look_up(uri: &Uri) -> Vec<SocketAddr> {
    let port = uri.port();
    match uri.host() {
        UriHost::Ip(ip) => vec![SocketAddr::new(*ip, port)],
        UriHost::Name(name) => match timeout(PATIENCE, lookup_host((name.as_str(), port))).await {
            Ok(Ok(found)) => found.collect(),
            _ => Vec::new(),
        },
    }
}
