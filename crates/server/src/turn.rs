//! `headwater turn`: the TURN server alone.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use clap::Args;
use headwater_relay::{
    Config, DEFAULT_RELAY_PORTS, Identity, IdentityError, Network, PeerPolicy, Quota, Relay, RelayAddress,
    ServerConfig, StartError,
};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use crate::metrics::{self, Sample};
use crate::run::{self, Ending};
use crate::seed;

const DEFAULT_LISTEN: &str = "0.0.0.0:3478";
const DEFAULT_REALM: &str = "headwater";
/// Seconds between the signal and the end of allocations that still run.
const DEFAULT_DRAIN: u64 = 30;

/// Flags and their environment variables.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Address for UDP and TCP, repeatable [default: 0.0.0.0:3478, without --tls-listen]
    #[arg(long, env = "HEADWATER_TURN_LISTEN", value_name = "ADDR", value_delimiter = ',')]
    listen: Vec<SocketAddr>,
    /// Address for TLS and DTLS, repeatable; the same as one of --listen serves all four on one port
    #[arg(long, env = "HEADWATER_TURN_TLS_LISTEN", value_name = "ADDR", value_delimiter = ',')]
    tls_listen: Vec<SocketAddr>,
    /// Certificate chain (PEM) for TLS and DTLS
    #[arg(long, env = "HEADWATER_TURN_CERT", value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Private key (PEM) for TLS and DTLS
    #[arg(long, env = "HEADWATER_TURN_KEY", value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Address that relays are on, repeatable; PUBLIC/PRIVATE behind a NAT that maps one to one [default: as --listen]
    #[arg(long, env = "HEADWATER_TURN_RELAY_IP", value_name = "IP", value_delimiter = ',')]
    relay_ip: Vec<RelayAddress>,
    /// Ports that relays have [default: 49152-65535]
    #[arg(long, env = "HEADWATER_TURN_RELAY_PORTS", value_name = "MIN-MAX", value_parser = ports)]
    relay_ports: Option<RangeInclusive<u16>>,
    /// A name and its password, repeatable
    #[arg(long, env = "HEADWATER_TURN_USER", value_name = "NAME:PASSWORD", value_parser = user, hide_env_values = true)]
    user: Vec<User>,
    /// Secret of time-limited credentials (TURN REST), repeatable so that it can be changed
    #[arg(
        long,
        env = "HEADWATER_TURN_SECRET",
        value_name = "S",
        value_delimiter = ',',
        hide_env_values = true
    )]
    secret: Vec<String>,
    /// Realm of the credentials
    #[arg(long, env = "HEADWATER_TURN_REALM", value_name = "R", default_value = DEFAULT_REALM)]
    realm: String,
    /// Lets clients reach peers in this block although it is private or special, repeatable
    #[arg(long, env = "HEADWATER_TURN_ALLOW_PEER", value_name = "CIDR", value_delimiter = ',')]
    allow_peer: Vec<Network>,
    /// Threads [default: one per core]
    #[arg(long, env = "HEADWATER_TURN_WORKERS", value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Allocations of one user, 0 for any number
    #[arg(long, env = "HEADWATER_TURN_USER_ALLOCATIONS", value_name = "N", default_value_t = 100)]
    user_allocations: u32,
    /// Bits per second of one user, both directions together, 0 for any
    #[arg(long, env = "HEADWATER_TURN_USER_BITRATE", value_name = "BPS", default_value_t = 0)]
    user_bitrate: u64,
    /// Allocations from one IPv4 address or IPv6 /64, 0 for any number
    #[arg(long, env = "HEADWATER_TURN_ADDRESS_ALLOCATIONS", value_name = "N", default_value_t = 300)]
    address_allocations: u32,
    /// Bits per second of one address, both directions together, 0 for any
    #[arg(long, env = "HEADWATER_TURN_ADDRESS_BITRATE", value_name = "BPS", default_value_t = 0)]
    address_bitrate: u64,
    /// Address for Prometheus' metrics over plain HTTP
    #[arg(long, env = "HEADWATER_TURN_METRICS", value_name = "ADDR")]
    metrics: Option<SocketAddr>,
    /// Seconds after SIGTERM that allocations may go on
    #[arg(long, env = "HEADWATER_TURN_DRAIN", value_name = "SECONDS", default_value_t = DEFAULT_DRAIN)]
    drain: u64,
    /// Milliseconds that datagrams may wait under load, so that several are relayed in one go; 0 relays each at once
    #[arg(long, env = "HEADWATER_TURN_COALESCE", value_name = "MS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(..=20))]
    coalesce: u64,
    /// Sends each datagram of a run as a message of its own (no UDP GSO)
    #[arg(long, env = "HEADWATER_NO_GSO")]
    no_gso: bool,
    /// Log filter, as in RUST_LOG
    #[arg(long, env = "HEADWATER_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

/// A name and its password.
#[derive(Clone)]
struct User {
    name: String,
    password: String,
}

/// Without the password.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

