//! Sockets that the server would not get.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use headwater_udp::{Options, Socket};

use super::finding::Findings;
use super::patient::Patient;
use crate::config::Config;
use crate::ports;

/// A socket that cannot be bound, and what the system says.
pub(super) struct Refused {
    pub(super) is_tcp: bool,
    pub(super) address: SocketAddr,
    pub(super) error: io::Error,
}

/// Tries all sockets as the server does, one at a time. Port 0 is always free.
pub(super) fn refused(config: &Config) -> Vec<Refused> {
    let is_shared = !config.listen.is_empty();
    let tcp =
        config.tcp().iter().map(|&address| (true, address, ports::listen(address, is_shared).map(drop)));
    let media = if is_shared { &config.listen } else { &config.media };
    let media =
        media.iter().map(|&address| (false, address, Socket::bind(address, &Options::default()).map(drop)));
    tcp.chain(media)
        .filter(|(_, address, _)| address.port() != 0 || !address.ip().is_unspecified())
        .filter_map(|(is_tcp, address, tried)| Some(Refused { is_tcp, address, error: tried.err()? }))
        .filter(|it| !ports::is_missing_family(it.address, &it.error))
        .collect()
}

/// Says what is in the way. `holder` is who has the port, if that can be seen.
pub(super) fn tell(
    patient: &Patient<'_>,
    refused: &Refused,
    holder: Option<String>,
    findings: &mut Findings,
) {
    let Refused { is_tcp, address, error } = refused;
    let kind = if *is_tcp { "TCP" } else { "UDP" };
    let key = match (patient.is_shared(), is_tcp) {
        (true, _) => "listen",
        (false, true) => "http",
        (false, false) => "media",
    };
    let said = |found: &str| format!("{kind} {address}: {found} ({})", errno(error));
    match error.kind() {
        ErrorKind::AddrInUse => {
            let holder = holder.map_or_else(|| "another program has this port".to_owned(), |it| format!("{it} has this port"));
            findings.fault(
                "port-taken",
                said(&holder),
                "The server does not start while somebody else has its port.",
                line(key, SocketAddr::new(address.ip(), other_port(address.port()))),
            );
        }
        ErrorKind::PermissionDenied => findings.fault(
            "port-denied",
            said("this user may not have this port"),
            "Ports below 1024 are for root, unless the system says otherwise.",
            format!("sysctl -w net.ipv4.ip_unprivileged_port_start={}", address.port()),
        ),
        ErrorKind::AddrNotAvailable => findings.fault(
            "address-absent",
            said("no interface of this machine has this address"),
            "One can only listen on an address of one's own; a public address that a NAT has goes into advertise.",
            line(key, SocketAddr::new(everywhere(address.ip()), address.port())),
        ),
        _ => findings.fault(
            "port-refused",
            said("the system refuses it"),
            "The server does not start without it.",
            line(key, SocketAddr::new(everywhere(address.ip()), address.port())),
        ),
    }
}

/// A server of ours runs there, but not with these settings.
pub(super) fn tell_other_tls(address: SocketAddr, secure: bool, findings: &mut Findings) {
    let (speaks, here) = if secure { ("HTTP without TLS", "have TLS") } else { ("HTTPS", "have no TLS") };
    findings.warning(
        "tls-differs",
        format!("the server that runs at {address} speaks {speaks}, and these settings {here}"),
        "It was started with others: it is not asked, as it is not what is checked here.",
        "systemctl restart headwater    # with these settings",
    );
}

/// A server of ours runs there, and waits.
pub(super) fn tell_no_certificate(address: SocketAddr, findings: &mut Findings) {
    findings.fault(
        "tls-none",
        format!("the server that runs at {address} has no certificate yet: TLS handshakes fail"),
        "Nobody gets in before the authority has made one. The server's log says what the authority saw.",
        "journalctl -u headwater -g acme    # or wherever its log is",
    );
}

/// `http = ".."`, or the list that the other keys are.
pub(super) fn line(key: &str, address: SocketAddr) -> String {
    if key == "http" { format!("http = \"{address}\"") } else { format!("{key} = [\"{address}\"]") }
}

fn everywhere(ip: IpAddr) -> IpAddr {
    if ip.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() }
}

/// A port that is likely to be free.
fn other_port(port: u16) -> u16 {
    if port < 1024 { 8000 + port } else { port.checked_add(1).unwrap_or(8189) }
}

/// What the system calls it: `EADDRINUSE` and its number.
fn errno(error: &io::Error) -> String {
    let name = match error.kind() {
        ErrorKind::AddrInUse => "EADDRINUSE",
        ErrorKind::PermissionDenied => "EACCES",
        ErrorKind::AddrNotAvailable => "EADDRNOTAVAIL",
        _ => return error.to_string(),
    };
    error.raw_os_error().map_or_else(|| name.to_owned(), |number| format!("{name}, {number}"))
}

/// Lets a port through this machine's own firewall.
pub(super) fn firewall_line(protocol: &str, port: u16) -> String {
    format!("nft insert rule inet filter input {protocol} dport {port} accept")
}
