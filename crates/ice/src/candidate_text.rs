//! Candidates as text (RFC 8839 §5.1, RFC 6544 §4.5).
//!
//! ```text
//!  candidate:842163049 1 udp 1677729535 203.0.113.5 61000 typ srflx raddr 10.0.0.5 rport 54321 ufrag 8hhY
//! ```

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::{FromStr, SplitAsciiWhitespace};

use headwater_stun::Transport;

use crate::CandidateError;
use crate::candidate::{Address, Candidate, CandidateKind, TcpType};
use crate::credentials::{is_ice_char, is_ufrag};

/// Longest line read; browsers' have about 200 characters.
const MAX_LINE_LEN: usize = 1024;
/// Longest name: DNS's limit.
const MAX_NAME_LEN: usize = 255;
/// Longest foundation (RFC 8839 §5.1).
const MAX_FOUNDATION_LEN: usize = 32;

impl FromStr for Candidate {
    type Err = CandidateError;

    /// Reads the value of an `a=candidate` line, with or without `a=` and `candidate:`.
    ///
    /// Extensions other than `raddr`, `rport`, `tcptype` and `ufrag` are skipped.
    fn from_str(line: &str) -> Result<Self, CandidateError> {
        if line.len() > MAX_LINE_LEN {
            return Err(CandidateError::TooLong);
        }
        let line = line.trim();
        let line = line.strip_prefix("a=").unwrap_or(line);
        let line = line.strip_prefix("candidate:").unwrap_or(line);
        let mut fields = line.split_ascii_whitespace();
        let mut field = |name| fields.next().ok_or(CandidateError::Missing(name));

        let foundation = field("foundation")?;
        if foundation.len() > MAX_FOUNDATION_LEN || !foundation.bytes().all(is_ice_char) {
            return Err(CandidateError::Bad("foundation"));
        }
        let component = number(field("component")?, "component")?;
        if !(1..=256).contains(&component) {
            return Err(CandidateError::Bad("component"));
        }
        let transport = match field("transport")? {
            it if it.eq_ignore_ascii_case("udp") => Transport::Udp,
            it if it.eq_ignore_ascii_case("tcp") => Transport::Tcp,
            _ => return Err(CandidateError::Bad("transport")),
        };
        let priority = number(field("priority")?, "priority")?;
        let host = field("address")?;
        let address = address(host, number(field("port")?, "port")?)?;
        if field("typ")? != "typ" {
            return Err(CandidateError::Bad("typ"));
        }
        let kind = match field("typ")? {
            "host" => CandidateKind::Host,
            "srflx" => CandidateKind::ServerReflexive,
            "prflx" => CandidateKind::PeerReflexive,
            "relay" => CandidateKind::Relayed,
            _ => return Err(CandidateError::Bad("typ")),
        };
        let Extensions { related, tcp_type, ufrag } = extensions(fields)?;
        if transport == Transport::Tcp && tcp_type.is_none() {
            return Err(CandidateError::Missing("tcptype"));
        }
        let foundation = foundation.to_owned();
        Ok(Self { foundation, component, transport, priority, address, kind, related, tcp_type, ufrag })
    }
}

/// Digits only: no sign, no blanks.
fn number<T: FromStr>(text: &str, name: &'static str) -> Result<T, CandidateError> {
    let is_number = text.bytes().all(|it| it.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).ok_or(CandidateError::Bad(name))
}

fn address(host: &str, port: u16) -> Result<Address, CandidateError> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(Address::Socket(SocketAddr::new(ip, port)));
    }
    let is_name = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.' | b'_');
    match host.len() <= MAX_NAME_LEN && host.bytes().all(is_name) {
        true => Ok(Address::Name { host: host.to_owned(), port }),
        false => Err(CandidateError::Bad("address")),
    }
}

#[derive(Default)]
struct Extensions {
    related: Option<SocketAddr>,
    tcp_type: Option<TcpType>,
    ufrag: Option<String>,
}

fn extensions(mut fields: SplitAsciiWhitespace<'_>) -> Result<Extensions, CandidateError> {
    let mut found = Extensions::default();
    let (mut related_ip, mut related_port) = (None, None);
    while let Some(name) = fields.next() {
        // An extension without a value is tolerated at the end of the line.
        let Some(value) = fields.next() else { break };
        match name {
            // A browser that hides addresses writes 0.0.0.0 here, some write a name: not worth refusing.
            "raddr" => related_ip = value.parse::<IpAddr>().ok(),
            "rport" => related_port = Some(number(value, "rport")?),
            "tcptype" => {
                found.tcp_type = Some(match value {
                    "active" => TcpType::Active,
                    "passive" => TcpType::Passive,
                    "so" => TcpType::SimultaneousOpen,
                    _ => return Err(CandidateError::Bad("tcptype")),
                });
            }
            "ufrag" if is_ufrag(value) => found.ufrag = Some(value.to_owned()),
            "ufrag" => return Err(CandidateError::Bad("ufrag")),
            _ => {}
        }
    }
    found.related = related_ip.zip(related_port).map(|(ip, port)| SocketAddr::new(ip, port));
    Ok(found)
}

impl fmt::Display for Candidate {
    /// Writes `candidate:...`, the value of SDP's attribute and of `RTCIceCandidate.candidate`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { foundation, component, priority, address, .. } = self;
        let transport = if self.transport == Transport::Tcp { "tcp" } else { "udp" };
        write!(
            f,
            "candidate:{foundation} {component} {transport} {priority} {address} typ {}",
            self.kind.name()
        )?;
        if let Some(related) = self.related {
            write!(f, " raddr {} rport {}", related.ip(), related.port())?;
        }
        match self.tcp_type {
            Some(TcpType::Active) => f.write_str(" tcptype active")?,
            Some(TcpType::Passive) => f.write_str(" tcptype passive")?,
            Some(TcpType::SimultaneousOpen) => f.write_str(" tcptype so")?,
            None => {}
        }
        match &self.ufrag {
            Some(ufrag) => write!(f, " ufrag {ufrag}"),
            None => Ok(()),
        }
    }
}
