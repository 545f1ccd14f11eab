//! `stun:`, `stuns:`, `turn:` and `turns:` URIs (RFC 7064, RFC 7065).
//!
//! ```text
//!  stun:host[:port]    turn:host[:port][?transport=udp|tcp]    the same with `s`: over TLS or DTLS
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

use crate::Transport;

/// Most bytes of a host name.
const MAX_NAME_LEN: usize = 253;

/// What the server is, and whether TLS or DTLS is around it.
#[expect(clippy::exhaustive_enums, reason = "the four of RFC 7064 and RFC 7065")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UriScheme {
    /// STUN in clear.
    Stun,
    /// STUN over TLS.
    Stuns,
    /// TURN in clear.
    Turn,
    /// TURN over TLS, or over DTLS with `?transport=udp` (RFC 7350 §4.1.4).
    Turns,
}

/// Where the server is.
#[expect(clippy::exhaustive_enums, reason = "a name or an address")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UriHost {
    /// A name to look up: letters, digits, `-`, `.` and `_`; internationalised names in their A-label form.
    Name(String),
    /// An address. IPv6 stands in brackets.
    Ip(IpAddr),
}

/// Where a STUN or TURN server is and how to talk to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Uri {
    scheme: UriScheme,
    host: UriHost,
    port: Option<u16>,
    transport: Option<Transport>,
}

/// What is wrong with a URI.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UriError {
    /// Something else than `stun:`, `stuns:`, `turn:` or `turns:`.
    #[error("the scheme is none of stun, stuns, turn, turns")]
    UnknownScheme,
    /// `stun://host`: these URIs have no slashes.
    #[error("no slashes follow the scheme")]
    Slashes,
    /// There is no host.
    #[error("no host")]
    NoHost,
    /// The host is neither a name nor an address (IPv6 in brackets).
    #[error("neither a host name nor an address")]
    BadHost,
    /// The port is not a number from 1 to 65535.
    #[error("the port is not a number from 1 to 65535")]
    BadPort,
    /// Something else than `?transport=` behind the port, or any of it in a `stun:` URI.
    #[error("only turn and turns have a query, and only ?transport=")]
    BadQuery,
    /// A transport that is neither `udp` nor `tcp`.
    #[error("the transport is neither udp nor tcp")]
    UnknownTransport,
}

impl Uri {
    /// A URI of these parts. `port` and `transport` are those of the scheme if they are `None`.
    ///
    /// # Errors
    /// [`UriError::NoHost`], [`UriError::BadHost`], [`UriError::BadPort`], [`UriError::BadQuery`] for a transport
    /// where the scheme has none, [`UriError::UnknownTransport`] for one that is neither UDP nor TCP.
    pub fn new(
        scheme: UriScheme,
        host: UriHost,
        port: Option<u16>,
        transport: Option<Transport>,
    ) -> Result<Self, UriError> {
        if let UriHost::Name(name) = &host {
            check_name(name)?;
        }
        if port == Some(0) {
            return Err(UriError::BadPort);
        }
        if transport.is_some() && matches!(scheme, UriScheme::Stun | UriScheme::Stuns) {
            return Err(UriError::BadQuery);
        }
        if transport == Some(Transport::Relayed) {
            return Err(UriError::UnknownTransport);
        }
        Ok(Self { scheme, host, port, transport })
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> UriScheme {
        self.scheme
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> &UriHost {
        &self.host
    }

    /// The port: 3478, or 5349 with TLS or DTLS, if the URI doesn't say.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or_else(|| if self.is_secure() { 5349 } else { 3478 })
    }

    /// What is spoken below STUN: UDP, or TCP with TLS, if the URI doesn't say.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport.unwrap_or_else(|| if self.is_secure() { Transport::Tcp } else { Transport::Udp })
    }

    /// Whether TLS (over TCP) or DTLS (over UDP) is between.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        matches!(self.scheme, UriScheme::Stuns | UriScheme::Turns)
    }

    /// Whether it names a TURN server.
    #[must_use]
    pub const fn is_turn(&self) -> bool {
        matches!(self.scheme, UriScheme::Turn | UriScheme::Turns)
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let (scheme, rest) = text.split_once(':').ok_or(UriError::UnknownScheme)?;
        let scheme = UriScheme::ALL
            .into_iter()
            .find(|it| it.name().eq_ignore_ascii_case(scheme))
            .ok_or(UriError::UnknownScheme)?;
        if rest.starts_with("//") {
            return Err(UriError::Slashes);
        }
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (host, port) = split_port(rest)?;
        let transport = query.map(parse_query).transpose()?;
        Self::new(scheme, host, port, transport)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme.name())?;
        match &self.host {
            UriHost::Name(name) => f.write_str(name)?,
            UriHost::Ip(IpAddr::V4(ip)) => write!(f, "{ip}")?,
            UriHost::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match self.transport {
            Some(transport) => write!(f, "?transport={}", transport_name(transport)),
            None => Ok(()),
        }
    }
}

impl UriScheme {
    const ALL: [Self; 4] = [Self::Stun, Self::Stuns, Self::Turn, Self::Turns];

    const fn name(self) -> &'static str {
        match self {
            Self::Stun => "stun",
            Self::Stuns => "stuns",
            Self::Turn => "turn",
            Self::Turns => "turns",
        }
    }
}

const fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp | Transport::Relayed => "udp",
    }
}

