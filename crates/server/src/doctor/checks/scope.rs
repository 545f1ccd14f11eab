//! Who can come at all: addresses that are of this machine alone, and proxies.

use super::super::finding::Findings;
use super::super::patient::Patient;
use super::super::sockets;

pub(super) fn check(patient: &Patient<'_>, findings: &mut Findings) {
    let (http, media) = (patient.is_beyond_loopback(), patient.is_media_beyond_loopback());
    let port = patient.tcp.first().map_or(0, std::net::SocketAddr::port);
    let media_port = patient.media.first().map_or(0, std::net::SocketAddr::port);
    let all = |port: u16| std::net::SocketAddr::from(([0; 4], port));
    match (http, media) {
        (true, true) => {}
        (false, false) => findings.warning(
            "this-machine-only",
            "HTTP and media listen on loopback only",
            "Nobody but programs on this machine can publish or watch.",
            if patient.is_shared() {
                format!("listen = [\"{}\"]", all(port))
            } else {
                format!("listen = [\"{}\"]    # instead of http and media", all(port))
            },
        ),
        (true, false) => findings.fault(
            "media-loopback",
            "HTTP is there for other machines, but media listens on loopback only",
            "Pages open and then wait: no media gets in or out.",
            sockets::line("media", all(media_port)),
        ),
        (false, true) if patient.machine.is_container => findings.warning(
            "http-loopback",
            "HTTP listens on the container's loopback only: a port that is published does not lead there",
            "Nobody reaches the pages, WHIP and WHEP, unless a proxy runs in the same container or pod.",
            sockets::line("http", all(port)),
        ),
        (false, true) => findings.hint(
            "http-loopback",
            "HTTP listens on loopback only: other machines reach it through a reverse proxy here, or not at all",
            format!(
                "The proxy carries HTTP (POST, PATCH, DELETE, OPTIONS; the headers Location, Link, ETag); media goes past it, \
                 to UDP port {media_port}, which must be open."
            ),
            sockets::line("http", all(port)),
        ),
    }
}
