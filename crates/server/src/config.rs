//! Settings: flag > `HEADWATER_*` variable > TOML file > default. The names are a contract.

mod choices;
mod options;
mod tls;
mod turns_at;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::{fs, slice, thread};

use headwater_node::MAX_WORKERS;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub(crate) use choices::{DtlsMode, TakeoverRule, TlsMode};
pub(crate) use options::{Action, Cli, Options};
pub(crate) use tls::{AcmeSettings, Tls};
pub(crate) use turns_at::TurnsAt;

use tls::TlsChoice;

const DEFAULT_HTTP: &str = "127.0.0.1:8080";
const DEFAULT_MEDIA_PORT: u16 = 8189;
/// A longer wait than a frame takes would only add delay.
const MAX_COALESCE: u16 = 100;
const DEFAULT_LOG: &str = "info";
/// Longest token, bytes.
const MAX_TOKEN_LEN: usize = 256;

/// The TOML file. An unknown key is an error that names it.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct File {
    listen: Vec<SocketAddr>,
    http: Option<SocketAddr>,
    media: Vec<SocketAddr>,
    advertise: Vec<String>,
    workers: Option<NonZeroUsize>,
    #[serde(alias = "publish-token")]
    publish_token: Option<String>,
    #[serde(alias = "watch-token")]
    watch_token: Option<String>,
    #[serde(alias = "admin-token")]
    admin_token: Option<String>,
    open: Option<bool>,
    takeover: Option<TakeoverRule>,
    dtls: Option<DtlsMode>,
    coalesce: Option<u16>,
    #[serde(alias = "no-gso")]
    no_gso: Option<bool>,
    portable: Option<bool>,
    #[serde(alias = "no-turn")]
    no_turn: Option<bool>,
    #[serde(alias = "turns-at")]
    turns_at: Option<TurnsAt>,
    #[serde(alias = "tls-cert")]
    tls_cert: Option<PathBuf>,
    #[serde(alias = "tls-key")]
    tls_key: Option<PathBuf>,
    tls: Option<TlsMode>,
    acme: Vec<String>,
    #[serde(alias = "acme-contact")]
    acme_contact: Vec<String>,
    #[serde(alias = "acme-cache")]
    acme_cache: Option<PathBuf>,
    #[serde(alias = "acme-directory")]
    acme_directory: Option<String>,
    #[serde(alias = "acme-root")]
    acme_root: Option<PathBuf>,
    log: Option<String>,
    limits: Limits,
    #[serde(alias = "ice-servers")]
    ice_servers: Vec<IceServer>,
}

/// `[limits]`: what outsiders can make this server hold.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Live streams at once. Default 1,000.
    pub(crate) streams: usize,
    /// Viewers of one stream. Default 10,000.
    pub(crate) viewers_per_stream: usize,
    /// Publishers and viewers from one IP address (an office or a carrier's NAT shares one). Default 256.
    pub(crate) sessions_per_address: usize,
    /// Most a publisher may send, bits per second. Default 50,000,000.
    pub(crate) publish_bitrate: u64,
    /// Sessions that were answered but have not connected yet. Default 1,000.
    pub(crate) pending_sessions: usize,
    /// TCP connections at once, whatever they speak: a viewer behind a firewall may hold four (HTTP, ICE, TURN inside
    /// TLS and not). Default 8,192.
    pub(crate) http_connections: usize,
    /// The same from one IP address, loopback excepted. Default 512.
    pub(crate) http_connections_per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let node = headwater_node::Limits::default();
        Self {
            streams: node.streams,
            viewers_per_stream: node.viewers_per_stream,
            sessions_per_address: node.sessions_per_address,
            publish_bitrate: node.publish_bitrate,
            pending_sessions: node.pending_sessions,
            http_connections: 8_192,
            http_connections_per_address: 512,
        }
    }
}

/// `[[ice_servers]]`: offered to clients in `Link` headers (RFC 9725 §4.6).
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IceServer {
    /// `stun:`, `turn:` or `turns:` URL.
    pub(crate) url: String,
    pub(crate) username: Option<String>,
    pub(crate) credential: Option<String>,
}

/// The settings in force.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// TCP and UDP on the same ports, instead of `http` and `media`; empty = those.
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) http: SocketAddr,
    pub(crate) media: Vec<SocketAddr>,
    /// IP addresses or host names; empty = the interfaces.
    pub(crate) advertise: Vec<String>,
    pub(crate) workers: usize,
    pub(crate) publish_token: Option<String>,
    pub(crate) watch_token: Option<String>,
    pub(crate) admin_token: Option<String>,
    pub(crate) open: bool,
    pub(crate) takeover: TakeoverRule,
    pub(crate) dtls: DtlsMode,
    /// In milliseconds.
    pub(crate) coalesce: u16,
    pub(crate) no_gso: bool,
    pub(crate) portable: bool,
    pub(crate) no_turn: bool,
    pub(crate) turns_at: Option<TurnsAt>,
    pub(crate) tls: Tls,
    pub(crate) log: String,
    pub(crate) limits: Limits,
    pub(crate) ice_servers: Vec<IceServer>,
}

