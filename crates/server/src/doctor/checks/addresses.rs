//! Advertised addresses: whether anybody can send there.

use std::net::{IpAddr, SocketAddr};

use super::super::finding::Findings;
use super::super::patient::Patient;
use super::outer;
use crate::address::is_public;

/// What stands where only the operator knows the word.
const YOUR_ADDRESS: &str = "advertise = [\"YOUR.PUBLIC.IP.OR.NAME\"]";

pub(super) fn check(patient: &Patient<'_>, findings: &mut Findings) {
    unresolved(patient, findings);
    mismatched(patient, findings);
    if patient.advertised.is_empty() {
        findings.fault(
            "advertise-none",
            "no address is advertised for media",
            "Clients are told no address, so that nobody can connect.",
            your_line(patient),
        );
        return;
    }
    let before = findings.findings.len();
    outer::well(patient, findings);
    // What is only for this machine may be told this machine's addresses.
    if patient.is_media_beyond_loopback() {
        loopback(patient, findings);
        foreign(patient, findings);
        outer::check(patient, findings);
        private(patient, findings);
    }
    if findings.findings.len() == before {
        findings.well(format!("clients are told {}", list(&patient.advertised)));
    }
}

fn unresolved(patient: &Patient<'_>, findings: &mut Findings) {
    for named in &patient.named {
        let Err(error) = &named.addresses else { continue };
        if named.is_name() {
            findings.fault(
                "advertise-unresolved",
                format!("advertise: {error}"),
                "The server does not start while a name has no address; browsers cannot find it either.",
                YOUR_ADDRESS,
            );
        } else {
            findings.fault(
                "advertise-impossible",
                format!("advertise: {error}"),
                "This is an address to listen on, not one to send to.",
                YOUR_ADDRESS,
            );
        }
    }
}

/// Addresses that no media socket has the family for are never told to anybody.
fn mismatched(patient: &Patient<'_>, findings: &mut Findings) {
    for ip in given(patient) {
        if patient.media.iter().any(|socket| socket.is_ipv4() == ip.is_ipv4()) {
            continue;
        }
        let (family, all) = if ip.is_ipv4() { ("IPv4", "0.0.0.0") } else { ("IPv6", "[::]") };
        let port = patient.media.first().map_or(0, SocketAddr::port);
        let mut sockets: Vec<String> = patient.media.iter().map(ToString::to_string).collect();
        sockets.push(format!("{all}:{port}"));
        findings.fault(
            "advertise-family",
            format!("{ip} is advertised, but media listens on no {family} address"),
            format!("Clients are not told this address: nobody comes over {family}."),
            format!("{} = [\"{}\"]", patient.media_key(), sockets.join("\", \"")),
        );
    }
}

fn loopback(patient: &Patient<'_>, findings: &mut Findings) {
    let told: Vec<_> = patient.advertised.iter().filter(|it| it.ip().is_loopback()).copied().collect();
    if told.is_empty() || (patient.config.advertise.is_empty() && !patient.is_beyond_loopback()) {
        return;
    }
    findings.fault(
        "advertise-loopback",
        format!("{} is advertised, which is everybody's own machine", list(&told)),
        "Other machines send their media to themselves, and time out.",
        your_line(patient),
    );
}

/// Addresses of no interface. A public one may be a NAT's; a private one rarely is.
fn foreign(patient: &Patient<'_>, findings: &mut Findings) {
    // One that is asked from outside and silent has its own words.
    let is_silent = findings.has("media-from-outside");
    for ip in given(patient) {
        let Some(told) = patient.advertised.iter().find(|it| it.ip() == ip) else { continue };
        // What was seen to lead here needs no words.
        if patient.machine.has(ip) || patient.proven.iter().any(|it| it.ip() == ip) {
            continue;
        }
        if is_silent && is_public(ip) {
            continue;
        }
        let name = patient
            .named
            .iter()
            .find(|it| it.is_name() && it.addresses.as_ref().is_ok_and(|all| all.contains(&ip)));
        let name = name.map_or_else(String::new, |it| format!(" ({})", it.text));
        let (port, protocols) = (told.port(), patient.forwarded());
        let inside =
            patient.machine.interfaces.iter().find(|it| !it.is_loopback() && it.is_ipv4() == ip.is_ipv4());
        let inside = inside.map_or_else(|| "this machine".to_owned(), ToString::to_string);
        let forward = if patient.machine.is_container {
            patient.published(port)
        } else {
            format!("advertise = [\"{ip}\"]    # is right if the NAT forwards {protocols} {port} to {inside}")
        };
        if is_public(ip) || patient.machine.is_container {
            findings.hint(
                "advertise-nat",
                format!("{ip}{name} is advertised, and no interface here has it"),
                format!("A NAT in front must forward {protocols} port {port} to {inside}, port {port}: the number may not change."),
                forward,
            );
        } else {
            findings.fault(
                "advertise-foreign",
                format!("{ip}{name} is advertised, which is private, and no interface here has it"),
                "Neither this network nor the Internet leads from that address to this server: clients time out.",
                own_line(patient),
            );
        }
    }
}

fn private(patient: &Patient<'_>, findings: &mut Findings) {
    let is_told_elsewhere = [
        "advertise-unresolved",
        "advertise-impossible",
        "advertise-foreign",
        "advertise-loopback",
        "advertise-outer",
    ]
    .iter()
    .any(|code| findings.has(code));
    let all_private = patient.advertised.iter().all(|it| !is_public(it.ip()));
    if !all_private || is_told_elsewhere {
        return;
    }
    let port = patient.advertised.first().map_or(0, SocketAddr::port);
    let told = list(&patient.advertised);
    if patient.machine.is_container && patient.advertised.iter().all(|it| patient.machine.has(it.ip())) {
        findings.warning(
            "advertise-container",
            format!("only addresses of the container are advertised: {told}"),
            format!("Other machines do not get there: UDP port {port} must be published, and the host's address advertised."),
            format!("{}    # and: {}", your_line(patient), patient.published(port)),
        );
    } else {
        findings.warning(
            "advertise-private",
            format!("only private addresses are advertised: {told}"),
            format!(
                "People outside your network get no media, only a timeout. UDP port {port} must reach this machine from the \
                 address that is advertised."
            ),
            format!("{YOUR_ADDRESS}    # doctor --stun stun:HOST asks a STUN server for it"),
        );
    }
}

/// Addresses that the settings name, with those of names.
fn given(patient: &Patient<'_>) -> Vec<IpAddr> {
    patient.named.iter().filter_map(|it| it.addresses.as_ref().ok()).flatten().copied().collect()
}

/// A line with the address that STUN servers saw, if any was asked.
fn your_line(patient: &Patient<'_>) -> String {
    outer::line(patient).unwrap_or_else(|| YOUR_ADDRESS.to_owned())
}

/// The same, or with the best address that this machine has.
fn own_line(patient: &Patient<'_>) -> String {
    let usable = |ip: &&IpAddr| !ip.is_loopback() && ip.is_ipv4();
    let interfaces = &patient.machine.interfaces;
    let own = interfaces.iter().find(|ip| is_public(**ip)).or_else(|| interfaces.iter().find(usable));
    let own = || own.map(|ip| format!("advertise = [\"{ip}\"]"));
    outer::line(patient).or_else(own).unwrap_or_else(|| YOUR_ADDRESS.to_owned())
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