fn user(text: &str) -> Result<User, String> {
    match text.split_once(':') {
        Some((name, password)) if !name.is_empty() && !password.is_empty() => {
            Ok(User { name: name.to_owned(), password: password.to_owned() })
        }
        _ => Err("must be NAME:PASSWORD".to_owned()),
    }
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let range = text.split_once('-').and_then(|(low, high)| Some(low.parse().ok()?..=high.parse().ok()?));
    range
        .filter(|range| !range.is_empty() && *range.start() > 0)
        .ok_or_else(|| "must be MIN-MAX, within 1 to 65535".to_owned())
}

/// Why it does not run.
#[derive(Error, Debug)]
pub(crate) enum Failure {
    #[error("nobody could log in: give --user NAME:PASSWORD or --secret S")]
    NoCredentials,
    #[error("--tls-listen needs --cert and --key")]
    NoCertificate,
    #[error("--cert and --key are for --tls-listen, which is missing")]
    NoTlsListener,
    #[error("cannot read {path}: {error}")]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("--cert {cert}, --key {key}: {error}")]
    Identity { cert: PathBuf, key: PathBuf, error: IdentityError },
    #[error("--metrics {address}: {error}")]
    Metrics { address: SocketAddr, error: io::Error },
    #[error("turn: {0}")]
    Start(#[from] StartError),
    #[error(transparent)]
    Run(#[from] run::Failure),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs until SIGINT or SIGTERM.
pub(crate) fn run(options: Options) -> Result<(), Failure> {
    run::start_logs(&options.log)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(options))
}

async fn serve(options: Options) -> Result<(), Failure> {
    let mut ending = Ending::listen()?;
    let metrics = match options.metrics {
        Some(address) => {
            let error = |error| Failure::Metrics { address, error };
            Some(TcpListener::bind(address).await.map_err(error)?)
        }
        None => None,
    };
    let drain = Duration::from_secs(options.drain);
    let config = config(options)?;
    let text = announcement(&config);
    let relay = Arc::new(Relay::start(config)?);
    {
        let mut out = io::stdout().lock();
        // A closed standard output is no reason not to serve.
        let _ = out.write_all(text(&relay, metrics.as_ref()).as_bytes()).and_then(|()| out.flush());
    }
    info!(addresses = ?relay.local_addrs(), "relaying");
    if let Some(listener) = metrics {
        let shown = Arc::clone(&relay);
        let router = Router::new().route("/metrics", get(move || async move { exposition(&shown) }));
        tokio::spawn(async move { axum::serve(listener, router).await });
    }
    ending.wait().await;
    info!("ending: no new allocations; a second signal ends at once");
    let ended = spawn_blocking(move || relay.shutdown(drain));
    tokio::select! {
        _ = ended => info!("ended"),
        () = ending.wait() => {
            warn!("ended by a second signal");
            std::process::exit(0);
        }
    }
    Ok(())
}

fn config(options: Options) -> Result<Config, Failure> {
    if options.user.is_empty() && options.secret.is_empty() {
        return Err(Failure::NoCredentials);
    }
    let identity = match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => {
            let error = |error| Failure::Identity { cert: cert.clone(), key: key.clone(), error };
            Some(Identity::from_pem(&read(cert)?, &read(key)?).map_err(error)?)
        }
        _ => None,
    };
    match (&identity, options.tls_listen.is_empty()) {
        (None, false) => return Err(Failure::NoCertificate),
        (Some(_), true) => return Err(Failure::NoTlsListener),
        _ => {}
    }
    let mut turn = ServerConfig::new(options.realm, seed::seed());
    turn.users = options.user.into_iter().map(|user| (user.name, user.password)).collect::<HashMap<_, _>>();
    turn.secrets = options.secret;
    turn.peers = options.allow_peer.into_iter().fold(PeerPolicy::public(), PeerPolicy::allow);
    turn.per_user = quota(options.user_allocations, options.user_bitrate);
    turn.per_address = quota(options.address_allocations, options.address_bitrate);
    let mut config = Config::new(turn, seed::seed());
    config.listen = options.listen;
    config.tls_listen = options.tls_listen;
    if config.listen.is_empty() && config.tls_listen.is_empty() {
        config.listen.push(DEFAULT_LISTEN.parse().expect("a constant socket address"));
    }
    config.identity = identity;
    config.relay_addresses = options.relay_ip;
    config.relay_ports = options.relay_ports.unwrap_or(DEFAULT_RELAY_PORTS);
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    config.workers = options.workers.map_or_else(cores, NonZeroUsize::get);
    config.segmentation = !options.no_gso;
    config.coalesce = Duration::from_millis(options.coalesce);
    Ok(config)
}

fn quota(allocations: u32, bits_per_second: u64) -> Quota {
    let mut quota = Quota::unlimited();
    quota.allocations = (allocations > 0).then_some(allocations);
    quota.bits_per_second = (bits_per_second > 0).then_some(bits_per_second);
    quota
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::Unreadable { path: path.to_owned(), error })
}

