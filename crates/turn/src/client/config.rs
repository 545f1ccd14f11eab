//! What a client needs to know, and what it can ask for.

use std::net::SocketAddr;
use std::time::Duration;

use headwater_stun::{LongTerm, Transport};

use crate::attribute::Family;
use crate::{Error, RelayTransport};

/// What a [`Client`](crate::Client) needs to know.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// How the server is reached. TLS counts as TCP, DTLS as UDP: the owner puts them around.
    pub transport: Transport,
    /// The address of ours.
    pub local: SocketAddr,
    /// The server's.
    pub server: SocketAddr,
    /// Who we are. `None` is for servers that ask nobody.
    pub credentials: Option<LongTerm>,
    /// First wait for a response over UDP; doubles with each repetition. 1 ms to 60 s, default 500 ms.
    pub rto: Duration,
    /// Value of SOFTWARE in requests; none by default.
    pub software: Option<String>,
    /// Over UDP: whether to ask another server when one says so. Default `true`.
    pub follows_redirects: bool,
    /// Over UDP: after this time without a datagram of ours one is sent, so that NATs keep the way open.
    /// At least 1 s; default 15 s (RFC 8445 §11). `None` for never.
    pub keepalive: Option<Duration>,
}

impl ClientConfig {
    /// The defaults for this way to a server.
    #[must_use]
    pub const fn new(transport: Transport, local: SocketAddr, server: SocketAddr) -> Self {
        Self {
            transport,
            local,
            server,
            credentials: None,
            rto: Duration::from_millis(500),
            software: None,
            follows_redirects: true,
            keepalive: Some(Duration::from_secs(15)),
        }
    }

    /// The same with a name and a password.
    #[must_use]
    pub fn with_credentials(mut self, username: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some(LongTerm::new(username, password));
        self
    }
}

/// Of which family the relayed address is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Families {
    /// The server's first; IPv4 if it keeps to RFC 8656 §7.2.
    #[default]
    Default,
    /// This one (REQUESTED-ADDRESS-FAMILY).
    Only(Family),
    /// One of IPv4 and one of IPv6 (ADDITIONAL-ADDRESS-FAMILY).
    Both,
}

/// Which port the relayed address has.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelayPort {
    /// Any.
    #[default]
    Any,
    /// An even one (EVEN-PORT).
    Even,
    /// An even one; the next is kept for another allocation, which shows the token.
    EvenAndNext,
    /// The one that this token stands for (RESERVATION-TOKEN).
    Reserved([u8; 8]),
}

/// What to allocate.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocateOptions {
    /// What peers speak. TCP relays need TCP to the server (RFC 6062 §4.1).
    pub transport: RelayTransport,
    /// Which addresses.
    pub families: Families,
    /// Which port.
    pub port: RelayPort,
    /// Datagrams of Send indications leave the server with the DF bit (DONT-FRAGMENT). Not all servers can.
    pub dont_fragment: bool,
    /// How long until it must be refreshed; the server's choice (10 min) if `None`. The client refreshes by itself.
    pub lifetime: Option<Duration>,
    /// Ask for a ticket with which the allocation may move to another address of ours (RFC 8016).
    pub mobility: bool,
}

impl Default for AllocateOptions {
    fn default() -> Self {
        Self {
            transport: RelayTransport::Udp,
            families: Families::Default,
            port: RelayPort::Any,
            dont_fragment: false,
            lifetime: None,
            mobility: false,
        }
    }
}

impl AllocateOptions {
    /// RFC 8656 §7.1 and RFC 6062 §4.1: what must not stand in one request.
    pub(super) fn check(&self, client: Transport) -> Result<(), Error> {
        let reserved = matches!(self.port, RelayPort::Reserved(_));
        let contradictory = match self.transport {
            RelayTransport::Udp => {
                reserved && self.families != Families::Default
                    || self.port == RelayPort::EvenAndNext && self.families == Families::Both
            }
            RelayTransport::Tcp => {
                client != Transport::Tcp
                    || self.port != RelayPort::Any
                    || self.families == Families::Both
                    || self.dont_fragment
            }
        };
        if contradictory { Err(Error::Contradictory) } else { Ok(()) }
    }
}
