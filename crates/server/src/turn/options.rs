//! The command line of `headwater turn`, with the environment variable of each flag.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;
use headwater_relay::{Network, RelayAddress};

use super::settings::{RelayPorts, User};

/// Flags and their environment variables; `None` or empty = not given.
#[derive(Args, Default, Debug)]
pub(crate) struct Options {
    /// Address for UDP and TCP, repeatable [default: 0.0.0.0:3478, without --tls-listen]
    #[arg(long, env = "HEADWATER_TURN_LISTEN", value_name = "ADDR", value_delimiter = ',')]
    pub(super) listen: Vec<SocketAddr>,
    /// Address for TLS and DTLS, repeatable; the same as one of --listen serves all four on one port
    #[arg(long, env = "HEADWATER_TURN_TLS_LISTEN", value_name = "ADDR", value_delimiter = ',')]
    pub(super) tls_listen: Vec<SocketAddr>,
    /// Certificate chain (PEM) for TLS and DTLS, read again when it changes
    #[arg(long, env = "HEADWATER_TURN_CERT", value_name = "FILE")]
    pub(super) cert: Option<PathBuf>,
    /// Private key (PEM) for TLS and DTLS, read again when it changes
    #[arg(long, env = "HEADWATER_TURN_KEY", value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
    /// Address that relays are on, repeatable; PUBLIC/PRIVATE behind a NAT that maps one to one [default: as --listen]
    #[arg(long, env = "HEADWATER_TURN_RELAY_IP", value_name = "IP", value_delimiter = ',')]
    pub(super) relay_ip: Vec<RelayAddress>,
    /// Ports that relays have [default: 49152-65535]
    #[arg(long, env = "HEADWATER_TURN_RELAY_PORTS", value_name = "MIN-MAX")]
    pub(super) relay_ports: Option<RelayPorts>,
    /// A name and its password, repeatable; other users of this machine can read it here: better in the file
    #[arg(long, env = "HEADWATER_TURN_USER", value_name = "NAME:PASSWORD", hide_env_values = true)]
    pub(super) user: Vec<User>,
    /// Secret of time-limited credentials (TURN REST), repeatable so that it can be changed; better in the file, too
    #[arg(
        long,
        env = "HEADWATER_TURN_SECRET",
        value_name = "S",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(super) secret: Vec<String>,
    /// Realm of the credentials [default: headwater]
    #[arg(long, env = "HEADWATER_TURN_REALM", value_name = "R")]
    pub(super) realm: Option<String>,
    /// Lets clients reach peers in this block although it is private, special or of this machine, repeatable
    #[arg(long, env = "HEADWATER_TURN_ALLOW_PEER", value_name = "CIDR", value_delimiter = ',')]
    pub(super) allow_peer: Vec<Network>,
    /// Threads [default: one per core]
    #[arg(long, env = "HEADWATER_TURN_WORKERS", value_name = "N")]
    pub(super) workers: Option<NonZeroUsize>,
    /// Allocations of one user, 0 for any number [default: 100]
    #[arg(long, env = "HEADWATER_TURN_USER_ALLOCATIONS", value_name = "N")]
    pub(super) user_allocations: Option<u32>,
    /// Bits per second of one user, both directions together, 0 for any [default: 0]
    #[arg(long, env = "HEADWATER_TURN_USER_BITRATE", value_name = "BPS")]
    pub(super) user_bitrate: Option<u64>,
    /// Allocations from one IPv4 address or IPv6 /64, 0 for any number [default: 300]
    #[arg(long, env = "HEADWATER_TURN_ADDRESS_ALLOCATIONS", value_name = "N")]
    pub(super) address_allocations: Option<u32>,
    /// Bits per second of one address, both directions together, 0 for any [default: 0]
    #[arg(long, env = "HEADWATER_TURN_ADDRESS_BITRATE", value_name = "BPS")]
    pub(super) address_bitrate: Option<u64>,
    /// Address for Prometheus' metrics over plain HTTP
    #[arg(long, env = "HEADWATER_TURN_METRICS", value_name = "ADDR")]
    pub(super) metrics: Option<SocketAddr>,
    /// Seconds after SIGTERM that allocations may go on [default: 30]
    #[arg(long, env = "HEADWATER_TURN_DRAIN", value_name = "SECONDS")]
    pub(super) drain: Option<u64>,
    /// Milliseconds that datagrams may wait under load, so that several are relayed in one go; 0 relays each at once
    /// [default: 2]
    #[arg(long, env = "HEADWATER_TURN_COALESCE", value_name = "MS")]
    pub(super) coalesce: Option<u64>,
    /// Sends each datagram of a run as a message of its own (no UDP GSO)
    #[arg(long, env = "HEADWATER_NO_GSO", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub(super) no_gso: Option<bool>,
    /// Log filter, as in RUST_LOG [default: info]
    #[arg(long, env = "HEADWATER_LOG", value_name = "FILTER")]
    pub(super) log: Option<String>,
    /// TOML file with the same settings
    #[arg(long, env = "HEADWATER_TURN_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}