/// One line for each listener, and who may use it.
fn announcement(config: &Config) -> impl Fn(&Relay, Option<&TcpListener>) -> String + use<> {
    let has_dtls = config.identity.as_ref().is_some_and(Identity::has_dtls);
    let kinds: Vec<(bool, bool)> = {
        let both = |address| (config.listen.contains(address), config.tls_listen.contains(address));
        let mut listed: Vec<SocketAddr> = Vec::new();
        for address in config.listen.iter().chain(&config.tls_listen) {
            if !listed.contains(address) {
                listed.push(*address);
            }
        }
        listed.iter().map(both).collect()
    };
    let ports = config.relay_ports.clone();
    let (realm, users, secrets) =
        (config.turn.realm.clone(), config.turn.users.len(), config.turn.secrets.len());
    let workers = config.workers;
    move |relay, metrics| {
        let mut text = String::new();
        for (address, (plain, secure)) in relay.local_addrs().iter().zip(&kinds) {
            let plain = plain.then_some("UDP, TCP");
            let secure =
                secure.then_some(if has_dtls { "TLS, DTLS" } else { "TLS (DTLS needs a P-256 key)" });
            let kinds: Vec<&str> = plain.into_iter().chain(secure).collect();
            text += &format!("turn: listening on {address} ({})\n", kinds.join(", "));
        }
        for address in relay.relay_addresses() {
            let behind = if address.public == address.bind {
                String::new()
            } else {
                format!(" (bound to {})", address.bind)
            };
            text += &format!(
                "turn: relaying from {}{behind}, ports {} to {}\n",
                address.public,
                ports.start(),
                ports.end()
            );
        }
        if let Some(address) = metrics.and_then(|listener| listener.local_addr().ok()) {
            text += &format!("turn: metrics on http://{address}/metrics\n");
        }
        text + &format!(
            "turn: realm {realm}, users: {users}, shared secrets: {secrets}, workers: {workers}\n"
        )
    }
}

/// The counters as Prometheus wants them.
fn exposition(relay: &Relay) -> ([(axum::http::HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], samples(relay))
}

fn samples(relay: &Relay) -> String {
    let c = relay.counters();
    let gauge = |name, help, value| Sample::gauge(name, help, &[], value);
    let counter = |name, help, value| Sample::counter(name, help, &[], value);
    let ended = |reason: &'static str, value| {
        let help = "Allocations ended, by reason.";
        Sample::counter("headwater_turn_allocations_ended_total", help, &[("reason", reason)], value)
    };
    let direction = |name, help, [to_peers, to_clients]: [u64; 2]| {
        [("peers", to_peers), ("clients", to_clients)]
            .map(|(to, value)| Sample::counter(name, help, &[("to", to)], value))
    };
    let mut samples = vec![
        gauge("headwater_turn_allocations", "Allocations now.", c.allocations),
        gauge("headwater_turn_relays", "Sockets of relays now.", c.relays),
        gauge("headwater_turn_connections", "TCP and TLS connections of clients now.", c.connections),
        gauge("headwater_turn_associations", "DTLS associations of clients now.", c.associations),
        gauge("headwater_turn_peer_connections", "TCP connections with peers now.", c.peer_connections),
        counter("headwater_turn_allocated_total", "Allocations made.", c.allocated),
        ended("client", c.ended_by_client),
        ended("expired", c.expired),
        ended("disconnected", c.disconnected),
        counter("headwater_turn_moved_total", "Allocations that moved to another address.", c.moved),
        counter("headwater_turn_no_relay_total", "Relays refused for want of ports or files.", c.no_relay),
        counter("headwater_turn_over_quota_total", "Relays refused by quota over all workers.", c.over_quota),
        counter("headwater_turn_refused_total", "Improper datagrams of clients.", c.refused),
        counter(
            "headwater_turn_connections_refused_total",
            "Connections over a limit.",
            c.connections_refused,
        ),
    ];
    let name = "headwater_turn_datagrams_total";
    samples.extend(direction(name, "Datagrams relayed.", [c.to_peers, c.to_clients]));
    let name = "headwater_turn_bytes_total";
    samples.extend(direction(
        name,
        "Bytes of application data relayed.",
        [c.to_peers_bytes, c.to_clients_bytes],
    ));
    samples.extend([
        counter(
            "headwater_turn_not_permitted_total",
            "Datagrams of peers without permission, or over quota.",
            c.not_permitted,
        ),
        counter(
            "headwater_turn_dropped_total",
            "Datagrams that found a full socket or a slow client.",
            c.dropped,
        ),
        counter("headwater_turn_unreachable_total", "Datagrams to peers that ICMP told of.", c.unreachable),
    ]);
    metrics::render(&samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_users_are_read_or_refused() {
        assert_eq!(ports("1000-2000").unwrap(), 1000..=2000);
        for wrong in ["", "1000", "2000-1000", "0-10", "1-70000", "a-b"] {
            assert!(ports(wrong).is_err(), "{wrong}");
        }
        let read = user("name:pass:word").unwrap();
        assert_eq!((read.name.as_str(), read.password.as_str()), ("name", "pass:word"));
        for wrong in ["", "name", ":password", "name:"] {
            assert!(user(wrong).is_err(), "{wrong}");
        }
    }
}
