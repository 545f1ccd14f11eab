//! What a relay server needs to know.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use headwater_turn::ServerConfig;
use thiserror::Error;

use crate::Identity;

/// Ports of relays if nothing else is said: the dynamic ones (RFC 8656 §7.2, RFC 6335 §6).
pub const DEFAULT_RELAY_PORTS: RangeInclusive<u16> = 49_152..=65_535;
/// How long datagrams may wait for others, under load.
pub const COALESCE: Duration = Duration::from_millis(2);
/// The most of that.
pub const MAX_COALESCE: Duration = Duration::from_millis(20);
/// The most workers.
pub const MAX_WORKERS: usize = 64;
/// The most addresses that relays can be on.
pub const MAX_RELAY_ADDRESSES: usize = 64;

/// An address that relays are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayAddress {
    /// The address of an interface that their sockets are bound to.
    pub bind: IpAddr,
    /// What clients are told: another one behind a NAT that maps one to one, as clouds have.
    pub public: IpAddr,
}

impl From<IpAddr> for RelayAddress {
    fn from(ip: IpAddr) -> Self {
        Self { bind: ip, public: ip }
    }
}

impl FromStr for RelayAddress {
    type Err = String;

    /// `ADDRESS`, or `PUBLIC/PRIVATE`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parse = |text: &str| text.parse::<IpAddr>().map_err(|_| format!("`{text}` is no IP address"));
        let (public, bind) = match text.split_once('/') {
            Some((public, private)) => (parse(public)?, parse(private)?),
            None => (parse(text)?, parse(text)?),
        };
        if public.is_ipv4() != bind.is_ipv4() {
            return Err("both addresses must be of one family".to_owned());
        }
        if [public, bind].iter().any(IpAddr::is_unspecified) {
            return Err("an address that stands for all of them cannot be told to clients".to_owned());
        }
        Ok(Self { bind, public })
    }
}

/// What outsiders can make this server hold, beside the allocations, which [`ServerConfig`] limits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// TCP and TLS connections of clients at once. Default 20,000.
    pub connections: usize,
    /// Those from one IPv4 address or one IPv6 /64. Default 1,000.
    pub connections_per_address: usize,
    /// DTLS associations at once. Default 20,000.
    pub associations: usize,
    /// How long a connection may be without an allocation. Default 30 s.
    pub setup: Duration,
    /// How long a connection with an allocation may be silent; a client refreshes its permissions each 5 min. Default 15 min.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 1_000,
            associations: 20_000,
            setup: Duration::from_secs(30),
            idle: Duration::from_secs(900),
        }
    }
}

/// What a [`Relay`](crate::Relay) needs to know.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// Addresses for plain clients, each for UDP and TCP. One that is there twice counts once.
    pub listen: Vec<SocketAddr>,
    /// Addresses for TLS over TCP and DTLS over UDP. One that is in `listen` too serves both kinds.
    pub tls_listen: Vec<SocketAddr>,
    /// Certificate and key, needed for `tls_listen`.
    pub identity: Option<Identity>,
    /// Where relays are, each family at least once if it is to be had. Empty: the listening addresses, or where
    /// they stand for all, those that the routing table names.
    pub relay_addresses: Vec<RelayAddress>,
    /// Ports that relays have.
    pub relay_ports: RangeInclusive<u16>,
    /// Threads, each a TURN server with its own sockets. Default 1.
    pub workers: usize,
    /// May a run of datagrams leave as one message (UDP GSO)? Default yes.
    pub segmentation: bool,
    /// Under load, how long datagrams may wait so that several are relayed in one go. Default [`COALESCE`], at most
    /// [`MAX_COALESCE`]; zero relays each as soon as it can be.
    pub coalesce: Duration,
    /// The protocol's part. `families`, `listeners`, `own_addresses` and `relay_ports` are filled in.
    pub turn: ServerConfig,
    /// What outsiders can make this server hold.
    pub limits: Limits,
    /// Fresh randomness.
    pub seed: [u8; 32],
}

impl Config {
    /// No addresses yet, and the defaults.
    #[must_use]
    pub fn new(turn: ServerConfig, seed: [u8; 32]) -> Self {
        Self {
            listen: Vec::new(),
            tls_listen: Vec::new(),
            identity: None,
            relay_addresses: Vec::new(),
            relay_ports: DEFAULT_RELAY_PORTS,
            workers: 1,
            segmentation: true,
            coalesce: COALESCE,
            turn,
            limits: Limits::default(),
            seed,
        }
    }
}

/// Why a relay does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is nothing to listen on.
    #[error("no address to listen on")]
    NoListener,
    /// `tls_listen` without a certificate.
    #[error("TLS needs a certificate and its key")]
    NoIdentity,
    /// A listening address cannot be had.
    #[error("cannot listen on {transport} {address}: {error}")]
    Listen {
        /// UDP or TCP.
        transport: &'static str,
        /// Which.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// An address for relays is not one of this machine.
    #[error("cannot relay from {address}: {error}")]
    RelayAddress {
        /// Which.
        address: IpAddr,
        /// Why.
        error: io::Error,
    },
    /// None was given, and none could be found.
    #[error("no address to relay from: there is no route to other networks, so it must be named")]
    NoRelayAddress,
    /// More than [`MAX_RELAY_ADDRESSES`].
    #[error("at most {MAX_RELAY_ADDRESSES} addresses to relay from")]
    ManyRelayAddresses,
    /// An empty range, or one with port 0.
    #[error("the ports to relay from must be a range within 1 to 65535")]
    RelayPorts,
    /// None, or more than [`MAX_WORKERS`].
    #[error("workers must be 1 to {MAX_WORKERS}")]
    WorkerCount,
    /// The system does not divide clients among several.
    #[error("this system cannot share a port as several workers need: use one ({error})")]
    Workers {
        /// Why.
        error: io::Error,
    },
    /// The protocol's part cannot be used.
    #[error(transparent)]
    Turn(#[from] headwater_turn::ConfigError),
    /// The system refuses something else.
    #[error(transparent)]
    Io(#[from] io::Error),
}
