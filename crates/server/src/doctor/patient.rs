//! The server that is looked at: one that runs already, or the same for the time of the check.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::finding::Findings;
use super::machine::Machine;
use super::probe::http::{self, Holder};
use super::stage::Stage;
use super::{holder, sockets};
use crate::address;
use crate::config::{Config, Tls};

/// Settings, machine and server.
pub(super) struct Patient<'a> {
    pub(super) config: &'a Config,
    pub(super) machine: &'a Machine,
    pub(super) named: Vec<Named>,
    /// Where TCP is listened on, with the ports that the system chose.
    pub(super) tcp: Vec<SocketAddr>,
    /// The same of media.
    pub(super) media: Vec<SocketAddr>,
    /// What clients are told to send media to.
    pub(super) advertised: Vec<SocketAddr>,
    pub(super) life: Life,
    /// Of those that clients are told, the ones that were seen to lead here, from outside or although no interface has them.
    pub(super) proven: Vec<SocketAddr>,
    /// Public addresses that STUN servers saw this machine at.
    pub(super) outer: BTreeSet<IpAddr>,
}

/// One `advertise` value.
pub(super) struct Named {
    pub(super) text: String,
    pub(super) addresses: Result<Vec<IpAddr>, String>,
}

impl Named {
    /// Is it a name, rather than an address?
    pub(super) fn is_name(&self) -> bool {
        self.text.trim_matches(['[', ']']).parse::<IpAddr>().is_err()
    }
}

/// Who answers.
pub(super) enum Life {
    /// A server of ours that runs on these ports.
    Runs,
    /// The one that was started for the check.
    Staged(Stage),
    /// Nobody: the findings say why.
    None,
}

impl<'a> Patient<'a> {
    /// Finds the server, or starts it. What is in the way is found.
    pub(super) async fn meet(config: &'a Config, machine: &'a Machine, findings: &mut Findings) -> Self {
        let mut named = Vec::new();
        for text in &config.advertise {
            let addresses = address::resolve(std::slice::from_ref(text)).await;
            named.push(Named { text: text.clone(), addresses });
        }
        let media = if config.listen.is_empty() { config.media.clone() } else { config.listen.clone() };
        let tcp = config.tcp().to_vec();
        let mut patient = Self {
            config,
            machine,
            named,
            tcp,
            media,
            advertised: Vec::new(),
            life: Life::None,
            proven: Vec::new(),
            outer: BTreeSet::new(),
        };
        patient.advertised = patient.told();
        patient.find_life(findings).await;
        patient
    }

    async fn find_life(&mut self, findings: &mut Findings) {
        let refused = sockets::refused(self.config);
        let mut found = Vec::new();
        for socket in refused.iter().filter(|it| it.is_tcp) {
            let holder = match socket.error.kind() {
                ErrorKind::AddrInUse => http::holder(here(socket.address), self.is_secure()).await,
                _ => Holder::Stranger,
            };
            found.push(holder);
            match holder {
                Holder::Ours => {}
                Holder::OtherTls => sockets::tell_other_tls(socket.address, self.is_secure(), findings),
                Holder::NoCertificate => sockets::tell_no_certificate(socket.address, findings),
                Holder::Stranger => {
                    sockets::tell(self, socket, holder::of(socket.address, true), findings);
                }
            }
        }
        let is_there = found.iter().any(|it| *it != Holder::Stranger);
        for socket in refused.iter().filter(|it| !it.is_tcp) {
            // Our own server has it: whether it answers is seen when it is asked.
            if !(is_there && socket.error.kind() == ErrorKind::AddrInUse) {
                sockets::tell(self, socket, holder::of(socket.address, false), findings);
            }
        }
        if found.contains(&Holder::Ours) {
            findings.well("a Headwater server runs with these ports: it is asked");
            self.life = Life::Runs;
        } else if refused.is_empty() {
            self.start(findings);
        }
    }