/// Why the settings cannot be used.
#[derive(Error, Debug)]
pub(crate) enum ConfigError {
    #[error("cannot read the config file {path}: {error}")]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("config file {path}{line}: {message}")]
    Malformed { path: PathBuf, line: String, message: String },
    #[error("{key}: {message}")]
    Invalid { key: &'static str, message: String },
}

pub(crate) fn invalid(key: &'static str, message: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { key, message: message.into() }
}

impl Config {
    /// Reads the file that the options name and puts all sources together.
    pub(crate) fn load(options: Options) -> Result<Self, ConfigError> {
        let file = options.config.as_deref().map(read).transpose()?;
        Self::merge(options, file.unwrap_or_default())
    }

    fn merge(options: Options, file: File) -> Result<Self, ConfigError> {
        let tls = TlsChoice::of_options(&options).or(TlsChoice::of_file(&file)).check()?;
        let listen = choose_listen(&options, &file)?;
        let config = Self {
            listen,
            http: options
                .http
                .or(file.http)
                .unwrap_or_else(|| DEFAULT_HTTP.parse().expect("a constant socket address")),
            media: first_filled(options.media, file.media).unwrap_or_else(default_media),
            advertise: first_filled(options.advertise, file.advertise).unwrap_or_default(),
            workers: options.workers.or(file.workers).map_or_else(default_workers, NonZeroUsize::get),
            publish_token: options.publish_token.or(file.publish_token),
            watch_token: options.watch_token.or(file.watch_token),
            admin_token: options.admin_token.or(file.admin_token),
            open: options.open.or(file.open).unwrap_or(false),
            takeover: options.takeover.or(file.takeover).unwrap_or(TakeoverRule::Stale),
            dtls: options.dtls.or(file.dtls).unwrap_or(DtlsMode::Both),
            coalesce: options.coalesce.or(file.coalesce).unwrap_or_else(default_coalesce),
            no_gso: options.no_gso.or(file.no_gso).unwrap_or(false),
            portable: options.portable.or(file.portable).unwrap_or(false),
            no_turn: options.no_turn.or(file.no_turn).unwrap_or(false),
            turns_at: options.turns_at.or(file.turns_at),
            tls,
            log: options.log.or(file.log).unwrap_or_else(|| DEFAULT_LOG.to_owned()),
            limits: file.limits,
            ice_servers: file.ice_servers,
        };
        config.validate()?;
        Ok(config)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        check_token("publish_token", self.publish_token.as_deref())?;
        check_token("watch_token", self.watch_token.as_deref())?;
        check_token("admin_token", self.admin_token.as_deref())?;
        if self.workers > MAX_WORKERS {
            return Err(invalid("workers", format!("at most {MAX_WORKERS}")));
        }
        if self.coalesce > MAX_COALESCE {
            return Err(invalid("coalesce", format!("is in milliseconds, at most {MAX_COALESCE}")));
        }
        if self.advertise.iter().any(String::is_empty) {
            return Err(invalid("advertise", "an address is empty"));
        }
        if let Some(at) = &self.turns_at {
            if self.no_turn {
                return Err(invalid("turns_at", "needs the TURN server that no_turn leaves out"));
            }
            if at.port.is_none() && self.tls == Tls::Off {
                return Err(invalid("turns_at", "needs a port: there is no TLS at ours"));
            }
        }
        let limits = [
            ("limits.streams", self.limits.streams),
            ("limits.viewers_per_stream", self.limits.viewers_per_stream),
            ("limits.sessions_per_address", self.limits.sessions_per_address),
            ("limits.pending_sessions", self.limits.pending_sessions),
            ("limits.http_connections", self.limits.http_connections),
            ("limits.http_connections_per_address", self.limits.http_connections_per_address),
        ];
        if let Some((key, _)) = limits.into_iter().find(|(_, value)| *value == 0) {
            return Err(invalid(key, "must be at least 1"));
        }
        if self.limits.publish_bitrate < 1_000 {
            return Err(invalid("limits.publish_bitrate", "is in bits per second, at least 1000"));
        }
        for server in &self.ice_servers {
            let known = ["stun:", "stuns:", "turn:", "turns:"];
            if !known.iter().any(|scheme| server.url.starts_with(scheme)) {
                return Err(invalid("ice_servers.url", "must begin with stun: stuns: turn: or turns:"));
            }
            let values = [Some(&server.url), server.username.as_ref(), server.credential.as_ref()];
            let printable = |text: &&String| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
            if !values.into_iter().flatten().all(|text| printable(&text))
                || server.url.contains(['<', '>', ' '])
            {
                return Err(invalid("ice_servers", "values go into an HTTP header: printable ASCII only"));
            }
        }
        Ok(())
    }