/// `host`, `host:port`, `[host]` or `[host]:port`.
fn split_port(text: &str) -> Result<(UriHost, Option<u16>), UriError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (ip, rest) = rest.split_once(']').ok_or(UriError::BadHost)?;
            let ip: Ipv6Addr = ip.parse().map_err(|_| UriError::BadHost)?;
            let port = match rest {
                "" => None,
                rest => Some(rest.strip_prefix(':').ok_or(UriError::BadHost)?),
            };
            (UriHost::Ip(ip.into()), port)
        }
        None => {
            let (host, port) = match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            };
            let host = host.parse().map_or_else(|_| UriHost::Name(host.to_owned()), UriHost::Ip);
            (host, port)
        }
    };
    // The grammar lets a port have no digits (RFC 3986 §3.2.3).
    let port = port.filter(|it| !it.is_empty()).map(parse_port).transpose()?;
    Ok((host, port))
}

fn parse_port(text: &str) -> Result<u16, UriError> {
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().map_err(|_| UriError::BadPort),
        false => Err(UriError::BadPort),
    }
}

fn parse_query(text: &str) -> Result<Transport, UriError> {
    let (name, value) = text.split_once('=').ok_or(UriError::BadQuery)?;
    if !name.eq_ignore_ascii_case("transport") {
        return Err(UriError::BadQuery);
    }
    [Transport::Udp, Transport::Tcp]
        .into_iter()
        .find(|it| transport_name(*it).eq_ignore_ascii_case(value))
        .ok_or(UriError::UnknownTransport)
}

fn check_name(name: &str) -> Result<(), UriError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    match name {
        "" => Err(UriError::NoHost),
        name if name.len() > MAX_NAME_LEN || !name.bytes().all(allowed) => Err(UriError::BadHost),
        // It would be read back as an address.
        name if name.parse::<IpAddr>().is_ok() => Err(UriError::BadHost),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Transport::{Tcp, Udp};

    #[test]
    fn uris_and_what_they_say() {
        for (text, turn, secure, host, port, transport) in [
            // The examples of RFC 7064 and RFC 7065, appendix.
            ("stun:example.org", false, false, "example.org", 3478, Udp),
            ("stuns:example.org", false, true, "example.org", 5349, Tcp),
            ("stun:example.org:8000", false, false, "example.org", 8000, Udp),
            ("turn:example.org", true, false, "example.org", 3478, Udp),
            ("turns:example.org", true, true, "example.org", 5349, Tcp),
            ("turn:example.org:8000", true, false, "example.org", 8000, Udp),
            ("turn:example.org?transport=udp", true, false, "example.org", 3478, Udp),
            ("turn:example.org?transport=tcp", true, false, "example.org", 3478, Tcp),
            ("turns:example.org?transport=tcp", true, true, "example.org", 5349, Tcp),
            ("turns:example.org:443?transport=udp", true, true, "example.org", 443, Udp),
            ("turn:192.0.2.1:8000", true, false, "192.0.2.1", 8000, Udp),
            ("turn:[2001:db8::1]", true, false, "2001:db8::1", 3478, Udp),
            ("stuns:[2001:db8::1]:443", false, true, "2001:db8::1", 443, Tcp),
            ("stun:a_b-1.xn--bcher-kva.example", false, false, "a_b-1.xn--bcher-kva.example", 3478, Udp),
        ] {
            let uri: Uri = text.parse().expect(text);
            assert_eq!(uri.to_string(), text);
            assert_eq!(
                (uri.is_turn(), uri.is_secure(), uri.port(), uri.transport()),
                (turn, secure, port, transport)
            );
            match uri.host() {
                UriHost::Name(name) => assert_eq!(name, host),
                UriHost::Ip(ip) => assert_eq!(ip.to_string(), host),
            }
        }
        let written = |text: &str| text.parse::<Uri>().map(|it| it.to_string());
        assert_eq!(
            written("TURNS:Example.org:?Transport=TCP"),
            Ok("turns:Example.org?transport=tcp".to_owned())
        );
    }

    #[test]
    fn each_error_has_its_name() {
        use UriError::*;
        for (text, error) in [
            ("", UnknownScheme),
            ("example.org", UnknownScheme),
            ("http:example.org", UnknownScheme),
            ("stun://example.org", Slashes),
            ("stun:", NoHost),
            ("stun::3478", NoHost),
            ("turn:?transport=udp", NoHost),
            ("stun:user@example.org", BadHost),
            ("stun:exa mple.org", BadHost),
            ("stun:b\u{FC}cher.example", BadHost),
            ("stun:example.org/path", BadHost),
            ("stun:[2001:db8::1", BadHost),
            ("stun:[2001:db8::1]3478", BadHost),
            ("stun:[192.0.2.1]", BadHost),
            ("stun:[fe80::1%eth0]", BadHost),
            ("stun:2001:db8::1", BadPort),
            ("stun:example.org:0", BadPort),
            ("stun:example.org:65536", BadPort),
            ("stun:example.org:+80", BadPort),
            ("stun:example.org:80:80", BadPort),
            ("stun:example.org?transport=udp", BadQuery),
            ("turn:example.org?", BadQuery),
            ("turn:example.org?proto=udp", BadQuery),
            ("turn:example.org?transport=sctp", UnknownTransport),
            ("turn:example.org?transport=", UnknownTransport),
            ("turn:example.org?transport=udp&x=1", UnknownTransport),
        ] {
            assert_eq!(text.parse::<Uri>(), Err(error), "{text}");
        }
        let name = |it: &str| Uri::new(UriScheme::Stun, UriHost::Name(it.to_owned()), None, None);
        assert_eq!(name("192.0.2.1"), Err(BadHost));
        assert_eq!(name(&"a".repeat(254)), Err(BadHost));
    }
}