    fn start(&mut self, findings: &mut Findings) {
        let addresses: Vec<IpAddr> =
            self.named.iter().filter_map(|it| it.addresses.as_ref().ok()).flatten().copied().collect();
        match Stage::open(self.config, addresses) {
            Ok(stage) => {
                findings.well("the ports are free: the server was started for this check");
                self.tcp.clone_from(&stage.tcp);
                self.media.clone_from(&stage.media);
                self.advertised.clone_from(&stage.advertised);
                self.life = Life::Staged(stage);
            }
            Err(error) => findings.fault(
                "start",
                format!("the server does not start: {error}"),
                "Nobody is served until it does.",
                "headwater serve --log debug    # says more",
            ),
        }
    }

    /// HTTP is inside TLS.
    pub(super) fn is_secure(&self) -> bool {
        match &self.life {
            Life::Staged(stage) => stage.secure,
            _ => self.config.tls != Tls::Off,
        }
    }

    /// The token to publish with, if it is known or none is needed.
    pub(super) fn token(&self) -> Token<'_> {
        match &self.life {
            Life::Staged(stage) => Token::Is(&stage.token),
            _ => match &self.config.publish_token {
                Some(token) => Token::Is(token),
                None if self.config.open || !self.is_beyond_loopback() => Token::None,
                None => Token::Unknown,
            },
        }
    }

    /// HTTP is there for other machines.
    pub(super) fn is_beyond_loopback(&self) -> bool {
        self.tcp.iter().any(|address| !address.ip().to_canonical().is_loopback())
    }

    /// Media is there for other machines.
    pub(super) fn is_media_beyond_loopback(&self) -> bool {
        self.media.iter().any(|address| !address.ip().to_canonical().is_loopback())
    }

    /// One port for all.
    pub(super) fn is_shared(&self) -> bool {
        !self.config.listen.is_empty()
    }

    /// What a NAT in front forwards.
    pub(super) fn forwarded(&self) -> &'static str {
        if self.is_shared() { "UDP and TCP" } else { "UDP" }
    }

    /// What a container's port is published with.
    pub(super) fn published(&self, port: u16) -> String {
        let tcp = if self.is_shared() { format!(" -p {port}:{port}") } else { String::new() };
        format!("docker run -p {port}:{port}/udp{tcp} ...")
    }

    /// The key that has the media addresses.
    pub(super) fn media_key(&self) -> &'static str {
        if self.is_shared() { "listen" } else { "media" }
    }

    /// What a server with these settings tells its clients.
    fn told(&self) -> Vec<SocketAddr> {
        let given: Vec<IpAddr> =
            self.named.iter().filter_map(|it| it.addresses.as_ref().ok()).flatten().copied().collect();
        let mut told = Vec::new();
        for socket in &self.media {
            let ips = if !self.config.advertise.is_empty() {
                given.clone()
            } else if !socket.ip().is_unspecified() {
                vec![socket.ip()]
            } else {
                self.machine.interfaces.iter().copied().filter(|ip| is_usable(*ip)).collect()
            };
            let ips = ips.into_iter().filter(|ip| ip.is_ipv4() == socket.is_ipv4());
            told.extend(ips.map(|ip| SocketAddr::new(ip, socket.port())));
        }
        if told.is_empty() && self.config.advertise.is_empty() {
            // No interface but loopback: browsers on this machine may still come.
            let own = self.media.iter().copied().map(here);
            told.extend(own.filter(|it| self.machine.interfaces.contains(&it.ip())));
        }
        told
    }
}

/// What is known of the token to publish with.
#[derive(Clone, Copy)]
pub(super) enum Token<'a> {
    Is(&'a str),
    None,
    Unknown,
}

fn is_usable(ip: IpAddr) -> bool {
    let is_link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !ip.is_loopback() && !ip.is_unspecified() && !is_link_local
}

/// Where a socket is reached from this machine.
pub(super) fn here(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}