    /// Where TCP is listened on.
    pub(crate) fn tcp(&self) -> &[SocketAddr] {
        if self.listen.is_empty() { slice::from_ref(&self.http) } else { &self.listen }
    }

    /// The settings as TOML, tokens and credentials hidden.
    pub(crate) fn to_toml(&self) -> String {
        let hidden = |secret: &Option<String>| secret.as_ref().map(|_| "(hidden)".to_owned());
        let tls = TlsChoice::from(&self.tls);
        let ice_servers = self
            .ice_servers
            .iter()
            .map(|server| IceServer { credential: hidden(&server.credential), ..server.clone() })
            .collect();
        let separate = self.listen.is_empty();
        let printed = Printed {
            listen: (!separate).then(|| self.listen.clone()),
            http: separate.then_some(self.http),
            media: separate.then(|| self.media.clone()),
            advertise: self.advertise.clone(),
            workers: self.workers,
            publish_token: hidden(&self.publish_token),
            watch_token: hidden(&self.watch_token),
            admin_token: hidden(&self.admin_token),
            open: self.open,
            takeover: self.takeover,
            dtls: self.dtls,
            coalesce: self.coalesce,
            no_gso: self.no_gso,
            portable: self.portable,
            no_turn: self.no_turn,
            turns_at: self.turns_at.clone(),
            tls,
            log: self.log.clone(),
            limits: self.limits.clone(),
            ice_servers,
        };
        toml::to_string(&printed).expect("plain values become TOML")
    }
}

/// What `headwater config` prints: the file's keys, in the file's order.
#[derive(Serialize)]
struct Printed {
    listen: Option<Vec<SocketAddr>>,
    http: Option<SocketAddr>,
    media: Option<Vec<SocketAddr>>,
    advertise: Vec<String>,
    workers: usize,
    publish_token: Option<String>,
    watch_token: Option<String>,
    admin_token: Option<String>,
    open: bool,
    takeover: TakeoverRule,
    dtls: DtlsMode,
    coalesce: u16,
    no_gso: bool,
    portable: bool,
    no_turn: bool,
    turns_at: Option<TurnsAt>,
    #[serde(flatten)]
    tls: TlsChoice,
    log: String,
    limits: Limits,
    ice_servers: Vec<IceServer>,
}

/// Reads a TOML file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text =
        fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
    parse(path, &text)
}

/// The error names the key and the line, but does not quote the line: it may hold a token.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().and_then(|span| text.get(..span.start)).map_or_else(String::new, |before| {
            format!(", line {}", before.bytes().filter(|byte| *byte == b'\n').count() + 1)
        });
        ConfigError::Malformed { path: path.to_owned(), line, message: error.message().to_owned() }
    })
}

/// One port, or two: whoever says both may have meant either, wherever it was said.
fn choose_listen(options: &Options, file: &File) -> Result<Vec<SocketAddr>, ConfigError> {
    let Some(listen) = first_filled(options.listen.clone(), file.listen.clone()) else {
        return Ok(Vec::new());
    };
    let others = [
        ("http", options.http.is_some() || file.http.is_some()),
        ("media", !options.media.is_empty() || !file.media.is_empty()),
    ];
    match others.into_iter().find(|(_, given)| *given) {
        Some((other, _)) => {
            Err(invalid("listen", format!("takes the place of {other}: leave one of the two out")))
        }
        None => Ok(listen),
    }
}

/// RFC 6750 §2.1 b68token, so that it fits a header and a URL without escaping.
fn check_token(key: &'static str, token: Option<&str>) -> Result<(), ConfigError> {
    let Some(token) = token else { return Ok(()) };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if token.is_empty() {
        return Err(invalid(key, "is empty; leave it out, and see --open"));
    }
    if token.len() > MAX_TOKEN_LEN || !token.bytes().all(fits) {
        let message = format!("must be at most {MAX_TOKEN_LEN} letters, digits or - . _ ~");
        return Err(invalid(key, message));
    }
    Ok(())
}

fn first_filled<T>(first: Vec<T>, second: Vec<T>) -> Option<Vec<T>> {
    [first, second].into_iter().find(|list| !list.is_empty())
}

fn default_coalesce() -> u16 {
    u16::try_from(headwater_node::COALESCE.as_millis()).unwrap_or(MAX_COALESCE)
}

fn default_workers() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MAX_WORKERS)
}

/// Both families, unless this machine has no IPv6 at all.
fn default_media() -> Vec<SocketAddr> {
    let [v4, v6]: [IpAddr; 2] = [[0, 0, 0, 0].into(), [0u16; 8].into()];
    let has_v6 = UdpSocket::bind((v6, 0)).is_ok();
    let families = if has_v6 { vec![v4, v6] } else { vec![v4] };
    families.into_iter().map(|ip| SocketAddr::new(ip, DEFAULT_MEDIA_PORT)).collect()
}

#[cfg(test)]
mod tests;
