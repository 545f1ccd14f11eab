//! Where clients find TURN inside TLS.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;

/// `--turns-at`: what `turns:` names, where it is not the port that we listen on: behind a port forward, or behind somebody
/// who takes TLS off.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct TurnsAt {
    /// As in a URI: an IPv6 address is in brackets.
    pub(crate) host: String,
    /// `None` = the port that we listen on.
    pub(crate) port: Option<u16>,
}

impl FromStr for TurnsAt {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "must be NAME or NAME:PORT; an IPv6 address is in brackets";
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = port.map(|port| port.parse().ok().filter(|port| *port > 0).ok_or(WRONG)).transpose()?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        let is_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => address.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()),
            None => !host.is_empty() && host.len() <= MAX_NAME && host.bytes().all(is_plain),
        };
        if is_host { Ok(Self { host: host.to_owned(), port }) } else { Err(WRONG) }
    }
}

impl fmt::Display for TurnsAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl TryFrom<String> for TurnsAt {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TurnsAt> for String {
    fn from(at: TurnsAt) -> Self {
        at.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ports_are_read_or_refused() {
        for (text, host, port) in [
            ("live.example", "live.example", None),
            ("live.example:443", "live.example", Some(443)),
            ("192.0.2.1:443", "192.0.2.1", Some(443)),
            ("[2001:db8::1]", "[2001:db8::1]", None),
            ("[2001:db8::1]:443", "[2001:db8::1]", Some(443)),
        ] {
            let at: TurnsAt = text.parse().unwrap();
            assert_eq!((at.host.as_str(), at.port), (host, port));
            assert_eq!(at.to_string(), text);
        }
        for wrong in
            ["", ":443", "a:0", "a:70000", "a:b", "2001:db8::1", "[a]:443", "a b", "a>;x:1", "turns:a"]
        {
            assert!(wrong.parse::<TurnsAt>().is_err(), "{wrong}");
        }
    }
}
