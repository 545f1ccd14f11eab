//! The command line, with the environment variable of each flag.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand};

use super::{DtlsMode, TakeoverRule, TlsMode, TurnsAt};
use crate::{bench, doctor, turn};

/// WebRTC live streaming: publish over WHIP, watch over WHEP.
#[derive(Parser)]
#[command(name = "headwater", version, about, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the server (also without any subcommand).
    Serve(Options),
    /// Prints the settings in force as TOML, tokens hidden, and ends.
    Config(Options),
    /// Measures what this machine serves: CPU per packet, latency, memory, joins, viewers per core (Linux only).
    Bench(bench::Options),
    /// Runs a TURN server alone.
    Turn(turn::Options),
    /// Checks these settings on this machine, beside a running server or without one, and prints the line to change.
    Doctor(doctor::Options),
}

/// What to do, with which options.
pub(crate) enum Action {
    Serve(Options),
    PrintConfig(Options),
    Bench(bench::Options),
    Turn(turn::Options),
    Doctor(doctor::Options),
}

impl Cli {
    pub(crate) fn action(self) -> Action {
        match self.command {
            None => Action::Serve(self.options),
            Some(Command::Serve(options)) => Action::Serve(options),
            Some(Command::Config(options)) => Action::PrintConfig(options),
            Some(Command::Bench(options)) => Action::Bench(options),
            Some(Command::Turn(options)) => Action::Turn(options),
            Some(Command::Doctor(options)) => Action::Doctor(options),
        }
    }
}

/// Flags and their environment variables; `None` or empty = not given.
#[derive(Args, Default, Debug)]
pub(crate) struct Options {
    #[arg(
        long,
        env = "HEADWATER_LISTEN",
        value_name = "ADDR",
        value_delimiter = ',',
        help = "One port for all (HTTP or HTTPS, media, TURN; TCP and UDP) instead of --http and --media, repeatable"
    )]
    pub(super) listen: Vec<SocketAddr>,
    /// Address of the HTTP server [default: 127.0.0.1:8080]
    #[arg(long, env = "HEADWATER_HTTP", value_name = "ADDR")]
    pub(super) http: Option<SocketAddr>,
    #[arg(
        long,
        env = "HEADWATER_MEDIA",
        value_name = "ADDR",
        value_delimiter = ',',
        help = "UDP address for media, repeatable [default: 0.0.0.0:8189 and [::]:8189]"
    )]
    pub(super) media: Vec<SocketAddr>,
    /// Address or host name that peers reach the media at, repeatable [default: the interfaces]
    #[arg(long, env = "HEADWATER_ADVERTISE", value_name = "IP-or-host", value_delimiter = ',')]
    pub(super) advertise: Vec<String>,
    /// Media worker threads [default: one per core]
    #[arg(long, env = "HEADWATER_WORKERS", value_name = "N")]
    pub(super) workers: Option<NonZeroUsize>,
    /// Token that publishers must send
    #[arg(long, env = "HEADWATER_PUBLISH_TOKEN", value_name = "T", hide_env_values = true)]
    pub(super) publish_token: Option<String>,
    /// Token that viewers must send
    #[arg(long, env = "HEADWATER_WATCH_TOKEN", value_name = "T", hide_env_values = true)]
    pub(super) watch_token: Option<String>,
    /// Token for the administration API
    #[arg(long, env = "HEADWATER_ADMIN_TOKEN", value_name = "T", hide_env_values = true)]
    pub(super) admin_token: Option<String>,
    /// Makes no publish and watch tokens off loopback: everybody may publish and watch
    #[arg(long, env = "HEADWATER_OPEN", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub(super) open: Option<bool>,
    /// When a second publisher replaces the first [default: stale]
    #[arg(long, env = "HEADWATER_TAKEOVER", value_name = "WHEN")]
    pub(super) takeover: Option<TakeoverRule>,
    /// DTLS versions of media connections [default: both]
    #[arg(long, env = "HEADWATER_DTLS", value_name = "VERSIONS")]
    pub(super) dtls: Option<DtlsMode>,
    /// Milliseconds that the first packets of a video frame may wait for the last; 0 forwards each as it comes
    /// [default: 5]
    #[arg(long, env = "HEADWATER_COALESCE", value_name = "MS")]
    pub(super) coalesce: Option<u16>,
    /// Sends each packet of a burst as a message of its own (no UDP GSO)
    #[arg(long, env = "HEADWATER_NO_GSO", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub(super) no_gso: Option<bool>,
    /// Uses only plain socket calls, one for each datagram
    #[arg(long, env = "HEADWATER_PORTABLE", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub(super) portable: Option<bool>,
    /// Runs no TURN server beside the media
    #[arg(long, env = "HEADWATER_NO_TURN", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub(super) no_turn: Option<bool>,
    /// Where clients find TURN inside TLS, if not at the port listened on: behind a port forward
    #[arg(long, env = "HEADWATER_TURNS_AT", value_name = "NAME[:PORT]")]
    pub(super) turns_at: Option<TurnsAt>,
    /// Certificate chain (PEM) for HTTPS
    #[arg(long, env = "HEADWATER_TLS_CERT", value_name = "FILE")]
    pub(super) tls_cert: Option<PathBuf>,
    /// Private key (PEM) for HTTPS
    #[arg(long, env = "HEADWATER_TLS_KEY", value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,
    /// HTTPS with a certificate made at each start
    #[arg(long, env = "HEADWATER_TLS", value_name = "MODE")]
    pub(super) tls: Option<TlsMode>,
    /// Domain to get a certificate for by itself (ACME, TLS-ALPN-01: must lead to port 443 of this server), repeatable
    #[arg(long, env = "HEADWATER_ACME", value_name = "DOMAIN", value_delimiter = ',')]
    pub(super) acme: Vec<String>,
    /// Mail address that the authority may write to, repeatable
    #[arg(long, env = "HEADWATER_ACME_CONTACT", value_name = "MAIL", value_delimiter = ',')]
    pub(super) acme_contact: Vec<String>,
    /// Folder for the ACME account and the certificate
    #[arg(long, env = "HEADWATER_ACME_CACHE", value_name = "DIR")]
    pub(super) acme_cache: Option<PathBuf>,
    /// The authority's directory [default: Let's Encrypt]
    #[arg(long, env = "HEADWATER_ACME_DIRECTORY", value_name = "URL")]
    pub(super) acme_directory: Option<String>,
    /// Root certificate (PEM) to trust the authority's directory by [default: the system's]
    #[arg(long, env = "HEADWATER_ACME_ROOT", value_name = "FILE")]
    pub(super) acme_root: Option<PathBuf>,
    /// Log filter, as in RUST_LOG [default: info]
    #[arg(long, env = "HEADWATER_LOG", value_name = "FILTER")]
    pub(super) log: Option<String>,
    /// TOML file with the same settings
    #[arg(long, env = "HEADWATER_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}
