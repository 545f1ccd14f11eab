//! From settings to a running server, and from a signal to its end.

use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use headwater_node::{Node, StartError};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use crate::banner::Banner;
use crate::config::{Config, ConfigError, Tls};
use crate::http::{App, router};
use crate::ice_servers::{IceServers, Turn};
use crate::listen::{self, House};
use crate::media::Media;
use crate::metrics::HttpCounters;
use crate::places::{ConnectionLimits, Places};
use crate::ports::{PortError, Ports};
use crate::tls::{self, TlsError};
use crate::tokens::{Access, Token};
use crate::{address, files, seed};

/// How long the node may take to tell its peers that it ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// Open files beside connections: media sockets, listeners, what is read now and then.
const OTHER_FILES: u64 = 512;
/// Where TLS-ALPN-01 comes to, whatever our own port is (RFC 8737 §3).
const HTTPS_PORT: u16 = 443;

/// Why the server does not run.
#[derive(Error, Debug)]
pub(crate) enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("log: {0}")]
    Log(String),
    #[error("advertise: {0}")]
    Advertise(String),
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Listen(#[from] PortError),
    #[error("media: {0}")]
    Media(#[from] StartError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// RUST_LOG, which developers know, wins over `--log`.
pub(crate) fn start_logs(filter: &str) -> Result<(), Failure> {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| filter.to_owned());
    let filter = EnvFilter::try_new(filter).map_err(|error| Failure::Log(error.to_string()))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    Ok(())
}

/// The tokens in force, as words: given ones always count; off loopback missing ones are made.
struct Secrets {
    publish: Option<String>,
    watch: Option<String>,
    admin: Option<String>,
    admin_is_new: bool,
}

impl Secrets {
    fn choose(config: &Config) -> Self {
        let off_loopback = config.tcp().iter().any(|address| !address.ip().to_canonical().is_loopback());
        let make = |given: &Option<String>, wanted: bool| given.clone().or_else(|| wanted.then(seed::token));
        Self {
            publish: make(&config.publish_token, off_loopback && !config.open),
            watch: make(&config.watch_token, off_loopback && !config.open),
            // `--open` opens the streams, not the administration.
            admin: make(&config.admin_token, off_loopback),
            admin_is_new: off_loopback && config.admin_token.is_none(),
        }
    }

    fn access(&self) -> Access {
        let token = |secret: &Option<String>| secret.as_deref().map(Token::new);
        Access { publish: token(&self.publish), watch: token(&self.watch), admin: token(&self.admin) }
    }
}

/// Runs until SIGINT or SIGTERM.
pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    let mut ending = Ending::listen()?;
    let wanted = config.limits.http_connections as u64 + OTHER_FILES;
    let files = headwater_udp::raise_file_limit(wanted);
    // 0: the system does not tell.
    if (1..wanted).contains(&files) {
        warn!(files, wanted, "limits.http_connections needs more open files: see ulimit -n, LimitNOFILE=");
    }
    let advertise = address::resolve(&config.advertise).await.map_err(Failure::Advertise)?;
    files::raise(config);
    let ports = Ports::bind(config)?;
    let turn_secret = (!config.no_turn).then(seed::token);
    let node = Node::start(node_config(config, &ports, advertise, turn_secret.as_deref()))?;
    let (media, advertised) = (node.media_addresses(), node.advertised());
    // Those that a certificate is for come first: links with them work.
    let mut names = Vec::new();
    if let Tls::Acme(acme) = &config.tls {
        names.extend(acme.domains.iter().cloned());
        if config.tcp().iter().all(|address| address.port() != HTTPS_PORT) {
            let (domains, ours) = (&acme.domains, ports.first.port());
            warn!(?domains, ours, "acme: the authority connects to port 443 of the domains: lead it here");
        }
    }
    for name in &config.advertise {
        if name.parse::<IpAddr>().is_err() && !names.contains(name) {
            names.push(name.clone());
        }
    }
    let addresses: Vec<IpAddr> = advertised.iter().map(SocketAddr::ip).collect();
    let identity = tls::identity(&config.tls, &names, &addresses)?;

    let secrets = Secrets::choose(config);
    let turn = turn_secret.map(|secret| {
        let mut turn = Turn::new(secret, &advertised, &node.advertised_tcp());
        turn.offer_tls(config, ports.first.port(), names.first());
        turn
    });
    let app = Arc::new(App {
        media: Media::new(node.clone()),
        access: secrets.access(),
        open: config.open,
        ice_servers: IceServers::new(&config.ice_servers, turn),
        counters: HttpCounters::new(),
        stopping: AtomicBool::new(false),
    });
    let banner = Banner {
        http: ports.first,
        https: identity.is_some(),
        media: &media,
        advertised: &advertised,
        names: &names,
        publish_token: secrets.publish.as_deref(),
        watch_token: secrets.watch.as_deref(),
        new_admin_token: secrets.admin.as_deref().filter(|_| secrets.admin_is_new),
        tls_fingerprint: identity.as_ref().and_then(|identity| identity.fingerprint.as_deref()),
    };
    announce(&banner);

    let house = Arc::new(House {
        tls: identity.as_ref().map(|identity| Arc::clone(&identity.config)),
        router: router(Arc::clone(&app)),
        app: Arc::clone(&app),
        streams: Arc::new(node.clone()),
        places: Places::new(ConnectionLimits {
            total: config.limits.http_connections,
            per_address: config.limits.http_connections_per_address,
        }),
    });
    let upkeep = identity.map(|identity| tokio::spawn(identity.upkeep.run()));
    let (stop, stopped) = watch::channel(false);
    let mut servers: JoinSet<()> = ports
        .listeners
        .into_iter()
        .map(|listener| listen::serve(listener, Arc::clone(&house), stopped.clone()))
        .collect();

    ending.wait().await;
    info!("shutting down; a second signal ends at once");
    app.stopping.store(true, Ordering::Relaxed);
    stop.send_replace(true);
    if let Some(upkeep) = upkeep {
        upkeep.abort();
    }
    let media = app.media.clone();
    let farewell = spawn_blocking(move || media.shutdown(FAREWELL));
    let all = async {
        let _ = tokio::join!(farewell, async { while servers.join_next().await.is_some() {} });
    };
    tokio::select! {
        () = all => info!("ended"),
        () = ending.wait() => warn!("ended by a second signal"),
    }
    Ok(())
}

