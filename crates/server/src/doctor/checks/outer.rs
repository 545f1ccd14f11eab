//! The address outside, as STUN servers saw it, against what clients are told.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::super::finding::Findings;
use super::super::patient::Patient;
use crate::address::is_public;

pub(super) fn well(patient: &Patient<'_>, findings: &mut Findings) {
    for ip in &patient.outer {
        let as_told = if is_told(patient, *ip) { ", as clients are told" } else { "" };
        findings.well(format!("outside, this machine is {ip}{as_told}"));
    }
}

pub(super) fn check(patient: &Patient<'_>, findings: &mut Findings) {
    // Those lines have it already.
    let is_said = ["advertise-foreign", "advertise-loopback"].iter().any(|code| findings.has(code));
    let untold: Vec<IpAddr> = patient
        .outer
        .iter()
        .copied()
        .filter(|ip| !is_told(patient, *ip) && !leads_here(patient, *ip))
        .collect();
    let Some(line) = line(patient).filter(|_| !is_said && !untold.is_empty()) else { return };
    let port = patient.media.first().map_or(0, SocketAddr::port);
    let told: BTreeSet<IpAddr> = patient.advertised.iter().map(SocketAddr::ip).collect();
    findings.warning(
        "advertise-outer",
        format!("outside, this machine is {}, but clients are told {}", list(&untold, " and "), list(&told, ", ")),
        format!("It is a NAT's address: people outside send there, and the NAT must forward {} port {port} to this machine.", patient.forwarded()),
        line,
    );
}

/// The line with the addresses outside, if any are known. Families that no server saw keep what is told of them.
pub(super) fn line(patient: &Patient<'_>) -> Option<String> {
    if patient.outer.is_empty() {
        return None;
    }
    let is_seen = |ip: &IpAddr| patient.outer.iter().any(|it| it.is_ipv4() == ip.is_ipv4());
    let kept = patient.advertised.iter().map(SocketAddr::ip).filter(|ip| is_public(*ip) && !is_seen(ip));
    let all: BTreeSet<IpAddr> = patient.outer.iter().copied().chain(kept).collect();
    Some(format!("advertise = [\"{}\"]", list(&all, "\", \"")))
}

fn is_told(patient: &Patient<'_>, ip: IpAddr) -> bool {
    patient.advertised.iter().any(|it| it.ip() == ip)
}

/// Is there a way here other than by the address that was seen?
fn leads_here(patient: &Patient<'_>, seen: IpAddr) -> bool {
    let of_family = |ip: IpAddr| ip.is_ipv4() == seen.is_ipv4() && is_public(ip);
    let machine = patient.machine;
    if machine.has(seen) {
        // One of several; and whether IPv6 is told at all is looked at for itself.
        return seen.is_ipv6()
            || patient.advertised.iter().any(|it| of_family(it.ip()) && machine.has(it.ip()));
    }
    // Packets may go out by another way than they come in.
    patient.proven.iter().any(|it| of_family(it.ip()))
}

fn list<'a>(addresses: impl IntoIterator<Item = &'a IpAddr>, between: &str) -> String {
    addresses.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}
