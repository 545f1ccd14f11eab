#![doc = include_str!("../README.md")]

mod admission;
mod associations;
mod clock;
mod config;
mod counters;
mod identity;
mod interfaces;
mod ledger;
mod outbox;
mod pipe;
mod ports;
mod relays;
mod streams;
mod token;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use config::{
    COALESCE, Config, DEFAULT_RELAY_PORTS, Limits, MAX_COALESCE, MAX_RELAY_ADDRESSES, MAX_WORKERS,
    RelayAddress, StartError,
};
pub use counters::Counters;
pub use headwater_turn::{ConfigError, Network, PeerPolicy, Quota, ServerConfig};
pub use identity::{Identity, IdentityError};

use headwater_turn::Server;
use headwater_turn::attribute::Family;
use headwater_udp::{Options, Socket};
use mio::net::TcpListener;
use mio::{Interest, Poll, Waker};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use socket2::{Domain, Protocol, Type};

use crate::admission::Admission;
use crate::associations::Associations;
use crate::counters::Board;
use crate::ledger::{Charges, Ledger};
use crate::outbox::{Outbox, Port};
use crate::ports::Ports;
use crate::relays::Relays;
use crate::streams::{Door, Streams};
use crate::worker::{ADDRESSES_LOOK, Command, Core, Worker};

/// Descriptors wished for: relays on four addresses with all dynamic ports, and their clients' connections.
const WANTED_FILES: u64 = 131_072;
/// Clients that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// Ports tried where any will do: somebody may have what UDP is given for TCP.
const TRIES: usize = 16;
/// How often `shutdown` looks whether the workers have ended.
const LOOK: Duration = Duration::from_millis(5);

/// A running TURN server. Dropping it ends all allocations.
pub struct Relay {
    shared: Arc<Shared>,
    local: Vec<SocketAddr>,
    workers: Vec<(Sender<Command>, Waker)>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the workers have in common.
pub(crate) struct Shared {
    pub(crate) ports: Arc<Ports>,
    pub(crate) admission: Admission,
    pub(crate) boards: Vec<Board>,
    /// Workers that have not ended.
    pub(crate) running: AtomicUsize,
    /// One has ended without being told to.
    pub(crate) has_failed: AtomicBool,
}

/// Lives as long as a worker, and notes if that panics.
struct Watchman(Arc<Shared>);

impl Drop for Watchman {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.has_failed.store(true, Ordering::Release);
            self.0.running.fetch_sub(1, Ordering::Release);
        }
    }
}