/// The links on standard output (they hold tokens, so that they do not go to the log), the warnings to both.
fn announce(banner: &Banner<'_>) {
    let mut out = io::stdout().lock();
    // A closed standard output is no reason not to serve.
    let _ = writeln!(out, "{}", banner.text()).and_then(|()| out.flush());
    for warning in banner.warnings() {
        warn!("{warning}");
    }
    info!(http = %banner.http, tls = banner.https, media = ?banner.media, "serving");
}

pub(crate) fn node_config(
    config: &Config,
    ports: &Ports,
    advertise: Vec<IpAddr>,
    turn_secret: Option<&str>,
) -> headwater_node::Config {
    let mut node = headwater_node::Config::new(seed::seed());
    node.media.clone_from(&ports.media);
    node.tcp.clone_from(&ports.ice_tcp);
    node.turn = turn_secret.map(|secret| headwater_node::Turn::new(secret, seed::seed()));
    node.advertise = advertise;
    node.workers = config.workers;
    node.takeover = config.takeover.into();
    node.dtls = config.dtls.into();
    node.coalesce = Duration::from_millis(config.coalesce.into());
    node.segmentation = !config.no_gso;
    node.portable = config.portable;
    node.limits.streams = config.limits.streams;
    node.limits.viewers_per_stream = config.limits.viewers_per_stream;
    node.limits.sessions_per_address = config.limits.sessions_per_address;
    node.limits.publish_bitrate = config.limits.publish_bitrate;
    node.limits.pending_sessions = config.limits.pending_sessions;
    node
}

/// SIGINT and SIGTERM.
pub(crate) struct Ending {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Ending {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?,
        })
    }

    #[cfg(unix)]
    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => (),
            _ = self.terminate.recv() => (),
        }
    }

    #[cfg(not(unix))]
    pub(crate) async fn wait(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
