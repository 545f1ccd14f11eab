//! `headwater turn`: the TURN server alone.

mod metrics;
mod options;
mod settings;

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use headwater_relay::{
    Config, Identity, IdentityError, MAX_WORKERS, Network, PeerPolicy, Relay, ServerConfig, StartError,
};
use headwater_turn::special_purpose;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{info, warn};

pub(crate) use options::Options;

use self::settings::Settings;
use crate::config::ConfigError;
use crate::run::{self, Ending};
use crate::seed;
use crate::tls::Watch;

/// How often it is looked whether all workers are there.
const LOOK: Duration = Duration::from_secs(1);

/// Why it does not run.
#[derive(Error, Debug)]
pub(crate) enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Pair(#[from] PairError),
    #[error("metrics {address}: {error}")]
    Metrics { address: SocketAddr, error: io::Error },
    #[error("turn: {0}")]
    Start(#[from] StartError),
    #[error("turn: a worker has failed, see above; ended, so that all clients come anew")]
    Worker,
    #[error(transparent)]
    Run(#[from] run::Failure),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Why certificate and key cannot be used.
#[derive(Error, Debug)]
pub(crate) enum PairError {
    #[error("cannot read {path}: {error}")]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("cert {cert}, key {key}: {error}")]
    Identity { cert: PathBuf, key: PathBuf, error: IdentityError },
}

/// Runs until SIGINT or SIGTERM.
pub(crate) fn run(options: Options) -> Result<(), Failure> {
    let settings = Settings::load(options)?;
    run::start_logs(&settings.log)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let mut ending = Ending::listen()?;
    let metrics = match settings.metrics {
        Some(address) => {
            let error = |error| Failure::Metrics { address, error };
            Some(TcpListener::bind(address).await.map_err(error)?)
        }
        None => None,
    };
    let drain = settings.drain;
    // Before the pair is read: what is written meanwhile is a change.
    let watch = settings.pair.as_ref().map(|(cert, key)| Watch::new(cert, key));
    let allowed = settings.allow_peer.clone();
    let config = config(settings)?;
    let text = announcement(&config);
    let relay = Arc::new(Relay::start(config)?);
    {
        let mut out = io::stdout().lock();
        // A closed standard output is no reason not to serve.
        let _ = out.write_all(text(&relay, metrics.as_ref()).as_bytes()).and_then(|()| out.flush());
    }
    info!(addresses = ?relay.local_addrs(), "relaying");
    for address in relay.relay_addresses() {
        if let Some(block) = unreachable(address.public, &allowed) {
            let address = address.public;
            warn!(%address, block, "peers elsewhere cannot reach relays there: see --relay-ip PUBLIC/PRIVATE");
        }
    }
    if let Some(listener) = metrics {
        let shown = Arc::clone(&relay);
        let router = Router::new().route("/metrics", get(move || async move { metrics::exposition(&shown) }));
        tokio::spawn(async move { axum::serve(listener, router).await });
    }
    if let Some(watch) = watch {
        let renewed = Arc::clone(&relay);
        tokio::spawn(watch.run(move |cert, key| renew(&renewed, cert, key)));
    }
    tokio::select! {
        () = ending.wait() => {}
        () = failed(&relay) => return Err(Failure::Worker),
    }
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

fn config(settings: Settings) -> Result<Config, Failure> {
    let identity = settings.pair.as_ref().map(|(cert, key)| identity(cert, key)).transpose()?;
    let mut turn = ServerConfig::new(settings.realm, seed::seed());
    turn.users = settings.users.into_iter().map(|user| (user.name, user.password)).collect::<HashMap<_, _>>();
    turn.secrets = settings.secrets;
    turn.peers = settings.allow_peer.into_iter().fold(PeerPolicy::public(), PeerPolicy::allow);
    turn.per_user = settings.per_user;
    turn.per_address = settings.per_address;
    let mut config = Config::new(turn, seed::seed());
    config.listen = settings.listen;
    config.tls_listen = settings.tls_listen;
    config.identity = identity;
    config.relay_addresses = settings.relay_ip;
    config.relay_ports = settings.relay_ports;
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MAX_WORKERS);
    config.workers = settings.workers.map_or_else(cores, NonZeroUsize::get);
    config.segmentation = !settings.no_gso;
    config.coalesce = settings.coalesce;
    Ok(config)
}

fn identity(cert: &Path, key: &Path) -> Result<Identity, PairError> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| PairError::Unreadable { path: path.to_owned(), error })
    };
    Identity::from_pem(&read(cert)?, &read(key)?).map_err(|error| PairError::Identity {
        cert: cert.to_owned(),
        key: key.to_owned(),
        error,
    })
}

/// Ends when a worker has. Who is started by systemd or the like is better started anew than half there.
async fn failed(relay: &Relay) {
    while !relay.has_failed() {
        sleep(LOOK).await;
    }
}

/// What is wrong with an address for relays: the block that it is in, unless peers are there too.
fn unreachable(address: IpAddr, allowed: &[Network]) -> Option<&'static str> {
    special_purpose(address).filter(|_| !allowed.iter().any(|it| it.contains(address)))
}

/// Has new connections use what the files hold now.
fn renew(relay: &Relay, cert: &Path, key: &Path) -> Result<(), PairError> {
    let identity = identity(cert, key)?;
    if !identity.has_dtls() {
        warn!("the new certificate's key is not on P-256: new DTLS clients are not answered");
    }
    relay.set_identity(&identity);
    Ok(())
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

#[cfg(test)]
mod tests;