impl Relay {
    /// Opens the listeners and starts the workers.
    ///
    /// # Errors
    /// [`StartError`] says what cannot be had; nothing runs then.
    pub fn start(config: Config) -> Result<Self, StartError> {
        if !(1..=MAX_WORKERS).contains(&config.workers) {
            return Err(StartError::WorkerCount);
        }
        if config.listen.is_empty() && config.tls_listen.is_empty() {
            return Err(StartError::NoListener);
        }
        if config.identity.is_none() && !config.tls_listen.is_empty() {
            return Err(StartError::NoIdentity);
        }
        if config.relay_ports.is_empty() || *config.relay_ports.start() == 0 {
            return Err(StartError::RelayPorts);
        }
        let addresses = interfaces::relay_addresses(&config)?;
        headwater_udp::raise_file_limit(WANTED_FILES);
        let (listeners, local) = listeners(&config)?;
        let shared = Arc::new(Shared {
            ports: Arc::new(Ports::new(addresses.clone(), config.relay_ports.clone())),
            admission: Admission::new(config.limits.connections, config.limits.connections_per_address),
            boards: (0..config.workers).map(|_| Board::default()).collect(),
            running: AtomicUsize::new(config.workers),
            has_failed: AtomicBool::new(false),
        });
        let mut turn = config.turn.clone();
        turn.listeners.clone_from(&local);
        let own = interfaces::own_addresses(local.iter().copied(), &addresses);
        turn.own_addresses = own.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot list this machine's addresses: its other services may be peers");
            interfaces::known_addresses(local.iter().copied(), &addresses).collect()
        });
        turn.relay_ports = config.relay_ports.clone();
        turn.families =
            [Family::V4, Family::V6].into_iter().filter(|family| shared.ports.has(*family)).collect();
        let most = config.turn.per_user.allocations.filter(|_| config.workers > 1);
        let ledger = most.map(|most| Arc::new(Ledger::new(most)));
        let mut seeds = ChaCha20Rng::from_seed(config.seed);
        let now = clock::now();
        let unix = clock::unix();
        let mut started = Self { shared, local, workers: Vec::new(), threads: Mutex::default() };
        for (index, sockets) in listeners.into_iter().enumerate() {
            let mut seed = || {
                let mut seed = [0; 32];
                seeds.fill_bytes(&mut seed);
                seed
            };
            let server = Server::new(turn.clone(), seed(), now, unix)?;
            let poll = Poll::new()?;
            let waker = Waker::new(poll.registry(), token::WAKER)?;
            let (sender, commands) = channel();
            let (mut ports, mut doors) = (Vec::new(), Vec::new());
            for (index, listener) in sockets.into_iter().enumerate() {
                let Listener { mut udp, mut tcp, is_plain, is_secure } = listener;
                // Not for writing: the kernel would wake us for every message that leaves.
                poll.registry().register(&mut udp, token::port(index), Interest::READABLE)?;
                poll.registry().register(&mut tcp, token::door(index), Interest::READABLE)?;
                ports.push(Port::new(udp, is_plain, is_secure));
                doors.push(Door { io: tcp, is_plain, is_secure, is_readable: true });
            }
            let mut rng = || ChaCha20Rng::from_seed(seed());
            let associations = config
                .identity
                .as_ref()
                .map(|it| Associations::new(it.dtls.clone(), rng(), config.limits.associations, now));
            let core = Core {
                index,
                shared: Arc::clone(&started.shared),
                server,
                now,
                registry: poll.registry().try_clone()?,
                identity: config.identity.clone(),
                limits: config.limits.clone(),
                coalesce: config.coalesce.min(MAX_COALESCE),
                outbox: Outbox::new(ports),
                relays: Relays::new(Arc::clone(&started.shared.ports), rng(), config.segmentation),
                charges: Charges::new(ledger.clone()),
                streams: Streams::new(doors),
                associations,
                counters: Counters::default(),
                has_news: false,
                stop: None,
                taken: 0,
                next_sweep: now,
                next_look: now + ADDRESSES_LOOK,
                next_tick: now,
            };
            let worker = Worker::new(core, poll, commands);
            let watchman = Watchman(Arc::clone(&started.shared));
            let run = move || {
                let _watchman = watchman;
                worker.run();
            };
            let thread = thread::Builder::new().name(format!("turn-{index}")).spawn(run)?;
            started.workers.push((sender, waker));
            started.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(started)
    }

    /// Where it listens, with the ports that the system chose where 0 was asked for.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local
    }

    /// Where relays are.
    #[must_use]
    pub fn relay_addresses(&self) -> &[RelayAddress] {
        self.shared.ports.addresses()
    }

    /// What happened since the start.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        self.shared.boards.iter().for_each(|board| board.add_to(&mut sum));
        sum
    }

    /// Whether a worker has ended without being told to. Its clients are not served, by no other either: start anew.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.shared.has_failed.load(Ordering::Acquire)
    }

    /// Uses another certificate for TLS and DTLS connections that begin from now on; those that there are keep theirs.
    /// Without [`Config::tls_listen`] it does nothing.
    pub fn set_identity(&self, identity: &Identity) {
        self.tell(|| Command::Identity(identity.clone()));
    }

    /// From now on no allocation is made; those that there are go on until their clients end them.
    pub fn drain(&self) {
        self.tell(|| Command::Drain);
    }

    /// Makes no more allocations, waits until those that there are have ended or `deadline` is over, and ends.
    pub fn shutdown(&self, deadline: Duration) {
        let until = clock::now() + deadline;
        self.tell(|| Command::Stop(until));
        while self.shared.running.load(Ordering::Acquire) > 0 && clock::now() < until + LOOK * 20 {
            thread::sleep(LOOK);
        }
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _ = thread.join();
        }
    }

    fn tell(&self, command: impl Fn() -> Command) {
        for (sender, waker) in &self.workers {
            // A worker that has ended needs no command.
            let _ = sender.send(command());
            let _ = waker.wake();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shutdown(Duration::ZERO);
    }
}

/// The two sockets at one address, and which clients may come to them.
struct Listener {
    udp: Socket,
    tcp: TcpListener,
    is_plain: bool,
    is_secure: bool,
}

/// Opens all sockets, for each worker its own, and tells their addresses.
fn listeners(config: &Config) -> Result<(Vec<Vec<Listener>>, Vec<SocketAddr>), StartError> {
    let mut wanted: Vec<(SocketAddr, bool, bool)> = Vec::new();
    for address in &config.listen {
        if !wanted.iter().any(|(other, ..)| other == address) {
            wanted.push((*address, true, false));
        }
    }
    for address in &config.tls_listen {
        match wanted.iter_mut().find(|(other, ..)| other == address) {
            Some((_, _, is_secure)) => *is_secure = true,
            None => wanted.push((*address, false, true)),
        }
    }
    let mut all: Vec<Vec<Listener>> = (0..config.workers).map(|_| Vec::new()).collect();
    let mut locals = Vec::new();
    for (mut local, is_plain, is_secure) in wanted {
        for sockets in &mut all {
            let (udp, tcp) = both(local, config)?;
            // The port that the first one got is that of all.
            local = udp.local_addr();
            sockets.push(Listener { udp, tcp, is_plain, is_secure });
        }
        // A client's other sockets must come to where its allocation is: one for a kept port, its data connections.
        let count = config.workers as u32;
        if let Some(listener) = all.first().and_then(|sockets| sockets.last()).filter(|_| count > 1) {
            let steered = listener.udp.steer_by_address(count);
            if let Err(error) = steered.and_then(|()| headwater_udp::steer_by_address(&listener.tcp, count)) {
                return Err(StartError::Workers { error });
            }
        }
        locals.push(local);
    }
    Ok((all, locals))
}

/// UDP and TCP at one port; where any will do, one that both can have.
fn both(address: SocketAddr, config: &Config) -> Result<(Socket, TcpListener), StartError> {
    let mut options = Options::default();
    options.reuse_port = config.workers > 1;
    options.segmentation = config.segmentation;
    let mut tries = if address.port() == 0 { TRIES } else { 1 };
    loop {
        let udp = Socket::bind(address, &options).map_err(|error| StartError::Listen {
            transport: "UDP",
            address,
            error,
        })?;
        let address = udp.local_addr();
        match listen(address, options.reuse_port) {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 1 => tries -= 1,
            Err(error) => return Err(StartError::Listen { transport: "TCP", address, error }),
        }
    }
}

fn listen(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // So that a new start need not wait for the connections of the last one.
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_panics_is_noticed() {
        let shared = Arc::new(Shared {
            ports: Arc::new(Ports::new(Vec::new(), DEFAULT_RELAY_PORTS)),
            admission: Admission::new(1, 1),
            boards: Vec::new(),
            running: AtomicUsize::new(2),
            has_failed: AtomicBool::new(false),
        });
        let state = || (shared.running.load(Ordering::Acquire), shared.has_failed.load(Ordering::Acquire));
        let watchman = Watchman(Arc::clone(&shared));
        drop(watchman);
        assert_eq!(state(), (2, false), "one that ends says so itself");
        let watchman = Watchman(Arc::clone(&shared));
        let panics = thread::spawn(move || {
            let _watchman = watchman;
            panic!("as a worker that has a bug");
        });
        assert!(panics.join().is_err());
        assert_eq!(state(), (1, true));
    }
}
